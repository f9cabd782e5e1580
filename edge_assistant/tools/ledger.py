"""A ledger for devices and tests that keep none: actions are named in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger(__name__)


class LogLedger:
    """Names each action in the log, which anybody who may write there can change."""

    async def record(self, event: str, principal: str, details: Mapping[str, Any]) -> None:
        """Log one entry."""
        logger.info("%s by %s: %s", event, principal, dict(details))
