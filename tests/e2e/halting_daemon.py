"""A daemon that stands still at one point of a command to the house, so that it can be killed just there.

`HALT` is `before` or `after`: around the message to the device. The file `HALTED` tells that it stands.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from edge_assistant.cli import main
from edge_assistant.mqtt.connection import Connection

publish = Connection.publish


async def halting(self, message):
    """Publish as ever, but stand still around what a device is told."""
    to_device = message.topic.startswith("house/")
    if to_device and os.environ["HALT"] == "before":
        await stand()
    await publish(self, message)
    if to_device and os.environ["HALT"] == "after":
        await stand()


async def stand():
    Path(os.environ["HALTED"]).touch()
    await asyncio.Event().wait()


if __name__ == "__main__":
    Connection.publish = halting
    sys.exit(main(["run"]))
