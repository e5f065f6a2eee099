"""Which ranges of many streams are covered: unions of intervals, asked for by the thousand."""

from functools import cached_property

import numpy as np

from mptcp_check.analysis.capture.column_types import Column


class ByteRanges:
    """Unions of byte ranges, one per stream, all in one sorted array.

    The streams are laid one after the other on one line, so that one sort and one search serve
    them all.

    Args:
        count: How many streams there are.
        streams: int64: the stream of each range.
        starts: int64: its first place, which may be below 0.
        ends: int64: the place after its last one, above the first.
    """

    def __init__(self, count: int, streams: Column, starts: Column, ends: Column) -> None:
        self.lowest: Column = np.zeros(count, np.int64)
        """int64, one per stream: its first covered place; 0 where nothing is covered."""
        self.highest: Column = np.zeros(count, np.int64)
        """int64, one per stream: the place after its last covered one; 0 where there is none."""
        self._base: Column = np.zeros(count + 1, np.int64)
        self._first, self._last = np.empty(0, np.int64), np.empty(0, np.int64)
        if not len(streams):
            return
        top = np.iinfo(np.int64)
        low, high = np.full(count, top.max, np.int64), np.full(count, top.min, np.int64)
        np.minimum.at(low, streams, starts)
        np.maximum.at(high, streams, ends)
        filled = high > low
        self.lowest[filled], self.highest[filled] = low[filled], high[filled]
        np.cumsum(self.highest - self.lowest + 1, out=self._base[1:])
        line = self._base[streams] - self.lowest[streams]
        first, last = starts + line, ends + line
        order = np.argsort(first, kind="stable")
        first, reach = first[order], np.maximum.accumulate(last[order])
        begins = np.concatenate(([True], first[1:] > reach[:-1]))
        self._first = first[begins]
        self._last = reach[np.concatenate((begins[1:], [True]))]

    @cached_property
    def _before(self) -> Column:
        """Covered bytes before each merged range."""
        lengths = self._last - self._first
        return np.asarray(np.cumsum(lengths) - lengths)

    def covered_bytes(self, streams: Column, starts: Column, ends: Column) -> Column:
        """Return how many bytes of each range are covered.

        Args:
            streams: int64: the stream of each range.
            starts: int64: its first place.
            ends: int64: the place after its last one.
        """
        if not len(self._first):
            return np.zeros(len(streams), np.int64)
        low = np.clip(starts, self.lowest[streams], self.highest[streams])
        high = np.clip(ends, self.lowest[streams], self.highest[streams])
        line = self._base[streams] - self.lowest[streams]
        return np.asarray(self._up_to(np.maximum(low, high) + line) - self._up_to(low + line))

    def _up_to(self, places: Column) -> Column:
        """Return the covered bytes on the line before each place."""
        index = np.searchsorted(self._first, places, side="right") - 1
        found = np.maximum(index, 0)
        inside = np.clip(places - self._first[found], 0, self._last[found] - self._first[found])
        return np.where(index < 0, 0, self._before[found] + inside)
