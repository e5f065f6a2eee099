"""QEMU's stream netdev on a byte stream: each frame behind its length, four bytes, big-endian.

(QEMU ``net/stream.c`` and ``net/net.c``: ``net_fill_rstate``.)
"""

MAX_FRAME_BYTES = 65_536
"""More than any frame without offloads; a longer one means that the stream is not what it should
be, and nothing after it can be found again."""

_LENGTH_BYTES = 4


def framed(frame: bytes) -> bytes:
    """Return what stands for a frame on the stream."""
    return len(frame).to_bytes(_LENGTH_BYTES, "big") + frame


class Deframer:
    """Cuts a stream into frames, however the stream arrives in pieces.

    It never holds more than one frame that is not whole.  After an impossible length `problem`
    says what is wrong and nothing more comes out.
    """

    def __init__(self) -> None:
        self.problem = ""
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream and return the frames that are whole now."""
        if self.problem:
            return []
        buffer = self._rest + data if self._rest else data
        frames: list[bytes] = []
        offset = 0
        while offset + _LENGTH_BYTES <= len(buffer):
            length = int.from_bytes(buffer[offset : offset + _LENGTH_BYTES], "big")
            if not 0 < length <= MAX_FRAME_BYTES:
                self.problem = (
                    f"a frame of {length} bytes was announced; 1 to {MAX_FRAME_BYTES} are possible"
                )
                self._rest = b""
                return frames
            end = offset + _LENGTH_BYTES + length
            if end > len(buffer):
                break
            frames.append(buffer[offset + _LENGTH_BYTES : end])
            offset = end
        self._rest = buffer[offset:]
        return frames
