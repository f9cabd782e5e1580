"""`update-repository init / add / sign / rotate`: the operator's folder of signed releases."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from edge_assistant.config import secret
from edge_assistant.update.keys import ROLES, Keys
from edge_assistant.update.release import this_platform
from edge_assistant.update.repository import DAYS, Repository


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    init = actions.add_parser("init", help="make keys and an empty repository")
    add = actions.add_parser("add", help="make a bundle the release that devices shall have")
    add.add_argument("bundle", type=Path, help="what `make bundle` made")
    add.add_argument(
        "--platform", default=this_platform(), help="devices of which kind; this machine's: %(default)s"
    )
    sign = actions.add_parser(
        "sign", help="say anew that this is the newest state; before the timestamp expires"
    )
    rotate = actions.add_parser("rotate", help="give a role a new key; needs the root key")
    rotate.add_argument("role", choices=ROLES)
    for action in (init, add, sign, rotate):
        action.add_argument("--repository", type=Path, required=True, metavar="FOLDER", help="what is served")
        action.add_argument("--keys", type=Path, required=True, metavar="FOLDER", help="where keys are kept")
        action.add_argument(
            "--days",
            type=float,
            default=DAYS["timestamp"],
            help="how long the timestamp is believed: %(default)s",
        )


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    keys = Keys(args.keys, _passphrase(new=args.action == "init"))
    repository = Repository(args.repository, keys, days={"timestamp": args.days})
    match args.action:
        case "init":
            print(f"devices need, as /etc/edge-assistant/update-root.json: {repository.create()}")
            print(f"keep offline: {args.keys / 'root.pem'}")
        case "add":
            release = repository.add(args.bundle, args.platform)
            print(f"version {release.version} for {release.platform}: {len(release.files)} files")
        case "sign":
            repository.sign()
        case _:
            repository.rotate(args.role)
    return 0


def _passphrase(*, new: bool) -> str:
    """Return the passphrase of the keys: the secret `update_passphrase`, else asked for."""
    if (given := secret("update_passphrase")) is not None:
        return given
    if not sys.stdin.isatty():
        return ""
    typed = getpass.getpass("Passphrase of the signing keys: ")
    if new and typed != getpass.getpass("Once more: "):
        return ""
    return typed
