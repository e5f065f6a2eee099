"""How refusals are described to those who write clients."""

from mptcp_check.problems.answers import documented
from mptcp_check.problems.problem import Problems

PROBLEMS = Problems(
    titles={"full": (503, "Full"), "down": (503, "Down"), "gone": (410, "Gone")},
    retry_after_s={"full": 60},
    by_status={},
)


def test_where_waiting_helps_the_header_field_is_described() -> None:
    answers = documented(PROBLEMS, "full", "down", "gone")

    field = answers[503]["headers"]["Retry-After"]
    assert (field["schema"]["type"], field["description"].endswith("with full.")) == (
        "integer",
        True,
    )
    assert "headers" not in answers[410]
