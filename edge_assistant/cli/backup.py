"""`backup`: an encrypted copy of everything it knows, taken while it runs."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from edge_assistant.cli.connection import connect
from edge_assistant.config import Paths, load_paths
from edge_assistant.errors import EdgeError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="where to write it")


def run(args: argparse.Namespace) -> int:
    """Write the backup, through the daemon when it runs."""
    paths, target = load_paths(), args.file.expanduser().absolute()
    if connection := connect(paths.control_socket):
        try:
            size = connection.order(type="backup", path=str(target))["bytes"]
        finally:
            connection.close()
    else:
        size = asyncio.run(_back_up_alone(paths, target))
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
