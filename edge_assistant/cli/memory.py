"""`memory`: see, search, correct and export what it remembers of people."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import msgspec

from edge_assistant.cli.connection import Connection, Message, connected
from edge_assistant.cli.terminal import printable
from edge_assistant.people.person import OWNER_ID

Work = Callable[[Connection, argparse.Namespace], None]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = _action(actions, "list", "list what it remembers of a person", _list)
    listing.add_argument("--replaced", action="store_true", help="also what no longer holds")
    search = _action(actions, "search", "find what fits a text", _search)
    search.add_argument("text", metavar="TEXT")
    add = _action(actions, "add", "remember something", _add)
    add.add_argument("text", metavar="TEXT")
    add.add_argument("--shared", action="store_true", help="let everybody who lives here know it")
    correct = _action(actions, "correct", "let a memory say something else", _correct)
    correct.add_argument("fact", metavar="ID")
    correct.add_argument("text", metavar="TEXT")
    undo = _action(actions, "undo", "take a memory back; what it replaced holds again", _undo)
    undo.add_argument("fact", metavar="ID")
    export = _action(actions, "export", "print everything that a person said", _export)
    export.add_argument("--markdown", action="store_true", help="as text to read instead of JSON")


def run(args: argparse.Namespace) -> int:
    """Ask the assistant, the running one if there is one."""
    with connected(args) as connection:
        args.work(connection, args)
    return 0


def _action(actions: Any, name: str, line: str, work: Work) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=line, description=line)
    action.add_argument("--user", metavar="ID", default=OWNER_ID, help="whose memory; else the owner's")
    action.add_argument("--json", action="store_true", help="one JSON object a line")
    action.add_argument("--config", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    action.set_defaults(work=work)
    return action


def _list(connection: Connection, args: argparse.Namespace) -> None:
    facts = connection.order(type="memory.list", user=args.user, replaced=args.replaced)["items"]
    _print(facts, args)
    if not facts and not args.json:
        print("Nothing is remembered.")


def _search(connection: Connection, args: argparse.Namespace) -> None:
    found = connection.order(type="memory.search", user=args.user, text=args.text)["items"]
    _print([each["fact"] for each in found], args)


def _add(connection: Connection, args: argparse.Namespace) -> None:
    order = {"type": "memory.add", "user": args.user, "text": args.text, "shared": args.shared}
    _print(connection.order(**order)["items"], args)


def _correct(connection: Connection, args: argparse.Namespace) -> None:
    order = {"type": "memory.correct", "user": args.user, "fact": args.fact, "text": args.text}
    _print(connection.order(**order)["items"], args)


def _undo(connection: Connection, args: argparse.Namespace) -> None:
    again = connection.order(type="memory.undo", user=args.user, fact=args.fact)["items"]
    _print(again, args)
    if not again and not args.json:
        print("The memory is gone; it had replaced nothing.")


def _export(connection: Connection, args: argparse.Namespace) -> None:
    from edge_assistant.memory.export import as_markdown

    facts = connection.order(type="memory.export", user=args.user)["items"]
    print(as_markdown(facts) if args.markdown else msgspec.json.encode({"facts": facts}).decode())


def _print(facts: list[Message], args: argparse.Namespace) -> None:
    for fact in facts:
        if args.json:
            print(msgspec.json.encode(fact).decode())
            continue
        said = time.strftime("%Y-%m-%d", time.localtime(fact["said_at"]))
        notes = [fact["origin"], *(["shared"] if fact["shared"] else ())]
        if fact["replaced_by"]:
            notes.append("replaced")
        print(f"{fact['id']}  {said}  {printable(fact['text'])}  ({', '.join(notes)})")
