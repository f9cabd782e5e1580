"""`ask`: one question, one answer."""

from __future__ import annotations

import argparse
import sys
import uuid

from edge_assistant.cli.connection import Connection, Message, connected
from edge_assistant.cli.terminal import events_of, print_answer


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("text", metavar="TEXT", help="what to ask; - reads it from standard input")
    parser.add_argument("--session", metavar="ID", help="go on with this conversation; otherwise a new one")
    parser.add_argument("--user", metavar="ID", default="owner", help="ask in the name of this person")
    parser.add_argument("--private", action="store_true", help="it stays on this device, whatever is allowed")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each event")


def run(args: argparse.Namespace) -> int:
    """Ask and print the answer as it comes; Ctrl+C stops it."""
    text = sys.stdin.read() if args.text == "-" else args.text
    turn_id, session = uuid.uuid4().hex, args.session or uuid.uuid4().hex
    with connected(args) as connection:
        connection.send(
            type="message", id=turn_id, session=session, text=text, user=args.user, private=args.private
        )
        try:
            if args.json:
                return _print_events(connection, turn_id)
            answer = print_answer(connection, turn_id)
        except (KeyboardInterrupt, BrokenPipeError):
            connection.send(type="stop", id=turn_id, user=args.user)
            raise
    return _exit_code(answer)


def _print_events(connection: Connection, turn_id: str) -> int:
    last: Message = {}
    for line, last in events_of(connection, turn_id):  # noqa: B007 - the last one tells how it ended
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    return _exit_code(last)


def _exit_code(last: Message) -> int:
    """Return 0 for an answer that came to its end: a script must not take half of one for the whole."""
    return 1 if last["type"] == "turn.failed" or last["status"] == "interrupted" else 0
