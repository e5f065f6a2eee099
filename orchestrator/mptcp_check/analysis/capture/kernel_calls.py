"""Kernels as Python calls them: arrays become pointers and lengths, and numbers come back.

A kernel compiled by Numba is a function of plain numbers: for each array its owner (none here),
its element count and size, where its elements are, shape and strides; a named tuple of arrays is
its arrays one after the other; then status and result come back.  That is Numba's calling
convention for one compiled function to call another one (numba/core/callconv.py).
"""

import ctypes
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from mptcp_check.analysis.capture.kernel_sources import STAMP
from mptcp_check.machine_code import ALONE, Compiler, MachineCode, Native

MOST_RESULTS: Final = 8
FINE: Final = (0, -2)
"""RETCODE_OK and RETCODE_NONE of numba/core/callconv.py."""

OPTIONS: Final[dict[str, Any]] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
"""Compile nothing but the function itself: no kernel divides by zero."""

_store: list[MachineCode] = []
compiler: Final = Compiler(("mptcp_check.analysis.capture.kernel_compiler", "serve"))


def store() -> MachineCode:
    """Return where machine code is kept; opened at the first kernel that is called."""
    if not _store:
        _store.append(MachineCode(STAMP))
    return _store[0]


class Kernel:
    """A function that is compiled at its first call, or loaded if it ever was.

    Args:
        function: Loops over arrays and buffers only; see `kernels`.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.py_func = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__module__ = function.__module__
        self._entries: dict[str, Callable[..., Any] | None] = {}
        """By the kinds of arguments; none where only Numba itself can call it."""
        self._dispatcher: Any = None

    @property
    def dispatcher(self) -> Any:  # noqa: ANN401 - Numba has no types
        """What Numba calls from other kernels, and what runs where nothing else can."""
        if self._dispatcher is None:
            from mptcp_check.analysis.capture.kernel_compiler import dispatcher  # noqa: PLC0415 - slow to import

            self._dispatcher = dispatcher(self.py_func)
        return self._dispatcher

    @property
    def _numba_type_(self) -> Any:  # noqa: ANN401 - as above
        """What Numba takes this for where a kernel names it."""
        return self.dispatcher._numba_type_

    def __call__(self, *arguments: Any) -> Any:  # noqa: ANN401 - as of the function
        """Call the compiled function."""
        numbers: list[int] = []
        kinds: list[str] = []
        for argument in arguments:
            if not flatten(argument, numbers, kinds):
                return self.dispatcher(*arguments)
        key = "".join(kinds)
        if key not in self._entries:
            with ALONE:
                if key not in self._entries:  # another thread may have been first
                    self._entries[key] = self._entry(key, len(numbers), arguments)
        entry = self._entries[key]
        return self.dispatcher(*arguments) if entry is None else entry(*numbers)

    def _entry(self, key: str, count: int, arguments: tuple[Any, ...]) -> Callable[..., Any] | None:
        name = f"{self.__module__}.{self.__name__}({key})"
        found = store().load(name, count)
        if found is None:
            code, symbol, note = self._compiled(arguments)
            native = store().keep(name, count, code, symbol, note) if note else None
            if native is None:
                return None
            found = native, note
        return called(*found)

    def _compiled(self, arguments: tuple[Any, ...]) -> tuple[bytes, str, str]:
        """Return what `kernel_compiler.compiled` does, of another process if there can be one."""
        answer = compiler.ask((self.__module__, self.__name__, like(arguments)))
        if answer is None:
            from mptcp_check.analysis.capture.kernel_compiler import compiled  # noqa: PLC0415 - as above

            answer = compiled(self.py_func, arguments)
        code, symbol, note = answer
        return code, symbol, note


def like(argument: Any) -> Any:  # noqa: ANN401 - any argument
    """Return an argument of the same type without anything in it."""
    if isinstance(argument, np.ndarray):
        return np.empty((0,) * argument.ndim, argument.dtype)
    if isinstance(argument, tuple):
        parts = [like(part) for part in argument]
        return type(argument)(*parts) if hasattr(argument, "_fields") else tuple(parts)
    return argument


def flatten(argument: Any, numbers: list[int], kinds: list[str]) -> bool:  # noqa: ANN401 - any argument
    """Add an argument to the numbers that the compiled function takes.

    Args:
        argument: An array, an integer, a truth value, or a tuple of these.
        numbers: Added to.
        kinds: Added to: what kind of argument it is, for a key.

    Returns:
        Whether that can be done.
    """
    if type(argument) is np.ndarray:
        if not argument.flags.c_contiguous:
            return False
        size = argument.itemsize
        pointer = argument.__array_interface__["data"][0]
        numbers += (0, 0, argument.size, size, pointer, *argument.shape, *argument.strides)
        kinds.append(f"{argument.dtype.str}{argument.ndim}")
        return True
    if isinstance(argument, (bool, np.bool_)):
        numbers.append(int(argument))
        kinds.append("b")
        return True
    if isinstance(argument, (int, np.int64)):
        numbers.append(int(argument))
        kinds.append("i")
        return True
    if isinstance(argument, tuple):
        kinds.append("(")
        fits = all(flatten(part, numbers, kinds) for part in argument)
        kinds.append(")")
        return fits
    return False


def called(native: Native, note: str) -> Callable[..., Any]:
    """Return a compiled function with its result taken from where it writes it.

    Args:
        native: The function.
        note: Its result: ``none``, ``int``, or how many integers it returns.
    """

    def call(*numbers: int) -> Any:  # noqa: ANN401 - as of the function
        results = (ctypes.c_int64 * MOST_RESULTS)()
        failure = ctypes.c_void_p()
        status = native(ctypes.addressof(results), ctypes.addressof(failure), *numbers)
        if status not in FINE:
            raise RuntimeError(f"a kernel ended with the status {status}: a mistake in the kernel")
        if note == "none":
            return None
        return results[0] if note == "int" else tuple(results[: int(note)])

    return call
