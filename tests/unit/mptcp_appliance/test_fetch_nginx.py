"""The same catalogue from a real nginx, as the documentation says to serve it."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from image_catalogues import KEY, SIZES, Laptop, made_image, published
from mptcp_appliance import store
from mptcp_appliance.manifest import ROOTFS

DEADLINE_S = 60
PORTS_TRIED = 5

CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log {folder}/access.log;
    gzip on;
    gzip_types application/json application/octet-stream;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location /images/ {{ alias {served}/; }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, served: Path) -> Iterator[str]:
    """Serve a folder below /images; another port is taken if somebody has the first."""
    folder.mkdir()
    for _ in range(PORTS_TRIED):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        user = "user root;\n" if os.geteuid() == 0 else ""
        text = user + CONFIGURATION.format(folder=folder, served=served, port=port)
        (folder / "nginx.conf").write_text(text)
        with (folder / "stderr").open("wb") as log:
            server = subprocess.Popen(
                ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"],
                stderr=log,
            )
        try:
            if _listens(server, port):
                yield f"http://127.0.0.1:{port}/images"
                return
        finally:
            server.terminate()
            server.wait(DEADLINE_S)
    raise AssertionError((folder / "stderr").read_text())


def _listens(server: subprocess.Popen[bytes], port: int) -> bool:
    for _ in range(DEADLINE_S * 20):
        if server.poll() is not None:
            return False
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False


def test_nginx_serves_a_catalogue_and_the_rest_of_a_cut_file(tmp_path: Path) -> None:
    (entry,) = published(tmp_path / "published", made_image(tmp_path / "image")).images
    laptop = Laptop(home=tmp_path / "home")
    with nginx(tmp_path / "nginx", tmp_path / "published") as url:
        whole = laptop.fetch(url, KEY.public)
        store.check(whole, pins=laptop.pins)

        # as if the last call had been interrupted in the middle of the largest part
        partial = whole.directory.with_name(f".partial-{whole.directory.name}")
        whole.directory.rename(partial)
        rootfs = (partial / ROOTFS).read_bytes()
        (partial / ROOTFS).write_bytes(rootfs[:350_000])
        again = laptop.fetch(f"{url}/catalogue.json")

        store.check(again, pins=laptop.pins)
        assert again.rootfs.read_bytes() == rootfs
        # a file that is there whole is not asked for
        log = (tmp_path / "nginx" / "access.log").read_text()
    answers = [line.split('"')[2].split() for line in log.splitlines() if ROOTFS in line]
    assert answers == [["200", str(SIZES[ROOTFS])], ["206", str(SIZES[ROOTFS] - 350_000)]]
    assert log.count(f"/images/{entry.folder}/kernel ") == 1
