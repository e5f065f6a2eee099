"""A collector small enough to see through: tus and receipts, and troubles on demand."""

import base64
import hashlib
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mptcp_upload import canonical_json
from mptcp_upload.receipt import key_id

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw().hex()

LIMITS = "/api/v1/limits"


class Collector(ThreadingHTTPServer):
    """What it has, and what it does wrong next."""

    daemon_threads = True

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.scheme = "http" if tls is None else "https"
        if tls is not None:
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self.authorizations: set[str] = set()
        """What came as Authorization."""
        self.uploads: dict[str, tuple[dict[str, str], bytearray, int]] = {}
        self.runs: dict[str, bytes] = {}
        self.deletion: dict[str, str] = {}
        self.stored_count = 0
        self.stored: dict[str, int] = {}
        """How often each run was stored."""
        self.patch_count = 0
        self.patches: list[tuple[int, int, bool]] = []
        """Of each PATCH request: its offset, how many bytes it has, whether their digest."""
        self.alter: list[bool] = []
        """For each of the next PATCH requests: whether its last byte changes on the way."""
        self.longest_bytes: int | None = None
        """What somebody in between takes for a request."""
        self.head_count = 0
        """Questions for how much of an upload is here."""
        self.cut_after: list[int] = []
        """For each of the next PATCH requests: close after so many bytes, having kept them."""
        self.answers: list[tuple[int, str, dict[str, str]]] = []
        """Given to the next requests instead of what they ask for, but for limits."""
        self.limits: dict[str, Any] = {}
        self.tickets: list[str] = []
        """Of all uploads that were begun."""
        self.receipts_at_once = True
        """Whether the answer to a run's last byte is its receipt."""
        self.receipt_count = 0
        """Questions for a receipt."""
        self.spoil: dict[str, Any] = {}
        """Fields of receipts to change after they were signed."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that break off: they are meant to."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def receipt(self, run_id: str) -> dict[str, Any]:
        octets = self.runs[run_id]
        document: dict[str, Any] = {
            "run_id": run_id,
            "bundle_sha256": hashlib.sha256(octets).hexdigest(),
            "size_bytes": len(octets),
            "received_at": "2026-11-21T08:00:00Z",
            "policy_version": "1",
            "url": f"{self.url}/runs/{run_id}",
            "key_id": key_id(KEY.public_key()),
        }
        signature = KEY.sign(canonical_json.encode(document))
        return {**document, "signature": base64.b64encode(signature).decode(), **self.spoil}


class _Handler(BaseHTTPRequestHandler):
    server: Collector
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def problem(self, status: int, word: str, **headers: str) -> None:
        body = json.dumps({"type": f"urn:mptcp-check:problem:{word}", "title": f"It is {word}"})
        self.answer(status, body.encode(), **headers)

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        if "Authorization" in self.headers:
            self.server.authorizations.add(self.headers["Authorization"])
        if self.server.answers and self.path != LIMITS:
            status, word, headers = self.server.answers.pop(0)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.problem(status, word, **headers)
            return False
        return True

    def do_POST(self) -> None:
        pairs = (p.split(" ") for p in self.headers["Upload-Metadata"].split(","))
        said = {k: base64.b64decode(v).decode() for k, v in pairs}
        self.server.tickets.append(said.get("ticket", ""))
        refusal = self.beyond_limits(said, int(self.headers["Upload-Length"]))
        if refusal is not None:
            self.problem(*refusal, Retry_After="60")
            return
        if said["run_id"] in self.server.runs:
            same = hashlib.sha256(self.server.runs[said["run_id"]]).hexdigest()
            if same == said["bundle_sha256"]:
                self.answer(200)
            else:
                self.problem(409, "run_exists_with_other_digest")
            return
        place = f"/api/v1/uploads/{len(self.server.tickets)}"
        self.server.uploads[place] = (said, bytearray(), int(self.headers["Upload-Length"]))
        self.answer(201, Location=place, Upload_Offset="0")

    def beyond_limits(self, said: dict[str, str], size_bytes: int) -> tuple[int, str] | None:
        """Return the problem of what is announced, if there is one."""
        most = {k: v for k, v in self.server.limits.items() if type(v) is int and v >= 0}
        expanded, schema = int(said.get("expanded_bytes", 0)), int(said["schema"].split("/")[1])
        none = 1 << 62
        return next(
            (
                (status, word)
                for status, word, beyond in (
                    (413, "too_large", size_bytes > most.get("bundle_bytes", none)),
                    (413, "expands_too_far", expanded > most.get("expanded_bytes", none)),
                    (422, "schema_too_old", schema < most.get("schema_oldest", 0)),
                    (422, "schema_too_new", schema > most.get("schema_newest", none)),
                    (
                        429,
                        "quota_exceeded",
                        "ticket" not in said
                        and size_bytes > most.get("netblock_bytes_per_day", none),
                    ),
                )
                if beyond
            ),
            None,
        )

    def do_HEAD(self) -> None:
        self.server.head_count += 1
        if self.path not in self.server.uploads:
            self.answer(404)
            return
        self.answer(200, Upload_Offset=str(len(self.server.uploads[self.path][1])))

    def do_PATCH(self) -> None:
        self.server.patch_count += 1
        said, octets, size_bytes = self.server.uploads[self.path]
        length = int(self.headers["Content-Length"])
        cut = self.server.cut_after.pop(0) if self.server.cut_after else length
        self.server.patches.append(
            (int(self.headers["Upload-Offset"]), length, "Upload-Checksum" in self.headers)
        )
        part = self.rfile.read(min(length, cut))
        if self.server.longest_bytes is not None and length > self.server.longest_bytes:
            self.answer(413, b"<html>413 Request Entity Too Large</html>")
            return
        if self.server.alter and self.server.alter.pop(0):
            part = part[:-1] + bytes([part[-1] ^ 1])
        if int(self.headers["Upload-Offset"]) != len(octets):
            self.problem(409, "offset_mismatch")
            return
        digest = base64.b64encode(hashlib.sha256(part).digest()).decode()
        told = self.headers.get("Upload-Checksum", f"sha256 {digest}")
        if cut >= length and told != f"sha256 {digest}":
            self.problem(460, "checksum_mismatch")
            return
        octets += part
        whole = len(octets) == size_bytes
        if whole and hashlib.sha256(octets).hexdigest() != said["bundle_sha256"]:
            del self.server.uploads[self.path]
            self.problem(422, "digest_mismatch")
            return
        if whole and said["run_id"] not in self.server.runs:
            self.server.runs[said["run_id"]] = bytes(octets)
            self.server.deletion[said["run_id"]] = said["deletion_sha256"]
            self.server.stored_count += 1
            self.server.stored[said["run_id"]] = self.server.stored.get(said["run_id"], 0) + 1
        if cut < length:
            self.close_connection = True
            self.connection.close()
            return
        wanted = self.headers.get("Prefer") == "return=representation"
        if whole and wanted and self.server.receipts_at_once:
            body = json.dumps(self.server.receipt(said["run_id"])).encode()
            applied = {"Preference_Applied": "return=representation"}
            self.answer(200, body, Upload_Offset=str(len(octets)), **applied)
            return
        self.answer(204, Upload_Offset=str(len(octets)))

    def do_GET(self) -> None:
        if self.path == LIMITS:
            self.answer(200, json.dumps(self.server.limits).encode())
            return
        run_id = self.path.split("/")[-2]
        if run_id not in self.server.runs:
            self.problem(404, "run_unknown")
            return
        self.server.receipt_count += 1
        self.answer(200, json.dumps(self.server.receipt(run_id)).encode())

    def do_DELETE(self) -> None:
        run_id = self.path.split("/")[-1]
        token = self.headers["Authorization"].removeprefix("Bearer ")
        if run_id not in self.server.runs:
            self.problem(404, "run_unknown")
            return
        if hashlib.sha256(token.encode()).hexdigest() != self.server.deletion[run_id]:
            self.problem(403, "token_wrong")
            return
        del self.server.runs[run_id]
        self.answer(204)


@contextmanager
def collector(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Collector]:
    server = Collector(port, tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
