"""What is looked up and what is told without a model: a household's papers, the real embedder."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from edge_assistant.assistant.ladder import Passage, Question, QuickAnswer
from edge_assistant.assistant.learning import Learner, RememberedRung, Remembering
from edge_assistant.assistant.looking_up import LookingUp, PassageRung
from edge_assistant.assistant.request import Principal, Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.config.schema import Memory
from edge_assistant.documents.files import FileReaders
from edge_assistant.documents.ingest import Ingest
from edge_assistant.documents.library import Library, Reader
from edge_assistant.memory.embedder import FastembedEmbedder, embedder_settings
from edge_assistant.memory.embedding import EMBEDDER
from edge_assistant.memory.facts import Facts
from edge_assistant.memory.indexer import Indexer
from edge_assistant.memory.search import SearchIndex
from edge_assistant.store.database import Database
from tests.assistant.papers import PAPERS, UNANSWERED

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANN = Principal("ann", "member")
SILENT = "Your documents don't tell."


class House:
    """A library with papers in it, a memory, and a model that is as strong as `weak` says."""

    def __init__(self, database: Database, embedder: FastembedEmbedder) -> None:
        index = SearchIndex(database, embedder)
        self.index, self.weak = index, True
        self.library, self.facts = Library(database, index, max_bytes=1 << 20), Facts(database, index)
        learner = Learner(self.facts)
        self.sources = (
            Remembering(self.facts, learner, Memory()),
            LookingUp(self.library, lambda: self.weak, top_k=3, budget_tokens=600),
        )
        self.rungs = (
            RememberedRung(lambda: self.weak),
            PassageRung(self.library, "auto", lambda: self.weak),
        )

    async def ask(self, text: str) -> tuple[QuickAnswer | None, Sequence[Passage]]:
        """Return what is answered without a model, and what a model would be given."""
        request = Request(id="t", text=text, session="s", principal=ANN)
        passages = [passage for source in self.sources for passage in await source.retrieve(request)]
        question = Question(request, Turn("t", "s", ANN), tuple(passages))
        for rung in self.rungs:
            if answer := await rung.attempt(question):
                return answer, passages
        return None, passages


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    path = tmp_path_factory.mktemp("papers") / "assistant.db"
    database = await Database.open(path, secrets.token_bytes(32))
    embedder = FastembedEmbedder(embedder_settings(EMBEDDER, models_folder))
    made = House(database, embedder)
    await _read_papers(made, database, path.parent)
    await made.facts.add("ann", "my sister is called Ada")
    await made.facts.add("ann", "by the big light I mean the kitchen lamp")
    await made.facts.add("bob", "my boss is called Eve", shared=True)
    yield made
    await embedder.stop()
    await database.close()


async def _read_papers(house: House, database: Database, folder: Path) -> None:
    for number, (title, text, _) in enumerate(PAPERS):
        (folder / f"{number}.md").write_text(f"# {title}\n\n{text}\n")
    ingest = Ingest(house.library, database, house.index, FileReaders(), None)
    indexer = Indexer(database, house.index)
    await house.library.add_files(sorted(folder.glob("*.md")), "ann")
    await ingest.start()
    async with asyncio.timeout(60):
        while set((await house.library.overview(Reader("ann")))[1]) != {"ready"}:
            await asyncio.sleep(0.05)
    await indexer.start()
    await indexer.settled()
    await indexer.stop()
    await ingest.stop()


@pytest.fixture(autouse=True)
def weak(house: House) -> None:
    house.weak = True


async def test_questions_that_the_papers_answer_are_answered_by_the_right_passage(house: House) -> None:
    right, wrong, missed = [], [], []
    for _, text, asked in PAPERS:
        answer, given = await house.ask(asked)
        if answer is not None:
            (right if answer.text.startswith(text) else wrong).append(asked)
        elif text not in [passage.text for passage in given]:
            missed.append(asked)
    assert wrong == []
    assert len(right) >= 19, f"of {len(PAPERS)}; the others are for the model"
    assert len(missed) <= 2, missed


async def test_questions_that_the_papers_do_not_answer_are_told_so(house: House) -> None:
    answers = [(await house.ask(asked))[0] for asked in UNANSWERED]
    assert all(answers), "a small model never answers what it would have to make up"
    made_up = [answer.text for answer in answers if answer and answer.text != SILENT]
    assert len(made_up) <= 2, made_up


async def test_a_small_model_is_given_no_passage_that_hardly_fits_and_a_larger_one_is(house: House) -> None:
    asked = "What do my documents say about the dishwasher?"
    answer, given = await house.ask(asked)
    assert (answer and answer.text, given) == (SILENT, [])
    house.weak = False
    answer, given = await house.ask(asked)
    assert answer is None
    assert given


async def test_what_a_person_said_answers_for_a_small_model_in_their_own_words(house: House) -> None:
    answer, given = await house.ask("What is my sister called?")
    assert answer is not None
    assert answer.text == f"You told me: “My sister is called Ada.” [{1 + _place(given, 'My sister')}]"
    assert answer.route.rung == "extractive"
    for not_for_it in ("Write a poem about my sister", "Is my big light on?", "My sister is nice."):
        answer, _ = await house.ask(not_for_it)
        assert answer is None, not_for_it
    house.weak = False
    assert (await house.ask("What is my sister called?"))[0] is None


def _place(given: Sequence[Passage], words: str) -> int:
    return next(n for n, passage in enumerate(given) if passage.text.startswith(words))
