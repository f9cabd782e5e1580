"""Carries campaigns out: tells a wave, looks what became of it, goes on or takes it back."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence

import apsw
import msgspec

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.fleet.registrar.book import Device
from edge_assistant.fleet.registrar.campaign import (
    PATIENCE_SECONDS,
    SHARES,
    Campaign,
    next_phase,
    plan,
    progress,
)
from edge_assistant.fleet.registrar.registrar import Registrar
from edge_assistant.fleet.wire import Desired, Values

logger = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""How often it is looked whether somebody is late; what devices report counts at once."""


class Campaigns:
    """The campaigns of one registrar; `run` it beside that."""

    def __init__(self, registrar: Registrar, *, clock: Callable[[], float] = time.time) -> None:
        self._registrar = registrar
        self._database = registrar.book.database
        self._clock = clock
        self._news = asyncio.Event()
        registrar.watch(lambda _: self._news.set())

    async def run(self) -> None:
        """Go on with what runs, until cancelled."""
        while True:
            for campaign in await self.all():
                try:
                    await self._step(campaign)
                except EdgeError as error:
                    logger.info("a campaign has to wait: %s", error.code)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()

    async def all(self) -> list[Campaign]:
        """Return all campaigns, the newest first."""
        query = "SELECT campaign FROM campaigns ORDER BY created_at DESC LIMIT 100"

        def work(db: apsw.Connection) -> list[Campaign]:
            return [msgspec.json.decode(row[0], type=Campaign) for row in db.execute(query)]

        return await self._database.read(work)

    async def begin(
        self,
        values: Values,
        group: str = "",
        *,
        probation_seconds: float = 60.0,
        patience_seconds: float = PATIENCE_SECONDS,
        shares: Sequence[float] = SHARES,
    ) -> Campaign:
        """Begin to give devices other values; raises FLEET_GROUP_EMPTY, FLEET_CAMPAIGN_RUNS."""
        devices = [device for device in await self._registrar.book.devices() if device.state == "enrolled"]
        devices = [device for device in devices if not group or group in device.groups]
        if not devices:
            raise UsageError("FLEET_GROUP_EMPTY", "no enrolled device is in that group")
        names = {device.name for device in devices}
        for other in await self.all():
            if other.phase == "running" and names & {name for wave in other.waves for name in wave}:
                raise UsageError(
                    "FLEET_CAMPAIGN_RUNS", f"campaign {other.id} still runs there: halt it first"
                )
        identifier = secrets.token_hex(4)
        campaign = Campaign(
            id=identifier, group=group, values=values, probation_seconds=probation_seconds,
            patience_seconds=patience_seconds, waves=plan(devices, identifier, shares),
            created_at=self._clock(),
        )  # fmt: skip
        await self._keep(campaign)
        self._news.set()
        return campaign

    async def halt(self, identifier: str, reason: str = "the operator halted it") -> Campaign:
        """End a campaign and take it back; raises FLEET_CAMPAIGN_UNKNOWN."""
        campaign = next((each for each in await self.all() if each.id == identifier), None)
        if campaign is None:
            raise UsageError("FLEET_CAMPAIGN_UNKNOWN", "no campaign has this id: see `fleet campaigns`")
        if campaign.phase == "running":
            campaign = msgspec.structs.replace(campaign, phase="halted", reason=reason)
            await self._keep(campaign)
            await self._take_back(campaign)
        return campaign

    async def _step(self, campaign: Campaign) -> None:
        """Do what is to be done; after a power cut what was begun is done once more, to the same end."""
        if campaign.phase == "halted" and not campaign.taken_back:
            await self._take_back(campaign)
        if campaign.phase != "running":
            return
        devices = {device.name: device for device in await self._registrar.book.devices()}
        if not campaign.wave_at:
            await self._tell_wave(campaign, devices)
            return
        await self._tell_rest(campaign, devices)
        after = next_phase(campaign, progress(campaign, devices, self._clock()))
        if after == campaign:
            return
        await self._keep(after)
        if after.phase == "halted":
            logger.warning("campaign %s halts in wave %d: %s", after.id, after.wave + 1, after.reason)
            await self._take_back(after)
        elif after.phase == "running":
            await self._tell_wave(after, devices)

    async def _tell_wave(self, campaign: Campaign, devices: dict[str, Device]) -> None:
        """Tell the present wave. Who was told is written down before, so that it can be taken back."""
        wave = [devices[name] for name in campaign.waves[campaign.wave] if name in devices]
        before = {device.name: _values_of(device, campaign.values) for device in wave}
        campaign = msgspec.structs.replace(
            campaign, wave_at=self._clock(), before=campaign.before | before,
            present=tuple(device.name for device in wave if device.online),
        )  # fmt: skip
        await self._keep(campaign)
        await self._tell_rest(campaign, devices)

    async def _tell_rest(self, campaign: Campaign, devices: dict[str, Device]) -> None:
        """Tell those of the present wave that were not told."""
        for name in campaign.waves[campaign.wave]:
            device, wish = devices.get(name), campaign.wish_of(name)
            if device is None or device.state != "enrolled" or (device.desired and device.desired.id == wish):
                continue
            await self._wish(device, campaign, campaign.values, wish)

    async def _take_back(self, campaign: Campaign) -> None:
        """Tell everybody who was told to be again what they were."""
        devices = {device.name: device for device in await self._registrar.book.devices()}
        for name in campaign.told:
            device = devices.get(name)
            back = f"{campaign.wish_of(name)}.back"
            if device is None or device.state != "enrolled" or not device.desired:
                continue
            if device.desired.id != back:
                await self._wish(device, campaign, campaign.before[name], back)
        await self._keep(msgspec.structs.replace(campaign, taken_back=True))

    async def _wish(self, device: Device, campaign: Campaign, values: Values, identifier: str) -> None:
        earlier = device.desired.values if device.desired else {}
        known = device.desired.version if device.desired else 0
        told = device.reported.desired.version if device.reported else 0
        desired = Desired(
            version=max(known, told) + 1, id=identifier, values={**earlier, **values},
            probation_seconds=campaign.probation_seconds,
        )  # fmt: skip
        await self._registrar.desire(device.name, desired)

    async def _keep(self, campaign: Campaign) -> None:
        row = (campaign.id, campaign.created_at, msgspec.json.encode(campaign))
        await self._database.write(
            lambda db: db.execute("INSERT OR REPLACE INTO campaigns VALUES(?, ?, ?)", row) and None
        )


def _values_of(device: Device, values: Values) -> dict[str, str]:
    """Return what the keys are on a device now, as far as it has told."""
    have = device.reported.values if device.reported else {}
    return {key: have[key] for key in values if key in have}
