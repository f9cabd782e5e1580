"""What of configuration and states may be shared: numbers, switches and names of the program's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from edge_assistant.config import Config

SET = "(set)"
"""What stands in the place of a text of the owner's."""

MOST_ITEMS = 20


def config_lines(config: Config, own: frozenset[str]) -> list[str]:
    """Return a line for each key that is not as by default; texts of the owner's are not shown."""
    defaults = Config()
    return [
        f"{section}{line}"
        for section in Config.__struct_fields__
        for line in _changed(getattr(config, section), getattr(defaults, section), own)
    ]


def _changed(section: Any, default: Any, own: frozenset[str]) -> Iterator[str]:
    if not isinstance(section, msgspec.Struct):  # a table whose names are the owner's
        if section != default:
            yield f" = {_value(section, own)}"
        return
    info = inspect.type_info(type(section))
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        value, usual = getattr(section, field.name), getattr(default, field.name)
        if value != usual:
            yield f".{field.name} = {_value(value, own | _choices(field.type))} (default {_usual(usual)})"


def _choices(kind: inspect.Type) -> frozenset[str]:
    """Return the words that a key may only be one of, or a list of."""
    if isinstance(kind, inspect.Metadata):
        return _choices(kind.type)
    if isinstance(kind, inspect.VarTupleType):
        return _choices(kind.item_type)
    return frozenset(map(str, kind.values)) if isinstance(kind, inspect.LiteralType) else frozenset()


def _usual(value: Any) -> str:
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()


def _value(value: Any, own: frozenset[str]) -> str:
    if isinstance(value, bool | int | float) or value is None:
        return msgspec.json.encode(value).decode()
    if isinstance(value, str):
        return value if value in own else SET if value else '""'
    items = tuple(value)
    if all(isinstance(each, str) and each in own for each in items):
        return ", ".join(items) or "none"
    return f"({len(items)} entries)"


def state_lines(state: Any, own: frozenset[str], name: str = "") -> Iterator[str]:
    """Yield a line for each field of a struct and those in it, as `model.phase = ready`."""
    if isinstance(state, msgspec.Struct):
        for field in state.__struct_fields__:
            yield from state_lines(getattr(state, field), own, f"{name}.{field}".lstrip("."))
    elif isinstance(state, list | tuple) and any(isinstance(each, msgspec.Struct) for each in state):
        for number, each in enumerate(state[:MOST_ITEMS]):
            yield from state_lines(each, own, f"{name}[{number}]")
    elif isinstance(state, Mapping):
        yield f"{name} = ({len(state)} entries)"
    else:
        yield f"{name} = {_value(state, own)}"
