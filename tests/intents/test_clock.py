"""Alarms and reminders as people say them."""

from __future__ import annotations

from typing import Any

import pytest

from edge_assistant.home.registry import Registry
from edge_assistant.intents.parser import Parser
from edge_assistant.intents.plan import Do, plan


@pytest.fixture(scope="module")
def parser() -> Parser:
    return Parser(("en", "de"))


def call(parser: Parser, language: str, text: str) -> tuple[str, dict[str, Any]] | None:
    """Return the tool that a sentence means, with the arguments that say something."""
    matches = parser.parse(text, (language,))
    if len(matches) != 1 or (found := plan(matches[0], Registry(), "")) is None:
        return None
    [step] = found
    assert isinstance(step, Do)
    return step.call.tool, {key: value for key, value in step.call.arguments.items() if value}


@pytest.mark.parametrize(
    ("language", "text", "time", "more"),
    [
        ("en", "set an alarm for 7", "07:00", {}),
        ("en", "Set an alarm for 7:30.", "07:30", {}),
        ("en", "set an alarm for seven thirty", "07:30", {}),
        ("en", "please wake me up at 6:45 on weekdays", "06:45", {"days": "12345"}),
        ("en", "wake me at half past six", "06:30", {}),
        ("en", "set an alarm for 5:30pm tomorrow", "17:30", {"date": "tomorrow"}),
        ("en", "wake me tomorrow at 07:05", "07:05", {"date": "tomorrow"}),
        ("en", "set an alarm for 12 a.m.", "00:00", {}),
        ("en", "set an alarm for 12 pm every day", "12:00", {"days": "1234567"}),
        ("de", "stell den Wecker auf 7 Uhr", "07:00", {}),
        ("de", "weck mich bitte um halb sieben", "06:30", {}),
        ("de", "weck mich morgen um 7 Uhr 15", "07:15", {"date": "tomorrow"}),
        ("de", "wecke mich werktags um 6 Uhr", "06:00", {"days": "12345"}),
        ("de", "Wecker auf 6 Uhr abends", "18:00", {}),
    ],
)
def test_an_alarm_is_set(parser: Parser, language: str, text: str, time: str, more: dict[str, str]) -> None:
    assert call(parser, language, text) == ("set_alarm", {"time": time, **more})


@pytest.mark.parametrize(
    ("language", "text", "reminder"),
    [
        ("en", "remind me in 10 minutes to call mum", {"text": "call mum", "minutes": 10}),
        ("en", "remind me to take the bins out in 2 hours", {"text": "take the bins out", "minutes": 120}),
        ("en", "remind me to buy milk and eggs at 6 pm", {"text": "buy milk and eggs", "time": "18:00"}),
        (
            "en",
            "remind me tomorrow at 9 to water the plants",
            {"text": "water the plants", "time": "09:00", "date": "tomorrow"},
        ),
        ("de", "erinnere mich in 10 Minuten an die Wäsche", {"text": "die Wäsche", "minutes": 10}),
        (
            "de",
            "erinner mich um 18 Uhr daran, den Müll rauszubringen",
            {"text": "den Müll rauszubringen", "time": "18:00"},
        ),
    ],
)
def test_a_reminder_is_set(parser: Parser, language: str, text: str, reminder: dict[str, Any]) -> None:
    assert call(parser, language, text) == ("remind", reminder)


@pytest.mark.parametrize(
    ("language", "text", "tool"),
    [
        ("en", "cancel my alarm", "cancel_timer"),
        ("en", "what alarms are set", "list_timers"),
        ("de", "lösche den Wecker", "cancel_timer"),
        ("de", "wann klingelt mein Wecker", "list_timers"),
    ],
)
def test_alarms_are_told_and_cancelled(parser: Parser, language: str, text: str, tool: str) -> None:
    assert call(parser, language, text) == (tool, {"kind": "alarm"})


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "set an alarm for 25"),
        ("en", "set an alarm for 7:75"),
        ("en", "remind me to be nice"),
        ("en", "who invented the alarm clock"),
        ("en", "what should I do when an alarm rings at 7"),
        ("de", "erinnerst du dich an mich"),
        ("de", "wie stelle ich einen Wecker"),
    ],
)
def test_what_names_no_time_or_asks_is_left_to_others(parser: Parser, language: str, text: str) -> None:
    assert call(parser, language, text) is None
