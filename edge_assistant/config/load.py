"""Read the configuration: a file, then the environment over it, then checks that name the key."""

from __future__ import annotations

import logging
import os
import re
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec

from edge_assistant.config.check import check_keys, check_meaning
from edge_assistant.config.environment import overrides, value_of
from edge_assistant.config.paths import home, load_paths
from edge_assistant.config.saved import read_saved, with_choices
from edge_assistant.config.schema import PATTERNS, Config
from edge_assistant.errors import ConfigError

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 1_000_000
_PATH_IN_ERROR = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`$")


def load_config(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration of `path`, else of the first file found, else the defaults.

    Over it lie the choices that were saved on the page (see `config.saved`), over those the variables
    `EDGE_ASSISTANT__SECTION__KEY`. Raises `ConfigError`: CONFIG_UNREADABLE, CONFIG_UNKNOWN_KEY,
    CONFIG_BAD_VALUE, CONFIG_SECRET_IN_FILE or CONFIG_NOT_AVAILABLE.
    """
    file = find_config(path, environ)
    raw = _read(file) if file else {}
    check_keys(raw, str(file))
    saved = read_saved(load_paths(environ).settings)
    raw = with_choices(raw, saved.choices, lambda chosen: _finished(chosen, environ))
    config = _finished(raw, environ)
    logger.info("configuration from %s", file or "built-in defaults")
    return config


def changed_config(config: Config, choices: Mapping[str, str]) -> Config:
    """Return `config` with other values for keys such as `assistant.name`; raises `ConfigError`."""
    raw = msgspec.to_builtins(config)
    for key, value in choices.items():
        keys = tuple(key.split("."))
        _set(raw, keys, value_of(keys, value))
    return _checked(raw)


def locked_keys(environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Return the keys that the environment sets, which nothing saved can change."""
    return frozenset(".".join(keys) for _, keys, _ in overrides(environ))


def _finished(raw: dict[str, Any], environ: Mapping[str, str]) -> Config:
    raw = deepcopy(raw)
    for variable, keys, value in overrides(environ):
        check_keys(_nested(keys, value), variable)
        _check_text(".".join(keys), environ[variable])
        _set(raw, keys, value)
    return _checked(raw)


def _check_text(key: str, text: str) -> None:
    """Refuse what a shell passed on as bytes that are no text."""
    try:
        text.encode()
    except UnicodeError:
        raise ConfigError("CONFIG_BAD_VALUE", f"{key}: not valid UTF-8 text") from None


def _checked(raw: dict[str, Any]) -> Config:
    config = _convert(raw)
    check_meaning(config)
    return config


def find_config(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file that `load_config` reads, or None for the defaults.

    A file that somebody named is returned whether it is there or not: reading it must then fail.
    """
    if path is not None:
        return path
    if named := environ.get("EDGE_ASSISTANT_CONFIG"):
        return Path(named).expanduser()
    places = (Path("/etc/edge-assistant/config.toml"), home(environ) / ".config/edge-assistant/config.toml")
    return next((place for place in places if os.path.lexists(place)), None)


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ConfigError("CONFIG_UNREADABLE", f"{file} is larger than 1 MB: is it a configuration?")
        return tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise ConfigError("CONFIG_UNREADABLE", f"can't read {file}: {error.strerror or error}") from None
    except UnicodeError:
        raise ConfigError("CONFIG_UNREADABLE", f"{file} is not UTF-8 text") from None
    except RecursionError:
        raise ConfigError("CONFIG_UNREADABLE", f"{file} is nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("CONFIG_UNREADABLE", f"{file} is not valid TOML: {error}") from None


def _convert(raw: dict[str, Any]) -> Config:
    try:
        return msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None


def _explain(text: str) -> ConfigError:
    found = _PATH_IN_ERROR.search(text)
    key = found.group(1) if found else "configuration"
    what = _PATH_IN_ERROR.sub("", text).replace("`object`", "a table")
    if pattern := next((pattern for pattern in PATTERNS if repr(pattern) in what), None):
        what = f"expected {PATTERNS[pattern]}"
    return ConfigError("CONFIG_BAD_VALUE", f"{key}: {what}; see docs/configuration.md")


def _nested(keys: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def _set(raw: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    table = raw
    for key in keys[:-1]:
        below = table.setdefault(key, {})
        if not isinstance(below, dict):
            return  # the file's value is no table: conversion says so
        table = below
    table[keys[-1]] = value
