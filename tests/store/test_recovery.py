"""The recovery code as people read, write and mistype it."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge_assistant.errors import UsageError
from edge_assistant.store.recovery import ALPHABET, LOOKALIKES, new_code, secret_of, spell

CODES = st.text(ALPHABET, min_size=25, max_size=25).map(spell)


def test_a_code_has_six_groups_of_five_and_is_never_the_same_twice() -> None:
    codes = {new_code() for _ in range(1000)}
    assert len(codes) == 1000
    for code in codes:
        assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{5}-){5}[0-9A-HJKMNP-TV-Z]{5}", code)


@given(CODES, st.data())
def test_case_spaces_dashes_and_lookalikes_do_not_matter(code: str, data: st.DataObject) -> None:
    alike = {"0": "0Oo", "1": "1IlLi", "-": ("", " ", "-", " - ", "–", "\n")}
    typed = "".join(data.draw(st.sampled_from(alike.get(c, (c, c.lower())))) for c in code)
    assert secret_of(typed) == secret_of(code)


@given(CODES, st.integers(0, 34), st.characters())
def test_one_wrong_symbol_is_noticed(code: str, place: int, typed: str) -> None:
    assume(code[place] != "-")
    normal = typed.upper().translate(LOOKALIKES)
    assume(normal != code[place])
    with pytest.raises(UsageError) as caught:
        secret_of(code[:place] + typed + code[place + 1 :])
    assert caught.value.code == "RECOVERY_CODE_MISTYPED"


@given(CODES, st.integers(0, 33))
def test_two_swapped_symbols_are_noticed(code: str, place: int) -> None:
    first, second = code[place], code[place + 1]
    assume(first != second and "-" not in (first, second))
    with pytest.raises(UsageError):
        secret_of(code[:place] + second + first + code[place + 2 :])


@given(CODES, st.integers(0, 34), st.sampled_from(ALPHABET))
def test_a_missing_or_extra_symbol_is_noticed(code: str, place: int, extra: str) -> None:
    assume(code[place] != "-")
    for typed in (code[:place] + code[place + 1 :], code[:place] + extra + code[place:]):
        with pytest.raises(UsageError):
            secret_of(typed)


@given(st.text(max_size=100))
def test_any_text_is_either_a_code_or_a_clear_error(text: str) -> None:
    with pytest.raises(UsageError):
        secret_of(text)
