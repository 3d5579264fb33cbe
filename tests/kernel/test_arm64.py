# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Alias regions of the patched kernel on arm64: QEMU's virt machine with SMMUv3.

Run by devtools/wc-arm64. Elsewhere only where the kernel is built already.
"""

import os
import re
import shutil
import subprocess

import pytest

from harness import TOP
from harness.guest import ivshmem, kernel_dir
from harness.guest_arm64 import Arm64Guest
from harness.vfio_alias import BAR_SIZE, E1000E, LOOK_AT_TYPE, RESETS, SOURCE, TESTS, Machine, tap

COMPILER = "aarch64-linux-gnu-gcc"
# pgprot_noncached() and pgprot_writecombine(), arch/arm64/include/asm/pgtable.h
DEVICE, NORMAL_NC = "Device-nGnRnE", "Normal-NC"
# Those of vfio-alias that need something particular.
ELSEWHERE = {
    "types-1g": "test_1g",
    "msix-mappable": "test_msix_mappable",
    "enotty": "test_enotty_on_variant_driver",
}
NOT_ON_ARM64 = {
    "refused-where-wc": "runs on x86 only: arm64 does not give all mappings of a range the type of the first",
    "granted-where-uc": "runs on x86 only: see refused-where-wc",
    "stays-uc": "runs on x86 only: see refused-where-wc",
    "first-use-at-once": "runs on x86 only: nothing in it depends on the machine",
    "enospc": "runs on x86 only: needs a kernel that is patched for the test, and nothing in it depends on the machine",
    "narrow-bar": "runs on x86 only: what narrows is not the machine",
    "narrow-alias": "runs on x86 only: what narrows is not the machine",
    "eopnotsupp": "every arm64 has Normal-NC: the machine that cannot do write-combining is x86 booted with nopat",
}
# Without the alias's own offset, these notice something else than the type.
LOOK_AT_OFFSET = {"maps-offset", "describe", "gone-after-close", "no-read-write", "no-ioeventfd"}


def missing(base):
    """Why the kernel of a base cannot run here; empty if it can. devtools/wc-arm64 asks for all of them."""
    if os.environ.get("WC_ARM64") == "1":
        return ""
    for program in COMPILER, "qemu-system-aarch64":
        if not shutil.which(program):
            return f"no {program}"
    cached = subprocess.run([TOP / "devtools/build-kernel", "--cached", f"{base}/arm64"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    return "" if cached.returncode == 0 else f"kernel {base}/arm64 is not built"


BASES = [base for base in ("6.12", "7.3") if not missing(base)]
if not BASES:
    pytest.skip(f"{missing('6.12')}: devtools/wc-arm64 installs and builds what is needed and runs these tests",
                allow_module_level=True)


class Arm64Machine(Machine):
    """Like Machine: ivshmems on the root bus (0), on it and spare (1) and behind a root port (2)."""

    def __init__(self, kernel, memory, guest_program, devices=(), sizes=(BAR_SIZE,) * 3):
        self.program = guest_program("kernel/vfio-alias", COMPILER)
        self.map_type = guest_program("kernel/map-type", COMPILER)
        self.kernel = kernel
        paths = [memory(f"{kernel.replace('/', '-')}-{number}", size) for number, size in enumerate(sizes)]
        self.guest = Arm64Guest(kernel, devices=[
            *ivshmem(paths[0], sizes[0], "shm0"), *ivshmem(paths[1], sizes[1], "shm1", root_port=True),
            *ivshmem(paths[2], sizes[2], "shm2"), *devices])
        self.results = {}

    def __enter__(self):
        super().__enter__()
        self.guest.run(f"insmod {kernel_dir(self.kernel)}/pgtable_probe.ko", check=True)
        return self

    def has_option(self, option):
        return f"\nCONFIG_{option}=y\n" in (kernel_dir(self.kernel) / ".config").read_text()


@pytest.fixture(scope="module", params=BASES)
def machine(request, memory, guest_program):
    with Arm64Machine(f"{request.param}/arm64", memory, guest_program, devices=E1000E) as machine:
        yield machine


def test_every_test_is_run_or_named():
    names = re.findall(r'\{ "([a-z0-9-]+)", \w+, (?:true|false) \}', SOURCE)
    assert sorted(names) == sorted([*TESTS, *RESETS, *ELSEWHERE, *NOT_ON_ARM64])


@pytest.mark.parametrize("name", TESTS + RESETS)
def test_series(machine, name):
    assert machine.passed(name), machine.out


@pytest.mark.parametrize("name, size", [("types-4k", "4K"), ("types-2m", "2M")])
def test_bar_is_device_and_alias_is_normal(machine, name, size):
    """As the descriptors themselves say: AttrIndx, bits 4:2, are different, where they point to is the same."""
    _results, out = machine.run(machine.bdfs[0], name)
    lines = {who: rest for who, *rest in re.findall(r"^# (BAR|alias) +(\S+) 0x([0-9a-f]{16}) (\S+)$", out, re.M)}
    bar, alias = lines["BAR"], lines["alias"]
    assert (bar[0], bar[2]) == (size, DEVICE)
    assert (alias[0], alias[2]) == (size, NORMAL_NC)
    address = (1 << 48) - (1 << 12)
    start, _length = machine.guest.bar(machine.bdfs[0], 2)
    assert int(bar[1], 16) & address == int(alias[1], 16) & address == start
    assert int(bar[1], 16) >> 2 & 7 != int(alias[1], 16) >> 2 & 7


@pytest.mark.parametrize("name", sorted(LOOK_AT_TYPE))
def test_control_bar_in_place_of_alias(machine, name):
    """What looks at the type of the alias notices that it is given the BAR, by the type."""
    bdf = machine.bdfs[2 if name in RESETS else 0]
    result = machine.guest.run(f"{machine.program} -b {bdf} {name}", timeout=120)
    assert tap(result.out) == {name: False}, result.out
    assert re.search(f"is {DEVICE} (4K|2M), expected {NORMAL_NC} (4K|2M)$", result.out, re.M), result.out


@pytest.mark.parametrize("name", sorted(set(TESTS) - LOOK_AT_TYPE - LOOK_AT_OFFSET))
def test_control_bar_in_place_of_alias_is_else_the_same(machine, name):
    result = machine.guest.run(f"{machine.program} -b {machine.bdfs[0]} {name}", timeout=120)
    assert tap(result.out) == {name: True}, result.out


@pytest.mark.parametrize("resource, expected", [("resource2", "Device-nGnRE 4K"), ("resource2_wc", "Normal-NC 4K")])
def test_probe_of_mappings_without_vfio(machine, resource, expected):
    """The test's own eye: sysfs maps with pgprot_device() and pgprot_writecombine()."""
    device = f"/sys/bus/pci/devices/{machine.bdfs[1]}"
    result = machine.guest.run(f"echo 1 >{device}/enable && {machine.map_type} {device}/{resource} 0 4096", check=True)
    assert result.out.strip() == expected


