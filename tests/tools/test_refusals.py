"""What could not be done is said in the language it was asked for."""

from __future__ import annotations

import re
from pathlib import Path

from edge_assistant.errors import EdgeError
from edge_assistant.tools import refusals
from edge_assistant.tools.refusals import refusal


def test_a_german_question_is_refused_in_german_and_an_english_one_with_its_names():
    error = EdgeError("HOME_AWAY", "floor lamp does not answer now")
    assert refusal(error, "de") == "Das Gerät antwortet gerade nicht."
    assert refusal(error, "en") == "Floor lamp does not answer now."


def test_what_has_no_german_words_is_said_all_the_same():
    assert refusal(EdgeError("NEW", "that is new."), "de") == "That is new."


def test_every_code_of_the_table_is_one_that_is_told():
    known = set(
        re.findall(
            r"^\| `([A-Z_]+)`",
            (Path(__file__).parents[2] / "docs/errors.md").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    assert set(refusals._GERMAN) <= known
