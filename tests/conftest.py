"""Real parts for tests: a state folder, the starter model, a daemon in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_assistant.catalog.catalog import find_model
from edge_assistant.config import Paths, load_paths
from edge_assistant.errors import ModelError
from tests.daemon import Daemon

pytest_plugins = ("tests.hearing",)


def pytest_configure() -> None:
    """Give each process of a parallel run cores of its own, which all that its tests start share."""
    number = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    jobs = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if own := sorted(os.sched_getaffinity(0))[int(number) :: jobs]:
        os.sched_setaffinity(0, own)


STARTER = "smollm2-135m-instruct-q4_1"


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """Return where the models are; a test run never pulls them by itself."""
    return load_paths({**os.environ, "STATE_DIRECTORY": ""}).models


@pytest.fixture(scope="session")
def starter_model(models_folder: Path) -> Path:
    """Return the real starter model; without it nothing is proven, so the test fails."""
    try:
        return find_model(STARTER, models_folder)
    except ModelError as error:
        pytest.fail(f"{error}: `make setup` pulls the starter models", pytrace=False)


@pytest.fixture
def state(tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Return the paths of a fresh device and set the environment for it."""
    folder = tmp_path / "state"
    monkeypatch.setenv("STATE_DIRECTORY", str(folder))
    monkeypatch.setenv("EDGE_ASSISTANT_MODELS", str(models_folder))
    monkeypatch.setenv("EDGE_ASSISTANT__WEB__PORT", "0")
    monkeypatch.setenv("EDGE_ASSISTANT__WEB__LAN", "off")  # a test is no business of the house
    monkeypatch.setenv("EDGE_ASSISTANT__WEB__WIZARD", "off")
    monkeypatch.setenv("EDGE_ASSISTANT__CARE__ENABLED", "off")  # how well this machine is decides nothing
    monkeypatch.setenv("EDGE_ASSISTANT_CONFIG", str(_empty(tmp_path / "config.toml")))
    return load_paths()


@pytest.fixture
def make_daemon(state: Paths) -> Iterator[Callable[..., Daemon]]:
    """Start daemons on the test's state folder; when the test ends, no process of theirs is left."""
    daemons: list[Daemon] = []

    def start(program: tuple[str, ...] = (), **environ: str) -> Daemon:
        daemon = Daemon(state, {**os.environ, **environ})
        daemon.command = program or daemon.command
        daemons.append(daemon)
        daemon.start()
        return daemon

    yield start
    for daemon in daemons:
        daemon.clean_up()


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon], starter_model: Path) -> Daemon:
    """Return a running daemon with the starter model."""
    del starter_model
    return make_daemon()


def _empty(path: Path) -> Path:
    path.write_text("", encoding="utf-8")
    return path
