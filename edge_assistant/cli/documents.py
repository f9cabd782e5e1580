"""`documents`: the library that questions are looked up in."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import time
from pathlib import Path

import msgspec

from edge_assistant.cli.connection import Connection, Message, connected
from edge_assistant.cli.terminal import Hint, printable
from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.people.person import OWNER_ID

AT_ONCE = 100
POLL_SECONDS = 0.3
_UNFINISHED = {"uploading", "waiting", "reading"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    what = parser.add_subparsers(metavar="WHAT", required=True, dest="what")
    add = what.add_parser("add", help="read files, folders and web pages into the library")
    add.add_argument("things", nargs="+", metavar="PATH-or-URL")
    add.add_argument("--shared", action="store_true", help="for everybody who lives here")
    listing = what.add_parser("list", help="list the documents and how they fare")
    remove = what.add_parser("remove", help="erase documents with everything that was made of them")
    remove.add_argument("documents", nargs="+", metavar="ID")
    search = what.add_parser("search", help="find passages")
    search.add_argument("query", metavar="QUERY")
    search.add_argument("--source", default="", metavar="S", help="id of a document, or a kind such as pdf")
    search.add_argument("--after", type=_day, metavar="DATE", help="written on this day or later")
    search.add_argument("--before", type=_day, metavar="DATE", help="written before this day")
    for each in (add, listing, remove, search):
        each.add_argument("--user", default=OWNER_ID, metavar="ID", help="in the name of this person")
        each.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Do it through the running daemon, else with a library that is open for this command."""
    with connected(args) as connection:
        match args.what:
            case "add":
                return _add(connection, args)
            case "list":
                for document in _pages(connection, args.user):
                    _print_document(document, as_json=args.json)
            case "remove":
                for identity in args.documents:
                    order = {"type": "documents.remove", "document": identity, "user": args.user}
                    removed = connection.order(**order)["items"][0]
                    print(f"{removed['id']} ({printable(_label(removed))}) is erased")
            case _:
                _search(connection, args)
    return 0


def _add(connection: Connection, args: argparse.Namespace) -> int:
    urls = [thing for thing in args.things if thing.startswith(("http://", "https://"))]
    paths = [path for thing in args.things if thing not in urls for path in _files(Path(thing))]
    added: list[Message] = []
    owner = {"user": args.user, "shared": args.shared}
    for start in range(0, len(paths), AT_ONCE):
        batch = paths[start : start + AT_ONCE]
        unseen = _unseen(connection, batch)
        seen = [path for path in batch if path not in unseen]
        added += connection.order(type="documents.add", paths=seen, urls=[], **owner)["items"]
        for path in unseen:
            added += _send(connection, path, owner)
    if urls:
        added += connection.order(type="documents.add", paths=[], urls=urls, **owner)["items"]
    failed = 0
    for document in _finished(connection, [each["id"] for each in added], args.user):
        _print_document(document, as_json=args.json)
        failed += document["state"] == "failed"
    return 1 if failed else 0


def _unseen(connection: Connection, paths: list[str]) -> list[str]:
    """Return those that this process can read and the daemon can't, as a service that has its own /tmp."""
    files = []
    for path in paths:
        if os.access(path, os.R_OK):
            status = Path(path).stat()
            files.append({"path": path, "device": status.st_dev, "inode": status.st_ino})
    unseen: list[str] = connection.order(type="documents.see", files=files)["paths"]
    return unseen


def _send(connection: Connection, path: str, owner: Message) -> list[Message]:
    """Hand the bytes of a file over."""
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        connection.order(type="documents.upload", name=Path(path).name, bytes=size, **owner)
        connection.send_bytes(file, size)
    items: list[Message] = connection.receive()["items"]
    return items


def _files(path: Path) -> list[str]:
    """Return the absolute path of a file, or of each file below a folder; hidden ones are left out."""
    if not path.is_dir():
        return [str(path.absolute())]
    found: list[str] = []
    for folder, folders, names in os.walk(path.absolute()):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [str(Path(folder, name)) for name in sorted(names) if not name.startswith(".")]
    if not found:
        raise UsageError("DOCUMENT_UNREADABLE", f"there is no file in {path}")
    return found


def _finished(connection: Connection, ids: list[str], user: str) -> list[Message]:
    """Wait until every document is read or failed, and return them."""
    done: dict[str, Message] = {}
    hint = Hint()
    try:
        while left := [each for each in ids if each not in done]:
            shown = connection.order(type="documents.list", ids=left[:AT_ONCE], user=user)["items"]
            done |= {each["id"]: each for each in shown if each["state"] not in _UNFINISHED}
            if any(each["state"] in _UNFINISHED for each in shown):
                reading = next((each for each in shown if each["state"] == "reading"), shown[0])
                hint.show(f"{len(done)} of {len(ids)} read, now {printable(_label(reading))} …")
                time.sleep(POLL_SECONDS)
    finally:
        hint.clear()
    return [done[each] for each in dict.fromkeys(ids)]


def _pages(connection: Connection, user: str) -> list[Message]:
    documents: list[Message] = []
    while True:
        after = documents[-1]["id"] if documents else ""
        page = connection.order(type="documents.list", user=user, after=after)["items"]
        if not page:
            return documents
        documents += page


def _search(connection: Connection, args: argparse.Namespace) -> None:
    order = {"type": "documents.search", "text": args.query, "user": args.user, "source": args.source}
    order |= {name: value for name in ("after", "before") if (value := getattr(args, name)) is not None}
    items = connection.order(**order)["items"]
    for found in items:
        if args.json:
            _print_json(found)
        else:
            place = f", {printable(found['where'])}" if found["where"] else ""
            print(f"{printable(found['title'])}{place}  ({found['similarity']:.2f}, {found['document']})")
            print(f"  {printable(' '.join(found['text'].split()))[:400]}\n")
    if not items and not args.json:
        print("Nothing fits.", file=sys.stderr)


def _print_document(document: Message, *, as_json: bool) -> None:
    if as_json:
        _print_json(document)
        return
    state = document["state"]
    if document["code"]:
        state = f"{document['code']}: {printable(document['message'])}"
    elif state == "ready":
        pages = f"{document['pages']} pages, " if document["pages"] else ""
        state = f"{document['kind']}, {pages}{document['chunks']} passages"
        state += f", {document['pending']} not searched by meaning yet" if document["pending"] else ""
    whose = "shared" if not document["principal"] else document["principal"]
    print(f"{document['id']}  {whose:<12}  {printable(_label(document))}  {state}")


def _print_json(message: Message) -> None:
    print(msgspec.json.encode(message).decode())


def _label(document: Message) -> str:
    return str(document["title"] or document["name"])


def _day(text: str) -> float:
    try:
        return dt.datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        raise EdgeError("USAGE", f"{text} is no date: write it as 2026-05-01") from None
