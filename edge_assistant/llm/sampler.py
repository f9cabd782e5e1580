"""The chain that chooses the next token, one per running answer."""

from __future__ import annotations

import json
import random
import re
import time
from typing import Any, Protocol

import llama_cpp.llama_cpp as native
import msgspec
from llama_cpp.llama_grammar import json_schema_to_gbnf

from edge_assistant.errors import ModelError
from edge_assistant.llm.engine import LlamaEngine
from edge_assistant.llm.protocol import Fence, Sampling

_PENALTY_WINDOW = 64
"""Tokens back that a repetition is punished, as in llama.cpp."""

_MAX_SCHEMA_CHARACTERS = 65_536

_QUICK_SECONDS = 0.05
"""What choosing a token under a schema may take; the grammar of a common one takes a few milliseconds."""

_SLOW_SECONDS = 2.0
"""What choosing may take beyond that in one whole answer: everybody else's answers stand still meanwhile.

Nested counted patterns double the grammar's states with each token, within 15 tokens to seconds each.
"""


class Choosing(Protocol):
    """Chooses token after token."""

    def sample(self, index: int) -> int:
        """Choose a token from the logits of batch index `index`; it counts as accepted."""
        ...

    def accept(self, token: int) -> None:
        """Take note of a token that was chosen elsewhere."""
        ...

    def close(self) -> None:
        """Free native memory."""
        ...


def make_sampler(engine: LlamaEngine, sampling: Sampling) -> Choosing:
    """Return what chooses tokens as `sampling` says; raises `ModelError` SCHEMA_BAD."""
    if sampling.fence is not None and not sampling.fence.required:
        return FencedSampler(engine, sampling)
    return Sampler(engine, sampling)


class Sampler:
    """A llama.cpp sampler chain; `close` frees it.

    Raises `ModelError` SCHEMA_BAD when the JSON schema can't be turned into a grammar.
    """

    def __init__(self, engine: LlamaEngine, sampling: Sampling) -> None:
        self._engine = engine
        self._bound = sampling.json_schema is not None
        self._slow = 0.0
        self._chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
        try:
            for part in _parts(engine, sampling):
                native.llama_sampler_chain_add(self._chain, part)
        except ModelError:
            self.close()
            raise

    def sample(self, index: int) -> int:
        """Choose a token from the logits of batch index `index`; it counts as accepted.

        Raises `ModelError` SCHEMA_BAD when following the schema takes so long that others suffer.
        """
        began = time.monotonic()
        token = int(native.llama_sampler_sample(self._chain, self._engine.context, index))
        if self._bound:
            self._slow += max(time.monotonic() - began - _QUICK_SECONDS, 0.0)
            if self._slow > _SLOW_SECONDS:
                message = "the JSON schema takes too long to follow: no counted patterns, fewer choices"
                raise ModelError("SCHEMA_BAD", message)
        return token

    def accept(self, token: int) -> None:
        """Take note of a token that was chosen elsewhere."""
        native.llama_sampler_accept(self._chain, token)

    def close(self) -> None:
        """Free the chain."""
        native.llama_sampler_free(self._chain)


class FencedSampler:
    """Lets a model say what it likes until it opens the fence; from there on the schema binds it.

    Done here and not by llama.cpp's lazy grammar, which ends the process when the token that
    completes the opening goes on with something the schema does not allow. Then nothing is bound.
    """

    def __init__(self, engine: LlamaEngine, sampling: Sampling) -> None:
        assert sampling.fence is not None
        self._engine = engine
        self._opening = sampling.fence.opening.encode()
        self._said = b""
        self._bound = Sampler(engine, sampling)
        free = msgspec.structs.replace(sampling, json_schema=None, fence=None)
        self._free = self._active = Sampler(engine, free)

    def sample(self, index: int) -> int:
        """Choose a token from the logits of batch index `index`; it counts as accepted."""
        token = self._active.sample(index)
        self._hear(token)
        return token

    def accept(self, token: int) -> None:
        """Take note of a token that was chosen elsewhere."""
        self._active.accept(token)
        self._hear(token)

    def close(self) -> None:
        """Free both chains."""
        self._free.close()
        self._bound.close()

    def _hear(self, token: int) -> None:
        if self._active is self._bound:
            return
        self._said += self._engine.piece(token)
        before, opening, after = self._said.partition(self._opening)
        if opening and not after.strip():
            self._active = self._bound
        self._said = before[-len(self._opening) :] if not opening else b""


def _parts(engine: LlamaEngine, sampling: Sampling) -> list[Any]:
    parts = [_grammar(engine, sampling)] if sampling.json_schema else []
    penalties = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty)
    top_k = sampling.top_k if sampling.temperature > 0 else 1
    if penalties != (1.0, 0.0, 0.0):
        if sampling.repeat_penalty >= 1 and min(penalties[1:]) >= 0 and top_k > 0:
            # Looking up the whole vocabulary costs more than all else together. The window
            # punishes so many tokens at most, so the best `top_k` afterwards are among these.
            parts.append(native.llama_sampler_init_top_k(top_k + _PENALTY_WINDOW))
        parts.append(native.llama_sampler_init_penalties(engine.vocabulary_size, _PENALTY_WINDOW, *penalties))
    if sampling.temperature <= 0:
        return [*parts, native.llama_sampler_init_greedy()]
    seed = random.getrandbits(32) if sampling.seed is None else sampling.seed & 0xFFFFFFFF
    return [
        *parts,
        native.llama_sampler_init_top_k(top_k),
        native.llama_sampler_init_top_p(sampling.top_p, 1),
        native.llama_sampler_init_min_p(sampling.min_p, 1),
        native.llama_sampler_init_temp(sampling.temperature),
        native.llama_sampler_init_dist(seed),
    ]


def _grammar(engine: LlamaEngine, sampling: Sampling) -> Any:
    """Return a sampler that allows only what the JSON schema describes, within its fence."""
    schema = sampling.json_schema or ""
    if len(schema) > _MAX_SCHEMA_CHARACTERS:
        raise ModelError("SCHEMA_BAD", f"the JSON schema is longer than {_MAX_SCHEMA_CHARACTERS} characters")
    try:
        grammar = json_schema_to_gbnf(schema)
    except Exception as error:  # the converter raises whatever it stumbles over
        raise ModelError("SCHEMA_BAD", f"the JSON schema can't be used: {type(error).__name__}") from error
    if sampling.fence is not None:
        grammar = _fenced(grammar, sampling.fence)
    sampler = native.llama_sampler_init_grammar(engine.vocab, grammar.encode(), b"root")
    if not sampler:
        raise ModelError("SCHEMA_BAD", "the JSON schema makes no usable grammar")
    return sampler


def _fenced(grammar: str, fence: Fence) -> str:
    """Return a grammar that wraps another's root in marks, the opening only where it is not there yet."""
    opening = f"{json.dumps(fence.opening)} " if fence.required else ""
    inner = re.sub(r"^root ::=", "fenced ::=", grammar, flags=re.MULTILINE)
    return f'root ::= {opening}"\\n"? fenced "\\n"? {json.dumps(fence.closing)}\n{inner}'
