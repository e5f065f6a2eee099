"""An image that is published, a web server that gives it out, and who fetches it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from image_catalogues import Laptop, Served, made_image, published, serving
from mptcp_appliance import catalogue
from mptcp_appliance.catalogue import CATALOGUE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "published"
    published(found, made_image(tmp_path / "image"))
    return found


@pytest.fixture
def entry(folder: Path) -> str:
    """Give the name of the image's folder in the catalogue's."""
    return catalogue.parse((folder / CATALOGUE).read_bytes()).images[0].folder


@pytest.fixture
def server(folder: Path) -> Iterator[Served]:
    with serving(folder) as found:
        yield found


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(home=tmp_path / "home")
