"""What is remembered: vectors when their model is here, the search over everything stored, what is learnt."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from edge_assistant.assistant.ladder import Extensions
from edge_assistant.config import Config, Paths
from edge_assistant.errors import ModelError
from edge_assistant.llm.switched import SwitchedModel
from edge_assistant.memory.embedding import EMBEDDER, NoEmbedder
from edge_assistant.memory.facts import Facts
from edge_assistant.memory.search import SearchIndex
from edge_assistant.store.database import Database
from edge_assistant.wiring.model import weakness
from edge_assistant.workers.background import Background

if TYPE_CHECKING:
    from edge_assistant.assistant.learning import Learner
    from edge_assistant.memory.embedding import Embedder

logger = logging.getLogger(__name__)


def start_embedder(stack: AsyncExitStack, config: Config, paths: Paths) -> Embedder | None:
    """Return what makes vectors, when its model is on this device; its process starts when first asked.

    Until the one of the configuration is here, the starter's does it.
    """
    from edge_assistant.memory.embedder import FastembedEmbedder, embedder_settings

    settings = None
    for model in dict.fromkeys((config.memory.embedder, EMBEDDER)):
        try:
            settings = embedder_settings(model, paths.models)
        except ModelError as error:
            logger.info("no embedder %s: %s", model, error.code)
        else:
            break
    if settings is None:
        return None
    embedder = FastembedEmbedder(settings)
    stack.push_async_callback(embedder.stop)
    return embedder


async def start_index(
    stack: AsyncExitStack, database: Database, embedder: Embedder | None, background: Background
) -> SearchIndex:
    """Return the search over everything stored; its vectors are made in the background."""
    from edge_assistant.memory.indexer import Indexer

    index = SearchIndex(database, embedder or NoEmbedder(EMBEDDER))
    if embedder is not None:
        indexer = Indexer(database, index, background)
        stack.push_async_callback(indexer.stop)
        await indexer.start()
    return index


def start_learner(stack: AsyncExitStack, config: Config, facts: Facts) -> Learner | None:
    """Return what learns from turns, when anything is to be remembered."""
    if not config.memory.enabled:
        return None
    from edge_assistant.assistant.learning import Learner

    learner = Learner(facts)
    stack.push_async_callback(learner.stop)
    return learner


def remembering(
    config: Config, paths: Paths, facts: Facts, learner: Learner | None, model: SwitchedModel
) -> Extensions:
    """Learn from what people say, and recall what fits a question."""
    if learner is None:
        return Extensions()
    from edge_assistant.assistant.learning import RememberedRung, Remembering

    rung = RememberedRung(weakness(model, paths), config.assistant.language)
    return Extensions(
        sources=(Remembering(facts, learner, config.memory),), extractive=(rung,), listeners=(learner,)
    )
