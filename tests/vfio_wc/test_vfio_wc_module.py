# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""vfio-wc on Debian's kernels with the module of kernel-module/: it tells WC from UC- for a testpmd that runs."""

import contextlib
import json
import subprocess

import pytest

from harness import IVSHMEM_SIZE, TOP, testpmd, vfio_wc
from harness.guest import Guest, build_module, ivshmem
from harness.kernels import STOCK
from harness.programs import host_command
from harness.vfio_wc import BAD, GOOD, UNKNOWN, parse_doctor

FRAMES = 1000
# The module inserts pages as other drivers do, which x86 then maps uncached, and does not notice.
FAULTS = [word for name in ("insert-tracked", "no-readback") for word in
          ("--patch", TOP / f"tests/kernel/module/{name}.patch")]


class Place:
    """A guest with an ivshmem device that is bound to the module, or to the kernel's own vfio-pci."""

    def __init__(self, guest, path, program, release):
        self.guest = guest
        self.path = path
        self.program = program
        self.release = release
        self.bdf = guest.take("1af4:1110")

    @contextlib.contextmanager
    def testpmd(self, options):
        """One in the guest that sends back what it receives, once a server has laid out the memory."""
        testpmd.on_host(self.release / "dpdk-testpmd", 0, f"--vdev net_ivshmem0,path={self.path},role=server",
                        "--total-num-mbufs=2048 --no-mlockall").quit()
        pmd = testpmd.in_guest(self.guest, self.release / "dpdk-testpmd", f"-a {self.bdf} {options}",
                               "--forward-mode=io --total-num-mbufs=2048 --no-mlockall --auto-start")
        try:
            yield pmd
        finally:
            pmd.quit()

    def echo(self):
        """Send frames, so that the slots are touched."""
        subprocess.run(host_command(self.release, self.path, "server", "ivshmem-echo", str(FRAMES)), check=True,
                       stdout=subprocess.DEVNULL, timeout=300)

    def status(self):
        result = self.guest.run(f"{self.program} status --json")
        assert result.err == "", result.err
        return result.rc, json.loads(result.out)


@pytest.fixture
def start(memory, tmp_path, release):
    """Boot a kernel and load vfio-pci."""
    with contextlib.ExitStack() as ends:
        def boot(kernel, driver):
            path = memory(f"vfio-wc-{kernel}", IVSHMEM_SIZE)
            guest = ends.enter_context(Guest(kernel=kernel, devices=ivshmem(path, IVSHMEM_SIZE), append="hugepages=64"))
            guest.load_vfio(driver)
            return Place(guest, path, vfio_wc.build(tmp_path), release)

        yield boot


@pytest.mark.each_kernel
@pytest.mark.parametrize("kernel", STOCK)
def test_module(start, kernel):
    check_effective(start(kernel, build_module(kernel)), "WC")


@pytest.mark.each_kernel
@pytest.mark.parametrize("kernel", STOCK)
def test_control_module_with_a_fault(start, kernel):
    check_effective(start(kernel, build_module(kernel, *FAULTS)), "UC-")


def check_effective(place, effective):
    with place.testpmd("--vfio-wc"):
        status, state = place.status()
        mapping, = state["mappings"]
        assert (status, mapping["effective"], mapping["reason"]) == (UNKNOWN, None, "no page is present yet")
        place.echo()
        status, state = place.status()
        pid = int(place.guest.run("pidof dpdk-testpmd", check=True).out)
        assert state["kernel"]["implementation"] == "module" and state["notes"] == []
        user, = state["users"]
        assert (user["device"], user["pid"], user["open"], user["request"]) == (place.bdf, pid, "yes", "mapped")
        mapping, = state["mappings"]
        assert (mapping["device"], mapping["pid"], mapping["bar"]) == (place.bdf, pid, 2)
        assert mapping["effective"] == effective and mapping["pages_4k"] + mapping["pages_2m"] > 0
        assert status == (GOOD if effective == "WC" else BAD)
    status, state = place.status()
    assert status == GOOD and state["mappings"] == []
    # What the program itself maps
    result = place.guest.run(f"{place.program} measure {place.bdf} --scratch 2:0:4096")
    assert (result.rc, result.err) == (UNKNOWN, "") and f"granted   yes\neffective {effective}\n" in result.out


def test_kernels_own_driver(start):
    """The control: the same request is not granted."""
    place = start("stock-6.12", None)
    with place.testpmd("--vfio-wc"):
        status, state = place.status()
        assert (status, state["users"][0]["request"], state["mappings"]) == (BAD, "not-mapped", [])
        checks = parse_doctor(place.guest.run(f"{place.program} doctor").out)
        assert checks["kernel"][:2] == ("PROBLEM", "the loaded vfio-pci has no alias regions")
