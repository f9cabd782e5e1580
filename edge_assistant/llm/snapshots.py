"""A conversation's KV on disk, encrypted, so that a restart needs no re-reading of the prompt.

The key belongs to the conversation's database row: when the row is deleted the file is noise. Format:
magic, 16 bytes of salt, then chunks of at most 1 MiB sealed with ChaCha20-Poly1305 under a key
derived from salt and snapshot key; the chunk's number is its nonce, the last chunk is marked in the
associated data, so that a cut or reordered file is refused. The first chunk holds the token ids.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

logger = logging.getLogger(__name__)

_MAGIC = b"EAKV\x01"
_SALT_BYTES = 16
_CHUNK_BYTES = 1 << 20
_TAG_BYTES = 16


class Snapshot(msgspec.Struct, frozen=True):
    """KV state of one sequence and the tokens it was computed from."""

    tokens: list[int]
    state: bytearray | memoryview


class SnapshotStore:
    """A folder of encrypted snapshots, at most `limit_bytes` in all; the oldest leave first.

    `fingerprint` names model and context settings: a snapshot of another model is never loaded.
    """

    def __init__(self, folder: Path, *, limit_bytes: int, fingerprint: bytes) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._fingerprint = fingerprint
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in folder.glob("*.part"):
            leftover.unlink(missing_ok=True)

    def save(self, conversation: str, key: bytes, snapshot: Snapshot) -> bool:
        """Write a snapshot; False, and nothing changed, when it can't be written or is too large."""
        if len(snapshot.state) > self._limit_bytes:
            return False
        path = self._path(conversation)
        part = path.with_suffix(".part")
        try:
            self._make_room(len(snapshot.state), keep=path)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                self._seal(file, key, snapshot)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            logger.warning("snapshot not written: %s", error.strerror)
            return False
        return True

    def load(self, conversation: str, key: bytes) -> Snapshot | None:
        """Return a conversation's snapshot; None when there is none that can be used."""
        path = self._path(conversation)
        try:
            with path.open("rb") as file:
                chunks = self._open(file, key)
                tokens = msgspec.msgpack.decode(next(chunks), type=list[int])
                state = bytearray()
                for chunk in chunks:
                    state += chunk
            return Snapshot(tokens, state)
        except FileNotFoundError:
            return None
        except (OSError, InvalidTag, ValueError, StopIteration, msgspec.DecodeError):
            logger.warning("an unusable snapshot was removed")
            path.unlink(missing_ok=True)
            return None

    def forget(self, conversation: str) -> None:
        """Delete a conversation's snapshot."""
        self._path(conversation).unlink(missing_ok=True)

    def _path(self, conversation: str) -> Path:
        return self._folder / f"{hashlib.sha256(conversation.encode()).hexdigest()[:32]}.kv"

    def _make_room(self, size: int, keep: Path) -> None:
        files = sorted((p for p in self._folder.glob("*.kv") if p != keep), key=lambda p: p.stat().st_mtime)
        total = size + sum(p.stat().st_size for p in files)
        for path in files:
            if total <= self._limit_bytes:
                return
            total -= path.stat().st_size
            path.unlink()

    def _seal(self, file: BinaryIO, key: bytes, snapshot: Snapshot) -> None:
        salt = os.urandom(_SALT_BYTES)
        cipher = _cipher(key, salt)
        file.write(_MAGIC + salt)
        state = memoryview(snapshot.state)
        chunks = [memoryview(msgspec.msgpack.encode(snapshot.tokens))]
        chunks += [state[at : at + _CHUNK_BYTES] for at in range(0, len(state), _CHUNK_BYTES)]
        for number, chunk in enumerate(chunks):
            sealed = cipher.encrypt(_nonce(number), chunk, self._label(last=number == len(chunks) - 1))
            file.write(len(sealed).to_bytes(4, "big"))
            file.write(sealed)

    def _open(self, file: BinaryIO, key: bytes) -> Iterator[bytes]:
        head = file.read(len(_MAGIC) + _SALT_BYTES)
        if head[: len(_MAGIC)] != _MAGIC:
            raise ValueError("not a snapshot")
        cipher = _cipher(key, head[len(_MAGIC) :])
        size = file.read(4)
        number = 0
        while size:
            length = int.from_bytes(size, "big")
            if length > _CHUNK_BYTES + _TAG_BYTES:
                raise ValueError("chunk too long")
            sealed = file.read(length)
            if len(sealed) != length:
                raise ValueError("cut short")
            size = file.read(4)
            yield cipher.decrypt(_nonce(number), sealed, self._label(last=not size))
            number += 1

    def _label(self, *, last: bool) -> bytes:
        return self._fingerprint + (b"\x01" if last else b"\x00")


def _cipher(key: bytes, salt: bytes) -> ChaCha20Poly1305:
    derived = HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"edge-assistant kv snapshot").derive(key)
    return ChaCha20Poly1305(derived)


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
