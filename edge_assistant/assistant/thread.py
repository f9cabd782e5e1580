"""Conversations that programs keep themselves, as far as their KV is found again.

A program sends its whole history each time. When it holds an answer already, it is a conversation,
named by its person and its beginning: the model then reads only what is new. The names mean nothing
to anyone else and last as long as this process; the KV is never written to disk.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edge_assistant.llm.protocol import Message

_KNOWN = 64


class Threads:
    """Names the KV of programs' conversations; each is used by one answer at a time."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._busy: set[str] = set()
        self._people: OrderedDict[str, str] = OrderedDict()
        """Whose each thread is, newest used last."""

    @contextmanager
    def thread(self, person: str, messages: Sequence[Message]) -> Iterator[str | None]:
        """Give the name of the thread for the block; None when it is new, or in use by another answer."""
        name = self._name(person, messages)
        if name is None or name in self._busy:
            yield None
            return
        self._remember(name, person)
        self._busy.add(name)
        try:
            yield name
        finally:
            self._busy.discard(name)

    def take(self, person: str) -> list[str]:
        """Return the names of a person's threads and forget them."""
        names = [name for name, whose in self._people.items() if whose == person]
        for name in names:
            del self._people[name]
        return names

    def _name(self, person: str, messages: Sequence[Message]) -> str | None:
        answers = [n for n, message in enumerate(messages) if message.role == "assistant"]
        if not answers:
            return None
        digest = hashlib.blake2b(key=self._secret, digest_size=16)
        for part in (person, *(message.content for message in messages[: answers[0]])):
            digest.update(f"{len(part)}:{part}".encode("utf-8", "surrogatepass"))
        return f"thread-{digest.hexdigest()}"

    def _remember(self, name: str, person: str) -> None:
        self._people[name] = person
        self._people.move_to_end(name)
        if len(self._people) > _KNOWN:
            self._people.popitem(last=False)
