"""Files from a hub: announced, resumed, bounded, and refused when they are not what was said."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_assistant.catalog.catalog import find_model, model_state
from edge_assistant.catalog.hub import Hub
from edge_assistant.catalog.pins import Pins
from edge_assistant.catalog.pull import Puller, remove_model, verify_model
from edge_assistant.errors import ModelError
from tests.catalog.conftest import CONTENT, HubServer, Recorder, hub_model, sha256


@pytest.fixture
def puller(tmp_path: Path, progress: Recorder, hub: Hub) -> Puller:
    return Puller(tmp_path / "models", progress, hub)


def refused(puller: Puller, url: str, **known: object) -> str:
    with pytest.raises(ModelError) as caught:
        puller.pull([hub_model(url, **known)])
    return caught.value.code


def test_a_hash_that_the_hub_announces_is_pinned_and_the_file_installed(
    tmp_path: Path, server: HubServer, puller: Puller, progress: Recorder
) -> None:
    model = hub_model(server.url)
    puller.pull([model])
    models = tmp_path / "models"
    assert (models / "hub-model" / "model.gguf").read_bytes() == CONTENT
    assert Pins.read(models).get("hub-model", "model.gguf").sha256 == sha256(CONTENT)
    assert verify_model(model, models) == "sound"
    assert progress.done == len(CONTENT)
    assert not any((models / ".partial").iterdir())


def test_what_is_here_is_not_asked_for_again(server: HubServer, puller: Puller) -> None:
    puller.pull([hub_model(server.url)])
    server.asked.clear()
    puller.pull([hub_model(server.url)])
    assert server.asked == []


def test_a_cut_connection_is_taken_up_where_it_ended(server: HubServer, puller: Puller) -> None:
    server.cut_after = [300_000, 200_000]
    puller.pull([hub_model(server.url)])
    ranges = [asked for method, path, asked in server.asked if method == "GET" and path == "/storage"]
    assert ranges == [None, "bytes=300000-", "bytes=500000-"]


def test_a_later_pull_goes_on_where_a_failed_one_ended(
    tmp_path: Path, server: HubServer, puller: Puller, progress: Recorder
) -> None:
    server.cut_after = [400_000, 0, 0, 0]
    assert refused(puller, server.url) == "MODEL_DOWNLOAD_FAILED"
    assert not (tmp_path / "models" / "hub-model").exists()
    server.asked.clear()
    puller.pull([hub_model(server.url)])
    assert server.asked[-1] == ("GET", "/storage", "bytes=400000-")
    assert progress.done == len(CONTENT)


def test_a_hub_without_ranges_is_read_from_the_start_again(
    server: HubServer, puller: Puller, progress: Recorder
) -> None:
    server.ranges = False
    server.cut_after = [400_000]
    puller.pull([hub_model(server.url)])
    assert progress.done == len(CONTENT)


def test_a_part_of_an_older_version_is_not_continued(
    tmp_path: Path, server: HubServer, puller: Puller
) -> None:
    server.cut_after = [400_000, 0, 0, 0]
    known = {"sha256": sha256(CONTENT[::-1]), "size": len(CONTENT)}
    assert refused(puller, server.url, **known) == "MODEL_DOWNLOAD_FAILED"
    server.content, server.etag = CONTENT[::-1], '"v2"'
    puller.pull([hub_model(server.url, **known)])
    assert (tmp_path / "models" / "hub-model" / "model.gguf").read_bytes() == CONTENT[::-1]


def test_a_wrong_hash_is_thrown_away_and_nothing_is_installed(
    tmp_path: Path, server: HubServer, puller: Puller
) -> None:
    assert refused(puller, server.url, sha256="0" * 64, size=len(CONTENT)) == "MODEL_WRONG_HASH"
    models = tmp_path / "models"
    assert not (models / "hub-model").exists()
    assert not list(models.rglob("*.part"))


def test_a_file_that_changes_on_the_hub_is_held_to_its_pin(
    tmp_path: Path, server: HubServer, puller: Puller
) -> None:
    puller.pull([hub_model(server.url)])
    (tmp_path / "models" / "hub-model" / "model.gguf").unlink()
    server.content, server.announced_sha256 = CONTENT[::-1], sha256(CONTENT[::-1])
    assert refused(puller, server.url) == "MODEL_WRONG_HASH"


def test_removing_a_model_forgets_its_pin(tmp_path: Path, server: HubServer, puller: Puller) -> None:
    puller.pull([hub_model(server.url)])
    assert remove_model("hub-model", tmp_path / "models", print)
    assert Pins.read(tmp_path / "models").get("hub-model", "model.gguf") is None
    assert not remove_model("hub-model", tmp_path / "models", print)


def test_a_file_without_any_hash_is_refused_before_it_is_fetched(server: HubServer, puller: Puller) -> None:
    server.announced_sha256 = ""
    assert refused(puller, server.url) == "MODEL_NO_HASH"
    assert all(method == "HEAD" for method, _, _ in server.asked)


def test_more_bytes_than_announced_are_refused(server: HubServer, puller: Puller) -> None:
    server.extra = b"x"
    assert refused(puller, server.url) == "MODEL_DOWNLOAD_FAILED"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_of_the_hub_is_not_repeated(server: HubServer, puller: Puller, status: int) -> None:
    server.status = status
    assert refused(puller, server.url) == "MODEL_DOWNLOAD_FAILED"
    assert len(server.asked) == 1


def test_an_address_without_encryption_is_never_asked(
    tmp_path: Path, server: HubServer, progress: Recorder
) -> None:
    assert refused(Puller(tmp_path, progress), server.url) == "MODEL_DOWNLOAD_FAILED"
    assert server.asked == []


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/hostname"])
def test_a_redirect_out_of_the_allowed_schemes_is_refused(
    server: HubServer, puller: Puller, target: str
) -> None:
    server.location = target
    assert refused(puller, server.url) == "MODEL_DOWNLOAD_FAILED"
    assert len(server.asked) == 1


def test_no_network_is_a_clear_error(puller: Puller) -> None:
    assert refused(puller, "http://127.0.0.1:9/file") == "MODEL_DOWNLOAD_FAILED"


def test_damage_of_the_same_size_is_found_by_verify_and_of_another_size_at_once(
    tmp_path: Path, server: HubServer, puller: Puller
) -> None:
    model, models = hub_model(server.url), tmp_path / "models"
    puller.pull([model])
    file = models / "hub-model" / "model.gguf"
    file.write_bytes(CONTENT[:-1] + b"?")
    assert model_state(model, models) == "installed"
    assert verify_model(model, models) == "damaged"
    file.write_bytes(CONTENT[:-1])
    assert model_state(model, models) == "damaged"
    puller.pull([model])
    assert verify_model(model, models) == "sound"


def test_a_file_of_the_owner_is_taken_by_its_path_if_it_is_a_gguf(tmp_path: Path) -> None:
    path = tmp_path / "own.gguf"
    for content, code in ((None, "MODEL_MISSING"), (b"PK\3\4", "MODEL_CORRUPT")):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ModelError) as caught:
            find_model(str(path), tmp_path)
        assert caught.value.code == code
    path.write_bytes(CONTENT)
    assert find_model(str(path), tmp_path) == path
