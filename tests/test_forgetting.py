"""Forgetting, over all rooms together: rows, words, vectors, KV, log, backups; others keep theirs."""

from __future__ import annotations

import asyncio
import fnmatch
import tarfile
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.forgetting import Forgetting
from edge_assistant.assistant.request import OWNER, Principal, Request
from edge_assistant.config import Config
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.embedding import NoEmbedder
from edge_assistant.memory.facts import Facts
from edge_assistant.memory.index_types import Chunk, Item
from edge_assistant.memory.search import SearchIndex
from edge_assistant.memory.vectors import ensure_table, pending, store_vectors
from edge_assistant.people.people import People
from edge_assistant.store.audit import AuditLog
from edge_assistant.store.backup import back_up, unpack
from edge_assistant.store.connection import connect
from edge_assistant.store.database import Database
from edge_assistant.store.erase import NOT_ABOUT_PEOPLE, Document, Memory, Old, Person, Sessions, Topic
from edge_assistant.store.keys import KeyRing, read_envelope
from edge_assistant.store.nightly import NightlyBackups, Rotation
from edge_assistant.tools.actions import Actions
from edge_assistant.tools.lists import Lists
from edge_assistant.tools.timers import Timers
from edge_assistant.wiring.abilities import Abilities
from edge_assistant.wiring.erasing import erase_hooks
from tests.fakes import ScriptedModel
from tests.vectors import pack_vector

ANN = Principal("ann", "member")
CANARY = "zanzibar"


class House:
    """A device with two people on it, its model scripted."""

    async def start(self, folder: Path) -> House:
        self.ring = KeyRing(folder, {})
        keys = self.ring.open(folder / "assistant.db")
        self.code = keys.recovery_code
        self.key = keys.data_key
        self.database = await Database.open(folder / "assistant.db", keys.data_key)
        self.conversations = Conversations(self.database)
        self.model = ScriptedModel()
        self.assistant = Assistant(Config(), self.conversations, self.model)
        self.index = SearchIndex(self.database, NoEmbedder("m"))
        self.facts = Facts(self.database, self.index)
        self.people, self.timers = People(self.database), Timers(self.database)
        self.audit = AuditLog(self.database)
        abilities = Abilities(self.timers, Lists(self.database), Actions((), self.audit))
        self.hooks = erase_hooks(self.assistant, None, abilities, self.people, None, house=None)
        self.forgetting = Forgetting(self.database, self.ring, self.audit, self.hooks)
        query = "INSERT INTO users(id, name, role, created_at) VALUES('ann', 'Ann', 'member', 0)"
        await self.database.write(lambda db: db.execute(query))
        return self

    async def say(self, turn: str, text: str, session: str, who: Principal) -> None:
        request = Request(id=turn, text=text, session=session, principal=who)
        await (await self.assistant.start(request)).wait()

    async def fill(self) -> None:
        """Let Ann and the owner say, add and set things, Ann with a word that is found again."""
        await self.say("t1", f"My {CANARY} password is blue", "anns", ANN)
        await self.say("t2", "I like tea", "anns", ANN)
        await self.say("t3", "I like coffee", "owners", OWNER)
        await self.facts.add("ann", f"my {CANARY} password is blue")
        await self.facts.add("ann", "I like tea")
        await self.facts.add("owner", "I like coffee")
        await self.timers.start(ANN, 300, f"the {CANARY} thing")
        await self.timers.start(OWNER, 300, "eggs")
        item = Item(source="document", ref="d", principal="ann", created_at=time.time())
        await self.index.add(item, [Chunk(f"a page about {CANARY}")])
        await self.database.write(_give_vectors)

    async def everything(self) -> str:
        """Every value of every table, as one text."""
        return await self.database.read(_everything)


def _give_vectors(db: apsw.Connection) -> None:
    table = ensure_table(db, "m", 8)
    vector = pack_vector([0.5] * 4 + [-0.5] * 4)
    store_vectors(db, table, [(chunk, vector) for chunk, _ in pending(db, table, 99)])


