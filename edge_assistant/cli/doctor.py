"""`doctor`: what is wrong with this device and how to mend it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import msgspec

from edge_assistant.cli.connection import connect
from edge_assistant.config import Config, Paths, load_config, load_paths
from edge_assistant.errors import ConfigError, EdgeError
from edge_assistant.ops.doctor import Finding, VoiceHealth, examine

MARKS = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print every finding; exit code 1 when one failed."""
    paths = load_paths()
    configuration, config = _configuration(args)
    findings = [configuration, *examine(config, paths, **_daemon(paths))]
    healthy = all(finding.outcome != "failed" for finding in findings)
    if args.json:
        print(msgspec.json.encode({"healthy": healthy, "findings": findings}).decode())
    else:
        for finding in findings:
            _print(finding)
    return 0 if healthy else 1


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
