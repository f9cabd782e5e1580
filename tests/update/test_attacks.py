"""Whoever holds server and network, but not the keys, gets nothing onto a device: each try has its name."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_assistant.update.keys import Keys
from edge_assistant.update.release import File, UpdateError
from edge_assistant.update.repository import Repository
from edge_assistant.update.shelf import Shelf
from edge_assistant.update.source import open_source
from tests.update.operator import QUICK, Operator, bundle
from tests.update.server import Server

MONTH = 30 * 86_400.0


def refused(operator: Operator, server: Server, **more: float) -> str:
    """The code with which an offer is refused."""
    with pytest.raises(UpdateError) as caught:
        operator.offer(server.url, **more)
    return caught.value.code


def fetched(operator: Operator, server: Server) -> str:
    """The code with which a file of a trusted release is refused."""
    release = operator.offer(server.url).release
    file = next(file for file in release.files if file.path.endswith(".whl"))
    with pytest.raises(UpdateError) as caught:
        fetch(operator, server, file)
    return caught.value.code


def fetch(operator: Operator, server: Server, file: File) -> Path:
    shelf = Shelf(operator.folder / "device" / "files", lambda _: None)
    source = open_source(server.url, QUICK)
    return shelf.bring(source, file.target, file.sha256, file.size, lambda _: None)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_what_was_changed_after_it_was_signed_is_refused(
    operator: Operator, server: Server, role: str
) -> None:
    operator.offer(server.url)
    operator.release("1.1")
    operator.tamper(role, lambda signed: signed.update(expires="2099-01-01T00:00:00Z"))
    expected = {"UPDATE_SIGNATURE_WRONG"} if role == "timestamp" else {"UPDATE_MIXED", "UPDATE_ENDLESS"}
    assert refused(operator, server) in expected


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_what_another_key_signed_is_refused(operator: Operator, server: Server, role: str) -> None:
    """As when one server's key is stolen and the attacker tries it where it does not count."""
    operator.offer(server.url)
    Keys(operator.folder / "keys", "a passphrase").make(role)
    if role == "targets":
        operator.release("1.1")
    else:
        operator.sign()
    assert refused(operator, server) == "UPDATE_SIGNATURE_WRONG"


def test_new_keys_that_the_old_ones_did_not_sign_are_refused(operator: Operator, server: Server) -> None:
    operator.offer(server.url)
    attacker = Operator(operator.folder / "attacker")
    attacker.release("6.6.6")
    attacker.repository.rotate("root")
    server.folder = attacker.served
    assert refused(operator, server) == "UPDATE_ROOT_WRONG"


def test_new_keys_of_the_operator_are_followed(operator: Operator, server: Server) -> None:
    before = operator.offer(server.url).digest
    for role in ("root", "timestamp", "snapshot", "targets", "root"):
        operator.repository.rotate(role)
        assert operator.offer(server.url).digest == before


def test_an_older_state_is_refused_once_a_newer_one_was_trusted(operator: Operator, server: Server) -> None:
    server.folder = operator.keep("old")
    operator.offer(server.url)
    operator.release("1.1")
    server.folder = operator.served
    assert operator.offer(server.url).release.version == "1.1"
    server.folder = operator.folder / "old"
    assert refused(operator, server) == "UPDATE_ROLLBACK"


def test_a_snapshot_that_takes_releases_back_is_refused_although_it_is_signed(
    operator: Operator, server: Server
) -> None:
    """As when the keys of the server are stolen, but not that of the releases."""
    operator.release("1.1")
    operator.offer(server.url)
    for path in operator.metadata.glob("[0-9]*.targets.json"):
        if path != operator.metadata / "2.targets.json":
            path.unlink()
    operator.sign()
    assert refused(operator, server) == "UPDATE_ROLLBACK"


def test_a_state_that_is_held_back_is_noticed_when_it_expires(operator: Operator, server: Server) -> None:
    operator.offer(server.url)
    held = operator.keep("held")
    operator.release("1.1")
    server.folder = held
    assert operator.offer(server.url, now=time.time() + 6 * 86_400).release.version == "1.0"
    assert refused(operator, server, now=time.time() + 8 * 86_400) == "UPDATE_EXPIRED"


def test_a_clock_in_1970_takes_nothing_that_had_expired_when_the_device_was_made(
    operator: Operator, server: Server
) -> None:
    operator.sign(days=-1)
    assert refused(operator, server, now=0.0) == "UPDATE_EXPIRED"
    operator.sign()
    offer = operator.offer(server.url, now=0.0)
    assert offer.clock_behind_seconds == pytest.approx(time.time(), abs=60)


