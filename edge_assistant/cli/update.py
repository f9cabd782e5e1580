"""`update check / apply / status / rollback`: this device and the version that its operator signed."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from edge_assistant.cli.models import BarProgress, LineProgress
from edge_assistant.config import Config, load_config, load_paths
from edge_assistant.errors import UsageError
from edge_assistant.ops.logs import set_up_logging
from edge_assistant.update.keepsake import Keepsake
from edge_assistant.update.place import Outcome, Place
from edge_assistant.update.release import UpdateError
from edge_assistant.update.service import SystemdService
from edge_assistant.update.source import open_source
from edge_assistant.update.trial import Patience, Trial
from edge_assistant.update.updater import Updater, settle_units

STATE = "/var/lib/edge-assistant"
"""Of a service that install.sh made; root's own is another one."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    check = actions.add_parser("check", help="what is offered, and what it would take")
    apply = actions.add_parser("apply", help="take it; goes back by itself when it does not become well")
    apply.add_argument("--again", action="store_true", help="also a release that was taken back before")
    apply.add_argument("--automatic", action="store_true", help=argparse.SUPPRESS)  # for the timer
    status = actions.add_parser("status", help="which version runs, and what became of the last update")
    rollback = actions.add_parser("rollback", help="go back to the version before")
    for action in (check, apply):
        action.add_argument("--from", dest="folder", default="", metavar="FOLDER", help="such as a stick")
    for action in (check, apply, status, rollback):
        action.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    place = Place.own()
    if args.action == "status":
        _show(args, _status(place))
        return 0
    os.environ.setdefault("STATE_DIRECTORY", STATE)
    # The end of a terminal's connection is not the end of an update; SIGTERM calls it off in order.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = load_config(args.config)
    updater = _updater(place, config, getattr(args, "folder", ""), quiet=args.json)
    if args.action == "check":
        _show(args, updater.check())
    elif args.action == "rollback":
        _show(args, updater.rollback())
    elif args.automatic:
        set_up_logging(debug=args.debug)
        _automatic(place, config, updater)
    else:
        _show(args, updater.apply(again=args.again) or _status(place))
    return 0


def _automatic(place: Place, config: Config, updater: Updater) -> None:
    try:
        if config.update.automatic:
            updater.apply()
        else:
            with place.alone():
                updater.go_on()
    except UpdateError as error:
        if error.code not in {"UPDATE_FAILED_BEFORE", "UPDATE_RUNNING"}:  # said before; somebody is at it
            raise


def _updater(place: Place, config: Config, folder: str, *, quiet: bool) -> Updater:
    paths, settings = load_paths(), config.update
    if config.web.enabled and not config.web.port:
        raise UsageError("CONFIG_BAD_VALUE", "web.port: with 0 nobody can ask the page how a new version is")
    keepsake = Keepsake(paths.database)
    patience = Patience(
        start_seconds=settings.start_seconds, probation_seconds=settings.probation_seconds
    )  # fmt: skip
    service = SystemdService(config.web.port if config.web.enabled else 0)
    trial = Trial(place, service, keepsake, partial(settle_units, place), patience)
    progress = BarProgress() if sys.stderr.isatty() and not quiet else LineProgress(sys.stderr)
    return Updater(
        place, Path(settings.root_file), lambda: open_source(folder or settings.url), trial=trial,
        keepsake=keepsake, models=paths.models, progress=progress,
    )  # fmt: skip


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How this device stands; `update status --json` prints it."""

    version: str
    before: str
    """The version that `rollback` goes back to; empty when there is none."""
    probation: bool
    """Whether the version that runs has still to show that it is well."""
    last: Outcome | None


def _status(place: Place) -> Status:
    others = place.others
    return Status(
        version=place.version(place.current), before=place.version(others[0]) if others else "",
        probation=place.probation is not None, last=place.state.last,
    )  # fmt: skip


def _show(args: argparse.Namespace, what: Any) -> None:
    if args.json:
        print(msgspec.json.encode(what).decode())
        return
    for name, value in msgspec.to_builtins(what).items():
        print(f"{name.replace('_', ' '):<20}  {_words(value)}")


def _words(value: Any) -> str:
    if isinstance(value, dict):  # an outcome
        return ", ".join(value[part] for part in ("version", "result", "code") if value[part])
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
