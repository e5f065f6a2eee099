"""Axes: round ticks, and units that keep their numbers short."""

import enum
import math
from dataclasses import dataclass
from typing import Final


class Quantity(enum.StrEnum):
    """What an axis counts."""

    TIME = "time"
    """Nanoseconds."""
    BYTES = "bytes"
    RATE = "rate"
    """Bits per second."""


UNITS: Final[dict[Quantity, tuple[tuple[float, str], ...]]] = {
    Quantity.TIME: ((1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s")),
    Quantity.BYTES: ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")),
    Quantity.RATE: ((1.0, "bit/s"), (1e3, "kbit/s"), (1e6, "Mbit/s"), (1e9, "Gbit/s")),
}
"""Decimal multiples (SI): 1 kB is 1000 bytes.  The page's script has the same table."""

_FIRST_DECIMAL: Final = 1e-12
"""Slack where a tick is compared with the end of its axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Ticks of one axis."""

    unit: str
    ticks: tuple[tuple[float, str], ...]
    """Values in the quantity's own unit, with their numbers in `unit`."""


def unit_of(quantity: Quantity, largest: float) -> tuple[float, str]:
    """Return the largest unit that leaves at least 1 before the point, and its size."""
    fitting = [unit for unit in UNITS[quantity] if unit[0] <= abs(largest)]
    return fitting[-1] if fitting else UNITS[quantity][0]


def axis(quantity: Quantity, low: float, high: float, *, wanted: int) -> Axis:
    """Return an axis with about so many ticks at round numbers: 1, 2 or 5 times a power of ten.

    Args:
        quantity: What it counts.
        low: Where it begins.
        high: Where it ends, beyond `low`.
        wanted: How many ticks there is room for.
    """
    factor, unit = unit_of(quantity, max(abs(low), abs(high)))
    step = round_up((high - low) / factor / max(wanted, 1))
    decimals = max(0, -math.floor(math.log10(step) + _FIRST_DECIMAL))
    first = math.ceil(low / factor / step - 1e-9)
    last = math.floor(high / factor / step + 1e-9)
    ticks = tuple(
        (number * step * factor, f"{number * step:.{decimals}f}")
        for number in range(first, last + 1)
    )
    return Axis(unit=unit, ticks=ticks)


def logarithmic_axis(quantity: Quantity, low: float, high: float, *, wanted: int) -> Axis:
    """Return an axis whose ticks are 1, 2, 5 times powers of ten, or powers alone if they are many.

    Args:
        quantity: What it counts; each tick carries its unit, as one axis has several.
        low: Where it begins, above 0.
        high: Where it ends, beyond `low`.
        wanted: How many ticks there is room for.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        values = [float(f"{f}e{power}") for power in powers for f in factors]
        inside = [v for v in values if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]
        if len(inside) <= 2 * wanted:
            break
    every = -(-len(inside) // (2 * wanted))
    return Axis(unit="", ticks=tuple((v, worded(quantity, v)) for v in inside[::every]))


def round_up(number: float) -> float:
    """Return the least of 1, 2, 5 times a power of ten that is not below a positive number."""
    power = 10.0 ** math.floor(math.log10(number))
    return next(f * power for f in (1.0, 2.0, 5.0, 10.0) if f * power >= number * (1 - 1e-9))


def worded(quantity: Quantity, value: float) -> str:
    """Return a value with its unit, three digits: ``12.3 MB``."""
    factor, unit = unit_of(quantity, value)
    digits = ".3g" if abs(value) < factor * 999 else ".0f"
    return f"{value / factor:{digits}} {unit}"
