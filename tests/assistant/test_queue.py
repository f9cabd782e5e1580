from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.assistant.forecast import Work
from edge_assistant.assistant.queue import FairQueue

SECOND = Work(reading=0.25, total=1.0)


class Line:
    """A queue with people in it; `called` is the order in which they were."""

    def __init__(self, places: int = 1) -> None:
        self.now = 0.0
        self.queue = FairQueue(places, lambda: self.now)
        self.called: list[str] = []
        self.told: dict[str, list[tuple[int, float]]] = {}
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def join(self, *names: str, work: Work = SECOND) -> None:
        """Names are a person and a number: `a1`."""
        for name in names:
            self.ends[name] = asyncio.Event()
            self.told[name] = []
            self.tasks[name] = asyncio.create_task(self._stay(name, work))
            await asyncio.sleep(0)

    async def _stay(self, name: str, work: Work) -> None:
        tell = lambda place, seconds: self.told[name].append((place, seconds))  # noqa: E731
        async with self.queue.place(name[0], work, tell):
            self.called.append(name)
            await self.ends[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self.ends[name].set()
            await self.tasks[name]
        await asyncio.sleep(0)

    async def run_dry(self) -> list[str]:
        """End answers in the order they were called until all are done."""
        done = 0
        while done < len(self.called):
            await self.end(self.called[done])
            done += 1
        return self.called


@pytest.fixture
def line() -> Line:
    return Line()


async def test_who_comes_while_there_is_room_is_called_at_once_and_told_nothing(line):
    line.queue = FairQueue(2, lambda: line.now)
    await line.join("a1", "b1")
    assert line.called == ["a1", "b1"]
    assert line.told == {"a1": [], "b1": []}
    await line.run_dry()


async def test_someone_with_one_question_does_not_wait_behind_twenty_of_another(line):
    await line.join("a0", *(f"a{n}" for n in range(1, 10)), "b1")
    await line.end("a0")
    assert line.called == ["a0", "b1"]
    await line.run_dry()


async def test_people_take_turns_and_each_one_s_own_questions_keep_their_order(line):
    await line.join("a1", "a2", "a3", "b1", "b2", "c1")
    assert await line.run_dry() == ["a1", "b1", "c1", "a2", "b2", "a3"]


async def test_whoever_has_the_fewest_answers_running_is_next():
    line = Line(places=3)
    await line.join("a1", "a2", "a3", "a4", "b1", "b2", "b3")
    await line.end("a1", "a2")
    assert line.called[3:] == ["b1", "a4"], "each has one running then, and a was served longer ago"
    await line.run_dry()


async def test_place_and_wait_are_told_and_told_again_when_they_change(line):
    await line.join("a1", "b1", "c1", "d1")
    assert line.told["b1"] == [(1, 1.25)]
    assert line.told["c1"] == [(2, 2.25)]
    line.now = 0.5
    await line.end("a1")
    assert line.told["b1"] == [(1, 1.25)], "called: it sees its answer instead"
    assert line.told["c1"] == [(2, 2.25), (1, 1.25)]
    assert line.told["d1"] == [(3, 3.25), (2, 2.25)]
    await line.run_dry()


async def test_the_wait_shrinks_with_what_is_done_of_the_running_answers(line):
    await line.join("a1", work=Work(total=10.0))
    line.now = 7.0
    await line.join("b1")
    assert line.told["b1"] == [(1, 3.25)]
    assert line.queue.wait_seconds == 4.0
    await line.run_dry()


async def test_with_several_places_the_wait_is_for_the_first_that_becomes_free():
    line = Line(places=2)
    await line.join("a1", work=Work(total=10.0))
    await line.join("b1", work=Work(total=2.0))
    await line.join("c1", "d1")
    assert [line.told[name][0][1] for name in ("c1", "d1")] == [2.25, 3.25]
    await line.run_dry()


async def test_a_person_who_waits_is_passed_by_someone_who_has_nothing_running_and_is_told(line):
    await line.join("a1", "a2", "a3", "b1")
    assert line.told["b1"][-1][0] == 1
    assert line.told["a3"][-1][0] == 3
    await line.run_dry()


async def test_who_gives_up_leaves_the_line_and_the_others_move_up(line):
    await line.join("a1", "b1", "c1")
    line.tasks["b1"].cancel()
    await asyncio.gather(line.tasks["b1"], return_exceptions=True)
    assert line.told["c1"][-1] == (1, 1.25)
    assert await line.run_dry() == ["a1", "c1"]


async def test_an_answer_that_fails_gives_its_place_back(line):
    with pytest.raises(RuntimeError):
        async with line.queue.place("a", SECOND, lambda *_: None):
            raise RuntimeError
    async with line.queue.place("b", SECOND, lambda *_: None):
        pass


async def test_nothing_is_kept_of_people_who_left(line):
    await line.join("a1", "b1", "c1")
    await line.run_dry()
    assert not line.queue._served
    assert line.queue.wait_seconds == 0.0


async def test_a_place_is_held_until_the_block_ends(line):
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(line.queue.place("a", SECOND, lambda *_: None))
        await line.join("b1")
        assert line.called == []
    await asyncio.sleep(0)
    assert line.called == ["b1"]
    await line.run_dry()


@given(st.integers(1, 4), st.lists(st.sampled_from("abc"), min_size=1, max_size=24))
def test_everybody_is_called_once_and_the_plan_is_what_happens(places, people):
    async def scenario() -> None:
        line = Line(places)
        names = [f"{person}{number}" for number, person in enumerate(people)]
        await line.join(*names)
        planned = line.called + [
            f"{ticket.person}" for ticket, _ in line.queue._plan() if not ticket.called.is_set()
        ]
        called = await line.run_dry()
        assert sorted(called) == sorted(names)
        assert [name[0] for name in planned] == [name[0] for name in called]

    asyncio.run(scenario())
