"""A whole fleet on one machine: real daemons and many light devices, certificates and broker real.

The daemons' model is elsewhere, at a server that knows one model only; so they are light, and another model
does harm. The light devices are the daemon's own agent and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from edge_assistant.bench.cloud.parts import counting_upstream
from edge_assistant.bench.device import Device
from edge_assistant.bench.fleet.ground import Gadget, Ground, until
from edge_assistant.bench.fleet.operator import Operator, running_operator
from edge_assistant.bench.fleet.tokens import Attempt, attempts, summary
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.statistic import median
from edge_assistant.errors import EdgeError
from edge_assistant.fleet.wire import device_topic, speaker
from edge_assistant.mqtt.connection import Connection, Incoming

DAEMONS, CLIENTS = 20, 200
AT_ONCE = 4
"""Daemons that start at the same time."""

LONG_SECONDS = 300.0
PROBATION_SECONDS = 2.0
GOOD, HARMFUL = "counting", "nobody-knows-it"

ENROLLED = Goal(
    metric="devices that did not enrol, of 20 daemons and 200 light clients",
    unit="devices",
    text="20 real daemons and 200 light device clients enrolled on one machine, real certificates, Mosquitto",
    at_most=0,
)
SECONDS = Goal(metric="time until all of them were enrolled and had reported", unit="s", text="no bound")
INTRUDERS = Goal(
    metric="devices enrolled by a used, expired or wrong-serial claim token",
    unit="devices",
    text="every combination of used, expired, wrong-serial claim token enrols nobody",
    at_most=0,
)
EXPOSED = Goal(
    metric="devices that got a harmful change",
    unit="devices",
    text="a bad desired config sent to a wave of 20: at most the first wave's share (1) applies it",
    at_most=1,
)
ILL = Goal(
    metric="devices that were not well with their old values afterwards, or a campaign that did not halt",
    unit="devices",
    text="a bad desired config sent to a wave of 20: all return to health, the campaign halts",
    at_most=0,
)
CUT_OFF = Goal(
    metric="longest time until a revoked device lost its session",
    unit="s",
    text="a revoked device is cut off ≤ 60 s",
    at_most=60.0,
)
HEARD = Goal(
    metric="messages of revoked devices that got through afterwards",
    unit="messages",
    text="a revoked device is cut off: nothing of it gets through",
    at_most=0,
)


class Found(NamedTuple):
    """All figures of one run."""

    absent: int
    seconds: float
    attempts: list[Attempt]
    exposed: int
    ill: int
    campaign: dict[str, Any]
    cut: list[float]
    heard: int


@asynccontextmanager
async def _daemons(
    setting: Setting, ground: Ground, upstream: str, tokens: Sequence[str], folder: Path
) -> AsyncIterator[list[Device]]:
    """Start a daemon for each token; the serial number of the first is `real-0`."""
    places = asyncio.Semaphore(AT_ONCE)
    devices = []
    for number, token in enumerate(tokens):
        own = folder / f"daemon-{number}"
        own.mkdir()
        devices.append(Device(own, setting, _sections(ground, upstream, number), {"fleet_claim": token}))

    async def start(device: Device) -> None:
        async with places:
            await device.start()

    try:
        await asyncio.gather(*(start(device) for device in devices))
        yield devices
    finally:
        await asyncio.gather(*(device.stop() for device in devices))


def _sections(ground: Ground, upstream: str, number: int) -> dict[str, dict[str, Any]]:
    """Return the lightest daemon: no model, no page, nothing that it looks after."""
    off = {name: {"enabled": False} for name in ("web", "memory", "documents", "tools", "care", "backups")}
    fleet = {
        "enabled": True, "url": f"mqtts://localhost:{ground.place.port}", "serial": f"real-{number}",
        "ca_file": str(ground.folder / "ca.crt"),
    }  # fmt: skip
    llm = {"engine": "openai", "url": upstream, "remote_model": GOOD, "tune": False}
    return {**off, "fleet": fleet, "llm": llm}


async def _run(setting: Setting, folder: Path) -> Found:
    count = setting.count(DAEMONS, 3), setting.count(CLIENTS, 40)
    async with AsyncExitStack() as stack:
        ground, operator = await stack.enter_async_context(running_operator(folder / "operator"))
        upstream = await stack.enter_async_context(counting_upstream(GOOD))
        wishes = [{"serial": f"real-{n}", "name": f"real-{n}", "groups": ["real"]} for n in range(count[0])]
        wishes += [{"serial": f"serial-light-{n}", "name": f"light-{n}"} for n in range(count[1])]
        made = (await operator.order(type="claim", wishes=wishes, allow=True))["claims"]
        tokens = [claim["token"] for claim in made]
        setting.say(f"{count[0]} daemons and {count[1]} light devices enrol")
        began = time.monotonic()
        gadgets = [Gadget(ground, f"light-{n}", token) for n, token in enumerate(tokens[count[0] :])]
        for gadget in gadgets:
            await stack.enter_async_context(gadget.running())
        daemons = await stack.enter_async_context(
            _daemons(setting, ground, upstream, tokens[: count[0]], folder)
        )
        absent = await _all_in(operator, sum(count))
        seconds = time.monotonic() - began
        setting.say("tokens that are no good are tried")
        tried = await attempts(ground, operator, used_seconds=float(setting.count(15, 6)))
        setting.say("a harmful change is sent to the daemons")
        exposed, ill, campaign = await _harm(operator)
        setting.say("devices are revoked")
        gadgets = gadgets[: setting.count(20, 5)]
        cut, heard = await _revoke(ground, operator, daemons[0], gadgets, _speak(setting))
        return Found(absent, seconds, tried, exposed, ill, campaign, cut, heard)


async def _all_in(operator: Operator, count: int) -> int:
    """Wait until so many devices are enrolled and have reported, and return how many are missing."""

    async def missing() -> int:
        devices = (await operator.devices()).values()
        return count - len(
            [each for each in devices if (each["state"], each["health"]) == ("enrolled", "ok")]
        )

    async def complete() -> bool:
        await asyncio.sleep(0.2)
        return await missing() <= 0

    try:
        await until(complete, LONG_SECONDS)
    except EdgeError:
        return await missing()
    return 0


async def _harm(operator: Operator) -> tuple[int, int, dict[str, Any]]:
    """Send a change that makes devices ill; return how many got it, how many are ill, and the campaign."""
    begun = await operator.order(
        type="desire", values={"llm.remote_model": HARMFUL, "assistant.persona": "concise"}, group="real",
        probation_seconds=PROBATION_SECONDS,
    )  # fmt: skip

    async def over() -> bool:
        return bool((await operator.campaign(begun["id"]))["phase"] != "running")

    async def well() -> bool:
        return _ill(await operator.devices()) == 0

    campaign = begun
    try:
        await until(over, LONG_SECONDS)
        campaign = await operator.campaign(begun["id"])
        await until(well, LONG_SECONDS)
    except EdgeError:
        pass
    devices = await operator.devices()
    exposed = sum(each["desired_version"] > 0 for each in devices.values())
    return exposed, _ill(devices) + (campaign["phase"] != "halted"), campaign


def _ill(devices: dict[str, dict[str, Any]]) -> int:
    """Return how many daemons are not well with the values that they had, or are still about it."""
    real = [device for device in devices.values() if "real" in device["groups"]]
    return sum(
        device["health"] != "ok"
        or device["model"] != GOOD
        or bool(device["drift"])
        or device["desired_phase"] not in {"none", "applied"}
        for device in real
    )


async def _revoke(
    ground: Ground, operator: Operator, daemon: Device, gadgets: Sequence[Gadget], speak_seconds: float
) -> tuple[list[float], int]:
    """Revoke a daemon and some light devices; return how long each kept its session, and what got through."""
    names = {"real-0", *(gadget.name for gadget in gadgets)}
    gone: set[str] = set()
    heard: list[str] = []

    async def hear(message: Incoming) -> None:
        if (who := speaker(message.topic)) in gone and message.payload:
            heard.append(who)

    spy = Connection(ground.operator, "edge-assistant-fleet-bench")
    for leaf in ("reported", "availability", "renew"):
        spy.subscribe(device_topic("+", leaf), hear)
    listening = asyncio.create_task(spy.run(), name="bench spy")
    try:
        await until(lambda: spy.online)
        seconds = [await _cut(operator, "real-0", lambda: _sessions(daemon.pid, ground.place.mutual_port))]
        seconds += [await _cut(operator, each.name, lambda each=each: each.online) for each in gadgets]
        gone |= names
        ends = time.monotonic() + speak_seconds
        while time.monotonic() < ends:
            for gadget in gadgets:
                gadget.agent.tell()
            await asyncio.sleep(0.2)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return seconds, len(heard)


def _speak(setting: Setting) -> float:
    """Return how long revoked devices go on trying to be heard, in seconds."""
    return float(setting.count(20, 2))


async def _cut(operator: Operator, name: str, online: Any) -> float:
    """Revoke a device and return how long its session went on."""
    began = time.monotonic()
    order = asyncio.create_task(operator.order(type="revoke", name=name), name="bench revoke")
    try:
        while online():
            if time.monotonic() - began > CUT_OFF.at_most:
                return time.monotonic() - began
            await asyncio.sleep(0.005)
        return time.monotonic() - began
    finally:
        await order


def _sessions(pid: int, port: int) -> bool:
    """Return whether a process has a connection to a port."""
    connections = psutil.Process(pid).net_connections("tcp")
    return any(each.raddr and each.raddr.port == port for each in connections if each.status == "ESTABLISHED")


def measure(setting: Setting) -> Iterator[Result]:
    """Let them in, try bad tokens, do harm, shut some out."""
    logging.getLogger("edge_assistant").setLevel(logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="edge-assistant-bench-"))
    try:
        found = asyncio.run(_run(setting, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    daemons, clients = setting.count(DAEMONS, 3), setting.count(CLIENTS, 40)
    note = f"n={daemons} daemons and {clients} light devices; boards on the allow-list, a token each"
    yield ENROLLED.measured(found.absent, note)
    yield SECONDS.measured(found.seconds, f"{note}, the start of the daemons included, {AT_ONCE} at a time")
    bad = [each for each in found.attempts if each.case.used or each.case.expired or each.case.wrong_serial]
    good = all(each.enrolled for each in found.attempts if each not in bad)
    unexpected = [f"{each.case.label}: {each.answer}" for each in bad if each.answer.startswith("nothing")]
    note = f"n={len(bad)} cases: {summary(bad)}; a good token {'enrols' if good else 'DOES NOT ENROL'}"
    yield INTRUDERS.measured(sum(each.enrolled for each in bad) + (not good), "; ".join([note, *unexpected]))
    waves = found.campaign["waves"]
    note = f"n={daemons} daemons in waves of {waves}; llm.remote_model of which the server says 404"
    yield EXPOSED.measured(found.exposed, note)
    yield ILL.measured(found.ill, f"campaign {found.campaign['phase']}: {found.campaign['reason']}")
    note = f"n={len(found.cut)}: a daemon and light devices; median {median(found.cut):.2g} s"
    yield CUT_OFF.measured(max(found.cut), note)
    note = f"listened at the broker for {_speak(setting):g} s, while they tried all the time"
    yield HEARD.measured(found.heard, note)


MEASUREMENTS = (Measurement((ENROLLED, SECONDS, INTRUDERS, EXPOSED, ILL, CUT_OFF, HEARD), measure),)
