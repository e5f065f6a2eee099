"""What a bundle's file does with its bytes on their way."""

import hashlib
from pathlib import Path

import pytest

from mptcp_collector.block_file import BLOCK_BYTES, BlockFile
from mptcp_collector.spool import Part


@pytest.fixture
def past_cache(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note what each write says of its bytes."""
    found: list[bool] = []
    write = BlockFile.write_at

    def noted(self: BlockFile, octets: memoryview, offset: int, *, past_cache: bool) -> int:
        found.append(past_cache)
        return write(self, octets, offset, past_cache=past_cache)

    monkeypatch.setattr(BlockFile, "write_at", noted)
    return found


def test_only_what_is_read_again_for_its_digest_stays_in_the_cache(
    tmp_path: Path, past_cache: list[bool]
) -> None:
    octets = bytes(range(256)) * (BLOCK_BYTES // 128)
    first = Part(tmp_path / "x")
    first.write(octets)
    assert first.sha256() == hashlib.sha256(octets).hexdigest()
    first.close()

    second = Part(tmp_path / "x")
    second.write(octets)
    assert second.sha256() == hashlib.sha256(octets * 2).hexdigest()
    second.cut(0)
    second.write(octets)
    assert second.sha256() == hashlib.sha256(octets).hexdigest()
    second.close()

    assert past_cache == [True, False, True]
