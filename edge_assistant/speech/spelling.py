"""Abbreviations, units, money, times and other notation in words, by language."""

from __future__ import annotations

import re
from collections.abc import Callable

from edge_assistant.speech.number import fraction, ordinal, year

_ABBREVIATIONS = {
    "en": {
        "e.g.": "for example", "i.e.": "that is", "etc.": "et cetera", "vs.": "versus", "approx.": "about",
        "Dr.": "Doctor", "Mr.": "Mister", "Mrs.": "Missis", "Ms.": "Miss", "Prof.": "Professor",
        "St.": "Saint", "Jr.": "Junior", "Sr.": "Senior", "a.m.": "A M", "p.m.": "P M", "w/": "with",
        "w/o": "without", "aka": "also known as", "Inc.": "Incorporated", "fig.": "figure",
        "FAQ": "F A Q", "TV": "T V",
    },
    "de": {
        "z.B.": "zum Beispiel", "z. B.": "zum Beispiel", "d.h.": "das heißt", "d. h.": "das heißt",
        "usw.": "und so weiter", "ca.": "circa", "bzw.": "beziehungsweise", "Nr.": "Nummer", "Dr.": "Doktor",
        "Hr.": "Herr", "Fr.": "Frau", "u.a.": "unter anderem", "inkl.": "inklusive",
    },
}  # fmt: skip

_UNITS = {
    "km/h": ("kilometre per hour", "kilometres per hour"), "mph": ("mile per hour", "miles per hour"),
    "m/s": ("metre per second", "metres per second"), "km": ("kilometre", "kilometres"),
    "cm": ("centimetre", "centimetres"), "mm": ("millimetre", "millimetres"), "m": ("metre", "metres"),
    "kg": ("kilogram", "kilograms"), "mg": ("milligram", "milligrams"), "g": ("gram", "grams"),
    "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "oz": ("ounce", "ounces"), "ft": ("foot", "feet"),
    "ml": ("millilitre", "millilitres"), "l": ("litre", "litres"), "L": ("litre", "litres"),
    "kWh": ("kilowatt hour", "kilowatt hours"), "kW": ("kilowatt", "kilowatts"), "W": ("watt", "watts"),
    "V": ("volt", "volts"), "GB": ("gigabyte", "gigabytes"), "MB": ("megabyte", "megabytes"),
    "kB": ("kilobyte", "kilobytes"), "TB": ("terabyte", "terabytes"), "GHz": ("gigahertz", "gigahertz"),
    "MHz": ("megahertz", "megahertz"), "kHz": ("kilohertz", "kilohertz"), "Hz": ("hertz", "hertz"),
    "ms": ("millisecond", "milliseconds"), "min": ("minute", "minutes"), "sec": ("second", "seconds"),
    "s": ("second", "seconds"), "h": ("hour", "hours"), "hr": ("hour", "hours"), "hrs": ("hour", "hours"),
    "°C": ("degree Celsius", "degrees Celsius"), "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("degree", "degrees"), "%": ("percent", "percent"), "m²": ("square metre", "square metres"),
    "km²": ("square kilometre", "square kilometres"), "m³": ("cubic metre", "cubic metres"),
}  # fmt: skip
_MONEY = {
    "$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny"), "¥": ("yen", "sen"),
}  # fmt: skip
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_SYMBOLS = {
    "&": "and", "+": "plus", "=": "equals", "≈": "about", "~": "about", "×": "times", "÷": "divided by",
    "→": "to", "≤": "at most", "≥": "at least", "±": "plus or minus", "@": "at",
}  # fmt: skip

