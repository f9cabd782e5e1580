"""A small context beside the worker's own, on the same model, to be measured."""

from __future__ import annotations

import time
from typing import Any

import llama_cpp.llama_cpp as native

from edge_assistant.errors import ModelError
from edge_assistant.llm.engine import BATCH_TOKENS, KV_TYPES, WHOLE
from edge_assistant.llm.wire import KvType

_CELLS = 1024


class LlamaProbe:
    """Reads and writes tokens whose meaning is no matter: a dense model takes the same time for any."""

    def __init__(self, model: Any, kv_type: KvType) -> None:
        params = native.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = _CELLS, BATCH_TOKENS, BATCH_TOKENS
        params.type_k = params.type_v = KV_TYPES[kv_type]
        params.no_perf = True
        self._context = native.llama_init_from_model(model, params)
        if not self._context:
            raise ModelError("MODEL_TOO_LARGE", "there is no memory left for tuning")
        self._memory = native.llama_get_memory(self._context)
        self._batch = native.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._position = 0

    def use_threads(self, writing: int, reading: int) -> None:
        """Set the threads of the calls that follow."""
        native.llama_set_n_threads(self._context, writing, reading)

    def read(self, tokens: int) -> float:
        """Read a prompt from nothing in one step and return how long that took."""
        native.llama_memory_seq_rm(self._memory, 0, 0, WHOLE)
        self._position = 0
        return self._decode(tokens)

    def write(self) -> float:
        """Write one more token and return how long that took."""
        return self._decode(1)

    def close(self) -> None:
        """Free it."""
        native.llama_batch_free(self._batch)
        native.llama_free(self._context)

    def _decode(self, tokens: int) -> float:
        batch = self._batch
        for index in range(tokens):
            batch.token[index] = 1 + index % 200
            batch.pos[index] = self._position + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = 0
            batch.logits[index] = index == tokens - 1
        batch.n_tokens = tokens
        started = time.perf_counter()
        if native.llama_decode(self._context, batch):
            raise ModelError("MODEL_FAILED", "the model could not be measured")
        self._position += tokens
        return time.perf_counter() - started
