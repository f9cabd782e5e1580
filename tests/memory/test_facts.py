"""Facts on a real store with the real embedder: learnt, recalled, corrected, forgotten."""

from __future__ import annotations

import pytest

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.memory.embedding import NoEmbedder
from edge_assistant.memory.fact import Provenance
from edge_assistant.memory.facts import Facts
from edge_assistant.memory.search import SearchIndex
from edge_assistant.memory.statement import statements
from edge_assistant.people.person import HOUSEHOLD_ID
from edge_assistant.store.database import Database

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def facts(database: Database, index: SearchIndex) -> Facts:
    return Facts(database, index)


@pytest.fixture
async def ann(database: Database) -> str:
    return await _person(database, "ann", "member")


async def _person(database: Database, who: str, role: str) -> str:
    query = "INSERT INTO users(id, name, role, created_at) VALUES(?, ?, ?, 0)"
    await database.write(lambda db: db.execute(query, (who, who, role)))
    return who


async def tell(facts: Facts, who: str, text: str, turn: str = "t") -> list[str]:
    provenance = Provenance(session="s", turn=turn, source="web")
    return [fact.id for fact in await facts.learn(who, statements(text), provenance)]


async def recalled(facts: Facts, who: str, question: str, *, household: bool = True) -> list[str]:
    found = await facts.recall(who, question, household=household, k=5, tokens=200)
    return [each.fact.text for each in found]


async def test_a_fact_is_recalled_by_a_question_in_other_words(facts: Facts, ann: str) -> None:
    await tell(facts, ann, "I'm allergic to peanuts. My sister is called Ada. I work at the brewery.")
    assert (await recalled(facts, ann, "which foods are bad for me?"))[0] == "I'm allergic to peanuts."
    assert (await recalled(facts, ann, "who is my employer?"))[0] == "I work at the brewery."


async def test_a_question_about_something_else_brings_nothing_along(facts: Facts, ann: str) -> None:
    await tell(facts, ann, "I'm allergic to peanuts. My sister is called Ada. I work at the brewery.")
    for question in ("How far is the moon?", "Convert ten miles to kilometres", "Who wrote Faust?"):
        assert await recalled(facts, ann, question) == []


async def test_a_fact_says_where_it_is_from(facts: Facts, ann: str) -> None:
    await tell(facts, ann, "My sister is called Ada", turn="t7")
    (fact,) = await facts.known(ann)
    assert (fact.session, fact.turn, fact.source, fact.origin) == ("s", "t7", "web", "said")
    assert (fact.confidence, fact.times, fact.shared) == (0.7, 1, False)


async def test_saying_it_again_makes_no_second_fact(facts: Facts, ann: str) -> None:
    first = await tell(facts, ann, "My sister is called Ada")
    assert await tell(facts, ann, "my sister's name is Ada.") == first
    (fact,) = await facts.known(ann)
    assert fact.times == 2


async def test_a_newer_statement_takes_the_place_of_the_older(facts: Facts, ann: str) -> None:
    await tell(facts, ann, "My sister is called Eve")
    await tell(facts, ann, "no, my sister is called Ada")
    assert await recalled(facts, ann, "What is my sister's name?") == ["My sister is called Ada."]
    assert len(await facts.known(ann, replaced=True)) == 2


async def test_what_is_no_longer_liked_is_gone(facts: Facts, ann: str) -> None:
    await tell(facts, ann, "I like tea")
    await tell(facts, ann, "I no longer like tea")
    assert [fact.text for fact in await facts.known(ann)] == ["I no longer like tea."]


async def test_undoing_a_correction_brings_back_what_it_replaced(facts: Facts, ann: str) -> None:
    await tell(facts, ann, "My sister is called Eve")
    (newer,) = await tell(facts, ann, "no, my sister is called Ada")
    await facts.undo(ann, newer)
    assert await recalled(facts, ann, "What is my sister's name?") == ["My sister is called Eve."]


async def test_an_explained_name_comes_along_whenever_it_is_used(facts: Facts, ann: str) -> None:
    await tell(facts, ann, "By big light I mean the kitchen lamp")
    assert await recalled(facts, ann, "switch the big light on") == ["By big light I mean the kitchen lamp."]
    assert await recalled(facts, ann, "switch the bedroom lamp on") == []


