"""Figures for Prometheus: what is counted while the assistant runs, and how that is written down.

Counting is a dictionary and an addition; everything else happens when somebody asks, and only then is the
library imported that writes the text. No label comes from what people say, own or are called: each has a
few values that stand in the source.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, Literal

import msgspec

Labels = tuple[str, ...]
Kind = Literal["counter", "gauge", "histogram"]


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One figure as it is documented; a counter's name gets `_total` on the wire."""

    name: str
    kind: Kind
    help: str
    labels: Labels = ()


class Distribution:
    """How often a value was up to each of `bounds`."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    @property
    def buckets(self) -> list[tuple[str, int]]:
        """Upper bounds and how many values were up to each, as Prometheus wants them."""
        names = [*map(str, self._bounds), "+Inf"]
        return list(zip(names, accumulate(self._counts), strict=True))


class Reading(msgspec.Struct, frozen=True):
    """The value of a metric for one choice of labels."""

    metric: Metric
    value: float | Distribution
    labels: Labels = ()


Source = Callable[[], Awaitable[Iterable[Reading]]]
"""Reads some figures now."""


class Metrics:
    """Asks every source and writes down what they say; one request at a time."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._one_at_a_time = asyncio.Lock()

    async def scrape(self) -> bytes:
        """Return all figures in Prometheus' text format, version 0.0.4."""
        async with self._one_at_a_time:
            readings = [reading for source in self._sources for reading in await source()]
            return await asyncio.to_thread(written, readings)


def written(readings: Iterable[Reading]) -> bytes:
    """Return readings in Prometheus' text format."""
    from prometheus_client.exposition import generate_latest

    families: dict[str, Any] = {}
    for reading in readings:
        metric = reading.metric
        if metric.name not in families:
            families[metric.name] = _family(metric)
        _add(families[metric.name], reading)
    return generate_latest(_Collected(families.values()))


def _family(metric: Metric) -> Any:
    from prometheus_client import metrics_core

    kinds: dict[str, Any] = {
        "counter": metrics_core.CounterMetricFamily,
        "gauge": metrics_core.GaugeMetricFamily,
        "histogram": metrics_core.HistogramMetricFamily,
    }
    return kinds[metric.kind](metric.name, metric.help, labels=metric.labels)


def _add(family: Any, reading: Reading) -> None:
    if isinstance(reading.value, Distribution):
        family.add_metric(reading.labels, buckets=reading.value.buckets, sum_value=reading.value.sum)
    else:
        family.add_metric(reading.labels, reading.value)


class _Collected:
    """What the library calls a registry."""

    def __init__(self, families: Iterable[Any]) -> None:
        self._families = families

    def collect(self) -> Iterable[Any]:
        return self._families
