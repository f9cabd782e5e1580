"""The error hierarchy: every failure a person can meet has a stable code and one clear line.

Programs match on `code`; the wording may change. Errors are caught once, at an edge: the command
line prints `error: CODE: message`, a frontend sends `turn.failed`.
"""

from __future__ import annotations


class EdgeError(Exception):
    """Base of all errors that people see.

    `code` is stable, upper-case and names the cause. `message` is one line that says what happened
    and what to do. `retry_after` is a number of seconds after which the same request may succeed,
    or None when waiting does not help.
    """

    exit_code = 1

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Return the line that a person sees after `error: `."""
        return f"{self.code}: {self.message}"


class UsageError(EdgeError):
    """The command or request itself is wrong; doing it again changes nothing."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration can't be used."""


class ModelError(EdgeError):
    """A model is missing, damaged, or failed while it ran."""


class SpeechError(EdgeError):
    """Ears or mouth can't do what was asked: a device, an engine or their process is missing."""


class StoreError(EdgeError):
    """The encrypted store can't be opened, read or written."""


class DocumentError(EdgeError):
    """A document can't be read, and stays in the library with the reason."""


class WorkerError(EdgeError):
    """A child process could not be started or went away."""


class BusyError(EdgeError):
    """Too much is asked of this device at once; `retry_after` says when to come back."""


class ForbiddenError(UsageError):
    """The caller may not do this, whatever the request says."""


class ThrottledError(BusyError):
    """The caller tried too often; `retry_after` says when to try again."""
