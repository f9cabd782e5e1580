"""Encrypted KV on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_assistant.llm.snapshots import Snapshot, SnapshotStore

KEY = bytes(range(32))


def store(folder: Path, *, limit: int = 1 << 24, model: bytes = b"model") -> SnapshotStore:
    return SnapshotStore(folder, limit_bytes=limit, fingerprint=model)


def state(size: int) -> bytearray:
    return bytearray(os.urandom(size))


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 5 << 20])
def test_what_was_saved_is_loaded(tmp_path, size):
    kv = state(size)
    assert store(tmp_path).save("one", KEY, Snapshot([1, 2, 3], kv))
    loaded = store(tmp_path).load("one", KEY)
    assert loaded is not None
    assert loaded.tokens == [1, 2, 3]
    assert bytes(loaded.state) == bytes(kv)


def test_neither_name_nor_content_can_be_read_from_the_file(tmp_path):
    store(tmp_path).save("secret-name", KEY, Snapshot([7] * 50, bytearray(b"words" * 100)))
    (file,) = tmp_path.iterdir()
    raw = file.read_bytes()
    assert b"words" not in raw
    assert "secret-name" not in file.name
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("key", "model"), [(bytes(32), b"model"), (KEY, b"other model")])
def test_another_key_or_another_model_gets_nothing(tmp_path, key, model):
    store(tmp_path).save("one", KEY, Snapshot([1], state(100)))
    assert store(tmp_path, model=model).load("one", key) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_a_cut_or_changed_file_is_refused_and_removed(tmp_path, data):
    one = store(tmp_path)
    one.save("one", KEY, Snapshot([1, 2], state(3000)))
    (file,) = tmp_path.iterdir()
    raw = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    else:
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(raw)
    assert one.load("one", KEY) is None
    assert not file.exists()


def test_dropping_the_last_chunk_is_noticed(tmp_path):
    one = store(tmp_path)
    one.save("one", KEY, Snapshot([1], state(2 << 20)))
    (file,) = tmp_path.iterdir()
    raw = file.read_bytes()
    file.write_bytes(raw[: len(raw) - 4 - (1 << 20) - 16])
    assert one.load("one", KEY) is None


def test_the_oldest_snapshots_leave_when_the_limit_is_reached(tmp_path):
    one = store(tmp_path, limit=3000)
    for age, name in enumerate(["a", "b", "c"]):
        one.save(name, KEY, Snapshot([1], state(900)))
        newest = max(tmp_path.iterdir(), key=lambda p: p.stat().st_mtime_ns)
        os.utime(newest, (age, age))
    one.save("d", KEY, Snapshot([1], state(900)))
    assert one.load("a", KEY) is None
    assert one.load("c", KEY) is not None
    assert one.load("d", KEY) is not None


def test_a_snapshot_over_the_limit_is_not_written(tmp_path):
    assert not store(tmp_path, limit=10).save("one", KEY, Snapshot([1], state(100)))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_loses_the_snapshot_only(tmp_path):
    one = store(tmp_path / "kv")
    (tmp_path / "kv").rmdir()
    assert not one.save("one", KEY, Snapshot([1], state(100)))


def test_half_written_files_of_a_crash_are_removed_at_start(tmp_path):
    (tmp_path / "x.part").write_bytes(b"half")
    store(tmp_path)
    assert not list(tmp_path.iterdir())


def test_forgetting_removes_the_file(tmp_path):
    one = store(tmp_path)
    one.save("one", KEY, Snapshot([1], state(100)))
    one.forget("one")
    one.forget("never seen")
    assert not list(tmp_path.iterdir())
