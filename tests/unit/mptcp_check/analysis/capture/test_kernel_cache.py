import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mptcp_check import machine_code
from mptcp_check.analysis.capture import kernel_sources

ANALYSIS = Path(kernel_sources.__file__).parents[1]

USE = """
import sys
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.kernel_calls import compiler
with open(sys.argv[1], "rb") as file:
    print(len(read(file.read()).packets), compiler.answers_count > 0, "numba" in sys.modules)
"""
GOLDEN = Path(__file__).parents[4] / "golden" / "captures" / "kernel_v1.pcapng"


def imported(module: str) -> Iterator[str]:
    """Yield the modules of the analysis that one of them imports, as `SOURCES` writes them."""
    for node in ast.walk(ast.parse((ANALYSIS / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            if not node.module.startswith(kernel_sources.PACKAGE):
                continue
            place = node.module.removeprefix(kernel_sources.PACKAGE).strip(".").replace(".", "/")
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

    assert reached == set(kernel_sources.SOURCES)


def run_in(cache: Path, **settings: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-W", "error", "-c", USE, str(GOLDEN)]
    environment = {"PATH": "/usr/bin:/bin", "NUMBA_CACHE_DIR": str(cache), **settings}
    return subprocess.run(command, capture_output=True, check=True, env=environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the first of all runs said and kept."""

    first: subprocess.CompletedProcess[bytes]
    kept: Path

    def copied(self, to: Path) -> Path:
        """Return a copy that a test may spoil."""
        return Path(shutil.copytree(self.kept, to / "kept"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    kept = tmp_path_factory.mktemp("machine-code")
    return Made(first=run_in(kept), kept=kept)


def test_machine_code_is_made_once_and_then_runs_without_numba(made: Made) -> None:
    first = made.first
    second = run_in(made.kept)

    answer, compiled, numba_loaded = first.stdout.split()
    assert (compiled, numba_loaded) == (b"True", b"False")
    assert second.stdout.split() == [answer, b"False", b"False"]


TOGETHER = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from mptcp_check.analysis.capture import capture_file
with open(sys.argv[1], "rb") as file:
    content = file.read()
frames = lambda: len(capture_file.frame(np.frombuffer(content, np.uint8)).records.offset)
packets = lambda: len(capture_file.read(content).packets)
with ThreadPoolExecutor(4) as pool:
    asked = [pool.submit(what) for what in (packets, frames, packets, frames)]
print(*[one.result() for one in asked])
"""


def test_threads_that_need_machine_code_at_once_each_get_their_own(
    made: Made, tmp_path: Path
) -> None:
    environment = {"PATH": "/usr/bin:/bin", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", TOGETHER, str(GOLDEN)]
    done = subprocess.run(command, capture_output=True, check=True, env=environment)

    packets, frames, *again = done.stdout.split()
    assert again == [packets, frames]
    assert packets == made.first.stdout.split()[0] == run_in(tmp_path).stdout.split()[0]


def test_unreadable_machine_code_is_made_again(made: Made, tmp_path: Path) -> None:
    first, cache = made.first, made.copied(tmp_path)
    kept = sorted(cache.rglob("*.code"))
    assert kept
    for number, file in enumerate(kept):
        octets = bytearray(file.read_bytes())
        if number % 2:
            octets[number * 11] ^= 0x20
        file.write_bytes(octets if number % 2 else octets[: number * 20])
    second = run_in(cache)
    third = run_in(cache)

    assert first.stdout == second.stdout
    assert third.stdout.split()[1] == b"False"
    assert first.stderr == second.stderr == third.stderr == b""


def test_a_machine_without_a_place_for_machine_code_compiles_each_time() -> None:
    for _ in range(2):
        done = run_in(Path("/proc/nowhere"))
        assert done.stdout.split()[1] == b"True"
        assert done.stderr == b""


def test_code_that_needs_what_is_not_there_is_not_linked(made: Made) -> None:
    code = next(made.kept.rglob("*.code")).read_bytes()
    start = code.index(machine_code.ELF_MAGIC)

    assert made.first.returncode == 0
    assert machine_code.undefined_symbols(code[start:]) <= machine_code.KNOWN_SYMBOLS
    renamed = code[start:].replace(b"NRT_MemInfo_call_dtor", b"NRT_MemInfo_call_xxxx")
    if renamed != code[start:]:
        assert machine_code.undefined_symbols(renamed) == {"NRT_MemInfo_call_xxxx"}
        store = machine_code.MachineCode("test")
        assert store.keep("test", 1, renamed, "test", "") is None
