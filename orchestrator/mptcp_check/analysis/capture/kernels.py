"""Which loops are compiled: Numba where it works, the same functions interpreted where not.

Everything decorated with `kernel` must mean the same under both.  Hence two rules: bytes are
read from a buffer whose elements behave like integers (an array when compiled, a memoryview when
interpreted: see `readable`), and numbers of 64 unsigned bits are only moved, never compared.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numpy as np
import numpy.typing as npt

from mptcp_check import machine_code
from mptcp_check.analysis.capture.kernel_calls import Kernel

Function = TypeVar("Function", bound=Callable[..., Any])

NUMBA_WORKS: bool = machine_code.numba_works()
"""Whether kernels are compiled; without it answers are the same, some 200 times slower."""


int64: Final[Any] = np.int64
"""A number from a column as one of 64 bits with a sign, compiled or not."""


def kernel(function: Function) -> Function:
    """Compile a function at its first call, keep the machine code on disk where that is possible.

    Args:
        function: Loops over arrays and buffers only; see the module's two rules.

    Returns:
        The compiled function, or `function` itself where Numba does not work.
    """
    return cast("Function", Kernel(function)) if NUMBA_WORKS else function


def readable(buffer: npt.NDArray[np.uint8]) -> Any:  # noqa: ANN401 - two kinds of buffer, see above
    """Return the bytes in the form that kernels read: elements that shift without overflow."""
    return buffer if NUMBA_WORKS else memoryview(buffer.data)


def records(table: npt.NDArray[np.void]) -> Any:  # noqa: ANN401 - two kinds of array
    """Return a structured array in the form that kernels write: fields are attributes."""
    return table if NUMBA_WORKS else table.view(np.recarray)


@kernel
def byte(buffer: Any, at: int) -> Any:  # noqa: ANN401 - an integer, of Numba's or Python's kind
    """Return one byte as a signed number.

    In Numba, bit operations on unsigned elements stay unsigned, and unsigned with signed makes a
    float.  Arithmetic with a literal is signed, so every read below is made of sums and products.
    """
    return buffer[at] + 0


@kernel
def be16(buffer: Any, at: int) -> Any:  # noqa: ANN401 - see above
    """Return two bytes in network order."""
    return buffer[at] * 0x100 + buffer[at + 1]


@kernel
def be32(buffer: Any, at: int) -> Any:  # noqa: ANN401 - see above
    """Return four bytes in network order."""
    return be16(buffer, at) * 0x10000 + be16(buffer, at + 2)


@kernel
def be64(buffer: Any, at: int) -> Any:  # noqa: ANN401 - see above
    """Return eight bytes in network order: the right bits for a uint64 column, not for comparing.

    Compiled, the number is signed and wraps; a store into an unsigned column takes the bits.
    """
    return be32(buffer, at) * 0x1_0000_0000 + be32(buffer, at + 4)


@kernel
def u16(buffer: Any, at: int, little: bool) -> Any:  # noqa: ANN401, FBT001 - kernels take positions
    """Return two bytes, of a little-endian writer if `little`."""
    if little:
        return buffer[at + 1] * 0x100 + buffer[at]
    return be16(buffer, at)


@kernel
def u32(buffer: Any, at: int, little: bool) -> Any:  # noqa: ANN401, FBT001 - as above
    """Return four bytes, of a little-endian writer if `little`."""
    if little:
        return u16(buffer, at + 2, little) * 0x10000 + u16(buffer, at, little)
    return be32(buffer, at)
