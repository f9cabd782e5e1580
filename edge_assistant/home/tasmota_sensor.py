"""What Tasmota's sensors measure: the values in their report that mean something to people. Pure.

https://tasmota.github.io/docs/Supported-Peripherals/ and the pages below it show the reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

MOST = 60
"""Values of one device."""

_KEY = re.compile(r"[\w. -]{1,40}", re.ASCII)


class _Quantity(NamedTuple):
    name: str
    unit: str = ""
    """Empty when the report tells it, under `told`."""
    kind: str = ""
    """Home Assistant's device class, where there is one."""
    told: str = ""


_MICROGRAMS = "µg/m³"
_QUANTITIES = {
    "Temperature": _Quantity("temperature", kind="temperature", told="TempUnit"),
    "Humidity": _Quantity("humidity", "%", "humidity"),
    "DewPoint": _Quantity("dew point", kind="temperature", told="TempUnit"),
    "Pressure": _Quantity("pressure", kind="pressure", told="PressureUnit"),
    "SeaPressure": _Quantity("pressure at sea level", kind="pressure", told="PressureUnit"),
    "Illuminance": _Quantity("illuminance", "lx", "illuminance"),
    "Ambient": _Quantity("illuminance", "lx", "illuminance"),
    "Moisture": _Quantity("moisture", "%", "moisture"),
    "Distance": _Quantity("distance", "cm", "distance"),
    "Weight": _Quantity("weight", "kg", "weight"),
    "Speed": _Quantity("speed", kind="speed", told="SpeedUnit"),
    "Battery": _Quantity("battery", "%", "battery"),
    "CarbonDioxide": _Quantity("carbon dioxide", "ppm", "carbon_dioxide"),
    "eCO2": _Quantity("carbon dioxide", "ppm", "carbon_dioxide"),
    "TVOC": _Quantity("volatile compounds", "ppb", "volatile_organic_compounds_parts"),
    "PM1": _Quantity("fine dust PM1", _MICROGRAMS, "pm1"),
    "PM2.5": _Quantity("fine dust PM2.5", _MICROGRAMS, "pm25"),
    "PM10": _Quantity("fine dust PM10", _MICROGRAMS, "pm10"),
    "Power": _Quantity("power", "W", "power"),
    "ApparentPower": _Quantity("apparent power", "VA", "apparent_power"),
    "ReactivePower": _Quantity("reactive power", "var", "reactive_power"),
    "Factor": _Quantity("power factor", kind="power_factor"),
    "Frequency": _Quantity("frequency", "Hz", "frequency"),
    "Voltage": _Quantity("voltage", "V", "voltage"),
    "Current": _Quantity("current", "A", "current"),
    "Total": _Quantity("energy", "kWh", "energy"),
    "Today": _Quantity("energy today", "kWh", "energy"),
    "Yesterday": _Quantity("energy yesterday", "kWh", "energy"),
}


class Measured(NamedTuple):
    """One value of a report."""

    path: tuple[str | int, ...]
    """Keys, and places in lists, that lead to it."""
    name: str
    """`temperature`; with the sensor before it where several of one device measure the same."""
    unit: str
    kind: str

    def template(self, *before: str) -> str:
        """Return the template that reads it from a report that lies below `before`."""
        keys = "".join(f"[{key}]" if isinstance(key, int) else f"['{key}']" for key in (*before, *self.path))
        return f"{{{{ value_json{keys} }}}}"


def measured(report: dict[str, Any]) -> list[Measured]:
    """Return what a report, as announced, holds of known quantities, in its order."""
    found = list(islice(_found(report), MOST))
    names = [each.name for each in found]
    return [
        each._replace(name=f"{' '.join(map(str, _sensor(each)))} {each.name}")
        if names.count(each.name) > 1
        else each
        for each in found
    ]


def _sensor(value: Measured) -> tuple[str | int, ...]:
    """Return what tells a value from others of its quantity: its sensor, and counted from 1 its phase."""
    places = tuple(key + 1 for key in value.path if isinstance(key, int))
    return (value.path[0], *places)


def _found(report: dict[str, Any]) -> Iterator[Measured]:
    for sensor, values in report.items():
        if not isinstance(values, dict) or not _KEY.fullmatch(sensor):
            continue
        for key, value in values.items():
            quantity = _QUANTITIES.get(key)
            if quantity is None:
                continue
            unit = report.get(quantity.told, "") if quantity.told else quantity.unit
            if quantity.told == "TempUnit":
                unit = f"°{unit}"
            if isinstance(unit, str) and len(unit) <= 10:  # noqa: PLR2004 - `km/h`, `mmHg`
                for path in _numbers(value, (sensor, key)):
                    yield Measured(path, quantity.name, unit, quantity.kind)


def _numbers(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Yield the ways to a number, or to each of a list: phases of a meter."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path
    elif isinstance(value, list):
        for place, each in enumerate(value[:4]):
            if isinstance(each, (int, float)) and not isinstance(each, bool):
                yield (*path, place)
