"""`debug-bundle`: one text file about this device that is safe to share."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edge_assistant.cli.connection import connect
from edge_assistant.cli.doctor import look
from edge_assistant.config import Paths, load_paths
from edge_assistant.errors import EdgeError
from edge_assistant.ops.debug import Debug
from edge_assistant.ops.debug_bundle import HOLDS, bundle
from edge_assistant.ops.hardware import read_hardware


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="where to write it, `-` prints it; else here"
    )


def run(args: argparse.Namespace) -> int:
    """Write it and say what is in it."""
    paths, now = load_paths(), datetime.now(UTC)
    config, findings = look(args, paths)
    text = bundle(config, findings, read_hardware(paths.state), _ask_daemon(paths), now)
    if args.file == Path("-"):
        print(text, end="")
        return 0
    target = args.file or Path(f"edge-assistant-debug-{now:%Y%m%d-%H%M%S}.txt")
    _write(target.expanduser().absolute(), text)
    print(f"{target}: {len(text.encode()):,} bytes of plain text, safe to share; read it first.")
    print(HOLDS, end="")
    return 0


def _ask_daemon(paths: Paths) -> Debug | None:
    """Return what the running daemon tells; None when none runs or it can't answer."""
    try:
        connection = connect(paths.control_socket)
        if connection is None:
            return None
        try:
            return msgspec.convert(connection.order(type="debug"), Debug)
        finally:
            connection.close()
    except (EdgeError, msgspec.ValidationError) as error:
        code = error.code if isinstance(error, EdgeError) else "another version runs"
        return Debug(state=[f"the running assistant can't be asked: {code}"], figures="", log=[])


def _write(target: Path, text: str) -> None:
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise EdgeError("FILE_EXISTS", f"{target} is there already: name another file") from None
    except OSError as error:
        raise EdgeError(
            "FILE_NOT_WRITTEN", f"can't write {target} ({error.strerror}): name a file, or `-` to print it"
        ) from None
