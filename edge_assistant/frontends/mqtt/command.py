"""What comes in on the command topics: plain text, or JSON with an id."""

from __future__ import annotations

import hashlib
import time
from typing import Annotated, TypeVar

import msgspec

from edge_assistant.assistant.text import MAX_TEXT_CHARACTERS
from edge_assistant.errors import UsageError
from edge_assistant.mqtt.connection import Incoming

EXPIRY_SECONDS = 10.0
"""A command that says when it was sent is not carried out later than this."""

T = TypeVar("T", bound="Command")

Name = Annotated[str, msgspec.Meta(max_length=64)]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What every command may carry."""

    id: Name = ""
    """Names the command, so that it is carried out once; else the v5 correlation data does."""
    sent_at: float | None = None
    """UNIX seconds; None when the sender doesn't say."""
    text: Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARACTERS)] = ""
    """The words or the value."""


class Ask(Command, frozen=True):
    """A question."""

    session: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{0,64}\Z")] = ""
    """Conversation; empty goes on with the latest one."""
    user: Name = ""
    """Who asks, as the sender says. It grants nothing: the configuration decides in whose name."""
    speak: bool = False
    """Whether the answer is also said aloud."""
    private: bool = False
    """Whether it must stay on this device, whatever the configuration allows."""


class Confirm(Command, frozen=True):
    """The answer to a question of ours whether something may be done."""

    action: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{0,64}\Z")] = ""
    approve: bool = False
    pin: Annotated[str, msgspec.Meta(max_length=32)] = ""


def decode(kind: type[T], message: Incoming) -> T:
    """Return the command in a message; raises `UsageError` MQTT_COMMAND_BAD, MQTT_COMMAND_OLD."""
    try:
        text = message.payload.decode()
        command = msgspec.json.decode(text, type=kind) if text.lstrip()[:1] == "{" else kind(text=text)
        msgspec.convert(msgspec.to_builtins(command), kind)  # plain text has its limits, too
    except (UnicodeError, msgspec.MsgspecError, RecursionError) as error:
        raise UsageError("MQTT_COMMAND_BAD", f"send text or JSON of the documented form: {error}") from None
    if command.sent_at is not None and abs(time.time() - command.sent_at) > EXPIRY_SECONDS:
        message_text = f"the command is older than {EXPIRY_SECONDS:g} s, or a clock is wrong: send it again"
        raise UsageError("MQTT_COMMAND_OLD", message_text)
    return command


def name_of(command: Command, message: Incoming) -> str:
    """Return a short stable name of a command that is to be carried out once; empty for none."""
    given = command.id.encode() or message.correlation
    return f"mqtt-{hashlib.sha256(given).hexdigest()[:40]}" if given else ""
