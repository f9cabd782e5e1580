"""What the daemon does for its owner besides answering: status, links, backups, recovery codes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from edge_assistant import __version__
from edge_assistant.assistant.forgetting import Forgetting
from edge_assistant.documents.library import Library
from edge_assistant.errors import EdgeError, ModelError, UsageError
from edge_assistant.llm.protocol import LanguageModel, ModelStatus
from edge_assistant.llm.wire import Tuning
from edge_assistant.memory.conversation import Session
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.facts import Facts
from edge_assistant.ops.metrics import Metrics
from edge_assistant.ops.notices import Notice, Notices
from edge_assistant.ops.preferences import Preferences
from edge_assistant.people.people import People
from edge_assistant.people.person import HOUSEHOLD, Device, Principal, Role, Scope, User
from edge_assistant.store.audit import AuditLog
from edge_assistant.store.backup import back_up
from edge_assistant.store.database import Database
from edge_assistant.store.files import identity_of
from edge_assistant.store.keys import KeyRing
from edge_assistant.store.nightly import NightlyBackups


class Status(msgspec.Struct, frozen=True, tag="status", tag_field="type", kw_only=True):
    """How the daemon is."""

    assistant: str
    version: str
    pid: int
    uptime_seconds: float
    rss_bytes: int
    """Resident memory of the daemon alone, without its workers."""
    url: str
    """Where the chat page is; empty when it isn't served."""
    house_url: str
    """Where the house reaches it; empty when it doesn't."""
    house_problem: str
    """Why it doesn't, although it should; else empty."""
    model: ModelStatus
    voice: msgspec.Struct | None
    """How ears and mouth are; None when `voice.enabled` is off."""
    notices: tuple[Notice, ...]
    """What the owner should know."""


class Voice(Protocol):
    """What is needed of the voice."""

    @property
    def report(self) -> msgspec.Struct:
        """How ears and mouth are, with all that does not work."""
        ...

    async def say(self, text: str) -> None:
        """Say something; raises `SpeechError`."""
        ...

    def overhear(self, *, once: bool) -> AsyncGenerator[msgspec.Struct, None]:
        """Yield levels and what is heard."""
        ...


class Web(Protocol):
    """What is needed of the web server."""

    url: str

    @property
    def open_sockets(self) -> int:
        """How many pages are open."""
        ...

    @property
    def house(self) -> tuple[str, str]:
        """Where the house reaches the page, and why it doesn't, although it should."""
        ...

    async def sign_in_link(self) -> str:
        """Return a one-time address that signs a browser in."""
        ...

    async def invite(self, user_id: str) -> msgspec.Struct:
        """Return link, QR code and digits for another device of a person."""
        ...

    async def drop(self, device_id: str) -> None:
        """End every connection of a device."""
        ...


class Tuner(Protocol):
    """What is needed of tuning."""

    async def tune(self) -> Tuning:
        """Find out what is fastest on this device."""
        ...


