from collections.abc import Iterator
from pathlib import Path

import pytest

from measurement_server import Parts, parts


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Parts]:
    with parts(tmp_path) as made:
        yield made
