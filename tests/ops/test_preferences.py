from __future__ import annotations

import json

import msgspec
import pytest

from edge_assistant.config import Config, Saved, load_config, read_saved
from edge_assistant.config.schema import CloudSettings
from edge_assistant.errors import ConfigError, StoreError
from edge_assistant.ops.preferences import Preferences


def environment(tmp_path, **more):
    return {"HOME": str(tmp_path), "STATE_DIRECTORY": str(tmp_path), **more}


def save(tmp_path, **choices):
    saved = {"choices": {key.replace("__", "."): value for key, value in choices.items()}}
    (tmp_path / "settings.json").write_text(json.dumps(saved))


async def test_a_choice_is_there_after_a_restart(tmp_path):
    await Preferences(Config(), tmp_path / "settings.json").change({"assistant.name": "Ada"}, set_up=True)
    assert load_config(None, environment(tmp_path)).assistant.name == "Ada"
    assert Preferences(Config(), tmp_path / "settings.json").set_up


def test_a_choice_wins_over_the_file_and_the_environment_over_both(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[assistant]\nname = "File"\nlanguage = "fr"\n')
    save(tmp_path, assistant__name="Page", assistant__language="de")
    environ = environment(tmp_path, EDGE_ASSISTANT__ASSISTANT__NAME="Environment")
    assert load_config(file, environment(tmp_path)).assistant.name == "Page"
    assert load_config(file, environ).assistant.name == "Environment"
    assert load_config(file, environ).assistant.language == "de"


def test_a_choice_that_does_not_fit_any_more_is_left_out_alone(tmp_path):
    save(tmp_path, assistant__persona="left", assistant__name="Ada", assistant__language="!", web__port="1")
    config = load_config(None, environment(tmp_path))
    assert (config.assistant.persona, config.assistant.name) == ("default", "Ada")
    assert (config.assistant.language, config.web.port) == ("en", 8080)


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'{"choices": 7}', b'{"choices": {"assistant.name": 1}}', b"\xff", b"[" * 100_000],
)
def test_damaged_choices_never_keep_the_device_from_starting(tmp_path, damage):
    (tmp_path / "settings.json").write_bytes(damage)
    assert read_saved(tmp_path / "settings.json") == Saved()
    assert load_config(None, environment(tmp_path)) == Config()


def test_what_is_wrong_in_the_file_is_still_said(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('assistant = "me"\n')
    save(tmp_path, assistant__name="Ada")
    with pytest.raises(ConfigError, match="assistant"):
        load_config(file, environment(tmp_path))


async def test_a_choice_that_can_not_be_saved_changes_nothing(tmp_path):
    preferences = Preferences(Config(), tmp_path / "missing" / "settings.json")
    with pytest.raises(StoreError, match="STORE_UNAVAILABLE"):
        await preferences.change({"assistant.name": "Ada"})
    assert preferences.config == Config()


async def test_the_same_choice_again_tells_nobody(tmp_path):
    told = []

    async def note(old, new):
        told.append(new)

    preferences = Preferences(Config(), tmp_path / "settings.json")
    preferences.on_change(note)
    await preferences.change({"assistant.name": Config().assistant.name})
    assert told == []


async def test_a_reload_carries_out_what_can_be_and_names_what_waits(tmp_path):
    preferences = Preferences(Config(), tmp_path / "settings.json")
    seen = []

    async def note(before, now):
        seen.append((before.assistant.name, now.assistant.name, now.web.port))

    preferences.on_change(note)
    file = tmp_path / "config.toml"
    file.write_text('[assistant]\nname = "Ada"\n[web]\nport = 1\n[voice]\nvolume = 0.5\ninput = "usb"\n')
    changed = load_config(file, environment(tmp_path))
    assert await preferences.reload(changed) == ["web.port", "voice.input"]
    assert seen == [("Nabu", "Ada", 8080)]
    assert (preferences.config.voice.volume, preferences.config.voice.input) == (0.5, "")
    assert await preferences.reload(changed) == ["web.port", "voice.input"]
    assert len(seen) == 1, "nothing more was to be carried out"


async def test_a_consent_that_is_taken_back_counts_at_once_and_a_broker_waits(tmp_path):
    config = Config(cloud=CloudSettings(enabled=True, url="mqtts://old.example", consent="always"))
    preferences = Preferences(config, tmp_path / "settings.json", frozenset())
    changed = msgspec.structs.replace(config.cloud, consent="never", url="mqtts://new.example")
    assert await preferences.reload(msgspec.structs.replace(config, cloud=changed)) == ["cloud.url"]
    assert preferences.config.cloud.consent == "never"
