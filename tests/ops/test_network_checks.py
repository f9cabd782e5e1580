"""The doctor asks the brokers and reads the dates of certificates."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_assistant.config import Config, MqttSettings, Paths
from edge_assistant.config.schema import CloudSettings
from edge_assistant.mqtt.broker import Broker
from edge_assistant.ops.doctor import examine
from edge_assistant.ops.network_checks import check_broker, check_certificates, check_cloud
from tests.mosquitto import Mosquitto
from tests.ops.patients import needs_fix, patient

DAY = timedelta(days=1)


def certificate(folder: Path, begins: timedelta, ends: timedelta) -> tuple[Path, Path]:
    """Write a certificate that signs itself, good from so long from now until then, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    chain, secret = folder / "broker.crt", folder / "broker.key"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return chain, secret


@contextmanager
def broker_with(chain: Path, key: Path) -> Iterator[Broker]:
    """Listen with a certificate, as a broker with TLS does; nothing is said beyond the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        over = threading.Event()

        def answer() -> None:
            while not over.is_set():
                try:
                    channel, _ = server.accept()
                    channel.settimeout(10)
                    with context.wrap_socket(channel, server_side=True):
                        pass
                except OSError:  # nobody came, or the caller refused the certificate
                    continue

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield Broker(host="127.0.0.1", port=server.getsockname()[1])
        finally:
            over.set()
            thread.join()


def secured(broker: Broker, **settings: str) -> Config:
    return Config(mqtt=MqttSettings(enabled=True, url=f"mqtts://{broker.address}", **settings))


def test_a_broker_that_answers_is_well_and_one_that_is_gone_fails(state: Paths, tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path).start()
    config = Config(mqtt=MqttSettings(enabled=True, url=broker.url))
    try:
        assert check_broker(patient(state, config)).outcome == "ok"
    finally:
        broker.kill()
    needs_fix(check_broker(patient(state, config)), fix="mqtt.url")
    assert check_broker(patient(state, Config())).outcome == "ok"


def test_a_name_that_nobody_knows_is_said(state: Paths) -> None:
    config = Config(mqtt=MqttSettings(enabled=True, url="mqtt://no-such-broker.invalid"))
    found = check_broker(patient(state, config))
    needs_fix(found)
    assert "no-such-broker.invalid:1883" in found.detail


def test_the_operators_broker_that_is_gone_only_warns(state: Paths) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        config = Config(cloud=CloudSettings(enabled=True, url=f"mqtt://127.0.0.1:{port}"))
        assert check_cloud(patient(state, config)).outcome == "ok"
    needs_fix(check_cloud(patient(state, config)), "warning", "cloud.url")
    assert check_cloud(patient(state, Config())).outcome == "ok"


def test_a_broker_whose_authority_is_not_known_is_told_where_to_name_it(state: Paths, tmp_path: Path) -> None:
    chain, key = certificate(tmp_path, -DAY, 300 * DAY)
    with broker_with(chain, key) as broker:
        needs_fix(check_broker(patient(state, secured(broker))), fix="mqtt.ca_file")
        assert check_broker(patient(state, secured(broker, ca_file=str(chain)))).outcome == "ok"


def test_an_authority_that_is_not_there_is_a_finding(state: Paths, tmp_path: Path) -> None:
    missing = str(tmp_path / "no.pem")
    config = Config(mqtt=MqttSettings(enabled=True, url="mqtts://127.0.0.1", ca_file=missing))
    found = {finding.name: finding for finding in examine(config, state)}
    needs_fix(found["broker"])
    needs_fix(found["certificates"])


@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [
        (-DAY, 300 * DAY, ""),
        (-DAY, 5 * DAY, "ends on"),
        (-9 * DAY, -DAY, "ended on"),
        (5 * DAY, 300 * DAY, "is the clock right?"),
    ],
)
def test_a_certificate_that_is_over_ends_soon_or_begins_later_is_said(
    state: Paths, tmp_path: Path, begins: timedelta, ends: timedelta, words: str
) -> None:
    chain, _ = certificate(tmp_path, begins, ends)
    config = Config(mqtt=MqttSettings(enabled=True, url="mqtts://127.0.0.1", ca_file=str(chain)))
    found = check_certificates(patient(state, config))
    assert (found.outcome, bool(found.fix)) == (("warning", True) if words else ("ok", False))
    assert words in found.detail
    assert ("mqtt.ca_file" in found.detail) == bool(words)


def test_a_file_that_holds_no_certificate_is_said(state: Paths, tmp_path: Path) -> None:
    (tmp_path / "rubbish.pem").write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    cloud = CloudSettings(enabled=True, url="mqtts://127.0.0.1", ca_file=str(tmp_path / "rubbish.pem"))
    found = check_certificates(patient(state, Config(cloud=cloud)))
    needs_fix(found, "warning")
    assert "cloud.ca_file holds no certificate" in found.detail


def test_the_pages_own_certificate_is_read_from_the_running_daemon(state: Paths, tmp_path: Path) -> None:
    chain, key = certificate(tmp_path, -9 * DAY, -DAY)
    with broker_with(chain, key) as page:
        runs = msgspec.structs.replace(patient(state), house_url=f"https://127.0.0.1:{page.port}")
        found = check_certificates(runs)
    needs_fix(found, "warning", "restart")
    assert "that of the page ended on" in found.detail
    assert check_certificates(runs).outcome == "ok"  # nobody listens any more: `house` says so
