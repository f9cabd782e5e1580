"""How soon the first word comes, against reading the whole prompt with llama.cpp by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

from edge_assistant.bench.device import Device, Sections, model_path, running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.page import Browser, browser, new_session
from edge_assistant.bench.raw import RawLlama, best_threads
from edge_assistant.bench.statistic import ratio, spread
from edge_assistant.bench.texts import QUESTIONS, STORY, prose

NEW = Goal(
    metric="first token of a new conversation with a 400-token system prompt / reading that prompt cold",
    unit="ratio",
    text="≤ 0.15",
    at_most=0.15,
)
TURN_20 = Goal(metric="first token of turn 20 / of turn 2", unit="ratio", text="≤ 1.5", at_most=1.5)
RESTARTED = Goal(
    metric="first token after a daemon restart / reading the whole conversation again",
    unit="ratio",
    text="≤ 0.2",
    at_most=0.2,
)
BESIDE = Goal(
    metric="first token of a first message while another stream runs / while none does",
    unit="ratio",
    text="≤ 3",
    at_most=3.0,
)

SYSTEM_WORDS = 310
"""So long are the instructions; with the markup around it the system prompt has about 400 tokens."""

_CONVERSATION_WORDS = 900
_TURN = 20
_CELLS = 4096


class Times(NamedTuple):
    """Seconds until the first token in pairs: what is measured, and what it is compared with."""

    new: list[tuple[float, float]]
    turn_20: list[tuple[float, float]]
    restarted: list[tuple[float, float]]
    beside: list[tuple[float, float]]
    prompt_tokens: tuple[int, int]
    """Of a new conversation, and of one that goes on after a restart."""


def measure(setting: Setting) -> Iterator[Result]:
    """Ask in all four situations on one device; raw llama.cpp reads the same number of tokens in turns."""
    raw = RawLlama(model_path(setting), cells=_CELLS)
    try:
        raw.use_threads(best_threads(raw)[1])
        times = asyncio.run(_measure(setting, raw))
    finally:
        raw.close()
    new, long = times.prompt_tokens
    yield NEW.measured(ratio(times.new), _note(times.new, f"read cold ({new} tokens)"))
    yield TURN_20.measured(ratio(times.turn_20), _note(times.turn_20, "at turn 2"))
    yield RESTARTED.measured(ratio(times.restarted), _note(times.restarted, f"read again ({long} tokens)"))
    yield BESIDE.measured(ratio(times.beside), _note(times.beside, "with none"))


async def _measure(setting: Setting, raw: RawLlama) -> Times:
    sections: Sections = {
        "llm": {"max_tokens": 512},
        "assistant": {"instructions": prose(SYSTEM_WORDS), "answers_per_minute": 0},
    }
    rounds = setting.count(7, 2)
    async with running_device(setting, sections) as device:
        await device.wait_for_model()
        async with browser(device) as client:
            new_tokens, new = await _new(client, raw, rounds)
            beside = [await _beside(client) for _ in range(rounds)]
            turn_20 = [await _turns(client) for _ in range(setting.count(5, 1))]
            sessions = [await _long_conversation(client, number) for number in range(setting.count(5, 1))]
        long_tokens, restarted = await _after_restart(device, raw, sessions)
    return Times(new, turn_20, restarted, beside, (new_tokens, long_tokens))


async def _new(client: Browser, raw: RawLlama, rounds: int) -> tuple[int, list[tuple[float, float]]]:
    """Ask in new conversations. The first after the start isn't counted: it reads the system prompt."""
    tokens, pairs = 0, []
    async with client.page() as page:
        for number in range(1 + rounds):
            heard = await page.ask_briefly(QUESTIONS[number % len(QUESTIONS)])
            tokens = heard.prompt_tokens
            pairs.append((heard.first_token_seconds, raw.prefill(tokens)))
    return tokens, pairs[1:]


async def _beside(client: Browser) -> tuple[float, float]:
    async with client.pages(2) as (writer, asker):
        idle = await asker.ask_briefly(QUESTIONS[0])
        story = asyncio.create_task(writer.ask(STORY), name="bench story")
        await writer.writing.wait()
        beside = await asker.ask_briefly(QUESTIONS[0])
        await writer.stop()
        await story
    return beside.first_token_seconds, idle.first_token_seconds


async def _turns(client: Browser) -> tuple[float, float]:
    """Return the time at turn 20 and at turn 2 of one conversation; both ask the same."""
    session = new_session()
    async with client.page() as page:
        times = [
            (await page.ask_briefly(QUESTIONS[turn % 2], session)).first_token_seconds
            for turn in range(1, _TURN + 1)
        ]
    return times[_TURN - 1], times[1]


async def _long_conversation(client: Browser, number: int) -> str:
    session = new_session()
    async with client.page() as page:
        await page.ask_briefly(f"{number}. {prose(_CONVERSATION_WORDS)} What happened?", session)
        await page.ask_briefly(QUESTIONS[1], session)
    return session


async def _after_restart(
    device: Device, raw: RawLlama, sessions: list[str]
) -> tuple[int, list[tuple[float, float]]]:
    tokens, pairs = 0, []
    await device.stop()
    await device.start()
    await device.wait_for_model()
    async with browser(device) as client, client.page() as page:
        for session in sessions:
            heard = await page.ask_briefly(QUESTIONS[0], session)
            tokens = heard.prompt_tokens
            pairs.append((heard.first_token_seconds, raw.prefill(tokens)))
    return tokens, pairs


def _note(pairs: list[tuple[float, float]], compared: str) -> str:
    ours, theirs = ([1000 * seconds for seconds in side] for side in zip(*pairs, strict=True))
    return f"{spread(ours, 'ms')}; {spread(theirs, 'ms')} {compared}"


MEASUREMENTS = (Measurement((NEW, TURN_20, RESTARTED, BESIDE), measure),)
