"""What two VMDK files of the same disk differ in. No I/O.

``CID`` says whether a parent of a chain of disks was written since; qemu-img draws it by lot. A
disk without parent and child may have any value but these two (VMware, "Virtual Disk Format 5.0").
The text ends at the first zero; where the number is short, some of an older text may follow that.
"""

import re

DESCRIPTOR_AT_BYTES = 512
"""Behind the header, in the files that qemu-img writes."""

DESCRIPTOR_BYTES = 20 * 512

CONTENT_ID = 0x6D707463
"""``mptc``; neither ffffffff (no parent) nor fffffffe (never written)."""

# qemu-img writes the number without leading zeros
_LINE = re.compile(rb"(?m)^CID=[0-9a-f]{1,8}$")


def with_fixed_content_id(descriptor: bytes) -> bytes:
    """Return a descriptor of the same length with `CONTENT_ID`.

    Raises:
        ValueError: It is not a descriptor, or has no room for a longer line.
    """
    # its number may be shorter than the one that was there before: what that left follows the zero
    text = descriptor.partition(b"\0")[0]
    replaced, count = _LINE.subn(b"CID=%08x" % CONTENT_ID, text)
    if count != 1:
        raise ValueError(f"a descriptor has one line CID=, here are {count}")
    if len(replaced) > len(descriptor):
        raise ValueError("a descriptor ends in zeros, this one is full")
    return replaced.ljust(len(descriptor), b"\0")
