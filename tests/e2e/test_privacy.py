"""Nothing leaves, watched on a machine without a route; and what was forgotten is gone from every file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_assistant.bench.retrieval.pages import decrypted
from edge_assistant.config import Paths
from edge_assistant.store.backup import DATABASE_MEMBER
from edge_assistant.store.keys import KeyRing
from tests.daemon import Daemon

CLOSED_IN = ("unshare", "--net", "--map-root-user", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")
"""A network namespace of its own with nothing but loopback: no route leads out."""

_HOST = re.compile(r'sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)')
_HOST6 = re.compile(r'sin6_port=htons\((\d+)\).*?inet_pton\(AF_INET6, "([^"]+)"')
_CLOUD = re.compile(r"edge_assistant/cloud/|wiring/cloud\.|site-packages/(?:aiomqtt|paho)/")
DNS = 53
CANARY = "zanzibarwindmill"


def watched(trace: Path) -> tuple[str, ...]:
    """Return what starts a program with all that it and its children send or open written to `trace`."""
    calls = "trace=connect,sendto,sendmsg,sendmmsg,openat"
    return ("strace", "-f", "-qq", "-s", "256", "-e", calls, "-e", "signal=none", "-o", str(trace))


def attempts(trace: Path) -> list[str]:
    """Return the calls that were meant for another machine. Asking a name server is one, wherever it is."""
    found = []
    for line in trace.read_text(errors="replace").splitlines():
        for pattern in (_HOST, _HOST6):
            for port, host in pattern.findall(line):
                here = host.startswith("127.") or host == "::1"
                if not here or int(port) == DNS:
                    found.append(line)
    return found


@pytest.mark.parametrize("code", [
    "import socket; socket.socket().connect_ex(('192.0.2.1', 80))",
    "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
    "import socket; socket.socket(socket.AF_INET6).connect_ex(('2001:db8::1', 80))",
    "import os, socket; os.fork() or socket.socket().connect_ex(('192.0.2.1', 80))",
])  # fmt: skip
def test_the_watch_sees_what_tries_to_leave(tmp_path, code):
    trace = tmp_path / "trace"
    quiet = f"try:\n {code}\nexcept OSError: pass"
    subprocess.run((*CLOSED_IN, *watched(trace), sys.executable, "-c", quiet), check=True)
    assert attempts(trace)


def test_with_the_cloud_off_nothing_even_tries_to_leave(
    state: Paths, starter_model: Path, tmp_path: Path
) -> None:
    """It starts, answers, learns, remembers, reads a document, rings: without wanting a route."""
    trace, page = tmp_path / "trace", tmp_path / "boiler.md"
    page.write_text(
        "# Boiler\n\nError E4 means that the water pressure is too low. See https://example.org/e4.\n"
    )
    daemon = Daemon(state, dict(os.environ), (*CLOSED_IN, *watched(trace)))
    try:
        daemon.start()
        daemon.wait_for_model()
        for text in (
            "My sister's name is Klara and her e-mail is klara@example.org.",
            "Ask the cloud: what is the capital of France?",
            "When I am online again, ask who won the election.",
            "Set a timer for one second",
            "What is my sister called?",
        ):
            last = daemon.ask(text, session="s")
            assert last["type"] == "turn.finished", last
            assert last["route"]["rung"] != "cloud"
        assert daemon.cli("documents", "add", str(page)).returncode == 0
        daemon.wait_until(lambda: _read(daemon), 60)
        assert daemon.ask("What does error E4 of the boiler mean?")["type"] == "turn.finished"
        assert daemon.stop() == 0
        assert "ERROR" not in daemon.log
    finally:
        daemon.clean_up()
    assert attempts(trace) == []
    opened = trace.read_text(errors="replace")
    assert "edge_assistant/assistant/" in opened  # what is imported does show
    assert _CLOUD.findall(opened) == []  # of the cloud not even the code is read


def test_what_was_forgotten_stands_in_no_file_of_the_device(
    make_daemon: Callable[..., Daemon], state: Paths, starter_model: Path, tmp_path: Path
) -> None:
    """Said, learnt, read, cited, kept as KV and backed up by a real daemon; then looked for in every page."""
    page = tmp_path / "plans.md"
    page.write_text(f"# Plans\n\nThe {CANARY} stands behind the barn and is painted in blue and white.\n")
    backup = state.state / "kept.backup"
    daemon = make_daemon()
    daemon.wait_for_model()
    daemon.ask(f"My sister is called {CANARY}.", session="talk")
    assert daemon.cli("documents", "add", str(page)).returncode == 0
    daemon.wait_until(lambda: _read(daemon), 60)
    assert (
        CANARY in daemon.ask(f"Where does the {CANARY} stand and how is it painted?", session="looks")["text"]
    )
    assert daemon.cli("backup", str(backup)).returncode == 0
    daemon.restart()  # which keeps the KV of both conversations
    kept = {path: path.read_bytes() for path in state.snapshots.rglob("*") if path.is_file()}
    assert kept
    assert {"the database", "the backup"} <= set(_traces(state, backup))
    (document,) = daemon.order(type="documents.list")["items"]
    receipt = tmp_path / "receipt.json"
    for what in (("--document", document["id"]), ()):
        done = daemon.cli("memory", "forget", "--yes", *what, "--receipt", str(receipt))
        assert done.returncode == 0, done.stderr
        assert "genuine" in daemon.cli("memory", "check", str(receipt)).stdout
    assert CANARY not in receipt.read_text()
    assert CANARY not in daemon.cli("memory", "audit").stdout
    assert _traces(state, backup) == []
    assert [path for path, before in kept.items() if path.exists() and path.read_bytes() == before] == []


def _traces(state: Paths, backup: Path) -> list[str]:
    """Return where the canary stands in plain text once every page is decrypted."""
    key = KeyRing(state.state).unlock()
    copy = backup.with_suffix(".copy")
    with tarfile.open(backup) as archive:
        member = archive.extractfile(DATABASE_MEMBER)
        assert member is not None
        copy.write_bytes(member.read())
    needle = CANARY.encode()
    found = [
        name
        for name, path in (("the database", state.database), ("the backup", copy))
        if any(needle in page.lower() for page in decrypted(path, key))
    ]
    copy.unlink()
    others = [path for path in state.state.rglob("*") if path.is_file()]
    return found + [path.name for path in others if needle in path.read_bytes().lower()]


def _read(daemon: Daemon) -> bool:
    items = daemon.order(type="documents.list")["items"]
    return bool(items) and all(each["state"] == "ready" and not each["pending"] for each in items)
