"""llama.cpp by itself: what the same model does here with nothing of ours around it.

Straight calls of the low-level API, without sampling, text or sockets, as llama-bench does: tokens of
a fixed text are decoded as if they had been chosen. A dense model takes the same time for any token.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import llama_cpp.llama_cpp as native

from edge_assistant.errors import ModelError
from edge_assistant.llm.engine import BATCH_TOKENS, silence_llama

TEXT = "The lighthouse keeper wrote down the weather, fed the dog and looked at the sea again. "
_MOST_SEQUENCES = 4
_TRIALS = 3
_TRIED = 24
"""Tokens that tell which number of threads is best."""


class RawLlama:
    """A model with a context of its own. Times are in seconds."""

    def __init__(self, path: Path, *, cells: int) -> None:
        silence_llama()
        native.llama_backend_init()
        self._model = native.llama_model_load_from_file(
            str(path).encode(), native.llama_model_default_params()
        )
        if not self._model:
            raise ModelError("MODEL_CORRUPT", f"{path.name} can't be loaded as a GGUF model")
        params = native.llama_context_default_params()
        params.n_ctx = cells
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.n_seq_max = _MOST_SEQUENCES
        params.kv_unified = True  # faster here than a cache split by sequence
        params.no_perf = True
        self._context = native.llama_init_from_model(self._model, params)
        self._memory = native.llama_get_memory(self._context)
        self._batch = native.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._tokens = self._tokenize(TEXT)

    def use_threads(self, threads: int) -> None:
        """Set the threads of the calls that follow."""
        native.llama_set_n_threads(self._context, threads, threads)

    def prefill(self, count: int) -> float:
        """Read a prompt of `count` tokens from nothing; return seconds until its last token is known."""
        native.llama_memory_clear(self._memory, True)
        started = time.perf_counter()
        self._read(count, sequence=0)
        return time.perf_counter() - started

    def decode(self, count: int, *, after: int, sequences: int = 1) -> float:
        """Make `count` tokens in each of `sequences` behind prompts of `after` tokens; tokens a second."""
        native.llama_memory_clear(self._memory, True)
        for sequence in range(sequences):
            self._read(after, sequence)
        started = time.perf_counter()
        for position in range(after, after + count):
            self._batch.n_tokens = 0
            for sequence in range(sequences):
                self._add(position, sequence, output=True)
            self._decode()
        return sequences * count / (time.perf_counter() - started)

    def close(self) -> None:
        """Free everything."""
        native.llama_batch_free(self._batch)
        native.llama_free(self._context)
        native.llama_model_free(self._model)

    def _read(self, count: int, sequence: int) -> None:
        for start in range(0, count, BATCH_TOKENS):
            self._batch.n_tokens = 0
            for position in range(start, min(start + BATCH_TOKENS, count)):
                self._add(position, sequence, output=position == count - 1)
            self._decode()

    def _add(self, position: int, sequence: int, *, output: bool) -> None:
        batch, index = self._batch, int(self._batch.n_tokens)
        batch.token[index] = self._tokens[position % len(self._tokens)]
        batch.pos[index] = position
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = sequence
        batch.logits[index] = output
        batch.n_tokens = index + 1

    def _decode(self) -> None:
        if native.llama_decode(self._context, self._batch):
            raise ModelError("MODEL_FAILED", "llama.cpp by itself could not decode")
        native.llama_synchronize(self._context)

    def _tokenize(self, text: str) -> list[int]:
        raw = text.encode()
        ids = (native.llama_token * len(raw))()
        vocabulary = native.llama_model_get_vocab(self._model)
        return list(ids[: native.llama_tokenize(vocabulary, raw, len(raw), ids, len(ids), False, False)])


def best_threads(raw: RawLlama) -> dict[int, int]:
    """Return for one and for four sequences the number of threads that decodes fastest here."""
    cores = len(os.sched_getaffinity(0))
    candidates = sorted({1, (cores + 1) // 2, max(cores - 1, 1), cores})
    speeds: dict[int, dict[int, list[float]]] = {1: {}, _MOST_SEQUENCES: {}}
    for _ in range(_TRIALS):
        for threads in candidates:
            raw.use_threads(threads)
            for sequences, found in speeds.items():
                found.setdefault(threads, []).append(raw.decode(_TRIED, after=_TRIED, sequences=sequences))
    return {
        sequences: max(found, key=lambda threads: max(found[threads])) for sequences, found in speeds.items()
    }
