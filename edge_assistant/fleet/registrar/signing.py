"""What a device gets: its certificate, and the password of its recovery."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509

from edge_assistant.fleet.certificate import pem, read_certificate, read_public
from edge_assistant.fleet.registrar.authority import Authority, has_signed, sign_device
from edge_assistant.fleet.registrar.book import Device
from edge_assistant.fleet.wire import Issued

LIFETIME = timedelta(days=90)

_FRESH_SHARE = 20
"""A device that asks again within so small a part of a certificate's time gets the same one."""


@dataclass(frozen=True)
class Signing:
    """Signs for one fleet. Times are UNIX seconds."""

    authority: Authority
    secret: bytes = field(repr=False)
    """What the passwords of recoveries are derived from."""
    url: str
    """The listener that asks for certificates."""
    lifetime: timedelta = LIFETIME

    def certificate(self, device: Device, now: float) -> str:
        """Return a new certificate for a device's key."""
        moment = datetime.fromtimestamp(now, UTC)
        return pem(
            sign_device(self.authority, read_public(device.public_key), device.name, moment, self.lifetime)
        )

    def issued(self, device: Device) -> Issued:
        """Return what is told to a device that has its certificate."""
        return Issued(
            key=device.key, name=device.name, certificate=device.certificate,
            authority=pem(self.authority.certificate), url=self.url, recovery=self.password(device),
        )  # fmt: skip

    def password(self, device: Device) -> str:
        """Return the password of a device's recovery; derived, so that no backup can lose it."""
        text = f"recovery {device.name} {device.key}".encode()
        return hmac.new(self.secret, text, hashlib.sha256).hexdigest()

    def is_ours(self, certificate: x509.Certificate) -> bool:
        """Return whether a certificate is of this fleet."""
        return has_signed(self.authority, certificate)

    def ends_soon(self, device: Device, now: float) -> bool:
        """Return whether less than half of its certificate's time is left."""
        return _left(device, now) < self.lifetime / 2

    def is_fresh(self, device: Device, now: float) -> bool:
        """Return whether it has got its certificate only just now."""
        return _left(device, now) > self.lifetime - self.lifetime / _FRESH_SHARE


def _left(device: Device, now: float) -> timedelta:
    return read_certificate(device.certificate).not_valid_after_utc - datetime.fromtimestamp(now, UTC)
