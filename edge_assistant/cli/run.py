"""`run`: the daemon in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import os
import sys

from edge_assistant.app import run as run_daemon
from edge_assistant.cli.terminal import show_recovery_code
from edge_assistant.config import load_config, load_paths
from edge_assistant.ops.logs import set_up_logging
from edge_assistant.ops.services import Services


def configure(parser: argparse.ArgumentParser) -> None:
    """Add nothing."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    faulthandler.enable()
    set_up_logging(debug=args.debug)
    config, paths = load_config(args.config), load_paths()
    if asyncio.run(run_daemon(config, paths, Terminal(), lambda: load_config(args.config))):
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves, as we were started
    return 0


class Terminal:
    """Greets the person at the terminal; a journal or a file never gets a secret."""

    def recovery_code(self, code: str) -> None:
        """Show the code."""
        if sys.stdout.isatty():
            show_recovery_code(code, sys.stdout)

    async def started(self, services: Services) -> None:
        """Show where the chat is."""
        if sys.stdout.isatty() and services.url:
            print(f"\nOpen the chat: {await services.link()}", flush=True)
            print("The link works once, for ten minutes. Ctrl+C stops the assistant.\n", flush=True)
