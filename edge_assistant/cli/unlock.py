"""`unlock`: open the database of a device that lost its device key."""

from __future__ import annotations

import argparse

from edge_assistant.cli.restore import ask_recovery_code
from edge_assistant.config import load_paths
from edge_assistant.errors import EdgeError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add nothing."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Seal the data key for this device's key again, by the recovery code."""
    from edge_assistant.store.keys import KeyRing
    from edge_assistant.store.lock import StateLock

    del args
    paths = load_paths()
    ring = KeyRing(paths.state)
    if not ring.envelope_path.exists():
        raise EdgeError("NOTHING_STORED", f"there is nothing to unlock in {paths.state}")
    with StateLock(paths.lock):
        ring.recover(ask_recovery_code("Recovery code of this device: "))
    print("unlocked: this device opens its database by itself again")
    return 0
