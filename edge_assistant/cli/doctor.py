"""`doctor`: what is wrong with this device and how to mend it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import msgspec

from edge_assistant.cli.connection import connect
from edge_assistant.config import Config, Paths, load_config, load_paths
from edge_assistant.errors import ConfigError, EdgeError, UsageError
from edge_assistant.ops.doctor import examine
from edge_assistant.ops.finding import Finding, VoiceHealth
from edge_assistant.ops.mend import Outcome, carried_out, steps

MARKS = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--fix", action="store_true", help="do what is safe to do, and say it")
    parser.add_argument("--dry-run", action="store_true", help="with --fix: only say what would be done")


def run(args: argparse.Namespace) -> int:
    """Print every finding; exit code 1 when one failed."""
    paths = load_paths()
    if args.dry_run and not args.fix:
        raise UsageError("USAGE", "--dry-run goes with --fix")
    config, findings = look(args, paths)
    outcomes: list[Outcome] = []
    if args.fix and (wanted := steps(config, paths, findings)):
        if args.dry_run:
            outcomes = [Outcome(step.finding, step.what, done=False) for step in wanted]
        else:
            outcomes = [carried_out(step) for step in wanted]
            findings = look(args, paths)[1]
    healthy = all(finding.outcome != "failed" for finding in findings)
    if args.json:
        fixes = {"fixes": outcomes} if args.fix else {}
        print(msgspec.json.encode({"healthy": healthy, "findings": findings, **fixes}).decode())
    else:
        _print_all(findings, outcomes, dry=args.dry_run)
    return 0 if healthy else 1


def look(args: argparse.Namespace, paths: Paths) -> tuple[Config, list[Finding]]:
    """Return the configuration, or the defaults in its place, and what every check finds."""
    configuration, config = _configuration(args)
    return config, [configuration, *examine(config, paths, **_daemon(paths))]


def _print_all(findings: list[Finding], outcomes: list[Outcome], *, dry: bool) -> None:
    for outcome in outcomes:
        how = "would do" if dry else "done" if outcome.done else f"FAILED ({outcome.problem})"
        print(f"{how}: {outcome.what}")
    for finding in findings:
        _print(finding)
    failures, warnings = (sum(each.outcome == kind for each in findings) for kind in ("failed", "warning"))
    print(f"{len(findings)} checks: {failures} failed, {warnings} warned of")


def _configuration(args: argparse.Namespace) -> tuple[Finding, Config]:
    """Return how the configuration is, and it; the defaults stand in for one that can't be used."""
    try:
        config = load_config(args.config)
    except ConfigError as error:
        broken = Finding(name="configuration", outcome="failed", detail=error.code, fix=error.message)
        return broken, Config()
    return Finding(name="configuration", outcome="ok", detail=f"persona {config.assistant.persona}"), config


def _daemon(paths: Paths) -> dict[str, Any]:
    """Return what the running daemon says of itself; nothing when none runs."""
    try:
        connection = connect(paths.control_socket)
        if connection is None:
            return {}
        try:
            status = connection.order(type="status")
            return {
                "daemon_url": status["url"],
                "house_problem": status["house_problem"],
                "house_url": status["house_url"],
                "voice": msgspec.convert(status["voice"], VoiceHealth | None),
            }
        finally:
            connection.close()
    except EdgeError:
        return {}


def _print(finding: Finding) -> None:
    mark = MARKS[finding.outcome]
    if sys.stdout.isatty() and finding.outcome != "ok":
        mark = f"\x1b[1;{31 if finding.outcome == 'failed' else 33}m{mark}\x1b[0m"
    print(f"{mark}  {finding.name}: {finding.detail}")
    if finding.fix:
        print(f"         -> {finding.fix}")
