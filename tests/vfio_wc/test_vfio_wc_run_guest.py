# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""vfio-wc run on real kernels: Debian's own dpdk-testpmd of three releases on Debian's kernel, with the module and
without it; and a device that is opened without its group, on a kernel that has that."""

import contextlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from harness import IVSHMEM_SIZE, testpmd, vfio_wc
from harness.guest import Guest, ivshmem, stock_dpdk
from harness.vfio_wc import BAD, GOOD

HERE = Path(__file__).resolve().parent
RELEASES = ["22.11", "24.11", "25.11"]
OLDEST = RELEASES[0]
NB_DEVICES = 2
BAR_SIZE = 16 << 10
GRANTED = "BAR4 write-combining granted"
NO_FEATURE = "(the kernel's vfio-pci has no alias regions)"


def virtio_nets():
    """Unlike that of other devices, their BAR4 is prefetchable."""
    return [word for number in range(NB_DEVICES) for word in
            ("-netdev", f"hubport,hubid=0,id=n{number}", "-device",
             f"virtio-net-pci,netdev=n{number},mac=02:00:00:00:00:0{number},disable-legacy=on,iommu_platform=on")]


class Place:
    """A guest with two virtio-nets, in which a root of Debian's DPDK has devices, /proc, /sys and /run of its own."""

    def __init__(self, guest, directory, release):
        self.guest = guest
        self.root = stock_dpdk(release, fetch=release == OLDEST)
        self.release = release
        self.directory = directory
        self.bdfs = [guest.take("1af4:1041", index) for index in range(NB_DEVICES)]
        guest.run(f"for dir in dev proc run sys; do mount --rbind /$dir {self.root}/$dir; done; "
                  f"mkdir /run/vfio-wc; cp {directory}/vfio-wc {directory}/*.so /run/vfio-wc; "
                  f"mount -t tmpfs tmpfs {self.root}/tmp", check=True)

    def inside(self, command):
        return f"chroot {self.root} {command}"

    @contextlib.contextmanager
    def testpmd(self, options, eal="", arguments=""):
        """One that sends, under "vfio-wc run" with options, or under nothing if they are None."""
        run = "" if options is None else f"/run/vfio-wc/vfio-wc run {options} -- "
        allow = " ".join(f"-a {bdf}" for bdf in self.bdfs)
        pmd = testpmd.in_guest(self.guest, "/usr/bin/dpdk-testpmd", f"{allow} {eal}",
                               f"--total-num-mbufs=2048 --no-mlockall --no-lsc-interrupt {arguments}",
                               before=self.inside(run))
        try:
            yield pmd
        finally:
            pmd.quit()

    def bars(self):
        return " ".join(f"--bar {bdf}:4" for bdf in self.bdfs)

    def lines(self, pmd):
        return re.findall(r"vfio-wc: ([^\r\n]*)", pmd.log)

    def effective(self, pid="$(pidof dpdk-testpmd)"):
        """Memory types of each mapping of a BAR4, or of its alias, that a process has."""
        maps = self.guest.run(f"grep vfio-device /proc/{pid}/maps", check=True).out
        found = []
        for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) ", maps, re.M):
            start, length = int(start, 16), int(end, 16) - int(start, 16)
            if length == BAR_SIZE:
                found.append(self.guest.effective_types(start, length))
        return found

    def status(self):
        result = self.guest.run(self.inside("/run/vfio-wc/vfio-wc status --json"))
        assert result.err == "", result.err
        return result.rc, json.loads(result.out)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("vfio-wc")
    vfio_wc.build(directory)
    vfio_wc.build_library(directory)
    return directory


@pytest.fixture
def start(programs):
    with contextlib.ExitStack() as ends:
        def boot(kernel, release=OLDEST):
            stock_dpdk(release, fetch=release == OLDEST)
            guest = ends.enter_context(Guest(kernel=kernel, devices=virtio_nets(), append="hugepages=64", memory=1024))
            return Place(guest, programs, release)

        yield boot


def send(pmd):
    pmd("set fwd txonly")
    pmd("start")


