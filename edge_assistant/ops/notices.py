"""What the owner should know about the device: shown on the page and in the line of status."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from edge_assistant.errors import UsageError


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to know; nothing in it is about a person."""

    code: str
    """Stable, such as `STORE_RESTORED`; docs/errors.md lists them."""
    message: str
    """One line."""
    at: float
    """UNIX seconds, when it was first shown."""
    dismissible: bool
    """Whether a person takes it away, having read it; others go when what they tell is over."""


class Notices:
    """The board: at most one notice of each code."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._shown: dict[str, Notice] = {}
        self._dismissals: dict[str, Callable[[], None]] = {}

    @property
    def shown(self) -> tuple[Notice, ...]:
        """All of them, the oldest first."""
        return tuple(self._shown.values())

    def show(self, code: str, message: str, dismissed: Callable[[], None] | None = None) -> None:
        """Show a notice, or change its words; with `dismissed` a person may take it away."""
        known = self._shown.get(code)
        at = known.at if known else round(self._clock(), 3)
        self._shown[code] = Notice(code=code, message=message, at=at, dismissible=dismissed is not None)
        if dismissed is not None:
            self._dismissals[code] = dismissed

    def clear(self, code: str) -> None:
        """Take a notice away when what it told is over."""
        self._shown.pop(code, None)
        self._dismissals.pop(code, None)

    def dismiss(self, code: str) -> None:
        """Take away a notice that a person has read; raises NOTICE_NOT_FOUND."""
        if code not in self._dismissals:
            raise UsageError("NOTICE_NOT_FOUND", f"there is no notice {code[:60]} to be taken away")
        self._dismissals[code]()
        self.clear(code)
