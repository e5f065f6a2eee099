"""What needs Numba itself: imported only when a kernel has never been compiled here."""

import contextlib
import importlib
from collections.abc import Callable
from typing import Any

import numba
from numba.core import types

from mptcp_check.analysis.capture.kernel_cache import KernelCache
from mptcp_check.analysis.capture.kernel_calls import MOST_RESULTS, OPTIONS
from mptcp_check.machine_code import served


def dispatcher(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - Numba has no types
    """Return a function that Numba compiles, and keeps on disk where that is possible."""
    made: Any = numba.njit(nogil=True, error_model="numpy")(function)
    # Without a directory to keep machine code in, it is made anew at each start.
    with contextlib.suppress(RuntimeError):
        made._cache = KernelCache(function)  # noqa: SLF001 - where Numba has `cache=True` put it
    return made


def compiled(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bytes, str, str]:
    """Compile a function for the types of some arguments.

    Returns:
        The object file, the function's symbol in it, and what it returns as `kernel_calls.called`
        takes it; the last is empty where that cannot be taken.
    """
    untyped: Any = numba
    made = untyped.njit(**OPTIONS)(function)
    signature = tuple(untyped.typeof(argument) for argument in arguments)
    made.compile(signature)
    result = made.overloads[signature]
    returned: Any = result.signature.return_type
    note = ""
    if returned == types.none:
        note = "none"
    elif _is_word(returned):
        note = "int"
    elif isinstance(returned, types.BaseTuple):
        parts = tuple(getattr(returned, "types", ()))
        if all(_is_word(part) for part in parts) and len(parts) <= MOST_RESULTS:
            note = str(len(parts))
    code: bytes = result.library._get_compiled_object()  # noqa: SLF001 - what its cache writes
    return code, result.fndesc.llvm_func_name, note


def serve() -> None:
    """Compile for another process: see `machine_code.Compiler`."""

    def answer(question: tuple[str, str, tuple[Any, ...]]) -> tuple[bytes, str, str] | None:
        module, name, arguments = question
        kernel = getattr(importlib.import_module(module), name)
        return compiled(kernel.py_func, arguments)

    served(answer)


def _is_word(kind: Any) -> bool:  # noqa: ANN401 - Numba has no types
    """Say whether a type is an integer of 64 bits, as all numbers are that kernels return."""
    return isinstance(kind, types.Integer) and getattr(kind, "bitwidth", 0) == 64  # noqa: PLR2004 - bits
