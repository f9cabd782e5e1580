"""What clients say to the assistant, on the WebSocket and on the control socket, one JSON object each.

The assistant answers with the events of `assistant.events` as they are. What isn't about a running
turn is answered by `Refusal`: `{"type": "error", "code", "message", "id", "retry_after"}`; `id` is
there when the client's message named one.
"""

from __future__ import annotations

from typing import Annotated, Any, get_args

import msgspec

from edge_assistant.assistant.request import Confirms
from edge_assistant.assistant.text import MAX_TEXT_CHARACTERS
from edge_assistant.errors import EdgeError, UsageError

MAX_FRAME_BYTES = 400_000
"""The longest text fits even when each character is escaped as a surrogate pair (12 bytes)."""

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}\Z")]
"""Chosen by the client, usually a UUID."""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT_CHARACTERS)]


class ProtocolError(UsageError):
    """A client's message can't be understood; `id` is the turn it named, or empty."""

    def __init__(self, code: str, message: str, turn_id: str = "") -> None:
        super().__init__(code, message)
        self.id = turn_id


class SendMessage(msgspec.Struct, frozen=True, tag="message", tag_field="type"):
    """Ask something; repeating the id of a known turn watches that turn instead."""

    id: Id
    session: Id
    text: Text
    attachments: Annotated[tuple[dict[str, Any], ...], msgspec.Meta(max_length=16)] = ()
    private: bool = False
    """Whether it must stay on this device, whatever the configuration allows."""
    replaces: Id | None = None
    """An earlier turn that was edited: it and all after it are erased, and this one stands there."""


class Resume(msgspec.Struct, frozen=True, tag="resume", tag_field="type"):
    """Watch a turn from the event after number `after` on."""

    id: Id
    after: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0


class Stop(msgspec.Struct, frozen=True, tag="stop", tag_field="type"):
    """End a turn now; what was said so far is kept."""

    id: Id


class Confirm(msgspec.Struct, frozen=True, tag="confirm", tag_field="type"):
    """Answer the question of a turn whether it may do `action`."""

    id: Id
    action: Id
    approve: bool
    pin: Annotated[str, msgspec.Meta(max_length=32)] = ""
    """The household's PIN, when it was asked for."""
    turn: Id | None = None
    """Id of the turn that carries it out; by default that of the action: then a tap counts once."""

    @property
    def confirms(self) -> Confirms:
        """The same as the assistant takes it."""
        return Confirms(action=self.action, approve=self.approve, pin=self.pin)


class AudioStart(msgspec.Struct, frozen=True, tag="audio.start", tag_field="type"):
    """What is said follows in binary frames, 16 kHz mono s16le; it becomes the message `id`."""

    id: Id
    session: Id


class AudioEnd(msgspec.Struct, frozen=True, tag="audio.end", tag_field="type"):
    """All of it was sent."""

    id: Id


ClientMessage = SendMessage | Resume | Stop | Confirm | AudioStart | AudioEnd

TYPES = ", ".join(str(kind.__struct_config__.tag) for kind in get_args(ClientMessage))


class Refusal(msgspec.Struct, frozen=True, tag="error", tag_field="type", kw_only=True, omit_defaults=True):
    """The message was not carried out; `retry_after` is in seconds."""

    code: str
    message: str
    id: str = ""
    retry_after: float | None = None


class _Identity(msgspec.Struct, tag_field=None):
    type: Any = None
    id: Any = None


_MESSAGES = msgspec.json.Decoder(ClientMessage)
_IDENTITIES = msgspec.json.Decoder(_Identity)


def decode_message(frame: bytes | str) -> ClientMessage:
    """Decode one message of a client; raises `ProtocolError` that says what is wrong with it."""
    data = _as_bytes(frame)
    check_size(len(data))
    try:
        message: ClientMessage = _MESSAGES.decode(data)
    except msgspec.ValidationError as error:
        raise _explain(data, error) from None
    except msgspec.DecodeError as error:
        raise ProtocolError("PROTOCOL_BAD_JSON", f"send one JSON object: {error}") from None
    except UnicodeError:
        raise _bad_text() from None
    except RecursionError:
        raise ProtocolError("PROTOCOL_BAD_JSON", "send one JSON object: it is nested too deeply") from None
    return message


def check_size(size_bytes: int) -> None:
    """Raise `ProtocolError` when a frame of this size is too large."""
    if size_bytes > MAX_FRAME_BYTES:
        raise ProtocolError(
            "PROTOCOL_TOO_LARGE",
            f"a message has at most {MAX_TEXT_CHARACTERS:,} characters: split it or shorten it",
        )


def refusal(error: EdgeError, turn_id: str = "") -> Refusal:
    """Return the frame that tells a client about `error`."""
    named = turn_id or (error.id if isinstance(error, ProtocolError) else "")
    return Refusal(code=error.code, message=error.message, id=named, retry_after=error.retry_after)


def _as_bytes(frame: bytes | str) -> bytes:
    try:
        data = frame if isinstance(frame, bytes) else frame.encode()
        data.decode()  # msgspec skips the values of unknown keys without looking at their bytes
    except UnicodeError:
        raise _bad_text() from None
    return data


def _bad_text() -> ProtocolError:
    return ProtocolError("PROTOCOL_BAD_UTF8", "the message is not valid UTF-8 text: encode it as UTF-8")


def _explain(data: bytes, error: msgspec.ValidationError) -> ProtocolError:
    turn_id, detail = _named_id(data), str(error)
    if "`$.type`" in detail or "required field `type`" in detail:
        return ProtocolError(
            "PROTOCOL_UNKNOWN_TYPE",
            f"`type` must be one of {TYPES}",
            turn_id,
        )
    if "`$.text`" in detail and "length <=" in detail:
        return ProtocolError(
            "PROTOCOL_TEXT_TOO_LONG",
            f"a message has at most {MAX_TEXT_CHARACTERS:,} characters: split it or shorten it",
            turn_id,
        )
    if "matching regex" in detail:
        field = detail.rpartition(" - at `$.")[2]
        detail = f"`{field} has 1 to 64 letters, digits or any of _ . : -"
    return ProtocolError("PROTOCOL_BAD_FIELD", detail, turn_id)


def _named_id(data: bytes) -> str:
    """Return the id of a message that is otherwise wrong, so that the client knows which one."""
    try:
        named = _IDENTITIES.decode(data).id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    return named if isinstance(named, str) and len(named) <= 64 else ""  # noqa: PLR2004
