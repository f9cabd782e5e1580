"""`chat`: a conversation in the terminal."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
import uuid

from edge_assistant.cli.connection import Connection, connected
from edge_assistant.cli.terminal import print_answer, printable
from edge_assistant.errors import EdgeError

HELP = """\
/new            begin a new conversation
/sessions       list the conversations; /open NUMBER goes on with one
/private TEXT   say TEXT so that it stays on this device
/quit           leave (also Ctrl+D)
Ctrl+C stops an answer. Everything else is said to the assistant."""

_LISTED = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--session", metavar="ID", help="go on with this conversation")
    parser.add_argument("--user", metavar="ID", default="owner", help="chat in the name of this person")


def run(args: argparse.Namespace) -> int:
    """Read lines and answer them until /quit or the end of input."""
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - gives input() line editing and history
    with connected(args) as connection:
        chat = Chat(connection, args.user, args.session or uuid.uuid4().hex)
        if sys.stdin.isatty():
            print("Ask something; /help lists the commands.")
        while (line := _read_line()) is not None:
            if not chat.obey(line.strip()):
                break
    return 0


class Chat:
    """One terminal's conversation."""

    def __init__(self, connection: Connection, user: str, session: str) -> None:
        self._connection = connection
        self._user = user
        self._session = session
        self._listed: list[str] = []

    def obey(self, line: str) -> bool:
        """Do what a line asks; False when it was to leave."""
        command, _, argument = line.partition(" ")
        match command:
            case "":
                pass
            case "/quit" | "/exit":
                return False
            case "/help":
                print(HELP)
            case "/new":
                self._session = uuid.uuid4().hex
                print("A new conversation.")
            case "/sessions":
                self._list_sessions()
            case "/open":
                self._open(argument)
            case "/private" if argument.strip():
                self._say(argument.strip(), private=True)
            case _ if command.startswith("/"):
                print(f"{printable(command)} is no command; /help lists them.")
            case _:
                self._say(line)
        return True

    def _say(self, text: str, *, private: bool = False) -> None:
        turn_id = uuid.uuid4().hex
        try:
            self._connection.send(
                type="message", id=turn_id, session=self._session, text=text, user=self._user, private=private
            )
            self._print(turn_id)
        except EdgeError as error:
            if error.code == "DAEMON_GONE":
                raise
            print(f"error: {error}", file=sys.stderr)

    def _print(self, turn_id: str) -> None:
        try:
            print_answer(self._connection, turn_id)
        except KeyboardInterrupt:
            self._connection.send(type="stop", id=turn_id, user=self._user)
            print_answer(self._connection, turn_id)

    def _list_sessions(self) -> None:
        items = self._connection.order(type="sessions", user=self._user)["items"][:_LISTED]
        self._listed = [item["id"] for item in items]
        for number, item in enumerate(items, 1):
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(item["updated_at"]))
            print(f"{number:3}  {when}  {printable(item['title']) or '(no title)'}")
        if not items:
            print("No conversations yet.")

    def _open(self, argument: str) -> None:
        number = int(argument) if argument.isdecimal() else 0
        if not 1 <= number <= len(self._listed):
            print("Give a number of the list that /sessions shows.")
            return
        self._session = self._listed[number - 1]
        print(f"Conversation {number} goes on.")


def _read_line() -> str | None:
    """Return the next line, or None at the end; Ctrl+C on the prompt only drops what was typed."""
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            return input(prompt)
        except EOFError:
            if prompt:
                print()
            return None
        except KeyboardInterrupt:
            print()
