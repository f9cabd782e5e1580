"""Timers over restarts, clocks that jump and summers that begin; time is turned by hand."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.errors import EdgeError
from edge_assistant.people.uptime import Moment
from edge_assistant.tools.moment import Now, first_time, time_after, wall_seconds
from edge_assistant.tools.timers import MOST, Timers
from tests.tools.conftest import ANN, BERLIN, GUEST, HOUSEHOLD, OWNER, Bell, Clocks

LONG_AGO = dt.datetime.fromisoformat("2000-01-01")
FAR_AHEAD = dt.datetime.fromisoformat("2037-01-01")


@pytest.fixture
def bell():
    return Bell()


@pytest.fixture
async def timers(database, clocks, bell):
    timers = Timers(database, clock=clocks)
    timers.add_bell(bell)
    await timers.load()
    return timers


async def again(database, clocks, bell):
    """Return the timers of a new start of the daemon."""
    timers = Timers(database, clock=clocks)
    timers.add_bell(bell)
    await timers.load()
    await timers._ring_due()
    return timers


async def look(timers, clocks, seconds):
    clocks.pass_time(seconds)
    await timers._ring_due()


async def test_a_timer_rings_once_when_it_is_due_and_not_before(timers, clocks, bell):
    await timers.start(OWNER, 300, "pasta")
    await look(timers, clocks, 299.9)
    assert bell.rung == []
    await look(timers, clocks, 0.2)
    await look(timers, clocks, 60)
    assert bell.labels == ["pasta"]
    assert not bell.rung[0].missed


async def test_it_survives_the_end_of_the_daemon_and_rings_on_time(timers, database, clocks, bell):
    await timers.start(OWNER, 300, "pasta")
    clocks.pass_time(200)
    timers = await again(database, clocks, bell)
    assert bell.rung == []
    await look(timers, clocks, 100)
    assert bell.labels == ["pasta"]


async def test_what_was_due_while_the_daemon_was_away_is_announced_as_missed(timers, database, clocks, bell):
    await timers.start(OWNER, 300, "pasta")
    clocks.pass_time(900)
    await again(database, clocks, bell)
    assert (bell.labels, bell.rung[0].missed, round(bell.rung[0].late_seconds)) == (["pasta"], True, 600)
    await again(database, clocks, bell)
    assert len(bell.rung) == 1


async def test_after_a_restart_of_the_machine_the_wall_decides(timers, database, clocks, bell):
    await timers.start(OWNER, 300, "pasta")
    clocks.reboot(120)
    timers = await again(database, clocks, bell)
    assert round(timers.left(timers.of(OWNER)[0])) == 180
    await look(timers, clocks, 181)
    assert bell.labels == ["pasta"]


@pytest.mark.parametrize("jump", [-86_400 * 365, -3600, -30, 30, 3600, 86_400 * 365])
async def test_a_clock_that_is_set_moves_no_timer(timers, database, clocks, bell, jump):
    await timers._ring_due()
    await timers.start(OWNER, 300, "pasta")
    clocks.wall += jump
    await look(timers, clocks, 299)
    assert bell.rung == []
    clocks.reboot(0.5)  # what was kept for another start of the machine follows the wall as it is now
    timers = await again(database, clocks, bell)
    assert timers.left(timers.of(OWNER)[0]) == pytest.approx(0.5, abs=0.01)
    await look(timers, clocks, 1)
    assert bell.labels == ["pasta"]


async def test_an_alarm_follows_the_wall(timers, clocks, bell):
    await timers.at(OWNER, dt.time(13, 0), "lunch")
    clocks.wall += 3599
    await look(timers, clocks, 0)
    assert bell.rung == []
    clocks.wall -= 1800
    await look(timers, clocks, 1800)
    assert bell.rung == []
    await look(timers, clocks, 1.1)
    assert bell.labels == ["lunch"]


async def test_a_jump_over_an_alarm_rings_it_as_missed(timers, clocks, bell):
    await timers.at(OWNER, dt.time(13, 0), "lunch")
    clocks.wall += 7200
    await look(timers, clocks, 0)
    assert (bell.labels, bell.rung[0].missed) == (["lunch"], True)


async def test_an_alarm_moves_with_the_zone_of_a_traveller(timers, clocks, bell):
    await timers.at(OWNER, dt.time(13, 0))
    clocks.zone = zoneinfo.ZoneInfo("America/New_York")  # there it is 6 in the morning
    await look(timers, clocks, 3601)
    assert bell.rung == []
    await look(timers, clocks, 6 * 3600)
    assert len(bell.rung) == 1


async def test_an_alarm_in_the_hour_that_spring_leaves_out_still_rings(database, bell):
    clocks = Clocks("2027-03-28T01:00")
    timers = Timers(database, clock=clocks)
    timers.add_bell(bell)
    await timers.at(OWNER, dt.time(2, 30))
    await look(timers, clocks, 3600 + 29 * 60)
    assert bell.rung == []
    await look(timers, clocks, 61)  # 3:30 in summer time, an hour and a half after 1:00
    assert len(bell.rung) == 1


async def test_an_alarm_in_the_hour_that_autumn_has_twice_rings_the_first_time_only(database, bell):
    clocks = Clocks("2026-10-25T01:00")
    timers = Timers(database, clock=clocks)
    timers.add_bell(bell)
    await timers.at(OWNER, dt.time(2, 30), days="1234567")
    await look(timers, clocks, 5400 + 1)
    assert len(bell.rung) == 1
    await timers.take_note(timers.ringing())
    await look(timers, clocks, 3600)
    assert len(bell.rung) == 1
    await look(timers, clocks, 86_400)
    assert len(bell.rung) == 2


async def test_a_weekday_alarm_waits_over_the_weekend(database, bell):
    clocks = Clocks("2026-11-27T06:00")  # a Friday
    timers = Timers(database, clock=clocks)
    timers.add_bell(bell)
    await timers.at(OWNER, dt.time(7, 0), days="12345")
    rings = []
    for _ in range(24 * 7):
        await look(timers, clocks, 3600)
        if bell.rung and len(bell.rung) > len(rings):
            rings.append(dt.datetime.fromtimestamp(clocks.wall, BERLIN).strftime("%a %H"))
            await timers.take_note(timers.ringing())
    assert rings == ["Fri 07", "Mon 07", "Tue 07", "Wed 07", "Thu 07"]


async def test_a_clock_set_back_rings_no_day_twice(database, bell):
    clocks = Clocks("2026-11-27T06:59")
    timers = Timers(database, clock=clocks)
    timers.add_bell(bell)
    await timers.at(OWNER, dt.time(7, 0), days="1234567")
    await look(timers, clocks, 61)
    await timers.take_note(timers.ringing())
    clocks.wall -= 600
    await look(timers, clocks, 700)
    assert len(bell.rung) == 1


@given(
    moment=st.datetimes(LONG_AGO, FAR_AHEAD),
    at=st.times(),
    days=st.sampled_from(["", "1234567", "67", "3"]),
    zone=st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]
    ),
)
def test_the_next_time_is_in_the_future_soon_and_on_a_day_that_was_named(moment, at, days, zone):
    info = zoneinfo.ZoneInfo(zone)
    now = Now(up=Moment("b", 0), wall=moment.replace(tzinfo=info).timestamp(), zone=info)
    local = first_time(at.replace(tzinfo=None), now, days)
    ahead = wall_seconds(local, info) - now.wall
    assert 0 < ahead <= 86_400 * (8.2 if days else 2.1)
    assert not days or str(local.isoweekday()) in days
    if days:
        later = time_after(local, days, now)
        assert later.date() > local.date()
        assert str(later.isoweekday()) in days


async def test_a_paused_timer_stands_still_and_goes_on(timers, database, clocks, bell):
    timer = await timers.start(OWNER, 300, "pasta")
    clocks.pass_time(100)
    await timers.pause(timer)
    clocks.reboot(5000)
    timers = await again(database, clocks, bell)
    (timer,) = timers.of(OWNER)
    assert (round(timers.left(timer)), bell.rung) == (200, [])
    await timers.resume(timer)
    await look(timers, clocks, 201)
    assert bell.labels == ["pasta"]


async def test_a_timer_is_lengthened_and_shortened(timers, clocks):
    timer = await timers.start(OWNER, 300)
    timer = await timers.lengthen(timer, 60)
    assert timers.left(timer) == 360
    timer = await timers.lengthen(timer, -350)
    assert timers.left(timer) == 10
    with pytest.raises(EdgeError, match="TIMER_BAD"):
        await timers.lengthen(timer, -10)


async def test_what_rings_goes_on_until_somebody_takes_note(timers, database, clocks, bell):
    await timers.start(OWNER, 1, "tea")
    await look(timers, clocks, 2)
    assert [t.label for t in (await again(database, clocks, Bell())).ringing()] == ["tea"]
    (ringing,) = timers.ringing()
    await timers.take_note([ringing])
    assert bell.stilled == [ringing.id]
    assert (await again(database, clocks, Bell())).of(OWNER) == []


async def test_people_see_their_own_and_the_household_s_and_guests_only_their_own(timers):
    for who in (OWNER, ANN, GUEST, HOUSEHOLD):
        await timers.start(who, 300, who.id)
    seen = {who.id: {t.label for t in timers.of(who)} for who in (OWNER, ANN, GUEST, HOUSEHOLD)}
    assert seen == {
        "owner": {"owner", "household"},
        "ann": {"ann", "household"},
        "gus": {"gus"},
        "household": {"household"},
    }


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e12])
async def test_a_senseless_duration_is_refused(timers, seconds):
    with pytest.raises(EdgeError, match="TIMER_BAD"):
        await timers.start(OWNER, seconds)


async def test_one_person_fills_no_device(timers):
    for _ in range(MOST):
        await timers.start(ANN, 300)
    with pytest.raises(EdgeError, match="TIMERS_FULL"):
        await timers.start(ANN, 300)
    await timers.start(OWNER, 300)


async def test_a_bell_that_fails_keeps_no_other_from_ringing(database, clocks):
    class Broken:
        def ring(self, ringing):
            raise RuntimeError

    timers, bell = Timers(database, clock=clocks), Bell()
    timers.add_bell(Broken())
    timers.add_bell(bell)
    await timers.start(OWNER, 1)
    await look(timers, clocks, 2)
    assert len(bell.rung) == 1


async def test_it_rings_by_itself_on_the_clocks_of_this_machine(database):
    bell, timers = Bell(), Timers(database)
    timers.add_bell(bell)
    await timers.load()
    task = asyncio.create_task(timers.run())
    began = time.monotonic()
    await timers.start(OWNER, 1, "soon")
    await timers.start(OWNER, 3600, "later")
    while not bell.rung:
        await asyncio.sleep(0.01)
    assert time.monotonic() - began >= 1
    assert bell.labels == ["soon"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
