"""Value and command templates of devices, in a sandbox that is bounded by construction.

A template comes from anybody who may publish on the broker, so nothing in it may take long or grow:
no nested loops, no macros, no powers, no methods but harmless ones, and every intermediate text,
list and number has a largest size. What breaks a rule is refused when it is compiled or used.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from edge_assistant.errors import EdgeError

LONGEST_TEMPLATE = 4_096
LONGEST_TEXT = 16_384
"""Characters or items of any value in between."""

MOST_ITEMS = 100
"""Rounds of a loop."""

LARGEST_NUMBER = 10**18
KEPT = 2_000
"""Compiled templates; devices of one maker share theirs."""

_METHODS = frozenset(
    (
        "capitalize",
        "count",
        "endswith",
        "find",
        "get",
        "index",
        "items",
        "keys",
        "lower",
        "lstrip",
        "removeprefix",
        "removesuffix",
        "rstrip",
        "split",
        "startswith",
        "strip",
        "title",
        "upper",
        "values",
    )
)
_FIELD = re.compile(r"\s*\{\{-?\s*value_json(?:\.(\w+)|\[\s*['\"]([^'\"\\]+)['\"]\s*\])\s*-?\}\}\s*")
"""What most templates are: one field of the message."""


class TemplateError(EdgeError):
    """A template that can't be used, or not with this value."""

    def __init__(self, message: str) -> None:
        super().__init__("TEMPLATE_BAD", message)


class Templates:
    """Renders templates; the library is imported by the first that is more than one field."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._environment: Any = None

    def value(self, template: str, payload: bytes) -> str:
        """Return what `template` makes of a message; raises `TemplateError`."""
        text = payload.decode("utf-8", "replace")
        if not template:
            return text.strip()
        if field := _FIELD.fullmatch(template):
            return _field(payload, field[1] or field[2])
        return self.render(template, value=text, value_json=_json(payload))

    def render(self, template: str, **variables: Any) -> str:
        """Return a template filled in; raises `TemplateError`."""
        compiled = self._compiled(template)
        try:
            return str(_bounded(str(compiled.render(variables)))).strip()
        except TemplateError:
            raise
        except (Exception, RecursionError, MemoryError) as error:  # noqa: BLE001 - it comes from outside
            raise TemplateError(f"a template failed: {type(error).__name__}") from None

    def _compiled(self, template: str) -> Any:
        if template in self._kept:
            self._kept.move_to_end(template)
            return self._kept[template]
        if len(template) > LONGEST_TEMPLATE:
            raise TemplateError(f"a template of {len(template)} characters")
        if self._environment is None:
            self._environment = _environment()
        try:
            compiled = self._environment.from_string(template)
        except TemplateError:
            raise
        except (Exception, RecursionError, MemoryError) as error:  # noqa: BLE001 - it comes from outside
            raise TemplateError(f"a template that can't be read: {type(error).__name__}") from None
        self._kept[template] = compiled
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return compiled


def _field(payload: bytes, name: str) -> str:
    found = _json(payload)
    if not isinstance(found, dict) or name not in found:
        raise TemplateError("the message lacks that field")
    return _shown(found[name])


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _json(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def _bounded(value: Any) -> Any:
    if isinstance(value, (str, bytes, list, tuple, dict)) and len(value) > LONGEST_TEXT:
        raise TemplateError("a template makes too much of its message")
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        raise TemplateError("a template makes too large a number")
    return value


def _loop(items: Iterable[Any]) -> list[Any]:
    taken: list[Any] = []
    for item in items:
        if len(taken) == MOST_ITEMS:
            raise TemplateError("a template loops too often")
        taken.append(item)
    return taken


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > MOST_ITEMS:
        raise TemplateError("a template loops too often")
    return numbers


def _environment() -> Any:
    from jinja2 import nodes
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    refused = (
        nodes.Macro,
        nodes.CallBlock,
        nodes.Import,
        nodes.FromImport,
        nodes.Include,
        nodes.Extends,
        nodes.Block,
        nodes.Pow,
        nodes.FilterBlock,
        nodes.With,
        nodes.AssignBlock,
    )

    class Bounded(ImmutableSandboxedEnvironment):
        """Jinja2's sandbox with a largest size for everything."""

        intercepted_binops = frozenset(("+", "*", "%", "-", "/", "//"))

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator in {"*", "%"} and not all(isinstance(each, (int, float)) for each in (left, right)):
                raise SecurityError("only numbers")
            return _bounded(super().call_binop(context, operator, _bounded(left), _bounded(right)))

        def is_safe_callable(self, obj: Any) -> bool:
            if obj is _range:
                return True
            owner = getattr(obj, "__self__", None)
            plain = isinstance(owner, (str, dict, list, tuple))
            return plain and getattr(obj, "__name__", "") in _METHODS

        def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
            tree = super()._parse(source, name, filename)
            if next(tree.find_all(refused), None) is not None:
                raise TemplateError("a template uses what is not allowed")
            for loop in tree.find_all(nodes.For):
                if loop.recursive or next(_inner(loop, nodes.For), None) is not None:
                    raise TemplateError("a template loops within a loop")
                loop.iter = nodes.Filter(loop.iter, "loop_over", [], [], None, None)
            for parent in [tree, *tree.find_all(nodes.Node)]:
                _replace_concat(parent, nodes)
            tree.set_lineno(1)
            tree.set_environment(self)
            return tree

    environment = Bounded(autoescape=False, cache_size=0)
    environment.globals = {"range": _range, "float": _float, "int": _int}
    environment.is_async = False
    kept = {
        name: environment.filters[name]
        for name in ("default", "d", "first", "last", "length", "trim", "tojson")
    }
    environment.filters = {**kept, **_FILTERS, "loop_over": _loop, "concat": _concat}
    return environment


