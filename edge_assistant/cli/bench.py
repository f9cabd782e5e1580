"""`bench`: measure this device against what is promised."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import closing
from pathlib import Path

import msgspec

from edge_assistant.bench.goal import Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.bench.registry import BENCHES, find_bench
from edge_assistant.bench.report import report, results
from edge_assistant.config import load_config, load_paths
from edge_assistant.errors import UsageError

MARKS = {True: "holds ", False: "MISSED", None: "-     "}


ALL = "all"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    names = "; ".join(f"{name}: {line}" for name, (_, line) in BENCHES.items())
    parser.add_argument("name", choices=(*BENCHES, ALL), metavar="NAME", help=f"{names}; {ALL}: one by one")
    parser.add_argument("--json", action="store_true", help="print one JSON object a bench")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the lines with this text")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="`voice`: draw the stages as SVG")
    parser.add_argument("--quick", action="store_true", help="every line at reduced size, within a minute")


def run(args: argparse.Namespace) -> int:
    """Print every result; exit code 1 when a goal is missed."""
    # Asked to end it cleans up as after Ctrl-C: nothing that it started is left, nor a folder.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    setting = Setting(
        config=load_config(args.config),
        paths=load_paths(),
        config_file=args.config,
        quick=args.quick,
        plot=args.plot,
        say=_say if sys.stderr.isatty() else lambda _: None,
    )
    names = BENCHES if args.name == ALL else [args.name]
    chosen = {name: _chosen(name, args.only) for name in names}
    if not any(chosen.values()):
        raise UsageError("BENCH_LINE_UNKNOWN", f"no line of `bench {args.name}` holds {args.only!r}")
    hold = [_run(name, each, setting, json=args.json) for name, each in chosen.items() if each]
    return 0 if all(hold) else 1


def _chosen(name: str, text: str) -> tuple[Measurement, ...]:
    return tuple(each for each in find_bench(name) if each.answers(text))


def _run(name: str, measurements: tuple[Measurement, ...], setting: Setting, *, json: bool) -> bool:
    """Run one bench, print it as it goes, and tell whether no goal is missed."""
    found = []
    with closing(setting.shared):
        for result in results(measurements, setting):
            found.append(result)
            if not json:
                _print(result)
    whole = report(name, tuple(found))
    print(msgspec.json.encode(whole).decode() if json else f"{whole.date}  {whole.machine}", flush=True)
    return whole.holds


def _say(line: str) -> None:
    print(f"… {line}", file=sys.stderr, flush=True)


def _print(result: Result) -> None:
    value = "not measured" if result.value is None else f"{result.value:g} {result.unit}"
    print(f"{MARKS[result.holds]}  {result.metric}: {value}  (goal: {result.goal})", flush=True)
    if result.note:
        print(f"        {result.note}", flush=True)
