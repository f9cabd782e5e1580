"""`backup`: an encrypted copy of everything it knows, taken while it runs."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from edge_assistant.cli.connection import connect
from edge_assistant.config import Paths, load_paths
from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.store.files import identity_of


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="where to write it; else beside the nightly ones"
    )


def run(args: argparse.Namespace) -> int:
    """Write the backup, through the daemon when it runs."""
    paths = load_paths()
    wanted = args.file.expanduser().absolute() if args.file else None
    if connection := connect(paths.control_socket):
        try:
            folder = identity_of(wanted.parent) if wanted else ""
            written = connection.order(type="backup", path=str(wanted or ""), folder=folder)
            target, size = Path(written["path"]), written["bytes"]
        finally:
            connection.close()
    elif wanted is None:
        raise UsageError("BACKUP_FILE_NEEDED", "the assistant is not running: name a file to write to")
    else:
        target, size = wanted, asyncio.run(_back_up_alone(paths, wanted))
    print(f"{target}: {size:,} bytes; the recovery code opens it on any device")
    return 0


async def _back_up_alone(paths: Paths, target: Path) -> int:
    from edge_assistant.store.backup import back_up
    from edge_assistant.store.database import Database
    from edge_assistant.store.keys import KeyRing
    from edge_assistant.store.lock import StateLock

    if not paths.database.exists():
        raise EdgeError("NOTHING_STORED", f"there is nothing to back up in {paths.state}")
    if not target.parent.is_dir():
        raise EdgeError("BACKUP_FOLDER_MISSING", f"there is no folder {target.parent}: create it first")
    with StateLock(paths.lock):
        ring = KeyRing(paths.state)
        database = await Database.open(paths.database, ring.unlock())
        try:
            return await back_up(database, ring.envelope_path, target)
        finally:
            await database.close()
