"""`fleet seeds`: what the cards of many devices need, from a list of them."""

from __future__ import annotations

import argparse
import functools
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from edge_assistant.config import load_paths
from edge_assistant.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("list", type=Path, help="CSV file with the columns name, serial, groups")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a folder each below it")
    parser.add_argument(
        "--user-data", type=Path, required=True, metavar="FILE",
        help="cloud-config that all devices get, such as the one of Raspberry Pi Imager",
    )  # fmt: skip
    parser.add_argument("--network-config", type=Path, metavar="FILE", help="netplan's form, for Wi-Fi")
    parser.add_argument("--config", type=Path, dest="device_config", metavar="FILE", help="their config.toml")
    parser.add_argument("--hours", type=float, default=24.0, help="how long tokens live, 24 at most")
    parser.add_argument("--allow", action="store_true", help="these boards need no approval")


def run(args: argparse.Namespace) -> None:
    """Make them, with a line for each; run again it goes on."""
    from edge_assistant.fleet.registrar.client import order
    from edge_assistant.fleet.registrar.seeds import Base, Sower, read_list
    from edge_assistant.fleet.registrar.setup import CA_FILE, folder_of

    folder = folder_of(load_paths().state)
    lines = read_list(_content(args.list))
    base = Base(
        user_data=_text(args.user_data),
        authority=_text(folder / CA_FILE),
        config=_text(args.device_config),
        network_config=_text(args.network_config),
    )
    ask = functools.partial(order, folder)
    sower = Sower(args.out, base, ask, seconds=args.hours * 3600, allow=args.allow)
    done: list[dict[str, Any]] = []
    for line, outcome, expires_at in sower.sow(lines):
        done.append({"name": line.name, "outcome": outcome, "expires_at": expires_at})
        if not args.json:
            until = time.strftime(", until %H:%M", time.localtime(expires_at)) if expires_at else ""
            print(f"{len(done)}/{len(lines)} {line.name}: {outcome}{until}", flush=True)
    if args.json:
        print(msgspec.json.encode({"seeds": done}).decode())
    unbound = sum(not line.serial for line in lines)
    if unbound:
        print(f"{unbound} without a serial number: their tokens live 15 minutes", file=sys.stderr)


def _text(path: Path | None) -> str:
    try:
        return _content(path).decode() if path else ""
    except UnicodeDecodeError:
        raise UsageError("FLEET_SEED_BAD", f"{path} is no text in UTF-8") from None


def _content(path: Path) -> bytes:
    from edge_assistant.fleet.registrar.seeds import MAX_LIST_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MAX_LIST_BYTES + 1)
    except OSError as error:
        raise UsageError("FLEET_SEED_BAD", f"{path} can't be read: {error.strerror}") from None
