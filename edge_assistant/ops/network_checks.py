"""Checks of what lies elsewhere: the brokers, and until when certificates are good."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge_assistant.config import MqttSettings, secret
from edge_assistant.config.schema import CloudSettings
from edge_assistant.ops.finding import Check, Finding, Patient, failed, ok, warning

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

CONNECT_SECONDS = 3.0

SOON = timedelta(days=14)
"""A certificate that ends sooner is said; the device's own is renewed 30 days before its end."""


def check_broker(patient: Patient) -> Finding:
    """Check that the home's broker can be reached, and that its certificate is trusted."""
    mqtt = patient.config.mqtt
    if not mqtt.enabled:
        return ok("broker", "not used (mqtt.enabled)")
    return _reached("broker", "mqtt", mqtt)


def check_cloud(patient: Patient) -> Finding:
    """Check the same of the operator's broker."""
    cloud = patient.config.cloud
    if not cloud.enabled:
        return ok("cloud", "not used (cloud.enabled): everything stays on this device")
    found = _reached("cloud", "cloud", cloud)
    if found.outcome == "failed":  # the device answers by itself meanwhile
        return warning("cloud", found.detail, found.fix)
    return found


def _reached(name: str, section: str, settings: MqttSettings | CloudSettings) -> Finding:
    from edge_assistant.mqtt.broker import parse_broker, tls_context

    broker = parse_broker(
        settings.url, username=settings.username, password=secret(f"{section}_password"),
        ca_file=settings.ca_file, certificate_file=settings.certificate_file, key_file=settings.key_file,
    )  # fmt: skip
    context = tls_context(broker)
    try:
        with socket.create_connection((broker.host, broker.port), CONNECT_SECONDS) as channel:
            if context is not None:
                context.wrap_socket(channel, server_hostname=broker.host).close()
    except ssl.SSLCertVerificationError as error:
        fix = (
            f"name the authority that signs it in {section}.ca_file, and in {section}.url the broker as its "
            "certificate does"
        )
        return failed(name, f"{broker.address}: {error.verify_message}", fix)
    except OSError as error:
        fix = f"start the broker, or correct {section}.url; all that needs no broker works meanwhile"
        return failed(name, f"{broker.address}: {error.strerror or error}", fix)
    return ok(name, f"{broker.address} answers")


def check_certificates(patient: Patient) -> Finding:
    """Check that no certificate has ended, will soon, or begins in the future."""
    from cryptography import x509

    now, problems, count = datetime.now(UTC), [], 0
    for what, pem in _certificates(patient):
        try:
            chain = x509.load_pem_x509_certificates(pem)
        except ValueError:
            problems.append(f"{what} holds no certificate")
            continue
        count += len(chain)
        problems += [f"{what} {wrong}" for each in chain if (wrong := _wrong(each, now))]
    if problems:
        fix = "renew it where it was made; the page's own is renewed by a restart with a right clock"
        return warning("certificates", "; ".join(problems), fix)
    return ok("certificates", f"{count} looked at, none is wrong" if count else "none to look at")


def _wrong(certificate: Certificate, now: datetime) -> str:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if begin > now:
        return f"begins on {begin:%Y-%m-%d}: is the clock right?"
    if end < now:
        return f"ended on {end:%Y-%m-%d}"
    return f"ends on {end:%Y-%m-%d}" if end < now + SOON else ""


def _certificates(patient: Patient) -> Iterator[tuple[str, bytes]]:
    """Yield names and PEM texts of the certificates in use; a broker's authority may hold several."""
    with contextlib.suppress(OSError):  # `check_house` says why nothing listens
        if pem := _page_certificate(patient):
            yield "that of the page", pem.encode()
    config = patient.config
    for section, settings in (("mqtt", config.mqtt), ("cloud", config.cloud)):
        for key in ("ca_file", "certificate_file"):
            path = getattr(settings, key)
            if settings.enabled and path:
                yield f"{section}.{key}", Path(path).expanduser().read_bytes()


def _page_certificate(patient: Patient) -> str:
    port = urlsplit(patient.house_url).port
    if not port:
        return ""
    host = patient.config.web.tls_host.strip("[]")
    own = "127.0.0.1" if host in {"", "0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    return ssl.get_server_certificate((own, port), timeout=CONNECT_SECONDS)


NETWORK_CHECKS: tuple[Check, ...] = (check_broker, check_cloud, check_certificates)
