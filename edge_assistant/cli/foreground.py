"""An assistant without a web page that lives as long as one command, in a thread of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from edge_assistant.app import Shutdown, serve
from edge_assistant.cli.terminal import show_recovery_code
from edge_assistant.config import Config, Paths, load_config, load_paths
from edge_assistant.ops.logs import set_up_logging
from edge_assistant.ops.services import Services
from edge_assistant.ops.systemd import Notifier


@contextmanager
def foreground(args: argparse.Namespace) -> Iterator[Path]:
    """Start the assistant and yield the path of its control socket; end it afterwards."""
    config, paths = load_config(args.config), load_paths()
    set_up_logging(debug=args.debug)
    if not args.debug:
        logging.getLogger().setLevel(logging.ERROR)
    started: Future[None] = Future()
    stop: Future[tuple[asyncio.AbstractEventLoop, Shutdown]] = Future()
    thread = threading.Thread(target=lambda: _live(config, paths, started, stop), name="foreground assistant")
    thread.start()
    try:
        started.result()
        yield paths.control_socket
    finally:
        loop, shutdown = stop.result()
        _ask(loop, shutdown)
        _join(thread, loop, shutdown)


class _Greeter:
    """Tells the waiting thread; the recovery code goes to a terminal only."""

    def __init__(self, started: Future[None]) -> None:
        self._started = started

    def recovery_code(self, code: str) -> None:
        if sys.stderr.isatty():
            show_recovery_code(code, sys.stderr)

    async def started(self, services: Services) -> None:
        del services
        self._started.set_result(None)


def _live(
    config: Config,
    paths: Paths,
    started: Future[None],
    stop: Future[tuple[asyncio.AbstractEventLoop, Shutdown]],
) -> None:
    async def live() -> None:
        shutdown = Shutdown()
        stop.set_result((asyncio.get_running_loop(), shutdown))
        await serve(config, paths, _Greeter(started), shutdown, Notifier({}), daemon=False)

    try:
        asyncio.run(live())
    except BaseException as error:  # noqa: BLE001 - it belongs to the thread that waits
        if started.done():
            logging.getLogger(__name__).error("the assistant failed: %s", type(error).__name__)  # noqa: TRY400
        else:
            started.set_exception(error)


def _ask(loop: asyncio.AbstractEventLoop, shutdown: Shutdown) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed already
        loop.call_soon_threadsafe(shutdown.ask)


def _join(thread: threading.Thread, loop: asyncio.AbstractEventLoop, shutdown: Shutdown) -> None:
    """Wait for the end; Ctrl+C meanwhile makes it hurry."""
    while thread.is_alive():
        try:
            thread.join()
        except KeyboardInterrupt:
            _ask(loop, shutdown)
