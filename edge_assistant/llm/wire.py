"""Frames between the daemon and the `llm` worker; encoded as msgpack by `workers`."""

from __future__ import annotations

import msgspec

from edge_assistant.llm.protocol import Completion, Generation


class LlamaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker needs to load its model; part of the handshake."""

    model_path: str
    context: int = 4096
    """Tokens one conversation may hold."""
    cells: int = 0
    """KV cells for all resident conversations together; 0 chooses from context and memory."""
    threads: int = 0
    """Threads for decode and prefill; 0 chooses from the machine."""
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


Command = Generate | Prepare | Cancel | Forget


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


class Measured(msgspec.Struct, frozen=True, tag="measured"):
    """Speeds seen lately, in tokens a second; sent when a generation ends."""

    prefill_tokens_per_second: float
    decode_tokens_per_second: float


Reply = Ready | Advanced | Emitted | Finished | Failed | Forgotten | Measured
