"""Keep the machine code of compiled functions on disk, and run it without the compiler.

Importing Numba takes longer than analysing a hundred thousand packets.  What Numba compiled is an
object file; llvmlite, the small library below Numba, loads and links it in some milliseconds.
Objects are kept by a stamp over all that they were made of, with a digest, so that a stale or
damaged one is never run; they are only kept where nothing but `KNOWN_SYMBOLS` is missing in them.
"""

import atexit
import contextlib
import ctypes
import functools
import hashlib
import os
import pickle
import select
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ALONE: Final = threading.RLock()
"""Held while a function is compiled or loaded: compiler, store and linker serve one at a time.

Two threads that asked the compiler at once would each get the other's code, and keep it.
"""

NUMBA_SYMBOLS: Final = frozenset({"NRT_MemInfo_call_dtor"})
"""What frees arrays that Numba made: compiled functions get none of them here."""

LIBRARY_SYMBOLS: Final = frozenset({"memcpy", "memmove", "memset", "pow"})
"""What compiled functions may call of the C library, which is loaded anyway."""

KNOWN_SYMBOLS: Final = NUMBA_SYMBOLS | LIBRARY_SYMBOLS

ELF_MAGIC: Final = b"\x7fELF\x02\x01"
"""64 bits, little-endian: elsewhere nothing is kept."""

DIGEST_BYTES: Final = 16

IDLE_S: Final = 2.0
"""How long a process that compiles waits for more."""

Native = Callable[..., int]

_UNREACHED = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)


