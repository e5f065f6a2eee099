from mptcp_appliance.kernel_progress import counter

LINES = """\
make: Entering directory '/s'
  GEN     Makefile
  CC      kernel/fork.o
  AR      drivers/net/built-in.a
ld: warning: something
  HDRINST usr/include/linux/mptcp.h
  CC      net/mptcp/protocol.o
  LD [M]  x.ko
"""


def test_a_person_reads_the_share_of_the_steps() -> None:
    said: list[str] = []
    hear = counter(said.append, about_steps=10)

    for line in LINES.splitlines():
        hear(line)

    assert said[0] == "compiling the kernel: 10 % (1 files, Makefile)"
    assert said[-2] == "compiling the kernel: 40 % (4 files, protocol.o)"
    assert len(said) == 5


def test_it_never_claims_to_be_done() -> None:
    said: list[str] = []
    hear = counter(said.append, about_steps=2)

    for _ in range(5):
        hear("  CC      a.o")

    assert said[-1] == "compiling the kernel: 99 % (5 files, a.o)"
