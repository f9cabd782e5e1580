"""`restore`: bring a backup back."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from edge_assistant.config import load_paths, secret
from edge_assistant.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a file that `backup` wrote")


def run(args: argparse.Namespace) -> int:
    """Restore while the daemon is stopped; the old database is kept beside the new one."""
    from edge_assistant.store.backup import restore

    paths = load_paths()
    aside = restore(args.file.expanduser(), ask_recovery_code("Recovery code of this backup: "), paths.state)
    print(f"restored to {paths.state}")
    if aside:
        print(f"what was there before is kept as {aside}")
    return 0


def ask_recovery_code(prompt: str) -> str:
    """Return the secret `recovery_code`, or what a person types; raises RECOVERY_CODE_NEEDED."""
    if code := secret("recovery_code"):
        return code
    if not sys.stdin.isatty():
        raise UsageError(
            "RECOVERY_CODE_NEEDED",
            "run it in a terminal, or set EDGE_ASSISTANT_SECRET_RECOVERY_CODE",
        )
    return getpass.getpass(prompt)
