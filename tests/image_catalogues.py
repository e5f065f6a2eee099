"""Images of some bytes, catalogues of them, and a web server that can be told to misbehave."""

import email.utils
import hashlib
import http.server
import random
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mptcp_appliance import catalogue_folder, fetch, fetch_place
from mptcp_appliance.catalogue import Catalogue
from mptcp_appliance.catalogue_folder import Edition
from mptcp_appliance.describe import describe
from mptcp_appliance.fetch_choice import Wanted
from mptcp_appliance.fetch_place import Place
from mptcp_appliance.fetch_source import address
from mptcp_appliance.image import Image
from mptcp_appliance.manifest import EFI_KERNEL, INITRD, KERNEL, KERNEL_CONFIG, ROOTFS
from mptcp_appliance.signing import PublicKey, SecretKey

KEY = SecretKey(key_id=b"catalogu", seed=b"k" * 32)
OTHER_KEY = SecretKey(key_id=b"stranger", seed=b"o" * 32)

NOW_S = 1_800_000_000
DAY_S = 86_400

SIZES = {
    KERNEL: 300_000,
    INITRD: 5_000,
    ROOTFS: 900_000,
    EFI_KERNEL: 100_000,
    KERNEL_CONFIG: 2_000,
}

FACTS = {
    "name": "appliance",
    "architecture": "amd64",
    "suite": "bookworm",
    "kernel_release": "6.12.1-test",
    "kernel_package": "linux-image-6.12.1_6.12.1-1~deb12u1_amd64.deb",
    "kernel_package_sha256": "ab" * 32,
    "source_date_epoch": 1_700_000_000,
    "packages": {"curl": "7.88.1-10+deb12u15", "bsdutils": "1:2.38.1-5+deb12u3"},
}


def made_image(
    folder: Path, seed: str = "first", *, command_line: str = "quiet", **facts: object
) -> Path:
    """Write an image; the same seed gives the same bytes."""
    folder.mkdir(parents=True)
    for name, size_bytes in SIZES.items():
        rng = random.Random(f"{seed} {name}")  # noqa: S311 - no secret
        (folder / name).write_bytes(rng.randbytes(size_bytes))
    describe(folder, SIZES, command_line=command_line, facts={**FACTS, **facts})
    return folder


def edition(now_s: int = NOW_S, keep: int = 3) -> Edition:
    return Edition(now_s=now_s, valid_s=90 * DAY_S, keep=keep, title="A laboratory")


def published(
    folder: Path, *images: Path, key: SecretKey = KEY, old_key: SecretKey | None = None
) -> Catalogue:
    """Sign the next version of a catalogue."""
    return catalogue_folder.publish(
        folder, images, key, edition(), old_key=old_key, progress=lambda _: None
    )


@dataclass(frozen=True, kw_only=True)
class Laptop:
    """A computer that fetches."""

    home: Path
    waited_s: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def pins(self) -> Path:
        return self.home / "catalogues.json"

    @property
    def images(self) -> Path:
        return self.home / "images"

    def fetch(
        self,
        url: str,
        key: PublicKey | None = None,
        *,
        replace_key: bool = False,
        now_s: int = NOW_S,
        formats: tuple[str, ...] = (),
        name: str = "appliance",
    ) -> Image:
        """Do what `image fetch` does; waiting costs no time."""
        place = Place(
            url=address(url),
            source=fetch_place.source(address(url), agent="test"),
            pins=self.pins,
            cache_dir=self.images,
        )
        believed = fetch_place.trusted(
            place, key=key, replace_key=replace_key, now_s=now_s, wait=self.waited_s.append
        )
        return fetch.fetch(
            place,
            believed,
            Wanted(name=name, architecture="amd64", formats=formats),
            now_s=now_s,
            progress=self.said.append,
            wait=self.waited_s.append,
        )

    def whole(self) -> list[str]:
        """Return the names of what lies where images are looked for."""
        return sorted(p.name for p in (self.images / "fetched").glob("*") if p.name[0] != ".")


@dataclass(kw_only=True)
class Misbehaviour:
    """What the server does wrong; each number or status is used up by one request."""

    cut_after_bytes: dict[str, list[int]] = field(default_factory=dict)
    """By path: so much of the body is sent, then the connection is closed."""
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """By path: the answer."""
    bodies: dict[str, bytes] = field(default_factory=dict)
    """By path: another content than the file's."""
    knows_ranges: bool = True
    tells_length: bool = True
    etag: str = ""
    """Instead of the file's digest."""
    redirect_to: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def ranges(self, path: str) -> list[str]:
        """Return what was asked for of a file, empty for the whole."""
        return [headers.get("range", "") for asked, headers in self.requests if asked == path]


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder on the loopback interface."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.wrong = Misbehaviour()

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that has heard enough hangs up."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Knows Range and If-Range, and does wrong what it is told to."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        wrong = self.server.wrong
        path = self.path.lstrip("/")
        wrong.requests.append((path, {k.lower(): v for k, v in self.headers.items()}))
        if wrong.redirect_to:
            self.send_response(302)
            self.send_header("Location", f"{wrong.redirect_to}/{path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        statuses = wrong.statuses.get(path)
        file = self.server.folder / path
        if statuses or not file.is_file():
            self.send_error(statuses.pop(0) if statuses else 404)
            return
        self._send(path, wrong.bodies.get(path, file.read_bytes()))

    def _send(self, path: str, body: bytes) -> None:
        wrong = self.server.wrong
        etag = wrong.etag or f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        begin = self._begin(etag)
        if begin is not None and begin >= len(body):
            self.send_error(416)
            return
        rest = body[begin or 0 :]
        self.send_response(200 if begin is None else 206)
        self.send_header("ETag", etag)
        self.send_header("Last-Modified", email.utils.formatdate(NOW_S, usegmt=True))
        if begin is not None:
            self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        if wrong.tells_length:
            self.send_header("Content-Length", str(len(rest)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        cuts = wrong.cut_after_bytes.get(path)
        self.close_connection = bool(cuts) or not wrong.tells_length
        self.wfile.write(rest[: cuts.pop(0)] if cuts else rest)

    def _begin(self, etag: str) -> int | None:
        asked = self.headers.get("Range", "")
        unchanged = self.headers.get("If-Range", etag) == etag
        if not self.server.wrong.knows_ranges or not asked or not unchanged:
            return None
        return int(asked.removeprefix("bytes=").removesuffix("-"))


Served = tuple[str, Misbehaviour]
"""Its URL, and what it does wrong."""


@contextmanager
def serving(folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[Served]:
    """Serve a folder; yields its URL and what the server shall do wrong."""
    server = Server(folder)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.wrong
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
