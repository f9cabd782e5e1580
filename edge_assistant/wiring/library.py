"""The library of documents, and how questions are looked up in it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edge_assistant.assistant.ladder import Extensions
from edge_assistant.config import Config, Paths
from edge_assistant.llm.switched import SwitchedModel
from edge_assistant.memory.search import SearchIndex
from edge_assistant.store.database import Database
from edge_assistant.wiring.model import weakness
from edge_assistant.workers.background import Background

if TYPE_CHECKING:
    from edge_assistant.documents.library import Library


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

    settings, weak = config.documents, weakness(model, paths)
    return Extensions(
        sources=(LookingUp(library, weak, top_k=settings.top_k, budget_tokens=settings.budget_tokens),),
        extractive=(PassageRung(library, settings.answer, weak, config.assistant.language),),
    )