async def test_nobody_recalls_lists_changes_or_forgets_anothers(
    facts: Facts, ann: str, database: Database
) -> None:
    bob = await _person(database, "bob", "member")
    (secret,) = await tell(facts, bob, "My bank PIN is 4711")
    assert await recalled(facts, ann, "What is my bank PIN?") == []
    assert await facts.known(ann) == []
    assert await facts.search(ann, "bank PIN") == []
    for attempt in (
        facts.correct(ann, secret, "My bank PIN is 1"),
        facts.undo(ann, secret),
        facts.share(ann, secret, shared=True),
        facts.forget(ann, [secret]),
    ):
        with pytest.raises(EdgeError, match="no such memory"):
            await attempt


async def test_what_is_shared_reaches_the_household_but_no_guest(
    facts: Facts, ann: str, database: Database
) -> None:
    guest = await _person(database, "gus", "guest")
    await tell(facts, ann, "Remember for everyone that the bins go out on Monday")
    for who in (HOUSEHOLD_ID, await _person(database, "bob", "member")):
        assert await recalled(facts, who, "When do the bins go out?") == ["The bins go out on Monday."]
    assert await recalled(facts, guest, "When do the bins go out?", household=False) == []
    assert await facts.known(guest) == []


async def test_sharing_can_be_taken_back(facts: Facts, ann: str, database: Database) -> None:
    bob = await _person(database, "bob", "member")
    (fact,) = await tell(facts, ann, "The car key hangs by the door. Remember the car key hangs by the door")
    await facts.share(ann, fact, shared=True)
    assert await recalled(facts, bob, "Where is the car key?")
    await facts.share(ann, fact, shared=False)
    assert await recalled(facts, bob, "Where is the car key?") == []


async def test_a_guest_shares_nothing(facts: Facts, database: Database) -> None:
    guest = await _person(database, "gus", "guest")
    (fact,) = await tell(facts, guest, "I like tea")
    with pytest.raises(UsageError, match="live here"):
        await facts.share(guest, fact, shared=True)


async def test_memories_keep_to_their_number_and_token_budget(facts: Facts, ann: str) -> None:
    for flower in ("roses", "tulips", "lilies", "daisies", "poppies", "asters", "irises"):
        await tell(facts, ann, f"I love {flower} as flowers")
    found = await facts.recall(ann, "Which flowers do I love?", household=True, k=5, tokens=200)
    assert len(found) == 5
    found = await facts.recall(ann, "Which flowers do I love?", household=True, k=5, tokens=20)
    assert len(found) == 2


async def test_without_an_embedder_words_recall(database: Database, ann: str) -> None:
    facts = Facts(database, SearchIndex(database, NoEmbedder("m")))
    await tell(facts, ann, "My sister is called Ada. I work at the brewery.")
    assert await recalled(facts, ann, "What is my sister called?") == ["My sister is called Ada."]
    assert await recalled(facts, ann, "How far is the moon?") == []


async def test_forgetting_leaves_no_row_word_or_vector(facts: Facts, ann: str, database: Database) -> None:
    (first,) = await tell(facts, ann, "My sister is called Eve")
    (second,) = await tell(facts, ann, "no, my sister is called Ada")
    assert await facts.forget(ann, [second]) == 2

    def left(db) -> list[int]:
        tables = ("facts", "index_items", "index_chunks", "index_vectors_1", "index_bits_1_rowids")
        return [db.execute(f"SELECT count(*) FROM {table}").get for table in tables]

    assert await database.read(left) == [0] * 5
    with pytest.raises(EdgeError):
        await facts.undo(ann, first)


async def test_a_typed_answer_is_kept_with_its_question(facts: Facts, ann: str) -> None:
    where = Provenance(session="s", turn="t", source="web")
    await facts.answer(ann, "How long do I boil an egg?", "six minutes", where)
    (text,) = await recalled(facts, ann, "How long should I boil an egg?")
    assert text == "The right answer to “How long do I boil an egg?” is: six minutes"
    await facts.answer(ann, "How long do I boil an egg?", "seven minutes", where)
    (text,) = await recalled(facts, ann, "How long should I boil an egg?")
    assert text.endswith("seven minutes")


@pytest.mark.parametrize(
    ("text", "code"), [("", "FACT_EMPTY"), (" \0\n", "FACT_EMPTY"), ("x" * 501, "FACT_TOO_LONG")]
)
async def test_nothing_and_too_much_are_refused(facts: Facts, ann: str, text: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        await facts.add(ann, text)
    assert caught.value.code == code
