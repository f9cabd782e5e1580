"""The house over HTTP: for those who live in it, and by the rules that hold for what is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge_assistant.bench.home.house import PREFIX, THINGS, Thing, announcement, crowd
from edge_assistant.frontends.web.home import MOST_SHOWN
from edge_assistant.home.discovery import parse
from edge_assistant.home.entity import State
from tests.frontends.web.conftest import Site
from tests.frontends.web.test_memory import call


def furnish(site: Site, *things: Thing) -> None:
    for thing in things or THINGS:
        topic, payload = announcement(thing)
        site.home.replace(topic, parse(PREFIX, topic, payload))


def things(body: Any) -> dict[str, Any]:
    return {thing["id"]: thing for room in body["rooms"] for thing in room["things"]}


async def test_rooms_come_with_their_things_and_what_those_can_be_told(site: Site) -> None:
    furnish(site)
    site.home.set_state("light.kitchen", State(value="on", attributes={"brightness": 50.0}))
    site.home.set_state("lock.front", State(value="locked"))
    client = await site.sign_in()
    _, body = await call(client, "GET", "/api/home?lang=de")
    names = [room["name"] for room in body["rooms"]]
    assert names == [*sorted(names[:-1]), ""], "what stands nowhere comes last"
    shown = things(body)
    assert len(shown) == body["all"] == len(THINGS)
    assert (shown["light.kitchen"]["words"], shown["lock.front"]["words"]) == ("an", "abgeschlossen")
    [dial] = shown["light.kitchen"]["dials"]
    assert (dial["what"], dial["service"], dial["value"], dial["high"]) == ("brightness", "turn_on", 50, 100)
    assert shown["sensor.outdoor"]["services"] == []
    assert {"set_temperature", "turn_on"} <= set(shown["climate.living"]["services"])


async def test_what_did_not_change_is_not_sent_again(site: Site) -> None:
    furnish(site)
    client = await site.sign_in()
    seen = (await call(client, "GET", "/api/home"))[1]["seen"]
    assert (await call(client, "GET", f"/api/home?seen={seen}"))[0] == 204
    site.home.set_state("light.kitchen", State(value="on"))
    status, body = await call(client, "GET", f"/api/home?seen={seen}")
    assert (status, things(body)["light.kitchen"]["state"]) == (200, "on")
    site.home.set_state("light.kitchen", State(value="on", changed_at=1.0))
    assert (await call(client, "GET", f"/api/home?seen={body['seen']}"))[0] == 204


async def test_a_large_house_is_cut_and_searched(site: Site) -> None:
    furnish(site, *crowd(MOST_SHOWN + 20), *THINGS)
    client = await site.sign_in()
    _, body = await call(client, "GET", "/api/home")
    assert (len(things(body)), body["more"]) == (MOST_SHOWN, 20 + len(THINGS))
    _, body = await call(client, "GET", "/api/home?find=LAMP%20office")
    assert list(things(body)) == ["light.desk"]


async def test_a_tap_tells_a_device_at_once(site: Site) -> None:
    furnish(site)
    client = await site.sign_in()
    status, done = await call(
        client, "POST", "/api/home/light.kitchen", service="turn_on", data={"brightness": 20}, language="de"
    )
    assert (status, done["status"], done["text"]) == (200, "done", "kitchen light eingeschaltet.")
    assert [(each.topic, json.loads(each.payload)) for each in site.sent] == [
        ("house/light.kitchen/set", {"state": "ON", "brightness": 51})
    ]


async def test_a_lock_waits_for_a_yes_that_counts_once(site: Site) -> None:
    furnish(site)
    client = await site.sign_in()
    status, asked = await call(client, "POST", "/api/home/lock.front", service="unlock")
    assert (status, asked["status"], asked["summary"]) == (202, "asked", "unlock front door")
    assert site.sent == []
    address = f"/api/actions/{asked['action']}"
    assert (await call(client, "POST", address, approve=True))[1]["status"] == "done"
    assert (await call(client, "POST", address, approve=True))[1]["error"]["code"] == "CONFIRMATION_GONE"
    assert [each.payload for each in site.sent] == ["UNLOCK"]


async def test_a_guest_neither_sees_nor_touches_the_house(site: Site) -> None:
    furnish(site)
    guest = await site.sign_in((await site.people.users.add("Gus", "guest")).id)
    assert (await call(guest, "GET", "/api/home"))[0] == 403
    assert (await call(guest, "POST", "/api/home/light.kitchen", service="turn_on"))[0] == 403
    assert site.sent == []


@pytest.mark.parametrize(
    ("thing", "body", "code"),
    [
        ("light.nowhere", {"service": "turn_on"}, "HOME_UNKNOWN"),
        ("kitchen light", {"service": "turn_on"}, "HOME_UNKNOWN"),
        ("light.kitchen", {"service": "unlock"}, "HOME_SERVICE_UNKNOWN"),
        ("light.kitchen", {"service": "rm -rf"}, "WEB_BAD_FIELD"),
        ("light.kitchen", {"service": "turn_on", "data": {"brightness": 1e9}}, "HOME_DATA_BAD"),
        ("light.kitchen", {"service": "turn_on", "data": {f"k{n}": 1 for n in range(9)}}, "WEB_BAD_FIELD"),
        ("light.kitchen", {"service": "turn_on", "language": "../"}, "WEB_BAD_FIELD"),
    ],
)
async def test_a_senseless_tap_is_refused(site: Site, thing: str, body: dict[str, Any], code: str) -> None:
    furnish(site)
    status, error = await call(await site.sign_in(), "POST", f"/api/home/{thing}", **body)
    assert (status, error["error"]["code"]) == (400, code)
    assert site.sent == []
