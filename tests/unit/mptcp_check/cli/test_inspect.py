"""`mptcp-check inspect` as its user calls it: good captures, hostile ones, pipes."""

import contextlib
import gzip
import os
import signal
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

import capture_files as cf
from inspect_call import PROGRAM, inspect
from segments import CLIENT_2, Talk

GOLDEN = Path(__file__).parents[3] / "golden" / "captures" / "kernel_v1.pcapng"
WHOLE = GOLDEN.read_bytes()
MAGIC = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")


def talk() -> Talk:
    """A connection with two subflows and data on both."""
    made = Talk()
    first = made.capable(made.subflow(), first_data=b"hello")
    second = made.join(made.subflow(CLIENT_2, isn=(70_000, 80_000)))
    made.data(second, 1, b"world")
    made.data(first, 0, b"", fin=True)
    made.data(first, 1, b"", fin=True)
    first.close()
    second.close()
    return made


def pcap() -> bytes:
    return cf.pcap([cf.ethernet(packet) for packet in talk().packets()])


def bomb(expanded_mib: int) -> bytes:
    """A gzip file that begins as a capture and goes on with zeros: frames of no bytes."""
    machine = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    pieces = [machine.compress(MAGIC), *(machine.compress(zeros) for _ in range(expanded_mib))]
    return b"".join(pieces) + machine.flush()


UNREADABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "not a capture": (lambda: b"hello, world\n" * 99, "no magic number of a capture file"),
    "empty": (lambda: b"", "the file is empty"),
    "three bytes": (lambda: WHOLE[:3], "no magic number"),
    "file header cut": (lambda: pcap()[:10], "the file ends inside the file header"),
    "first record cut": (lambda: pcap()[:30], "the file ends inside a record header"),
    "section header cut": (lambda: WHOLE[:20], "the file ends inside a block"),
    "4 GiB in the first record": (
        lambda: MAGIC + bytes(8) + b"\xff\xff\xff\xff" * 2 + bytes(99),
        "a frame length beyond 262144 bytes",
    ),
    "zero block length": (
        lambda: cf.section() + cf.interface() + b"\x06\0\0\0" + bytes(40),
        "a block length that is no multiple of 4, below 12, or beyond 16 MiB",
    ),
    "4 GiB in the first block": (
        lambda: WHOLE[:4] + b"\xff\xff\xff\xff" + WHOLE[8:40],
        "a block length that is no multiple of 4",
    ),
    "gzip of something else": (lambda: gzip.compress(bytes(1 << 24)), "no magic number"),
    "zstd of something else": (lambda: zstandard.compress(bytes(1 << 28)), "no magic number"),
    "gzip twice": (lambda: gzip.compress(gzip.compress(WHOLE)), "compressed more than once"),
    "gzip cut in its header": (lambda: gzip.compress(WHOLE)[:5], "ends inside its gzip data"),
    "zstd cut": (lambda: zstandard.compress(WHOLE)[:99], "the file ends inside its zstd data"),
    "damaged gzip": (lambda: b"\x1f\x8b\x08\0" + b"\xff" * 99, "damaged gzip data"),
    "damaged zstd": (lambda: b"\x28\xb5\x2f\xfd" + b"\xff" * 99, "damaged zstd data"),
}


def one_line(text: str) -> bool:
    return text.startswith("mptcp-check: ") and text.count("\n") == 1 and "Traceback" not in text


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_one_line_with_the_place_and_the_reason(
    name: str, tmp_path: Path
) -> None:
    make, reason = UNREADABLE[name]
    file = tmp_path / "given"
    file.write_bytes(make())
    said = inspect(file)

    assert said.code == 2
    assert said.out == ""
    assert one_line(said.err)
    assert reason in said.err
    assert f"{file}: byte " in said.err


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/", "is a directory"), ("/nowhere/at/all", "no such file"), ("/dev/zero", "no magic")],
)
def test_what_is_no_file_is_one_line(path: str, reason: str) -> None:
    said = inspect(path)

    assert (said.code, said.out) == (2, "")
    assert one_line(said.err)
    assert reason in said.err


