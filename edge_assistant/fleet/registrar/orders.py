"""What the operator may order; the command line and the page send the same, as JSON with a `type`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec

from edge_assistant.config import OPERATED
from edge_assistant.errors import UsageError
from edge_assistant.fleet.registrar.book import Claim, Device, Serial
from edge_assistant.fleet.registrar.campaign import PATIENCE_SECONDS, SHARES, Campaign
from edge_assistant.fleet.registrar.campaigns import Campaigns
from edge_assistant.fleet.registrar.registrar import Registrar, Wish
from edge_assistant.fleet.wire import DEVICE_NAME, GROUP, SERIAL, Values

MOST = 1000
"""Claims or serials in one order."""


class ClaimOrder(msgspec.Struct, frozen=True, kw_only=True, tag="claim", tag_field="type"):
    """Make claim tokens."""

    wishes: Annotated[tuple[Wish, ...], msgspec.Meta(min_length=1, max_length=MOST)]
    allow: bool = False
    """Whether their boards need no approval then."""


class AllowOrder(msgspec.Struct, frozen=True, kw_only=True, tag="allow", tag_field="type"):
    """Let boards in without approval."""

    serials: Annotated[tuple[Serial, ...], msgspec.Meta(min_length=1, max_length=MOST)]


class ApproveOrder(msgspec.Struct, frozen=True, kw_only=True, tag="approve", tag_field="type"):
    """Let a device in."""

    name: str
    replace: bool = False
    """Whether others that say they are the same board are revoked."""


class RevokeOrder(msgspec.Struct, frozen=True, kw_only=True, tag="revoke", tag_field="type"):
    """Shut a device out for good."""

    name: str


class StatusOrder(msgspec.Struct, frozen=True, kw_only=True, tag="status", tag_field="type"):
    """Tell how all devices are."""


class GroupOrder(msgspec.Struct, frozen=True, kw_only=True, tag="group", tag_field="type"):
    """Put devices into a group, or take them out."""

    group: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


class DesireOrder(msgspec.Struct, frozen=True, kw_only=True, tag="desire", tag_field="type"):
    """Begin a campaign that gives devices other values."""

    values: Values
    group: str = ""
    """Empty is everybody."""
    probation_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 60.0
    patience_seconds: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = PATIENCE_SECONDS
    at_once: bool = False
    """Whether everybody is told in one wave."""


class CampaignsOrder(msgspec.Struct, frozen=True, kw_only=True, tag="campaigns", tag_field="type"):
    """Tell what became of the campaigns."""


class HaltOrder(msgspec.Struct, frozen=True, kw_only=True, tag="halt", tag_field="type"):
    """End a campaign and take it back."""

    id: str


Order = (
    ClaimOrder
    | AllowOrder
    | ApproveOrder
    | RevokeOrder
    | StatusOrder
    | GroupOrder
    | DesireOrder
    | CampaignsOrder
    | HaltOrder
)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A device as tables and the page show it."""

    name: str
    state: str
    online: bool
    serial: str
    groups: tuple[str, ...]
    note: str
    version: str
    health: str
    """`ok`, `failing`, or `unknown` before it reported anything."""
    problems: tuple[str, ...]
    model: str
    models: tuple[str, ...]
    disk_free_mb: int
    memory_available_mb: int
    temperature_celsius: float | None
    last_contact: float | None
    clock_off_seconds: float | None
    """How far its clock was from ours when it reported last."""
    certificate_until: str
    desired_version: int
    desired_phase: str
    drift: dict[str, tuple[str, str]]
    """Keys that are not as desired: what is desired, and what is."""


