from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.people.allowance import _KEPT, Allowance


def test_a_person_may_ask_a_few_at_once_and_then_as_often_as_the_rate_says():
    allowance = Allowance(per_minute=30, burst=3)
    assert [allowance.take("ann", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 2.0]
    assert allowance.take("ann", 1.0) == 1.0
    assert allowance.take("ann", 2.0) == 0.0
    assert allowance.take("ann", 2.0) > 0


def test_what_one_person_asks_takes_nothing_from_another():
    allowance = Allowance(per_minute=1, burst=1)
    assert allowance.take("ann", 0.0) == 0.0
    assert allowance.take("bob", 0.0) == 0.0


def test_a_rate_of_zero_is_no_limit():
    allowance = Allowance(per_minute=0, burst=1)
    assert {allowance.take("ann", 0.0) for _ in range(1000)} == {0.0}


def test_many_strangers_do_not_make_it_grow():
    allowance = Allowance(per_minute=60, burst=1)
    for number in range(5 * _KEPT):
        allowance.take(f"p{number}", float(number))
    assert len(allowance._buckets) <= _KEPT + 1


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 5), st.integers(1, 120))
def test_nobody_ever_gets_more_than_burst_and_rate_allow_and_the_hint_is_right(gaps, burst, per_minute):
    allowance = Allowance(per_minute=per_minute, burst=burst)
    now, taken = 0.0, 0
    for gap in gaps:
        now += gap
        wait = allowance.take("ann", now)
        taken += wait == 0
        assert taken <= burst + now * per_minute / 60 + 1e-6
        if wait:
            now += wait + 1e-6
            assert allowance.take("ann", now) == 0
            taken += 1
