"""What the registrar writes down: claims, serials, devices, and its own settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

import apsw
import msgspec

from edge_assistant.errors import UsageError
from edge_assistant.fleet.wire import Desired, Reported
from edge_assistant.store.database import Database

T = TypeVar("T")
State = Literal["pending", "approved", "enrolled", "held", "revoked"]
"""`approved` has a certificate and was not seen with it yet; `held` may be out of date (see `Registrar`)."""

MEMBERS: tuple[State, ...] = ("approved", "enrolled")
"""Those that the broker lets in."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The right to ask for one certificate. Its secret is known to the broker alone, as a hash."""

    id: str
    """The user at the broker."""
    serial: str = ""
    """The only board that may use it; empty when that isn't known."""
    name: str = ""
    groups: tuple[str, ...] = ()
    state: Literal["open", "used", "void"] = "open"
    key: str = ""
    """Of the device that used it: nobody else can."""
    created_at: float = 0.0
    expires_at: float = 0.0


class Serial(msgspec.Struct, frozen=True, kw_only=True):
    """A board that needs no approval."""

    serial: str
    name: str = ""
    groups: tuple[str, ...] = ()


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device as the registrar knows it."""

    name: str
    serial: str
    key: str
    """SHA-256 of its public key."""
    public_key: str
    """That key, as PEM."""
    state: State
    claim: str = ""
    note: str = ""
    """What the operator should look at."""
    groups: tuple[str, ...] = ()
    certificate: str = ""
    online: bool = False
    created_at: float = 0.0
    enrolled_at: float | None = None
    last_contact: float | None = None
    reported: Reported | None = None
    desired: Desired | None = None


_DEVICE = ", ".join(Device.__struct_fields__).replace("groups", "member_of")
_CLAIM = ", ".join(Claim.__struct_fields__).replace("groups", "member_of")
_JSON = {"groups", "reported", "desired"}


class Book:
    """The tables; functions ending in `_in` belong into a transaction of the caller."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def devices(self) -> list[Device]:
        """Return all devices by name."""
        return await self.database.read(devices_in)

    async def device(self, name: str) -> Device:
        """Return a device; raises FLEET_DEVICE_UNKNOWN."""
        found = await self.database.read(lambda db: device_in(db, name))
        if found is None:
            raise UsageError("FLEET_DEVICE_UNKNOWN", f"no device is called {name[:60]!r}: see `fleet status`")
        return found

    async def keep(self, *devices: Device) -> None:
        """Write devices down."""

        def work(db: apsw.Connection) -> None:
            for device in devices:
                keep_in(db, device)

        await self.database.write(work)

    async def change(self, name: str, change: Callable[[Device], Device]) -> Device:
        """Change a device in one transaction and return it; raises FLEET_DEVICE_UNKNOWN."""

        def work(db: apsw.Connection) -> Device | None:
            device = device_in(db, name)
            if device is not None:
                device = change(device)
                keep_in(db, device)
            return device

        changed = await self.database.write(work)
        return changed if changed is not None else await self.device(name)

    async def claims(self) -> list[Claim]:
        """Return all claims, the newest first."""
        return await self.database.read(claims_in)

    async def keep_claims(self, claims: Iterable[Claim]) -> None:
        """Write claims down."""
        rows = list(claims)

        def work(db: apsw.Connection) -> None:
            for claim in rows:
                keep_claim_in(db, claim)

        await self.database.write(work)

    async def serials(self) -> list[Serial]:
        """Return the allow-list."""
        return await self.database.read(
            lambda db: [_serial(row) for row in db.execute("SELECT * FROM serials ORDER BY serial")]
        )

    async def keep_serials(self, serials: Iterable[Serial]) -> None:
        """Let boards in without approval."""
        rows = [(each.serial, each.name, _text(each.groups)) for each in serials]
        await self.database.write(
            lambda db: db.executemany("INSERT OR REPLACE INTO serials VALUES(?, ?, ?)", rows) and None
        )

    async def setting(self, name: str) -> bytes | None:
        """Return what is kept under a name."""

        def work(db: apsw.Connection) -> bytes | None:
            row = db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
            return bytes(row[0]) if row else None

        return await self.database.read(work)

    async def set_setting(self, name: str, value: bytes) -> None:
        """Keep something under a name."""
        await self.database.write(lambda db: set_in(db, name, value))


