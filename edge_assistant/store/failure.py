"""What SQLite and the operating system report, in words for a person."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from edge_assistant.errors import StoreError

NEARLY_FULL_BYTES = 256 * 1024
"""Below this much free space an I/O error is taken for a full disk: the WAL index alone needs 32 KiB
at a time, and SQLite reports its failure as a plain I/O error."""

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def full() -> StoreError:
    """Return the error of a full disk."""
    return StoreError("STORE_FULL", "the disk is full; free space and try again", retry_after=30)


def damaged(path: Path) -> StoreError:
    """Return the error of a file that is not what was written; says that it was left alone."""
    return StoreError(
        "STORE_DAMAGED",
        f"{path} is damaged and was left as it is; restore a backup, or move the file away to start anew",
    )


@contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """Raise `StoreError` instead of what SQLite raises when it works on the database at `path`.

    Errors in the statements themselves (constraints, SQL) pass unchanged: they are mistakes of ours.
    """
    try:
        yield
    except apsw.FullError as error:
        raise full() from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise damaged(path) from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreError("STORE_BUSY", "the database is busy; try again", retry_after=1) from error
    except (apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise _blocked(path, error) from error
    except OSError as error:
        raise (full() if error.errno in NO_SPACE else _blocked(path, error)) from error


def _blocked(path: Path, error: Exception) -> StoreError:
    try:
        if shutil.disk_usage(path.parent).free < NEARLY_FULL_BYTES:
            return full()
    except OSError:
        pass  # the folder itself is gone or closed to us; the message below says so
    what = "check the disk and who owns it"
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        what = "a card that fails becomes read-only; a service writes where ReadWritePaths= lets it"
    return StoreError("STORE_UNAVAILABLE", f"{path} can't be read or written ({error}); {what}")
