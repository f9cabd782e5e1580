"""A thousand questions while workers, broker and links die: each answered whole, or honestly not."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack

from edge_assistant.bench.cloud.parts import (
    Workers,
    asking,
    broker_folder,
    counting_upstream,
    device,
    mosquitto,
    until_served,
    workers,
)
from edge_assistant.bench.cloud.proxy import Line, line
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.mosquitto import Mosquitto
from edge_assistant.bench.thread import to_its_end
from edge_assistant.bench.upstream import answer_to, question
from edge_assistant.cloud.rpc import CloudModel
from edge_assistant.errors import EdgeError
from edge_assistant.llm.protocol import Piece
from edge_assistant.mqtt.broker import Broker

QUESTIONS, DEVICES, WORKERS, DEADLINE_SECONDS = 1_000, 10, 3, 60.0
GRACE_SECONDS = 1.0
"""The clock is looked at four times a second."""

ONCE = Goal(
    metric="questions not answered once, whole and in time, and not honestly refused either",
    unit="questions",
    text="1,000 requests while workers, broker and device links are killed at random: each answered once "
    "with gap-free text, or an honest failure by its deadline",
    at_most=0,
)


class Tally:
    """What became of the questions."""

    def __init__(self) -> None:
        self.whole = 0
        self.failed: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.longest = 0.0


async def _ask(model: CloudModel, text: str, tally: Tally) -> None:
    while model.status.phase != "ready":  # noqa: ASYNC110 - without a link the device answers itself
        await asyncio.sleep(0.02)
    said, began, code = "", time.monotonic(), ""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS + 2 * GRACE_SECONDS):
            async for item in model.generate(asking(text)):
                said += item.text if isinstance(item, Piece) else ""
    except EdgeError as error:
        code = error.code
    except TimeoutError:
        code = "never"
    seconds = time.monotonic() - began
    tally.longest = max(tally.longest, seconds)
    whole = answer_to(text)
    if code == "never" or seconds > DEADLINE_SECONDS + GRACE_SECONDS:
        tally.wrong["late"] += 1
    elif code:
        tally.failed[code] += 1
        tally.wrong["a gap"] += not whole.startswith(said)
    elif said != whole:
        tally.wrong["a gap"] += 1
    else:
        tally.whole += 1


async def _one_device(model: CloudModel, texts: list[str], tally: Tally) -> None:
    async def lane(own: list[str]) -> None:
        for text in own:
            await _ask(model, text, tally)

    await asyncio.gather(lane(texts[::2]), lane(texts[1::2]))


async def _break(broker: Mosquitto, links: Line, crew: Workers, tally: Tally, most: int) -> None:
    """Break something every now and then, until cancelled."""
    for _ in range(most):
        await asyncio.sleep(random.uniform(0.3, 1.5))  # noqa: S311 - anywhere in the middle
        what = random.choice(("worker", "worker", "link", "link", "broker"))  # noqa: S311
        tally.kills[what] += 1
        if what == "worker":
            await to_its_end(crew.kill, random.randrange(WORKERS))  # noqa: S311
        elif what == "link":
            links.cut()
        else:
            await to_its_end(broker.kill)
            await asyncio.sleep(random.uniform(0.05, 1.0))  # noqa: S311
            await to_its_end(broker.start)


async def _run(setting: Setting) -> Tally:
    count, tally = setting.count(QUESTIONS, 14), Tally()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(broker_folder())
        broker = stack.enter_context(mosquitto(folder))
        url = await stack.enter_async_context(counting_upstream())
        crew = await stack.enter_async_context(workers(WORKERS, broker.url, url))
        links = await stack.enter_async_context(line(broker.port))
        through = Broker(host="127.0.0.1", port=links.port)
        names = [f"device-{number}" for number in range(DEVICES)]
        models = [await stack.enter_async_context(device(through, name, DEADLINE_SECONDS)) for name in names]
        await until_served(models[0])
        breaking = asyncio.create_task(
            _break(broker, links, crew, tally, setting.count(100_000, 5)), name="bench storm"
        )
        texts = [
            question(random.randint(20, 60), f"q{number}", random.choice((0, 5, 20)))  # noqa: S311
            for number in range(count)
        ]
        try:
            await asyncio.gather(
                *(_one_device(model, texts[n::DEVICES], tally) for n, model in enumerate(models))
            )
            if breaking.done():
                breaking.result()  # what could break nothing any more has measured nothing
        finally:
            breaking.cancel()
            await asyncio.gather(breaking, return_exceptions=True)
    return tally


def measure(setting: Setting) -> Iterator[Result]:
    """Ask while everything breaks."""
    tally = asyncio.run(_run(setting))
    wrong = sum(tally.wrong.values())
    killed = ", ".join(f"{what} {count}" for what, count in sorted(tally.kills.items()))
    note = (
        f"n={tally.whole + sum(tally.failed.values()) + wrong}: {tally.whole} whole, "
        f"{dict(tally.failed) or 'none'} honestly failed, {dict(tally.wrong) or 'none'} wrong; "
        f"killed: {killed}; "
        f"longest {tally.longest:.1f} s of {DEADLINE_SECONDS:.0f}; {DEVICES} devices, {WORKERS} workers"
    )
    yield ONCE.measured(wrong, note)


MEASUREMENTS = (Measurement((ONCE,), measure),)
