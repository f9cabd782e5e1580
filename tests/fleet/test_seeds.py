"""A list of devices becomes seeds, and a board that is given one's files comes in by itself."""

from __future__ import annotations

import asyncio
import functools
import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.config import load_config
from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.fleet.registrar.client import order
from edge_assistant.fleet.registrar.seeds import Base, Line, Sower, check_base, read_list, user_data
from tests.fleet.fleet import Gadget, until

ROOT = Path(__file__).parents[2]
IMAGER = (ROOT / "provisioning" / "cloud-init" / "user-data").read_text()


def base(**changes):
    return Base(**{"user_data": IMAGER, "authority": "PEM\n", **changes})


def files_of(text):
    """The files that cloud-init writes from this user-data, by their path."""
    return {each["path"]: each for each in yaml.safe_load(text)["write_files"]}


async def sown(ground, out, lines, **options):
    authority = (ground.folder / "ca.crt").read_text()
    sower = Sower(out, base(authority=authority), functools.partial(order, ground.folder), **options)
    return [outcome for _, outcome, _ in await asyncio.to_thread(list, sower.sow(lines))]


async def test_a_board_with_the_files_of_its_seed_comes_in_and_no_other_does(ground, registrar, tmp_path):
    line = Line(name="kitchen", serial="b-1", groups=("bench",))
    assert await sown(ground, tmp_path / "seeds", [line], allow=True) == ["made"]
    folder = tmp_path / "seeds" / "kitchen"
    files = files_of((folder / "user-data").read_text())
    config = tmp_path / "config.toml"
    config.write_text(files["/etc/edge-assistant/config.toml"]["content"])
    fleet = load_config(config, {}).fleet
    assert (fleet.enabled, fleet.url) == (True, f"mqtts://localhost:{ground.place.port}")
    assert files[fleet.ca_file]["content"] == (ground.folder / "ca.crt").read_text()
    secret = files["/etc/credstore/edge-assistant.fleet_claim"]
    assert secret["permissions"] == "0600"

    async with Gadget(ground, "stranger", secret["content"], serial="b-2").running() as stranger:
        await until(lambda: stranger.agent.phase == "refused")
        assert not await registrar.book.devices()
    async with Gadget(ground, fleet.device, secret["content"], serial=fleet.serial).running() as gadget:
        await until(lambda: gadget.online)
    (device,) = await registrar.book.devices()
    assert (device.name, device.serial, device.groups) == ("kitchen", "b-1", ("bench",))


async def test_run_again_it_goes_on_where_it_was(ground, registrar, tmp_path):
    lines = [Line(name=f"d-{number}", serial=f"b-{number}") for number in range(4)]
    out = tmp_path / "seeds"
    assert await sown(ground, out, lines[:2], allow=True) == ["made", "made"]
    first = (out / "d-0" / "user-data").read_text()
    token = files_of(first)["/etc/credstore/edge-assistant.fleet_claim"]["content"]
    async with Gadget(ground, "d-0", token, serial="b-0").running() as gadget:
        await until(lambda: gadget.online)
    kept = (out / "d-1" / "user-data").read_text()
    (out / ".d-2.new").mkdir()  # a power cut in the middle of one
    moved = [lines[0], lines[1], lines[2], msgspec.structs.replace(lines[3], groups=("new",))]
    assert await sown(ground, out, moved, allow=True) == ["enrolled", "kept", "made", "made"]
    assert not (out / "d-0").exists()
    assert (out / "d-1" / "user-data").read_text() == kept
    assert sorted(path.name for path in out.iterdir()) == ["d-1", "d-2", "d-3"]
    regrouped = [lines[1], msgspec.structs.replace(lines[3], groups=("other",))]
    assert await sown(ground, out, regrouped) == ["kept", "made"]


async def test_old_tokens_are_made_anew_and_none_without_a_serial_lives_long(ground, registrar, tmp_path):
    line, now = Line(name="nameless"), 0.0
    out = tmp_path / "seeds"
    assert await sown(ground, out, [line]) == ["made"]
    note = json.loads((out / "nameless" / "seed.json").read_text())
    (claim,) = [claim for claim in await registrar.book.claims() if claim.id == note["claim"]]
    assert claim.expires_at - claim.created_at == pytest.approx(900)
    now = claim.expires_at
    assert await sown(ground, out, [line], clock=lambda: now) == ["made"]
    assert json.loads((out / "nameless" / "seed.json").read_text())["claim"] != note["claim"]


