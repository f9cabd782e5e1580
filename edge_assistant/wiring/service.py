"""The daemon as a service of systemd: its line of status, and its configuration read again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from edge_assistant.config import Config
from edge_assistant.errors import EdgeError
from edge_assistant.ops.services import Services
from edge_assistant.ops.systemd import Notifier

logger = logging.getLogger(__name__)


def status_line(services: Services) -> str:
    """Return how the daemon is, in one line without anything of anybody."""
    where = f"serving at {services.url}" if services.url else "serving the control socket"
    model = services.model.status
    told = "".join(f"; {notice.message}" for notice in services.notices.shown)
    return f"{where}; model {model.name} {model.phase}{told}"


async def reload_when_asked(
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
