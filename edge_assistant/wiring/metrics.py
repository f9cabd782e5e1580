"""Where the figures of `/metrics` come from; nothing of it runs while nobody asks."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from edge_assistant import __version__
from edge_assistant.assistant.assistant import Assistant
from edge_assistant.catalog.catalog import is_path, load_catalog
from edge_assistant.config import Config, Paths
from edge_assistant.ops import figures
from edge_assistant.ops.hardware import read_vitals
from edge_assistant.ops.metrics import Metric, Metrics, Reading, Source
from edge_assistant.ops.power import read_power
from edge_assistant.ops.services import Services
from edge_assistant.ops.tally import Tally
from edge_assistant.store.database import Database
from edge_assistant.wiring.care import Relief
from edge_assistant.workers.supervisor import workers

if TYPE_CHECKING:
    from edge_assistant.frontends.voice.voice import Voice
    from edge_assistant.home.house import House
    from edge_assistant.wiring.broker import HomeBroker
    from edge_assistant.wiring.cloud import Cloud

VOICE_STAGES = ("endpoint", "transcript", "first_text", "first_audio", "sound")
"""Those of `VoiceTimings`, which is not imported on a device without a voice."""


@dataclass(frozen=True)
class Parts:
    """What is looked at besides the assistant; None is not there."""

    relief: Relief
    house: House | None
    voice: Voice | None
    broker: HomeBroker | None
    cloud: Cloud | None


def start_metrics(assistant: Assistant, services: Services, paths: Paths, parts: Parts) -> Metrics:
    """Begin to count, and return what writes the figures down."""
    voice = parts.voice
    tally = Tally(voice_stages=VOICE_STAGES if voice is not None else ())
    assistant.watch_turns(tally.watch)
    if voice is not None:
        voice.when_answered(tally.heard)

    async def counted() -> Iterable[Reading]:
        return tally.readings()

    async def now() -> Iterable[Reading]:
        return [*_daemon(assistant, services), *_workers(), *_parts(parts)]

    async def device() -> Iterable[Reading]:
        return await asyncio.to_thread(lambda: [*_device(), *_files(paths)])

    async def store() -> Iterable[Reading]:
        return await _store(services.database)

    async def elsewhere() -> Iterable[Reading]:
        return await _cloud(parts.cloud)

    sources: list[Source] = [now, counted, device, store, elsewhere]
    return Metrics(sources)


def _daemon(assistant: Assistant, services: Services) -> Iterator[Reading]:
    status, model = services.status(), assistant.model.status
    yield Reading(figures.INFO, 1, (__version__, model_name(services.preferences.config)))
    yield Reading(figures.UPTIME, status.uptime_seconds)
    yield Reading(figures.CPU, time.process_time())
    yield Reading(figures.RESIDENT, status.rss_bytes)
    yield Reading(figures.SOCKETS, services.web.open_sockets if services.web else 0)
    for notice in services.notices.shown:
        yield Reading(figures.NOTICE, 1, (notice.code,))
    yield Reading(figures.ACTIVE, assistant.active)
    yield Reading(figures.WAITING, assistant.waiting)
    yield Reading(figures.REFUSED, assistant.refused)
    yield Reading(figures.MODEL_READY, model.phase == "ready")
    yield Reading(figures.PREFILL, model.prefill_tokens_per_second)
    yield Reading(figures.DECODE, model.decode_tokens_per_second)


def model_name(config: Config) -> str:
    """Return the model's id in the catalogue; paths and names elsewhere may tell of people."""
    if config.llm.engine != "llama":
        return "remote"
    if is_path(config.llm.model):
        return "file"
    return config.llm.model if config.llm.model in {each.id for each in load_catalog().models} else "unknown"


def _workers() -> Iterator[Reading]:
    """Yield how each kind of worker is; there may be two of a kind while one model follows another."""
    up: dict[str, bool] = defaultdict(bool)
    restarts: dict[str, int] = defaultdict(int)
    resident: dict[str, int] = defaultdict(int)
    for worker in workers():
        name, state = worker.name, worker.state
        up[name] |= state.phase == "ready"
        restarts[name] += state.restarts
        resident[name] += state.rss_bytes
    figures_of: tuple[tuple[Metric, dict[str, Any]], ...] = (
        (figures.WORKER_UP, up), (figures.WORKER_RESTARTS, restarts), (figures.WORKER_RESIDENT, resident)
    )  # fmt: skip
    for metric, values in figures_of:
        for name, value in values.items():
            yield Reading(metric, value, (name,))


def _parts(parts: Parts) -> Iterator[Reading]:
    yield Reading(figures.CARE_STAGE, parts.relief.stage)
    yield from _broker(parts.broker)
    yield from _voice(parts.voice)
    if parts.house is not None:
        yield Reading(figures.HOME_ENTITIES, len(parts.house.registry.entities))
        yield Reading(figures.HOME_REFUSED, parts.house.refused)


def _broker(broker: HomeBroker | None) -> Iterator[Reading]:
    if broker is not None:
        yield Reading(figures.MQTT_ONLINE, broker.connection.online)
        yield Reading(figures.MQTT_CONNECTS, broker.connection.connects)


async def _cloud(cloud: Cloud | None) -> list[Reading]:
    if cloud is None:
        return []
    online, spent = cloud.elsewhere.online, await cloud.budget.spent()
    return [
        Reading(figures.CLOUD_ONLINE, online),
        Reading(figures.CLOUD_TOKENS, spent),
        Reading(figures.CLOUD_BUDGET, cloud.budget.tokens),
    ]


def _voice(voice: Voice | None) -> Iterator[Reading]:
    if voice is not None:
        yield Reading(figures.VOICE_READY, voice.status.phase != "error")
        yield Reading(figures.NEAR_MISSES, voice.status.near_misses)


def _device() -> Iterator[Reading]:
    vitals, power = read_vitals(), read_power()
    yield Reading(figures.MEMORY, vitals.memory_bytes)
    yield Reading(figures.MEMORY_AVAILABLE, vitals.memory_available_bytes)
    told = (
        (figures.TEMPERATURE, vitals.temperature_celsius),
        (figures.SLOWED, power.slowed),
        (figures.UNDER_VOLTAGE, power.under_voltage),
    )
    yield from (Reading(metric, value) for metric, value in told if value is not None)


def _files(paths: Paths) -> Iterator[Reading]:
    database = paths.database
    yield Reading(figures.STORE, _size(database) + _size(database.with_name(f"{database.name}-wal")))
    yield Reading(figures.SNAPSHOTS, sum(_size(path) for path in paths.snapshots.glob("*")))
    yield Reading(figures.DISK_FREE, shutil.disk_usage(paths.state).free)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it may go at any moment
        return 0


async def _store(database: Database) -> list[Reading]:
    def work(db: apsw.Connection) -> tuple[int, int, float | None]:
        outbox = db.execute("SELECT count(*) FROM outbox WHERE expires_at > ?", (time.time(),)).get
        backups, newest = db.execute("SELECT count(*), max(made_at) FROM backups").get
        return outbox, backups, newest

    outbox, backups, newest = await database.read(work)
    readings = [Reading(figures.OUTBOX, outbox), Reading(figures.BACKUPS, backups)]
    if newest is not None:
        readings.append(Reading(figures.BACKUP_TIME, newest))
    return readings
