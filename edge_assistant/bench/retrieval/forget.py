"""A canary is planted everywhere, forgotten, and looked for in every byte of every file.

Text, words, vector, bits, token ids and the key of the KV on disk: each is looked for in the decrypted
pages of the database (free ones and the log among them) and of every backup. The same search must find
them where secure deletion is switched off, else it proves nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from pydoc_data.topics import topics

import apsw
import msgspec

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.forgetting import Forgetting
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.retrieval.corpus import make_embedder
from edge_assistant.bench.retrieval.pages import decrypted
from edge_assistant.config import Config
from edge_assistant.documents.library import Library
from edge_assistant.errors import EdgeError
from edge_assistant.llm.snapshots import Snapshot, SnapshotStore
from edge_assistant.llm.unavailable import UnavailableModel
from edge_assistant.memory.conversation_rows import pack_ids
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.embedder import FastembedEmbedder
from edge_assistant.memory.fact import Provenance
from edge_assistant.memory.facts import Facts
from edge_assistant.memory.index_types import Chunk, Item
from edge_assistant.memory.search import SearchIndex
from edge_assistant.memory.statement import statements
from edge_assistant.people.people import People
from edge_assistant.people.person import Principal
from edge_assistant.store.audit import AuditLog
from edge_assistant.store.backup import DATABASE_MEMBER, back_up
from edge_assistant.store.database import Database
from edge_assistant.store.erase import Document, Person, Sessions, Subject, Topic
from edge_assistant.store.keys import KeyRing
from edge_assistant.tools.lists import Lists
from edge_assistant.tools.timers import Timers
from edge_assistant.wiring.erasing import erase_hooks

TIMES = 100
BACKUP_EVERY = 10
NO_MODEL = EdgeError("MODEL_STOPPED", "this bench needs none")

LEAST_CHARACTERS = 60
KINDS: tuple[type[Subject], ...] = (Person, Sessions, Topic, Document)

OTHERS = 12
"""Messages and facts of others around each canary: pages split, merge and are used again."""

FOUND = Goal(
    metric="traces of forgotten canaries, 100 repetitions",
    unit="finds",
    text="text, tokens and vector bytes of the canary found 0 times in every page, freelist, WAL and backup",
    at_most=0,
)
CONTROL = Goal(
    metric="canaries that the same search finds with secure_delete off",
    unit="share",
    text="the same harness with secure_delete off must find them",
    at_least=0.9,
)


class Canary(msgspec.Struct):
    """What was planted, as bytes that stand nowhere else, each under what it is."""

    needles: dict[str, bytes]


class House:
    """A device whose files are looked into."""

    def __init__(self, folder: Path, embedder: FastembedEmbedder) -> None:
        self._folder = folder
        self.path = folder / "state" / "assistant.db"
        self._embedder = embedder
        self._others = _chatter()
        self._snapshots = SnapshotStore(folder / "kv", limit_bytes=1 << 30, fingerprint=b"bench")

    async def start(self, *, secure: bool) -> None:
        """Open the store; without `secure` nothing is overwritten."""
        self._ring = KeyRing(self.path.parent, {})
        self._key = self._ring.open(self.path).data_key
        self.database = await Database.open(self.path, self._key)
        if not secure:
            await self.database.write(_leave_remains)
        self._conversations = Conversations(self.database)
        self._assistant = Assistant(Config(), self._conversations, UnavailableModel("none", NO_MODEL))
        self._index = SearchIndex(self.database, self._embedder)
        self._facts = Facts(self.database, self._index)
        self._timers, self._lists = Timers(self.database), Lists(self.database)
        self._library = Library(self.database, self._index, max_bytes=1 << 20)
        people = People(self.database)
        hooks = erase_hooks(self._assistant, None, None, people, self._library, house=None)
        self._forgetting = Forgetting(self.database, self._ring, AuditLog(self.database), hooks)

    async def stop(self) -> None:
        """Close the store."""
        await self._assistant.close()
        await self.database.close()

    async def live(self, number: int) -> None:
        """Let others say and add things."""
        for place in range(OTHERS):
            text = next(self._others)
            where = (f"o{number}-{place}", f"other-{place % 5}", "other")
            await self._say(where, text, text[::-1])
            await self._facts.add("other", text[:400])

    async def plant(self, number: int) -> tuple[Canary, Subject]:
        """Put a canary wherever something is kept about people, and return how to have it forgotten."""
        word = "".join(secrets.choice("bcdfghjklmnpqrvwxz") for _ in range(16))
        who, session = f"person-{number}", f"session-{number}"
        fact = f"My {word} is called {word} and lives by the lake"
        vector = (await self._embedder.embed([f"{fact}."])).vectors[0]
        canary = Canary(
            {
                "text": word.encode(),
                "tokens": word[4:13].encode(),  # FTS5 may keep a word without its beginning or ending
                "vector": vector[:160],
                "bits": await self._bits(vector),
            }
        )
        kind = KINDS[number % len(KINDS)]
        if kind is not Document:
            canary.needles |= await self._plant_talk(number, who, fact)
        if kind is Topic or kind is Person:
            await self._timers.start(Principal(who, "guest"), 3000, f"the {word}")
            await self._lists.add(Principal(who, "guest"), "shopping", [word])
        document = "" if kind is Sessions else await self._plant_document(who, word, fact)
        subjects: tuple[Subject, ...] = (
            Person(who), Sessions((session,)), Topic(word, who), Document(document, who),
        )  # fmt: skip
        return canary, subjects[KINDS.index(kind)]

    async def _plant_talk(self, number: int, who: str, fact: str) -> dict[str, bytes]:
        """Have it said, answered, learnt, and kept in a KV file; return what else to look for."""
        session, ids = f"session-{number}", tuple(secrets.randbelow(1 << 30) for _ in range(24))
        await self._say((f"t{number}", session, who), f"{fact}.", f"{fact}, I see.", ids)
        provenance = Provenance(session=session, turn=f"t{number}", source="bench")
        await self._facts.learn(who, statements(fact), provenance)
        key = await self._conversations.snapshot_key(session)
        self._snapshots.save(session, key, Snapshot(list(ids), bytearray(fact.encode() * 50)))
        return {"token ids": pack_ids(ids)[:40], "key of the KV": key}

    async def _plant_document(self, who: str, word: str, fact: str) -> str:
        upload = await self._library.begin_upload(f"about {word}.txt", who)
        await upload.write(fact.encode() * 200)
        document = await upload.finish()
        item = Item(source="document", ref=document.id, principal=who, title=word, created_at=time.time())
        await self._index.add(item, [Chunk(f"{fact}."), Chunk(f"A page about {word}.")])
        return document.id

    async def forget(self, subject: Subject) -> None:
        """Forget on command; only emptying the log, as every later write would, when nothing is secure."""
        await self._forgetting.forget(subject, "owner")

    async def back_up(self, number: int) -> None:
        """Keep one backup, made while the canary was there."""
        for old in self._folder.glob("*.backup"):
            old.unlink()
        await back_up(self.database, self._ring.envelope_path, self._folder / f"{number}.backup")

    def look(self, canary: Canary) -> list[str]:
        """Return what of the canary is in which file."""
        found = []
        for name, path in (("database", self.path), *self._copies()):
            for page in decrypted(path, self._key):
                found += [
                    f"{kind} in the {name}" for kind, needle in canary.needles.items() if needle in page
                ]
        return found

    async def planted(self, canary: Canary) -> bool:
        """Return whether the search sees the canary while it is there: all of it."""
        await self.database.checkpoint()
        seen = {each.rpartition(" in the ")[0] for each in self.look(canary)}
        return seen >= canary.needles.keys()

    def _copies(self) -> Iterator[tuple[str, Path]]:
        for backup in self._folder.glob("*.backup"):
            with tarfile.open(backup) as archive:
                archive.extract(DATABASE_MEMBER, self._folder, filter="data")
            yield "backup", self._folder / DATABASE_MEMBER

    async def _say(
        self, where: tuple[str, str, str], text: str, answer: str, ids: Sequence[int] = ()
    ) -> None:
        turn, session, who = where
        await self._conversations.ensure_session(session, who)
        await self._conversations.begin_turn(turn, session, who, text)
        await self._conversations.finish_turn(turn, answer, ids, "m", "complete")

    async def _bits(self, vector: bytes) -> bytes:
        query = "SELECT vec_quantize_binary(?)"
        return await self.database.read(lambda db: bytes(db.execute(query, (vector,)).get))


def _chatter() -> Iterator[str]:
    """Yield what others say: lines of Python's language reference, over and over, numbered."""
    lines = [line.strip() for text in topics.values() for line in text.splitlines()]
    for number, line in enumerate(itertools.cycle(line for line in lines if len(line) > LEAST_CHARACTERS)):
        yield f"{line} {number}"


def _leave_remains(db: apsw.Connection) -> None:
    db.pragma("secure_delete", "off")
    for table in ("index_words", "turn_words"):
        db.execute(f"INSERT INTO {table}({table}, rank) VALUES('secure-delete', 0)")


async def _try(setting: Setting, times: int, *, secure: bool) -> tuple[list[str], int, int]:
    """Return what was found of forgotten canaries, of how many, and how many were seen while there."""
    found: list[str] = []
    canaries = seen = 0
    embedder = make_embedder(setting)
    with tempfile.TemporaryDirectory(prefix="edge-assistant-bench-") as folder:
        house = House(Path(folder), embedder)
        await house.start(secure=secure)
        try:
            for number in range(times):
                setting.say(f"forgetting, {number} of {times}")
                await house.live(number)
                canary, subject = await house.plant(number)
                if secure and number % BACKUP_EVERY == 0:
                    await house.back_up(number)
                seen += await house.planted(canary)
                await house.forget(subject)
                left = house.look(canary)
                canaries += bool(left)
                found += left
        finally:
            await house.stop()
            await embedder.stop()
    return found, canaries, seen


def measure(setting: Setting) -> Iterator[Result]:
    """Forget canaries, then try the same where nothing is overwritten."""
    times = setting.count(TIMES, 8)
    found, canaries, seen = asyncio.run(_try(setting, times, secure=True))
    where = ", ".join(f"{found.count(each)} {each}" for each in dict.fromkeys(found)) or "nothing"
    yield FOUND.measured(
        len(found) if seen == times else max(len(found), times - seen),
        f"n={times}, a quarter each by person, conversation, topic and document; found: {where}, "
        f"of {canaries} canaries; {seen} were seen whole while there; a backup every {BACKUP_EVERY}",
    )
    control = max(4, times // 5)
    found, canaries, _ = asyncio.run(_try(setting, control, secure=False))
    yield CONTROL.measured(canaries / control, f"n={control}; {len(found)} traces")


MEASUREMENTS = (Measurement((FOUND, CONTROL), measure),)
