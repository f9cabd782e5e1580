"""What turns text into vectors, and the messages between the daemon and the `embed` worker.

A vector is `dimensions` little-endian 32-bit floats of length 1, as bytes: the daemon stores and
compares them in SQL and loads no numeric library for it.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from edge_assistant.errors import EdgeError

EMBEDDER = "all-minilm-l6-v2-int8"
"""What the starter models bring for vectors."""

UNRELATED = 0.044
"""Mean cosine of texts about nothing in common under that embedder (docs/benchmarks.md): the scale on
which all bounds of this project were measured."""

MAX_TEXT_CHARACTERS = 20_000
"""More of one text is cut before it is read: 512 tokens are never longer."""

MAX_TEXTS = 2_048
"""Texts in one request, the limit of OpenAI's API."""


class Embedded(msgspec.Struct, frozen=True, tag="embedded"):
    """The vectors of a request, in the order of its texts, and the tokens that were read."""

    id: int
    vectors: tuple[bytes, ...]
    tokens: int


class Embed(msgspec.Struct, frozen=True, tag="embed", kw_only=True):
    """Turn texts into vectors. A query may be read differently from a passage."""

    id: int
    texts: tuple[str, ...]
    query: bool = False
    background: bool = False
    """Whether it yields to everything that is not background."""


class EmbedderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the `embed` worker is set up."""

    name: str
    model_file: str
    """Path of the ONNX file; the tokenizer's files lie beside it."""
    dimensions: int
    pooling: Literal["mean", "cls"] = "mean"
    query_prefix: str = ""
    """Put before each query; some models are trained with one."""
    threads: int = 0
    """0 chooses from the machine."""
    batch: int = 1
    """Texts in one step. Two took as long a text, eight twice as long (docs/benchmarks.md)."""
    unrelated: float | None = None
    """Mean cosine of texts about nothing in common; None has the worker find out."""


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The model is loaded."""

    load_ms: float
    threads: int
    unrelated: float
    """Mean cosine of texts about nothing in common."""


class EmbedFailed(msgspec.Struct, frozen=True, tag="failed"):
    """Request `id` could not be done; id 0 means that the model could not be loaded."""

    id: int
    code: str
    message: str


EmbedReply = Loaded | Embedded | EmbedFailed


class Embedder(Protocol):
    """Turns text into vectors."""

    @property
    def name(self) -> str:
        """Names the vectors: two embedders of one name make comparable ones."""
        ...

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""
        ...

    @property
    def unrelated(self) -> float:
        """Mean cosine of texts about nothing in common, known once a vector was made."""
        ...

    async def embed(self, texts: Sequence[str], *, background: bool = False) -> Embedded:
        """Return the vectors of passages; raises `EdgeError` when the embedder can't."""
        ...

    async def embed_query(self, text: str) -> bytes:
        """Return the vector of a question."""
        ...


class NoEmbedder:
    """Stands for an embedder whose model isn't on this device: what is stored is found by its words."""

    def __init__(self, name: str, dimensions: int = 384) -> None:
        self.name = name
        self.dimensions = dimensions
        self.unrelated = UNRELATED

    async def embed(self, texts: Sequence[str], *, background: bool = False) -> Embedded:
        """Raise EMBEDDER_MISSING."""
        del texts, background
        raise self._missing()

    async def embed_query(self, text: str) -> bytes:
        """Raise EMBEDDER_MISSING."""
        del text
        raise self._missing()

    def _missing(self) -> EdgeError:
        return EdgeError("EMBEDDER_MISSING", f"{self.name} is not on this device: `models pull` brings it")


def likeness(cosine: float, unrelated: float) -> float:
    """Return a cosine on the scale of the starter embedder.

    Others find texts about nothing in common more alike than it does: what they call 0.6 may be nothing.
    """
    return UNRELATED + (cosine - unrelated) * (1 - UNRELATED) / (1 - unrelated)


def unpack_vector(vector: bytes) -> list[float]:
    """Return a vector's numbers."""
    numbers = array("f")
    numbers.frombytes(vector)
    return list(_little_endian(numbers))


def _little_endian(numbers: array[float]) -> array[float]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
