from mptcp_appliance.narrate import narrator

LINES = """\
I: automatically chosen mode: root
I: running apt-get update...
Get:4 http://mirror.invalid/debian bookworm/main amd64 Packages [8790 kB]
I: downloading packages with apt...
0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://mirror.invalid/debian bookworm/main amd64 curl amd64 7.88.1-10 [315 kB]
Get:2 http://mirror.invalid/debian bookworm/main amd64 bash amd64 5.2-1 [1491 kB]
Selecting previously unselected package curl.
Unpacking curl (7.88.1-10) ...
Unpacking libc6:amd64 (2.36) ...
0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.
Setting up curl (7.88.1-10) ...
"""


def test_a_person_reads_how_far_it_is() -> None:
    said: list[str] = []
    hear = narrator(said.append)

    for line in LINES.splitlines():
        hear(line)

    assert said == [
        "running apt-get update",
        "downloading the package list of bookworm/main (8790 kB)",
        "downloading curl, 315 kB (1 of 2)",
        "downloading bash, 1491 kB (2 of 2)",
        "unpacking curl (1 of 2)",
        "unpacking libc6 (2 of 2)",
        "setting up curl (1 of 3)",
    ]
