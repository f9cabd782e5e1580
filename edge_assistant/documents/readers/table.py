"""CSV: each row says its columns' names, so that it can be understood by itself."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from edge_assistant.documents.block import About, Block
from edge_assistant.documents.readers.encoding import open_text

_SAMPLE_CHARACTERS = 8192
_FIELD_CHARACTERS = 256 * 1024
_DELIMITERS = ",;\t|"


def read_csv(file: BinaryIO) -> Iterator[About | Block]:
    """Read a table whose first row names its columns."""
    yield About(kind="csv")
    with open_text(file) as text:
        sample = text.read(_SAMPLE_CHARACTERS)
        text.seek(0)
        yield from rows(csv_rows(text, sample))


def csv_rows(lines: Iterable[str], sample: str) -> Iterator[list[str]]:
    """Return the rows of a CSV text, separated as `sample` shows."""
    csv.field_size_limit(_FIELD_CHARACTERS)
    first_line = sample.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first_line.count)
    reader = csv.reader((line.replace("\0", "") for line in lines), delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:  # one field is too long: the rows after it can still be read
            continue


def rows(cells: Iterable[Sequence[str]]) -> Iterator[Block]:
    """Return each row below the first as `column: value; column: value`."""
    names: Sequence[str] | None = None
    for row in cells:
        values = [" ".join(cell.split()) for cell in row]
        if not any(values):
            continue
        if names is None:
            names = values
            if len([name for name in names if name]) == 1:  # a title above the table, or a list
                yield Block(kind="row", text="".join(names))
                names = []
            continue
        text = "; ".join(_named(names, at, value) for at, value in enumerate(values) if value)
        yield Block(kind="row", text=text)


def _named(names: Sequence[str], at: int, value: str) -> str:
    name = names[at] if at < len(names) else ""
    return f"{name}: {value}" if name else value
