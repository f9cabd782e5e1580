"""`run`: the daemon in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import sys

from edge_assistant.app import Started
from edge_assistant.app import run as run_daemon
from edge_assistant.cli.terminal import show_recovery_code
from edge_assistant.config import load_config, load_paths
from edge_assistant.ops.logs import set_up_logging


def configure(parser: argparse.ArgumentParser) -> None:
    """Add nothing."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    faulthandler.enable()
    set_up_logging(debug=args.debug)
    config, paths = load_config(args.config), load_paths()
    asyncio.run(run_daemon(config, paths, _greet))
    return 0


def _greet(started: Started) -> None:
    """Tell the person at the terminal; a journal or a file never gets a secret."""
    if not sys.stdout.isatty():
        return
    if started.recovery_code:
        show_recovery_code(started.recovery_code, sys.stdout)
    if started.services.url:
        print(f"\nOpen the chat: {started.services.link()}", flush=True)
        print("The link works once, for ten minutes. Ctrl+C stops the assistant.\n", flush=True)
