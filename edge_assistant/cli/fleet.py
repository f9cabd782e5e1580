"""`fleet`: many devices under one operator; on the operator's machine, save for `leave`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from edge_assistant.cli import fleet_seeds
from edge_assistant.cli.terminal import printable, show_recovery_code
from edge_assistant.config import load_paths
from edge_assistant.errors import UsageError
from edge_assistant.ops.logs import set_up_logging

logger = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    init = actions.add_parser("init", help="make a fleet: its authority and its broker's configuration")
    init.add_argument(
        "--host", action="append", required=True, help="name or address of the broker; the first is told"
    )
    init.add_argument("--port", type=int, default=8883, help="for passwords")
    init.add_argument("--mutual-port", type=int, default=8884, help="for certificates")
    init.add_argument("--user", default="mosquitto", help="whom the broker becomes")
    init.add_argument("--broker", type=Path, metavar="FOLDER", help="where the broker's files go")
    init.add_argument("--days", type=float, default=90.0, help="how long a device's certificate lasts")
    actions.add_parser("registrar", help="serve the fleet until it is stopped")
    page = actions.add_parser("page", help="serve the operator's page to this machine until it is stopped")
    page.add_argument("--port", type=int, default=0, help="else any free one")
    claim = actions.add_parser("claim", help="print a claim token, with which one device can enrol")
    claim.add_argument("--serial", default="", help="the only board that may use it")
    claim.add_argument("--name", default="", help="what the device will be called")
    claim.add_argument("--group", action="append", default=[], help="a group that it belongs to")
    claim.add_argument(
        "--minutes", type=float, default=15.0, help="how long it lives; longer only with a serial"
    )
    claim.add_argument("--allow", action="store_true", help="this board needs no approval then")
    seeds = actions.add_parser("seeds", help="make the files for the cards of many devices, from a list")
    fleet_seeds.configure(seeds)
    allow = actions.add_parser("allow", help="let boards in without approval")
    allow.add_argument("serial", nargs="+")
    approve = actions.add_parser("approve", help="let a device in that asks")
    approve.add_argument("name")
    approve.add_argument("--replace", action="store_true", help="revoke others with the same serial number")
    revoke = actions.add_parser("revoke", help="shut a device out for good, at once")
    revoke.add_argument("name")
    status = actions.add_parser("status", help="how all devices are")
    status.add_argument("--group", default="", help="only of this group")
    groups = actions.add_parser("groups", help="list groups, or change who is in one")
    groups.add_argument("group", nargs="?", default="")
    groups.add_argument("--add", nargs="+", default=[], metavar="DEVICE")
    groups.add_argument("--remove", nargs="+", default=[], metavar="DEVICE")
    desire = actions.add_parser("desire", help="give devices other values, in waves that halt by themselves")
    desire.add_argument("values", nargs="+", metavar="KEY=VALUE", help="such as assistant.persona=concise")
    desire.add_argument("--group", default="", help="only this group; else everybody")
    desire.add_argument("--probation", type=float, default=60.0, metavar="S", help="time to stay well")
    desire.add_argument("--patience", type=float, default=900.0, metavar="S", help="time to answer besides")
    desire.add_argument("--at-once", action="store_true", help="everybody in one wave")
    campaigns = actions.add_parser("campaigns", help="what became of such changes")
    halt = actions.add_parser("halt", help="end a campaign and take it back")
    halt.add_argument("id")
    actions.add_parser("leave", help="on a device: forget the fleet, its key and certificate")
    for action in (claim, seeds, allow, approve, revoke, status, groups, desire, campaigns, halt):
        action.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    actions = {
        "init": _init, "registrar": _registrar, "page": _page, "claim": _claim, "seeds": fleet_seeds.run,
        "allow": _allow, "approve": _approve,
        "revoke": _revoke, "status": _status, "leave": _leave, "groups": _groups, "desire": _desire,
        "campaigns": _campaigns, "halt": _halt,
    }  # fmt: skip
    actions[args.action](args)
    return 0


def _init(args: argparse.Namespace) -> None:
    import secrets

    from edge_assistant.fleet.registrar.setup import Place, set_up

    place = Place(
        host=args.host[0], port=args.port, mutual_port=args.mutual_port,
        password=secrets.token_urlsafe(32), lifetime_hours=args.days * 24,
    )  # fmt: skip
    broker = args.broker or _folder() / "broker"
    code = asyncio.run(set_up(_folder(), place, args.host, user=args.user, broker=broker))
    if code and sys.stdout.isatty():
        show_recovery_code(code, sys.stdout)
    print(f"broker: mosquitto -c {broker / 'mosquitto.conf'}")
    print(f"devices need: {_folder() / 'ca.crt'}")


def _registrar(args: argparse.Namespace) -> None:
    set_up_logging(debug=args.debug)
    asyncio.run(_serve())


async def _serve() -> None:
    from edge_assistant.fleet.registrar.service import running_registrar

    async with running_registrar(_folder()) as registrar:
        logger.info("ready: registrar at %s", registrar.connection.address)
        await _stopped()


def _page(args: argparse.Namespace) -> None:
    _order(type="status")  # says what is wrong before anybody looks at a page
    asyncio.run(_show(args.port))


async def _show(port: int) -> None:
    from edge_assistant.fleet.registrar.page import serving_page

    async with serving_page(_folder(), port) as link:
        print(link, flush=True)
        await _stopped()


async def _stopped() -> None:
    """Return when somebody ends the program."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def _claim(args: argparse.Namespace) -> None:
    wish = {
        "serial": args.serial, "name": args.name, "groups": args.group, "seconds": args.minutes * 60,
    }  # fmt: skip
    made = _order(type="claim", wishes=[wish], allow=args.allow)
    if args.json:
        _print_json(made)
        return
    print(made["claims"][0]["token"])
    if sys.stdout.isatty():
        until = time.strftime("%H:%M", time.localtime(made["claims"][0]["expires_at"]))
        print(
            f"\nIt works once, until {until}: give it to the device as the secret fleet_claim.",
            file=sys.stderr,
        )


