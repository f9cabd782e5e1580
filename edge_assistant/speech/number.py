"""English numbers as words, where an engine would read the digits wrongly: years, ordinals, fractions.

Plain numbers stay digits: espeak-ng, which also feeds Piper, reads those in each of its languages.
"""

from __future__ import annotations

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_FRACTIONS = {2: "half", 4: "quarter"}


def number(value: int) -> str:
    """Return 0 to 999,999 in words."""
    if value < 20:  # noqa: PLR2004 - English counts by itself up to here
        return _ONES[value]
    if value < 100:  # noqa: PLR2004
        tens, ones = divmod(value, 10)
        return f"{_TENS[tens]} {_ONES[ones]}" if ones else _TENS[tens]
    base, name = (1000, "thousand") if value >= 1000 else (100, "hundred")  # noqa: PLR2004
    high, low = divmod(value, base)
    return f"{number(high)} {name} {number(low)}" if low else f"{number(high)} {name}"


def year(value: int) -> str:
    """Return a year from 1100 to 2099 as people say it: 1984, 1900, 1905, 2005, 2026."""
    century, rest = divmod(value, 100)
    if century == 20 and rest < 10:  # noqa: PLR2004 - two thousand five, but twenty ten
        return number(value)
    if not rest:
        return f"{number(century)} hundred"
    return f"{number(century)} {number(rest) if rest >= 10 else f'oh {number(rest)}'}"  # noqa: PLR2004


def ordinal(value: int) -> str:
    """Return 1 as first, 22 as twenty second."""
    *front, last = number(value).split()
    last = f"{last[:-1]}ieth" if last.endswith("y") else _ORDINALS.get(last, f"{last}th")
    return " ".join([*front, last])


def fraction(over: int, under: int) -> str:
    """Return 1, 2 as one half and 3, 4 as three quarters; `under` is 2 to 20."""
    name = _FRACTIONS.get(under, ordinal(under))
    if over == 1:
        return f"one {name}"
    return f"{number(over)} {'halves' if under == 2 else f'{name}s'}"  # noqa: PLR2004
