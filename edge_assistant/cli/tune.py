"""`tune`: find out what is fastest on this device, and keep it."""

from __future__ import annotations

import argparse

import msgspec

from edge_assistant.cli.connection import connected
from edge_assistant.cli.terminal import Hint


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Tune now; questions go before."""
    hint = Hint()
    hint.show("tuning, for a minute at most …")
    try:
        with connected(args) as connection:
            found = connection.order(type="tune")["tuning"]
    finally:
        hint.clear()
    if args.json:
        print(msgspec.json.encode(found).decode())
        return 0
    print(
        f"{found['threads']} threads write {found['writes_per_second']:,.0f} tokens/s, "
        f"{found['prefill_threads']} read {found['reads_per_second']:,.0f} tokens/s; "
        f"batch {found['batch']}, KV {found['kv_type']}; took {found['seconds']:.0f} s"
    )
    if not found["complete"]:
        print("there was not time for all of it")
    return 0
