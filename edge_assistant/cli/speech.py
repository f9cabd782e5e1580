"""Ears and mouth for a command: the running daemon's, else a worker that lives as long as the command."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from edge_assistant.cli.connection import Connection, connect
from edge_assistant.config import load_config, load_paths
from edge_assistant.errors import SpeechError
from edge_assistant.ops.logs import set_up_logging
from edge_assistant.speech.client import SpeechClient
from edge_assistant.speech.settings import speech_settings
from edge_assistant.speech.wire import Event, Failed, Ready


@contextmanager
def voiced_daemon() -> Iterator[Connection | None]:
    """Connect to the running daemon if it has a voice: microphone and speaker are then its own."""
    connection = connect(load_paths().control_socket)
    try:
        voiced = connection is not None and connection.order(type="status")["voice"] is not None
        yield connection if voiced else None
    finally:
        if connection is not None:
            connection.close()


@asynccontextmanager
async def own_speech(args: argparse.Namespace) -> AsyncIterator[SpeechClient]:
    """Run a worker with the configured devices and engines."""
    set_up_logging(debug=args.debug)
    if not args.debug:
        logging.getLogger().setLevel(logging.ERROR)
    speech = SpeechClient(speech_settings(load_config(args.config), load_paths().models))
    ready: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

    def take(event: Event) -> None:
        if isinstance(event, Ready | Failed) and not ready.done():
            ready.set_result(event)

    unsubscribe = speech.subscribe(take)
    await speech.start()
    try:
        event = await ready
        unsubscribe()
        if isinstance(event, Failed):
            raise SpeechError(event.code, event.message)
        yield speech
    finally:
        await speech.stop()
