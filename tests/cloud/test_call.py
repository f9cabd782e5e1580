"""One question on a scripted clock, whatever the line does to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.cloud.call import Call, End, Request, Say, Tell
from edge_assistant.cloud.wire import (
    LONGEST_ANSWER,
    Accepted,
    Acknowledged,
    Alive,
    Cancel,
    Chunk,
    Failed,
    Finished,
    Resume,
)


def call(**more):
    made = Call("a" * 32, now=0.0, **{"deadline_seconds": 100.0, "patience_seconds": 50.0, **more})
    assert list(made.begin(0.0)) == [Request(1, 0, "", more.get("deadline_seconds", 100.0))]
    return made


def accepted(worker="w", attempt=1):
    return Accepted(worker=worker, attempt=attempt, lease=4.0)


def chunk(index, text, worker="w", attempt=1):
    return Chunk(worker=worker, attempt=attempt, index=index, text=text)


def finished(chunks, worker="w", attempt=1):
    return Finished(worker=worker, attempt=attempt, chunks=chunks)


def failed(worker="w", attempt=1, **more):
    return Failed(worker=worker, attempt=attempt, **{"code": "CLOUD_FAILED", "again": True, **more})


def said(actions):
    return "".join(action.text for action in actions if isinstance(action, Say))


def test_chunks_that_come_twice_or_from_strangers_are_said_once():
    made = call()
    actions = [*made.hear(accepted(), 1.0)]
    for reply in (chunk(0, "a"), chunk(0, "a"), chunk(1, "x", worker="other"), chunk(1, "b"), chunk(0, "a")):
        actions += made.hear(reply, 1.0)
    assert said(actions) == "ab"


def test_a_second_worker_on_the_same_question_is_sent_away():
    made = call()
    list(made.hear(accepted("one"), 1.0))
    assert list(made.hear(accepted("two"), 1.0)) == [Tell("two", Cancel(id=made.id, attempt=1))]


def test_a_gap_is_asked_for_once_and_filled():
    made = call()
    list(made.hear(chunk(0, "a"), 1.0))
    assert list(made.hear(chunk(2, "c"), 1.0)) == [Tell("w", Resume(id=made.id, attempt=1, next=1))]
    assert list(made.hear(chunk(3, "d"), 1.0)) == []
    actions = [
        action for n, text in ((1, "b"), (2, "c"), (3, "d")) for action in made.hear(chunk(n, text), 1.0)
    ]
    assert said(actions) == "bcd"


def test_an_end_that_overtakes_its_chunks_waits_for_them():
    made = call()
    assert list(made.hear(finished(2), 1.0)) == [Tell("w", Resume(id=made.id, attempt=1, next=0))]
    actions = [*made.hear(chunk(0, "a"), 1.1), *made.hear(chunk(1, "b"), 1.1), *made.hear(finished(2), 1.1)]
    assert (said(actions), actions[-1]) == ("ab", End(finished(2)))


def test_a_silent_worker_is_asked_then_replaced_with_what_is_there():
    made = call()
    list(made.hear(accepted(), 1.0))
    list(made.hear(chunk(0, "Hello "), 1.0))
    assert list(made.tick(2.9)) == []
    assert list(made.tick(3.0)) == [Tell("w", Resume(id=made.id, attempt=1, next=1))]
    cancel, again = made.tick(5.0)
    assert cancel == Tell("w", Cancel(id=made.id, attempt=1))
    assert again == Request(2, 1, "Hello ", 95.0)
    assert said(made.hear(chunk(1, "late"), 5.1)) == ""  # of the first attempt
    assert said(made.hear(chunk(1, "there", "v", 2), 5.2)) == "there"


def test_a_worker_that_only_says_that_it_lives_keeps_its_question():
    made = call(deadline_seconds=1000)
    list(made.hear(accepted(), 0.0))
    for second in range(1, 300):
        assert list(made.hear(Alive(worker="w", attempt=1), second)) == [
            Tell("w", Acknowledged(id=made.id, attempt=1, next=0))
        ]
        assert list(made.tick(second + 0.5)) == []


def test_a_busy_worker_is_followed_by_another_soon_and_later_by_patience():
    made = call()
    list(made.hear(failed(code="CLOUD_BUSY", retry_after=7.0), 1.0))
    assert list(made.tick(1.2)) == []
    assert [type(action) for action in made.tick(1.6)] == [Request]
    list(made.hear(failed(attempt=2, code="CLOUD_BUSY", retry_after=7.0), 2.0))
    assert list(made.tick(8.9)) == []
    assert [type(action) for action in made.tick(9.0)] == [Request]


def test_three_workers_that_fail_are_enough_and_one_that_refuses_too():
    made = call()
    for attempt in (1, 2):
        assert list(made.hear(failed(attempt=attempt), 1.0)) == []
        list(made.tick(2.0))
    assert made.ended is False
    actions = list(made.hear(failed(attempt=3), 3.0))
    assert actions[-1].error.code == "CLOUD_FAILED"
    refused = list(call().hear(failed(code="CLOUD_REFUSED", again=False), 1.0))
    assert refused[-1].error.code == "CLOUD_REFUSED"


def test_the_link_that_comes_back_finds_the_same_worker():
    made = call()
    list(made.hear(accepted(), 1.0))
    list(made.hear(chunk(0, "a"), 1.0))
    assert list(made.reconnected(40.0)) == [Tell("w", Resume(id=made.id, attempt=1, next=1))]
    assert list(made.tick(41.0)) == []
    assert [type(action) for action in made.tick(42.1)] == [Tell, Request]


def test_an_answer_without_end_is_given_up():
    made = call()
    size = 32_000
    for index in range(LONGEST_ANSWER // size + 1):
        actions = list(made.hear(chunk(index, "x" * size), 1.0))
    assert actions[-1].error.code == "CLOUD_FAILED"


def test_a_worker_that_counts_fewer_chunks_than_it_sent_is_not_trusted():
    made = call()
    list(made.hear(chunk(0, "a"), 1.0))
    assert list(made.hear(finished(0), 1.0))[-1].error.code == "CLOUD_FAILED"


REPLIES = st.one_of(
    st.builds(accepted, st.sampled_from("wv"), st.integers(1, 3)),
    st.builds(
        lambda i, w, a: chunk(i, str(i), w, a), st.integers(0, 9), st.sampled_from("wv"), st.integers(1, 3)
    ),
    st.builds(finished, st.integers(0, 9), st.sampled_from("wv"), st.integers(1, 3)),
    st.builds(failed, st.sampled_from("wv"), st.integers(1, 3)),
    st.builds(lambda w, a: Alive(worker=w, attempt=a), st.sampled_from("wv"), st.integers(1, 3)),
)
STEPS = st.lists(
    st.tuples(st.floats(0, 5), st.one_of(REPLIES, st.sampled_from(["tick", "back"]))), max_size=60
)


@given(STEPS)
def test_whatever_comes_in_whatever_order_the_text_has_no_gap_and_the_call_ends_once(steps):
    made, now, actions = call(), 0.0, []
    for pause, step in steps:
        now += pause
        if step == "tick":
            actions += made.tick(now)
        elif step == "back":
            actions += made.reconnected(now)
        else:
            actions += made.hear(step, now)
    actions += made.tick(now + 1000)
    text = said(actions)
    assert "0123456789".startswith(text)
    ends = [action for action in actions if isinstance(action, End)]
    assert len(ends) == 1
    if ends[0].finished:
        assert len(text) == ends[0].finished.chunks
