"""The data key, sealed for the device and for the recovery code, as it lies in keys.json."""

from __future__ import annotations

import secrets

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
NONCE_BYTES = 12
SALT_BYTES = 16

DEVICE = b"edge-assistant data key for the device, 1"
RECOVERY = b"edge-assistant data key for recovery, 1"


class Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key sealed with ChaCha20-Poly1305 under HKDF-SHA256(secret, salt)."""

    salt: bytes
    nonce: bytes
    sealed: bytes


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of keys.json; worth nothing without the device key or the recovery code."""

    version: int = 1
    device: Sealed
    recovery: Sealed


def seal(data_key: bytes, secret: bytes, purpose: bytes) -> Sealed:
    """Seal `data_key` under `secret`, which must be of high entropy; `purpose` is bound to it."""
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
    return Sealed(salt, nonce, _cipher(secret, salt, purpose).encrypt(nonce, data_key, purpose))


def unseal(sealed: Sealed, secret: bytes, purpose: bytes) -> bytes | None:
    """Return the sealed data key, or None when `secret` is another one."""
    try:
        return _cipher(secret, sealed.salt, purpose).decrypt(sealed.nonce, sealed.sealed, purpose)
    except (InvalidTag, ValueError):  # ValueError: a nonce of impossible length in a tampered file
        return None


def _cipher(secret: bytes, salt: bytes, purpose: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(HKDF(SHA256(), KEY_BYTES, salt, purpose).derive(secret))
