"""A link that loses every frame for a while, once so much has crossed: nobody tells the ends.

Unlike a behaviour of `mptcp_check.middleboxes` it is no property of a path: it is armed for one
exchange and gone with it.
"""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Interruption:
    """One armed interruption; all of it belongs to the forwarder's thread.

    Times are the forwarder's own, in nanoseconds that never go back.
    """

    link: int
    """Position of the link that loses its frames."""
    after_bytes: int
    """Carried by all links, both ways, since it was armed."""
    lasts_ns: int
    crossed_bytes: int = 0
    began_ns: int = 0
    """When it began; 0 before."""
    lost_count: int = 0

    def loses(self, link: int, frame: bytes, now_ns: int) -> bool:
        """Say whether a frame is lost; each frame is asked of once."""
        if self.began_ns == 0:
            self.crossed_bytes += len(frame)
            if self.crossed_bytes >= self.after_bytes:
                self.began_ns = now_ns
        lost = link == self.link and self.holds(now_ns)
        self.lost_count += lost
        return lost

    def holds(self, now_ns: int) -> bool:
        """Say whether frames are lost at that moment."""
        return self.began_ns != 0 and now_ns < self.began_ns + self.lasts_ns

    def ended_ns(self, now_ns: int) -> int:
        """Return when it ended, at the latest now; 0 when it never began."""
        return min(self.began_ns + self.lasts_ns, now_ns) if self.began_ns else 0
