"""What holds for all tests."""

import signal

import pytest
from hypothesis import settings

# A first example may compile kernels, and a busy machine may take any time: no test asserts times.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell starts background jobs with SIGINT ignored, and the programs under test would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the longest lanes begin first where several processes share the tests."""
    if hasattr(config, "workerinput"):
        from lanes import place  # noqa: PLC0415 - as below

        items.sort(key=lambda item: place(item.nodeid))


@pytest.hookimpl(optionalhook=True)  # nobody needs pytest-xdist for `pytest tests/unit`
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Share the tests among processes by lanes, whatever ``--dist`` says."""
    from lanes import LaneScheduling  # noqa: PLC0415 - as above

    return LaneScheduling(config, log)
