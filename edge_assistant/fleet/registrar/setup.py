"""A new fleet: its authority, the broker's configuration, and the registrar's own state folder."""

from __future__ import annotations

import glob
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
from cryptography import x509

from edge_assistant.errors import UsageError
from edge_assistant.fleet.certificate import key_pem, pem, read_key
from edge_assistant.fleet.registrar.authority import Authority, make_authority, sign_broker
from edge_assistant.fleet.registrar.book import Book
from edge_assistant.fleet.registrar.migrations import MIGRATIONS
from edge_assistant.fleet.registrar.rights import REGISTRAR, initial
from edge_assistant.fleet.registrar.signing import Signing
from edge_assistant.mqtt.broker import Broker
from edge_assistant.store.database import Database
from edge_assistant.store.files import make_folder, write_private
from edge_assistant.store.keys import KeyRing

_PLUGINS = (
    "/usr/lib/*/mosquitto_dynamic_security.so",
    "/usr/lib/mosquitto_dynamic_security.so",
    "/usr/local/lib/mosquitto_dynamic_security.so",
    "/opt/*/lib/mosquitto_dynamic_security.so",
)

CA_FILE = "ca.crt"

_CONFIGURATION = """\
# The operator's broker, made by `edge-assistant fleet init`. Who may do what is the registrar's business.
user {user}

per_listener_settings false
allow_anonymous false
plugin {plugin}
plugin_opt_config_file {folder}/rights/dynamic-security.json

# Passwords over TLS: the registrar, devices with a claim, and those whose certificate has ended.
listener {port}
cafile {folder}/ca.crt
certfile {folder}/broker.crt
keyfile {folder}/broker.key
tls_version tlsv1.2

# Certificates on both sides: the name in the certificate is the device.
listener {mutual}
cafile {folder}/ca.crt
certfile {folder}/broker.crt
keyfile {folder}/broker.key
tls_version tlsv1.2
require_certificate true
use_identity_as_username true

# What is retained outlives a restart; what must arrive does not rely on it.
persistence true
persistence_location {folder}/data/
autosave_interval 60
set_tcp_nodelay true

# Limits against one client that floods the others.
message_size_limit 262144
max_packet_size 270000
max_queued_messages 2000
max_inflight_messages 20
max_keepalive 120
"""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the operator's broker is."""

    host: str
    """By which devices know it."""
    port: int
    """For passwords,"""
    mutual_port: int
    """and for certificates."""
    password: str
    """The registrar's own; a secret."""
    lifetime_hours: float = 90 * 24


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """What a registrar works with."""

    book: Book
    place: Place
    signing: Signing

    @property
    def broker(self) -> Broker:
        """How the registrar comes in."""
        return Broker(
            host=self.place.host, port=self.place.port, tls=True, username=REGISTRAR,
            password=self.place.password, ca_file=str(self.book.database.path.parent / CA_FILE),
        )  # fmt: skip


def folder_of(state: Path) -> Path:
    """Return where a registrar keeps everything, in the state folder."""
    return state / "registrar"


def plugin_file() -> str:
    """Return where Mosquitto's plugin is; raises FLEET_PLUGIN_MISSING."""
    found = next((file for pattern in _PLUGINS for file in sorted(glob.glob(pattern))), None)  # noqa: PTH207
    if found is None:
        raise UsageError(
            "FLEET_PLUGIN_MISSING",
            "Mosquitto's dynamic-security plugin is not here: install mosquitto 2.0 or newer",
        )
    return found


async def set_up(folder: Path, place: Place, hosts: list[str], *, user: str, broker: Path) -> str | None:
    """Make a fleet in `folder`, and in `broker` what its broker's machine needs; return a new recovery code.

    Raises FLEET_EXISTS, FLEET_PLUGIN_MISSING, `StoreError`.
    """
    plugin = plugin_file()
    async with _opened(folder) as (book, recovery):
        if await book.setting("place") is not None:
            raise UsageError("FLEET_EXISTS", f"there is a fleet in {folder} already")
        authority = make_authority("Edge Assistant fleet")
        _write_broker(broker, authority, place, hosts, user=user, plugin=plugin)
        write_private(folder / CA_FILE, pem(authority.certificate).encode())
        await book.set_setting("authority", pem(authority.certificate).encode() + key_pem(authority.key))
        await book.set_setting("secret", secrets.token_bytes(32))
        await book.set_setting("place", msgspec.json.encode(place))  # the last: now there is a fleet
    return recovery


@asynccontextmanager
async def opened_fleet(folder: Path) -> AsyncIterator[Fleet]:
    """Open the fleet in `folder`; raises FLEET_MISSING, `StoreError`."""
    missing = UsageError("FLEET_MISSING", f"there is no fleet in {folder}: make one with `fleet init`")
    if not (folder / "registrar.db").exists():
        raise missing
    async with _opened(folder) as (book, _):
        encoded, signer, secret = [await book.setting(name) for name in ("place", "authority", "secret")]
        if encoded is None or signer is None or secret is None:
            raise missing
        place = msgspec.json.decode(encoded, type=Place)
        authority = Authority(x509.load_pem_x509_certificate(signer), read_key(signer))
        signing = Signing(
            authority, secret, f"mqtts://{place.host}:{place.mutual_port}",
            timedelta(hours=place.lifetime_hours),
        )  # fmt: skip
        yield Fleet(book=book, place=place, signing=signing)


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[tuple[Book, str | None]]:
    make_folder(folder)
    path = folder / "registrar.db"
    keys = KeyRing(folder).open(path)
    database = await Database.open(path, keys.data_key, MIGRATIONS)
    try:
        yield Book(database), keys.recovery_code
    finally:
        await database.close()


def _write_broker(
    folder: Path, authority: Authority, place: Place, hosts: list[str], *, user: str, plugin: str
) -> None:
    certificate, key = sign_broker(authority, hosts)
    for name in ("", "rights", "data"):
        make_folder(folder / name)
    write_private(folder / "ca.crt", pem(authority.certificate).encode())
    write_private(folder / "broker.crt", pem(certificate).encode())
    write_private(folder / "broker.key", key_pem(key))
    rights = msgspec.json.format(msgspec.json.encode(initial(place.password)))
    write_private(folder / "rights" / "dynamic-security.json", rights)
    text = _CONFIGURATION.format(
        user=user, plugin=plugin, folder=folder.absolute(), port=place.port, mutual=place.mutual_port
    )
    write_private(folder / "mosquitto.conf", text.encode())
    _give_to(user, folder)


def _give_to(user: str, folder: Path) -> None:
    """Let the broker's user own what the broker reads and writes, when root makes it."""
    if os.geteuid() != 0 or user == "root":
        return
    import pwd

    try:
        owner = pwd.getpwnam(user)
    except KeyError:
        raise UsageError("USAGE", f"there is no user {user}: install mosquitto, or name another") from None
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid)
