"""The audit log: entries are added, never changed, and name nobody."""

from __future__ import annotations

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
