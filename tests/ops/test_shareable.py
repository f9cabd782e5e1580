"""Numbers, switches and names of the program's own may be shared; the owner's texts may not."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from edge_assistant.config import Config, LlmSettings, Persona, VoiceSettings
from edge_assistant.llm.protocol import ModelStatus
from edge_assistant.ops import doctor
from edge_assistant.ops.own_words import codes, names, scrubbed, words_of
from edge_assistant.ops.shareable import config_lines, state_lines

CANARY = "zanzibar"


def canaries(kind: inspect.Type) -> Iterator[object]:
    """Yield a value with a canary for a type that can hold one."""
    match kind:
        case inspect.Metadata(type=inner):
            yield from canaries(inner)
        case inspect.StrType():
            yield CANARY
        case inspect.VarTupleType(item_type=item):
            yield from ((each, each) for each in canaries(item))
        case inspect.DictType(value_type=value):
            yield from ({CANARY: each} for each in canaries(value))
            if isinstance(value, inspect.StructType):
                yield {CANARY: value.cls(**_needed(value.fields))}
        case inspect.StructType(cls=made, fields=fields):
            for field in fields:
                if not field.required:
                    yield from (
                        made(**_needed(fields), **{field.name: each}) for each in canaries(field.type)
                    )


def _needed(fields: tuple[inspect.Field, ...]) -> dict[str, object]:
    values: dict[type, object] = {
        inspect.IntType: 4,
        inspect.StrType: CANARY,
        inspect.VarTupleType: (CANARY,),
    }
    types = {field.name: field.type for field in fields if field.required}
    plain = {name: kind.type if isinstance(kind, inspect.Metadata) else kind for name, kind in types.items()}
    return {name: values[type(kind)] for name, kind in plain.items()}


def whole_config_of_canaries() -> Iterator[Config]:
    """Yield a configuration for each key that can hold a text of the owner's."""
    info = inspect.type_info(Config)
    assert isinstance(info, inspect.StructType)
    for section in info.fields:
        for value in canaries(section.type):
            yield msgspec.structs.replace(Config(), **{section.name: value})


def test_no_key_of_the_configuration_shows_a_text_of_the_owners() -> None:
    own, made = names(), list(whole_config_of_canaries())
    assert len(made) > 40
    for config in made:
        lines = config_lines(config, own)
        assert lines, config
        assert CANARY not in "\n".join(lines)


def test_numbers_switches_choices_and_models_of_the_catalogue_are_shown() -> None:
    config = Config(
        llm=LlmSettings(context=2048, kv_type="q8_0", tune=False, model="qwen3.5-0.8b"),
        voice=VoiceSettings(tts=("espeak",), stop_words=("be quiet",), input=""),
        personas={"pirate": Persona(tone="rough")},
    )
    assert config_lines(config, names() | {"qwen3.5-0.8b"}) == [
        "llm.model = qwen3.5-0.8b (default smollm2-135m-instruct-q4_1)",
        "llm.context = 2048 (default 4096)",
        "llm.kv_type = q8_0 (default auto)",
        "llm.tune = false (default true)",
        "personas = (1 entries)",
        "voice.stop_words = (1 entries) (default [])",
        'voice.tts = espeak (default ["piper","espeak"])',
    ]
    assert config_lines(Config(), names()) == []


def test_a_state_tells_its_numbers_and_phases_and_hides_its_words() -> None:
    state = ModelStatus(name=CANARY, phase="ready", detail=f"at {CANARY}", context=4096)
    lines = list(state_lines(state, names()))
    assert "phase = ready" in lines
    assert "context = 4096" in lines
    assert "name = (set)" in lines
    assert CANARY not in "\n".join(lines)


class Inner(msgspec.Struct):
    count: int
    word: str


class Outer(msgspec.Struct):
    inner: tuple[Inner, ...]
    table: dict[str, int]
    words: tuple[str, ...]


def test_lists_and_tables_tell_how_many_they_are() -> None:
    state = Outer((Inner(1, CANARY), Inner(2, "idle")), {CANARY: 1}, (CANARY, "ready"))
    assert list(state_lines(state, names())) == [
        "inner[0].count = 1", "inner[0].word = (set)", "inner[1].count = 2", "inner[1].word = idle",
        "table = (1 entries)", "words = (2 entries)",
    ]  # fmt: skip


WORDS = words_of([doctor])


@pytest.mark.parametrize(
    "text",
    [
        "192.168.1.20", "fe80::1", "kim@zanzibar.example", "zanzibar.lan:1883", "'zanzibar'",
        "00:11:22:aa:bb:cc", "/var/lib/free", "free/memory", "+41791234567", "model.lan", "free@memory",
        "4111111111111111111",
    ],
)  # fmt: skip
def test_an_address_a_path_or_a_foreign_word_is_hidden(text: str) -> None:
    told = scrubbed(f"the model is at {text}, free", WORDS)
    assert text.strip("'") not in told
    assert told.startswith("the model is at")


def test_what_a_check_says_itself_stays_readable() -> None:
    for text in (
        "22950 of 24105 MB free, the model takes about 320 MB",
        "84 °C",
        "2026-11-26 16:08 UTC",
        "3.11.7",
    ):
        assert scrubbed(text, WORDS) == text


@given(st.text())
def test_what_is_left_of_any_text_is_a_word_of_ours_or_a_short_number(text: str) -> None:
    for piece in scrubbed(text, WORDS).split():
        assert piece == "‹…›" or len(piece) < 30 or piece.lower() in WORDS
        assert "/" not in piece
        assert "@" not in piece


def test_codes_of_the_source_are_known_and_shouted_names_are_not() -> None:
    assert {"MODEL_MISSING", "DEVICE_HOT", "BUSY", "INTERNAL"} <= codes()
    assert "ZANZIBAR" not in codes()
