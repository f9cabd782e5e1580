"""Timers, lists and confirmations over HTTP: each person's own, and the household's."""

from __future__ import annotations

from typing import Any

import pytest

from edge_assistant.people.person import HOUSEHOLD, Principal
from edge_assistant.tools.protocol import Call, Occasion
from tests.frontends.web.conftest import Site
from tests.frontends.web.test_memory import call


def abilities(site: Site) -> Any:
    return site.server._parts[-1]


async def test_a_timer_is_set_paused_resumed_and_cancelled(site: Site) -> None:
    client = await site.sign_in()
    status, timer = await call(client, "POST", "/api/timers", seconds=600, label="pasta")
    assert (status, timer["kind"], timer["label"], timer["ringing"]) == (201, "timer", "pasta", False)
    assert (await call(client, "POST", f"/api/timers/{timer['id']}", step="pause"))[1]["paused"]
    assert not (await call(client, "POST", f"/api/timers/{timer['id']}", step="resume"))[1]["paused"]
    assert len((await call(client, "GET", "/api/timers"))[1]["timers"]) == 1
    await call(client, "POST", f"/api/timers/{timer['id']}", step="cancel")
    assert (await call(client, "GET", "/api/timers"))[1] == {"timers": []}


async def test_an_alarm_is_set_for_days(site: Site) -> None:
    client = await site.sign_in()
    _, alarm = await call(client, "POST", "/api/timers", kind="alarm", time="6:30", days="12345")
    assert (alarm["local"][-8:], alarm["days"]) == ("06:30:00", "12345")


@pytest.mark.parametrize(
    "body",
    [
        {"seconds": 0},
        {"seconds": -1},
        {"seconds": 1e300},
        {"time": "25:00"},
        {"kind": "bomb"},
        {"seconds": "x"},
        {"days": "8"},
    ],
)
async def test_a_senseless_timer_is_refused(site: Site, body: dict[str, Any]) -> None:
    assert (await call(await site.sign_in(), "POST", "/api/timers", **body))[0] == 400


async def test_guests_see_and_stop_their_own_timers_only(site: Site) -> None:
    guest = await site.people.users.add("Gus", "guest")
    theirs, owner = await site.sign_in(guest.id), await site.sign_in()
    _, timer = await call(owner, "POST", "/api/timers", seconds=600)
    await abilities(site)._timers.start(HOUSEHOLD, 600, "oven")
    assert [t["label"] for t in (await call(owner, "GET", "/api/timers"))[1]["timers"]] == ["", "oven"]
    assert (await call(theirs, "GET", "/api/timers"))[1] == {"timers": []}
    assert (await call(theirs, "POST", f"/api/timers/{timer['id']}", step="cancel"))[0] == 404


async def test_lists_are_shared_in_the_house(site: Site) -> None:
    ann = await site.people.users.add("Ann", "member")
    hers, owner = await site.sign_in(ann.id), await site.sign_in()
    await call(owner, "POST", "/api/lists", list="shopping", item="milk")
    _, answer = await call(hers, "POST", "/api/lists", list="shopping", item="eggs")
    assert answer == {"lists": [{"name": "shopping", "items": ["milk", "eggs"]}]}
    assert (await call(hers, "DELETE", "/api/lists", list="shopping", item="milk"))[1]["lists"][0][
        "items"
    ] == ["eggs"]


async def test_what_the_household_was_asked_is_confirmed_by_a_tap(site: Site) -> None:
    client, part = await site.sign_in(), abilities(site)
    await part._lists.add(HOUSEHOLD, "shopping", ["milk"])
    await part._actions.do(Call("clear_list"), Occasion(principal=HOUSEHOLD, session="voice", source="voice"))
    (asked,) = (await call(client, "GET", "/api/actions"))[1]["actions"]
    assert (asked["summary"], asked["pin"]) == ("empty the list shopping", False)
    answer = await call(client, "POST", f"/api/actions/{asked['id']}", approve=True)
    assert answer == (200, {"status": "done", "text": "The list shopping is empty now."})
    assert (await call(client, "POST", f"/api/actions/{asked['id']}", approve=True))[1]["error"]["code"] == (
        "CONFIRMATION_GONE"
    )


async def test_what_somebody_else_was_asked_is_not_shown(site: Site) -> None:
    part, client = abilities(site), await site.sign_in()
    ann = Principal("ann", "member")
    asked = (await part._actions.do(Call("clear_list"), Occasion(principal=ann, session="s"))).asked
    assert (await call(client, "GET", "/api/actions"))[1] == {"actions": []}
    status, error = await call(client, "POST", f"/api/actions/{asked.id}", approve=True)
    assert (status, error["error"]["code"]) == (403, "CONFIRMATION_NOT_YOURS")