_THOUSANDS = re.compile(r"\b\d{1,3}(?:,\d{3})+\b")
_PRICE = re.compile(r"([$€£¥])\s?(\d+)(?:\.(\d\d))?(?!\.?\d)( (?:thousand|million|billion|trillion)\b)?")
_PRICE_SCALED = re.compile(r"([$€£¥])\s?(\d+\.\d+)( (?:thousand|million|billion|trillion)\b)?")
_ISO_DATE = re.compile(r"\b(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\b")
_TIME = re.compile(r"\b([01]?\d|2[0-4]):([0-5]\d)(?::[0-5]\d)?(?!\d)(?:\s?([AaPp])\.?[Mm]\b\.?)?")
_HOUR = re.compile(r"\b(\d{1,2})\s?([AaPp])\.?[Mm]\b")
_RANGE = re.compile(r"(?<![\w.-])(\d+(?:\.\d+)?)\s?[-–—]\s?(\d+(?:\.\d+)?)(?![\w-])")
_YEAR = re.compile(
    r"\b((?:in|since|until|till|by|of|from|to|year|around|before|after|"
    rf"{'|'.join(_MONTHS)})(?: \d{{1,2}},)?) (1[1-9]\d\d|20\d\d)\b(?![.,]\d)",
    re.IGNORECASE,
)
_ORDINAL = re.compile(r"\b(\d{1,4})(?:st|nd|rd|th)\b")
_FRACTION = re.compile(r"(?<![\w/.])(\d{1,2})/([2-9]|1\d|20)(?![\w/.])")
_UNIT = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_MEASURE = re.compile(rf"(?<![\w.,])(-?)(\d+(?:\.\d+)?)\s?({_UNIT})(?!\w)")
_MINUS = re.compile(r"(?<![\w.-])[-−](?=\d)")
_SYMBOL = re.compile(rf"\s*({'|'.join(map(re.escape, _SYMBOLS))})\s*(?![,;]|\.(?:\s|$))")
_NUMBER_SIGN = re.compile(r"#(?=\d)|\bNo\. ?(?=\d)")


def spell_out(text: str, language: str) -> str:
    """Return `text` with the notation of `language` in words; other languages are left as they are."""
    short = language.split("-", maxsplit=1)[0]
    if short == "en":
        for pattern, words in _ENGLISH:
            text = pattern.sub(words, text)
    return _expand(text, _ABBREVIATIONS.get(short, {}))


def abbreviations(language: str) -> frozenset[str]:
    """Return the abbreviations after whose full stop a sentence goes on."""
    return frozenset(_ABBREVIATIONS.get(language.split("-", maxsplit=1)[0], {}))


def _expand(text: str, table: dict[str, str]) -> str:
    if not table:
        return text
    keys = "|".join(sorted(map(re.escape, table), key=len, reverse=True))
    return re.sub(rf"(?<![\w.])(?:{keys})(?!\w)", lambda found: table[found[0]], text)


def _price(found: re.Match[str]) -> str:
    whole, part = int(found[2]), int(found[3] or 0)
    name, small = _MONEY[found[1]]
    if found[4]:
        return f"{whole}{found[4]} {name}s"
    units = f"{whole} {_plural(name, whole)}"
    if not part:
        return units
    cents = f"{part} {_plural(small, part)}"
    return f"{units} and {cents}" if whole else cents


def _plural(name: str, count: int) -> str:
    if count == 1 or name in {"yen", "sen"}:
        return name
    return "pence" if name == "penny" else f"{name}s"


def _time(found: re.Match[str]) -> str:
    hour, minute, half = int(found[1]), int(found[2]), found[3]
    after = f" {half.upper()} M" if half else ""
    if minute == 0:
        return f"{hour}{after}" if half else f"{hour} o'clock"
    return f"{hour} {f'oh {minute}' if minute < 10 else minute}{after}"  # noqa: PLR2004 - two digits are said


def _date(found: re.Match[str]) -> str:
    return f"{_MONTHS[int(found[2]) - 1]} {ordinal(int(found[3]))}, {_spoken_year(found[1])}"


def _spoken_year(digits: str) -> str:
    value = int(digits)
    return year(value) if 1100 <= value < 2100 else digits  # noqa: PLR2004


def _fraction(found: re.Match[str]) -> str:
    over, under = int(found[1]), int(found[2])
    return fraction(over, under) if 0 < over < under else f"{over} {under}"  # 24/7


def _measure(found: re.Match[str]) -> str:
    one, many = _UNITS[found[3]]
    sign = "minus " if found[1] else ""
    return f"{sign}{found[2]} {one if found[2] == '1' else many}"


_ENGLISH: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (_THOUSANDS, lambda found: found[0].replace(",", "")),
    (_PRICE, _price),
    (_PRICE_SCALED, lambda found: f"{found[2]}{found[3] or ''} {_MONEY[found[1]][0]}s"),
    (_ISO_DATE, _date),
    (_TIME, _time),
    (_HOUR, lambda found: f"{found[1]} {found[2].upper()} M"),
    (_YEAR, lambda found: f"{found[1]} {year(int(found[2]))}"),
    (_RANGE, r"\1 to \2"),
    (_ORDINAL, lambda found: ordinal(int(found[1]))),
    (_FRACTION, _fraction),
    (_MEASURE, _measure),
    (_MINUS, "minus "),
    (_NUMBER_SIGN, "number "),
    (_SYMBOL, lambda found: f" {_SYMBOLS[found[1]]} "),
)
"""In this order: what is longer and surer comes first."""
