"""Vectors for tests, as an embedder makes them."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def pack_vector(numbers: Sequence[float]) -> bytes:
    """Return numbers as a vector's bytes."""
    return struct.pack(f"<{len(numbers)}f", *numbers)