def _everything(db: apsw.Connection) -> str:
    tables = [str(row[0]) for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return "\n".join(repr(row) for table in tables for row in db.execute(f"SELECT * FROM [{table}]")).lower()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = await House().start(tmp_path / "state")
    await made.fill()
    yield made
    await made.assistant.close()
    await made.database.close()


async def test_a_forgotten_person_leaves_nothing_and_others_keep_theirs(house: House) -> None:
    receipt = await house.forgetting.forget(Person("ann"), OWNER.id)
    assert receipt.erased == {"messages": 2, "memories": 2, "timers": 1, "passages": 1}
    left = await house.everything()
    assert CANARY not in left
    assert "tea" not in left
    assert left.count("coffee") >= 2
    assert [timer.label for timer in house.timers.of(OWNER)] == ["eggs"]
    assert house.timers.of(ANN) == []
    assert (await house.people.users.get("ann")).name == "Ann"


async def test_whoever_leaves_takes_name_devices_and_tokens_along(house: House) -> None:
    await house.people.devices.add_program("ann", "reader")
    await house.forgetting.forget(Person("ann", account=True), OWNER.id)
    assert "ann" not in (await house.everything()).replace("household", "").split("'")
    assert [user.id for user in await house.people.users.list()] == ["owner"]
    await house.forgetting.forget(Person("owner", account=True), OWNER.id)
    assert [user.id for user in await house.people.users.list()] == ["owner"]


async def test_a_forgotten_session_takes_along_what_was_learnt_in_it(house: House) -> None:
    from edge_assistant.memory.fact import Provenance
    from edge_assistant.memory.statement import statements

    await house.facts.learn("owner", statements("my dog is called Rex"), Provenance(session="owners"))
    receipt = await house.forgetting.forget(Sessions(("owners",)), OWNER.id)
    assert receipt.erased == {"messages": 1, "memories": 1}
    assert "rex" not in await house.everything()
    assert house.model.forgotten == ["owners"]


async def test_a_forgotten_topic_is_gone_and_the_rest_of_the_conversation_stays(house: House) -> None:
    receipt = await house.forgetting.forget(Topic(f"{CANARY}s", "ann"), ANN.id)
    assert receipt.erased == {"messages": 1, "memories": 1, "timers": 1}
    assert [turn.turn_id for turn in await house.conversations.history("anns")] == ["t2"]
    assert [fact.text for fact in await house.facts.known("ann")] == ["I like tea."]
    sessions = await house.conversations.sessions("ann")
    assert CANARY not in sessions[0].title


async def test_a_topic_of_one_person_leaves_what_others_said_of_it(house: House) -> None:
    await house.facts.add("owner", f"my {CANARY} trip was fun")
    await house.forgetting.forget(Topic(CANARY, "ann"), ANN.id)
    assert next(fact.text for fact in await house.facts.known("owner")) == f"My {CANARY} trip was fun."


async def test_kv_that_may_hold_it_is_dropped_and_its_file_is_noise(house: House) -> None:
    before = await house.conversations.snapshot_key("anns")
    await house.forgetting.forget(Topic(CANARY, "ann"), ANN.id)
    assert await house.conversations.snapshot_key("anns") != before
    assert "anns" in house.model.forgotten
    assert "owners" not in house.model.forgotten
    await house.forgetting.forget(Document("d"), ANN.id)
    assert "owners" in house.model.forgotten


async def test_events_of_forgotten_turns_are_told_to_nobody_again(house: House) -> None:
    assert await house.assistant.turn("t1", ANN) is not None
    await house.forgetting.forget(Sessions(("anns",)), ANN.id)
    assert await house.assistant.turn("t1", ANN) is None


async def test_the_log_is_emptied(house: House) -> None:
    assert (await house.forgetting.forget(Person("ann"), OWNER.id)).log_emptied
    # what came after is the entry of the log, which names nobody
    assert (await house.audit.entries(1))[0].event == "forget"


async def test_backups_forget_too_and_can_still_be_restored(house: House, tmp_path: Path) -> None:
    backup, lost, away = tmp_path / "b.backup", tmp_path / "lost.backup", tmp_path / "usb" / "c.backup"
    away.parent.mkdir()
    for path in (backup, lost, away):
        await back_up(house.database, house.ring.envelope_path, path)
    lost.unlink()
    away.rename(tmp_path / "elsewhere")
    away.parent.rmdir()
    receipt = await house.forgetting.forget(Person("ann"), OWNER.id)
    assert receipt.backups_erased == 1
    assert receipt.backups_not_reached == ("c.backup",)
    with tarfile.open(backup) as archive:
        copy = archive.extractfile("assistant.db")
        assert copy is not None
        (tmp_path / "copy.db").write_bytes(copy.read())
    opened = connect(tmp_path / "copy.db", house.key)
    text = _everything(opened)
    opened.close()
    assert CANARY not in text
    assert "coffee" in text
    assert not list(tmp_path.glob("*.forget*"))


async def test_nightly_backups_forget_too_also_those_that_a_restored_store_never_heard_of(
    house: House, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    backups = NightlyBackups(
        house.database, house.ring.envelope_path, folder, Rotation(hour=3, days=7, weeks=4)
    )
    made = [await backups.make(datetime(2026, 5, day, 4)) for day in (4, 5)]  # noqa: DTZ001 - local
    await house.database.write(
        lambda db: db.execute("DELETE FROM backups WHERE path = ?", (str(made[1].path),))
    )
    (folder / "nightly-0123abcd-000001-20260504T040000.backup").write_bytes(made[0].path.read_bytes()[:3000])
    forgetting = Forgetting(house.database, house.ring, house.audit, house.hooks, folder)
    receipt = await forgetting.forget(Person("ann"), OWNER.id)
    assert receipt.backups_erased == 2
    for backup in made:
        envelope = unpack(backup.path, tmp_path / "copy.db")
        assert house.ring.unlock_other(read_envelope(envelope, "keys")) == house.key
        opened = connect(tmp_path / "copy.db", house.key)
        assert CANARY not in _everything(opened)
        opened.close()


async def test_a_backup_in_the_making_does_not_escape(house: House, tmp_path: Path) -> None:
    making = [
        asyncio.create_task(back_up(house.database, house.ring.envelope_path, tmp_path / f"{number}.backup"))
        for number in range(3)
    ]
    await asyncio.sleep(0)
    receipt = await house.forgetting.forget(Person("ann"), OWNER.id)
    await asyncio.gather(*making)
    assert receipt.backups_not_reached == ()
    for number in range(3):
        unpack(tmp_path / f"{number}.backup", tmp_path / "copy.db")
        opened = connect(tmp_path / "copy.db", house.key)
        assert CANARY not in _everything(opened)
        opened.close()


async def test_a_backup_that_is_none_is_named_and_harms_nothing(house: House, tmp_path: Path) -> None:
    backup = tmp_path / "b.backup"
    await back_up(house.database, house.ring.envelope_path, backup)
    backup.write_bytes(b"scribbled over")
    receipt = await house.forgetting.forget(Person("ann"), OWNER.id)
    assert receipt.backups_not_reached == ("b.backup",)
    assert CANARY not in await house.everything()


async def test_a_database_that_a_restore_set_aside_forgets_too(house: House, tmp_path: Path) -> None:
    aside = house.database.path.with_name("assistant.db.before-restore")
    await house.database.copy_to(aside)
    aside.with_name(aside.name + ".keys.json").write_bytes(house.ring.envelope_path.read_bytes())
    receipt = await house.forgetting.forget(Person("ann"), OWNER.id)
    assert receipt.backups_erased == 1
    opened = connect(aside, house.key)
    assert CANARY not in _everything(opened)
    opened.close()


async def test_the_copy_from_before_an_update_forgets_too_and_keeps_its_older_form(house: House) -> None:
    copy = house.database.path.with_name("assistant.db.before-update")
    await house.database.copy_to(copy)
    opened = connect(copy, house.key)
    older = int(str(opened.pragma("user_version"))) - 1
    opened.pragma("user_version", older)
    opened.close()
    receipt = await house.forgetting.forget(Person("ann"), OWNER.id)
    assert receipt.backups_erased == 1
    opened = connect(copy, house.key)
    assert CANARY not in _everything(opened)
    assert opened.pragma("user_version") == older
    opened.execute("DROP TABLE facts")  # a form in which forgetting is not possible any more
    opened.close()
    receipt = await house.forgetting.forget(Person("ann"), OWNER.id)
    assert receipt.backups_not_reached == ("assistant.db.before-update",)


async def test_a_receipt_names_nobody_and_only_the_real_one_is_genuine(house: House) -> None:
    receipt = await house.forgetting.forget(Person("ann"), OWNER.id)
    assert "ann" not in repr(receipt)
    assert await house.forgetting.genuine(receipt)
    from msgspec.structs import replace

    for forged in (
        replace(receipt, erased={"messages": 99}), replace(receipt, at=1.0), replace(receipt, entry=7),
        replace(receipt, entry_hash="x"), replace(receipt, log_emptied=False),
    ):  # fmt: skip
        assert not await house.forgetting.genuine(forged)


async def test_one_memory_goes_everywhere_and_only_by_who_may_change_it(house: House, tmp_path: Path) -> None:
    backup = tmp_path / "b.backup"
    await back_up(house.database, house.ring.envelope_path, backup)
    fact = next(fact for fact in await house.facts.known("ann") if CANARY in fact.text)
    assert (await house.forgetting.forget(Memory(fact.id, OWNER.id), OWNER.id)).erased == {}
    before = await house.conversations.snapshot_key("anns")
    receipt = await house.forgetting.forget(Memory(fact.id, "ann"), "ann")
    assert (receipt.kind, receipt.erased, receipt.backups_erased) == ("memory", {"memories": 1}, 1)
    assert [fact.text for fact in await house.facts.known("ann")] == ["I like tea."]
    assert await house.conversations.snapshot_key("anns") != before
    unpack(backup, tmp_path / "copy.db")
    opened = connect(tmp_path / "copy.db", house.key)
    left = opened.execute("SELECT count(*) FROM facts WHERE text LIKE ?", (f"%{CANARY}%",)).get
    opened.close()
    assert left == 0


async def test_a_preview_counts_and_takes_nothing(house: House) -> None:
    before = await house.everything()
    assert await house.forgetting.preview(Person("ann")) == {
        "messages": 2, "memories": 2, "timers": 1, "passages": 1,
    }  # fmt: skip
    assert await house.everything() == before


async def test_a_running_answer_ends_and_leaves_nothing(house: House) -> None:
    gate = asyncio.Event()
    house.model.steps = [f"the {CANARY} is", gate, "never said"]
    turn = await house.assistant.start(Request(id="r", text="Well?", session="anns", principal=ANN))
    while not house.model.streams or not turn.seq:
        await asyncio.sleep(0)
    await house.forgetting.forget(Person("ann"), OWNER.id)
    assert turn.finished
    assert CANARY not in await house.everything()


async def test_every_table_belongs_to_a_hook_or_is_about_nobody(house: House) -> None:
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    tables = await house.database.read(lambda db: [str(row[0]) for row in db.execute(query)])
    named = [pattern for hook in house.hooks for pattern in hook.tables] + list(NOT_ABOUT_PEOPLE)
    assert [t for t in tables if not any(fnmatch.fnmatch(t, pattern) for pattern in named)] == []


@given(words=st.text(max_size=30), text=st.text(max_size=200))
def test_a_topic_is_found_only_where_all_its_words_begin_one(words: str, text: str) -> None:
    topic = Topic(words, "ann")
    if topic.mentioned_in(text):
        assert all(stem in text.lower() for stem in topic.stems)
        assert topic.stems
    assert topic.mentioned_in(words) == bool(topic.stems)


async def test_what_is_old_goes_whoever_said_it_and_what_is_newer_stays(house: House) -> None:
    await house.database.write(_age)
    before = time.time() - 1000
    receipt = await house.forgetting.forget(Old(turns_before=before, facts_before=before), "owner")
    assert (receipt.kind, receipt.erased) == ("old", {"messages": 2, "memories": 1})
    assert await house.forgetting.genuine(receipt)
    left = await house.everything()
    assert "i like tea" in left
    assert "coffee" in left, "a memory that was said again is no older than that"
    assert [each.id for each in await house.conversations.sessions("owner")] == []
    (session,) = await house.conversations.sessions("ann")
    assert CANARY not in session.title
    assert "password is blue" not in " ".join(
        t.user_text for t in await house.conversations.all_turns("anns")
    )
    assert await house.forgetting.preview(Old()) == {}


def _age(db: apsw.Connection) -> None:
    db.execute("UPDATE turns SET created_at = 1 WHERE id IN ('t1', 't3')")
    db.execute("UPDATE sessions SET updated_at = 1 WHERE id = 'owners'")
    db.execute("UPDATE facts SET said_at = 1 WHERE text LIKE ?", (f"%{CANARY}%",))
