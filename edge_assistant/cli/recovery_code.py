"""`recovery-code`: a new code that opens backups on another device."""

from __future__ import annotations

import argparse

from edge_assistant.cli.connection import connect
from edge_assistant.config import load_paths
from edge_assistant.errors import EdgeError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add nothing."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Make and print a new code; the old one opens older backups only."""
    del args
    paths = load_paths()
    if connection := connect(paths.control_socket):
        try:
            print(connection.order(type="recovery_code")["code"])
        finally:
            connection.close()
        return 0
    from edge_assistant.store.keys import KeyRing
    from edge_assistant.store.lock import StateLock

    with StateLock(paths.lock):
        ring = KeyRing(paths.state)
        if not ring.envelope_path.exists():
            raise EdgeError("NOTHING_STORED", "there is nothing to recover yet: run the assistant first")
        print(ring.new_recovery_code())
    return 0
