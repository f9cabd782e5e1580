"""The daemon as a service of systemd: its line of status, and its configuration read again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from edge_assistant.config import Config
from edge_assistant.errors import EdgeError
from edge_assistant.ops.services import Services
from edge_assistant.ops.systemd import Notifier
from edge_assistant.wiring.tasks import beside
from edge_assistant.workers.supervisor import attended

logger = logging.getLogger(__name__)


def status_line(services: Services) -> str:
    """Return how the daemon is, in one line without anything of anybody."""
    where = f"serving at {services.url}" if services.url else "serving the control socket"
    model = services.model.status
    told = "".join(f"; {notice.message}" for notice in services.notices.shown)
    return f"{where}; model {model.name} {model.phase}{told}"


async def tell_systemd(
    stack: AsyncExitStack,
    notifier: Notifier,
    services: Services,
    reload: asyncio.Event,
    read_again: Callable[[], Config] | None,
) -> None:
    """Feed the watchdog, keep the line of status true, read the configuration again when asked to."""
    feeding = notifier.feed_watchdog(lambda: attended(time.monotonic()))
    await stack.enter_async_context(beside(feeding, "watchdog"))
    telling = notifier.tell_status(lambda: status_line(services))
    await stack.enter_async_context(beside(telling, "status"))
    if read_again is not None:
        reloading = _reload_when_asked(reload, read_again, services, notifier)
        await stack.enter_async_context(beside(reloading, "reload"))


async def _reload_when_asked(
    asked: asyncio.Event, read_again: Callable[[], Config], services: Services, notifier: Notifier
) -> None:
    """Carry out the configuration anew whenever `asked` is set, until cancelled.

    One that can't be used changes nothing and is said in the log.
    """
    while True:
        await asked.wait()
        asked.clear()
        notifier.reloading()
        await _reload(read_again, services)
        notifier.ready(status_line(services))


async def _reload(read_again: Callable[[], Config], services: Services) -> None:
    try:
        config = await asyncio.to_thread(read_again)
        waiting = await services.preferences.reload(config)
    except EdgeError as error:
        logger.error("the configuration can't be used, the old one stays: %s", error)  # noqa: TRY400
        return
    logger.info("the configuration was read again")
    if waiting:
        logger.warning("needs a restart to take effect: %s", ", ".join(waiting))
