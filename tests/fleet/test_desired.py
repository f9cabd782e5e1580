"""A device takes over what the operator wants: whole, on probation, and back when it is not well."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from edge_assistant.errors import ConfigError
from edge_assistant.fleet.desired import Follower
from edge_assistant.fleet.wire import Desired
from tests.fleet.fleet import until

MAY_SET = ("assistant.persona", "llm.model")


class Settings:
    """A configuration that refuses some values."""

    def __init__(self):
        self.values = {"assistant.persona": "default", "llm.model": "small", "voice.quiet": "false"}
        self.changes = []

    def present(self, keys):
        return {key: self.values[key] for key in keys}

    async def change(self, values):
        if "unknown" in values.values():
            raise ConfigError("CONFIG_BAD_VALUE", "no such persona")
        self.changes.append(dict(values))
        self.values |= values


class Time:
    """Probations that last as long as a test wants."""

    def __init__(self):
        self.go_on = asyncio.Event()
        self.slept = 0.0

    async def sleep(self, seconds):
        await self.go_on.wait()
        self.slept += seconds
        await asyncio.sleep(0)


class Place:
    """One device's configuration and file over several lives."""

    def __init__(self, folder):
        self.path = folder / "desired.json"
        self.settings, self.time = Settings(), Time()
        self.ill = ""
        self.examined = []

    async def examine(self, keys):
        self.examined.append(list(keys))
        return "MODEL_FAILED" if self.settings.values["assistant.persona"] == "harmful" else self.ill

    @contextlib.asynccontextmanager
    async def alive(self):
        follower = Follower(self.path, self.settings, self.examine, MAY_SET, sleep=self.time.sleep)
        task = asyncio.create_task(follower.run())
        try:
            yield follower
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def wish(number=1, **values):
    values = {key.replace("_", ".", 1): value for key, value in values.items()}
    return Desired(version=number, id=f"w{number}", values=values)


def phase(follower, name):
    return until(lambda: follower.outcome.phase == name)


async def test_what_keeps_well_through_its_probation_stays(place):
    place.time.go_on.set()
    async with place.alive() as follower:
        await follower.wish(wish(assistant_persona="concise", llm_model="small"))
        await phase(follower, "applied")
        await follower.wish(wish(assistant_persona="concise", llm_model="small"))
        assert follower.values == {"assistant.persona": "concise", "llm.model": "small"}
    assert place.settings.changes == [{"assistant.persona": "concise", "llm.model": "small"}]
    assert place.examined[0] == ["assistant.persona"], "what did not change need not be tried"
    assert place.time.slept == 60


async def test_what_makes_the_device_ill_is_taken_back_whole(place):
    async with place.alive() as follower:
        await follower.wish(wish(assistant_persona="concise", llm_model="huge"))
        await phase(follower, "probation")
        place.ill = "MODEL_FAILED"
        place.time.go_on.set()
        await phase(follower, "rolled_back")
        assert follower.outcome.code == "MODEL_FAILED"
    assert place.settings.values["assistant.persona"] == "default"
    assert place.settings.values["llm.model"] == "small"
    async with place.alive() as follower:
        await follower.wish(wish(assistant_persona="concise", llm_model="huge"))  # the broker says it again
        await phase(follower, "rolled_back")
    assert len(place.settings.changes) == 2


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"assistant_persona": "unknown", "llm_model": "small"}, "CONFIG_BAD_VALUE"),
        ({"assistant_persona": "concise", "voice_quiet": "true"}, "FLEET_KEY_FORBIDDEN"),
        ({"web_host": "0.0.0.0"}, "FLEET_KEY_FORBIDDEN"),
    ],
)
async def test_what_can_not_or_must_not_be_set_changes_nothing(place, values, code):
    async with place.alive() as follower:
        await follower.wish(wish(**values))
        await phase(follower, "refused")
        assert follower.outcome.code == code
    assert place.settings.changes == []


async def test_a_power_cut_in_a_probation_begins_it_anew_and_a_second_one_takes_it_back(place):
    async with place.alive() as follower:
        await follower.wish(wish(assistant_persona="concise"))
        await phase(follower, "probation")
    async with place.alive() as follower:
        await phase(follower, "probation")
        assert place.settings.values["assistant.persona"] == "concise"
    async with place.alive() as follower:
        await phase(follower, "rolled_back")
        assert follower.outcome.code == "FLEET_RESTARTED"
    assert place.settings.values["assistant.persona"] == "default"


async def test_a_newer_wish_ends_a_probation_and_the_way_back_leads_to_what_was_well(place):
    async with place.alive() as follower:
        await follower.wish(wish(1, assistant_persona="concise"))
        await phase(follower, "probation")
        await follower.wish(wish(2, assistant_persona="harmful"))
        place.time.go_on.set()
        await until(lambda: (follower.outcome.version, follower.outcome.phase) == (2, "rolled_back"))
    assert place.settings.values["assistant.persona"] == "default"


async def test_a_record_that_can_not_be_read_is_none(place):
    place.path.write_bytes(b"\xff{")
    async with place.alive() as follower:
        place.time.go_on.set()
        await follower.wish(wish(assistant_persona="concise"))
        await phase(follower, "applied")
