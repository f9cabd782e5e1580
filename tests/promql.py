"""What a PromQL query asks for: names of series, and the labels that it uses of each."""

from __future__ import annotations

from typing import Any

import promql_parser as promql

GRAFANA = {"$__rate_interval": "5m", "$__range": "1h", "$device": "kitchen"}
"""Variables that Grafana puts in before Prometheus sees a query."""

OF_EVERY_SERIES = {"instance", "job", "le"}
"""Labels that Prometheus adds, and that of buckets."""


def asked(query: str) -> dict[str, set[str]]:
    """Return the series of a query and the labels it uses of each; raises ValueError when it is none."""
    for variable, value in GRAFANA.items():
        query = query.replace(variable, value)
    found: dict[str, set[str]] = {}
    _walk(promql.parse(query), set(), found)
    return found


def _walk(node: Any, labels: set[str], found: dict[str, set[str]]) -> None:
    match node:
        case promql.VectorSelector():
            matched = {matcher.name for matcher in node.matchers.matchers}
            found.setdefault(str(node.name), set()).update((labels | matched) - OF_EVERY_SERIES)
        case promql.MatrixSelector():
            _walk(node.vector_selector, labels, found)
        case promql.AggregateExpr():
            by = set(node.modifier.labels) if node.modifier else set()
            _walk(node.expr, labels | by, found)
        case promql.Call():
            for argument in node.args:
                _walk(argument, labels, found)
        case promql.BinaryExpr():
            _walk(node.lhs, labels, found)
            _walk(node.rhs, labels, found)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            _walk(node.expr, labels, found)
