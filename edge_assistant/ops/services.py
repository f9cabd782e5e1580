"""What the daemon does for its owner besides answering: status, links, backups, recovery codes."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Protocol

import msgspec

from edge_assistant import __version__
from edge_assistant.config import Config
from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.llm.protocol import LanguageModel, ModelStatus
from edge_assistant.memory.conversation import Session
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store.backup import back_up
from edge_assistant.store.database import Database
from edge_assistant.store.keys import KeyRing


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
    model: ModelStatus


class Web(Protocol):
    """What is needed of the web server."""

    url: str

    async def sign_in_link(self) -> str:
        """Return a one-time address that signs a browser in."""
        ...


class Services:
    """Carries out the orders of the control socket."""

    def __init__(
        self,
        config: Config,
        keys: KeyRing,
        database: Database,
        conversations: Conversations,
        model: LanguageModel,
    ) -> None:
        self.web: Web | None = None
        """Set when the page is served."""
        self._config = config
        self._keys = keys
        self._database = database
        self._conversations = conversations
        self._model = model
        self._started = time.monotonic()

    @property
    def url(self) -> str:
        """Where the chat page is; empty when it isn't served."""
        return self.web.url if self.web else ""

    def status(self) -> Status:
        """Return how the daemon is."""
        return Status(
            assistant=self._config.assistant.name,
            version=__version__,
            pid=os.getpid(),
            uptime_seconds=round(time.monotonic() - self._started, 1),
            rss_bytes=resident_bytes(),
            url=self.url,
            model=self._model.status,
        )

    async def link(self) -> str:
        """Return a one-time sign-in link, a secret; raises WEB_DISABLED."""
        if self.web is None:
            raise UsageError(
                "WEB_DISABLED", "the page is not served: set web.enabled = true and run the daemon"
            )
        return await self.web.sign_in_link()

    async def sessions(self, principal_id: str) -> list[Session]:
        """Return a person's conversations, newest first."""
        return await self._conversations.sessions(principal_id)

    async def backup(self, path: Path) -> int:
        """Write a backup to `path` and return its size in bytes; raises `StoreError`."""
        if not path.parent.is_dir():
            raise EdgeError("BACKUP_FOLDER_MISSING", f"there is no folder {path.parent}: create it first")
        return await back_up(self._database, self._keys.envelope_path, path)

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
