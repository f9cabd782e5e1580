"""Choices that the owner made on the page. They win over the file; the environment wins over them.

They lie in the state folder, as the configuration itself may be read-only or shared by many devices.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec

from edge_assistant.config.environment import value_of
from edge_assistant.errors import ConfigError

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 100_000

CHOICES = (
    "assistant.name",
    "assistant.language",
    "assistant.persona",
    "assistant.instructions",
    "llm.model",
    "voice.volume",
    "voice.wake_threshold",
    "voice.quiet",
)
"""Keys that can be chosen on the page or over MQTT; numbers and switches as text."""

OPERATED = (
    *CHOICES,
    "llm.remote_model",
    "llm.context",
    "llm.max_tokens",
    "llm.temperature",
    "llm.parallel",
    "update.url",
    "update.automatic",
)
"""Keys that the operator of a fleet can set; the page's and some that take effect at once as well."""

Raw = dict[str, Any]


class Saved(msgspec.Struct, frozen=True):
    """What is kept of the page's settings."""

    set_up: bool = False
    """Whether the first-run wizard was finished or put away."""
    choices: dict[str, str] = {}
    """Values by key; one that nobody chose is not there."""


def read_saved(path: Path) -> Saved:
    """Return what was saved; nothing when there is no such file, or none that can be read.

    A damaged file must not keep the device from starting: it costs choices, which are quickly made again.
    """
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(MAX_FILE_BYTES), type=Saved)
    except FileNotFoundError:
        return Saved()
    except (OSError, msgspec.DecodeError, UnicodeError, RecursionError) as error:
        logger.warning("the settings in %s can't be read (%s): going on without", path, type(error).__name__)
        return Saved()


def with_choices(raw: Raw, choices: dict[str, str], check: Callable[[Raw], object]) -> Raw:
    """Return `raw` with the choices over it.

    One that no longer fits, such as a persona that has left the configuration, is left out with a
    warning. `check` raises `ConfigError`; what is wrong in `raw` itself is for others to say.
    """
    for key in OPERATED:
        if key not in choices:
            continue
        chosen = deepcopy(raw)
        section, _, name = key.partition(".")
        chosen.setdefault(section, {})
        if not isinstance(chosen[section], dict):
            return raw
        chosen[section][name] = value_of((section, name), choices[key])
        try:
            check(chosen)
        except ConfigError as error:
            logger.warning("the saved %s does not fit any more: %s", key, error.code)
        else:
            raw = chosen
    return raw
