import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mptcp_check.analysis.capture import kernel_cache, kernels

ANALYSIS = Path(kernel_cache.__file__).parents[1]

USE = """
import sys
from mptcp_check.analysis.capture.capture_file import read
with open(sys.argv[1], "rb") as file:
    print(len(read(file.read()).packets))
"""
GOLDEN = Path(__file__).parents[4] / "golden" / "captures" / "kernel_v1.pcapng"


def imported(module: str) -> Iterator[str]:
    """Yield the modules of the analysis that one of them imports, as `SOURCES` writes them."""
    for node in ast.walk(ast.parse((ANALYSIS / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            if not node.module.startswith(kernel_cache.PACKAGE):
                continue
            place = node.module.removeprefix(kernel_cache.PACKAGE).strip(".").replace(".", "/")
            if (ANALYSIS / f"{place}.py").is_file():
                yield place
            else:
                yield from (f"{place}/{name.name}" for name in node.names)


def test_the_stamp_covers_every_module_that_a_kernel_may_take_something_from() -> None:
    pending = [
        str(path.relative_to(ANALYSIS).with_suffix(""))
        for path in ANALYSIS.rglob("*.py")
        if "\n@kernel" in path.read_text()
    ]
    assert "capture/option_kernel" in pending
    reached: set[str] = set()
    while pending:
        module = pending.pop()
        if module not in reached:
            reached.add(module)
            pending += imported(module)

    assert reached | {"capture/kernel_cache"} == set(kernel_cache.SOURCES)


def test_an_unreadable_cache_is_made_again(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", USE, str(GOLDEN)]
    environment = {"PATH": "/usr/bin:/bin", "NUMBA_CACHE_DIR": str(tmp_path)}

    first = subprocess.run(command, capture_output=True, check=True, env=environment)
    indexes = sorted(tmp_path.rglob("*.nbi"))
    assert indexes
    for number, index in enumerate(indexes):
        if number % 2:
            index.write_bytes(index.read_bytes()[: number * 20])
    for data in tmp_path.rglob("*.nbc"):
        data.write_bytes(b"\x80\x04")
    second = subprocess.run(command, capture_output=True, check=True, env=environment)

    assert first.stdout == second.stdout
    assert first.stderr == second.stderr == b""


def test_a_machine_without_a_place_for_machine_code_compiles_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("no locator available")

    monkeypatch.setattr(kernels, "KernelCache", refuse)

    assert kernels.kernel(lambda number: number + 1)(41) == 42
