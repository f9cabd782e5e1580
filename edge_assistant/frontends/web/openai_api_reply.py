"""What the OpenAI-compatible API says: completions, chunks of a stream, and errors in OpenAI's shape."""

from __future__ import annotations

import re
import time
from typing import Any

import msgspec

from edge_assistant.assistant.events import FunctionCall, TurnFinished, Usage
from edge_assistant.errors import EdgeError

_FINISHED = {"complete": "stop", "truncated": "length", "interrupted": "length"}
"""An interrupted answer is not whole either, and clients know no other word for it."""

CODES = {
    "NOT_SIGNED_IN": "invalid_api_key",
    "RATE_LIMITED": "rate_limit_exceeded",
    "PROMPT_TOO_LONG": "context_length_exceeded",
    "MODEL_UNKNOWN": "model_not_found",
    "EMBEDDER_MISSING": "model_not_found",
    "API_UNSUPPORTED": "unsupported_value",
}
"""OpenAI's own words where it has some; everything else keeps this device's stable code."""


class Completion:
    """One answer on its way to a program."""

    def __init__(self, identity: str, model: str) -> None:
        self._id = identity
        self._model = model
        self._created = int(time.time())

    def whole(self, last: TurnFinished) -> dict[str, Any]:
        """Return the finished answer."""
        message: dict[str, Any] = {"role": "assistant", "content": last.text or None, "refusal": None}
        if last.calls:
            message["tool_calls"] = [_call(call) for call in last.calls]
        elif not last.text:
            message["content"] = ""
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(last)}
        return {
            **self._head("chat.completion"),
            "choices": [choice],
            "usage": usage(last.usage),
            "edge_assistant": about(last),
        }

    def begin(self) -> bytes:
        """Return the first chunk of a stream."""
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, text: str) -> bytes:
        """Return a chunk with more text."""
        return self._chunk({"content": text})

    def end(self, last: TurnFinished, *, with_usage: bool) -> bytes:
        """Return the chunks that end a stream: calls, the reason, usage if it was asked for."""
        chunks = b""
        if last.calls:
            calls = [{"index": n, **_call(call)} for n, call in enumerate(last.calls)]
            chunks += self._chunk({"tool_calls": calls})
        chunks += self._chunk({}, finish_reason(last), edge_assistant=about(last))
        if with_usage:
            head = self._head("chat.completion.chunk")
            chunks += as_data({**head, "choices": [], "usage": usage(last.usage)})
        return chunks + b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return as_data({**self._head("chat.completion.chunk"), "choices": [choice], **more})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}


def finish_reason(last: TurnFinished) -> str:
    """Return why an answer ended, in OpenAI's words."""
    return "tool_calls" if last.calls else _FINISHED[last.status]


def usage(counted: Usage) -> dict[str, Any]:
    """Return the tokens of an answer."""
    return {
        "prompt_tokens": counted.prompt_tokens,
        "completion_tokens": counted.completion_tokens,
        "total_tokens": counted.prompt_tokens + counted.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": counted.cached_tokens},
    }


def about(last: TurnFinished) -> dict[str, Any]:
    """Return what this device says beyond OpenAI's fields; clients pass it over."""
    return {"route": last.route, "timings": last.timings, "notice": last.notice}


def error_body(error: EdgeError, status: int) -> dict[str, Any]:
    """Return OpenAI's error object."""
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    server = 500  # statuses from here on are the server's fault
    kind = kinds.get(status, "server_error" if status >= server else "invalid_request_error")
    place = re.search(r" - at `\$\.?(.+)`", error.message)
    body: dict[str, Any] = {
        "message": error.message,
        "type": kind,
        "param": place[1] if place else None,
        "code": CODES.get(error.code, error.code),
    }
    if error.retry_after is not None:
        body["retry_after"] = error.retry_after
    return {"error": body}


def as_data(body: Any) -> bytes:
    """Return one server-sent event."""
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def _call(call: FunctionCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}