def _inner(node: Any, kind: Any) -> Iterator[Any]:
    for child in node.iter_child_nodes():
        if isinstance(child, kind):
            yield child
        yield from _inner(child, kind)


def _replace_concat(parent: Any, nodes: Any) -> None:
    """Let `a ~ b` be checked like every other operation."""
    for name, value in parent.iter_fields():
        if isinstance(value, nodes.Concat):
            joined = nodes.Filter(nodes.List(value.nodes), "concat", [], [], None, None)
            setattr(parent, name, joined)
        elif isinstance(value, list):
            for place, item in enumerate(value):
                if isinstance(item, nodes.Concat):
                    value[place] = nodes.Filter(nodes.List(item.nodes), "concat", [], [], None, None)


def _concat(parts: Iterable[Any]) -> str:
    return str(_bounded("".join(_shown(_bounded(part)) for part in parts)))


_NO_DEFAULT = object()


def _float(value: Any, default: Any = _NO_DEFAULT) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        if default is _NO_DEFAULT:
            raise
        return default


def _int(value: Any, default: Any = _NO_DEFAULT) -> Any:
    try:
        return _bounded(int(float(value)))
    except (TypeError, ValueError, OverflowError):
        if default is _NO_DEFAULT:
            raise
        return default


def _round(value: Any, precision: int = 0, method: str = "common") -> Any:
    import math

    number, precision = float(value), max(-9, min(9, int(precision)))
    rounded = {"ceil": math.ceil, "floor": math.floor}.get(method)
    found = rounded(number * 10**precision) / 10**precision if rounded else round(number, precision)
    return int(found) if precision <= 0 else found


def _is_defined(value: Any) -> Any:
    if type(value).__name__ == "Undefined":
        raise TemplateError("the message lacks that field")
    return value


def _iif(value: Any, yes: Any = True, no: Any = False) -> Any:
    return yes if value else no


def _text(change: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: _bounded(change(str(_bounded(value))))


_FILTERS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "bool": bool,
    "capitalize": _text(str.capitalize),
    "float": _float,
    "from_json": lambda value: _json(str(value).encode()),
    "iif": _iif,
    "int": _int,
    "is_defined": _is_defined,
    "lower": _text(str.lower),
    "max": lambda value: max(_loop(value)),
    "min": lambda value: min(_loop(value)),
    "replace": lambda value, old, new: _bounded(_replaced(str(value), str(old), str(new))),
    "round": _round,
    "string": _text(str),
    "title": _text(str.title),
    "to_json": lambda value: msgspec.json.encode(value).decode(),
    "upper": _text(str.upper),
}


def _replaced(value: str, old: str, new: str) -> str:
    if (value.count(old) + 1) * len(new) > LONGEST_TEXT:
        raise TemplateError("a template makes too much of its message")
    return value.replace(old, new)
