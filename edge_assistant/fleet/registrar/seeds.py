"""A list of devices as cloud-init seeds: each names its device, its fleet, and a claim token of its own."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge_assistant.errors import UsageError
from edge_assistant.fleet.registrar.registrar import CLAIM_SECONDS
from edge_assistant.fleet.wire import DEVICE_NAME, GROUP, SERIAL
from edge_assistant.store.files import make_folder, sync_folder, write_private

MAX_LIST_BYTES = 1 << 20
MAX_LINES = 5000
MAX_BASE_BYTES = 128 * 1024
SPARE_SECONDS = 600.0
"""A seed whose token lives for less is made anew."""

NOTE = "seed.json"

_COLUMNS = ("name", "serial", "groups")
_CA_FILE = "/etc/edge-assistant/fleet-ca.crt"
_HOSTNAME = re.compile(r"^hostname:.*\n?", re.MULTILINE)
_TAKEN = re.compile(r"^(write_files|bootcmd)\s*:", re.MULTILINE)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A device of the list."""

    name: str
    serial: str = ""
    groups: tuple[str, ...] = ()


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """What all seeds have in common."""

    user_data: str
    """cloud-config, as Raspberry Pi Imager or somebody else wrote it."""
    authority: str
    """Certificate of the fleet's authority, PEM."""
    config: str = ""
    """Configuration of the devices, TOML without `[fleet]`."""
    network_config: str = ""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside a seed, to go on later; the token does not."""

    line: Line
    claim: str
    expires_at: float


Outcome = Literal["made", "kept", "enrolled"]


def read_list(content: bytes) -> list[Line]:
    """Return the devices of a CSV file with the columns name, serial and groups; raises FLEET_LIST_BAD.

    Columns are separated by commas or semicolons, groups by spaces. Only `name` must be there.
    """
    if len(content) > MAX_LIST_BYTES:
        raise _bad(f"it is longer than {MAX_LIST_BYTES >> 20} MB")
    try:
        text = content.decode("utf-8-sig")
        head = text.split("\n", 1)[0]
        reader = csv.reader(io.StringIO(text), delimiter=";" if ";" in head else ",", strict=True)
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _bad(f"it is no CSV file in UTF-8: {error}") from None
    rows = [(number, row) for number, row in rows if any(row)]
    columns = [cell.lower() for cell in rows[0][1]] if rows else []
    if "name" not in columns or not set(columns) <= set(_COLUMNS) or len(set(columns)) < len(columns):
        raise _bad("its first line names the columns: name, and serial or groups or both")
    if not 1 <= len(rows) - 1 <= MAX_LINES:
        raise _bad(f"it has {len(rows) - 1} devices; 1 to {MAX_LINES} are taken at a time")
    return list(_checked(columns, rows[1:]))


def _checked(columns: list[str], rows: list[tuple[int, list[str]]]) -> Iterator[Line]:
    seen: dict[str, int] = {}
    for number, row in rows:
        if len(row) != len(columns):
            raise _bad(f"line {number} has {len(row)} columns where the first has {len(columns)}")
        cells = dict(zip(columns, row, strict=True))
        line = Line(
            name=cells["name"], serial=cells.get("serial", ""),
            groups=tuple(sorted(set(cells.get("groups", "").split()))),
        )  # fmt: skip
        if not DEVICE_NAME.fullmatch(line.name):
            raise _bad(f"line {number}: a device is called by 1 to 40 small letters, digits or -")
        if line.serial and not SERIAL.fullmatch(line.serial):
            raise _bad(f"line {number}: a serial number has 1 to 64 letters, digits or . _ : -")
        if not all(GROUP.fullmatch(group) for group in line.groups):
            raise _bad(f"line {number}: a group is called by 1 to 40 small letters, digits or -")
        for what in (f"name {line.name}", f"serial {line.serial}" if line.serial else ""):
            if what and what in seen:
                raise _bad(f"lines {seen[what]} and {number} have the same {what}")
            seen[what] = number
        yield line


def check_base(base: Base) -> None:
    """Raise FLEET_SEED_BAD when seeds can't be made of it."""
    if not base.user_data.startswith("#cloud-config"):
        raise _unfit("user-data must begin with #cloud-config")
    if found := _TAKEN.search(base.user_data):
        raise _unfit(f"user-data has {found[1]} already, which a seed adds: take it out")
    if re.search(r"^\s*\[+\s*fleet\b", base.config, re.MULTILINE):
        raise _unfit("the configuration has [fleet] already, which a seed adds: take it out")
    if max(len(base.user_data), len(base.config), len(base.network_config)) > MAX_BASE_BYTES:
        raise _unfit(f"a file for all devices is longer than {MAX_BASE_BYTES >> 10} kB")


