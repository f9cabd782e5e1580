"""Hashes that this device took from a hub when it first pulled a file, kept in `pins.json`.

Trust on first use: the first pull believes the hub over HTTPS; each later pull and `models verify`
hold the file to what was pinned then.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_assistant.catalog.files import write_atomically
from edge_assistant.errors import ModelError


class Pin(msgspec.Struct, frozen=True):
    """What the hub said of one file."""

    sha256: str
    size: int
    source: str


class Pins:
    """The pins of one folder of models; `read` takes a snapshot, `write` replaces the file."""

    def __init__(self, path: Path, pins: dict[str, Pin]) -> None:
        self._path = path
        self._pins = pins

    @classmethod
    def read(cls, models: Path) -> Pins:
        """Read the folder's pins; a folder without any has none. Raises PINS_DAMAGED."""
        path = models / "pins.json"
        try:
            return cls(path, msgspec.json.decode(path.read_bytes(), type=dict[str, Pin]))
        except FileNotFoundError:
            return cls(path, {})
        except (OSError, msgspec.DecodeError) as error:
            raise ModelError(
                "PINS_DAMAGED",
                f"{path} can't be read; remove it to trust the hub afresh: {error}",
            ) from error

    def get(self, model_id: str, file_name: str) -> Pin | None:
        """Return the pin of a file, if there is one."""
        return self._pins.get(f"{model_id}/{file_name}")

    def set(self, model_id: str, file_name: str, pin: Pin) -> None:
        """Pin a file durably."""
        self._pins[f"{model_id}/{file_name}"] = pin
        self._write()

    def forget(self, model_id: str) -> None:
        """Drop all pins of a model."""
        kept = {key: pin for key, pin in self._pins.items() if not key.startswith(f"{model_id}/")}
        if kept != self._pins:
            self._pins = kept
            self._write()

    def _write(self) -> None:
        write_atomically(self._path, msgspec.json.format(msgspec.json.encode(self._pins)))
