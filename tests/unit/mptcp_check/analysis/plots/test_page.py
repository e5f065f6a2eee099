import base64
import hashlib
import json
import re
from html.parser import HTMLParser

from mptcp_check.analysis.flows.connections import connections
from mptcp_check.analysis.plots import page, svg
from mptcp_check.analysis.plots.figures import figures_of
from mptcp_check.analysis.series.extraction import series_of
from traced import two_paths

HOSTILE = "</script><script>alert(1)</script>\x00<img src=//evil.example>.pcap"


class _Reader(HTMLParser):
    """Collects tags, attributes, and what is in scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self.inside.append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open &= tag not in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if self._open:
            self.inside[-1] += data


def made(source: str = "a.pcap") -> tuple[str, _Reader]:
    series = two_paths().series()
    figures = figures_of(series)
    drawings = {figure.id: svg.render(figure) for figure in figures}
    document = page.connection_page(series, figures, drawings, source=source)
    reader = _Reader()
    reader.feed(document)
    return document, reader


def test_the_page_asks_nobody_for_anything() -> None:
    document, reader = made()

    for tag, attributes in reader.tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
        assert not attributes.keys() & {"src", "srcset", "style", "onload", "onclick"}
        href = attributes.get("href")
        assert href in {None, "../index.html"}
    addresses = set(re.findall(r"https?://[^\"' <]+", document))
    assert addresses == {"http://www.w3.org/2000/svg"}, "a namespace, no address"


def test_the_policy_names_the_script_and_the_style_by_their_hashes() -> None:
    _, reader = made()
    policy = next(
        a["content"] for tag, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    style, _, script = reader.inside

    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for kind, content in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy


def test_the_data_are_whole_and_their_places_are_those_of_the_series() -> None:
    _, reader = made()
    data = json.loads(reader.inside[1])
    sequence = data["figures"][0]
    new = next(layer for layer in sequence["layers"] if layer["label"].startswith("subflow 1:"))

    assert [figure["id"] for figure in data["figures"]][:2] == ["c2s-sequence", "c2s-window"]
    assert new["x"] == [30_000]
    assert new["y"] == [301]


def test_a_page_does_without_what_was_not_captured() -> None:
    traced = two_paths()
    del traced.talk.segments[:6], traced.times_ms[:6]
    packets = traced.capture().packets
    series = series_of(packets, connections(packets)[0])
    figures = figures_of(series)
    document = page.connection_page(series, figures, {f.id: svg.render(f) for f in figures})

    assert "token" not in document
    assert "handshake not complete" in document


def test_a_hostile_name_stays_a_name() -> None:
    document, reader = made(HOSTILE)
    plain, reader_of_plain = made()

    assert [tag for tag, _ in reader.tags] == [tag for tag, _ in reader_of_plain.tags]
    assert "evil" in document
    assert "<img" not in document
    assert "\x00" not in document
    index = page.index_page([], source=HOSTILE, left_out=["<b>"])
    assert "<img" not in index
    assert "<b>" not in index
    assert plain
