"""The audit log: entries are added, never changed, and name nobody."""

from __future__ import annotations

import itertools

import apsw
import pytest

from edge_assistant.store.audit import AuditLog
from edge_assistant.store.connection import connect
from edge_assistant.store.database import Database


@pytest.fixture
async def audit(database: Database) -> AuditLog:
    log = AuditLog(database)
    for number in range(5):
        await log.record("memory.exported", f"person-{number % 2}", {"facts": number})
    return log


async def test_entries_form_a_chain(audit: AuditLog) -> None:
    entries = (await audit.entries())[::-1]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.previous for entry in entries] == ["", *(entry.hash for entry in entries[:-1])]
    assert await audit.first_broken() is None


async def test_two_entries_about_one_person_can_be_told_without_telling_who(audit: AuditLog) -> None:
    entries = await audit.entries()
    assert len({entry.who for entry in entries}) == 2
    assert not any("person" in entry.who for entry in entries)


@pytest.mark.parametrize("statement", ["DELETE FROM audit WHERE seq = 3", "UPDATE audit SET who = 'x'"])
async def test_nothing_is_changed_or_removed(audit: AuditLog, database: Database, statement: str) -> None:
    with pytest.raises(apsw.ConstraintError, match="stay"):
        await database.write(lambda db: db.execute(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit WHERE seq = 3",
        "UPDATE audit SET details = '{}' WHERE seq = 3",
        "UPDATE audit SET at = at + 1 WHERE seq = 3",
        "UPDATE audit SET hash = 'forged' WHERE seq = 3",
    ],
)
async def test_whoever_has_the_key_and_changes_an_entry_is_found_out(
    audit: AuditLog, database: Database, key: bytes, statement: str
) -> None:
    tampering = connect(database.path, key)
    tampering.execute(f"DROP TRIGGER audit_stays; DROP TRIGGER audit_stays_so; {statement}")
    tampering.close()
    assert await audit.first_broken() == 3


async def test_what_may_be_somebodys_words_stays_out(audit: AuditLog) -> None:
    long, listed = "My bank PIN is 4711 and I keep it under the third stone by the door", ["words"]
    await audit.record("action.began", "ann", {"tool": "timer", "text": long, "more": listed})
    assert (await audit.entries(1))[0].details == {"tool": "timer"}


@pytest.fixture
async def long_log(audit: AuditLog, monkeypatch: pytest.MonkeyPatch) -> AuditLog:
    """A log of 25 entries: 20 in segments of 5, of which the older two are mere frames."""
    monkeypatch.setattr("edge_assistant.store.audit.ENTRIES_IN_SEGMENT", 5)
    monkeypatch.setattr("edge_assistant.store.audit_segment.SEGMENTS_KEPT", 2)
    for number in range(20):
        await audit.record("action.began", "ann", {"n": number, "share": 0.1})
    return audit


async def test_a_long_log_is_packed_and_its_chain_stays_whole(long_log: AuditLog, database: Database) -> None:
    assert await long_log.first_broken() is None
    entries = await long_log.entries()
    assert [entry.seq for entry in entries] == list(range(25, 10, -1))
    assert all(later.previous == entry.hash for later, entry in itertools.pairwise(entries))
    assert [entry.seq for entry in await long_log.entries(3, before=18)] == [17, 16, 15]
    packed = await long_log.entry(12)
    assert packed is not None
    assert (packed.details, packed.hash) == ({"n": 6, "share": 0.1}, entries[-2].hash)
    assert await long_log.entry(3) is None
    (rows,) = await database.read(lambda db: db.execute("SELECT count(*) FROM audit").fetchone())
    assert rows < 10


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit WHERE seq = 22",
        "DELETE FROM audit_segments WHERE first = 1",
        "UPDATE audit_segments SET hash = 'x' WHERE first = 1",
        "UPDATE audit_segments SET packed = x'00' WHERE first = 11",
    ],
)
async def test_what_was_packed_stays_as_it_is(long_log: AuditLog, database: Database, statement: str) -> None:
    assert await long_log.entry(22) is not None
    with pytest.raises(apsw.ConstraintError, match="stay"):
        await database.write(lambda db: db.execute(statement))


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("DELETE FROM audit_segments WHERE first = 1", 1),
        ("UPDATE audit_segments SET hash = 'x' WHERE first = 6", 11),
        ("UPDATE audit_segments SET packed = x'00' WHERE first = 11", 11),
        ("UPDATE audit_segments SET packed = (SELECT packed FROM audit_segments WHERE first = 16)", 1),
        ("DELETE FROM audit WHERE seq = 21", 21),
    ],
)  # fmt: skip
async def test_whoever_changes_what_was_packed_is_found_out(
    long_log: AuditLog, database: Database, key: bytes, statement: str, broken: int
) -> None:
    tampering = connect(database.path, key)
    tampering.execute(
        "DROP TRIGGER audit_stays; DROP TRIGGER audit_segments_stay; DROP TRIGGER audit_segments_stay_so;"
        + statement
    )
    tampering.close()
    assert await long_log.first_broken() == broken
