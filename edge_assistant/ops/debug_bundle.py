"""The debug bundle: one text file that tells how a device is, and nothing of those who live with it.

It is put together of what may be shown (numbers, switches, codes, names of the program's own), never of
what is there with the secret parts taken out.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from edge_assistant import __version__
from edge_assistant.config import Config
from edge_assistant.ops import device_checks, doctor, finding, network_checks
from edge_assistant.ops.debug import Debug
from edge_assistant.ops.finding import Finding
from edge_assistant.ops.hardware import Hardware
from edge_assistant.ops.own_words import names, scrubbed, words_of
from edge_assistant.ops.shareable import config_lines

MOST_BYTES = 256 * 1024
_SECTION_BYTES = 100 * 1024
"""Of log and figures each, the newest; all else is small."""

HOLDS = """\
It holds versions, the board, what is configured (numbers and switches; your own texts read `(set)`),
what the doctor found, the state of the running assistant, its figures and its newest log.
It does not hold anything anybody said, asked, wrote or was answered; names of people, rooms and devices;
documents; addresses, paths, passwords and keys.
"""

_HEAD = f"""\
Edge Assistant debug bundle

This file is made to be shared with whoever helps you. It is plain text: read it before you send it.
{HOLDS}In the log a word that the program did not write itself reads like ‹3f2a›: the same mark is the same
word, until the assistant is started anew.
"""

TOLD = frozenset(
    {
        "python", "memory", "disk", "temperature", "embedder", "key", "secrets", "clock",
        "compiler", "memory control", "watchdog", "time sync", "power", "sound",
    }
)  # fmt: skip
"""Checks whose detail is the program's own words and numbers; of others only a code is shown."""


def bundle(
    config: Config, findings: Sequence[Finding], hardware: Hardware, daemon: Debug | None, now: datetime
) -> str:
    """Return the text of a bundle; at most `MOST_BYTES` long in UTF-8."""
    own = names()
    sections = {
        "Versions": _versions(),
        "Device": _device(hardware),
        "Configuration, where it is not as by default": config_lines(config, own) or ["all as by default"],
        "What the doctor found": _found(findings, own),
        "State": daemon.state if daemon else ["the assistant does not run"],
        "Figures": _newest(_figures(daemon)),
        "Log, the newest last": _newest(daemon.log if daemon else []),
    }
    made = f"Made {now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC.\n"
    body = (f"\n== {title}\n" + "".join(f"{line}\n" for line in sections[title]) for title in sections)
    return "".join((_HEAD, made, *body)).encode()[:MOST_BYTES].decode(errors="ignore")


def _versions() -> list[str]:
    kernel = re.match(r"[\d.]*", platform.release())
    return [
        f"edge-assistant {__version__}",
        f"python {platform.python_version()} on {sys.platform} {kernel[0] if kernel else ''}",
        *_libraries(),
    ]


def _libraries() -> Iterator[str]:
    """Yield the versions of what a device needs of others, as far as it is installed."""
    try:
        wanted = importlib.metadata.requires("edge-assistant") or []
    except importlib.metadata.PackageNotFoundError:  # run from a folder that is not installed
        return
    of_devices = [each for each in wanted if not re.search(r"extra == .dev.", each)]
    for name in sorted({re.split(r"[^\w.-]", each, maxsplit=1)[0] for each in of_devices}):
        try:
            yield f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue


def _device(hardware: Hardware) -> list[str]:
    facts = {field: getattr(hardware, field) for field in hardware.__struct_fields__}
    return [f"{name} = {' '.join(fact) if isinstance(fact, tuple) else fact}" for name, fact in facts.items()]


def _found(findings: Iterable[Finding], own: frozenset[str]) -> list[str]:
    words = words_of((doctor, device_checks, network_checks, finding))
    lines = []
    for each in findings:
        detail = each.detail if each.detail in own else scrubbed(each.detail, words) * (each.name in TOLD)
        lines.append(f"{each.outcome:<8} {each.name}{': ' * bool(detail)}{detail}")
    return lines


def _figures(daemon: Debug | None) -> list[str]:
    """Return the figures without explanations, and of a histogram only where it rises."""
    lines, before = list[str](), ""
    for line in daemon.figures.splitlines() if daemon else ():
        name, _, value = line.rpartition(" ")
        flat = "_bucket{" in name and value in {"0.0", before}
        if not line.startswith("#") and not flat:
            lines.append(line)
        before = value
    return lines


def _newest(lines: Sequence[str]) -> list[str]:
    """Return as many of the last lines as there is room for."""
    room, kept = _SECTION_BYTES, list[str]()
    for line in reversed(lines):
        room -= len(line.encode()) + 1
        if room < 0:
            kept.append("(older ones are left out)")
            break
        kept.append(line)
    return list(reversed(kept)) or ["none"]
