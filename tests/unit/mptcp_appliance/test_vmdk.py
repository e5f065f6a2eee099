import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_appliance import vmdk


def descriptor(content_id: int, room: int = 100) -> bytes:
    """Return a descriptor as qemu-img writes it: the number without leading zeros."""
    text = f"# Disk DescriptorFile\nversion=1\nCID={content_id:x}\nparentCID=ffffffff\n"
    return text.encode() + bytes(room)


@given(st.integers(0, (1 << 32) - 1))
def test_whatever_qemu_drew_the_descriptor_is_the_same(content_id: int) -> None:
    found = vmdk.with_fixed_content_id(descriptor(content_id))

    assert len(found) == len(descriptor(content_id))
    assert found.rstrip(b"\0") == descriptor(vmdk.CONTENT_ID).rstrip(b"\0")


@given(st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1))
def test_what_a_longer_text_left_behind_the_end_goes(before: int, content_id: int) -> None:
    old, new = descriptor(before), descriptor(content_id).rstrip(b"\0") + b"\0"

    found = vmdk.with_fixed_content_id(new + old[len(new) :])

    assert found == vmdk.with_fixed_content_id(old)


@pytest.mark.parametrize("data", [b"", b"CID=xyz\n", b"CID=1\nCID=2\n", descriptor(1, room=0)])
def test_what_is_no_descriptor_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="a descriptor"):
        vmdk.with_fixed_content_id(data)
