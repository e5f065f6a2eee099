"""Numbers and names as people read them."""

from typing import Any, Final

_KIB: Final = 1024
_NS_PER_S: Final = 1_000_000_000


def byte_count(count: int) -> str:
    """Return a size: ``512 B``, ``1.0 MiB``."""
    if count < _KIB:
        return f"{count} B"
    size = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        size /= _KIB
        if size < _KIB:
            return f"{size:.1f} {unit}"
    return f"{size / _KIB:.1f} TiB"


def seconds(duration_ns: int) -> str:
    """Return a duration with three digits that matter: ``1.23 s``, ``45.6 ms``, ``780 µs``."""
    size = abs(duration_ns)
    for unit, scale in (("s", _NS_PER_S), ("ms", 1_000_000), ("µs", 1_000)):
        if size >= scale:
            return f"{duration_ns / scale:.3g} {unit}"
    return f"{duration_ns} ns"


def time_of_day(time_ns: int) -> str:
    """Return a wall clock time in UTC to the microsecond: ``12:00:01.000250``."""
    whole, rest = divmod(time_ns, _NS_PER_S)
    minutes, second = divmod(whole % 86_400, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}.{rest // 1_000:06d}"


def grouped(number: int) -> str:
    """Return a number with thin spaces between its thousands."""
    return f"{number:,}".replace(",", "\u202f")


def label(key: str) -> str:
    """Return the name of a field as a heading: ``image_digest`` becomes ``Image digest``."""
    text = key.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def value(content: Any) -> str:  # noqa: ANN401 - any value that JSON has
    """Return a field's content in one line."""
    if content is None:
        return "–"  # noqa: RUF001 - a dash for nothing
    if isinstance(content, bool):
        return "yes" if content else "no"
    if isinstance(content, (list, tuple)):
        return ", ".join(value(item) for item in content) or "none"
    if isinstance(content, dict):
        return ", ".join(f"{key}: {value(item)}" for key, item in content.items())
    return str(content)
