"""What several modules measure over: each has its own, made anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mptcp_appliance import cache, images
from mptcp_check import settings
from mptcp_check.server.configuration_keys import PORTS
from system.host_traces import Settings, folders, settings_of
from system.public_server import PublicServer, public_server
from system.real_site import SERVER, Site, site


@pytest.fixture(scope="session", autouse=True)
def _image() -> None:
    """Have the image built here: nothing can be fetched in the namespaces that tests make."""
    cache.ensure(
        images.load(settings.IMAGE), cache_dir=settings.places().images, progress=lambda _: None
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a laptop, its router and a server, with real networks between them."""
    with site(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def server(place: Site) -> Iterator[PublicServer]:
    """Give a public measurement server at the far end."""
    with public_server(place) as made:
        yield made


@pytest.fixture(scope="module")
def every_service(place: Site) -> Iterator[PublicServer]:
    """Give a public measurement server with every application, at every address of its own."""
    with public_server(place, apps=tuple(PORTS), listen='["0.0.0.0", "::"]') as made:
        yield made


@pytest.fixture(scope="module")
def before(place: Site) -> Settings:
    """Return laptop and server as they are before anything was measured."""
    # the server has path manager settings of its own, which must come back
    place.run("server", "ip", "mptcp", "limits", "set", "subflow", "3", "add_addr_accepted", "1")
    place.run(
        "server", "ip", "mptcp", "endpoint", "add", SERVER, "dev", "eth0", "id", "7", "signal"
    )
    return settings_of(place)


@pytest.fixture(scope="module")
def earlier() -> list[Path]:
    """Return what was there before: what somebody else's killed run left, it may be."""
    return folders()