class Orders:
    """Carries them out; `status` is what tells most."""

    def __init__(self, registrar: Registrar, campaigns: Campaigns) -> None:
        self._registrar = registrar
        self._campaigns = campaigns
        self._ways: dict[type[msgspec.Struct], Callable[[Any], Awaitable[Any]]] = {
            ClaimOrder: self._claim, AllowOrder: self._allow, ApproveOrder: self._approve,
            RevokeOrder: self._revoke, StatusOrder: self._status, GroupOrder: self._group,
            DesireOrder: self._desire, CampaignsOrder: self._list, HaltOrder: self._halt,
        }  # fmt: skip

    async def carry_out(self, body: bytes) -> Any:
        """Carry out an order and return its answer as plain values; raises `EdgeError`."""
        try:
            order = msgspec.json.decode(body, type=Order)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise UsageError("USAGE", f"no order: {str(error)[:200]}") from None
        return await self._ways[type(order)](order)

    async def _claim(self, order: ClaimOrder) -> Any:
        for wish in order.wishes:
            _check(wish.serial, wish.name, wish.groups)
        if order.allow:
            boards = [Serial(serial=each.serial, name=each.name, groups=each.groups) for each in order.wishes]
            await self._allow(AllowOrder(serials=tuple(boards)))
        made = await self._registrar.claim(order.wishes)
        return {"claims": [_told(claim, token) for claim, token in made]}

    async def _allow(self, order: AllowOrder) -> Any:
        for serial in order.serials:
            if not serial.serial:
                raise UsageError("FLEET_SERIAL_BAD", "who needs no approval is known by a serial number")
            _check(serial.serial, serial.name, serial.groups)
        await self._registrar.book.keep_serials(order.serials)
        return {"allowed": len(order.serials)}

    async def _approve(self, order: ApproveOrder) -> Any:
        return _plain(row(await self._registrar.approve(order.name, replace=order.replace)))

    async def _revoke(self, order: RevokeOrder) -> Any:
        return _plain(row(await self._registrar.revoke(order.name)))

    async def _list(self, order: CampaignsOrder) -> Any:
        del order
        return {"campaigns": [shown(each) for each in await self._campaigns.all()]}

    async def _halt(self, order: HaltOrder) -> Any:
        return shown(await self._campaigns.halt(order.id))

    async def _group(self, order: GroupOrder) -> Any:
        _check("", "", (order.group,))
        for name in order.add:
            await self._registrar.book.change(name, lambda row: _in_group(row, order.group, inside=True))
        for name in order.remove:
            await self._registrar.book.change(name, lambda row: _in_group(row, order.group, inside=False))
        return await self._status(StatusOrder())

    async def _desire(self, order: DesireOrder) -> Any:
        unknown = sorted(set(order.values) - set(OPERATED))
        if unknown or not order.values:
            raise UsageError(
                "SETTING_UNKNOWN", f"{(unknown or ['nothing'])[0][:60]!r} can't be set on devices"
            )
        campaign = await self._campaigns.begin(
            order.values, order.group, probation_seconds=order.probation_seconds,
            patience_seconds=order.patience_seconds, shares=(100.0,) if order.at_once else SHARES,
        )  # fmt: skip
        return shown(campaign)

    async def _status(self, order: StatusOrder) -> Any:
        del order
        devices = await self._registrar.book.devices()
        connection = self._registrar.connection
        return {
            "broker": connection.address,
            "connected": connection.online,
            "detail": connection.detail,
            "devices": [_plain(row(device)) for device in devices],
        }


def shown(campaign: Campaign) -> dict[str, Any]:
    """Return a campaign as people see it."""
    return {
        "id": campaign.id, "group": campaign.group, "values": campaign.values, "phase": campaign.phase,
        "reason": campaign.reason, "wave": campaign.wave + 1, "waves": [len(wave) for wave in campaign.waves],
        "told": len(campaign.told), "created_at": campaign.created_at,
    }  # fmt: skip


def _in_group(device: Device, group: str, *, inside: bool) -> Device:
    others = {each for each in device.groups if each != group}
    return msgspec.structs.replace(device, groups=tuple(sorted(others | ({group} if inside else set()))))


def row(device: Device) -> Row:
    """Return a device as people see it."""
    reported, desired = device.reported, device.desired
    wanted = desired.values if desired else {}
    have = reported.values if reported else {}
    off = (
        reported.clock - device.last_contact if reported and reported.clock and device.last_contact else None
    )
    return Row(
        name=device.name,
        state=device.state,
        online=device.online,
        serial=device.serial,
        groups=device.groups,
        note=device.note,
        version=reported.version if reported else "",
        health=reported.health if reported else "unknown",
        problems=reported.problems if reported else (),
        model=reported.model if reported else "",
        models=reported.models if reported else (),
        disk_free_mb=reported.disk_free_mb if reported else 0,
        memory_available_mb=reported.memory_available_mb if reported else 0,
        temperature_celsius=reported.temperature_celsius if reported else None,
        last_contact=device.last_contact,
        clock_off_seconds=round(off, 1) if off is not None else None,
        certificate_until=_until(device),
        desired_version=desired.version if desired else 0,
        desired_phase=reported.desired.phase if reported else "none",
        drift={key: (value, have.get(key, "")) for key, value in wanted.items() if have.get(key) != value},
    )


def _until(device: Device) -> str:
    from edge_assistant.fleet.certificate import read_certificate

    if not device.certificate:
        return ""
    return read_certificate(device.certificate).not_valid_after_utc.isoformat()


def _check(serial: str, name: str, groups: tuple[str, ...]) -> None:
    if serial and not SERIAL.fullmatch(serial):
        raise UsageError("FLEET_SERIAL_BAD", "a serial number has 1 to 64 letters, digits or . _ : -")
    if name and not DEVICE_NAME.fullmatch(name):
        raise UsageError("FLEET_NAME_BAD", "a device is called by 1 to 40 small letters, digits or -")
    if not all(GROUP.fullmatch(group) for group in groups):
        raise UsageError("FLEET_NAME_BAD", "a group is called by 1 to 40 small letters, digits or -")


def _told(claim: Claim, token: str) -> dict[str, Any]:
    return {
        "id": claim.id, "token": token, "serial": claim.serial, "name": claim.name,
        "expires_at": claim.expires_at,
    }  # fmt: skip


def _plain(struct: msgspec.Struct) -> Any:
    return msgspec.to_builtins(struct)
