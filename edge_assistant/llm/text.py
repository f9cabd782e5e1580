"""From token bytes to text that may be shown: whole characters only, stop strings never."""

from __future__ import annotations

import codecs


class TextAssembler:
    """Turns the bytes of generated tokens into text pieces.

    Bytes of an unfinished UTF-8 character wait for the rest. Text that could be the beginning of a
    stop string waits until it is clear; `stopped` is True once a stop string appeared, and neither
    it nor anything after it is ever returned.
    """

    def __init__(self, stop: tuple[str, ...] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stop = tuple(s for s in stop if s)
        self._held = ""
        self.stopped = False

    def feed(self, raw: bytes) -> str:
        """Take the bytes of one token and return the text that can be shown now."""
        if self.stopped:
            return ""
        return self._release(self._held + self._decoder.decode(raw))

    def finish(self) -> str:
        """Return what was held back, because generation ended."""
        if self.stopped:
            return ""
        rest = self._held + self._decoder.decode(b"", final=True)
        self._held = ""
        return rest

    def _release(self, text: str) -> str:
        found = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that begins `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)
