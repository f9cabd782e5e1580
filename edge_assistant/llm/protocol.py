"""What every language model offers the assistant, whatever runs behind it.

`LlamaModel` (client.py) speaks to the `llm` worker, `RemoteModel` (openai_remote.py) to an
OpenAI-compatible server; both are streaming first and are told apart by name only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol

import msgspec

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled"]
ModelPhase = Literal["loading", "ready", "restarting", "failed", "stopped"]

READER_TOKENS_PER_SECOND = 8.0
"""Pace of a stream that a person reads: one token every 125 ms."""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a conversation.

    `token_ids` are the ids the model generated for an assistant message; when present they stand in
    the prompt exactly as generated instead of the re-tokenised text.
    """

    role: Role
    content: str
    token_ids: tuple[int, ...] = ()


class Fence(msgspec.Struct, frozen=True, omit_defaults=True):
    """Marks between which an answer is bound to a JSON schema; what stands before them is free."""

    opening: str
    closing: str
    required: bool = False
    """Whether the answer is nothing but that; else it may do without."""


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How the next token is chosen and when generation ends."""

    max_tokens: int = 512
    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 40
    min_p: float = 0.05
    repeat_penalty: float = 1.1
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: str | None = None
    """A JSON schema as JSON text; the answer is then constrained to it."""
    fence: Fence | None = None
    """Where `json_schema` holds, when not for the whole answer."""
    certainty: bool = False
    """Whether pieces shall tell how sure the model was, which costs a look at the whole vocabulary."""


class Generation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One request to a language model.

    `messages` starts with the system message. While `public`, its KV may be shared between
    conversations, so it must hold nothing about a person. The last message is the user's.
    """

    id: str
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    public: bool = True
    conversation: str | None = None
    """Names the KV cache to continue; None keeps nothing afterwards."""
    snapshot_key: bytes | None = None
    """32 bytes that encrypt this conversation's KV on disk; None never writes it."""
    tokens_per_second: float = READER_TOKENS_PER_SECOND
    """Pace the reader or listener needs; 0 is background work that yields to everything."""
    continuation: tuple[int, ...] = ()
    """Token ids already generated for this answer by an engine that went away: go on after them."""
    begun: str = ""
    """Text of this answer that another model has written already: go on after it, repeating nothing."""


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Prefill of the prompt goes on: `done` of `total` tokens stand in the cache."""

    done: int
    total: int


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    """The next piece of the answer; `emitted_at` is CLOCK_MONOTONIC in seconds at the engine."""

    text: str
    token_ids: tuple[int, ...]
    emitted_at: float
    certainty: float | None = None
    """Probability that the model itself gave its likeliest token; None when nobody asked or can tell."""


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """How a generation ended, with its counts and times."""

    reason: FinishReason
    token_ids: tuple[int, ...]
    prompt_tokens: int
    cached_tokens: int
    """Prompt tokens that were not computed anew."""
    completion_tokens: int
    dropped_turns: int = 0
    """Whole old turns that were left out because the context is full."""
    queue_ms: float = 0.0
    prefill_ms: float = 0.0
    first_token_ms: float = 0.0
    total_ms: float = 0.0


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is doing, for the status page and `doctor`."""

    name: str
    phase: ModelPhase
    detail: str = ""
    """Why it is not ready, in words; empty when it is."""
    context: int = 0
    """Tokens one conversation may hold; 0 while unknown."""
    prefill_tokens_per_second: float = 0.0
    decode_tokens_per_second: float = 0.0


class Stream(Protocol):
    """One running generation. Iterate it once; `completion` is set when iteration ended."""

    completion: Completion | None

    def __aiter__(self) -> AsyncIterator[Progress | Piece]:
        """Yield progress and pieces; raises `EdgeError` when generation fails."""
        ...

    async def cancel(self) -> None:
        """Ask the engine to stop; iteration then ends with reason `cancelled`. Idempotent."""
        ...


class LanguageModel(Protocol):
    """A language model that streams."""

    @property
    def status(self) -> ModelStatus:
        """What it is doing now."""
        ...

    def generate(self, generation: Generation) -> Stream:
        """Begin an answer; it waits its turn, and while the model loads."""
        ...

    async def prepare(self, generation: Generation) -> None:
        """Compute the prompt's KV ahead of time, as background work; may do nothing."""
        ...

    async def forget(self, conversation: str) -> None:
        """Drop everything cached of a conversation, in memory and on disk."""
        ...
