"""A stored report as part of a page: the same templates as the report that lies on users' disks."""

import json
from dataclasses import dataclass
from typing import Final

import jinja2
from markupsafe import Markup

from mptcp_check.analysis.reporting import report_html
from mptcp_collector.review import page

_NO_REPORT: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    jinja2.TemplateError,
)
"""What drawing something raises that is no report, or one of another version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A report without the frame that it has as a file."""

    banner: Markup
    sections: Markup


def drawn(report: str) -> Drawn | None:
    """Return a report as it is shown; none if it cannot be: silence is not health."""
    try:
        document = json.loads(report)
        values = report_html.values(document)
        # made by templates that escape: see `page`
        return Drawn(
            banner=Markup(page.text("report_banner.html.j2", **values)),  # noqa: S704 - as above
            sections=Markup(page.text("report_sections.html.j2", **values)),  # noqa: S704
        )
    except _NO_REPORT:
        return None
