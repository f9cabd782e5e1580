"""What the owner chose on the page: kept durably, and carried out while the assistant runs."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from edge_assistant.config import CHOICES, Config, Saved, changed_config, locked_keys, read_saved
from edge_assistant.errors import StoreError, UsageError
from edge_assistant.store.files import write_private

logger = logging.getLogger(__name__)

_LIVE = ("assistant", "personas", "llm", "update")
"""Sections that take effect while the assistant runs; `update` is read by its command."""

_LIVE_CLOUD = ("consent", "wait_seconds", "unsure")
"""Keys of `cloud` that do: whoever takes consent back is obeyed at once."""

_LIVE_VOICE = ("volume", "wake_threshold", "quiet")
"""Keys of `voice` that do."""

Apply = Callable[[Config, Config], Awaitable[None]]
"""Carries out a new configuration; gets the one before and the new one."""


class Preferences:
    """The present configuration and the choices over it."""

    def __init__(self, config: Config, path: Path, locked: frozenset[str] | None = None) -> None:
        """`config` is what the daemon started with, `path` the file of the choices."""
        self.config = config
        self.locked = locked_keys() if locked is None else locked
        """Keys that the environment sets: nothing here changes them."""
        self._path = path
        self._saved = read_saved(path)
        self._appliers: list[Apply] = []
        self._lock = asyncio.Lock()

    @property
    def set_up(self) -> bool:
        """Whether the wizard need not be shown: it was finished, put away, or is not wanted."""
        return self._saved.set_up or not self.config.web.wizard

    @property
    def values(self) -> dict[str, str]:
        """The present value of every key that can be chosen."""
        return self.present(CHOICES)

    def present(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the present value of each of `keys`, which are those of a section."""
        sections = msgspec.to_builtins(self.config)
        parts = {key: key.partition(".") for key in keys}
        return {key: _text(sections[section][name]) for key, (section, _, name) in parts.items()}

    def on_change(self, apply: Apply) -> None:
        """Have `apply` called with the configuration before and after each change, once it is saved."""
        self._appliers.append(apply)

    async def change(
        self,
        choices: Mapping[str, str],
        *,
        set_up: bool | None = None,
        choosable: Collection[str] = CHOICES,
    ) -> None:
        """Save other values durably, then carry them out; `choosable` is what may be changed.

        Raises SETTING_UNKNOWN, SETTING_LOCKED, CONFIG_BAD_VALUE and changes nothing; `StoreError`
        when it can't be saved.
        """
        async with self._lock:
            self._check(choices, choosable)
            config = changed_config(self.config, choices)
            saved = Saved(
                set_up=self._saved.set_up if set_up is None else set_up,
                choices={**self._saved.choices, **choices},
            )
            if saved != self._saved:
                await self._save(saved)
            if config != self.config:
                before, self.config = self.config, config
                logger.info("settings changed: %s", ", ".join(sorted(choices)))
                for apply in self._appliers:
                    await apply(before, config)

    async def reload(self, config: Config) -> list[str]:
        """Carry out what changed in the files, as far as it can be done now; return the keys that wait.

        Those take effect when the assistant is started again.
        """
        async with self._lock:
            before = self.config
            voice = msgspec.structs.replace(
                before.voice, **{name: getattr(config.voice, name) for name in _LIVE_VOICE}
            )
            cloud = msgspec.structs.replace(
                before.cloud, **{name: getattr(config.cloud, name) for name in _LIVE_CLOUD}
            )
            live = {name: getattr(config, name) for name in _LIVE}
            now = msgspec.structs.replace(before, voice=voice, cloud=cloud, **live)
            if now != before:
                self.config = now
                for apply in self._appliers:
                    await apply(before, now)
            return differences(now, config)

    async def _save(self, saved: Saved) -> None:
        try:
            await asyncio.to_thread(write_private, self._path, msgspec.json.encode(saved))
        except OSError as error:
            code = "STORE_FULL" if error.errno == errno.ENOSPC else "STORE_UNAVAILABLE"
            reason = error.strerror or "unknown error"
            raise StoreError(code, f"the settings can't be written ({reason}): check the disk") from error
        self._saved = saved

    def _check(self, choices: Mapping[str, str], choosable: Collection[str]) -> None:
        for key, value in choices.items():
            if key not in choosable:
                raise UsageError("SETTING_UNKNOWN", f"{key[:60]!r} can't be set here")
            if key in self.locked and value != self.present([key])[key]:
                raise UsageError("SETTING_LOCKED", f"{key} is set by the environment of the assistant")


def differences(old: Config, new: Config) -> list[str]:
    """Return the keys that have other values in `new`."""
    personas = ["personas"] if old.personas != new.personas else []
    sections = (name for name in new.__struct_fields__ if name != "personas")
    return personas + [
        f"{section}.{key}"
        for section in sections
        for key in getattr(new, section).__struct_fields__
        if getattr(getattr(old, section), key) != getattr(getattr(new, section), key)
    ]


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
