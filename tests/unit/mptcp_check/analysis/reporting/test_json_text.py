import json

from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.analysis.reporting.json_text import json_text

Plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), Plain))
def test_the_text_is_the_document(document: dict[str, object]) -> None:
    assert json.loads(json_text(document)) == document


def test_each_member_of_a_list_has_its_line() -> None:
    text = json_text({"schema": "x/1", "findings": [{"a": 1}, {"a": 2}]})

    assert text.splitlines()[2:5] == ['  "findings": [', '    {"a": 1},', '    {"a": 2}']
