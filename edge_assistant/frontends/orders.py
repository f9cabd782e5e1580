"""What only the control socket understands: orders for the daemon itself, and their answers."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import msgspec

from edge_assistant.assistant.request import OWNER, Principal
from edge_assistant.frontends.document_orders import DocumentOrder, UploadDocument
from edge_assistant.frontends.memory_orders import MemoryOrder
from edge_assistant.frontends.protocol import Id, ProtocolError, check_size
from edge_assistant.llm.wire import Tuning
from edge_assistant.memory.conversation import Session
from edge_assistant.people.person import PROGRAM_SCOPES, Device, Role, Scope, User

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Link(msgspec.Struct, frozen=True, tag="link", tag_field="type"):
    """Make a one-time sign-in link."""


class Pair(msgspec.Struct, frozen=True, tag="pair", tag_field="type"):
    """Make a way in for another device of `user`: a link, the same as a QR code, and six digits."""

    user: Id = OWNER.id


class AddUser(msgspec.Struct, frozen=True, tag="add_user", tag_field="type"):
    """Add a person to the household."""

    name: Name
    role: Role


class AddToken(msgspec.Struct, frozen=True, tag="add_token", tag_field="type"):
    """Make a token with which a program acts in the name of `user`, as far as `scopes` go."""

    name: Name
    user: Id = OWNER.id
    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(min_length=1, max_length=16)] = PROGRAM_SCOPES


class Devices(msgspec.Struct, frozen=True, tag="devices", tag_field="type"):
    """List the paired devices and the programs with tokens."""


class Revoke(msgspec.Struct, frozen=True, tag="revoke", tag_field="type"):
    """End a device or token, and the connections it has."""

    device: Id


class Status(msgspec.Struct, frozen=True, tag="status", tag_field="type"):
    """Say how the daemon is."""


class Debug(msgspec.Struct, frozen=True, tag="debug", tag_field="type"):
    """Say what belongs into a debug bundle; the answer is `ops.debug.Debug`."""


class Say(msgspec.Struct, frozen=True, tag="say", tag_field="type"):
    """Say `text` aloud."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]


class Overhear(msgspec.Struct, frozen=True, tag="overhear", tag_field="type"):
    """Tell how loud it is and what is heard, as the events of `speech.wire`.

    With `once` the microphone is opened for one utterance, which is not answered; its `listening.ended` is
    the last event. Without, it goes on until the caller hangs up.
    """

    once: bool = False


class Sessions(msgspec.Struct, frozen=True, tag="sessions", tag_field="type"):
    """List the conversations of `user`."""

    user: Id = OWNER.id


class Backup(msgspec.Struct, frozen=True, tag="backup", tag_field="type"):
    """Write an encrypted copy of the database to the absolute `path`; empty makes the night's backup now."""

    path: Annotated[str, msgspec.Meta(pattern=r"^(/[^\x00]*)?\Z", max_length=4096)] = ""
    folder: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """Which folder it lies in as whoever asks sees it (`store.files.identity_of`); empty is any."""


class RecoveryCode(msgspec.Struct, frozen=True, tag="recovery_code", tag_field="type"):
    """Make a new recovery code; the old one ends."""


class Tune(msgspec.Struct, frozen=True, tag="tune", tag_field="type"):
    """Find out now what is fastest on this device, and keep it."""


OwnerOrder = Tune | Link | Status | Debug | Sessions | Backup | RecoveryCode
PeopleOrder = Pair | AddUser | AddToken | Devices | Revoke
Order = OwnerOrder | PeopleOrder | MemoryOrder | DocumentOrder
StreamOrder = Say | Overhear | UploadDocument
"""Orders whose answer is more than a line, or that are followed by bytes."""

ORDER_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Order | StreamOrder))


class Said(msgspec.Struct, frozen=True, tag="say", tag_field="type"):
    """Its last sample was heard."""


class LinkMade(msgspec.Struct, frozen=True, tag="link", tag_field="type"):
    """Open `url` in a browser within ten minutes; it works once."""

    url: str


class PairingMade(msgspec.Struct, frozen=True, tag="pair", tag_field="type", kw_only=True):
    """What is shown for ten minutes; `web.pairing.Invitation` tells about each field."""

    id: str
    user: str
    url: str
    local_url: str
    address: str
    code: str
    expires_at: float
    fingerprint: str
    qr_svg: str
    problem: str


class UserAdded(msgspec.Struct, frozen=True, tag="add_user", tag_field="type"):
    """The person is there."""

    user: User


class TokenMade(msgspec.Struct, frozen=True, tag="add_token", tag_field="type"):
    """For the program; it is shown only now."""

    token: str


class DeviceList(msgspec.Struct, frozen=True, tag="devices", tag_field="type"):
    """The last seen first."""

    items: list[Device]


class Revoked(msgspec.Struct, frozen=True, tag="revoke", tag_field="type"):
    """The device is gone."""

    device: Device


class SessionList(msgspec.Struct, frozen=True, tag="sessions", tag_field="type"):
    """Newest first."""

    items: list[Session]


class TuningKept(msgspec.Struct, frozen=True, tag="tune", tag_field="type"):
    """It is used from now on."""

    tuning: Tuning


class BackupWritten(msgspec.Struct, frozen=True, tag="backup", tag_field="type"):
    """The copy is complete."""

    path: str
    bytes: int


class RecoveryCodeMade(msgspec.Struct, frozen=True, tag="recovery_code", tag_field="type"):
    """To be written on paper; it is shown only now."""

    code: str


class Envelope(msgspec.Struct):
    """Tells an order from a message, and in whose name it is said."""

    type: Any = None
    user: Any = None

    @property
    def is_order(self) -> bool:
        """Whether `decode_order` reads it; everything else is a message."""
        return isinstance(self.type, str) and self.type in ORDER_TYPES


_ENVELOPES = msgspec.json.Decoder(Envelope)
_ORDERS = msgspec.json.Decoder(Order | StreamOrder)


def decode_envelope(line: bytes) -> Envelope:
    """Return what kind of line this is; one that can't be read has no kind, `decode_message` says why."""
    check_size(len(line))
    try:
        return _ENVELOPES.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Envelope()


def decode_order(line: bytes) -> Order | StreamOrder:
    """Decode an order; raises `ProtocolError`."""
    try:
        order: Order | StreamOrder = _ORDERS.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError("PROTOCOL_BAD_FIELD", str(error)) from None
    return order


def principal_of(user: Any) -> Principal:
    """Return in whose name a message is; raises `ProtocolError`."""
    if user is None or user == OWNER.id:
        return OWNER
    try:
        return Principal(msgspec.convert(user, Id), "member")
    except msgspec.ValidationError:
        raise ProtocolError("PROTOCOL_BAD_FIELD", "`user` has 1 to 64 letters, digits or . _ : -") from None
