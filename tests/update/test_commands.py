"""The operator's commands, as they are typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from edge_assistant.config import Saved, load_config
from edge_assistant.config.schema import Update
from edge_assistant.update.release import this_platform
from edge_assistant.update.shelf import Shelf
from edge_assistant.update.source import open_source
from edge_assistant.update.trust import Trust
from tests.update.operator import bundle

PASSPHRASE = "EDGE_ASSISTANT_SECRET_UPDATE_PASSPHRASE"


def assistant(*words: str, passphrase: str = "a passphrase") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, PASSPHRASE: passphrase}
    command = (sys.executable, "-m", "edge_assistant", *words)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_an_operator_makes_signs_and_rotates(tmp_path: Path) -> None:
    places = ("--repository", str(tmp_path / "releases"), "--keys", str(tmp_path / "keys"))
    made = assistant("update-repository", "init", *places)
    assert made.returncode == 0, made.stderr
    root = tmp_path / "releases/metadata/1.root.json"
    assert str(root) in made.stdout
    assert assistant("update-repository", "init", *places).stderr.startswith(
        "error: UPDATE_REPOSITORY_EXISTS: "
    )
    added = assistant("update-repository", "add", str(bundle(tmp_path / "bundle", "1.1")), *places)
    assert added.stdout == f"version 1.1 for {this_platform()}: 2 files\n"
    no_bundle = assistant("update-repository", "add", str(tmp_path), *places)
    assert no_bundle.stderr.startswith("error: UPDATE_BUNDLE_BAD: ")
    wrong = assistant("update-repository", "sign", *places, passphrase="another")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: UPDATE_KEY_WRONG: ")
    for words in (["rotate", "targets"], ["sign", "--days", "30"]):
        assert assistant("update-repository", *words, *places).returncode == 0
    trust = Trust(
        root, tmp_path / "trusted", Shelf(tmp_path / "files"), open_source(str(tmp_path / "releases"))
    )
    assert trust.offer(this_platform()).release.version == "1.1"


def test_a_fleet_says_where_updates_lie_but_not_whom_to_trust(tmp_path: Path) -> None:
    choices = {"update.url": "http://releases.example", "update.automatic": "true", "update.root_file": "/x"}
    (tmp_path / "settings.json").write_bytes(msgspec.json.encode(Saved(choices=choices)))
    update = load_config(environ={"STATE_DIRECTORY": str(tmp_path), "HOME": str(tmp_path)}).update
    assert (update.url, update.automatic) == ("http://releases.example", True)
    assert update.root_file == Update().root_file


def test_a_checkout_is_not_updated_so() -> None:
    done = assistant("update", "check")
    assert done.returncode == 1
    assert done.stderr.startswith("error: UPDATE_NOT_INSTALLED: ")
