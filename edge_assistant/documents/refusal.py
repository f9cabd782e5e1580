"""Why a document can't be read, said where it is found out: inside the closed process."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - a verdict on the document, not a failure of the program
    """This document can't be read; `code` and `message` become its status."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
