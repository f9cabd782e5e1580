"""The library over HTTP: upload, list, search, read where a passage stands, remove. Each person's own."""

from __future__ import annotations

import asyncio
import math
from typing import Annotated

import msgspec
from aiohttp import web

from edge_assistant.assistant.looking_up import reader_of
from edge_assistant.documents.document import HOUSEHOLD, Document
from edge_assistant.documents.library import Library, Wanted
from edge_assistant.documents.upload import Upload
from edge_assistant.errors import BusyError, EdgeError, UsageError
from edge_assistant.frontends.web.access import allow
from edge_assistant.frontends.web.auth import principal_of
from edge_assistant.frontends.web.responses import json_response, read_json
from edge_assistant.people.person import Principal
from edge_assistant.store.audit import AuditLog

MOST_QUERY_CHARACTERS = 500
MOST_NAME_CHARACTERS = 255
UPLOADS_AT_ONCE = 4

SILENT_SECONDS = 30.0
"""An upload that brings nothing for so long is dropped."""

FOUND = 20
AROUND = 3
"""Passages that are shown of a document: the cited one with its neighbours."""


class WebPage(msgspec.Struct, frozen=True):
    """The JSON body of `POST /api/documents`: a page to be fetched."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    shared: bool = False


class DocumentPages:
    """Serves the library of the signed-in person; other people's private documents don't exist here."""

    def __init__(self, library: Library, audit: AuditLog) -> None:
        self._library = library
        self._audit = audit
        self._uploads = 0

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the library."""
        return [
            web.get("/api/documents", self.list),
            web.post("/api/documents", self.add),
            web.get("/api/documents/{id}", self.read),
            web.delete("/api/documents/{id}", self.remove),
        ]

    @allow("guest", "documents")
    async def list(self, request: web.Request) -> web.Response:
        """Return a page of documents, the newest first, or with `q` the passages that fit it.

        `state` and `after`, the id of the last one before it, choose the page; `source` (a kind or an
        id), `since` and `before` (UNIX seconds) bind a search.
        """
        person, query = principal_of(request), request.query
        reader = reader_of(person)
        if len(query.get("q", "")) > MOST_QUERY_CHARACTERS:
            raise UsageError("WEB_BAD_FIELD", f"q has at most {MOST_QUERY_CHARACTERS} characters")
        if query.get("q", "").strip():
            wanted = Wanted(
                source=query.get("source", ""), after=_time(request, "since"), before=_time(request, "before")
            )
            await self._audit.record("documents.searched", person.id, {})
            return json_response({"passages": await self._library.search(query["q"], reader, wanted, FOUND)})
        documents, counts = await self._library.overview(
            reader, after=query.get("after", ""), state=query.get("state", "")
        )
        return json_response({"documents": documents, "counts": counts, "max_bytes": self._library.max_bytes})

    @allow("guest", "documents")
    async def add(self, request: web.Request) -> web.Response:
        """Take a file (its bytes as the body, `name` and `shared=1` in the query) or a page (JSON).

        202: it is kept and will be read; `GET /api/documents/{id}` tells how it fares.
        """
        person = principal_of(request)
        if request.content_type == "application/json":
            body = await read_json(request, WebPage)
            document = await self._library.add_url(body.url, _owner(person, shared=body.shared))
        else:
            shared = request.query.get("shared") == "1"
            document = await self._take(request, _owner(person, shared=shared))
        await self._audit.record("documents.added", person.id, {})
        return json_response(document, status=202)

    @allow("guest", "documents")
    async def read(self, request: web.Request) -> web.Response:
        """Return a document; with `around`, the place of a passage, also the text that stands there."""
        reader, identity = reader_of(principal_of(request)), str(request.match_info["id"])
        document = await self._library.get(identity, reader)
        answer: dict[str, object] = {"document": document}
        if "around" in request.query:
            place = int(_number(request, "around", 0, 1_000_000))
            answer["passages"] = await self._library.passages(identity, reader, place, AROUND)
        return json_response(answer)

    @allow("guest", "documents")
    async def remove(self, request: web.Request) -> web.Response:
        """Erase a document with everything that was made of it."""
        person = principal_of(request)
        await self._library.remove(str(request.match_info["id"]), reader_of(person))
        await self._audit.record("documents.removed", person.id, {})
        return web.Response(status=204)

    async def _take(self, request: web.Request, owner: str) -> Document:
        name = request.query.get("name", "").replace("\\", "/").rpartition("/")[2].strip()
        if not name or len(name) > MOST_NAME_CHARACTERS:
            raise UsageError("WEB_BAD_FIELD", "`name` in the address names the file")
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise UsageError("WEB_BAD_REQUEST", "send the file uncompressed")
        if (request.content_length or 0) > self._library.max_bytes:
            most = self._library.max_bytes >> 20
            raise EdgeError("DOCUMENT_TOO_LARGE", f"a document may have {most} MB; this one has more")
        if self._uploads >= UPLOADS_AT_ONCE:
            raise BusyError("UPLOADS_BUSY", "other files are being taken: send it again", retry_after=2)
        self._uploads += 1
        try:
            upload = await self._library.begin_upload(name, owner)
            try:
                await _receive(request, upload)
                return await upload.finish()
            finally:
                await asyncio.shield(upload.drop())
        finally:
            self._uploads -= 1


async def _receive(request: web.Request, upload: Upload) -> None:
    while True:
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                data = await request.content.readany()
        except TimeoutError:
            raise EdgeError("WEB_TOO_SLOW", "the file came too slowly: send it again") from None
        if not data:
            return
        await upload.write(data)


def _owner(person: Principal, *, shared: bool) -> str:
    """Return whose the document becomes; guests share nothing with the household."""
    return HOUSEHOLD if shared and person.role != "guest" else person.id


def _time(request: web.Request, name: str) -> float | None:
    return _number(request, name, 0, 1e11) if request.query.get(name) else None


def _number(request: web.Request, name: str, least: float, most: float) -> float:
    try:
        value = float(request.query[name])
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise UsageError("WEB_BAD_FIELD", f"{name} is a number from {least:g} to {most:g}")
    return value
