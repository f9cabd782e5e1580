"""A real web server over a folder, which can be made slow, hostile or unreliable."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self


class Server:
    """Serves a folder with ranges; what is set on it changes how."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ranges = True
        self.endless = ""
        """Files with this in their name never end."""
        self.dripping = ""
        """Files with this in their name come a byte at a time."""
        self.silent = ""
        """Of files with this in their name only the first byte comes."""
        self.cut_after: int | None = None
        """So many bytes of targets are served, then every connection is cut."""
        self.asked: list[tuple[str, int]] = []
        """Each path and where it was asked to begin."""
        self.ending = threading.Event()
        self._server = _Listener(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, owner: Server) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def owner(self) -> Server:
        assert isinstance(self.server, _Listener)
        return self.server.owner

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.owner.folder / self.path.lstrip("/")
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.owner.asked.append((self.path, start))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        start = start if self.owner.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self._is(self.owner.endless):
            self.send_header("Connection", "close")
            self.end_headers()
            self._without_end(content[start:])
        else:
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self._send(content[start:])

    def _is(self, part: str) -> bool:
        return bool(part) and part in self.path

    def _without_end(self, content: bytes) -> None:
        with contextlib.suppress(OSError):  # the device hangs up
            self.wfile.write(content)
            while not self.owner.ending.is_set():
                self.wfile.write(b"\0" * 65536)

    def _send(self, content: bytes) -> None:
        if self._is(self.owner.silent):
            self.wfile.write(content[:1])
            self.owner.ending.wait(30)
        elif self._is(self.owner.dripping):
            for byte in content:
                self.wfile.write(bytes([byte]))
                if self.owner.ending.wait(0.02):
                    return
        elif self.owner.cut_after is not None and self._is("targets"):
            some = content[: self.owner.cut_after]
            self.owner.cut_after -= len(some)
            self.wfile.write(some)
            self.close_connection = True
        else:
            self.wfile.write(content)
