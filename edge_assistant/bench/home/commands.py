"""How fast the house obeys, how much of what people say it understands, and what it never does.

A real broker, a real store, the real tools and the first rung; nothing answers but it, so a sentence that
isn't understood is one that a model would have got. What is published is counted at the broker.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from edge_assistant.assistant.commanding import IntentRung
from edge_assistant.assistant.events import ConfirmationAsked
from edge_assistant.assistant.ladder import Question, QuickAnswer
from edge_assistant.assistant.request import OWNER, Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.home.frozen import Command, commands, questions
from edge_assistant.bench.home.house import ROOMS, THINGS, Thing, announcement, crowd
from edge_assistant.bench.measurement import CannotMeasureError, Measurement, Setting
from edge_assistant.bench.mosquitto import Mosquitto
from edge_assistant.bench.statistic import median, percentile
from edge_assistant.config.schema import Home
from edge_assistant.errors import ModelError
from edge_assistant.home.control import Control
from edge_assistant.home.house import House
from edge_assistant.home.risk import effect_of
from edge_assistant.intents.client import IntentWorker
from edge_assistant.intents.paraphrase import Paraphrases
from edge_assistant.memory.embedder import FastembedEmbedder, embedder_settings
from edge_assistant.memory.embedding import EMBEDDER
from edge_assistant.mqtt.broker import Broker
from edge_assistant.mqtt.connection import Connection, Incoming, Outgoing
from edge_assistant.store.audit import AuditLog
from edge_assistant.store.database import Database
from edge_assistant.tools.actions import Actions
from edge_assistant.tools.home_tools import ControlTool, LookTool, NameTool, RestoreTool
from edge_assistant.tools.kit import everyday_tools
from edge_assistant.tools.lists import Lists
from edge_assistant.tools.timers import Timers

LANGUAGES = ("en", "de")
CROWD, TIMED = 500, 200
_WAIT_SECONDS = 30.0
_QUIET_SECONDS = 0.01
"""After an answer, what was published is at the broker: its acknowledgement came before."""

FAST = {
    language: Goal(
        metric=f"text to MQTT publish, p95, 500 devices, {name}", unit="ms", text="p95 ≤ 40 ms", at_most=40.0
    )
    for language, name in (("en", "English"), ("de", "German"))
}
START = Goal(metric="start of intents, process and templates", unit="s", text="≤ 1 s", at_most=1.0)
MEMORY = Goal(metric="memory of intents with 500 devices", unit="MB", text="≤ 60 MB", at_most=60.0)
RIGHT = Goal(metric="right of 300 frozen home commands", unit="%", text="≥ 85 % right", at_least=85.0)
RISKY = Goal(metric="risky effects by mistake", unit="actions", text="0 risky effects by mistake", at_most=0)
ACTIONS = Goal(
    metric="actions on 100 ordinary questions", unit="actions", text="100 ordinary questions: 0 actions",
    at_most=0,
)  # fmt: skip


class Bench:
    """One house on one broker, and who obeys in it."""

    def __init__(
        self, house: House, worker: IntentWorker, actions: Actions, paraphrases: Paraphrases | None
    ) -> None:
        self.house = house
        self.worker = worker
        self._actions = actions
        self._paraphrases = paraphrases
        self.heard: list[tuple[str, str, float]] = []
        """What was published: topic, payload, when."""

    def rung(self, language: str, room: str = "") -> IntentRung:
        """Return who obeys in a room."""
        return IntentRung(
            self.worker, self.house.registry, self._actions, Home(room=room), language=lambda: language,
            paraphrases=self._paraphrases,
        )  # fmt: skip

    async def hear(self, message: Incoming) -> None:
        """Take note of what a device is told."""
        self.heard.append((message.topic, message.payload.decode(), time.perf_counter()))


async def say(rung: IntentRung, text: str, session: str) -> tuple[QuickAnswer | None, Turn]:
    """Say something to the rung alone."""
    request = Request(id=secrets.token_hex(8), text=text, session=session, principal=OWNER, source="web")
    turn = Turn(request.id, session, OWNER)
    return await rung.attempt(Question(request=request, turn=turn)), turn


@asynccontextmanager
async def living(things: list[Thing], language: str, setting: Setting) -> AsyncIterator[Bench]:
    """Run a house for the block: broker, store, worker, embedder."""
    if shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None:
        raise CannotMeasureError("mosquitto is not installed: `make setup` installs it")
    with tempfile.TemporaryDirectory(prefix="bench-home-") as folder:
        broker = Mosquitto(Path(folder))
        broker.start()
        try:
            async with AsyncExitStack() as stack:
                yield await _moved_in(
                    stack, Path(folder), broker.broker, things, language=language, setting=setting
                )
        finally:
            broker.kill()


async def _moved_in(
    stack: AsyncExitStack,
    folder: Path,
    broker: Broker,
    things: list[Thing],
    *,
    language: str,
    setting: Setting,
) -> Bench:
    database = await Database.open(folder / "assistant.db", secrets.token_bytes(32))
    stack.push_async_callback(database.close)
    connection, devices = Connection(broker, "assistant"), Connection(broker, "devices")
    house, settings = House(Home(), connection, database), Home()
    timers = Timers(database)
    kit: Any = (house.registry, Control(house.registry, connection, house.templates), settings.devices)
    tools = [
        *everyday_tools(timers, Lists(database)), ControlTool(*kit), RestoreTool(*kit), LookTool(*kit),
        NameTool(house.registry, kit[1], settings.devices, house),
    ]  # fmt: skip
    actions = Actions(tools, AuditLog(database))
    actions._allowance.take = lambda *_: 0.0  # type: ignore[method-assign]  # noqa: SLF001 - nobody speaks so fast
    worker = IntentWorker()
    paraphrases = await _paraphrases(stack, house, setting)
    bench = Bench(house, worker, actions, paraphrases)
    devices.subscribe("house/#", bench.hear)
    for work in (connection.run(), devices.run(), house.run()):
        task = asyncio.create_task(work)
        stack.push_async_callback(_ended, task)
    stack.push_async_callback(worker.stop)
    await worker.start()
    await _until(lambda: connection.online and devices.online and worker.ready.is_set())
    for thing in things:
        topic, payload = announcement(thing, language)
        await devices.publish(Outgoing(topic=topic, payload=payload, retain=True, qos=0))
    await _until(lambda: len(house.registry.entities) == len(things))
    return bench


async def _paraphrases(stack: AsyncExitStack, house: House, setting: Setting) -> Paraphrases | None:
    try:
        embedder = FastembedEmbedder(embedder_settings(EMBEDDER, setting.paths.models))
    except ModelError:
        return None
    stack.push_async_callback(embedder.stop)
    found = Paraphrases(embedder, house.registry)
    await found.prepare()
    return found


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _until(holds: Any) -> None:
    async with asyncio.timeout(_WAIT_SECONDS):
        while not holds():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.002)


# --- how fast


def measure_speed(setting: Setting) -> Iterator[Result]:
    """Say short orders in a house of 500 more devices."""
    count = setting.count(TIMED, 40)
    start, memory = 0.0, 0.0
    for language in LANGUAGES:
        times, start, memory = asyncio.run(_speed(setting, language, count))
        yield FAST[language].measured(
            percentile(times, 95),
            f"median {median(times):.1f} ms, n={len(times)}, {CROWD + len(THINGS)} devices",
        )
    yield START.measured(start, "from the start of the process until it answers, English and German loaded")
    yield MEMORY.measured(memory, "resident memory of the process `intents` after these sentences")


async def _speed(setting: Setting, language: str, count: int) -> tuple[list[float], float, float]:
    began = time.perf_counter()
    probe = IntentWorker()
    await probe.start()
    await probe.ready.wait()
    start = time.perf_counter() - began
    await probe.stop()
    async with living([*THINGS, *crowd(CROWD)], language, setting) as bench:
        rung = bench.rung(language)
        said = [c.turns[0] for c in commands(language) if _plain(c)]
        times = []
        for number in range(count):
            bench.heard.clear()
            at = time.perf_counter()
            answer, _ = await say(rung, said[number % len(said)], f"s{number}")
            if answer is None:
                continue  # not understood: that is the other measurement's to tell
            await _until(lambda: bench.heard)
            times.append((bench.heard[0][2] - at) * 1000)
        await asyncio.sleep(1.5)  # the next heartbeat tells its memory
        return times, start, bench.worker.state.rss_bytes / 1e6


def _plain(command: Command) -> bool:
    """Return whether a command is one turn that tells something to one thing."""
    return len(command.turns) == 1 and not command.room and all(
        len(way) == 1 and next(iter(way)).startswith("do turn_") and "*" not in next(iter(way))
        for way in command.expected
    )  # fmt: skip


# --- how much


def measure_understanding(setting: Setting) -> Iterator[Result]:
    """Say the frozen sentences, and ask the ordinary questions."""
    right, risky, acted, rungs, wrong = 0, 0, 0, Counter[str](), list[str]()
    total = asked = 0
    for language in LANGUAGES:
        found = asyncio.run(_understanding(setting, language))
        for command, did, rung in found[0]:
            total += 1
            fits = any(_fits(way, did) for way in command.expected)
            right += fits
            rungs[rung if fits else "wrong" if did else "next rung"] += 1
            if not fits:
                wrong.append(" >> ".join(command.turns))
            risky += _risky(did)
        asked += len(found[1])
        acted += sum(bool(did) for did in found[1])
    setting.say("not right: " + "; ".join(wrong))
    shares = ", ".join(f"{name} {100 * n / total:.1f} %" for name, n in rungs.most_common())
    yield RIGHT.measured(100 * right / total, f"{right} of {total}: {shares}")
    yield RISKY.measured(risky, f"on {total} commands and {asked} questions, confirmations not counted")
    yield ACTIONS.measured(acted, f"{asked} questions in English and German; a confirmation counts as one")


async def _understanding(
    setting: Setting, language: str
) -> tuple[list[tuple[Command, list[str], str]], list[list[str]]]:
    async with living(list(THINGS), language, setting) as bench:
        done, asked = [], []
        every = commands(language)
        for number, command in enumerate(every[:: setting.count(1, 3)]):
            room = ROOMS[command.room][language == "de"] if command.room else ""
            rung = bench.rung(language, room)
            did, how = [], ""
            for text in command.turns:
                more, how = await _did(bench, rung, text, f"c{number}")
                did += more
            done.append((command, did, how))
        for number, question in enumerate(questions(language)):
            did, _ = await _did(bench, bench.rung(language), question, f"q{number}")
            asked.append(did)
        return done, asked


async def _did(bench: Bench, rung: IntentRung, text: str, session: str) -> tuple[list[str], str]:
    """Return what came of a sentence, a line for each entity, and which rung it was."""
    bench.heard.clear()
    planned: list[str] = []
    rung.watch = planned.append
    answer, turn = await say(rung, text, session)
    await asyncio.sleep(_QUIET_SECONDS)
    asked = any(isinstance(event, ConfirmationAsked) for event in turn._events)  # noqa: SLF001 - no watcher yet
    published = {topic.split("/")[1] for topic, _, _ in bench.heard}
    did = []
    for line in planned:
        words = line.split()
        if words[0] == "do":
            risk = effect_of(words[2].partition(".")[0], words[1], _device_class(bench, words[2]))
            if risk != "free" and asked and words[2] not in published:
                did.append(" ".join(("confirm", *words[1:])))
            elif words[2] in published:
                did.append(line)
        else:
            did.append(line)
    return did, (answer.route.reason if answer else "")


def _device_class(bench: Bench, entity_id: str) -> str:
    entity = bench.house.registry.entity(entity_id)
    return entity.device_class if entity else ""


def _fits(way: frozenset[str], did: list[str]) -> bool:
    lights = [thing.id for thing in THINGS if thing.id.startswith("light.")]
    wanted = [
        step.replace("light.*", light).split()
        for step in way
        for light in (lights if "light.*" in step else [""])
    ]
    left = [line.split() for line in did]
    for step in wanted:
        fixed = 3 if step[0] in {"do", "confirm"} else 2
        match = next((each for each in left if each[:fixed] == step[:fixed] and set(step) <= set(each)), [])
        if not match:
            return False
        left.remove(match)
    return not left


def _risky(did: list[str]) -> int:
    """Count what is risky and was done without a question."""
    things = {thing.id: str(thing.more.get("device_class", "")) for thing in THINGS}
    return sum(
        words[0] == "do"
        and effect_of(words[2].partition(".")[0], words[1], things.get(words[2], "")) != "free"
        for words in (line.split() for line in did)
    )


MEASUREMENTS = (
    Measurement((FAST["en"], FAST["de"], START, MEMORY), measure_speed),
    Measurement((RIGHT, RISKY, ACTIONS), measure_understanding),
)
