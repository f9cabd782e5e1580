"""An operator, and a real web server over what it signed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.update.operator import Operator
from tests.update.server import Server


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    operator = Operator(tmp_path / "operator")
    operator.release("1.0")
    return operator


@pytest.fixture
def server(operator: Operator) -> Iterator[Server]:
    with Server(operator.served) as server:
        yield server
