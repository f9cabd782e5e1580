"""The keys of a state folder.

A random data key encrypts the database. keys.json holds it sealed twice: for the device key
(device.key here, or the secret `device_key` of the service) and for a recovery code that a person
writes down. Nothing here logs or shows a key.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge_assistant.errors import StoreError
from edge_assistant.store.envelope import DEVICE, KEY_BYTES, RECOVERY, Envelope, seal, unseal
from edge_assistant.store.files import make_folder, require_private, write_private
from edge_assistant.store.recovery import new_code, secret_of

logger = logging.getLogger(__name__)

DEVICE_KEY_FILE = "device.key"
ENVELOPE_FILE = "keys.json"
ENVELOPE_BYTES = 4096
"""More than keys.json ever has; a larger one is not ours."""


@dataclass(frozen=True)
class OpenedKeys:
    """The data key, and a recovery code when one was made and must be shown now, once."""

    data_key: bytes = field(repr=False)
    recovery_code: str | None = field(default=None, repr=False)


class KeyRing:
    """The keys in a state folder; every change is one atomic, durable replacement of keys.json."""

    def __init__(self, folder: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._environ = environ
        self.envelope_path = folder / ENVELOPE_FILE
        self.device_key_path = folder / DEVICE_KEY_FILE

    def open(self, database: Path) -> OpenedKeys:
        """Return the data key for `database`, making keys on the first run.

        While there is no database yet, the recovery code is made anew: a first run that was cut off
        may never have shown it. Raises KEY_MISSING, KEY_WRONG, KEY_DAMAGED, KEY_UNSAFE.
        """
        if not self.envelope_path.exists():
            if database.exists():
                raise StoreError(
                    "KEY_MISSING",
                    f"{self.envelope_path} is missing and {database} can't be read without it; "
                    "put it back, or restore a backup with its recovery code",
                )
            return self.create()
        if database.exists():
            return OpenedKeys(self.unlock())
        return OpenedKeys(self.unlock(), self.new_recovery_code())

    def create(self) -> OpenedKeys:
        """Make a data key and a recovery code, and a device key when there is none."""
        opened = OpenedKeys(secrets.token_bytes(KEY_BYTES), new_code())
        self.install(opened.data_key, opened.recovery_code or "")
        logger.info("new keys made in %s", self._folder)
        return opened

    def unlock(self) -> bytes:
        """Return the data key by a device key; raises KEY_MISSING, KEY_WRONG."""
        envelope = self._envelope()
        if not any(True for _ in self._device_keys()):
            raise StoreError(
                "KEY_MISSING", f"the device key {self.device_key_path} is missing; {_USE_THE_RECOVERY_CODE}"
            )
        try:
            return self.unlock_other(envelope)
        except StoreError as error:
            if error.code != "KEY_WRONG":
                raise
            raise StoreError(
                "KEY_WRONG", f"the device key doesn't fit {self.envelope_path}; {_USE_THE_RECOVERY_CODE}"
            ) from None

    def unlock_other(self, envelope: Envelope) -> bytes:
        """Return the data key of another database of this device; raises KEY_WRONG."""
        for device_key in self._device_keys():
            data_key = unseal(envelope.device, device_key, DEVICE)
            if data_key is not None:
                return data_key
        raise StoreError("KEY_WRONG", "this was made under another device key")

    def recover(self, code: str) -> bytes:
        """Return the data key by the recovery code and seal it for this device's key from now on.

        Raises RECOVERY_CODE_MISTYPED, RECOVERY_CODE_WRONG.
        """
        envelope = self._envelope()
        data_key = open_by_code(envelope, code)
        device = seal(data_key, self.device_key(), DEVICE)
        self._write(Envelope(device=device, recovery=envelope.recovery))
        return data_key

    def new_recovery_code(self) -> str:
        """Replace the recovery code and return the new one; the old one opens older backups only."""
        data_key = self.unlock()
        code = new_code()
        recovery = seal(data_key, secret_of(code), RECOVERY)
        self._write(Envelope(device=self._envelope().device, recovery=recovery))
        return code

    def install(self, data_key: bytes, code: str) -> None:
        """Seal `data_key` for this device and for `code`, replacing keys.json."""
        make_folder(self._folder)
        device = seal(data_key, self.device_key(), DEVICE)
        self._write(Envelope(device=device, recovery=seal(data_key, secret_of(code), RECOVERY)))

    def device_key(self) -> bytes:
        """Return this device's key, made now when there is none; raises KEY_DAMAGED, KEY_UNSAFE."""
        for device_key in self._device_keys():
            return device_key
        device_key = secrets.token_bytes(KEY_BYTES)
        write_private(self.device_key_path, device_key)  # before keys.json: alone it is harmless
        return device_key

    def _device_keys(self) -> Iterator[bytes]:
        """Yield the device keys there are, the service's secret first."""
        folder = self._environ.get("CREDENTIALS_DIRECTORY")
        if folder and (credential := Path(folder) / "device_key").exists():
            yield _decode(credential.read_bytes(), str(credential))
        if secret := self._environ.get("EDGE_ASSISTANT_SECRET_DEVICE_KEY"):
            yield _decode(secret.encode(), "EDGE_ASSISTANT_SECRET_DEVICE_KEY")
        if self.device_key_path.exists():
            require_private(self.device_key_path)
            yield _decode(self.device_key_path.read_bytes(), str(self.device_key_path))

    def _envelope(self) -> Envelope:
        require_private(self.envelope_path)
        return read_envelope(self.envelope_path.read_bytes(), str(self.envelope_path))

    def _write(self, envelope: Envelope) -> None:
        write_private(self.envelope_path, msgspec.json.encode(envelope) + b"\n")


_USE_THE_RECOVERY_CODE = (
    "put back the one that belongs to it, or run `edge-assistant unlock` with the recovery code"
)


def read_envelope(content: bytes, name: str) -> Envelope:
    """Return the envelope in the bytes of a keys.json; raises KEY_DAMAGED, naming `name`."""
    try:
        envelope = msgspec.json.decode(content[:ENVELOPE_BYTES], type=Envelope)
    except msgspec.DecodeError as error:
        raise StoreError("KEY_DAMAGED", f"{name} is damaged; put back a copy of it from a backup") from error
    if envelope.version != 1:
        raise StoreError("STORE_NEWER", f"{name} is of a newer Edge Assistant; install that again")
    return envelope


def open_by_code(envelope: Envelope, code: str) -> bytes:
    """Return the data key; raises RECOVERY_CODE_MISTYPED, RECOVERY_CODE_WRONG."""
    data_key = unseal(envelope.recovery, secret_of(code), RECOVERY)
    if data_key is None:
        raise StoreError("RECOVERY_CODE_WRONG", "this recovery code belongs to other keys; try an older one")
    return data_key


def _decode(content: bytes, name: str) -> bytes:
    """Return a device key given as 32 raw bytes or as 64 hexadecimal digits."""
    if len(content) == KEY_BYTES:
        return content
    try:
        key = bytes.fromhex(content.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreError(
            "KEY_DAMAGED",
            f"{name} must hold 32 bytes or 64 hexadecimal digits; "
            "put the right one back, or take it away and run `edge-assistant unlock` with the recovery code",
        )
    return key
