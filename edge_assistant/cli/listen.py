"""`listen`: try the microphone, with a level meter."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from edge_assistant.cli.connection import Connection
from edge_assistant.cli.speech import own_speech, voiced_daemon
from edge_assistant.cli.terminal import Hint, printable
from edge_assistant.errors import EdgeError
from edge_assistant.frontends.voice.setup import overhear

Message = dict[str, Any]

_METER_CELLS = 30
_QUIETEST_DB = -60.0
_UTTERANCE = "listen"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--once", action="store_true", help="print the next thing that is said, and end")
    parser.add_argument("--devices", action="store_true", help="list microphones and speakers, and end")


def run(args: argparse.Namespace) -> int:
    """Show what is heard until Ctrl+C; with --once exit code 1 when nothing was understood."""
    if args.devices:
        return _list_devices()
    screen = _Screen(once=args.once)
    with voiced_daemon() as daemon:
        if daemon is not None:
            for message in _events_of(daemon, once=args.once):
                screen.show(message)
        else:
            asyncio.run(_listen(args, screen))
    return 0 if screen.understood or not args.once else 1


def _events_of(daemon: Connection, *, once: bool) -> Iterator[Message]:
    daemon.send(type="overhear", once=once)
    while True:
        message = daemon.receive()
        yield message
        if once and message["type"] == "listening.ended" and message["utterance"].startswith("overheard"):
            return


async def _listen(args: argparse.Namespace, screen: _Screen) -> None:
    async with own_speech(args) as speech:
        events: AsyncIterator[Any] = overhear(speech, _UTTERANCE if args.once else "")
        async for event in events:
            screen.show(msgspec.to_builtins(event))


class _Screen:
    """A level meter on stderr, and what was understood on stdout."""

    def __init__(self, *, once: bool) -> None:
        self._hint = Hint()
        self._once = once
        self._partial = ""
        self.understood = False

    def show(self, message: Message) -> None:
        """Show one event; raises `EdgeError` when listening failed."""
        match message:
            case {"type": "level", "rms_db": rms, "peak_db": peak}:
                self._hint.show(f"{meter(rms)} {peak:6.1f} dB  {self._partial[-60:]}")
            case {"type": "transcript.partial", "text": text}:
                self._partial = printable(text)
            case {"type": "transcript.final", "text": text}:
                self._print(printable(text))
                self.understood = True
            case {"type": "wake", "word": word, "score": score}:
                self._print(f"wake word {word} ({score:.2f})")
            case {"type": "wake.near", "word": word, "score": score}:
                self._print(f"nearly the wake word {word} ({score:.2f})")
            case {"type": "listening.ended", "outcome": "failed", "code": code, "message": reason}:
                self._hint.clear()
                raise EdgeError(code, reason)
            case _:
                return

    def _print(self, line: str) -> None:
        self._hint.clear()
        self._partial = ""
        print(line, flush=True)


def meter(rms_db: float) -> str:
    """Return a bar for a loudness in dB below full scale."""
    share = (max(rms_db, _QUIETEST_DB) - _QUIETEST_DB) / -_QUIETEST_DB
    filled = round(share * _METER_CELLS)
    return "█" * filled + "░" * (_METER_CELLS - filled)


def _list_devices() -> int:
    from edge_assistant.speech.devices import list_devices, open_library

    library = open_library()
    try:
        for device in list_devices(library):
            roles = " and ".join(
                word for word, count in (("microphone", device.inputs), ("speaker", device.outputs)) if count
            )
            print(f"{device.index:3}  {printable(device.name)}  ({roles}, {device.default_rate_hz} Hz)")
    finally:
        library.terminate()
    if sys.stdout.isatty():
        print("\nName one in voice.input or voice.output, by number or part of its name.", file=sys.stderr)
    return 0
