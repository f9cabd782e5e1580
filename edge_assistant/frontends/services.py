"""What the control socket needs of the daemon besides answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from edge_assistant.documents.library import Library
from edge_assistant.frontends.memory_orders import Memory
from edge_assistant.llm.wire import Tuning
from edge_assistant.memory.conversation import Session
from edge_assistant.people.person import Device, Role, Scope, User


class Services(Memory, Protocol):
    """What the daemon does besides answering."""

    @property
    def library(self) -> Library | None:
        """Documents; None when `documents.enabled` is off."""
        ...

    def status(self) -> msgspec.Struct:
        """Return how the daemon is, as a struct with `type` `status`."""
        ...

    async def debug(self) -> msgspec.Struct:
        """Return what belongs into a debug bundle, as a struct with `type` `debug`."""
        ...

    async def say(self, text: str) -> None:
        """Say something aloud; raises VOICE_DISABLED, `SpeechError`."""
        ...

    def overhear(self, *, once: bool) -> AsyncGenerator[msgspec.Struct, None]:
        """Yield how loud it is and what is heard, until closed; raises VOICE_DISABLED, `SpeechError`."""
        ...

    async def link(self) -> str:
        """Return a one-time sign-in link; raises WEB_DISABLED."""
        ...

    async def invite(self, user_id: str) -> msgspec.Struct:
        """Return a way in for another device of a person; raises WEB_DISABLED, USER_NOT_FOUND."""
        ...

    async def add_user(self, name: str, role: Role) -> User:
        """Add a person."""
        ...

    async def add_token(self, user_id: str, name: str, scopes: Sequence[Scope]) -> str:
        """Return a token for a program of a person."""
        ...

    async def devices(self) -> list[Device]:
        """Return everybody's devices and programs."""
        ...

    async def revoke(self, device_id: str) -> Device:
        """End a device; raises DEVICE_NOT_FOUND."""
        ...

    async def sessions(self, principal_id: str) -> list[Session]:
        """Return a person's conversations."""
        ...

    async def tune(self) -> Tuning:
        """Find out what is fastest on this device; raises TUNING_NOT_POSSIBLE, and as the model fails."""
        ...

    async def backup_now(self) -> Path:
        """Make a nightly backup now and return where it lies; raises `StoreError`, BACKUPS_DISABLED."""
        ...

    async def backup(self, path: Path, folder: str) -> int:
        """Write a backup and return its size in bytes; `folder` is what whoever asks sees in its place."""
        ...

    async def new_recovery_code(self) -> str:
        """Replace the recovery code."""
        ...
