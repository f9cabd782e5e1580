"""Who this device is in the fleet: a key made here, which never leaves, and what the registrar signed.

Each step is one durable replacement of a file, so a power cut leaves the device enrolled or not:
`key.pem` is made before anybody is asked, `identity.json` appears when the certificate has arrived.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from edge_assistant.errors import EdgeError
from edge_assistant.fleet.certificate import (
    RELEASE,
    common_name,
    fingerprint,
    key_of,
    key_pem,
    new_key,
    read_certificate,
    read_key,
)
from edge_assistant.fleet.wire import SERIAL, Issued
from edge_assistant.mqtt.broker import Broker, parse_broker
from edge_assistant.store.files import make_folder, require_private, write_private

RENEW_SHARE = 1 / 3
"""A certificate is renewed when so much of its time is left."""

_SERIALS = (
    Path("/proc/device-tree/serial-number"),
    Path("/sys/class/dmi/id/product_serial"),
    Path("/etc/machine-id"),
)
_NO_SERIALS = re.compile(
    r"0*|none|default string|to be filled.*|not (applicable|specified)|system serial.*", re.IGNORECASE
)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What the registrar gave this device."""

    name: str
    certificate: str
    authority: str
    url: str
    recovery: str

    @property
    def until(self) -> datetime:
        """When the certificate ends."""
        return read_certificate(self.certificate).not_valid_after_utc

    def due(self, now: datetime) -> bool:
        """Return whether it is time for the next certificate; a clock that can't be right tells nothing."""
        if now < RELEASE:
            return False
        certificate = read_certificate(self.certificate)
        whole = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        return now >= certificate.not_valid_after_utc - max(whole * RENEW_SHARE, timedelta(seconds=1))

    def ended(self, now: datetime) -> bool:
        """Return whether the certificate is of no use any more."""
        return now > self.until


class Keeper:
    """The files of the identity, in a folder that only this user enters. All of it blocks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key, self._identity = folder / "key.pem", folder / "identity.json"

    def key(self) -> ec.EllipticCurvePrivateKey:
        """Return the key of this device, made on the first call; raises FLEET_KEY_DAMAGED, `StoreError`."""
        make_folder(self.folder)
        if not self._key.exists():
            write_private(self._key, key_pem(new_key()))
        require_private(self._key)
        try:
            return read_key(self._key.read_bytes())
        except ValueError:
            raise EdgeError(
                "FLEET_KEY_DAMAGED",
                f"{self._key} is damaged: remove the folder {self.folder} and enrol this device anew",
            ) from None

    def load(self) -> Identity | None:
        """Return who this device is; None when it is not enrolled, or its file can't be read."""
        try:
            identity = msgspec.json.decode(self._identity.read_bytes(), type=Identity)
            fits = key_of(read_certificate(identity.certificate)) == fingerprint(self.key().public_key())
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeError, EdgeError):
            return None
        return identity if fits else None

    def keep(self, issued: Issued) -> Identity:
        """Keep what was issued for our key, durably, and return it; raises FLEET_CERTIFICATE_BAD."""
        certificate = read_certificate(issued.certificate)
        ours = key_of(certificate) == fingerprint(self.key().public_key())
        if not ours or common_name(certificate) != issued.name:
            raise EdgeError("FLEET_CERTIFICATE_BAD", "the certificate that came is not of this device's key")
        parse_broker(issued.url)
        identity = Identity(
            name=issued.name, certificate=issued.certificate, authority=issued.authority, url=issued.url,
            recovery=issued.recovery,
        )  # fmt: skip
        write_private(self._identity, msgspec.json.encode(identity))
        return identity

    def broker(self, identity: Identity) -> Broker:
        """Return how the broker is reached with the certificate; its files follow the identity."""
        authority, certificate = self.folder / "authority.pem", self.folder / "certificate.pem"
        for path, text in ((authority, identity.authority), (certificate, identity.certificate)):
            if not path.exists() or path.read_text() != text:
                write_private(path, text.encode())
        return parse_broker(
            identity.url, ca_file=str(authority), certificate_file=str(certificate), key_file=str(self._key)
        )


def own_serial(configured: str = "") -> str:
    """Return the serial number of this board; one of the machine or of chance when it has none."""
    for text in (configured, *map(_read, _SERIALS)):
        serial = re.sub(r"[^A-Za-z0-9._:-]+", "-", text.strip("\0\n ")).strip("-")[:64]
        if SERIAL.fullmatch(serial) and not _NO_SERIALS.fullmatch(text.strip("\0\n ")):
            return serial
    return f"unknown-{uuid.getnode():x}"


def now_utc() -> datetime:
    """Return what the clock says."""
    return datetime.now(UTC)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
