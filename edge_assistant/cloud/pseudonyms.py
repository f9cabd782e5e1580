"""Names and numbers leave as tokens such as `[NAME_1]` and come back as themselves.

One `Pseudonyms` serves one round trip: the same words have the same token in all of its messages, and
nothing of it is kept. What comes back is restored piece by piece, also when a token is cut in two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

import msgspec

from edge_assistant.cloud.personal import PATTERNS, name_forms
from edge_assistant.llm.protocol import (
    Completion,
    Generation,
    LanguageModel,
    Message,
    ModelStatus,
    Piece,
    Progress,
    Stream,
)
from edge_assistant.llm.stream import unstarted_completion

KINDS = tuple(dict.fromkeys(("NAME", *(kind for kind, _ in PATTERNS))))
_KIND = "|".join(KINDS)
_TOKEN = re.compile(rf"\[\s?({_KIND})[_ ](\d{{1,6}})\s?\]|\b({_KIND})_(\d{{1,6}})(?!\d)", re.IGNORECASE)
_ANY = re.compile(rf"\b(?:{_KIND})[_ ](\d{{1,6}})", re.IGNORECASE)
_OPEN = re.compile(r"(?:\[\s?|(?<![A-Za-z0-9_]))([A-Za-z]{0,9})([_ ]\d{0,6}\s?)?\Z")

_Span = tuple[int, int, str]
"""Begin, end and kind of something personal in a text."""

EXPLANATION = (
    "Words such as [NAME_1] or [ADDRESS_2] stand for names, numbers and places that you need not know. "
    "Use them exactly as they are written."
)
"""Follows the system message when anything was replaced."""


class Pseudonyms:
    """The tokens of one round trip."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = name_forms(names)
        self._tokens: dict[str, str] = {}
        """Token for each text that was replaced."""
        self._texts: dict[str, str] = {}
        """The other way round."""
        self._number = 0

    @property
    def used(self) -> bool:
        """Whether anything was replaced."""
        return bool(self._tokens)

    def avoid(self, text: str) -> None:
        """Use no token that stands in a text already, whoever wrote it there."""
        self._number = max([self._number, *(int(found[1]) for found in _ANY.finditer(text))])

    def hide(self, text: str) -> str:
        """Return the text with a token in place of everything personal."""
        text = unicodedata.normalize("NFC", text)
        parts, end = [], 0
        for start, stop, kind in _merged(self._found(text)):
            parts += [text[end:start], self._token(kind, text[start:stop])]
            end = stop
        return "".join((*parts, text[end:]))

    def restore(self, text: str) -> str:
        """Return the text with what the tokens stand for; unknown ones stay as they are."""
        return _TOKEN.sub(self._text, text)

    def _found(self, text: str) -> Iterator[_Span]:
        for kind, pattern in PATTERNS:
            group = "it" if "it" in pattern.groupindex else 0
            yield from ((*found.span(group), kind) for found in pattern.finditer(text))
        if self._names is not None:
            yield from ((*found.span(), "NAME") for found in self._names.finditer(text))

    def _token(self, kind: str, text: str) -> str:
        token = self._tokens.get(text)
        if token is None:
            self._number += 1
            token = f"[{kind}_{self._number}]"
            self._tokens[text], self._texts[f"{kind}_{self._number}"] = token, text
        return token

    def _text(self, found: re.Match[str]) -> str:
        kind, number = found[1] or found[3], found[2] or found[4]
        return self._texts.get(f"{kind.upper()}_{number}", found[0])


def _merged(spans: Iterable[_Span]) -> list[_Span]:
    """Return the spans from left to right; those that overlap give way as one, of the longest one's kind."""
    merged: list[_Span] = []
    longest = 0
    for start, stop, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        if merged and start < merged[-1][1]:
            begin, end, known = merged[-1]
            if stop - start > longest:
                known, longest = kind, stop - start
            merged[-1] = (begin, max(end, stop), known)
        else:
            merged.append((start, stop, kind))
            longest = stop - start
    return merged


class Restorer:
    """Restores a text that comes in pieces."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what can be shown; what may be the beginning of a token is held back."""
        text = self._held + piece
        if not self._pseudonyms.used:
            return text
        cut = _cut(text)
        self._held = text[cut:]
        return self._pseudonyms.restore(text[:cut])

    def finish(self) -> str:
        """Return what was held back to the end."""
        held, self._held = self._held, ""
        return self._pseudonyms.restore(held)


def _cut(text: str) -> int:
    """Return where a token may begin that is not complete yet; the length when none does."""
    found = _OPEN.search(text, max(len(text) - 24, 0))
    if found is None or not (found[1] or text[found.start() : found.start() + 1] == "["):
        return len(text)
    letters, rest = found[1].upper(), found[2]
    bare = text[found.start()] != "["
    if bare and found[1] != letters:
        return len(text)
    fits = letters in KINDS if rest is not None else any(kind.startswith(letters) for kind in KINDS)
    return found.start() if fits else len(text)


class PseudonymModel:
    """A language model to which nobody is named: it sees tokens, whoever asks sees names."""

    def __init__(self, model: LanguageModel, names: Callable[[], Awaitable[Iterable[str]]]) -> None:
        self._model = model
        self._names = names

    @property
    def status(self) -> ModelStatus:
        """What the model is doing."""
        return self._model.status

    def generate(self, generation: Generation) -> Stream:
        """Begin an answer; nothing personal reaches the model."""
        return _PseudonymStream(self._model, generation, self._names)

    async def prepare(self, generation: Generation) -> None:
        """Do nothing: what may never be asked is not shown."""

    async def forget(self, conversation: str) -> None:
        """Do nothing: no conversation has a name there."""


def hidden(generation: Generation, pseudonyms: Pseudonyms) -> Generation:
    """Return what the model may see: no names, no ids, no keys."""
    texts = [*(message.content for message in generation.messages), generation.begun]
    for text in texts:
        pseudonyms.avoid(text)
    messages = [Message(each.role, pseudonyms.hide(each.content)) for each in generation.messages]
    begun = pseudonyms.hide(generation.begun)
    if pseudonyms.used and messages[0].role == "system":
        messages[0] = Message("system", f"{messages[0].content}\n\n{EXPLANATION}")
    return Generation(
        id="", messages=tuple(messages), sampling=generation.sampling, public=False, begun=begun,
        tokens_per_second=generation.tokens_per_second,
    )  # fmt: skip


class _PseudonymStream:
    """One answer on its way back."""

    def __init__(
        self, model: LanguageModel, generation: Generation, names: Callable[[], Awaitable[Iterable[str]]]
    ) -> None:
        self.completion: Completion | None = None
        self._model = model
        self._generation = generation
        self._names = names
        self._stream: Stream | None = None
        self._cancelled = False

    async def __aiter__(self) -> AsyncIterator[Progress | Piece]:
        pseudonyms = Pseudonyms(await self._names())
        restorer = Restorer(pseudonyms)
        generation = hidden(self._generation, pseudonyms)
        if self._cancelled:
            self.completion = unstarted_completion()
            return
        self._stream = stream = self._model.generate(generation)
        emitted = 0.0
        async for item in stream:
            if isinstance(item, Piece):
                emitted = item.emitted_at
                item = msgspec.structs.replace(item, text=restorer.feed(item.text))  # noqa: PLW2901
                if not item.text:
                    continue
            yield item
        if rest := restorer.finish():
            yield Piece(rest, (), emitted)
        self.completion = stream.completion

    async def cancel(self) -> None:
        """Ask for the end. Idempotent."""
        self._cancelled = True
        if self._stream is not None:
            await self._stream.cancel()
