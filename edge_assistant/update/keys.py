"""The operator's signing keys, each in a file of its own, encrypted under one passphrase."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_assistant.store.files import make_folder, write_private
from edge_assistant.update.release import UpdateError

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

ROLES = ("root", "targets", "snapshot", "timestamp")


class Keys:
    """A folder of them; those that are not needed today may lie somewhere else."""

    def __init__(self, folder: Path, passphrase: str) -> None:
        self._folder = folder
        self._passphrase = passphrase.encode()

    def make(self, role: str) -> CryptoSigner:
        """Make a key and write it down; one that was there is kept as `ROLE.old.pem`."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import (
            BestAvailableEncryption,
            Encoding,
            PrivateFormat,
        )
        from securesystemslib.signer import CryptoSigner

        if not self._passphrase:
            raise UpdateError("UPDATE_KEY_WRONG", "the keys need a passphrase: the secret update_passphrase")
        key = Ed25519PrivateKey.generate()
        make_folder(self._folder)
        if self._path(role).exists():
            self._path(role).replace(self._folder / f"{role}.old.pem")
        encrypted = BestAvailableEncryption(self._passphrase)
        write_private(self._path(role), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encrypted))
        return CryptoSigner(key)

    def open(self, role: str) -> CryptoSigner:
        """Return a role's key; raises UPDATE_KEY_MISSING, UPDATE_KEY_WRONG."""
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from securesystemslib.signer import CryptoSigner

        path = self._path(role)
        try:
            return CryptoSigner(load_pem_private_key(path.read_bytes(), self._passphrase or None))
        except OSError as error:
            raise UpdateError(
                "UPDATE_KEY_MISSING", f"{path} is needed to sign: bring it from where it is kept"
            ) from error
        except (ValueError, TypeError) as error:
            raise UpdateError("UPDATE_KEY_WRONG", f"the passphrase does not open {path}") from error

    def _path(self, role: str) -> Path:
        return self._folder / f"{role}.pem"
