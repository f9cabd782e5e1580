"""How answers and secrets appear in a terminal."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TextIO

from edge_assistant.cli.connection import Connection, Message, read_message
from edge_assistant.errors import EdgeError

_ERASE_LINE = "\r\x1b[K"
_ABOUT_THE_CLOUD = re.compile("cloud|stayed on this device")


class Hint:
    """A word on what happens while there is nothing to read; on stderr, only on a terminal."""

    def __init__(self) -> None:
        self._shown = False
        self._possible = sys.stderr.isatty()

    def show(self, text: str) -> None:
        """Replace the hint."""
        if self._possible:
            print(f"{_ERASE_LINE}{text}", end="", file=sys.stderr, flush=True)
            self._shown = True

    def clear(self) -> None:
        """Take it away."""
        if self._shown:
            print(_ERASE_LINE, end="", file=sys.stderr, flush=True)
            self._shown = False


def events_of(connection: Connection, turn_id: str) -> Iterator[tuple[bytes, Message]]:
    """Yield a turn's events, raw and decoded, to its end; raises the error when it is refused."""
    while True:
        line = connection.receive_line()
        event = read_message(line)
        if event.get("id") == turn_id:
            yield line, event
            if event["type"] in {"turn.finished", "turn.failed"}:
                return


def print_answer(connection: Connection, turn_id: str) -> Message:
    """Print the answer as it comes and return its last event; raises when the turn failed."""
    hint = Hint()
    hint.show("thinking …")
    printed = ""
    try:
        for _, event in events_of(connection, turn_id):
            if event["type"] == "text.delta":
                hint.clear()
                text = printable(event["text"])
                print(text, end="", flush=True)
                printed += text
            elif event["type"] == "turn.queued":
                hint.show(f"number {event['place']} in the line, about {event['wait_seconds']:.0f} s …")
            elif event["type"] == "prompt.progress":
                hint.show(f"reading {event['done']} of {event['total']} tokens …")
    finally:
        hint.clear()
        if printed and not printed.endswith("\n"):
            print(flush=True)
    if event["type"] == "turn.failed":
        raise EdgeError(event["code"], event["message"], retry_after=event.get("retry_after"))
    for line in _below(event):
        print(line, file=sys.stderr)
    return event


def _below(answer: Message) -> Iterator[str]:
    """Yield what is said below an answer: how it ended, what it cites, where it is from."""
    if answer["status"] == "interrupted":
        yield "(stopped)"
    if answer.get("notice"):
        yield answer["notice"]
    yield from cited(answer["text"], answer.get("sources") or [])
    if line := came_from(answer.get("route")):
        yield line


def cited(text: str, sources: Sequence[Message]) -> list[str]:
    """Return a line for each source that an answer cites by its number."""
    lines = []
    for source in sources:
        title = "you told me" if source.get("mine") else source.get("title") or "somebody here told me"
        words = [title, source.get("where"), source.get("url")]
        if f"[{source['n']}]" in text:
            lines.append(printable(f"[{source['n']}] {', '.join(word for word in words if word)}"))
    return lines


def came_from(route: Message | None) -> str:
    """Return a line that says where an answer came from and why, when it is not simply from here."""
    if route is None or not (route["rung"] == "cloud" or _ABOUT_THE_CLOUD.search(route["reason"])):
        return ""
    where = "the cloud" if route["rung"] == "cloud" else "this device"
    model = f", {route['model']}" if route["model"] not in {"", "cloud"} else ""
    return printable(f"(from {where}{model}: {route['reason']})")


def printable(text: str) -> str:
    """Return text without control characters: an answer must not command the terminal."""
    return "".join(
        letter for letter in text if letter in "\n\t" or unicodedata.category(letter) not in {"Cc", "Cs"}
    )


def show_recovery_code(code: str, terminal: TextIO) -> None:
    """Show the recovery code, once, to the person at `terminal`."""
    print(
        f"\nYour recovery code:\n\n    {code}\n\n"
        "Write it on paper. It opens your backups on another device; it is not shown again.\n"
        "`edge-assistant recovery-code` makes a new one.\n",
        file=terminal,
        flush=True,
    )
