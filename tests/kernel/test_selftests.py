# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The series' own selftest, as the kernel's build makes it, on one device after the other.

What a device cannot have tested is skipped by the program. The sets of skipped tests are compared exactly: a test
that starts to skip where it used to run is a failure here.
"""

import itertools
import re

import pytest

from harness.guest import Guest, ivshmem, kernel_dir

FULL = ["6.12/full", "7.3/full"]
COMPACT = ["7.3/compact", "7.3/compact vfio_pci.compact_offsets=1"]
NO_X86 = ["6.12/no-x86", "7.3/no-x86"]
NO_ZAP = ["6.12/no-zap", "7.3/no-zap"]
BAR_SIZE = 4 << 20

# Names as in the program, without its fixture and variant.
RESETS = {"revoke_reset", "revoke_reset_while_disabled", "revoke_hot_reset"}
TYPES = {"type_page", "type_alias_first", "type_huge_page", "type_after_revoke"}
REVOKED = RESETS | {"revoke_memory_disable", "revoke_low_power", "revoke_power_state", "type_after_revoke",
                    "same_for_other_file"}
SKIPPED = {
    # Memory, on the root bus: no reset of any kind
    "ivshmem": RESETS | {"msix_mappable", "drive_device", "revoke_power_state"},
    # The same behind a root port of its own, which can be reset
    "ivshmem-port": {"msix_mappable", "drive_device", "revoke_power_state"},
    # Intel 82574L: MSI-X in a BAR, power management with a reset, small BARs
    "e1000e": {"type_huge_page", "revoke_hot_reset"},
    # A device whose computing can be seen
    "edu": RESETS | {"msix_mappable", "type_huge_page", "revoke_power_state"},
}
DEVICES = list(SKIPPED)


def tap(text):
    """{test: "ok", "not ok" or "skip"} of TAP output, which has to be complete."""
    results = {}
    for bad, name, skip in re.findall(r"^(not )?ok \d+ (\S+)( # SKIP .*)?$", text, re.M):
        results[name] = "not ok" if bad else "skip" if skip else "ok"
    assert f"1..{len(results)}\n" in text, text
    return results


def with_result(results, result):
    return {name for name, value in results.items() if value == result}


def full_names(results, names):
    """Tests of all variants whose last component is one of names."""
    return {name for name in results if name.split(".")[-1] in names}


class Machine:
    def __init__(self, kernel, memory, append="", program=None):
        self.kernel = kernel
        self.program = program or kernel_dir(kernel) / "vfio_pci_alias_test"
        path = kernel.replace("/", "-") + append
        self.guest = Guest(kernel=kernel, append=append, devices=[
            *ivshmem(memory(f"{path}-0", BAR_SIZE), BAR_SIZE, "shm0"),
            *ivshmem(memory(f"{path}-1", BAR_SIZE), BAR_SIZE, "shm1", root_port=True),
            "-netdev", "hubport,hubid=0,id=n0", "-device", "e1000e,netdev=n0",
            "-netdev", "hubport,hubid=0,id=n1", "-device", "virtio-net-pci,netdev=n1,disable-legacy=on",
            "-device", "edu"])

    def __enter__(self):
        self.guest.__enter__()
        # Bus 0 comes first.
        root, port = sorted(self.guest.find("1af4:1110", index) for index in range(2))
        self.bdfs = {"ivshmem": root, "ivshmem-port": port, "e1000e": self.guest.find("8086:10d3"),
                     "virtio-net": self.guest.find("1af4:1041"), "edu": self.guest.find("1234:11e8")}
        return self

    def __exit__(self, *exception):
        self.guest.__exit__(*exception)

    def run(self, device, driver="vfio-pci", options=""):
        """Results of the tests, and all that the program said."""
        self.guest.bind(self.bdfs[device], driver)
        result = self.guest.run(f"{self.program} {options} {self.bdfs[device]}", timeout=300)
        text = result.out + result.err
        results = tap(result.out)
        assert result.rc == (1 if with_result(results, "not ok") else 0), text
        return results, text

    def skipped(self, device, results):
        """Tests that this device and kernel have to skip."""
        names = full_names(results, SKIPPED[device])
        names.add("alias_region.cdev.same_for_other_file")
        if "CONFIG_VFIO_PCI_DMABUF=y" not in (kernel_dir(self.kernel) / ".config").read_text():
            names |= full_names(results, {"no_dma_buf"})
        return names & set(results)


@pytest.fixture(scope="module")
def machine(request, memory):
    kernel, _, append = request.param.partition(" ")
    with Machine(kernel, memory, append) as machine:
        yield machine


# By default all devices on one base, and on the other the two that have the most tests between them
MOST_TESTS = [("7.3/full", "ivshmem"), ("7.3/full", "e1000e")]


@pytest.mark.parametrize("machine, device", [
    pytest.param(*place, marks=() if place in MOST_TESTS else pytest.mark.each_kernel)
    for place in itertools.product(FULL + COMPACT, DEVICES)], indirect=["machine"])
def test_series(machine, device):
    results, text = machine.run(device)
    assert not with_result(results, "not ok"), text
    assert with_result(results, "skip") == machine.skipped(device, results), text


def assert_exactly_fail(machine, device, names):
    results, text = machine.run(device)
    skipped = machine.skipped(device, results)
    assert with_result(results, "not ok") == full_names(results, names) - skipped, text
    assert with_result(results, "skip") == skipped, text


@pytest.mark.each_kernel
@pytest.mark.parametrize("device", ["ivshmem", "e1000e"])
@pytest.mark.parametrize("machine", NO_X86, indirect=True)
def test_control_without_x86_patch(machine, device):
    """The tests that read the type back fail, and no others."""
    assert_exactly_fail(machine, device, TYPES)


@pytest.mark.each_kernel
@pytest.mark.parametrize("device", ["ivshmem-port", "e1000e"])
@pytest.mark.parametrize("machine", NO_ZAP, indirect=True)
def test_control_without_revocation(machine, device):
    """The tests of revocation fail, and no others."""
    assert_exactly_fail(machine, device, REVOKED)


def test_control_unpatched(memory):
    """vfio-pci without the feature is a failure of every test, not a reason to skip; without /dev/iommu it is one."""
    program = kernel_dir("6.12/full") / "vfio_pci_alias_test"
    with Machine("vfio-6.12", memory, program=program) as machine:
        results, text = machine.run("ivshmem")
        assert results == {name: "skip" if ".cdev." in name else "not ok" for name in results}, text
        assert "not ok" in results.values(), text


# In 7.3 all variant drivers that this guest has offer the feature.
@pytest.mark.parametrize("machine", ["6.12/full"], indirect=True)
def test_variant_driver_is_skipped(machine):
    results, text = machine.run("virtio-net", "virtio_vfio_pci")
    assert set(results.values()) == {"skip"}, text
    assert "driver does not offer alias regions" in text


@pytest.mark.parametrize("kernel", FULL)
def test_machine_without_wc_is_skipped(memory, kernel):
    """The feature is tested all the same."""
    with Machine(kernel, memory, append="nopat") as machine:
        results, text = machine.run("ivshmem")
        assert with_result(results, "skip") == {name for name in results if name.startswith("alias_region.")}, text
        assert not with_result(results, "not ok"), text
        assert "cannot map device memory write-combining" in text


@pytest.mark.parametrize("machine", FULL, indirect=True)
def test_device_from_environment(machine):
    machine.guest.bind(machine.bdfs["edu"])
    result = machine.guest.run(f"VFIO_SELFTESTS_BDF={machine.bdfs['edu']} {machine.program} -t drive_device")
    assert with_result(tap(result.out), "ok") == {"alias_region.group.drive_device",
                                                  "alias_region.cdev.drive_device"}, result
    # Without any, the exit status says that all is skipped.
    assert machine.guest.run(f"{machine.program}").rc == 4
