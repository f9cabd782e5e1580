"""OpenAI's chat completions on the wire: what we ask and what we read of the answer. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from edge_assistant.errors import ModelError
from edge_assistant.llm.protocol import Generation, Message

MAX_STOP_STRINGS = 4
"""OpenAI's own limit."""

_EXCERPT_CHARACTERS = 200


class Delta(msgspec.Struct):
    """New text, if any."""

    content: str | None = None


class Choice(msgspec.Struct):
    """One of the answers; we ask for one."""

    delta: Delta | None = None
    finish_reason: str | None = None


class Details(msgspec.Struct):
    """Prompt tokens the server had cached."""

    cached_tokens: int | None = 0


class Usage(msgspec.Struct):
    """Token counts, usually in the last chunk."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: Details | None = None


class Problem(msgspec.Struct):
    """What went wrong at the server."""

    message: str = ""


class Chunk(msgspec.Struct):
    """What we read of a chunk or error body; servers add a lot more."""

    choices: list[Choice] = []
    usage: Usage | None = None
    error: Problem | str | None = None

    def complaint(self) -> str:
        """Return the error in one short line, or nothing."""
        text = self.error.message if isinstance(self.error, Problem) else self.error or ""
        return " ".join(text.split())[:_EXCERPT_CHARACTERS]


def request_body(generation: Generation, model: str, *, prefill: bool = False) -> bytes:
    """Return the request's body. Fields outside OpenAI's set are left out: some servers refuse them.

    An answer that is begun stands last: llama-server and this project's own API go on with it. vLLM
    does so when `prefill` asks for it in its own words; other servers begin a new message there.
    """
    sampling = generation.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": each.role, "content": each.content} for each in _messages(generation)],
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if generation.begun and prefill:
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    if sampling.frequency_penalty:
        body["frequency_penalty"] = sampling.frequency_penalty
    if sampling.presence_penalty:
        body["presence_penalty"] = sampling.presence_penalty
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = sampling.stop[:MAX_STOP_STRINGS]
    if sampling.json_schema is not None and (sampling.fence is None or sampling.fence.required):
        schema = {"name": "answer", "schema": _schema(sampling.json_schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return msgspec.json.encode(body)


def _messages(generation: Generation) -> tuple[Message, ...]:
    begun = (Message("assistant", generation.begun),) if generation.begun else ()
    return (*generation.messages, *begun)


def _schema(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ModelError("SCHEMA_BAD", "the answer's schema is no JSON") from error


def said(body: bytes) -> str:
    """Return what an error response says, for people, or nothing."""
    try:
        return msgspec.json.decode(body, type=Chunk).complaint()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
