"""`pair`: let a browser in."""

from __future__ import annotations

import argparse

from edge_assistant.cli.connection import connected_to_daemon


def configure(parser: argparse.ArgumentParser) -> None:
    """Add nothing."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Print a sign-in link of the running daemon; it works once, for ten minutes."""
    del args
    with connected_to_daemon() as connection:
        print(connection.order(type="link")["url"])
    return 0