def user_data(base: Base, line: Line, *, url: str, token: str) -> str:
    """Return the cloud-config of a device: the common one, its host's name, and what the fleet needs."""
    fleet = {"enabled": True, "url": url, "ca_file": _CA_FILE, "device": line.name, "serial": line.serial}
    table = "".join(f"{key} = {_quoted(value)}\n" for key, value in fleet.items() if value)
    config = f"{base.config.rstrip()}\n\n[fleet]\n{table}".lstrip()
    files = [
        _file("/etc/edge-assistant/config.toml", config, "0644"),
        _file(_CA_FILE, base.authority, "0644"),
        _file("/etc/credstore/edge-assistant.fleet_claim", token, "0600"),
    ]
    rest = _HOSTNAME.sub("", base.user_data).rstrip()
    entries = "".join(f"  - {_quoted(file)}\n" for file in files)
    return f"{rest}\nhostname: {_quoted(line.name)}\nwrite_files:\n{entries}"


def _file(path: str, content: str, permissions: str) -> dict[str, str]:
    return {"path": path, "content": content, "permissions": permissions}


def _quoted(value: object) -> str:
    """Return JSON, which is YAML as well, and for plain values TOML."""
    return msgspec.json.encode(value).decode()


class Sower:
    """Makes the seeds of a list, one folder each below `out`; run again, it goes on where it was.

    `order` sends an order to the registrar and returns its answer; `clock` gives UNIX seconds.
    """

    def __init__(
        self,
        out: Path,
        base: Base,
        order: Callable[..., Any],
        *,
        seconds: float = 86_400.0,
        allow: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_base(base)
        self._out = out
        self._base = base
        self._order = order
        self._seconds = seconds
        self._allow = allow
        self._clock = clock

    def sow(self, lines: list[Line]) -> Iterator[tuple[Line, Outcome, float | None]]:
        """Yield each device when it has its seed, and until when (UNIX seconds) its token lives.

        Raises what the registrar meets, such as FLEET_BROKER_OFFLINE; seeds made until then stay.
        """
        status = self._order(type="status")
        inside = {row["serial"] for row in status["devices"] if row["state"] in ("approved", "enrolled")}
        make_folder(self._out)
        for line in lines:
            folder = self._out / line.name
            note = _note(folder)
            if line.serial in inside:
                shutil.rmtree(folder, ignore_errors=True)  # its token is used up
                yield line, "enrolled", None
            elif note and note.line == line and note.expires_at - SPARE_SECONDS > self._clock():
                yield line, "kept", note.expires_at
            else:
                yield line, "made", self._make(folder, line, f"mqtts://{status['broker']}")

    def _make(self, folder: Path, line: Line, url: str) -> float:
        seconds = self._seconds if line.serial else min(self._seconds, CLAIM_SECONDS)
        wish = {"serial": line.serial, "name": line.name, "groups": line.groups, "seconds": seconds}
        (claim,) = self._order(type="claim", wishes=[wish], allow=self._allow and bool(line.serial))["claims"]
        fresh = folder.with_name(f".{folder.name}.new")  # so that half a seed never looks like one
        shutil.rmtree(fresh, ignore_errors=True)
        make_folder(fresh)
        files = {
            "user-data": user_data(self._base, line, url=url, token=claim["token"]),
            "meta-data": f"instance-id: {line.name}-{claim['id']}\n",
            "network-config": self._base.network_config,
        }
        for name, text in files.items():
            if text:
                write_private(fresh / name, text.encode())
        note = Note(line=line, claim=claim["id"], expires_at=claim["expires_at"])
        write_private(fresh / NOTE, msgspec.json.encode(note))
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
        sync_folder(self._out)
        return note.expires_at


def _note(folder: Path) -> Note | None:
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / NOTE).read_bytes(), type=Note)
    return None


def _bad(why: str) -> UsageError:
    return UsageError("FLEET_LIST_BAD", f"the list of devices can't be taken: {why}")


def _unfit(why: str) -> UsageError:
    return UsageError("FLEET_SEED_BAD", why)