def set_in(db: apsw.Connection, name: str, value: bytes) -> None:
    """Keep a setting."""
    db.execute("INSERT OR REPLACE INTO settings VALUES(?, ?)", (name, value))


def devices_in(db: apsw.Connection) -> list[Device]:
    """Return all devices by name."""
    return [_device(row) for row in db.execute(f"SELECT {_DEVICE} FROM devices ORDER BY name")]  # noqa: S608


def device_in(db: apsw.Connection, name: str) -> Device | None:
    """Return one device."""
    row = db.execute(f"SELECT {_DEVICE} FROM devices WHERE name = ?", (name,)).fetchone()  # noqa: S608
    return _device(row) if row else None


def keep_in(db: apsw.Connection, device: Device) -> None:
    """Write a device down."""
    values = [_column(field, getattr(device, field)) for field in Device.__struct_fields__]
    marks = ", ".join("?" * len(values))
    db.execute(f"INSERT OR REPLACE INTO devices({_DEVICE}) VALUES({marks})", values)


def claims_in(db: apsw.Connection) -> list[Claim]:
    """Return all claims, the newest first."""
    return [_claim(row) for row in db.execute(f"SELECT {_CLAIM} FROM claims ORDER BY created_at DESC")]  # noqa: S608


def claim_in(db: apsw.Connection, claim: str) -> Claim | None:
    """Return one claim."""
    row = db.execute(f"SELECT {_CLAIM} FROM claims WHERE id = ?", (claim,)).fetchone()  # noqa: S608
    return _claim(row) if row else None


def keep_claim_in(db: apsw.Connection, claim: Claim) -> None:
    """Write a claim down."""
    values = [_column(field, getattr(claim, field)) for field in Claim.__struct_fields__]
    marks = ", ".join("?" * len(values))
    db.execute(f"INSERT OR REPLACE INTO claims({_CLAIM}) VALUES({marks})", values)


def serial_in(db: apsw.Connection, serial: str) -> Serial | None:
    """Return a board of the allow-list."""
    row = db.execute("SELECT * FROM serials WHERE serial = ?", (serial,)).fetchone()
    return _serial(row) if row else None


def revoked_in(db: apsw.Connection, key: str) -> bool:
    """Return whether a key was revoked."""
    return db.execute("SELECT 1 FROM revoked_keys WHERE key = ?", (key,)).fetchone() is not None


def revoke_key_in(db: apsw.Connection, device: Device, now: float) -> None:
    """Never let this key in again."""
    db.execute("INSERT OR IGNORE INTO revoked_keys VALUES(?, ?, ?)", (device.key, device.name, now))


def _device(row: Any) -> Device:
    return Device(**_fields(Device, row))


def _claim(row: Any) -> Claim:
    return Claim(**_fields(Claim, row))


def _serial(row: Any) -> Serial:
    return Serial(serial=row[0], name=row[1], groups=msgspec.json.decode(row[2], type=tuple[str, ...]))


_TYPES: dict[str, Any] = {"groups": tuple[str, ...], "reported": Reported, "desired": Desired}


def _fields(struct: type[msgspec.Struct], row: Any) -> dict[str, Any]:
    values = dict(zip(struct.__struct_fields__, row, strict=True))
    for field in _JSON & set(values):
        if values[field] is not None:
            values[field] = msgspec.json.decode(values[field], type=_TYPES[field])
    if "online" in values:
        values["online"] = bool(values["online"])
    return values


def _column(field: str, value: Any) -> Any:
    if field in _JSON:
        return None if value is None else _text(value)
    return int(value) if isinstance(value, bool) else value


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
