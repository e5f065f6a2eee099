"""A backup subflow stands by."""

from mptcp_check.analysis import backup
from mptcp_check.analysis.diagnose import diagnose
from traces import TWO_PATHS, captures

IDLE = "\n".join(line for line in TWO_PATHS.splitlines() if "0.1 < PSH" not in line)


def said(text: str) -> str:
    return backup.words(diagnose(*captures(text)).connections)


def test_a_backup_path_without_data_stood_by() -> None:
    assert said(IDLE) == "the backup path stood by: no data went over it"


def test_data_on_the_backup_path_are_told() -> None:
    assert said(TWO_PATHS) == "1000 bytes went over the backup path while the first one lived"


def test_without_any_connection_nothing_went_over_it() -> None:
    assert backup.words([]) == "the backup path stood by: no data went over it"
