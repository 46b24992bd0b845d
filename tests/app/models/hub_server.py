"""A hub on this machine: the three addresses of the real one that a download needs, and lines that break."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"

_PIECE_BYTES = 64 << 10


@dataclass
class HubServer:
    """One repository `o/n`, and what happens to those who want something of it."""

    files: dict[str, bytes]
    address: str = ""
    breaks_after: list[int] = field(default_factory=list)
    """For each transfer the bytes after which the line breaks; when they are used up, lines hold."""
    status: int = 200
    """HTTP status of every answer."""
    error_code: str = ""
    """What the hub says beside it."""
    pauses: threading.Event = field(default_factory=threading.Event)
    """Set: transfers stop in their middle, without an end, until it is cleared."""
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 that files are said to have, where they have another."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and range of each request, but those for the list of files."""

    def ranges(self) -> list[str]:
        return [requested for method, _, requested in self.asked if method == "GET"]


@contextmanager
def hub_server(files: dict[str, bytes]) -> Iterator[HubServer]:
    hub = HubServer(files)

    class Handler(_Handler):
        served = hub

    server = _Server(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    served: HubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        hub, path = self.served, unquote(urlsplit(self.path).path)
        if path.startswith("/api/models/"):
            self._answer_json()
        else:
            hub.asked.append(("GET", path, self.headers.get("Range", "")))
            self._answer_file(path, with_body=True)

    def do_HEAD(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.served.asked.append(("HEAD", path, ""))
        self._answer_file(path, with_body=False)

    def _answer_json(self) -> None:
        siblings = [{"rfilename": name, "size": len(data)} for name, data in self.served.files.items()]
        body = json.dumps({"id": "o/n", "sha": COMMIT, "siblings": siblings}).encode()
        if self._refused():
            return
        self._begin(200, {"Content-Length": str(len(body)), "Content-Type": "application/json"})
        self.wfile.write(body)

    def _answer_file(self, path: str, *, with_body: bool) -> None:
        if self._refused():
            return
        name = path.split("/", 5)[5]
        data = self.served.files[name]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        digest = self.served.digests.get(name) or hashlib.sha256(data).hexdigest()
        headers = {
            "ETag": f'"{digest}"',
            "X-Repo-Commit": COMMIT,
            "Content-Length": str(len(data) - start),
            "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}",
        }
        self._begin(206 if start else 200, headers)
        if with_body:
            self._send(data[start:])

    def _send(self, data: bytes) -> None:
        breaks_after = self.served.breaks_after
        num_bytes = breaks_after.pop(0) if breaks_after else len(data)
        for start in range(0, min(num_bytes, len(data)), _PIECE_BYTES):
            self.wfile.write(data[start : min(start + _PIECE_BYTES, num_bytes)])
            self.wfile.flush()
        if num_bytes < len(data):
            while self.served.pauses.is_set():
                threading.Event().wait(0.01)
            self.close_connection = True

    def _refused(self) -> bool:
        if self.served.status == 200:
            return False
        self._begin(self.served.status, {"Content-Length": "0", "X-Error-Code": self.served.error_code})
        return True

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""
