"""llama.cpp as this project needs it: one model, one context, many sequences.

A thin, typed layer over the low-level bindings, without any policy. All calls come from one thread:
a llama.cpp context is not thread-safe. Imported by the `llm` worker only.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as native
import numpy as np

from edge_assistant.errors import ModelError
from edge_assistant.llm.wire import KvType

WHOLE = -1
"""As an end position: up to the end of the sequence."""

BATCH_TOKENS = 512
"""Most tokens in one decode call."""

KV_TYPES: dict[KvType, int] = {"f16": native.GGML_TYPE_F16, "q8_0": native.GGML_TYPE_Q8_0}

_PIECE_BYTES = 256


@native.llama_log_callback  # type: ignore[untyped-decorator]
def _silence(_level: int, _text: bytes, _data: Any) -> None:
    """Drop llama.cpp's own log: it writes hundreds of lines that help nobody at home."""


def silence_llama() -> None:
    """Stop llama.cpp's log, and let it die at once when it aborts, without a debugger for a backtrace."""
    os.environ["GGML_NO_BACKTRACE"] = "1"
    native.llama_log_set(_silence, None)


class LlamaEngine:
    """A loaded GGUF model with a context of `cells` KV cells shared by `sequences` sequences.

    Raises `ModelError` MODEL_CORRUPT when the file is no model llama.cpp can load, and
    MODEL_TOO_LARGE when its context does not fit into memory.
    """

    def __init__(
        self,
        path: Path,
        *,
        cells: int,
        sequences: int,
        threads: int,
        gpu_layers: int,
        prefill_threads: int = 0,
        kv_type: KvType = "f16",
    ) -> None:
        silence_llama()
        native.llama_backend_init()
        model_params = native.llama_model_default_params()
        model_params.n_gpu_layers = gpu_layers if gpu_layers >= 0 else 999
        self._model = native.llama_model_load_from_file(str(path).encode(), model_params)
        if not self._model:
            message = f"{path.name} can't be loaded as a GGUF model; run `edge-assistant models verify`"
            raise ModelError("MODEL_CORRUPT", message)
        self._vocab = native.llama_model_get_vocab(self._model)
        params = _context_params(cells, sequences, threads, prefill_threads or threads, KV_TYPES[kv_type])
        self._context = native.llama_init_from_model(self._model, params)
        if not self._context:
            native.llama_model_free(self._model)
            message = f"not enough memory for {cells} tokens of context; lower llm.context"
            raise ModelError("MODEL_TOO_LARGE", message)
        self._memory = native.llama_get_memory(self._context)
        self._batch = native.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._piece_buffer = ctypes.create_string_buffer(_PIECE_BYTES)
        self.cells = int(native.llama_n_ctx(self._context))
        self.trained_context = int(native.llama_model_n_ctx_train(self._model))
        self.vocabulary_size = int(native.llama_vocab_n_tokens(self._vocab))
        self.adds_bos = bool(native.llama_vocab_get_add_bos(self._vocab))
        self.bos = int(native.llama_vocab_bos(self._vocab))

    @property
    def vocab(self) -> Any:
        """The native vocabulary, for samplers."""
        return self._vocab

    @property
    def model(self) -> Any:
        """The native model, for another context on it."""
        return self._model

    @property
    def context(self) -> Any:
        """The native context, for samplers."""
        return self._context

    def description(self) -> str:
        """Return architecture, size and quantisation, such as `llama 256M Q4_1`."""
        buffer = ctypes.create_string_buffer(128)
        native.llama_model_desc(self._model, buffer, len(buffer))
        return buffer.value.decode(errors="replace")

    def chat_template(self) -> str | None:
        """Return the jinja source that the GGUF carries, or None."""
        source = native.llama_model_chat_template(self._model, None)
        return source.decode() if source else None

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        """Return the token ids of `text`; only with `control` may they be control tokens.

        Whatever a person wrote is tokenised without, so that `<|im_end|>` stays text.
        """
        raw = text.encode("utf-8", errors="replace")
        ids = (native.llama_token * (len(raw) + 2))()
        count = native.llama_tokenize(self._vocab, raw, len(raw), ids, len(ids), False, control)
        if count < 0:
            raise ModelError("MODEL_FAILED", "the text could not be tokenised")
        return list(ids[:count])

    def piece(self, token: int) -> bytes:
        """Return the bytes of one token; control tokens are empty, characters may be incomplete."""
        size = native.llama_token_to_piece(self._vocab, token, self._piece_buffer, _PIECE_BYTES, 0, False)
        if size < 0:
            wide = ctypes.create_string_buffer(-size)
            size = native.llama_token_to_piece(self._vocab, token, wide, -size, 0, False)
            return wide.raw[:size]
        return self._piece_buffer.raw[:size]

    def ends_answer(self, token: int) -> bool:
        """Tell whether `token` is one of the model's end-of-generation tokens."""
        return bool(native.llama_vocab_is_eog(self._vocab, token))

    def begin_batch(self) -> None:
        """Empty the batch that `add` fills and `decode` computes."""
        self._batch.n_tokens = 0

    def add(self, token: int, position: int, sequence: int, *, output: bool) -> int:
        """Add a token to the batch and return its index, by which its logits are sampled."""
        batch = self._batch
        index = int(batch.n_tokens)
        batch.token[index] = token
        batch.pos[index] = position
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = sequence
        batch.logits[index] = output
        batch.n_tokens = index + 1
        return index

    def certainty(self, index: int) -> float:
        """Return the probability of the likeliest token at a batch index, before any sampling."""
        row = native.llama_get_logits_ith(self.context, index)
        logits = np.ctypeslib.as_array(row, shape=(self.vocabulary_size,))
        return float(1.0 / np.exp(logits - logits.max()).sum())

    def decode(self) -> int:
        """Compute the batch: 0 fine, 1 no free KV cells (nothing was changed), others are errors."""
        return int(native.llama_decode(self._context, self._batch))

    def copy_sequence(self, source: int, target: int) -> None:
        """Let `target`, which must be empty, share all KV cells of `source`; costs no memory."""
        native.llama_memory_seq_cp(self._memory, source, target, WHOLE, WHOLE)

    def truncate(self, sequence: int, position: int) -> bool:
        """Drop KV from `position` on; False when the model's memory can't (hybrid models)."""
        return bool(native.llama_memory_seq_rm(self._memory, sequence, position, WHOLE))

    def clear(self, sequence: int) -> None:
        """Drop all KV of a sequence; its cells are free unless another sequence shares them."""
        native.llama_memory_seq_rm(self._memory, sequence, WHOLE, WHOLE)

    def save_sequence(self, sequence: int) -> memoryview:
        """Return a copy of a sequence's KV state."""
        size = native.llama_state_seq_get_size(self._context, sequence)
        buffer = (ctypes.c_uint8 * size)()
        written = native.llama_state_seq_get_data(self._context, buffer, size, sequence)
        return memoryview(buffer).cast("B")[:written]

    def load_sequence(self, sequence: int, state: bytearray | memoryview) -> bool:
        """Set an empty sequence's KV from a saved state; False when it does not fit."""
        buffer = (ctypes.c_uint8 * len(state)).from_buffer(state)
        if native.llama_state_seq_set_data(self._context, buffer, len(state), sequence):
            return True
        self.clear(sequence)
        return False

    def close(self) -> None:
        """Free context and model."""
        native.llama_batch_free(self._batch)
        native.llama_free(self._context)
        native.llama_model_free(self._model)


def _context_params(cells: int, sequences: int, threads: int, prefill_threads: int, kv_type: int) -> Any:
    params = native.llama_context_default_params()
    params.n_ctx = cells
    params.n_batch = BATCH_TOKENS
    params.n_ubatch = BATCH_TOKENS
    params.n_seq_max = sequences
    # Logits are wanted for one token of a sequence at most: without this, llama.cpp reserves
    # them for a whole batch (50 MB with a vocabulary of 49,152).
    params.n_outputs_max = sequences
    params.n_threads = threads
    params.n_threads_batch = prefill_threads
    params.type_k = params.type_v = kv_type
    params.kv_unified = True  # copying a prefix aborts the process otherwise
    params.swa_full = True  # sliding windows would lose what a rewound conversation needs
    params.no_perf = True
    return params


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many leading tokens two sequences share."""
    limit = min(len(first), len(second))
    if first[:limit] == second[:limit]:
        return limit
    return next(i for i in range(limit) if first[i] != second[i])