def test_probe_of_memory(machine):
    result = machine.guest.run(f"head -c 4096 /dev/zero >/dev/shm/page && {machine.map_type} /dev/shm/page 0 4096",
                               check=True)
    assert result.out.strip() == "Normal 4K"


@pytest.mark.parametrize("base", BASES)
def test_1g(base, memory, guest_program):
    with Arm64Machine(f"{base}/arm64", memory, guest_program, sizes=[1 << 30, BAR_SIZE, BAR_SIZE]) as machine:
        if not machine.has_option("ARCH_SUPPORTS_PUD_PFNMAP"):
            pytest.skip(f"types-1g: Linux {base} has no PUD mappings of PFNs on arm64")
        big = next(bdf for bdf in machine.bdfs if machine.guest.bar(bdf, 2)[1] == 1 << 30)
        results, out = machine.run(big, "types-1g")
        assert results["types-1g"], out


def test_msix_mappable(machine):
    bdf = machine.guest.take("8086:10d3")
    results, out = machine.run(bdf, "msix-mappable")
    assert results["msix-mappable"], out


def test_enotty_on_variant_driver(machine):
    if machine.kernel.startswith("7.3"):
        pytest.skip("7.3's nvgrace-gpu waits for its own device to be ready, and there is no other variant driver here")
    bdf = machine.guest.find("8086:10d3")
    machine.guest.bind(bdf, "nvgrace_gpu_vfio_pci")
    results, out = machine.run(bdf, "enotty")
    assert results["enotty"], out
    # The same device with plain vfio-pci: the driver makes the difference.
    machine.guest.bind(bdf, "vfio-pci")
    results, out = machine.run(bdf, "enotty")
    assert not results["enotty"], out


def test_kernel_selftest(machine):
    selftest = kernel_dir(machine.kernel) / "vfio_pci_alias_test"
    if not selftest.exists():
        pytest.skip(f"vfio_pci_alias_test: the series of {machine.kernel} has no selftest")
    result = machine.guest.run(f"{selftest} {machine.bdfs[0]}", timeout=120)
    # It skips what it reads from x86's page-table dump, and says so.
    passed = re.findall(r"^ok \d+ (?!.*# SKIP)", result.out, re.M)
    assert result.rc == 0 and passed and "not ok" not in result.out, result
