"""Frames between the daemon and the `llm` worker; encoded as msgpack by `workers`."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_assistant.llm.protocol import Completion, Generation

KvType = Literal["f16", "q8_0"]
"""How keys and values are kept: f16 as they come, q8_0 in half the memory."""


class LlamaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker needs to load its model; part of the handshake."""

    model_path: str
    context: int = 4096
    """Tokens one conversation may hold."""
    cells: int = 0
    """KV cells for all resident conversations together; 0 chooses from context and memory."""
    threads: int = 0
    """Threads for decode; 0 chooses from the machine."""
    prefill_threads: int = 0
    """Threads for prefill; 0 is as many as for decode."""
    batch: int = 0
    """Most prompt tokens in one step; 0 is the usual."""
    kv_type: KvType = "f16"
    gpu_layers: int = 0
    """Layers on the GPU; -1 is all."""
    parallel: int = 4
    """Answers generated at the same time."""
    snapshot_dir: str = ""
    """Folder of encrypted KV snapshots; empty keeps none."""
    snapshot_limit_mb: int = 512
    slice_tokens: int = 0
    """Fixed prefill slice beside running streams, for measurements; 0 adapts to the pace needed."""


class Generate(msgspec.Struct, frozen=True, tag="generate"):
    """Answer this."""

    generation: Generation


class Prepare(msgspec.Struct, frozen=True, tag="prepare"):
    """Compute the prompt's KV only, yielding to every answer."""

    generation: Generation


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop a generation within one step; it finishes with reason `cancelled`."""

    id: str


class Forget(msgspec.Struct, frozen=True, tag="forget"):
    """Drop a conversation's KV, resident and on disk; answered by `Forgotten`."""

    conversation: str


class TuningWishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner of the device has decided already: 0 and None are to be found out."""

    threads: int = 0
    batch: int = 0
    kv_type: KvType | None = None
    seconds: float = 60.0
    """How long finding out may take."""


class Tune(msgspec.Struct, frozen=True, tag="tune"):
    """Find out what is fastest while nobody asks anything; answered by `Tuned` or `TuningFailed`."""

    wishes: TuningWishes


Command = Generate | Prepare | Cancel | Forget | Tune


class Ready(msgspec.Struct, frozen=True, tag="ready", kw_only=True):
    """The model is loaded and answers."""

    model: str
    context: int
    parallel: int
    threads: int
    load_ms: float


class Advanced(msgspec.Struct, frozen=True, tag="advanced"):
    """Prefill of generation `id` advanced to `done` of `total` tokens."""

    id: str
    done: int
    total: int


class Emitted(msgspec.Struct, frozen=True, tag="emitted"):
    """New tokens of generation `id`. `text` may be empty while a character is incomplete."""

    id: str
    text: str
    token_ids: tuple[int, ...]
    at: float
    certainty: float | None = None


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """Generation `id` ended."""

    id: str
    completion: Completion


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Generation `id` could not be done; `retry_after` in seconds, or None."""

    id: str
    code: str
    message: str
    retry_after: float | None = None


class Forgotten(msgspec.Struct, frozen=True, tag="forgotten"):
    """A conversation's KV is gone."""

    conversation: str


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """What is fastest on this device with this model."""

    threads: int
    """Threads that write answers."""
    prefill_threads: int
    """Threads that read prompts."""
    batch: int
    """Most prompt tokens in one step."""
    kv_type: KvType
    writes_per_second: float
    """Tokens, as it was measured."""
    reads_per_second: float
    seconds: float
    """How long finding out took."""
    complete: bool
    """Whether there was time for all of it."""


class Tuned(msgspec.Struct, frozen=True, tag="tuned"):
    """The end of `Tune`."""

    tuning: Tuning


class TuningFailed(msgspec.Struct, frozen=True, tag="tuning_failed"):
    """The same, without a result."""

    code: str
    message: str


class Measured(msgspec.Struct, frozen=True, tag="measured"):
    """Speeds seen lately, in tokens a second; sent when a generation ends."""

    prefill_tokens_per_second: float
    decode_tokens_per_second: float


Reply = Ready | Advanced | Emitted | Finished | Failed | Forgotten | Measured | Tuned | TuningFailed
