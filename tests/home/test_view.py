"""What can be told to a thing depends on what it announced."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge_assistant.errors import EdgeError
from edge_assistant.home.discovery import parse
from edge_assistant.home.entity import UNKNOWN, Entity, State
from edge_assistant.home.orders import orders, possible
from edge_assistant.home.registry import Registry
from edge_assistant.home.template import Templates
from edge_assistant.home.view import dials, options


def announced(domain: str, **config: Any) -> Entity:
    topic, registry = f"homeassistant/{domain}/x/config", Registry()
    [entity] = registry.replace(
        topic, parse("homeassistant", topic, json.dumps({"name": "X", **config}).encode())
    )
    return entity


def test_a_cover_that_says_it_can_not_be_stopped_is_not_offered_it_and_not_told() -> None:
    blind = announced("cover", command_topic="c", payload_stop=None)
    assert possible(blind) == ("open_cover", "close_cover")
    with pytest.raises(EdgeError, match="HOME_CANNOT"):
        orders(blind, UNKNOWN, "stop_cover", {}, Templates())


def test_what_has_no_topic_can_not_be_told() -> None:
    assert possible(announced("light", state_topic="s")) == ()
    assert possible(announced("climate", temperature_command_topic="t")) == ("set_temperature",)
    assert possible(announced("media_player", volume_command_topic="v")) == ("volume_set",)


def test_a_lamp_without_brightness_has_no_dial() -> None:
    assert dials(announced("light", command_topic="c"), UNKNOWN) == ()
    assert dials(announced("light", command_topic="c", schema="json"), UNKNOWN) == ()
    [dial] = dials(announced("light", command_topic="c", brightness_command_topic="b"), UNKNOWN)
    assert (dial.what, dial.value) == ("brightness", None)


@pytest.mark.parametrize("limits", [{"min": 5, "max": 5}, {"step": 0}, {"step": -1}, {"min": "x", "max": 1}])
def test_a_number_with_senseless_limits_has_no_dial(limits: dict[str, Any]) -> None:
    assert dials(announced("number", command_topic="c", **limits), State(value="3")) == ()


def test_a_choice_offers_words_only() -> None:
    select = announced("select", command_topic="c", options=["slow", 3, None, "fast"])
    assert options(select) == ("slow", "fast")
    assert options(announced("select", command_topic="c", options="slow")) == ()
