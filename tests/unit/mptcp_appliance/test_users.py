import pytest

from mptcp_appliance.declaration import User
from mptcp_appliance.errors import ImageError
from mptcp_appliance.users import FILES, with_users

MPTCP = User(name="mptcp", id=1000, home="/srv/ftp", shell="/bin/sh")  # noqa: S604 - a field


@pytest.mark.parametrize(
    ("path", "before", "line"),
    [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n", "mptcp:x:1000:1000::/srv/ftp:/bin/sh"),
        ("etc/group", "root:x:0:\n", "mptcp:x:1000:"),
        ("etc/shadow", "root:*:19000:0:99999:7:::\n", "mptcp:*::0:99999:7:::"),
        ("etc/gshadow", "root:*::\n", "mptcp:!::"),
    ],
)
def test_a_user_is_one_line_in_each_file_and_has_no_password(
    path: str, before: str, line: str
) -> None:
    assert path in FILES
    assert with_users(path, before, [MPTCP]) == f"{before}{line}\n"


@pytest.mark.parametrize("row", ["mptcp:x:5:5::/:/bin/sh\n", "other:x:1000:5::/:/bin/sh\n"])
def test_a_name_or_number_that_a_package_took_is_refused(row: str) -> None:
    with pytest.raises(ImageError, match=r"mptcp \(1000\) is already in etc/passwd"):
        with_users("etc/passwd", row, [MPTCP])