@pytest.mark.parametrize("release", RELEASES)
def test_effective(start, release):
    place = start("module-6.12", release)
    with place.testpmd(f"{place.bars()} --mode strict", "-v") as pmd:
        send(pmd)
        assert f"RTE Version: 'DPDK {release}." in pmd.log
        assert place.lines(pmd) == [f"{bdf}: {GRANTED}" for bdf in place.bdfs]
        assert place.effective() == [{"WC"}] * NB_DEVICES
        status, state = place.status()
        assert (status, [user["request"] for user in state["users"]]) == (GOOD, ["mapped"] * NB_DEVICES)
        assert {user["preload"] for user in state["users"]} == {
            f"vfio-wc run --bar {','.join(f'{bdf}:4' for bdf in place.bdfs)} --mode strict"}
        assert [mapping["effective"] for mapping in state["mappings"]] == ["WC"] * NB_DEVICES
    if release != OLDEST:
        return
    # One of them, and nothing at all
    with place.testpmd(f"--bar {place.bdfs[1]}") as pmd:
        send(pmd)
        assert place.lines(pmd) == [f"{place.bdfs[1]}: {GRANTED}"]
        assert sorted(map(sorted, place.effective())) == [["UC-"], ["WC"]]
    with place.testpmd("") as pmd:
        send(pmd)
        assert (place.lines(pmd), place.effective()) == ([], [{"UC-"}] * NB_DEVICES)


@pytest.mark.parametrize("release", RELEASES)
def test_control_kernels_own_driver(start, release):
    place = start("vfio-6.12", release)
    with place.testpmd(place.bars()) as pmd:
        send(pmd)
        assert place.lines(pmd) == [f"{bdf}: BAR4 default mapping {NO_FEATURE}" for bdf in place.bdfs]
        assert place.effective() == [{"UC-"}] * NB_DEVICES
        status, state = place.status()
        assert (status, [user["request"] for user in state["users"]]) == (BAD, ["not-mapped"] * NB_DEVICES)
    # The probes fail; some releases do not come to a mapping of the second device.
    with place.testpmd(f"{place.bars()} --mode strict") as pmd:
        refused = [f"{bdf}: BAR4 not mapped {NO_FEATURE}; for the default mapping use --mode auto, or "
                   "VFIO_WC_MODE=auto" for bdf in place.bdfs]
        assert place.lines(pmd) in (refused, refused[:1])
        assert f"{place.bdfs[0]} mapping BAR4 failed: Operation not supported" in pmd.log
        assert "No probed ethernet devices" in pmd.log


def test_secondary_process(start):
    """It maps through a descriptor of its own, at the address of the primary."""
    place = start("module-6.12")
    with place.testpmd(place.bars(), "--proc-type=primary") as primary, \
            place.testpmd(place.bars(), "--proc-type=secondary") as secondary:
        for pmd in primary, secondary:
            assert place.lines(pmd) == [f"{bdf}: {GRANTED}" for bdf in place.bdfs]
        mappings = place.status()[1]["mappings"]
        places = [(mapping["pid"], mapping["device"], mapping["start"]) for mapping in mappings]
        first, second = sorted({pid for pid, _, _ in places})
        assert [(second, *rest) for pid, *rest in places if pid == first] == [
            found for found in places if found[0] == second]
        assert len(places) == 2 * NB_DEVICES


@pytest.mark.parametrize("kernel", ["6.12/full", "6.12/unpatched"])
@pytest.mark.parametrize("selected", ["", ":0"])
def test_cdev(programs, memory, kernel, selected):
    """A device that is opened without a group, as programs that use iommufd do. Debian's kernels lack it."""
    effective = {"WC" if (kernel, selected) == ("6.12/full", "") else "UC-"}
    program = programs / "map-bars"
    subprocess.run(["gcc", "-O2", "-o", program, HERE / "map-bars.c", "-pthread"], check=True)
    with Guest(kernel=kernel, devices=ivshmem(memory("cdev", IVSHMEM_SIZE), IVSHMEM_SIZE)) as guest:
        bdf = guest.take("1af4:1110")
        cdev = guest.run(f"ls /sys/bus/pci/devices/{bdf}/vfio-dev", check=True).out.strip()
        terminal = guest.spawn(f"exec {programs}/vfio-wc run --bar {bdf}{selected} -- {program} "
                               f"/dev/vfio/devices/{cdev} /dev/iommu 2:0:{IVSHMEM_SIZE:x} hold")
        terminal.expect("holding")
        said = {"WC": f"vfio-wc: {bdf}: BAR2 write-combining granted", "UC-": "default mapping" if not selected else ""}
        assert said[min(effective)] in terminal.before and ("vfio-wc" in terminal.before) == (selected == "")
        assert guest.effective_types(0x600000000000 + (2 << 30), IVSHMEM_SIZE) == effective
        guest.run("pkill -9 map-bars")
