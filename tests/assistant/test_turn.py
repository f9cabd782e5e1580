from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.assistant.events import Route, TextDelta, Timings, TurnFinished, TurnStarted, Usage
from edge_assistant.assistant.request import OWNER
from edge_assistant.assistant.turn import Turn


def events_of(pieces):
    yield TurnStarted(id="t", seq=1, session="s")
    for seq, text in enumerate(pieces, 2):
        yield TextDelta(id="t", seq=seq, text=text)
    yield TurnFinished(
        id="t", seq=len(pieces) + 2, text="".join(pieces), status="complete",
        route=Route(rung="local", model="m", reason="r"), timings=Timings(), usage=Usage(),
    )  # fmt: skip


@given(st.data(), st.lists(st.text(max_size=5), max_size=12))
def test_whenever_a_watcher_comes_and_wherever_it_starts_it_gets_exactly_the_rest(data, pieces):
    story = list(events_of(pieces))
    afters = data.draw(st.lists(st.integers(0, len(story)), max_size=5))
    arrivals = [data.draw(st.integers(0, len(story))) for _ in afters]

    async def scenario():
        turn = Turn("t", "s", OWNER)
        watchers = []

        async def watch(after):
            return [event async for event in turn.events(after)]

        for happened in range(len(story) + 1):
            for after, arrival in zip(afters, arrivals, strict=True):
                if arrival == happened:
                    watchers.append((after, asyncio.create_task(watch(after))))
            if data.draw(st.booleans()):
                await asyncio.sleep(0)
            if happened < len(story):
                turn.append(story[happened])
        for after, watcher in watchers:
            assert await watcher == story[after:]

    asyncio.run(scenario())


async def test_a_watcher_that_reads_slowly_holds_up_nobody():
    turn = Turn("t", "s", OWNER)
    story = list(events_of(["a", "b", "c"]))
    slow = turn.events()
    turn.append(story[0])
    assert await anext(slow) == story[0]
    for event in story[1:]:
        turn.append(event)
    assert [event async for event in turn.events()] == story
    assert [event async for event in slow] == story[1:]


async def test_every_watcher_is_woken_in_the_loop_iteration_of_the_event():
    turn = Turn("t", "s", OWNER)
    seen = []

    async def watch():
        async for event in turn.events():
            seen.append(event.seq)  # noqa: PERF401 - in the moment it comes

    watchers = [asyncio.create_task(watch()) for _ in range(20)]
    await asyncio.sleep(0)
    for number, event in enumerate(events_of(["a"]), 1):
        turn.append(event)
        await asyncio.sleep(0)
        assert seen.count(number) == 20
    await asyncio.gather(*watchers)


async def test_leaving_in_mid_answer_leaves_the_others_watching():
    turn = Turn("t", "s", OWNER)
    leaving = asyncio.create_task(anext(turn.events()))
    staying = asyncio.create_task(turn.wait())
    await asyncio.sleep(0)
    leaving.cancel()
    for event in events_of(["a"]):
        turn.append(event)
    assert (await staying).text == "a"
