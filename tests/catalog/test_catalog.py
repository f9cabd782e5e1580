"""The catalogue itself: what is listed can be trusted, and what is wrong is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_assistant.catalog.catalog import find_model, load_catalog, parse_catalog
from edge_assistant.catalog.pins import Pins
from edge_assistant.catalog.sources import HubSource, PackageSource, parse_source
from edge_assistant.errors import ModelError

STARTER = "smollm2-135m-instruct-q4_1"


def test_every_entry_has_sources_that_can_be_read_and_a_hash_or_a_hub() -> None:
    for model in load_catalog().models:
        assert model.description, model.id
        assert model.licence, model.id
        assert model.provenance.startswith("https://"), model.id
        assert model.ram_mb > 0, model.id
        for file in model.files:
            sources = [parse_source(source) for source in file.sources]
            if file.sha256:
                assert file.size > 0, model.id
            else:
                assert [type(source) for source in sources] == [HubSource], model.id
                assert sources[0].url.startswith("https://"), model.id


def test_the_starter_profile_needs_package_registries_only() -> None:
    for model in load_catalog().profile("starter"):
        for file in model.files:
            assert all(isinstance(parse_source(source), PackageSource) for source in file.sources)


def test_the_profiles_of_the_devices_exist() -> None:
    assert set(load_catalog().profiles) == {"starter", "voice", "pi4", "pi5", "jetson"}


def test_a_mistyped_id_gets_a_suggestion() -> None:
    with pytest.raises(ModelError, match="did you mean smollm2-135m-instruct-q4_1"):
        load_catalog().model("smollm2-135m-instruct")


def test_a_model_that_is_not_here_says_how_to_pull_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"edge-assistant models pull {STARTER}") as caught:
        find_model(STARTER, tmp_path)
    assert caught.value.code == "MODEL_MISSING"


def test_a_model_cut_short_is_named_damaged(tmp_path: Path) -> None:
    file = tmp_path / STARTER / load_catalog().model(STARTER).files[0].name
    file.parent.mkdir()
    file.write_bytes(b"GGUF")
    with pytest.raises(ModelError) as caught:
        find_model(STARTER, tmp_path)
    assert caught.value.code == "MODEL_CORRUPT"


ENTRY = """
[profiles.p]
description = "d"
models = ["m"]
[[models]]
id = "m"
role = "llm"
description = "d"
licence = "MIT"
provenance = "https://example.org"
ram_mb = 1
[[models.files]]
name = "f.gguf"
sources = ["https://example.org/f.gguf"]
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('id = "m"', 'id = "../m"'),
        ('name = "f.gguf"', 'name = "../f.gguf"'),
        ('name = "f.gguf"', 'name = "a/../f.gguf"'),
        ('name = "f.gguf"', 'name = "/f.gguf"'),
        ('name = "f.gguf"', 'name = "a/b/c/f.gguf"'),
        ('name = "f.gguf"', 'name = ".hidden"'),
        ('models = ["m"]', 'models = ["other"]'),
        ("https://example.org/f.gguf", "pypi:name==1!f.gguf"),
        ('role = "llm"', 'role = "cook"'),
        ('name = "f.gguf"', 'name = "f.gguf"\nsha256 = "abc"'),
        ('name = "f.gguf"', 'name = "f.gguf"\nsize = -1'),
        ('name = "f.gguf"', 'name = "f.gguf"\nhash = "x"'),
        ("[[models]]", "[[models"),
    ],
)
def test_a_broken_catalogue_is_refused_as_a_whole(old: str, new: str) -> None:
    assert parse_catalog(ENTRY).model("m").id == "m"
    with pytest.raises(ModelError) as caught:
        parse_catalog(ENTRY.replace(old, new, 1))
    assert caught.value.code == "CATALOG_BROKEN"


def test_damaged_pins_are_said_and_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "pins.json").write_text("{")
    with pytest.raises(ModelError) as caught:
        Pins.read(tmp_path)
    assert caught.value.code == "PINS_DAMAGED"
    assert (tmp_path / "pins.json").read_text() == "{"
