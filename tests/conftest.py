"""What holds for all tests."""

import signal
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

# A first example may compile kernels, and a busy machine may take any time: no test asserts times.
# A change is judged by its own doing: the examples are drawn from each test's own text, the same in
# every call, so that no change is refused for a fault that luck finds beside it.  Whoever looks for
# such faults draws others: `make test-all`, or `pytest --hypothesis-profile=searching`.
_UNTIMED: Final = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("repeated", derandomize=True, database=None, **_UNTIMED)
settings.register_profile("searching", derandomize=False, print_blob=True, **_UNTIMED)
settings.load_profile("repeated")

# A shell starts background jobs with SIGINT ignored, and the programs under test would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)  # when the profile is chosen
def pytest_configure() -> None:
    """Let nothing but a test's own text choose its examples, unless others are searched for."""
    if settings().derandomize:
        # constants of the modules that happen to be imported by then would come in now and then
        providers._get_local_constants = lambda: providers._local_constants


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