def _allow(args: argparse.Namespace) -> None:
    done = _order(type="allow", serials=[{"serial": serial} for serial in args.serial])
    _print_json(done) if args.json else print(f"{done['allowed']} boards need no approval")


def _approve(args: argparse.Namespace) -> None:
    device = _order(type="approve", name=args.name, replace=args.replace)
    _print_json(device) if args.json else print(f"{device['name']} may come in")


def _revoke(args: argparse.Namespace) -> None:
    device = _order(type="revoke", name=args.name)
    _print_json(device) if args.json else print(f"{device['name']} is shut out")


def _status(args: argparse.Namespace) -> None:
    status = _order(type="status")
    status["devices"] = [each for each in status["devices"] if not args.group or args.group in each["groups"]]
    if args.json:
        _print_json(status)
        return
    if not status["connected"]:
        print(f"not connected to {status['broker']}: {printable(status['detail'])}", file=sys.stderr)
    head = ("NAME", "STATE", "ONLINE", "HEALTH", "VERSION", "MODEL", "DISK", "TEMP", "SEEN", "NOTE")
    _table(head, [_cells(device) for device in status["devices"]])


def _groups(args: argparse.Namespace) -> None:
    if args.group and (args.add or args.remove):
        status = _order(type="group", group=args.group, add=args.add, remove=args.remove)
    else:
        status = _order(type="status")
    groups: dict[str, list[str]] = {}
    for device in status["devices"]:
        for group in device["groups"]:
            groups.setdefault(group, []).append(device["name"])
    if args.group:
        groups = {args.group: groups.get(args.group, [])}
    if args.json:
        _print_json({"groups": groups})
    else:
        _table(("GROUP", "DEVICES"), [(name, " ".join(groups[name])) for name in sorted(groups)])


def _desire(args: argparse.Namespace) -> None:
    pairs = [text.partition("=") for text in args.values]
    if not all(equals for _, equals, _ in pairs):
        raise UsageError("USAGE", "expected KEY=VALUE, such as assistant.persona=concise")
    campaign = _order(
        type="desire", values={key: value for key, _, value in pairs}, group=args.group,
        probation_seconds=args.probation, patience_seconds=args.patience, at_once=args.at_once,
    )  # fmt: skip
    _print_json(campaign) if args.json else print(f"campaign {campaign['id']}: {_waves(campaign)}")


def _campaigns(args: argparse.Namespace) -> None:
    found = _order(type="campaigns")
    if args.json:
        _print_json(found)
        return
    head = ("ID", "PHASE", "WAVE", "GROUP", "VALUES", "REASON")
    _table(head, [_campaign_cells(campaign) for campaign in found["campaigns"]])


def _campaign_cells(campaign: dict[str, Any]) -> tuple[str, ...]:
    values = " ".join(f"{key}={value[:40]}" for key, value in campaign["values"].items())
    where = f"{campaign['wave']} of {len(campaign['waves'])}"
    return campaign["id"], campaign["phase"], where, campaign["group"] or "all", values, campaign["reason"]


def _waves(campaign: dict[str, Any]) -> str:
    return f"waves of {', '.join(map(str, campaign['waves']))} devices"


def _halt(args: argparse.Namespace) -> None:
    campaign = _order(type="halt", id=args.id)
    _print_json(campaign) if args.json else print(f"campaign {campaign['id']} is {campaign['phase']}")


def _cells(device: dict[str, Any]) -> tuple[str, ...]:
    heat, seen = device["temperature_celsius"], device["last_contact"]
    notes = [*device["problems"], device["note"], "drifts" if device["drift"] else ""]
    return (
        device["name"],
        device["state"],
        "yes" if device["online"] else "no",
        device["health"],
        device["version"],
        device["model"],
        f"{device['disk_free_mb'] / 1000:.1f} GB" if device["disk_free_mb"] else "",
        f"{heat:.0f} °C" if heat is not None else "",
        _ago(time.time() - seen) if seen else "never",
        "; ".join(filter(None, notes)),
    )


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print columns as wide as they need."""
    lines = [head, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _leave(args: argparse.Namespace) -> None:
    del args
    folder = load_paths().state / "fleet"
    if not folder.exists():
        raise UsageError("FLEET_UNCLAIMED", "this device is in no fleet")
    shutil.rmtree(folder)
    print("this device has left the fleet; restart the assistant")


def _order(**message: Any) -> Any:
    from edge_assistant.fleet.registrar.client import order

    return order(_folder(), **message)


def _folder() -> Path:
    from edge_assistant.fleet.registrar.setup import folder_of

    return folder_of(load_paths().state)


def _print_json(what: Any) -> None:
    print(msgspec.json.encode(what).decode())