class MachineCode:
    """Objects of one stamp: kept in a directory, loaded when they are asked for.

    Args:
        stamp: A digest of all that the objects are made of, the compiler excepted.
    """

    def __init__(self, stamp: str) -> None:
        import llvmlite.binding as llvm  # type: ignore[import-untyped] # noqa: PLC0415 - an interpreted run does without it

        self._llvm: Any = llvm
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine()
        self._engine: Any = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        for name in NUMBA_SYMBOLS:
            llvm.add_symbol(name, ctypes.cast(_UNREACHED, ctypes.c_void_p).value)
        library = ctypes.CDLL(None)
        for name in LIBRARY_SYMBOLS:
            llvm.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
        machine_name = llvm.get_host_cpu_name() + llvm.get_host_cpu_features().flatten()
        made_of = f"{stamp}{machine_name}{_made_with()}"
        digest = hashlib.blake2b(made_of.encode(), digest_size=12).hexdigest()
        self._directory = _cache_directory() / digest

    def load(self, name: str, argument_count: int) -> tuple[Native, str] | None:
        """Return a function that was kept, and what was said of it; none if there is none.

        Args:
            name: What it was kept as.
            argument_count: Its arguments, all of them 64 bits or less.
        """
        try:
            content = (self._directory / _file_name(name)).read_bytes()
        except OSError:
            return None
        digest, body = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest() != digest:
            return None
        symbol_bytes, note_bytes = struct.unpack_from("<II", body)
        symbol = body[8 : 8 + symbol_bytes].decode()
        note = body[8 + symbol_bytes : 8 + symbol_bytes + note_bytes].decode()
        native = self._link(body[8 + symbol_bytes + note_bytes :], symbol, argument_count)
        return native, note

    def keep(
        self, name: str, argument_count: int, code: bytes, symbol: str, note: str
    ) -> Native | None:
        """Load a function and keep it, where there is a place; none if it cannot stand alone.

        Args:
            name: What to keep it as.
            argument_count: Its arguments.
            code: The object file.
            symbol: The function's name in it.
            note: Anything, for whoever loads it.
        """
        if not code.startswith(ELF_MAGIC) or not undefined_symbols(code) <= KNOWN_SYMBOLS:
            return None
        sizes = struct.pack("<II", len(symbol.encode()), len(note.encode()))
        body = sizes + symbol.encode() + note.encode() + code
        digest = hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()
        with contextlib.suppress(OSError):  # no place, or a full disk: it is made anew next time
            self._directory.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._directory, delete=False) as file:
                file.write(digest + body)
            Path(file.name).replace(self._directory / _file_name(name))
        return self._link(code, symbol, argument_count)

    def _link(self, code: bytes, symbol: str, argument_count: int) -> Native:
        self._engine.add_object_file(self._llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        address = self._engine.get_function_address(symbol)
        arguments = [ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * argument_count
        return ctypes.CFUNCTYPE(ctypes.c_int32, *arguments)(address)


class Compiler:
    """Another process that compiles: what Numba needs for it, 200 MB, goes when it ends.

    It ends by itself when nothing was asked for some seconds, or when this process is gone.

    Args:
        serve: Where its part is: a module and a function in it, which is called with `served`.
    """

    def __init__(self, serve: tuple[str, str]) -> None:
        module, function = serve
        self._code = f"from {module} import {function}; {function}()"
        self._process: subprocess.Popen[bytes] | None = None
        self.answers_count = 0
        """How often it was asked and answered."""
        atexit.register(self.close)

    def ask(self, question: object) -> Any:  # noqa: ANN401 - whatever it answers
        """Return its answer; none if there is no such process to be had."""
        for _ in range(2):  # once more if it has ended meanwhile
            with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
                process = self._running()
                assert process.stdin is not None  # noqa: S101 - as it was started
                assert process.stdout is not None  # noqa: S101 - as above
                pickle.dump(question, process.stdin)
                process.stdin.flush()
                answer = pickle.load(process.stdout)  # noqa: S301 - our own process
                self.answers_count += 1
                return answer
            self.close()
        return None

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-c", self._code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us; it notices when we end
            )
        return self._process

    def close(self) -> None:
        """Take the process away; the next question starts another one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with contextlib.suppress(OSError), process:  # its pipes are closed, it is waited for
                pass


def served(answer: Callable[[Any], Any]) -> None:
    """Answer questions of `Compiler.ask`, until none comes for some time."""
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while select.select([questions], [], [], IDLE_S)[0]:
        try:
            question = pickle.load(questions)  # noqa: S301 - of the process that started this one
        except EOFError:
            return
        pickle.dump(answer(question), answers)
        answers.flush()


def numba_works() -> bool:
    """Say whether functions can be compiled here, without the time that importing Numba takes.

    A Numba that imports once goes on doing so: that is remembered with the machine code.
    """
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in {"", "0"}:
        return False
    mark = _cache_directory() / f"works-{_made_with()}"
    if mark.is_file():
        return True
    # In a process of its own: it takes time and memory, and may be made for another NumPy or CPU.
    command = [sys.executable, "-c", "import numba"]
    if subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603 - as above
        return False
    with contextlib.suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return True


def undefined_symbols(code: bytes) -> frozenset[str]:
    """Return the symbols that an ELF object of 64 bits needs from elsewhere.

    System V ABI, "Object Files": header, section headers, symbol table.
    """
    table, entry_bytes, count = (
        struct.unpack_from("<Q", code, 0x28)[0],
        *struct.unpack_from("<HH", code, 0x3A),
    )
    found = set()
    for index in range(count):
        at = table + index * entry_bytes
        kind = struct.unpack_from("<I", code, at + 4)[0]
        if kind != 2:  # noqa: PLR2004 - SHT_SYMTAB
            continue
        start, size, strings = struct.unpack_from("<QQI", code, at + 0x18)
        names = struct.unpack_from("<Q", code, table + strings * entry_bytes + 0x18)[0]
        for symbol in range(start, start + size, 24):
            name, _, _, section = struct.unpack_from("<IBBH", code, symbol)
            if section == 0 and name:
                end = code.index(b"\0", names + name)
                found.add(code[names + name : end].decode())
    return frozenset(found)


@functools.cache
def _made_with() -> str:
    """Return a digest of the versions that matter."""
    versions = (sys.version, *(_identity(name) for name in ("numba", "llvmlite", "numpy")))
    return hashlib.blake2b("\0".join(versions).encode(), digest_size=12).hexdigest()


def _identity(package: str) -> str:
    """Return what changes when another version of a package is installed."""
    from importlib.util import find_spec  # noqa: PLC0415 - as above

    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    with contextlib.suppress(OSError):
        return f"{spec.origin} {Path(spec.origin).stat().st_mtime_ns}"
    return ""


def _cache_directory() -> Path:
    """Return where machine code is kept: Numba's setting, else the user's cache."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "mptcp-check" / "machine-code"


def _file_name(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=12).hexdigest() + ".code"
