"""Chat templates, with a tokenizer that shows what was treated as control text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.errors import ModelError
from edge_assistant.llm.protocol import Message
from edge_assistant.llm.template import ChatTemplate

CONTROL = 2_000_000


class LetterTokenizer:
    """One token a character; control text is told apart by its numbers."""

    bos = 7
    adds_bos = False

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        return [ord(c) + (CONTROL if control else 0) for c in text]


def layout(messages, source=None, budget=10_000, target=5_000):
    return ChatTemplate(source, LetterTokenizer()).layout(messages, budget=budget, target=target)


def shown(tokens):
    return "".join(chr(t % CONTROL) for t in tokens)


def turns(count, size=20):
    messages = [Message("system", "You are Nabu.")]
    for turn in range(count):
        messages += [Message("user", f"question {turn} ".ljust(size)), Message("assistant", f"answer {turn}")]
    return [*messages, Message("user", "newest")]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_whatever_a_person_types_is_never_control_text(text):
    made = layout([Message("system", "S"), Message("user", text)])
    typed = [t for t in made.tokens if t < CONTROL]
    assert shown(typed) == "S" + text


def test_jinja_in_a_message_is_text():
    assert "{{ 7 * 7 }}" in shown(layout([Message("user", "{{ 7 * 7 }}")]).tokens)


def test_an_answer_stands_with_the_ids_that_were_generated():
    messages = [Message("user", "a"), Message("assistant", "ignored", (11, 12, 13)), Message("user", "b")]
    tokens = layout(messages).tokens
    at = tokens.index(11)
    assert tokens[at : at + 3] == [11, 12, 13]


@given(st.integers(min_value=0, max_value=6))
def test_the_prompt_of_a_turn_starts_with_the_prompt_of_the_turn_before(count):
    now, later = (
        layout(turns(count)),
        layout([*turns(count), Message("assistant", "x"), Message("user", "y")]),
    )
    assert later.tokens[: len(now.tokens)] == now.tokens


def test_the_public_part_ends_before_the_first_word_of_a_person():
    made = layout(turns(0))
    assert shown(made.tokens[: made.public]).endswith("<|im_start|>user\n")


def test_a_prompt_that_fits_drops_nothing():
    assert layout(turns(5)).dropped_turns == 0


@given(st.integers(min_value=2, max_value=30), st.integers(min_value=200, max_value=2000))
def test_an_overlong_conversation_loses_whole_old_turns_only(count, budget):
    made = layout(turns(count), budget=budget, target=budget // 2)
    text = shown(made.tokens)
    assert len(made.tokens) <= budget
    assert text.count("question") == text.count("answer ") == count - made.dropped_turns
    assert text.startswith("<|im_start|>system\nYou are Nabu.")
    assert "newest" in text


def test_after_dropping_there_is_room_for_more_turns():
    made = layout(turns(30), budget=1200, target=700)
    assert made.dropped_turns
    assert len(made.tokens) <= 700


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_newest_message_that_is_too_long_is_refused(count):
    messages = [*turns(count)[:-1], Message("user", "x" * 500)]
    with pytest.raises(ModelError, match="PROMPT_TOO_LONG"):
        layout(messages, budget=300, target=200)


def test_a_template_that_refuses_system_messages_gets_it_in_front_of_the_first_question():
    source = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    )
    assert shown(layout(turns(0), source).tokens) == "<user>You are Nabu.\n\nnewest"


def test_a_template_cannot_reach_out_of_its_sandbox():
    source = (
        "{{ ''.__class__.__mro__[1].__subclasses__() }}{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    with pytest.raises(Exception, match="unsafe"):
        layout(turns(0), source)


def test_a_broken_template_is_a_clear_error():
    with pytest.raises(ModelError, match="MODEL_CORRUPT"):
        layout(turns(0), "{% for %}")


def test_the_first_token_is_put_once_where_the_model_wants_one():
    tokenizer = LetterTokenizer()
    tokenizer.adds_bos = True
    template = ChatTemplate("{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}", tokenizer)
    assert template.layout([Message("user", "a")], budget=10, target=5).tokens == [7, ord("a")]