def test_a_clock_far_ahead_is_an_error_that_names_the_clock(operator: Operator, server: Server) -> None:
    with pytest.raises(UpdateError, match="this device's clock") as caught:
        operator.offer(server.url, now=time.time() + 400 * 86_400)
    assert caught.value.code == "UPDATE_EXPIRED"
    assert operator.offer(server.url).release.version == "1.0", "and nothing was remembered of that future"


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_parts_of_different_states_do_not_go_together(operator: Operator, server: Server, role: str) -> None:
    operator.offer(server.url)
    old = operator.newest(role)
    operator.release("1.1")
    padded = old.read_bytes().ljust(operator.newest(role).stat().st_size)  # so that not the length tells
    operator.newest(role).write_bytes(padded[: operator.newest(role).stat().st_size])
    assert refused(operator, server) == "UPDATE_MIXED"


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_a_part_that_is_missing_is_noticed(operator: Operator, server: Server, role: str) -> None:
    operator.newest(role).unlink()
    assert refused(operator, server) == "UPDATE_MIXED"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "root"])
def test_metadata_without_an_end_is_given_up(operator: Operator, server: Server, role: str) -> None:
    if role == "root":
        shutil.copy(operator.metadata / "1.root.json", operator.metadata / "2.root.json")
    server.endless = f"{role}.json"
    assert refused(operator, server) == "UPDATE_ENDLESS"


def test_a_file_without_an_end_is_given_up_and_fills_no_disk(operator: Operator, server: Server) -> None:
    server.endless = ".whl"
    assert fetched(operator, server) == "UPDATE_ENDLESS"
    files = (operator.folder / "device" / "files").iterdir()
    assert sum(path.stat().st_size for path in files) < 10_000


@pytest.mark.parametrize("change", [
    lambda content: b"x" + content[1:],
    lambda content: content[:-1],
    lambda content: b"",
], ids=["changed", "short", "empty"])  # fmt: skip
def test_a_file_that_is_not_the_signed_one_is_thrown_away(
    operator: Operator, server: Server, change: Callable[[bytes], bytes]
) -> None:
    wheel = operator.target(".whl")
    wheel.write_bytes(change(wheel.read_bytes()))
    assert fetched(operator, server) == "UPDATE_WRONG_TARGET"
    assert not list((operator.folder / "device" / "files").glob("*.part"))


def test_another_signed_file_under_a_files_name_is_thrown_away(operator: Operator, server: Server) -> None:
    operator.release("1.1")
    old, new = operator.target("edge_assistant-1.0"), operator.target("edge_assistant-1.1")
    shutil.copy(old, new)
    assert fetched(operator, server) == "UPDATE_WRONG_TARGET"


def test_a_release_of_another_kind_of_device_is_refused(operator: Operator, server: Server) -> None:
    """As an operator may get wrong; an attacker can't rename what is signed."""
    operator.repository.add(bundle(operator.folder / "bundle", "1.1"), "sparc-cp311")
    with pytest.raises(UpdateError) as caught:
        operator.trust(server.url).offer("sparc-cp312")
    assert caught.value.code == "UPDATE_NO_RELEASE"


@pytest.mark.parametrize("manner", ["dripping", "silent"])
@pytest.mark.parametrize("name", ["timestamp.json", ".whl"])
def test_a_source_that_keeps_a_device_waiting_is_given_up(
    operator: Operator, server: Server, manner: str, name: str
) -> None:
    setattr(server, manner, name)
    code = fetched(operator, server) if name == ".whl" else refused(operator, server)
    assert code == "UPDATE_SLOW"


def test_garbage_is_no_metadata(operator: Operator, server: Server) -> None:
    operator.newest("timestamp").write_bytes(b"{")
    assert refused(operator, server) == "UPDATE_METADATA_BAD"


def test_after_each_refusal_the_genuine_state_is_taken(operator: Operator, server: Server) -> None:
    operator.offer(server.url)
    attacker = Operator(operator.folder / "attacker")
    attacker.release("6.6.6")
    attacker.repository.sign()
    server.folder = attacker.served
    assert refused(operator, server) == "UPDATE_SIGNATURE_WRONG"
    server.folder = operator.served
    operator.release("1.1")
    assert operator.offer(server.url).release.version == "1.1"


def test_keys_open_with_their_passphrase_only(operator: Operator) -> None:
    with pytest.raises(UpdateError) as caught:
        Repository(operator.served, Keys(operator.folder / "keys", "another")).sign()
    assert caught.value.code == "UPDATE_KEY_WRONG"
    (operator.folder / "keys" / "timestamp.pem").unlink()
    with pytest.raises(UpdateError) as caught:
        operator.sign()
    assert caught.value.code == "UPDATE_KEY_MISSING"
    for key in (operator.folder / "keys").glob("*.pem"):
        assert b"ENCRYPTED" in key.read_bytes()
        assert key.stat().st_mode & 0o077 == 0
