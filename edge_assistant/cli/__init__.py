"""The command line: argument parsing only, one small file per command group.

Each module named in `COMMANDS` has `configure(parser) -> None`, which adds its arguments, and
`run(args) -> int`, which does the work and returns the exit code. A module is imported only when its
command is used, so `--help` and `ask` start fast. Every command gets `args.config` (Path or None) and
`args.debug`. Commands report what went wrong by raising `EdgeError`; `main` prints it.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from edge_assistant import __version__
from edge_assistant.errors import EdgeError
from edge_assistant.ops.journal import say_failure

COMMANDS = (
    ("run", "edge_assistant.cli.run", "run the assistant in the foreground"),
    ("ask", "edge_assistant.cli.ask", "ask one thing and print the answer as it comes"),
    ("chat", "edge_assistant.cli.chat", "talk in this terminal"),
    ("pair", "edge_assistant.cli.pair", "print a one-time link that signs a browser in"),
    ("memory", "edge_assistant.cli.memory", "see, correct, export and forget what it remembers of people"),
    ("say", "edge_assistant.cli.say", "say a text aloud"),
    ("listen", "edge_assistant.cli.listen", "show how loud it is and what is heard"),
    ("documents", "edge_assistant.cli.documents", "add, list, remove and search documents"),
    ("models", "edge_assistant.cli.models", "list, pull, verify and remove models"),
    ("tune", "edge_assistant.cli.tune", "find out what is fastest on this device"),
    ("doctor", "edge_assistant.cli.doctor", "check this device; each failing line says the fix"),
    (
        "debug-bundle",
        "edge_assistant.cli.debug_bundle",
        "write what helps others to help, safe to share",
    ),
    ("backup", "edge_assistant.cli.backup", "write an encrypted copy of everything it knows to a file"),
    ("restore", "edge_assistant.cli.restore", "bring a backup back, with the recovery code"),
    (
        "unlock",
        "edge_assistant.cli.unlock",
        "open a device that lost its key, with the recovery code",
    ),
    ("recovery-code", "edge_assistant.cli.recovery_code", "make and print a new recovery code"),
    ("bench", "edge_assistant.cli.bench", "measure this device"),
    ("fleet", "edge_assistant.cli.fleet", "enrol, watch and cut off many devices of one operator"),
    ("update", "edge_assistant.cli.update", "bring this device to the version that its operator signed"),
    (
        "update-repository",
        "edge_assistant.cli.update_repository",
        "on the operator's machine: sign releases that devices update to",
    ),
    ("cloud-worker", "edge_assistant.cli.cloud_worker", "answer devices' questions with a larger model"),
)
"""Name, module, one line of help."""

EXIT_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a command in the one line that every error has."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: USAGE: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 fine, 1 it failed, 2 wrong usage or configuration."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = False
    try:
        args = _build_parser(words).parse_args(words)
        debug = args.debug
        return _flushed(args)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the edge where errors become one line
        if debug:
            traceback.print_exc()
        return _report(error)


def _flushed(args: argparse.Namespace) -> int:
    run: Callable[[argparse.Namespace], int] = args.run
    code = run(args)
    sys.stdout.flush()
    return code


def _build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(prog="edge-assistant", description="A private assistant on this device.")
    parser.add_argument("--version", action="version", version=f"edge-assistant {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks and detailed logs")
    parser.set_defaults(config=None)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    used = next((word for word in words if not word.startswith("-")), "")
    for name, module_name, line in COMMANDS:
        command = subparsers.add_parser(name, help=line, description=line)
        if name == used:
            _configure(command, module_name)
    return parser


def _configure(command: argparse.ArgumentParser, module_name: str) -> None:
    command.add_argument("--config", type=Path, metavar="FILE", help="configuration to use")
    command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    module = importlib.import_module(module_name)
    module.configure(command)
    command.set_defaults(run=module.run)


def _report(error: BaseException) -> int:
    match error:
        case EdgeError():
            return _complain(error.code, error.message, error.exit_code)
        case KeyboardInterrupt():
            return EXIT_INTERRUPTED
        case BrokenPipeError():
            return _leave_closed_pipe()
        case OSError():
            return _complain("SYSTEM", str(error), 1)
        case _:
            return _complain("INTERNAL", f"{type(error).__name__}: {error} (--debug tells more)", 1)


def _complain(code: str, message: str, exit_code: int) -> int:
    line = " ".join(message.split())
    say_failure(f"error: {code}: {line}")
    return exit_code


def _leave_closed_pipe() -> int:
    """Whoever read our output has left: end quietly, also when Python flushes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
