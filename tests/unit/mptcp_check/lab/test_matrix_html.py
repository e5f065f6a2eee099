"""The matrix as a page."""

import html.parser
from typing import Any

from mptcp_check.lab import matrix, matrix_html
from mptcp_check.lab.case import Case, Circumstances

ABOUT = {"tool_version": "0", "rules_version": "0", "kernel": "6", "started": "now"}


class Page(html.parser.HTMLParser):
    """Collects anchors, links and what is loaded from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.anchors.add(value or "")
            if tag == "a" and name == "href":
                self.links.append(value or "")
            if name == "src" or (tag == "link" and name == "href"):
                self.loaded.append(value or "")


def page(*answers: tuple[str, list[str]], because: str = "so") -> str:
    scored = [
        matrix.score(
            Case(behaviours=(played,) if played else (), circumstances=Circumstances()),
            {"named": named, "acted_count": 1, "because": dict.fromkeys(named, because)},
        )
        for played, named in answers
    ]
    _, left_out = matrix.plan(["mp_join_removed"])
    document: dict[str, Any] = matrix.document(scored, left_out, planned_count=9, about=ABOUT)
    return matrix_html.render(document)


def test_every_number_links_to_its_case_and_nothing_is_loaded() -> None:
    found = Page(page(("", []), ("payload_altered", ["payload_altered"]), ("link", [])))

    assert len(found.links) == 3
    assert {link.removeprefix("#") for link in found.links} == found.anchors
    assert found.loaded == []


def test_a_mistake_has_a_column_of_its_own_and_is_marked() -> None:
    text = page(("payload_altered", ["mp_join_removed"]))

    assert '<th scope="col"><span>mp_join_removed</span></th>' in text
    cell = '<td class="wrong" title="payload_altered: mp_join_removed"><a href="#case-0">1</a></td>'
    assert cell in text


def test_what_is_not_right_is_told_before_all_numbers() -> None:
    text = page(("", []), ("payload_altered", ["mp_join_removed"]))

    assert '<li class="wrong"><a href="#case-1">wrong</a>: <code>payload_altered</code>' in text
    assert text.index("Not right") < text.index("Confusion matrix")
    assert "Not right" not in page(("payload_altered", ["payload_altered"]))


def test_an_impairment_that_nobody_is_blamed_for_is_marked_right() -> None:
    cell = '<td class="right" title="link: nothing"><a href="#case-0">1</a></td>'
    assert cell in page(("link", []))


def test_words_of_packets_are_escaped() -> None:
    text = page(("payload_altered", ["payload_altered"]), because="<script>alert(1)</script>")

    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_what_was_not_played_is_told_once_with_its_reason() -> None:
    assert page(("", [])).count("<td>with one subflow nobody joins</td><td>8</td>") == 1


def test_a_matrix_of_nothing_is_a_page() -> None:
    assert "0 of 9 cases" in page()
