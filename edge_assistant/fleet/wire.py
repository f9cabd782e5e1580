"""What devices and the registrar say to each other, and on which topics.

Who speaks is in the topic, which the broker's rights guard, never in the payload: a claim reaches the
topics of its own enrolment, a certificate those of its own device.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

ROOT = "edge-assistant/fleet"
ENROL, DEVICE = f"{ROOT}/enrol", f"{ROOT}/device"

MAX_MESSAGE_BYTES = 32 * 1024
"""Longer messages are not looked at."""

DEVICE_NAME = re.compile(r"(?!(cloud|fleet)\Z)[a-z0-9-]{1,40}")
SERIAL = re.compile(r"[A-Za-z0-9._:-]{1,64}")
GROUP = re.compile(r"[a-z0-9-]{1,40}")

Line = Annotated[str, msgspec.Meta(max_length=300)]
Pem = Annotated[str, msgspec.Meta(max_length=8192)]
Values = Annotated[
    dict[Annotated[str, msgspec.Meta(max_length=80)], Annotated[str, msgspec.Meta(max_length=4000)]],
    msgspec.Meta(max_length=40),
]
"""Keys of the configuration, such as `assistant.persona`, and their values as text."""


def enrol_topic(credential: str, leaf: Literal["request", "reply"]) -> str:
    """Return where the holder of a claim, or of a device's recovery, asks and is answered."""
    return f"{ENROL}/{credential}/{leaf}"


def device_topic(device: str, leaf: str) -> str:
    """Return a topic of an enrolled device."""
    return f"{DEVICE}/{device}/{leaf}"


def speaker(topic: str) -> str:
    """Return who speaks on a topic of these: a credential or a device."""
    parts = topic.split("/")
    return parts[3] if len(parts) == 5 else ""  # noqa: PLR2004 - edge-assistant/fleet/KIND/WHO/LEAF


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A device asks for a certificate; asking again with the same key is the same request."""

    csr: Pem
    """PKCS#10: proves that the device has the key."""
    serial: Line
    """What the board says it is; nothing proves it."""
    name: Line = ""
    """What it would like to be called."""


class Pending(msgspec.Struct, frozen=True, kw_only=True, tag="pending"):
    """The operator has to approve it; the certificate comes on the same topic."""

    key: Line
    """SHA-256 of the public key that this answers: others on the topic don't mind it."""


class Issued(msgspec.Struct, frozen=True, kw_only=True, tag="issued"):
    """A certificate, and all that the device needs to come in with it."""

    key: Line
    name: Line
    certificate: Pem
    authority: Pem
    """Certificate of whoever signs devices and broker."""
    url: Line
    """The listener that asks for the certificate."""
    recovery: Line
    """Password with which a device whose certificate has ended asks for a new one; a secret."""


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """It gets none, and why."""

    key: Line
    code: Line
    message: Line


Reply = Pending | Issued | Refused


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of the desired state that a device got last."""

    version: int = 0
    """0 before it got any."""
    id: Line = ""
    phase: Literal["none", "applying", "probation", "applied", "rolled_back", "refused"] = "none"
    code: Line = ""
    """Why it was refused or rolled back."""
    message: Line = ""


class Reported(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a device is. Nothing in it is about a person."""

    version: Line
    """Of the program."""
    serial: Line
    health: Literal["ok", "failing"]
    problems: tuple[Line, ...] = ()
    uptime_seconds: float = 0.0
    disk_free_mb: int = 0
    memory_available_mb: int = 0
    temperature_celsius: float | None = None
    model: Line = ""
    models: Annotated[tuple[Line, ...], msgspec.Meta(max_length=200)] = ()
    """Language models that are there."""
    values: Values = {}
    """What the allow-listed keys are now."""
    desired: Outcome = Outcome()
    certificate: Pem = ""
    """Its own, so that a registrar that lost its newest rows knows whom it has signed."""
    clock: float = 0.0
    """UNIX seconds as the device believes."""


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """What a device shall be; retained on its topic."""

    version: int
    """Counts up, for people."""
    id: Line
    """Of this very wish: a device carries out each once."""
    values: Values
    probation_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 60.0
    """For so long it must be healthy, else it returns to what it was."""


class Renewal(msgspec.Struct, frozen=True, kw_only=True):
    """A device with a certificate asks for the next one."""

    csr: Pem


def encode(message: msgspec.Struct) -> bytes:
    """Return a message as it goes over the wire."""
    return msgspec.json.encode(message)


BAD = (msgspec.DecodeError, UnicodeError, RecursionError, ValueError)
"""What decoding something hostile raises."""
