"""`say`: try the speaker."""

from __future__ import annotations

import argparse
import asyncio
import sys

from edge_assistant.cli.speech import own_speech, voiced_daemon
from edge_assistant.config import load_config
from edge_assistant.frontends.voice.setup import say


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("text", metavar="TEXT", help="what to say; - reads it from standard input")


def run(args: argparse.Namespace) -> int:
    """Say it and return when it was heard."""
    text = sys.stdin.read() if args.text == "-" else args.text
    with voiced_daemon() as daemon:
        if daemon is not None:
            daemon.order(type="say", text=text)
            return 0
    asyncio.run(_say(args, text))
    return 0


async def _say(args: argparse.Namespace, text: str) -> None:
    async with own_speech(args) as speech:
        await say(speech, text, load_config(args.config).assistant.language)
