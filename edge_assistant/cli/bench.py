"""`bench`: measure this device against what is promised."""

from __future__ import annotations

import argparse
import sys

import msgspec

from edge_assistant.bench.goal import Result
from edge_assistant.bench.measurement import Setting
from edge_assistant.bench.registry import BENCHES, find_bench
from edge_assistant.bench.report import report, results
from edge_assistant.config import load_config, load_paths

MARKS = {True: "holds ", False: "MISSED", None: "-     "}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    names = "; ".join(f"{name}: {line}" for name, (_, line) in BENCHES.items())
    parser.add_argument("name", choices=BENCHES, metavar="NAME", help=names)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="every line at reduced size, within a minute")


def run(args: argparse.Namespace) -> int:
    """Print every result; exit code 1 when a goal is missed."""
    setting = Setting(
        config=load_config(args.config),
        paths=load_paths(),
        config_file=args.config,
        quick=args.quick,
        say=_say if sys.stderr.isatty() else lambda _: None,
    )
    found = []
    for result in results(find_bench(args.name), setting):
        found.append(result)
        if not args.json:
            _print(result)
    whole = report(args.name, tuple(found))
    print(msgspec.json.encode(whole).decode() if args.json else f"{whole.date}  {whole.machine}")
    return 0 if whole.holds else 1


def _say(line: str) -> None:
    print(f"… {line}", file=sys.stderr, flush=True)


def _print(result: Result) -> None:
    value = "not measured" if result.value is None else f"{result.value:g} {result.unit}"
    print(f"{MARKS[result.holds]}  {result.metric}: {value}  (goal: {result.goal})", flush=True)
    if result.note:
        print(f"        {result.note}", flush=True)
