"""A hundred times as many questions as the model has places: who waits, and how soon the others know."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
import msgspec

from edge_assistant.bench.device import running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.page import Browser, browser
from edge_assistant.bench.statistic import median, spread

PLACES = 4
TIMES = 100
PEOPLE = 10
ANSWER_TOKENS = 16
SECONDS, QUICK_SECONDS = 10, 1
PATIENCE_SECONDS = 120.0
ANSWERED, REFUSALS = 200, {429, 503}

OVERLOAD = Goal(
    metric="slowest refusal while 100 times as many ask as the model answers at once",
    unit="s",
    text="100× overload: every request answered or refused with a retry hint ≤ 1 s",
    at_most=1,
)


class Outcome(msgspec.Struct):
    """What became of the requests."""

    answered: list[float] = []
    """Seconds until each answer was whole."""
    refused: list[float] = []
    """Seconds until each refusal with a hint."""
    lost: Counter[str] = msgspec.field(default_factory=Counter)
    """How many got neither, by what they got."""


async def _crowd(setting: Setting) -> Outcome:
    """Let many clients of several people ask again and again, whatever they are told."""
    outcome = Outcome()
    llm = {"parallel": PLACES, "max_tokens": ANSWER_TOKENS}
    async with running_device(setting, {"llm": llm}) as device:
        await device.wait_for_model()
        async with browser(device) as owner, _people(owner) as people:
            end = time.monotonic() + setting.count(SECONDS, QUICK_SECONDS)
            clients = [people[number % PEOPLE] for number in range(PLACES * TIMES)]
            await asyncio.gather(*(_ask_until(end, client, outcome) for client in clients))
    return outcome


@asynccontextmanager
async def _people(owner: Browser) -> AsyncIterator[list[aiohttp.ClientSession]]:
    """Add people to the household and sign each in, with as many connections as they want."""
    async with AsyncExitStack() as stack:
        people = []
        for number in range(PEOPLE):
            user = await owner.post("/api/users", {"name": f"Person {number}", "role": "member"})
            link = urlsplit((await owner.post("/api/pairings", {"user": user["id"]}))["url"])
            session = await stack.enter_async_context(
                aiohttp.ClientSession(
                    f"{link.scheme}://{link.netloc}",
                    cookie_jar=aiohttp.CookieJar(unsafe=True),
                    connector=aiohttp.TCPConnector(limit=0),
                    timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
                )
            )
            token = link.fragment.removeprefix("signin=")
            async with session.post("/api/signin", json={"token": token}) as response:
                response.raise_for_status()
            people.append(session)
        yield people


async def _ask_until(end: float, client: aiohttp.ClientSession, outcome: Outcome) -> None:
    """Ask one question after the other, without heeding any hint."""
    while time.monotonic() < end:
        began = time.monotonic()
        body = {"text": "What is the capital of France?", "session": uuid.uuid4().hex}
        try:
            async with client.post("/api/chat", json=body) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            outcome.lost[type(error).__name__] += 1
            continue
        seconds = time.monotonic() - began
        if response.status == ANSWERED:
            outcome.answered.append(seconds)
        elif response.status in REFUSALS and "Retry-After" in response.headers:
            outcome.refused.append(seconds)
        else:
            outcome.lost[str(response.status)] += 1


def measure(setting: Setting) -> Iterator[Result]:
    """Overload one daemon."""
    outcome = asyncio.run(_crowd(setting))
    lost = sum(outcome.lost.values())
    n = len(outcome.answered) + len(outcome.refused) + lost
    note = (
        f"n={n:,} requests of {PLACES * TIMES} clients of {PEOPLE} people that ask again at once, "
        f"{PLACES} places; "
        f"{len(outcome.answered)} answered, {len(outcome.refused):,} refused with a hint"
    )
    if outcome.answered:
        note += f"; answers took {spread(outcome.answered, 's')}"
    if outcome.refused:
        note += f"; refusals {median(outcome.refused):.2g} s (median)"
    if lost:
        yield OVERLOAD.failed(f"{note}; {lost} got neither: {dict(outcome.lost)}")
    else:
        yield OVERLOAD.measured(max(outcome.refused, default=0.0), note)


MEASUREMENTS = (Measurement((OVERLOAD,), measure),)