class Services:
    """Carries out the orders of the control socket."""

    def __init__(
        self,
        preferences: Preferences,
        keys: KeyRing,
        database: Database,
        conversations: Conversations,
        model: LanguageModel,
        *,
        people: People,
        facts: Facts,
        forgetting: Forgetting,
        audit: AuditLog,
        library: Library | None = None,
        notices: Notices,
    ) -> None:
        self.web: Web | None = None
        """Set when the page is served."""
        self.voice: Voice | None = None
        """Set when the device listens and speaks."""
        self.nightly: NightlyBackups | None = None
        """Set when backups are made every night."""
        self.tuner: Tuner | None = None
        """Set when the model can be tuned."""
        self.notices = notices
        """What the owner should know."""
        self.metrics: Metrics | None = None
        """Set in a daemon."""
        self.preferences = preferences
        self._keys = keys
        self.database = database
        self.conversations = conversations
        self.people = people
        self.facts = facts
        self.forgetting = forgetting
        self.audit = audit
        self.library = library
        """Documents; None when `documents.enabled` is off."""
        self.model = model
        self._started = time.monotonic()

    @property
    def url(self) -> str:
        """Where the chat page is; empty when it isn't served."""
        return self.web.url if self.web else ""

    def status(self) -> Status:
        """Return how the daemon is."""
        house_url, house_problem = self.web.house if self.web else ("", "")
        return Status(
            assistant=self.preferences.config.assistant.name,
            version=__version__,
            pid=os.getpid(),
            uptime_seconds=round(time.monotonic() - self._started, 1),
            rss_bytes=resident_bytes(),
            url=self.url,
            house_url=house_url,
            house_problem=house_problem,
            model=self.model.status,
            voice=self.voice_report(),
            notices=self.notices.shown,
        )

    async def debug(self) -> msgspec.Struct:
        """Return what belongs into a debug bundle; see `ops.debug`."""
        from edge_assistant.ops.debug import debug_of

        figures = await self.metrics.scrape() if self.metrics else b""
        return await asyncio.to_thread(debug_of, self.status(), figures)

    def voice_report(self) -> msgspec.Struct | None:
        """Return how ears and mouth are; None when the device has none."""
        return self.voice.report if self.voice else None

    async def say(self, text: str) -> None:
        """Say something aloud; raises VOICE_DISABLED, `SpeechError`."""
        await self._voiced().say(text)

    def overhear(self, *, once: bool) -> AsyncGenerator[msgspec.Struct, None]:
        """Yield levels and what is heard; raises VOICE_DISABLED, `SpeechError`."""
        return self._voiced().overhear(once=once)

    def _voiced(self) -> Voice:
        if self.voice is None:
            raise UsageError("VOICE_DISABLED", "ears and mouth are off: set voice.enabled = true")
        return self.voice

    async def link(self) -> str:
        """Return a one-time sign-in link, a secret; raises WEB_DISABLED."""
        return await self._served().sign_in_link()

    async def invite(self, user_id: str) -> msgspec.Struct:
        """Return a way in for another device of a person, all secrets; raises WEB_DISABLED."""
        return await self._served().invite(user_id)

    async def add_user(self, name: str, role: Role) -> User:
        """Add a person; raises USER_NAME_EMPTY, USERS_FULL."""
        return await self.people.users.add(name, role)

    async def add_token(self, user_id: str, name: str, scopes: Sequence[Scope]) -> str:
        """Return a token for a program of a person, a secret; raises USER_NOT_FOUND, DEVICES_FULL."""
        return (await self.people.devices.add_program(user_id, name, scopes))[1]

    async def principal(self, user_id: str) -> Principal:
        """Return a person as they are known here; raises USER_NOT_FOUND."""
        if user_id == HOUSEHOLD.id:
            return HOUSEHOLD
        return Principal(user_id, (await self.people.users.get(user_id)).role)

    async def devices(self) -> list[Device]:
        """Return everybody's devices and programs, the last seen first."""
        return await self.people.devices.list()

    async def revoke(self, device_id: str) -> Device:
        """End a device and what it has open; raises DEVICE_NOT_FOUND."""
        device = await self.people.devices.revoke(device_id)
        if self.web is not None:
            await self.web.drop(device.id)
        return device

    def _served(self) -> Web:
        if self.web is None:
            raise UsageError(
                "WEB_DISABLED", "the page is not served: set web.enabled = true and run the daemon"
            )
        return self.web

    async def sessions(self, principal_id: str) -> list[Session]:
        """Return a person's conversations, newest first."""
        return await self.conversations.sessions(principal_id)

    async def tune(self) -> Tuning:
        """Find out what is fastest on this device; raises TUNING_NOT_POSSIBLE, and as the model fails."""
        if self.tuner is None:
            raise ModelError("TUNING_NOT_POSSIBLE", "there is no model to be tuned")
        return await self.tuner.tune()

    async def backup_now(self) -> Path:
        """Make a nightly backup now and return where it lies; raises `StoreError`, BACKUPS_DISABLED."""
        if self.nightly is None:
            raise UsageError("BACKUPS_DISABLED", "backups.enabled is off: name a file to write a backup to")
        return (await self.nightly.make(datetime.now().astimezone().replace(tzinfo=None))).path

    async def backup(self, path: Path, folder: str = "") -> int:
        """Write a backup to `path` and return its size in bytes.

        Raises `StoreError`, BACKUP_FOLDER_MISSING, BACKUP_FOLDER_HIDDEN.
        `folder` is what whoever asks sees in the place of its folder, see `identity_of`.
        """
        seen = identity_of(path.parent)
        if folder not in {"", seen}:
            raise EdgeError(
                "BACKUP_FOLDER_HIDDEN",
                f"the running assistant does not see your {path.parent}: a service has a /tmp of its own and "
                "no /home; name another folder, or stop it first",
            )
        if not seen:
            raise EdgeError("BACKUP_FOLDER_MISSING", f"there is no folder {path.parent}: create it first")
        return await back_up(self.database, self._keys.envelope_path, path)

    async def new_recovery_code(self) -> str:
        """Replace the recovery code and return the new one, a secret."""
        return await asyncio.to_thread(self._keys.new_recovery_code)


def resident_bytes() -> int:
    """Return the memory of this process that is in RAM, from /proc (proc(5)), or 0 where there is none."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
