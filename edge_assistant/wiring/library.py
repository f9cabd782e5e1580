"""The library of documents, and how questions are looked up in it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edge_assistant.assistant.ladder import Extensions
from edge_assistant.config import Config, Paths
from edge_assistant.errors import ModelError
from edge_assistant.llm.switched import SwitchedModel
from edge_assistant.memory.search import SearchIndex
from edge_assistant.store.database import Database
from edge_assistant.workers.background import Background

if TYPE_CHECKING:
    from edge_assistant.documents.library import Library

SMALL_MODEL_BYTES = 1_200_000_000
"""Below about two billion parameters at four bits, models mix up what they read."""


async def start_library(
    stack: AsyncExitStack,
    config: Config,
    paths: Paths,
    database: Database,
    index: SearchIndex,
    *,
    background: Background,
) -> Library | None:
    """Return the library, which reads in the background; None when `documents.enabled` is off."""
    if not config.documents.enabled:
        return None
    from edge_assistant.documents.fetch import WebFetcher
    from edge_assistant.documents.files import FileReaders
    from edge_assistant.documents.ingest import Ingest
    from edge_assistant.documents.library import Library
    from edge_assistant.documents.listening import SpeechListener
    from edge_assistant.documents.wire import FilesSettings
    from edge_assistant.speech.settings import speech_settings

    most = config.documents.max_mb << 20
    fetcher = WebFetcher() if config.documents.web else None
    library = Library(database, index, max_bytes=most)
    files = FileReaders(FilesSettings(file_bytes=most))
    listener = SpeechListener(lambda: speech_settings(config, paths.models))
    ingest = Ingest(library, database, index, files, fetcher, listener=listener, background=background)
    stack.push_async_callback(ingest.stop)
    await ingest.start()
    if config.documents.folder:
        from edge_assistant.documents.watch import Watcher

        watcher = Watcher(library, Path(config.documents.folder))
        stack.push_async_callback(watcher.stop)
        watcher.start()
    return library


def looking_up(config: Config, paths: Paths, library: Library | None, model: SwitchedModel) -> Extensions:
    """Look questions up in the library."""
    if library is None:
        return Extensions()
    from edge_assistant.assistant.looking_up import LookingUp, PassageRung

    settings = config.documents

    def model_is_weak() -> bool:
        return model.status.phase != "ready" or _is_small(model.status.name, paths)

    return Extensions(
        sources=(LookingUp(library, top_k=settings.top_k, budget_tokens=settings.budget_tokens),),
        extractive=(PassageRung(library, settings.answer, model_is_weak, config.assistant.language),),
    )


def _is_small(model: str, paths: Paths) -> bool:
    """Tell whether a model is too small to be trusted with what it reads; one elsewhere is not."""
    from edge_assistant.catalog.catalog import find_model

    try:
        return find_model(model, paths.models).stat().st_size < SMALL_MODEL_BYTES
    except ModelError:
        return False
