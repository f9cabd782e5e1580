"""An open store and a real embedder, which the tests of a module share."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from edge_assistant.catalog.catalog import find_model
from edge_assistant.errors import ModelError
from edge_assistant.memory.embedder import FastembedEmbedder, embedder_settings
from edge_assistant.memory.search import SearchIndex
from edge_assistant.store.database import Database

EMBEDDER = "all-minilm-l6-v2-int8"


@pytest_asyncio.fixture(loop_scope="module")
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedder(models_folder: Path) -> AsyncIterator[FastembedEmbedder]:
    try:
        find_model(EMBEDDER, models_folder)
    except ModelError as error:
        pytest.fail(f"{error}: `make setup` pulls the starter models", pytrace=False)
    embedder = FastembedEmbedder(embedder_settings(EMBEDDER, models_folder))
    yield embedder
    await embedder.stop()


@pytest.fixture
def index(database: Database, embedder: FastembedEmbedder) -> SearchIndex:
    return SearchIndex(database, embedder)
