import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_appliance.sources import KEYRING, debian_entries

DEB822 = f"""\
# a comment
Types: deb
URIs: https://mirror.invalid/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: {KEYRING}

Types: deb deb-src
URIs: https://mirror.invalid/debian-security
Suites: bookworm-security
Components: main
Signed-By: {KEYRING}
"""


def entries(text: str, name: str = "debian.sources") -> list[dict[str, str]]:
    found = debian_entries([(name, text)], suite="bookworm")
    return [
        dict(line.split(": ", 1) for line in paragraph.splitlines())
        for paragraph in found.split("\n\n")
        if paragraph.strip()
    ]


def test_debian_and_its_updates_are_taken_backports_and_contrib_are_not() -> None:
    assert entries(DEB822) == [
        {
            "Types": "deb",
            "URIs": "https://mirror.invalid/debian",
            "Suites": "bookworm bookworm-updates",
            "Components": "main",
            "Signed-By": KEYRING,
        },
        {
            "Types": "deb",
            "URIs": "https://mirror.invalid/debian-security",
            "Suites": "bookworm-security",
            "Components": "main",
            "Signed-By": KEYRING,
        },
    ]


@pytest.mark.parametrize(
    "line",
    [
        "deb http://mirror.invalid/debian bookworm main",
        "deb [arch=amd64] http://mirror.invalid/debian bookworm main non-free-firmware",
        "  deb\thttp://mirror.invalid/debian  bookworm  main  # comment",
    ],
)
def test_one_line_entries_are_bound_to_debians_keyring(line: str) -> None:
    (found,) = entries(f"# x\n{line}\n", "sources.list")

    assert found["URIs"] == "http://mirror.invalid/debian"
    assert found["Suites"] == "bookworm"
    assert found["Components"] == "main"
    assert found["Signed-By"] == KEYRING


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.list", "deb http://stranger.invalid/apt cloud-sdk-bookworm main"),
        ("a.list", "deb http://stranger.invalid/linux/debian bookworm stable"),
        ("a.list", "deb [signed-by=/etc/apt/keyrings/other.gpg] http://s.invalid/ bookworm main"),
        ("a.list", "deb-src http://mirror.invalid/debian bookworm main"),
        ("a.list", "# deb http://mirror.invalid/debian bookworm main"),
        ("a.list", "deb http://mirror.invalid/debian trixie main"),
        ("a.sources", DEB822.replace("main", "contrib")),
        ("a.sources", DEB822.replace("Types: deb", "Enabled: no\nTypes: deb")),
        ("a.sources", DEB822.replace(KEYRING, "/usr/share/keyrings/nodesource.gpg")),
        ("a.sources", DEB822.replace("URIs", "Uri")),
        ("a.sources", DEB822.replace(KEYRING, "\n -----BEGIN PGP PUBLIC KEY BLOCK-----")),
    ],
)
def test_nothing_else_feeds_an_image(name: str, text: str) -> None:
    assert entries(text, name) == []


def test_folded_fields_are_one_field() -> None:
    folded = DEB822.replace("bookworm bookworm-updates", "bookworm\n bookworm-updates")

    assert entries(folded)[0]["Suites"] == "bookworm bookworm-updates"


@given(st.text(), st.sampled_from(["a.sources", "a.list"]))
def test_any_text_gives_debian_entries_or_none(text: str, name: str) -> None:
    for found in entries(text, name):
        assert found["Components"] == "main"
