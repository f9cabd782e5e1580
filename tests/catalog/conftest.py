"""A real HTTP hub on loopback, a real package folder for pip, and a catalogue of small models."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edge_assistant.catalog.catalog import Model, ModelFile
from edge_assistant.catalog.hub import Hub

CONTENT = b"GGUF" + bytes(range(256)) * 4096  # 1 MB


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Recorder:
    """Keeps what a person would have seen."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.done = 0

    def begin(self, name: str, total: int) -> None:
        self.done = 0

    def advance(self, count: int) -> None:
        self.done += count

    def end(self) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class HubServer:
    """Serves one file at /file, the way a Git-LFS hub does: a redirect that names the hash, then storage."""

    url: str = ""
    content: bytes = CONTENT
    announced_sha256: str = sha256(CONTENT)
    etag: str = '"v1"'
    ranges: bool = True
    status: int = 302
    location: str = "/storage"
    cut_after: list[int] = field(default_factory=list)
    """For each coming answer, after how many bytes the connection is cut."""
    extra: bytes = b""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and Range of each request."""
    hold: threading.Event | None = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, *args: object) -> None: ...

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        hub = self.hub
        hub.asked.append((self.command, self.path, self.headers["Range"]))
        self.close_connection = True
        if self.path == "/file":
            self.send_response(hub.status)
            self.send_header("Location", hub.location)
            if hub.announced_sha256:
                self.send_header("X-Linked-ETag", f'"{hub.announced_sha256}"')
                self.send_header("X-Linked-Size", str(len(hub.content)))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send_content(body=body)

    def _send_content(self, *, body: bool) -> None:
        hub = self.hub
        start = 0
        if hub.ranges and self.headers["Range"] and self.headers.get("If-Range", hub.etag) == hub.etag:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        content = hub.content[start:] + hub.extra
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(hub.content) - 1}/{len(hub.content)}")
        self.send_header("ETag", hub.etag)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            cut = hub.cut_after.pop(0) if hub.cut_after else len(content)
            self.wfile.write(content[:cut])
            if hub.hold is not None and cut < len(content):
                self.wfile.flush()
                hub.hold.wait(30)


@pytest.fixture
def server() -> Iterator[HubServer]:
    hub = HubServer()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        hub.url = f"http://127.0.0.1:{httpd.server_port}/file"
        thread = threading.Thread(target=httpd.serve_forever, args=(0.05,), name="hub")
        thread.start()
        yield hub
        httpd.shutdown()
        thread.join()


@pytest.fixture
def hub() -> Hub:
    """A hub client that may speak plain HTTP and does not wait between tries."""
    return Hub(schemes=frozenset({"http"}), timeout_seconds=5, pause=lambda _seconds: None)


@pytest.fixture
def progress() -> Recorder:
    return Recorder()


def hub_model(url: str, *, sha256: str = "", size: int = 0) -> Model:
    return _model("hub-model", ModelFile("model.gguf", (url,), sha256, size))


def package_model(*sources: str, content: bytes = CONTENT) -> Model:
    return _model("package-model", ModelFile("model.gguf", sources, sha256(content), len(content)))


def _model(model_id: str, *files: ModelFile) -> Model:
    return Model(
        id=model_id,
        role="llm",
        description="",
        licence="MIT",
        provenance="",
        ram_mb=1,
        files=files,
    )


def make_wheel(folder: Path, name: str, members: dict[str, bytes]) -> None:
    """Write a wheel that pip accepts."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, content in members.items():
            wheel.writestr(member, content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which pip takes packages, and from nowhere else."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder
