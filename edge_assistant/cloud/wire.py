"""What device and worker say to each other over MQTT, and on which topics. JSON, each with its `type`.

| topic | who writes | what |
|---|---|---|
| `edge-assistant/cloud/request/DEVICE` | the device | `ask`; one of the workers takes it |
| `edge-assistant/cloud/reply/DEVICE` | a worker | `accepted`, `alive`, `chunk`, `finished`, `failed` |
| `edge-assistant/cloud/control/DEVICE/WORKER` | the device | `ack`, `resume`, `cancel` |

Who speaks is in the topic, which the broker's list of rights guards, never in the payload. The v5
correlation data is the question's id. Times are durations: no two clocks need agree.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from edge_assistant.llm.protocol import FinishReason

BASE = "edge-assistant/cloud"
SHARED = f"$share/workers/{BASE}/request/+"
"""The workers' subscription: each question goes to one of them."""

LARGEST_QUESTION_BYTES = 200_000
"""Of one `ask`: what a broker of ours passes on is a little more."""

WINDOW = 256
"""Chunks that may be on their way without an `ack`."""

LONGEST_ANSWER = 1 << 20
"""Characters of an answer that a worker makes and a device takes: one that goes on never ends."""

MOST_CHUNKS = 1 << 17
LONGEST_CHUNK = 32_000
"""Pieces of an answer and characters of one: none is empty."""

_NAME = re.compile(r"[a-z0-9-]{1,40}\Z")
_ID = r"^[0-9a-f]{32}\Z"

QuestionId = Annotated[str, msgspec.Meta(pattern=_ID)]
WorkerName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,40}\Z")]
Attempt = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Index = Annotated[int, msgspec.Meta(ge=0, le=MOST_CHUNKS)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_CHUNK)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Ask(msgspec.Struct, frozen=True, tag="ask", tag_field="type", kw_only=True, omit_defaults=True):
    """A question. Its deadline is the v5 message expiry; `seconds` is the same at the time of sending."""

    id: QuestionId
    attempt: Attempt
    messages: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1, max_length=1000)]
    seconds: Seconds
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=1_048_576)] = 512
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.7
    resume_from: Index = 0
    """Index of the first chunk that is missing."""
    begun: str = ""
    """The text of the chunks before it."""


class Acknowledged(msgspec.Struct, frozen=True, tag="ack", tag_field="type", kw_only=True):
    """All chunks before `next` are here: more may come. Also the answer to `alive`."""

    id: QuestionId
    attempt: Attempt
    next: Index


class Resume(msgspec.Struct, frozen=True, tag="resume", tag_field="type", kw_only=True):
    """Chunks were lost on the way, or nothing was heard for a while: go on from `next`."""

    id: QuestionId
    attempt: Attempt
    next: Index


class Cancel(msgspec.Struct, frozen=True, tag="cancel", tag_field="type", kw_only=True):
    """Nobody waits for this answer any more: it is here, or not wanted."""

    id: QuestionId
    attempt: Attempt


Control = Acknowledged | Resume | Cancel


class Accepted(msgspec.Struct, frozen=True, tag="accepted", tag_field="type", kw_only=True):
    """A worker took the question and will be heard of at least every `lease` seconds."""

    worker: WorkerName
    attempt: Attempt
    lease: Annotated[float, msgspec.Meta(gt=0, le=600)]


class Alive(msgspec.Struct, frozen=True, tag="alive", tag_field="type", kw_only=True):
    """The worker still works on it, or waits for its model."""

    worker: WorkerName
    attempt: Attempt


class Chunk(msgspec.Struct, frozen=True, tag="chunk", tag_field="type", kw_only=True):
    """The next piece of the answer."""

    worker: WorkerName
    attempt: Attempt
    index: Index
    text: Text


class Finished(msgspec.Struct, frozen=True, tag="finished", tag_field="type", kw_only=True):
    """The answer is complete: it has `chunks` chunks, those of earlier attempts included."""

    worker: WorkerName
    attempt: Attempt
    chunks: Index
    reason: FinishReason = "stop"
    prompt_tokens: Annotated[int, msgspec.Meta(ge=0, le=2**40)] = 0
    completion_tokens: Annotated[int, msgspec.Meta(ge=0, le=2**40)] = 0


class Failed(msgspec.Struct, frozen=True, tag="failed", tag_field="type", kw_only=True, omit_defaults=True):
    """This worker gives up. With `again` another attempt, after `retry_after` seconds, may succeed."""

    worker: WorkerName
    attempt: Attempt
    code: Annotated[str, msgspec.Meta(pattern=r"^[A-Z_]{1,60}\Z")]
    again: bool = False
    retry_after: Seconds = 0.0


Reply = Accepted | Alive | Chunk | Finished | Failed

decode_ask = msgspec.json.Decoder(Ask).decode
decode_control = msgspec.json.Decoder(Control).decode
decode_reply = msgspec.json.Decoder(Reply).decode
encode = msgspec.json.encode

BAD = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What decoding raises for whatever a stranger may send."""


def request_topic(device: str) -> str:
    """Where a device asks."""
    return f"{BASE}/request/{device}"


def reply_topic(device: str) -> str:
    """Where a device is answered."""
    return f"{BASE}/reply/{device}"


def control_topic(device: str, worker: str) -> str:
    """Where a device speaks to the worker that answers it; `+` for every device."""
    return f"{BASE}/control/{device}/{worker}"


def device_in(topic: str) -> str:
    """Return the device that wrote to a topic of ours, or empty."""
    parts = topic.split("/")
    name = parts[3] if len(parts) > 3 else ""  # noqa: PLR2004 - edge-assistant/cloud/KIND/DEVICE
    return name if _NAME.match(name) else ""
