"""Written text as somebody would read it aloud: no Markdown, addresses, emoji or notation.

What an engine reads well by itself, such as plain numbers, stays as it is. Symbols and abbreviations
are spelt out in the languages that have a table in `spelling.py`; in others they are left to the
engine, which knows its language.
"""

from __future__ import annotations

import html
import re

from edge_assistant.speech.spelling import spell_out

MAX_CHARACTERS = 32_000
"""As many as a message has; more is cut, so that no text can keep an engine busy for hours."""

_FENCE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+\"[^\"]*\")?\)")
_REFERENCE = re.compile(r"\[([^\[\]]+)\]\[[^\[\]]*\]|\[\^?\d+\]")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>|<!--.*?-->", re.DOTALL)
_ADDRESS = re.compile(
    r"<?\b(?:https?://|www\.)(?:www\.)?([^\s/<>?#:()\[\],;!]*[\w-])(?:[/?#:](?:[^\s<>()\[\]]|\([^\s<>()]*\))*)?(?<![.,;:!?])>?"
)
_MAIL = re.compile(r"<?\b([\w.+-]+)@([\w-]+(?:\.[\w-]+)+)>?")
_RULE = re.compile(r"^[ \t]*(?:[-*_=][ \t]*){3,}$|^[ \t|:-]*\|[ \t|:-]*$", re.MULTILINE)
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+•‣][ \t]+(?:\[[ xX]\][ \t]+)?)+", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]*(\d{1,3})[.)][ \t]+", re.MULTILINE)
_CODE = re.compile(r"`+([^`]*)`+")
_EMPHASIS = re.compile(r"(?<!\w)[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?!\w)|\*{2,3}|~{2}|`+")
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\ufe0e\ufe0f\u200d\u20e3\U000e0020-\U000e007f]+"
)
_SMILEY = re.compile(r"(?<!\S)(?:[:;]-?[)(DPp|/]|<3|:'\()(?!\S)")
_UNSPEAKABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\\(?=[\W_])"
)
_SPACES = re.compile(r"[ \t\u00a0\u202f]+")
_BEFORE_MARK = re.compile(r"[ \t]+([,.;:!?])(?=\s|$)")
_EMPTY_PAIR = re.compile(r"[(\[{\"“«][ \t,.;:]*[)\]}\"”»]")


def speakable(text: str, language: str = "en") -> str:
    """Return `text` as one line to be spoken; empty when nothing of it can be."""
    plain = html.unescape(_without_markdown(text[:MAX_CHARACTERS]))
    plain = _UNSPEAKABLE.sub(" ", plain)
    plain = _SMILEY.sub(" ", _EMOJI.sub(" ", plain))
    plain = spell_out(plain, language)
    return " ".join(line for line in map(_sentence, plain.splitlines()) if line)


def _without_markdown(text: str) -> str:
    text = _FENCE.sub("\n", text)
    text = _IMAGE_OR_LINK.sub(r"\1", text)
    text = _REFERENCE.sub(lambda found: found[1] or "", text)
    text = _ADDRESS.sub(lambda found: _dots(found[1]), text)
    text = _MAIL.sub(lambda found: f"{_dots(found[1])} at {_dots(found[2])}", text)
    text = _TAG.sub(" ", text)
    text = _RULE.sub("", text)
    text = _LINE_MARK.sub("", text)
    text = _NUMBERED.sub(r"\1: ", text)
    text = _CODE.sub(r"\1", text)
    text = _EMPHASIS.sub("", text)
    return "\n".join(_cells(line) for line in text.split("\n"))


def _cells(line: str) -> str:
    """Return a row of a table as a list of its cells."""
    if line.count("|") < 2:  # noqa: PLR2004 - a row has at least two
        return line
    return ", ".join(cell.strip() for cell in line.split("|") if cell.strip())


def _dots(name: str) -> str:
    """Return a host name as it is said, without full stops that would end a sentence."""
    return name.replace(".", " dot ").replace("-", " dash ").replace("_", " underscore ")


def _sentence(line: str) -> str:
    """Return a line that ends as a sentence does, so that the voice falls and pauses."""
    line = _EMPTY_PAIR.sub(" ", line)
    line = _BEFORE_MARK.sub(r"\1", _SPACES.sub(" ", line)).strip()
    if not any(each.isalnum() for each in line):
        return ""
    return line if line.endswith((".", "!", "?", ":", ";", ",", "…", "。", "！", "？", "，")) else f"{line}."
