"""Sums and units: evaluated by libraries, never by a model, and never as a program."""

from __future__ import annotations

import ast
import asyncio
import math
import operator
import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

import msgspec

from edge_assistant.errors import UsageError
from edge_assistant.tools.protocol import Effect, Occasion, Outcome

LONGEST = 200
LARGEST_POWER = 1_000
"""Base and exponent: 1000 ** 1000 has 3,001 digits, which takes microseconds."""

MOST_DIGITS = 40
SIGNIFICANT = 10
"""Digits of a result that is no whole number."""

_UNIT = r"^[A-Za-zµ°/*^ ._23-]{1,40}\Z"
"""Letters and a power of 2 or 3: the library's own parser evaluates more than that."""

_PERCENT_OF = re.compile(r"%\s*(of|von)\b", re.IGNORECASE)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%(?!\s*\d)")
_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "\0"})

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "ceil": math.ceil, "cos": math.cos, "exp": math.exp, "floor": math.floor, "ln": math.log,
    "log": math.log10, "max": max, "min": min, "round": round, "sin": math.sin, "sqrt": math.sqrt,
    "tan": math.tan,
}  # fmt: skip


class Expression(msgspec.Struct, frozen=True):
    """What is to be computed."""

    expression: Annotated[
        str, msgspec.Meta(min_length=1, max_length=LONGEST, description="such as (3+4)*5.5")
    ]


class Conversion(msgspec.Struct, frozen=True):
    """What is to be converted."""

    value: float
    source: Annotated[str, msgspec.Meta(pattern=_UNIT, description="unit that it is in, such as miles")]
    target: Annotated[str, msgspec.Meta(pattern=_UNIT, description="unit that is wanted, such as km")]


class Calculate:
    """Sums."""

    name = "calculate"
    description = "Compute a sum exactly."
    arguments = Expression

    def effect(self, arguments: Expression, occasion: Occasion) -> Effect:
        """Say that it changes nothing."""
        del occasion
        return Effect(summary=f"compute {arguments.expression}")

    async def run(self, arguments: Expression, occasion: Occasion) -> Outcome:
        """Return the result; raises CALCULATION_BAD."""
        del occasion
        return Outcome(text=f"{arguments.expression} = {shown(calculate(arguments.expression))}")


class Convert:
    """Units."""

    name = "convert"
    description = "Convert a value from one unit to another."
    arguments = Conversion

    def effect(self, arguments: Conversion, occasion: Occasion) -> Effect:
        """Say that it changes nothing."""
        del occasion
        return Effect(summary=f"convert {arguments.source} to {arguments.target}")

    async def run(self, arguments: Conversion, occasion: Occasion) -> Outcome:
        """Return the result; raises UNIT_UNKNOWN."""
        del occasion
        value = await asyncio.to_thread(convert, arguments.value, arguments.source, arguments.target)
        source, target = arguments.source.strip(), arguments.target.strip()
        return Outcome(text=f"{shown(arguments.value)} {source} = {shown(value)} {target}")


def calculate(expression: str) -> float:
    """Return the value of a sum as people write it: `15 % of 80`, `2^10`; raises CALCULATION_BAD."""
    import simpleeval  # only who computes pays for it

    text = expression[:LONGEST].translate(_SIGNS).replace("\0", "**")
    text = _PERCENT.sub(r"(\1/100)", _PERCENT_OF.sub("/100*", text)).strip().rstrip("=?")
    operators = {
        **simpleeval.DEFAULT_OPERATORS, ast.Pow: _power, ast.Mult: _multiply,
    }  # fmt: skip
    for refused in (ast.LShift, ast.RShift, ast.BitAnd, ast.BitOr, ast.BitXor, ast.In, ast.NotIn):
        operators.pop(refused, None)
    evaluator = simpleeval.SimpleEval(
        operators=operators, functions=_FUNCTIONS, names={"pi": math.pi, "e": math.e}
    )
    try:
        value = evaluator.eval(text.strip())
    except ZeroDivisionError:
        raise UsageError("CALCULATION_BAD", "that divides by zero") from None
    except (Exception, RecursionError):  # noqa: BLE001 - whatever a text from outside does to a parser
        raise UsageError("CALCULATION_BAD", "I can't compute that") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _small(value):
        raise UsageError("CALCULATION_BAD", "that has no result, or one that is too large")
    return value


def convert(value: float, source: str, target: str) -> float:
    """Return `value` in another unit; raises UNIT_UNKNOWN. Slow the first time: 0.2 s, 16 MB."""
    registry = _units()
    try:
        result = registry.Quantity(value, registry.parse_units(_unit(source))).to(
            registry.parse_units(_unit(target))
        )
    except Exception:  # noqa: BLE001 - whatever a text from outside does to a parser
        message = f"I can't convert {source.strip()} to {target.strip()}"
        raise UsageError("UNIT_UNKNOWN", message) from None
    return float(result.magnitude)


def shown(value: float) -> str:
    """Return a number as people read it."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 10**15):
        return str(int(value))
    return f"{value:.{SIGNIFICANT}g}"


def _small(value: float) -> bool:
    return abs(value) < 10**MOST_DIGITS if isinstance(value, int) else math.isfinite(value)


def _power(base: float, exponent: float) -> Any:
    if abs(base) > LARGEST_POWER**4 or abs(exponent) > LARGEST_POWER:
        return float(base) ** float(exponent)  # overflows instead of filling the memory
    return operator.pow(base, exponent)


def _multiply(one: Any, other: Any) -> Any:
    if not (isinstance(one, (int, float)) and isinstance(other, (int, float))):
        raise TypeError  # a text times a number is a long text
    return one * other


_NAMES = {"°c": "degC", "c": "degC", "celsius": "degC", "°f": "degF", "f": "degF", "fahrenheit": "degF",
          "fl oz": "fluid_ounce", "l": "liter", "kelvin": "kelvin"}  # fmt: skip


def _unit(text: str) -> str:
    if not re.fullmatch(_UNIT, text):
        raise ValueError(text)
    name = " ".join(text.casefold().removeprefix("degrees ").removeprefix("degree ").split())
    if name in _NAMES:
        return _NAMES[name]
    words = text.strip().replace(" per ", "/").replace("square ", "square_").replace("cubic ", "cubic_")
    return words.replace(" ", "_")


@cache
def _units() -> Any:
    import pint  # 14 MB and 0.1 s: only who converts pays for it

    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
