"""Migrations: each step once, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from edge_assistant.errors import StoreError
from edge_assistant.store.connection import connect
from edge_assistant.store.database import Database
from edge_assistant.store.migrations import MIGRATIONS, migrate
from tests.store.conftest import hashes


def schema(connection: apsw.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()


def test_migrating_twice_does_nothing_the_second_time() -> None:
    connection = apsw.Connection(":memory:")
    assert migrate(connection) == len(MIGRATIONS)
    before = schema(connection)
    assert migrate(connection) == 0
    assert schema(connection) == before


def test_every_older_form_reaches_the_newest() -> None:
    newest = apsw.Connection(":memory:")
    migrate(newest)
    for applied in range(len(MIGRATIONS) + 1):
        connection = apsw.Connection(":memory:")
        migrate(connection, MIGRATIONS[:applied])
        assert migrate(connection) == len(MIGRATIONS) - applied
        assert schema(connection) == schema(newest)


def test_a_step_that_fails_leaves_the_form_before_it() -> None:
    def half(connection: apsw.Connection) -> None:
        connection.execute("CREATE TABLE half(x)")
        raise ZeroDivisionError

    connection = apsw.Connection(":memory:")
    with pytest.raises(ZeroDivisionError):
        migrate(connection, [*MIGRATIONS, half])
    assert connection.pragma("user_version") == len(MIGRATIONS)
    assert "half" not in str(schema(connection))
    assert migrate(connection, [*MIGRATIONS, lambda db: db.execute("CREATE TABLE half(x)").close()]) == 1


async def test_a_newer_database_is_refused_and_left_alone(path: Path, key: bytes) -> None:
    await (await Database.open(path, key)).close()
    connection = connect(path, key)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
    connection.pragma("user_version", len(MIGRATIONS) + 1)
    connection.close()
    before = hashes(path.parent)
    with pytest.raises(StoreError, match="STORE_NEWER"):
        await Database.open(path, key)
    assert hashes(path.parent) == before
