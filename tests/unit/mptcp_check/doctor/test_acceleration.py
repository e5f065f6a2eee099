import pytest

from mptcp_check.doctor.acceleration import Processor, cpu_flags, judge
from mptcp_check.doctor.check import Status
from mptcp_check.machines.accelerator import Accelerator

KVM = Accelerator(name="kvm", reason="a guest booted with it in time")
TCG = Accelerator(name="tcg", reason="KVM cannot be used: permission denied")


@pytest.mark.parametrize(
    ("last", "processor", "status", "words"),
    [
        (KVM, Processor(platform="linux"), Status.PASS, "KVM has booted a guest"),
        (TCG, Processor(platform="linux", kvm_usable=True), Status.WARN, "nothing to do"),
        (TCG, Processor(platform="linux", kvm_there=True), Status.WARN, "usermod -aG kvm"),
        (
            TCG,
            Processor(platform="linux", kvm_usable=True, flags=frozenset({"hypervisor"})),
            Status.WARN,
            "its nested virtualization does not work",
        ),
        (None, Processor(platform="linux", kvm_usable=True), Status.PASS, "the first run tries"),
        (None, Processor(platform="linux", kvm_there=True), Status.WARN, "not yours to open"),
        (
            None,
            Processor(platform="linux", flags=frozenset({"vmx", "hypervisor"})),
            Status.WARN,
            "modprobe",
        ),
        (
            None,
            Processor(platform="linux", flags=frozenset({"hypervisor"})),
            Status.WARN,
            "nested virtualization",
        ),
        (None, Processor(platform="linux", flags=frozenset({"fpu"})), Status.WARN, "firmware"),
        (None, Processor(platform="linux"), Status.WARN, "nothing to do"),
        (
            None,
            Processor(platform="darwin", hypervisor_framework=True),
            Status.PASS,
            "Hypervisor framework",
        ),
        (None, Processor(platform="darwin"), Status.WARN, "no Hypervisor framework"),
    ],
)
def test_help_by_the_processor_is_told_from_what_booted_and_else_from_what_is_offered(
    last: Accelerator | None, processor: Processor, status: Status, words: str
) -> None:
    check = judge(last, processor)
    assert check.status is status
    assert words in f"{check.detail} / {check.advice}"


def test_the_flags_of_a_processor_are_read() -> None:
    cpuinfo = "processor\t: 0\nflags\t\t: fpu vmx sse4_2\nbugs\t: none\n"
    assert cpu_flags(cpuinfo) == {"fpu", "vmx", "sse4_2"}
    assert cpu_flags("Features : fp asimd\n") == frozenset()
