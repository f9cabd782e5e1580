"""The keys of a state folder."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

import pytest

from edge_assistant.errors import StoreError, UsageError
from edge_assistant.store.database import Database
from edge_assistant.store.keys import KeyRing
from edge_assistant.store.recovery import new_code
from tests.store.conftest import hashes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def ring_in(folder: Path, **environ: str) -> KeyRing:
    return KeyRing(folder, environ)


async def run_once(folder: Path, **environ: str) -> tuple[bytes, str | None]:
    """Open keys and database as the daemon does; return the data key and the code to show."""
    keys = ring_in(folder, **environ).open(folder / "assistant.db")
    await (await Database.open(folder / "assistant.db", keys.data_key)).close()
    return keys.data_key, keys.recovery_code


async def test_the_first_run_makes_keys_and_shows_the_code_once(folder: Path) -> None:
    data_key, code = await run_once(folder)
    assert code is not None
    assert len(data_key) == 32
    assert await run_once(folder) == (data_key, None)
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == dict.fromkeys(
        ("assistant.db", "device.key", "keys.json"), 0o600
    )
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_a_crash_between_keys_and_database_is_harmless(folder: Path) -> None:
    first = ring_in(folder).open(folder / "assistant.db")  # and the process dies before the code is shown
    data_key, code = await run_once(folder)
    assert data_key == first.data_key
    assert code not in (None, first.recovery_code)
    assert ring_in(folder).recover(code or "") == data_key


async def test_a_crash_after_the_device_key_is_harmless(folder: Path) -> None:
    folder.mkdir()
    (folder / "device.key").write_bytes(secrets.token_bytes(32))
    (folder / "keys.json.part").write_bytes(b"half")
    data_key, code = await run_once(folder)
    assert code is not None
    assert (await run_once(folder))[0] == data_key


async def test_without_the_device_key_the_recovery_code_opens(folder: Path) -> None:
    data_key, code = await run_once(folder)
    (folder / "device.key").unlink()
    before = hashes(folder)
    with pytest.raises(StoreError) as caught:
        ring_in(folder).open(folder / "assistant.db")
    assert caught.value.code == "KEY_MISSING"
    assert "recovery code" in caught.value.message
    assert hashes(folder) == before
    assert ring_in(folder).recover(code or "") == data_key
    assert await run_once(folder) == (data_key, None)


async def test_another_device_key_is_refused_and_can_be_recovered_from(folder: Path) -> None:
    data_key, code = await run_once(folder)
    (folder / "device.key").write_bytes(secrets.token_bytes(32))
    with pytest.raises(StoreError, match="KEY_WRONG"):
        ring_in(folder).unlock()
    assert ring_in(folder).recover(code or "") == data_key
    assert ring_in(folder).unlock() == data_key


async def test_a_wrong_or_mistyped_code_changes_nothing(folder: Path) -> None:
    _, code = await run_once(folder)
    before = hashes(folder)
    with pytest.raises(StoreError, match="RECOVERY_CODE_WRONG"):
        ring_in(folder).recover(new_code())
    with pytest.raises(UsageError, match="RECOVERY_CODE_MISTYPED"):
        ring_in(folder).recover((code or "")[:-1])
    assert hashes(folder) == before


async def test_a_new_recovery_code_replaces_the_old_one(folder: Path) -> None:
    data_key, old = await run_once(folder)
    new = ring_in(folder).new_recovery_code()
    with pytest.raises(StoreError, match="RECOVERY_CODE_WRONG"):
        ring_in(folder).recover(old or "")
    assert ring_in(folder).recover(new) == data_key


async def test_keys_json_is_never_made_anew_for_an_old_database(folder: Path) -> None:
    await run_once(folder)
    (folder / "keys.json").rename(folder / "away")
    before = hashes(folder)
    with pytest.raises(StoreError, match="KEY_MISSING"):
        ring_in(folder).open(folder / "assistant.db")
    assert hashes(folder) == before


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00", b'{"version":1}', b"[" * 100_000])
async def test_a_damaged_keys_json_is_a_clear_error_and_stays(folder: Path, content: bytes) -> None:
    await run_once(folder)
    (folder / "keys.json").write_bytes(content)
    with pytest.raises(StoreError, match="KEY_DAMAGED"):
        ring_in(folder).open(folder / "assistant.db")
    assert (folder / "keys.json").read_bytes() == content


async def test_a_flipped_byte_in_keys_json_never_gives_another_key(folder: Path) -> None:
    data_key, _ = await run_once(folder)
    whole = (folder / "keys.json").read_bytes()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 1
        (folder / "keys.json").write_bytes(content)
        try:
            assert ring_in(folder).unlock() == data_key  # the flip is in the recovery part
        except StoreError as error:
            assert error.code in {"KEY_DAMAGED", "KEY_WRONG", "STORE_NEWER"}  # noqa: PT017


async def test_the_device_key_can_come_from_the_environment(folder: Path) -> None:
    secret = secrets.token_hex(32)
    data_key, _ = await run_once(folder, EDGE_ASSISTANT_SECRET_DEVICE_KEY=secret)
    assert not (folder / "device.key").exists()
    assert await run_once(folder, EDGE_ASSISTANT_SECRET_DEVICE_KEY=secret) == (data_key, None)
    with pytest.raises(StoreError, match="KEY_MISSING"):
        ring_in(folder).unlock()


@pytest.mark.parametrize("as_text", [True, False])
async def test_the_device_key_can_be_a_credential_of_the_service(
    folder: Path, tmp_path: Path, as_text: bool
) -> None:
    secret = secrets.token_bytes(32)
    (tmp_path / "device_key").write_bytes(secret.hex().encode() + b"\n" if as_text else secret)
    data_key, _ = await run_once(folder, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert not (folder / "device.key").exists()
    assert await run_once(folder, EDGE_ASSISTANT_SECRET_DEVICE_KEY=secret.hex()) == (data_key, None)


def test_a_device_key_of_the_wrong_length_is_a_clear_error_that_does_not_show_it(folder: Path) -> None:
    with pytest.raises(StoreError) as caught:
        ring_in(folder, EDGE_ASSISTANT_SECRET_DEVICE_KEY="abc123").create()
    assert caught.value.code == "KEY_DAMAGED"
    assert "abc123" not in caught.value.message
    assert not folder.exists() or not list(folder.iterdir())


async def test_files_open_to_others_are_made_private(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    await run_once(folder)
    for name in ("device.key", "keys.json"):
        (folder / name).chmod(0o644)
    ring_in(folder).unlock()
    assert {(folder / name).stat().st_mode & 0o777 for name in ("device.key", "keys.json")} == {0o600}
    assert "private" in caplog.text


async def test_a_link_in_place_of_a_key_is_refused(folder: Path) -> None:
    await run_once(folder)
    (folder / "device.key").rename(folder / "elsewhere")
    (folder / "device.key").symlink_to(folder / "elsewhere")
    with pytest.raises(StoreError, match="KEY_UNSAFE"):
        ring_in(folder).unlock()


async def test_no_key_is_logged_or_shown(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    data_key, code = await run_once(folder)
    keys = ring_in(folder).open(folder / "assistant.db")
    device_key = (folder / "device.key").read_bytes()
    shown = caplog.text + repr(keys) + repr(ring_in(folder))
    for secret in (data_key.hex(), repr(data_key), device_key.hex(), repr(device_key), code or ""):
        assert secret not in shown