async def test_without_its_broker_nothing_is_lost(ground, registrar, tmp_path):
    out = tmp_path / "seeds"
    lines = [Line(name="one", serial="b-1"), Line(name="two", serial="b-2")]
    await sown(ground, out, lines[:1])
    ground.mosquitto.kill()
    await until(lambda: not registrar.connection.online)
    with pytest.raises(EdgeError, match="broker"):
        await sown(ground, out, lines)
    assert [path.name for path in out.iterdir()] == ["one"]
    await asyncio.to_thread(ground.mosquitto.start)
    await until(lambda: registrar.connection.online)
    assert await sown(ground, out, lines) == ["kept", "made"]


NAMES = st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True)


@given(st.text(max_size=200), NAMES, st.text("ab_-:", max_size=60))
def test_what_a_seed_says_is_read_as_it_was_meant(config, name, token):
    config = "".join(f"# {line}\n" for line in re.split(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]", config))
    made = user_data(base(config=config), Line(name=name), url="mqtts://broker:1", token=token)
    read = yaml.safe_load(made)
    assert read["hostname"] == name
    files = files_of(made)
    assert files["/etc/credstore/edge-assistant.fleet_claim"]["content"] == token
    assert files["/etc/edge-assistant/fleet-ca.crt"]["content"] == "PEM\n"
    fleet = tomllib.loads(files["/etc/edge-assistant/config.toml"]["content"])["fleet"]
    assert (fleet["url"], fleet["device"]) == ("mqtts://broker:1", name)
    assert read["runcmd"] == yaml.safe_load(IMAGER)["runcmd"]


def test_a_list_as_a_spreadsheet_writes_it():
    content = "\ufeffName;Serial;Groups\r\nkitchen;10000000abc;ground bench\r\n\r\nhall;;\r\n".encode()
    assert read_list(content) == [
        Line(name="kitchen", serial="10000000abc", groups=("bench", "ground")),
        Line(name="hall"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "first line"),
        ("serial\nb-1\n", "first line"),
        ("name,colour\na,red\n", "first line"),
        ("name,name\na,b\n", "first line"),
        ("name\n", "0 devices"),
        ("name,serial\na,b-1\nb\n", "line 3 has 1 columns"),
        ("name\nKitchen!\n", "line 2: a device"),
        ("name\nfleet\n", "line 2: a device"),
        ("name,serial\na,b/1\n", "line 2: a serial"),
        ("name,groups\na,Big Ones\n", "line 2: a group"),
        ("name\na\na\n", "lines 2 and 3 have the same name a"),
        ("name,serial\na,s\nb,s\n", "lines 2 and 3 have the same serial s"),
        ('name\n"a\n', "no CSV"),
        ("name\n" + "a" * (1 << 20), "longer"),
        ("name\n" + "".join(f"d{number}\n" for number in range(5001)), "5001 devices"),
    ],
)
def test_a_list_that_is_none_is_refused_with_its_line(text, says):
    with pytest.raises(UsageError, match=says) as refused:
        read_list(text.encode())
    assert refused.value.code == "FLEET_LIST_BAD"


def test_a_list_in_another_encoding_is_refused():
    with pytest.raises(UsageError, match="UTF-8"):
        read_list("name\nküche\n".encode("utf-16"))


@pytest.mark.parametrize(
    "changes",
    [
        {"user_data": "hostname: a\n"},
        {"user_data": "#cloud-config\nwrite_files: []\n"},
        {"config": "[web]\n\n[fleet]\nenabled = false\n"},
        {"network_config": "#" * 200_000},
    ],
)
def test_files_that_a_seed_would_contradict_are_refused(changes):
    with pytest.raises(UsageError) as refused:
        check_base(base(**changes))
    assert refused.value.code == "FLEET_SEED_BAD"
