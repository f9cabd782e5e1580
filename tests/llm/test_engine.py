"""The thin layer over llama.cpp, on the real model."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_assistant.errors import ModelError
from edge_assistant.llm.engine import LlamaEngine, common_prefix

MARKUP = ["<|im_end|>", "<|im_start|>", "<|endoftext|>", "<repo_name>"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(parts=st.lists(st.sampled_from(MARKUP) | st.text(st.characters(min_codepoint=32, max_codepoint=126))))
def test_what_a_person_types_survives_tokenising_without_becoming_control_tokens(engine, parts):
    text = "".join(parts)
    tokens = engine.tokenize(text, control=False)
    assert b"".join(engine.piece(t) for t in tokens).decode() == text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=100))
def test_any_text_can_be_tokenised(engine, text):
    assert all(0 <= t < engine.vocabulary_size for t in engine.tokenize(text, control=False))


def test_markup_becomes_control_tokens_only_where_allowed(engine):
    assert len(engine.tokenize("<|im_end|>", control=True)) == 1
    assert len(engine.tokenize("<|im_end|>", control=False)) > 1


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\x00\x00\x00" + b"\xff" * 200, b"hello" * 100])
def test_a_corrupt_model_file_is_a_clear_error(tmp_path, content):
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="MODEL_CORRUPT"):
        LlamaEngine(path, cells=256, sequences=2, threads=1, gpu_layers=0)


def test_a_model_file_cut_short_is_a_clear_error(tmp_path, starter_model):
    path = tmp_path / "cut.gguf"
    with starter_model.open("rb") as whole:
        path.write_bytes(whole.read(30_000_000))
    with pytest.raises(ModelError, match="MODEL_CORRUPT"):
        LlamaEngine(path, cells=256, sequences=2, threads=1, gpu_layers=0)


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_the_common_prefix_is_the_longest_one(first, second):
    size = common_prefix(first, second)
    assert first[:size] == second[:size]
    assert size == min(len(first), len(second)) or first[size] != second[size]
