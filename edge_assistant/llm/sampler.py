"""The chain that chooses the next token, one per running answer."""

from __future__ import annotations

import random
from typing import Any

import llama_cpp.llama_cpp as native
from llama_cpp.llama_grammar import json_schema_to_gbnf

from edge_assistant.errors import ModelError
from edge_assistant.llm.engine import LlamaEngine
from edge_assistant.llm.protocol import Sampling

_PENALTY_WINDOW = 64
"""Tokens back that a repetition is punished, as in llama.cpp."""

_MAX_SCHEMA_CHARACTERS = 65_536


class Sampler:
    """A llama.cpp sampler chain; `close` frees it.

    Raises `ModelError` SCHEMA_BAD when the JSON schema can't be turned into a grammar.
    """

    def __init__(self, engine: LlamaEngine, sampling: Sampling) -> None:
        self._engine = engine
        self._chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
        try:
            for part in _parts(engine, sampling):
                native.llama_sampler_chain_add(self._chain, part)
        except ModelError:
            self.close()
            raise

    def sample(self, index: int) -> int:
        """Choose a token from the logits of batch index `index`; it counts as accepted."""
        return int(native.llama_sampler_sample(self._chain, self._engine.context, index))

    def accept(self, token: int) -> None:
        """Take note of a token that was chosen elsewhere."""
        native.llama_sampler_accept(self._chain, token)

    def close(self) -> None:
        """Free the chain."""
        native.llama_sampler_free(self._chain)


def _parts(engine: LlamaEngine, sampling: Sampling) -> list[Any]:
    parts = [_grammar(engine, sampling.json_schema)] if sampling.json_schema else []
    if sampling.repeat_penalty != 1.0:
        penalties = (engine.vocabulary_size, _PENALTY_WINDOW, sampling.repeat_penalty, 0.0, 0.0)
        parts.append(native.llama_sampler_init_penalties(*penalties))
    if sampling.temperature <= 0:
        return [*parts, native.llama_sampler_init_greedy()]
    seed = random.getrandbits(32) if sampling.seed is None else sampling.seed & 0xFFFFFFFF
    return [
        *parts,
        native.llama_sampler_init_top_k(sampling.top_k),
        native.llama_sampler_init_top_p(sampling.top_p, 1),
        native.llama_sampler_init_min_p(sampling.min_p, 1),
        native.llama_sampler_init_temp(sampling.temperature),
        native.llama_sampler_init_dist(seed),
    ]


def _grammar(engine: LlamaEngine, schema: str) -> Any:
    """Return a sampler that allows only what the JSON schema describes."""
    if len(schema) > _MAX_SCHEMA_CHARACTERS:
        raise ModelError("SCHEMA_BAD", f"the JSON schema is longer than {_MAX_SCHEMA_CHARACTERS} characters")
    try:
        grammar = json_schema_to_gbnf(schema)
    except Exception as error:  # the converter raises whatever it stumbles over
        raise ModelError("SCHEMA_BAD", f"the JSON schema can't be used: {type(error).__name__}") from error
    sampler = native.llama_sampler_init_grammar(engine.vocab, grammar.encode(), b"root")
    if not sampler:
        raise ModelError("SCHEMA_BAD", "the JSON schema makes no usable grammar")
    return sampler
