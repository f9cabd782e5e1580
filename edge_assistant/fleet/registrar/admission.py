"""Whether a device is let in: one decision, made inside one transaction; time is an argument."""

from __future__ import annotations

import re
from typing import NamedTuple

import apsw
import msgspec

from edge_assistant.errors import ForbiddenError
from edge_assistant.fleet.registrar.book import (
    Claim,
    Device,
    claim_in,
    devices_in,
    keep_claim_in,
    keep_in,
    revoked_in,
    serial_in,
)
from edge_assistant.fleet.wire import DEVICE_NAME, SERIAL, Request


class Asked(NamedTuple):
    """A request whose key was proven."""

    claim: str
    request: Request
    key: str
    """Its fingerprint, and itself as PEM."""
    public_key: str


def admit(db: apsw.Connection, asked: Asked, now: float) -> Device:
    """Return the device that asks, written down when it is new; its state says whether it is let in.

    Raises `ForbiddenError`: FLEET_CLAIM_UNKNOWN, FLEET_CLAIM_EXPIRED, FLEET_CLAIM_USED, FLEET_SERIAL_WRONG,
    FLEET_SERIAL_BAD, FLEET_KEY_REVOKED.
    """
    claim = _usable(claim_in(db, asked.claim), asked, now)
    if revoked_in(db, asked.key):
        raise ForbiddenError(
            "FLEET_KEY_REVOKED", "this device was revoked: there `fleet leave`, then a new claim"
        )
    devices = devices_in(db)
    known = next((device for device in devices if device.key == asked.key), None)
    if known is None:
        known = _newcomer(db, asked, claim, devices, now)
        keep_in(db, known)
    if claim.state == "open":
        keep_claim_in(db, msgspec.structs.replace(claim, state="used", key=asked.key))
    return known


def _usable(claim: Claim | None, asked: Asked, now: float) -> Claim:
    if claim is None:
        raise ForbiddenError("FLEET_CLAIM_UNKNOWN", "this claim token is not known here: ask for a new one")
    if claim.state == "used" and claim.key != asked.key:
        raise ForbiddenError(
            "FLEET_CLAIM_USED", "another device has used this claim token: ask for a new one"
        )
    if claim.state == "void" or (claim.state == "open" and now >= claim.expires_at):
        raise ForbiddenError("FLEET_CLAIM_EXPIRED", "this claim token has expired: ask for a new one")
    if not SERIAL.fullmatch(asked.request.serial):
        raise ForbiddenError("FLEET_SERIAL_BAD", "the serial number has 1 to 64 letters, digits or . _ : -")
    if claim.serial and claim.serial != asked.request.serial:
        raise ForbiddenError("FLEET_SERIAL_WRONG", "this claim token is for another board")
    return claim


def _newcomer(db: apsw.Connection, asked: Asked, claim: Claim, devices: list[Device], now: float) -> Device:
    """Return a new device: let in when its board is on the allow-list, and no other says it is that board."""
    serial = asked.request.serial
    allowed = serial_in(db, serial)
    twins = [device.name for device in devices if device.serial == serial and device.state != "revoked"]
    wish = next(filter(None, (claim.name, allowed.name if allowed else "", asked.request.name)), serial)
    return Device(
        name=_free_name(wish, {device.name for device in devices}),
        serial=serial,
        key=asked.key,
        public_key=asked.public_key,
        state="approved" if allowed and not twins else "pending",
        claim=asked.claim,
        note=f"has the serial number of {', '.join(twins)}"[:200] if twins else "",
        groups=tuple(sorted({*claim.groups, *(allowed.groups if allowed else ())})),
        created_at=now,
    )


def _free_name(wish: str, taken: set[str]) -> str:
    base = re.sub(r"[^a-z0-9-]+", "-", wish.lower()).strip("-")[:36]
    if not DEVICE_NAME.fullmatch(base):
        base = "device"
    names = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)
