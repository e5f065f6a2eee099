from collections.abc import Iterator

import pytest

from collector_objects import credentials, s3_server
from collector_storage import postgresql


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patched, s3_server() as endpoint:
        credentials(patched)
        yield endpoint