def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(WHOLE)
    file.chmod(0)
    # Root may read everything, unless it gives the right to up.
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    done = subprocess.run(
        [*(without if os.geteuid() == 0 else []), str(PROGRAM), "inspect", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr)
    assert "permission denied" in done.stderr


READABLE_IN_PART: dict[str, tuple[Callable[[], bytes], str]] = {
    "cut in a frame": (lambda: pcap()[:-7], "the file ends inside a frame"),
    "cut in a block": (lambda: WHOLE[:-7], "the file ends inside a block"),
    "length that lies": (
        lambda: pcap() + bytes(8) + b"\xff\xff\xff\xff" * 2 + bytes(99),
        "a frame length beyond 262144 bytes",
    ),
    "zero block length": (
        lambda: WHOLE + b"\x06\0\0\0" + bytes(40),
        "a block length that is no multiple of 4",
    ),
    "gzip cut": (lambda: gzip.compress(pcap())[:-50], "the file ends inside its gzip data"),
    "gzip with something behind": (lambda: gzip.compress(pcap()) + b"?", "follows the gzip data"),
}


@pytest.mark.parametrize("name", READABLE_IN_PART)
def test_what_can_be_read_is_read_and_the_rest_is_one_line(name: str, tmp_path: Path) -> None:
    make, reason = READABLE_IN_PART[name]
    file = tmp_path / "given"
    file.write_bytes(make())
    said = inspect(file, "--json")

    assert said.code == 0
    assert one_line(said.err)
    assert reason in said.err
    found = said.document
    assert found["totals"]["mp_capable_attempts"] >= 1
    (problem,) = found["files"][0]["problems"]
    assert reason in problem["reason"]
    assert f"byte {problem['offset']}: " in said.err


def test_a_bomb_is_read_up_to_a_bound(tmp_path: Path) -> None:
    file = tmp_path / "bomb.pcap.gz"
    file.write_bytes(bomb(200))
    said = inspect(file, "--json")

    assert said.code == 0
    assert one_line(said.err)
    assert "as bombs do" in said.err
    (given,) = said.document["files"]
    assert given["packets"] == (given["bytes"] - 24) // 16
    assert given["bytes"] <= 100 << 20


def test_of_several_files_one_that_cannot_be_read_does_not_keep_the_others_back(
    tmp_path: Path,
) -> None:
    said = inspect(tmp_path / "missing", GOLDEN, "--json")

    assert said.code == 0
    assert one_line(said.err)
    missing, golden = said.document["files"]
    assert (missing["packets"], missing["format"]) == (0, "")
    assert "no such file" in missing["problems"][0]["reason"]
    assert golden["packets"] == 182
    assert {c["file"] for c in said.document["connections"]} == {1}


def test_several_files_have_their_connections_numbered_through(tmp_path: Path) -> None:
    file = tmp_path / "b.pcap"
    file.write_bytes(pcap())
    found = inspect(GOLDEN, file, "--json").document
    alone = [inspect(path, "--json").document for path in (GOLDEN, file)]

    assert [c["id"] for c in found["connections"]] == list(range(6))
    assert found["connections"][5]["file"] == 1
    for name, number in found["totals"].items():
        if name != "options":
            assert number == sum(one["totals"][name] for one in alone)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_compressed_capture_is_as_good_as_the_capture(
    compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    half = len(WHOLE) // 2
    file = tmp_path / "packed"
    file.write_bytes(compress(WHOLE[:half]) + compress(WHOLE[half:]))
    packed, plain = inspect(file, "--json").document, inspect(GOLDEN, "--json").document

    assert packed["files"][0] | {"path": ""} == plain["files"][0] | {"path": ""}
    assert packed["totals"] == plain["totals"]
    assert packed["connections"] == plain["connections"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_a_capture_can_come_through_a_pipe(pack: Callable[[bytes], bytes]) -> None:
    said = inspect("-", "--json", given=pack(WHOLE))

    assert (said.code, said.err) == (0, "")
    (given,) = said.document["files"]
    assert (given["path"], given["packets"]) == ("standard input", 182)


def test_a_pipe_with_nothing_in_it_is_one_line() -> None:
    said = inspect("-", given=b"")

    assert said.code == 2
    assert one_line(said.err)
    assert "standard input: byte 0: the file is empty" in said.err


def test_a_named_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f"cat {GOLDEN} > {pipe}"]):
        said = inspect(pipe, "--json")

    assert said.document["files"][0]["packets"] == 182


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_a_live_capture_and_shows_what_came(number: signal.Signals) -> None:
    with subprocess.Popen(
        [str(PROGRAM), "inspect", "-", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        child.stdin.write(pcap()[:-7])
        child.stdin.flush()
        _until_it_waits(child.pid)
        child.send_signal(number)
        assert child.stdout is not None
        assert child.stderr is not None
        out, err = child.stdout.read(), child.stderr.read().decode()

    assert child.returncode == 0
    assert b'"mp_capable_established": 1' in out
    assert one_line(err)
    assert "the file ends inside a frame" in err


def _until_it_waits(process: int, limit_s: float = 60) -> None:
    """Wait until the program has drained its pipe: it waits in ``select`` then."""
    for _ in range(int(limit_s / 0.05)):
        handles = Path(f"/proc/{process}/status").read_text()
        caught = int(handles.split("SigCgt:")[1].split()[0], 16)
        if caught & 1 << signal.SIGINT - 1 and _copied(process):
            return
        time.sleep(0.05)
    raise AssertionError("it never began to read")


def _copied(process: int) -> bool:
    """Whether the nameless copy of the pipe has something in it."""
    for link in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            if "(deleted)" in str(link.readlink()) and link.stat().st_size:
                return True
    return False


def test_the_table_names_every_connection_and_what_stands_out() -> None:
    said = inspect(GOLDEN)

    assert (said.code, said.err) == (0, "")
    assert "3 of 4 attempts established, 1 answered without the option" in said.out
    assert "4 of 6 joins complete; HMACs: 8 right, 0 wrong" in said.out
    assert "10.9.0.1:59726 → 10.9.0.2:8080" in said.out
    assert "connection 2: fell back to TCP: the SYN/ACK has no MP_CAPABLE" in said.out


@pytest.mark.parametrize("option", ["--export", "--split"])
def test_results_do_not_mix_with_what_is_there(option: str, tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    said = inspect(GOLDEN, option, tmp_path)

    assert said.code == 2
    assert "is not empty" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("-", "-"),
        (str(GOLDEN), "--export", "x", "--split", "x"),
        (str(GOLDEN), "--export", "/nowhere/x"),
        (),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = inspect(*arguments)

    assert said.code == 2
    assert said.out == ""
    assert "Traceback" not in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_name_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "evil\x1b]0;title\x07\nname"
    file.write_bytes(b"nothing")
    said = inspect(file)

    assert one_line(said.err)
    assert "\x1b" not in said.err
