"""Single keys from the environment: `EDGE_ASSISTANT__LLM__CONTEXT=2048`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from edge_assistant.config.schema import Config, Persona

PREFIX = "EDGE_ASSISTANT__"

_SWITCH = {"true": True, "yes": True, "on": True, "1": True}
_SWITCH |= {"false": False, "no": False, "off": False, "0": False}


def overrides(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Yield (variable, keys, value) for each override, in a stable order.

    Values of text keys are taken as they are; others are read as JSON (`2048`, `true`, `["a", "b"]`),
    switches also as on/off, yes/no, 1/0. What can't be read stays text, which the type check refuses.
    """
    for variable in sorted(environ):
        if variable.startswith(PREFIX):
            keys = tuple(variable.removeprefix(PREFIX).lower().split("__"))
            yield variable, keys, _value(_type_of(keys), environ[variable])


def value_of(keys: tuple[str, ...], text: str) -> Any:
    """Return what `text` means for a key."""
    return _value(_type_of(keys), text)


def _value(kind: inspect.Type | None, text: str) -> Any:
    if isinstance(kind, inspect.StrType | inspect.LiteralType):
        return text
    word = text.strip().lower()
    if isinstance(kind, inspect.BoolType):
        return _SWITCH.get(word, text)
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


def _type_of(keys: tuple[str, ...]) -> inspect.Type | None:
    """Return the type of a key, or None when there is no such key."""
    if len(keys) == 3 and keys[0] == "personas":  # noqa: PLR2004 - personas.NAME.KEY
        return _fields(Persona).get(keys[2])
    if len(keys) == 2:  # noqa: PLR2004 - SECTION.KEY
        section = _fields(Config).get(keys[0])
        return _fields(section.cls).get(keys[1]) if isinstance(section, inspect.StructType) else None
    return None


def _fields(struct: type) -> dict[str, inspect.Type]:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return {field.name: _plain(field.type) for field in info.fields}


def _plain(kind: inspect.Type) -> inspect.Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind
