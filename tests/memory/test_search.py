"""The hybrid search on a real store with the real embedder."""

from __future__ import annotations

import random
import time

import apsw
import pytest

from edge_assistant.memory import index_rows, vectors
from edge_assistant.memory.embedder import FastembedEmbedder
from edge_assistant.memory.embedding import NoEmbedder
from edge_assistant.memory.index_types import Chunk, Filters, Item
from edge_assistant.memory.indexer import Indexer
from edge_assistant.memory.search import SearchIndex, fuse
from edge_assistant.store.database import Database
from tests.vectors import pack_vector

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANN = Filters(principal="ann")


def item(ref: str, **fields) -> Item:
    return Item(**{"source": "document", "ref": ref, "created_at": time.time(), **fields})


async def fill(index: SearchIndex) -> None:
    await index.add(item("boiler", type="pdf", collection="home"), [
        Chunk("Check the boiler pressure each month; it should read 1.5 bar.", {"page": 4}),
        Chunk("Bleed the radiators in autumn, before the first frost.", {"page": 5}),
    ])  # fmt: skip
    await index.add(
        item("bread", type="md", collection="recipes"), [Chunk("Knead the dough for ten minutes.")]
    )
    await index.add(
        item("ada", source="memory", principal="ann", type="fact"), [Chunk("My sister is called Ada.")]
    )
    await index.add(
        item("eve", source="memory", principal="bob", type="fact"), [Chunk("My sister is called Eve.")]
    )


async def test_a_question_in_other_words_finds_the_passage_with_its_page(index: SearchIndex) -> None:
    await fill(index)
    hits = await index.search("how much water pressure does the heating need?", ANN, k=3)
    assert (hits[0].ref, hits[0].metadata, hits[0].position) == ("boiler", {"page": 4}, 0)
    assert hits[0].similarity > 0.4


async def test_nobody_finds_what_is_another_persons(index: SearchIndex) -> None:
    await fill(index)
    for question in ("My sister is called", "what is my sister's name?", "Eve"):
        assert "eve" not in [hit.ref for hit in await index.search(question, ANN)]
        shared = await index.search(question, Filters(principal=""))
        assert not {"ada", "eve"} & {hit.ref for hit in shared}
        own = await index.search(question, Filters(principal="ann", shared=False))
        assert [hit.ref for hit in own] == ["ada"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"sources": ("memory",)}, {"ada"}),
        ({"collections": ("recipes",)}, {"bread"}),
        ({"types": ("pdf", "md")}, {"boiler", "bread"}),
        ({"refs": ("bread",)}, {"bread"}),
        ({"types": ("x' OR 1=1 --",)}, set()),
        ({"after": time.time() + 1000}, set()),
        ({"before": time.time() - 1000}, set()),
        ({"after": time.time() - 1000, "types": ("fact",)}, {"ada"}),
    ],
)
async def test_filters_let_through_what_they_name(index: SearchIndex, filters: dict, expected: set) -> None:
    await fill(index)
    hits = await index.search("pressure dough sister radiators", Filters(principal="ann", **filters))
    assert {hit.ref for hit in hits} == expected


async def test_without_an_embedder_words_are_found_and_vectors_come_later(
    database: Database, embedder: FastembedEmbedder
) -> None:
    index = SearchIndex(database, NoEmbedder("m"))
    await fill(index)
    hits = await index.search("boiler pressures", ANN)
    assert (hits[0].ref, hits[0].similarity) == ("boiler", 0.0)
    assert await index.pending() == 5

    index = SearchIndex(database, embedder)
    indexer = Indexer(database, index)
    await indexer.start()
    await indexer.settled()
    await indexer.stop()
    assert await index.pending() == 0
    assert (await index.search("heating maintenance", ANN))[0].ref == "boiler"


async def test_what_has_no_vector_yet_comes_before_what_lies_nearest_by_chance(index: SearchIndex) -> None:
    await fill(index)
    texts = [Chunk("The plumber mends the shower on Thursday."), Chunk("He brings his own ladder.")]
    await index.add(item("plumber"), texts, later=True)
    found = await index.search("plumber on Thursday?", ANN, k=5)
    assert [hit.ref for hit in found[:1]] == ["plumber"]
    assert found[1].similarity < 0.3


async def test_another_embedder_takes_over_when_its_last_vector_is_there(
    database: Database, embedder: FastembedEmbedder
) -> None:
    index = SearchIndex(database, embedder)
    await fill(index)

    class Renamed:
        name = "newer"
        dimensions = 384
        unrelated = embedder.unrelated
        embed = embedder.embed
        embed_query = embedder.embed_query

    newer = SearchIndex(database, Renamed())
    assert (await newer.search("boiler pressure", ANN))[0].ref == "boiler"  # by words meanwhile
    assert await newer.pending() == 5
    indexer = Indexer(database, newer)
    await indexer.start()
    await indexer.settled()
    await indexer.stop()
    assert (await newer.search("heating maintenance", ANN))[0].similarity > 0.2

    def names(db: apsw.Connection) -> list[str]:
        return [row[0] for row in db.execute("SELECT name FROM index_embedders")]

    assert await database.read(names) == ["newer"]
    (tables,) = await database.read(
        lambda db: db.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'index%_1'").fetchone()
    )
    assert tables == 0


async def test_replacing_keeps_what_stayed_and_forgets_what_went(
    index: SearchIndex, database: Database
) -> None:
    document = item("d")
    await index.replace(document, [Chunk("alpha stays here"), Chunk("beta goes away")])

    def ids(db: apsw.Connection) -> dict[str, int]:
        return dict(db.execute("SELECT text, id FROM index_chunks").fetchall())

    before = await database.read(ids)
    await index.replace(document, [Chunk("gamma is new"), Chunk("alpha stays here", {"page": 2})])
    after = await database.read(ids)
    assert after["alpha stays here"] == before["alpha stays here"]
    assert set(after) == {"gamma is new", "alpha stays here"}
    assert [hit.ref for hit in await index.search("beta", Filters(principal="", refs=("d",)), k=9)] == [
        "d",
        "d",
    ]
    hits = await index.search("alpha", ANN, k=1)
    assert (hits[0].position, hits[0].metadata) == (1, {"page": 2})


async def test_removing_an_item_leaves_no_row_word_or_vector(index: SearchIndex, database: Database) -> None:
    await fill(index)
    assert await index.remove("memory", "ada", "ann")
    assert not await index.remove("memory", "ada", "ann")
    assert await index.remove("document", "boiler")
    assert await index.remove("document", "bread")
    assert await index.remove("memory", "eve", "bob")

    def left(db: apsw.Connection) -> list[int]:
        tables = ("index_items", "index_chunks", "index_bits_1_rowids", "index_vectors_1", "index_pending_1")
        counts = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]
        words = db.execute("SELECT count(*) FROM index_words WHERE index_words MATCH 'sister'").fetchone()[0]
        return [*counts, words]

    assert await database.read(left) == [0] * 6


async def test_frequent_words_are_left_out_and_rare_ones_found(
    index: SearchIndex, database: Database
) -> None:
    chunks = [Chunk(f"the common text number{n} of many") for n in range(300)]
    await index.replace(item("many"), [*chunks, Chunk("the zebra crossing of many")])
    index_without = SearchIndex(database, NoEmbedder("m"))
    assert await index_without.search("the common of many", ANN) == []
    hits = await index_without.search("the common zebra of many", ANN)
    assert [hit.text for hit in hits] == ["the zebra crossing of many"]


@pytest.mark.parametrize(
    "text", ["", " ", '"', "'; DROP TABLE index_chunks; --", "NEAR(a b)", "\0", "\ud800", "*", "ß" * 9999]
)
async def test_any_text_can_be_stored_and_asked(index: SearchIndex, text: str) -> None:
    await index.replace(item("odd"), [Chunk(text or "x")])
    for hit in await index.search(text, ANN):
        assert hit.ref == "odd"


async def test_a_chunk_deleted_while_it_is_embedded_gets_no_vector(
    index: SearchIndex, database: Database
) -> None:
    await index.add(item("gone"), [Chunk("soon gone")])
    await index.remove("document", "gone")
    vector = await index.embedder.embed_query("soon gone")

    def late(db: apsw.Connection) -> int:
        table = vectors.ensure_table(db, index.embedder.name, 384)
        return vectors.store_vectors(db, table, [(1, vector)])

    assert await database.write(late) == 0


async def test_whatever_is_hardly_farther_than_the_nearest_is_looked_at_whole(database: Database) -> None:
    generator = random.Random(5)
    asked = generator.getrandbits(64)

    def store(db: apsw.Connection) -> tuple[vectors.VectorTable, dict[int, int]]:
        table = vectors.ensure_table(db, "m", 64)
        _, added = index_rows.replace(db, item("many"), [Chunk(f"text {n}") for n in range(3000)])
        bits = {chunk: generator.getrandbits(64) for chunk, _ in added}
        vectors.store_vectors(db, table, [(chunk, _vector(each)) for chunk, each in bits.items()])
        return table, {chunk: (each ^ asked).bit_count() for chunk, each in bits.items()}

    table, distances = await database.write(store)
    farthest = sorted(distances.values())[vectors.NEAREST - 1] + 3
    near = {chunk for chunk, distance in distances.items() if distance <= farthest}
    assert vectors.NEAREST < len(near) < vectors.CANDIDATES_MOST
    found = await database.read(
        lambda db: vectors.nearest_by_bits(db, table, _vector(asked), spaces=[1], chosen=None)
    )
    assert near <= set(found)
    assert len(found) == len(set(found)) == vectors.CANDIDATES_MOST


def _vector(bits: int) -> bytes:
    return pack_vector([1.0 if bits >> place & 1 else -1.0 for place in range(64)])


async def test_being_in_both_lists_beats_being_first_in_one() -> None:
    scores = fuse([1, 2, 3], [4, 2])
    assert max(scores, key=scores.__getitem__) == 2
