"""The section of docs/behaviours.md about parameters, made from the behaviours themselves.

.venv/bin/python tests/behaviour_parameters.py     write it anew
"""

from collections.abc import Iterator
from pathlib import Path

from mptcp_check.middleboxes.parameters import Field, describe
from mptcp_check.middleboxes.registry import BEHAVIOURS, Entry
from mptcp_check.middleboxes.scope import Scope

DOCUMENT = Path(__file__).parents[1] / "docs" / "behaviours.md"
HEADING = "## Parameters in the lab\n"
INTRODUCTION = """
`mptcp-check run --behind ID:KEY=VALUE,KEY=VALUE` plays a behaviour in another way than by default,
for example `mp_join_dropped:direction=c2s,ports=80+443`. A value that cannot be used is refused
with what can. Numbers may be written in hex, as 0x1f. This section is made by
`tests/behaviour_parameters.py`.

Most behaviours can be narrowed to some segments; the others pass:
"""


def section() -> str:
    """Return the whole section, its heading first."""
    scope = describe(Scope)
    lines = [HEADING, *INTRODUCTION.splitlines(keepends=True), "\n", *map(_line, scope)]
    for entry in BEHAVIOURS.values():
        lines += ["\n", f"### {entry.id}\n", "\n", *_lines(entry, scope)]
    return "".join(lines)


def _lines(entry: Entry, scope: tuple[Field, ...]) -> Iterator[str]:
    fields = entry.fields()
    names = {field.name for field in fields}
    narrowed = names >= {field.name for field in scope}
    own = [field for field in fields if field not in scope]
    yield from map(_line, own)
    if not own:
        yield "It has no parameters but those that narrow it.\n"
    if not narrowed:
        yield "- It cannot be narrowed.\n"


def _line(field: Field) -> str:
    default = "from its link" if field.default is None else f"`{field.default}`"
    return f"- `{field.name}`: {field.type}. Default {default}. {field.doc}\n"


def document(text: str) -> str:
    """Return the document with the section as it should be, at its end."""
    return text.partition(HEADING)[0].rstrip("\n") + "\n\n" + section()


if __name__ == "__main__":
    DOCUMENT.write_text(document(DOCUMENT.read_text()))
