"""Orders of the control socket about the library, and their answers."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec

from edge_assistant.documents.document import HOUSEHOLD, Document, Found
from edge_assistant.documents.library import PAGE, Library, Reader, Wanted
from edge_assistant.documents.upload import PIECE_BYTES
from edge_assistant.errors import EdgeError
from edge_assistant.frontends.protocol import Id
from edge_assistant.people.person import OWNER_ID
from edge_assistant.store.audit import AuditLog

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class SeenFile(msgspec.Struct, frozen=True):
    """A file as its caller sees it."""

    path: _Text
    device: int
    inode: int


class AddDocuments(msgspec.Struct, frozen=True, tag="documents.add", tag_field="type"):
    """Read files and web pages into the library; paths are absolute."""

    paths: Annotated[list[_Text], msgspec.Meta(max_length=PAGE)] = []
    urls: Annotated[list[_Text], msgspec.Meta(max_length=PAGE)] = []
    user: Id = OWNER_ID
    shared: bool = False
    """Whether the household shall see them."""


class SeeDocuments(msgspec.Struct, frozen=True, tag="documents.see", tag_field="type"):
    """Tell which files the daemon can't open: a service has a /tmp of its own and can't see homes."""

    files: Annotated[list[SeenFile], msgspec.Meta(max_length=PAGE)] = []


class UploadDocument(msgspec.Struct, frozen=True, tag="documents.upload", tag_field="type"):
    """Take a file over the socket: after `documents.send` its bytes follow, and nothing else."""

    name: _Text
    bytes: Annotated[int, msgspec.Meta(ge=0)]
    user: Id = OWNER_ID
    shared: bool = False


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


DocumentOrder: TypeAlias = AddDocuments | SeeDocuments | ListDocuments | RemoveDocument | SearchDocuments


class UnseenList(msgspec.Struct, frozen=True, tag="documents.unseen", tag_field="type"):
    """Paths that name no file here, another one, or one that can't be read."""

    paths: list[str]


class SendNow(msgspec.Struct, frozen=True, tag="documents.send", tag_field="type"):
    """The bytes may come."""


class DocumentList(msgspec.Struct, frozen=True, tag="documents", tag_field="type"):
    """Documents."""

    items: list[Document]


class PassageList(msgspec.Struct, frozen=True, tag="documents.found", tag_field="type"):
    """Passages, the best first."""

    items: list[Found]


async def write_down(order: DocumentOrder | UploadDocument, audit: AuditLog) -> None:
    """Put into the audit log that somebody looks into the library or changes it."""
    if not isinstance(order, SeeDocuments):
        await audit.record(str(order.__struct_config__.tag), order.user, {"source": "control"})


async def obey(order: DocumentOrder, library: Library | None) -> DocumentList | PassageList | UnseenList:
    """Carry out an order; raises DOCUMENTS_OFF and what `Library` raises."""
    library = _open(library)
    if isinstance(order, SeeDocuments):
        return UnseenList(
            await asyncio.to_thread(lambda: [each.path for each in order.files if not _seen(each)])
        )
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


async def receive(
    order: UploadDocument, library: Library | None, stream: asyncio.StreamReader
) -> DocumentList:
    """Take the bytes of a file and put it into the line.

    Raises DOCUMENTS_OFF, DOCUMENT_TOO_LARGE, DOCUMENTS_FULL once all bytes came, and EOFError when the
    caller left before.
    """
    left, failure, upload = order.bytes, None, None
    try:
        upload = await _open(library).begin_upload(order.name, HOUSEHOLD if order.shared else order.user)
    except EdgeError as error:
        failure = error
    try:
        while left:
            piece = await stream.read(min(left, PIECE_BYTES))
            if not piece:
                raise EOFError
            left -= len(piece)
            if failure is None and upload is not None:
                try:
                    await upload.write(piece)
                except EdgeError as error:
                    failure = error  # what still comes is read, and dropped
        if failure is not None or upload is None:
            raise failure or EdgeError("DOCUMENT_UNREADABLE", "the file could not be taken")
        return DocumentList([await upload.finish()])
    finally:
        if upload is not None:
            await asyncio.shield(upload.drop())


def _open(library: Library | None) -> Library:
    if library is None:
        raise EdgeError("DOCUMENTS_OFF", "there is no library here: set documents.enabled = true")
    return library


def _seen(file: SeenFile) -> bool:
    """Tell whether this process can read the very same file."""
    try:
        status = os.stat(file.path)  # noqa: PTH116 - as the kernel says it
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (file.device, file.inode) and os.access(file.path, os.R_OK)
