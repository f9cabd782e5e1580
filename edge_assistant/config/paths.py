"""Where state, models and secrets lie. Nothing here creates or changes a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edge_assistant.errors import ConfigError

_SECRET_NAME = re.compile(r"[a-z0-9_]{1,64}")


class Paths(msgspec.Struct, frozen=True):
    """The files and folders of one device."""

    state: Path
    """Everything the assistant keeps."""
    models: Path
    """Pulled models, one folder each; may be shared or read-only."""

    @property
    def database(self) -> Path:
        """The encrypted database."""
        return self.state / "assistant.db"

    @property
    def control_socket(self) -> Path:
        """The Unix socket of the running daemon."""
        return self.state / "control.sock"

    @property
    def snapshots(self) -> Path:
        """Encrypted KV snapshots of conversations."""
        return self.state / "snapshots"

    @property
    def settings(self) -> Path:
        """What was chosen on the page."""
        return self.state / "settings.json"

    @property
    def lock(self) -> Path:
        """Held by the one process that uses the state."""
        return self.state / "lock"


def load_paths(environ: Mapping[str, str] = os.environ) -> Paths:
    """Return the paths that the environment asks for; systemd sets `STATE_DIRECTORY`.

    Raises `ConfigError` STATE_UNUSABLE when a file lies where the state folder belongs.
    """
    state = _folder(environ.get("STATE_DIRECTORY", "").split(":")[0])
    state = state or home(environ) / ".local/share/edge-assistant"
    for folder in (state, *state.parents):
        if folder.exists() and not folder.is_dir():
            raise ConfigError(
                "STATE_UNUSABLE",
                f"{folder} is a file where a folder belongs: move it away, or set STATE_DIRECTORY",
            )
    models = _folder(environ.get("EDGE_ASSISTANT_MODELS", ""))
    return Paths(state=state, models=models or state / "models")


def home(environ: Mapping[str, str]) -> Path:
    """Return the home folder of `environ`, else that of the user database."""
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()


def secret(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return a secret, or None when it isn't set.

    Looked up as the file `$CREDENTIALS_DIRECTORY/NAME`, then as `EDGE_ASSISTANT_SECRET_NAME`. Raises
    `ConfigError` SECRET_UNREADABLE when the file is there but can't be read.
    """
    if not _SECRET_NAME.fullmatch(name):
        raise ValueError(f"not a name of a secret: {name!r}")
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    if folder and (value := _read_secret(Path(folder) / name)) is not None:
        return value
    return environ.get(f"EDGE_ASSISTANT_SECRET_{name.upper()}") or None


def _read_secret(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not valid UTF-8"
        raise ConfigError("SECRET_UNREADABLE", f"can't read the credential {path}: {why}") from None


def _folder(text: str) -> Path | None:
    return Path(text).expanduser().absolute() if text else None
