"""What a person may send: checked and cleaned before anything is stored."""

from __future__ import annotations

from edge_assistant.errors import UsageError

MAX_TEXT_CHARACTERS = 32_000


def clean_text(text: str) -> str:
    """Return `text` without NUL and with lone surrogates as U+FFFD.

    Raises `UsageError` TEXT_TOO_LONG, TEXT_EMPTY.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        message = f"a message has at most {MAX_TEXT_CHARACTERS:,} characters: split it or shorten it"
        raise UsageError("TEXT_TOO_LONG", message)
    clean = text.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if not clean.strip():
        raise UsageError("TEXT_EMPTY", "the message is empty: write something")
    return clean
