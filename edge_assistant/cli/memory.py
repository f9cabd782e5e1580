"""`memory`: see, search, correct, export and forget what it remembers of people."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edge_assistant.cli.connection import Connection, Message, connected
from edge_assistant.cli.terminal import printable
from edge_assistant.errors import UsageError
from edge_assistant.people.person import OWNER_ID

Work = Callable[[Connection, argparse.Namespace], int | None]


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
    forget = _action(actions, "forget", "forget a person, or a part of what they said, everywhere", _forget)
    what = forget.add_mutually_exclusive_group()
    what.add_argument("--session", metavar="ID", help="only this conversation and what was learnt in it")
    what.add_argument("--document", metavar="ID", help="only this document")
    what.add_argument("--memory", metavar="ID", help="only this memory")
    what.add_argument("--topic", metavar="WORDS", help="only what all these words stand in")
    forget.add_argument("--receipt", type=Path, metavar="FILE", help="where to write the receipt")
    forget.add_argument("--yes", action="store_true", help="without asking")
    check = _action(actions, "check", "tell whether this device made a receipt", _check)
    check.add_argument("receipt", type=Path, metavar="FILE")
    audit = _action(actions, "audit", "show who did what, and whether the log is whole", _audit)
    audit.add_argument("--limit", type=int, default=200, metavar="N")
    export = _action(actions, "export", "print everything that a person said", _export)
    export.add_argument("--markdown", action="store_true", help="as text to read instead of JSON")


def run(args: argparse.Namespace) -> int:
    """Ask the assistant, the running one if there is one."""
    with connected(args) as connection:
        return args.work(connection, args) or 0


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


def _forget(connection: Connection, args: argparse.Namespace) -> int:
    named = {"session": args.session, "document": args.document, "memory": args.memory, "topic": args.topic}
    order = {"type": "memory.forget", "user": args.user, **{k: v for k, v in named.items() if v}}
    if sys.stdin.isatty() and not args.yes and not _confirmed(connection.order(**order, preview=True)):
        return 1
    receipt = connection.order(**order)
    line = msgspec.json.encode(receipt).decode()
    if args.receipt:
        args.receipt.write_text(line + "\n", encoding="utf-8")
    if args.json:
        print(line)
        return 0
    print(f"Forgotten: {_counted(receipt['erased'])}. Entry {receipt['entry']} of the audit log.")
    for name in receipt["backups_not_reached"]:
        print(f"not reached: the backup {name}; delete it, or forget again when it is back")
    return 1 if receipt["backups_not_reached"] else 0


def _confirmed(preview: Message) -> bool:
    print(f"This forgets for good: {_counted(preview['erased'])}.")
    return input("Forget it? [y/N] ").strip().lower() in {"y", "yes"}


def _counted(erased: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in erased.items()) or "nothing, there was none"


def _check(connection: Connection, args: argparse.Namespace) -> int:
    try:
        receipt = msgspec.json.decode(args.receipt.read_bytes())
    except msgspec.DecodeError as error:
        raise UsageError("RECEIPT_BAD", f"{args.receipt} is no receipt") from error
    genuine = connection.order(type="memory.check", receipt=receipt)["genuine"]
    print("genuine: the audit log holds it and is whole" if genuine else "NOT genuine")
    return 0 if genuine else 1


def _audit(connection: Connection, args: argparse.Namespace) -> int:
    log = connection.order(type="memory.audit", limit=args.limit)
    for entry in reversed(log["items"]):
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry["at"]))
        details = " ".join(f"{key}={value}" for key, value in entry["details"].items())
        text = f"{entry['seq']:>6}  {when}  {entry['event']:<16}  {entry['who']}  {details}"
        print(msgspec.json.encode(entry).decode() if args.json else printable(text))
    if log["broken"] is not None:
        print(f"the log was changed: entry {log['broken']} is not what was written", file=sys.stderr)
        return 1
    return 0


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
