"""The composition root names the engines; the daemon itself is tried in tests/e2e."""

from __future__ import annotations

from pathlib import Path

from edge_assistant.config import Config, LlmSettings
from edge_assistant.config.paths import Paths
from edge_assistant.wiring.model import build_model


def paths(tmp_path: Path) -> Paths:
    return Paths(state=tmp_path, models=tmp_path / "models")


async def test_a_server_of_the_configuration_becomes_the_model(tmp_path):
    llm = LlmSettings(engine="openai", url="http://127.0.0.1:9/v1", remote_model="large")
    model = build_model(Config(llm=llm), paths(tmp_path))
    await model.start()
    assert (type(model).__name__, model.status.name) == ("RemoteModel", "large")
    await model.stop()


def test_a_missing_model_says_why_instead_of_ending_the_daemon(tmp_path):
    model = build_model(Config(llm=LlmSettings(model=str(tmp_path / "no.gguf"))), paths(tmp_path))
    assert model.status.phase == "failed"
    assert "no.gguf" in model.status.detail
