"""`pair`: let browsers, phones and programs in, list them, and end them."""

from __future__ import annotations

import argparse
import sys
import time

from edge_assistant.cli.connection import Connection, Message, connected_to_daemon
from edge_assistant.cli.terminal import printable
from edge_assistant.people.person import OWNER_ID, PROGRAM_SCOPES, ROLES, SCOPES


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--token", metavar="NAME", help="print a token for a program of this name")
    what.add_argument("--list", action="store_true", help="list paired devices and programs")
    what.add_argument("--revoke", metavar="ID", help="end a device or program of that list")
    what.add_argument("--new", metavar="NAME", help="pair the first device of a new person")
    parser.add_argument("--role", choices=ROLES, default="member", help="of the new person; else member")
    parser.add_argument("--user", metavar="ID", default=OWNER_ID, help="whose device or program it is")
    parser.add_argument(
        "--scope",
        action="append",
        choices=SCOPES,
        help=f"what the token is for, may be repeated; else {' and '.join(PROGRAM_SCOPES)}",
    )


def run(args: argparse.Namespace) -> int:
    """Ask the running daemon; links, codes and tokens go to standard output and nowhere else."""
    with connected_to_daemon() as connection:
        if args.list:
            _list(connection)
        elif args.revoke:
            device = connection.order(type="revoke", device=args.revoke)["device"]
            print(f"{device['id']} ({printable(device['name'])}) is signed out and gone")
        elif args.token:
            _print_token(connection, args)
        else:
            user = args.user
            if args.new:
                user = connection.order(type="add_user", name=args.new, role=args.role)["user"]["id"]
            _invite(connection, user)
    return 0


def _print_token(connection: Connection, args: argparse.Namespace) -> None:
    scopes: list[str] = args.scope or list(PROGRAM_SCOPES)
    made = connection.order(type="add_token", name=args.token, user=args.user, scopes=scopes)
    print(made["token"])
    if sys.stdout.isatty():
        print("\nSend it as `Authorization: Bearer …`; it is not shown again.", file=sys.stderr)


def _invite(connection: Connection, user: str) -> None:
    made = connection.order(type="pair", user=user)
    if not made["problem"]:
        if sys.stdout.isatty():
            _print_qr(made["url"])
        print(f"On a phone in this house, scan this or open\n  {made['url']}")
        print(f"or open {made['address']} and type the code  {made['code'][:3]} {made['code'][3:]}\n")
        print(f"Its certificate authority has the SHA-256 fingerprint\n  {made['fingerprint']}\n")
    else:
        print(f"Phones can't reach the page: {printable(made['problem'])}\n")
    print(f"In a browser on this machine, open\n  {made['local_url']}\n")
    print("All of these are one way in: it works once, for ten minutes.")


def _print_qr(url: str) -> None:
    import segno

    segno.make(url, error="l", micro=False).terminal(compact=True)


def _list(connection: Connection) -> None:
    items: list[Message] = connection.order(type="devices")["items"]
    for item in items:
        seen = time.strftime("%Y-%m-%d %H:%M", time.localtime(item["last_seen_at"]))
        what = f"program ({', '.join(item['scopes'])})" if item["kind"] == "program" else "browser"
        print(f"{item['id']}  {seen}  {item['user']:<16}  {what}  {printable(item['name'])}")
    if not items:
        print("No device is paired: `edge-assistant pair` pairs one.")
