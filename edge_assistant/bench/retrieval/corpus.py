"""Real embeddings of documentation that is installed on every device: the docstrings of its Python.

Paragraphs of 80 to 500 characters, without repetitions, in the order of the hash of their text, so
that every part of the corpus is a sample of all. Embedding them takes minutes and is done once: the
vectors lie in the cache folder afterwards, named after texts and embedder.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import itertools
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_assistant.bench.measurement import CannotMeasureError, Setting
from edge_assistant.errors import EdgeError, ModelError
from edge_assistant.memory.embedder import FastembedEmbedder, embedder_settings
from edge_assistant.memory.embedding import EMBEDDER

LEAST_CHARACTERS, MOST_CHARACTERS = 80, 500
AT_ONCE = 64
WHOLE = 20_200
"""Paragraphs of the whole bench, of which the last 200 are questions."""
Vectors = Any
"""A numpy array of float32, one vector of length 1 a row."""


@dataclass(frozen=True)
class Corpus:
    """Texts and their vectors; the last ones are kept out as questions."""

    texts: list[str]
    vectors: Vectors


def load_corpus(setting: Setting, size: int) -> Corpus:
    """Return `size` paragraphs with real vectors, embedded now unless they lie in the cache."""
    path = Path.home() / ".cache" / "edge-assistant" / "bench" / f"{EMBEDDER}-{WHOLE}.npz"
    if path.exists():
        kept = np.load(path)
        return Corpus(kept["texts"][:size].tolist(), kept["vectors"][:size])
    texts = paragraphs(size)
    if len(texts) < size:
        raise CannotMeasureError(f"only {len(texts)} paragraphs of documentation are installed here")
    vectors = asyncio.run(_embed(setting, texts))
    if size < WHOLE:
        return Corpus(texts, vectors)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez(part, texts=np.array(texts), vectors=vectors)
    part.replace(path)
    return Corpus(texts, vectors)


def make_embedder(setting: Setting) -> FastembedEmbedder:
    """Return the embedder that is measured; raises `CannotMeasureError`."""
    try:
        return FastembedEmbedder(embedder_settings(EMBEDDER, setting.paths.models))
    except ModelError as error:
        raise CannotMeasureError(error.message) from error


def expand(corpus: Corpus, size: int, seed: int) -> Iterator[tuple[str, Vectors]]:
    """Yield `size` texts and vectors: the real ones, then mixtures of a real one and a near relative.

    A mixture lies between a paragraph and one of its 8 nearest of 64 drawn ones (share of the first
    0.5 to 0.9) with noise of length 0.1 added; its text takes words of both. So it stays among real
    neighbours instead of filling the space evenly, which no text does.
    """
    generator = np.random.default_rng(seed)
    yield from zip(corpus.texts, corpus.vectors, strict=True)
    real = len(corpus.texts)
    for _ in range(size - real):
        first = int(generator.integers(real))
        drawn = generator.integers(real, size=64)
        near = drawn[np.argpartition(-(corpus.vectors[drawn] @ corpus.vectors[first]), 8)[:8]]
        second = int(generator.choice(near))
        share = float(generator.uniform(0.5, 0.9))
        noise = generator.standard_normal(corpus.vectors.shape[1]).astype(np.float32)
        noise *= 0.1 / np.linalg.norm(noise)
        mixed = share * corpus.vectors[first] + (1 - share) * corpus.vectors[second] + noise
        yield _mixed_text(corpus, first, second, share), (mixed / np.linalg.norm(mixed)).astype(np.float32)


def _mixed_text(corpus: Corpus, first: int, second: int, share: float) -> str:
    one, other = corpus.texts[first].split(), corpus.texts[second].split()
    return " ".join([*one[: int(len(one) * share)], *other[int(len(other) * share) :]])


def paragraphs(size: int) -> list[str]:
    """Return up to `size` paragraphs of the installed documentation, the same ones each time."""
    found: set[str] = set()
    for path in _sources():
        if size < WHOLE and len(found) >= 4 * size:
            break  # a few are wanted quickly
        found.update(_paragraphs_of(path))
    return sorted(found, key=lambda text: hashlib.sha256(text.encode()).digest())[:size]


def any_paragraphs(size: int) -> list[str]:
    """Return `size` paragraphs as they come: sooner had than `paragraphs`, and no sample of all."""
    return list(itertools.islice((text for path in _sources() for text in _paragraphs_of(path)), size))


def _sources() -> Iterator[Path]:
    for folder in ("stdlib", "purelib"):
        yield from Path(sysconfig.get_path(folder)).rglob("*.py")


def _paragraphs_of(path: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for block in (ast.get_docstring(node) or "").split("\n\n"):
                text = " ".join(block.split())
                if LEAST_CHARACTERS <= len(text) <= MOST_CHARACTERS and text.isprintable():
                    yield text


async def _embed(setting: Setting, texts: list[str]) -> Vectors:
    embedder = make_embedder(setting)
    packed: list[bytes] = []
    try:
        for start in range(0, len(texts), AT_ONCE):
            packed += (await embedder.embed(texts[start : start + AT_ONCE])).vectors
            if start % (AT_ONCE * 25) == 0:
                setting.say(f"embedding {len(texts):,} paragraphs, once: {start / len(texts):.0%}")
    except EdgeError as error:
        raise CannotMeasureError(error.message) from error
    finally:
        await embedder.stop()
    return np.frombuffer(b"".join(packed), dtype="<f4").reshape(len(texts), -1)
