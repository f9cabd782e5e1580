"""Orders of the control socket about the library, and their answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec

from edge_assistant.documents.document import HOUSEHOLD, Document, Found
from edge_assistant.documents.library import PAGE, Library, Reader, Wanted
from edge_assistant.errors import EdgeError
from edge_assistant.frontends.protocol import Id
from edge_assistant.people.person import OWNER_ID

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class AddDocuments(msgspec.Struct, frozen=True, tag="documents.add", tag_field="type"):
    """Read files and web pages into the library; paths are absolute."""

    paths: Annotated[list[_Text], msgspec.Meta(max_length=PAGE)] = []
    urls: Annotated[list[_Text], msgspec.Meta(max_length=PAGE)] = []
    user: Id = OWNER_ID
    shared: bool = False
    """Whether the household shall see them."""


class ListDocuments(msgspec.Struct, frozen=True, tag="documents.list", tag_field="type"):
    """Give a page of documents, the newest first, or the ones named in `ids`."""

    user: Id = OWNER_ID
    after: str = ""
    ids: Annotated[list[Id], msgspec.Meta(max_length=PAGE)] = []


class RemoveDocument(msgspec.Struct, frozen=True, tag="documents.remove", tag_field="type"):
    """Erase a document with everything that was made of it."""

    document: Id
    user: Id = OWNER_ID


class SearchDocuments(msgspec.Struct, frozen=True, tag="documents.search", tag_field="type"):
    """Find passages."""

    text: _Text
    user: Id = OWNER_ID
    source: str = ""
    after: float | None = None
    before: float | None = None
    k: Annotated[int, msgspec.Meta(ge=1, le=50)] = 10


DocumentOrder: TypeAlias = AddDocuments | ListDocuments | RemoveDocument | SearchDocuments


class DocumentList(msgspec.Struct, frozen=True, tag="documents", tag_field="type"):
    """Documents."""

    items: list[Document]


class PassageList(msgspec.Struct, frozen=True, tag="documents.found", tag_field="type"):
    """Passages, the best first."""

    items: list[Found]


async def obey(order: DocumentOrder, library: Library | None) -> DocumentList | PassageList:
    """Carry out an order; raises DOCUMENTS_OFF and what `Library` raises."""
    if library is None:
        raise EdgeError("DOCUMENTS_OFF", "there is no library here: set documents.enabled = true")
    reader = Reader(order.user)
    match order:
        case AddDocuments(paths, urls, user, shared):
            owner = HOUSEHOLD if shared else user
            added = await library.add_files([Path(path) for path in paths], owner)
            return DocumentList(added + [await library.add_url(url, owner) for url in urls])
        case ListDocuments(ids=ids) if ids:
            return DocumentList([await library.get(each, reader) for each in ids])
        case ListDocuments(after=after):
            return DocumentList(await library.page(reader, after=after))
        case RemoveDocument(document):
            return DocumentList([await library.remove(document, reader)])
        case SearchDocuments(text=text, source=source, after=after, before=before, k=k):
            wanted = Wanted(source=source, after=after, before=before)
            return PassageList(await library.search(text, reader, wanted, k))
