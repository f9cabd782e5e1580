"""Where a broker is and how it is reached."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import msgspec

from edge_assistant.errors import ConfigError

PORTS = {"mqtt": 1883, "mqtts": 8883}
"""Default ports by scheme; `mqtts` is TLS (IANA service names mqtt, secure-mqtt)."""


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """Address and credentials of a broker."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = None
    ca_file: str = ""
    """Certificate authority that signs the broker; empty trusts the system's."""
    certificate_file: str = ""
    """Own certificate for mutual TLS; empty for none."""
    key_file: str = ""

    @property
    def address(self) -> str:
        """Host and port, as they may stand in a log."""
        return f"{self.host}:{self.port}"


def parse_broker(
    url: str,
    *,
    username: str = "",
    password: str | None = None,
    ca_file: str = "",
    certificate_file: str = "",
    key_file: str = "",
) -> Broker:
    """Return the broker at `mqtt://HOST[:PORT]` or `mqtts://…`; raises `ConfigError` MQTT_URL_BAD."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad() from None
    if parts.scheme not in PORTS or not parts.hostname or "@" in parts.netloc or parts.path not in {"", "/"}:
        raise _bad()
    tls = parts.scheme == "mqtts"
    if (ca_file or certificate_file) and not tls:
        raise ConfigError("MQTT_URL_BAD", "certificates need an address that begins with mqtts://")
    return Broker(
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        tls=tls,
        username=username or None,
        password=password,
        ca_file=ca_file,
        certificate_file=certificate_file,
        key_file=key_file,
    )


def tls_context(broker: Broker) -> ssl.SSLContext | None:
    """Return what checks the broker and shows our certificate; None without TLS.

    Reads files: call it off the event loop. Raises `ConfigError` MQTT_CERTIFICATE_BAD.
    """
    if not broker.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=broker.ca_file or None)
        if broker.certificate_file:
            context.load_cert_chain(broker.certificate_file, broker.key_file or None)
    except OSError as error:
        files = ", ".join(filter(None, (broker.ca_file, broker.certificate_file, broker.key_file)))
        raise ConfigError("MQTT_CERTIFICATE_BAD", f"can't use the certificates {files}: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _bad() -> ConfigError:
    return ConfigError(
        "MQTT_URL_BAD",
        "mqtt.url must be mqtt://HOST, mqtts://HOST or either with :PORT; the name goes into "
        "mqtt.username and the password into the secret `mqtt_password`",
    )
