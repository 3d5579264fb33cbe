# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""vfio-wc on kernels with the series: it finds a testpmd, and tells WC from UC- for what that has mapped."""

import contextlib
import json
import subprocess
from pathlib import Path

import pytest

from harness import IVSHMEM_SIZE, testpmd, vfio_wc
from harness.guest import Guest, ivshmem
from harness.programs import host_command
from harness.vfio_wc import BAD, GOOD, UNKNOWN, parse_doctor

# What is effective of a mapping that is granted, by kernel; nothing is where the series is missing.
EFFECTIVE = {"full": "WC", "no-x86": "UC-", "vfio-6.12": None, "7.3/full": "WC", "7.3/no-x86": "UC-",
             "7.3/compact": "WC"}
BY_DEFAULT = ["full", "no-x86", "vfio-6.12"]
FRAMES = 100
HERE = Path(__file__).resolve().parent


class Place:
    """A guest with two ivshmem devices, and the program. The second device is bound to vfio-pci for one test."""

    def __init__(self, guest, paths, program, release):
        self.guest = guest
        self.paths = paths
        self.program = program
        self.release = release
        self.bdf, self.other = (guest.find("1af4:1110", index) for index in range(2))

    def testpmd(self, options="", devices=(), telemetry=False):
        bdfs = devices or [self.bdf]
        for bdf in bdfs:
            self.guest.bind(bdf)
        allowed = " ".join(f"-a {bdf},role=server" for bdf in bdfs)
        return testpmd.in_guest(self.guest, self.release / "dpdk-testpmd", f"{allowed} {options}",
                                "--forward-mode=io --total-num-mbufs=2048 --no-mlockall --auto-start",
                                telemetry=telemetry)

    def echo(self):
        """Send frames to the first device, so that slots are touched."""
        subprocess.run(host_command(self.release, self.paths[0], "client", "ivshmem-echo", str(FRAMES)), check=True,
                       stdout=subprocess.DEVNULL, timeout=300)

    def run(self, arguments):
        return self.guest.run(f"{self.program} {arguments}")

    def status(self, arguments=""):
        """(exit status, the object of --json)"""
        result = self.run(f"status --json {arguments}")
        assert result.err == "", result.err
        return result.rc, json.loads(result.out)


ONLY_FULL = pytest.mark.parametrize("place", ["full"], indirect=True)
on_each_base = pytest.mark.parametrize("place", ["full", pytest.param("7.3/full", marks=pytest.mark.each_kernel)],
                                       indirect=True)


@pytest.fixture(scope="module", params=[kernel if kernel in BY_DEFAULT else
                                        pytest.param(kernel, marks=pytest.mark.each_kernel) for kernel in EFFECTIVE])
def place(request, memory, tmp_path_factory, release):
    paths = [memory(f"vfio-wc-{request.param.replace('/', '-')}-{index}", IVSHMEM_SIZE) for index in range(2)]
    devices = [word for index, path in enumerate(paths) for word in ivshmem(path, IVSHMEM_SIZE, f"shm{index}")]
    with Guest(kernel=request.param, devices=devices, append="hugepages=64") as guest:
        place = Place(guest, paths, vfio_wc.build(tmp_path_factory.mktemp("vfio-wc")), release)
        place.kernel = request.param
        yield place


def test_nothing_runs(place):
    place.guest.bind(place.bdf)
    status, state = place.status()
    assert status == GOOD and state["users"] == state["mappings"] == state["notes"] == []
    device, = state["devices"]
    assert (device["device"], device["id"], device["driver"]) == (place.bdf, "1af4:1110", "vfio-pci")
    assert [(bar["bar"], int(bar["start"], 16), bar["size"], bar["prefetchable"]) for bar in device["bars"]
            if bar["bar"] == 2] == [(2, *place.guest.bar(place.bdf, 2), True)]
    assert device["implementation"] == ("none" if place.kernel == "vfio-6.12" else "series")


def test_write_combining(place):
    """The kernel without the x86 part grants it, too, and maps UC-: the control."""
    effective = EFFECTIVE[place.kernel]
    pmd = place.testpmd("--vfio-wc")
    try:
        status, state = place.status()
        user, = state["users"]
        pid = int(place.guest.run("pidof dpdk-testpmd", check=True).out)
        assert (user["device"], user["pid"], user["command"], user["open"]) == (place.bdf, pid, "dpdk-testpmd", "yes")
        assert user["option"] == "--vfio-wc"
        if place.kernel == "vfio-6.12":
            assert (status, user["request"], state["mappings"]) == (BAD, "not-mapped", [])
            return
        assert user["request"] == "mapped"
        place.echo()
        status, state = place.status()
        mapping, = state["mappings"]
        assert (mapping["device"], mapping["pid"], mapping["bar"], mapping["asked"]) == (place.bdf, pid, 2, "WC")
        assert (mapping["effective"], mapping["reason"]) == (effective, None)
        assert mapping["pages_4k"] + mapping["pages_2m"] > 0
        assert status == (GOOD if effective == "WC" else BAD)
        assert mapping["start"][2:] in place.guest.run(f"grep vfio-device /proc/{pid}/maps").out
        assert place.status(f"--pid {pid}") == (status, state)
    finally:
        pmd.quit()
    # Nothing is left of it.
    status, state = place.status()
    assert status == GOOD and state["users"] == state["mappings"] == []


def test_telemetry(place):
    """What the process tells that it was granted stands beside what is effective; one that hangs tells nothing."""
    pmd = place.testpmd("--vfio-wc", telemetry=True)
    try:
        place.echo()
        status, state = place.status()
        told = state["users"][0]["telemetry"]
        granted = place.kernel != "vfio-6.12"
        assert told == {"error": None, "bars": [{
            "bar": 2, "state": "granted" if granted else "refused", "activated": False,
            "reason": None if granted else "the kernel's vfio-pci has no alias regions"}]}
        assert [mapping["effective"] for mapping in state["mappings"]] == [EFFECTIVE[place.kernel]] * granted
        assert status == (GOOD if EFFECTIVE[place.kernel] == "WC" else BAD)
        place.guest.run("kill -STOP $(pidof dpdk-testpmd)", check=True)
        stopped = place.status()
        place.guest.run("kill -CONT $(pidof dpdk-testpmd)", check=True)
        assert stopped[1]["users"][0]["telemetry"] == {"error": "its telemetry does not answer", "bars": []}
        assert (stopped[0], stopped[1]["mappings"]) == (status, state["mappings"])
    finally:
        pmd.quit()


@on_each_base
def test_two_devices(place):
    """The kernel tells which mapping is whose; without debugfs that is not known, but both are open."""
    bdfs = [place.bdf, place.other]
    pmd = place.testpmd("--vfio-wc", bdfs)
    try:
        status, state = place.status()
        assert [mapping["device"] for mapping in state["mappings"]] == bdfs
        assert [(user["device"], user["request"]) for user in state["users"]] == [(bdf, "mapped") for bdf in bdfs]
        place.guest.run("umount /sys/kernel/debug", check=True)
        status, state = place.status()
        assert [(user["device"], user["open"]) for user in state["users"]] == [(bdf, "yes") for bdf in bdfs]
        assert [(mapping["device"], mapping["candidates"]) for mapping in state["mappings"]] == [(None, bdfs)] * 2
        assert {user["request"] for user in state["users"]} == {"unclear"}
        assert status == UNKNOWN
    finally:
        place.guest.run("mount -t debugfs debugfs /sys/kernel/debug")
        pmd.quit()
        place.guest.bind(place.other, "")


@on_each_base
def test_default_mapping(place):
    """The control: without the option nothing is asked for, and no alias is found."""
    pmd = place.testpmd()
    try:
        status, state = place.status()
        assert status == GOOD and state["mappings"] == []
        assert [user["request"] for user in state["users"]] == ["none"]
    finally:
        pmd.quit()


@ONLY_FULL
def test_debugfs_is_not_mounted(place):
    pmd = place.testpmd("--vfio-wc=strict")
    try:
        place.guest.run("umount /sys/kernel/debug", check=True)
        status, state = place.status()
        assert (status, state["mappings"][0]["reason"]) == (UNKNOWN, "debugfs is not mounted")
    finally:
        place.guest.run("mount -t debugfs debugfs /sys/kernel/debug")
        pmd.quit()


@ONLY_FULL
def test_not_root(place):
    """Whoever is not root is not told that all is well."""
    pmd = place.testpmd()
    try:
        result = place.guest.run(f"setpriv --reuid=65534 --clear-groups {place.program} status")
        assert result.rc == UNKNOWN and "run as root" in result.out
    finally:
        pmd.quit()


EMULATED = "delivered unknown: the CPU is emulated (TCG), and has no memory types\n"


def measure(guest, program, bdf):
    """In the middle of BAR2"""
    return guest.run(f"{program} measure {bdf} --scratch 2:0x{IVSHMEM_SIZE // 2:x}:0x1000")


@contextlib.contextmanager
def filled(path):
    """Contents in which any store shows, and that it left none"""
    contents = (bytes(range(1, 252)) * (IVSHMEM_SIZE // 251 + 1))[:IVSHMEM_SIZE]
    with open(path, "r+b") as memory:
        memory.write(contents)
        memory.flush()
        yield
        assert Path(path).read_bytes() == contents
        # For the drivers of other tests
        memory.seek(0)
        memory.write(bytes(IVSHMEM_SIZE))


def test_measure(place):
    """The kernel without the x86 part is the control of "effective"; nothing shows what is delivered under TCG."""
    place.guest.bind(place.bdf)
    with filled(place.paths[0]):
        result = measure(place.guest, place.program, place.bdf)
    assert result.rc == UNKNOWN
    if place.kernel == "vfio-6.12":
        assert result.out == "" and "BAR2: write-combining is not granted: the kernel's vfio-pci has no alias regions" \
            in result.err
    else:
        assert result.err == "" and f"granted   yes\neffective {EFFECTIVE[place.kernel]}\n" in result.out
        assert "contents  put back\n" in result.out and result.out.endswith(EMULATED)


@on_each_base
def test_measure_while_in_use(place):
    pmd = place.testpmd()
    try:
        assert place.status()[1]["users"]
        result = measure(place.guest, place.program, place.bdf)
    finally:
        pmd.quit()
    assert (result.rc, result.out) == (UNKNOWN, "")
    assert result.err == (f"vfio-wc: measure: {place.bdf}: it is in use; end the program that has it, or another "
                          "device of its group, open (vfio-wc status names it)\n")


@ONLY_FULL
def test_measure_without_group(place, tmp_path):
    """By the file of the device itself; not while another process has it open in the same way."""
    place.guest.bind(place.bdf)
    device = f"/sys/bus/pci/devices/{place.bdf}"
    cdev = place.guest.run(f"ls {device}/vfio-dev", check=True).out.strip()
    node = place.guest.run(f"echo /dev/vfio/$(basename $(readlink {device}/iommu_group))", check=True).out.strip()
    holder = tmp_path / "map-bars"
    subprocess.run(["gcc", "-O2", "-o", holder, HERE / "map-bars.c", "-pthread"], check=True)
    place.guest.run(f"mv {node} {node}.away", check=True)
    try:
        with filled(place.paths[0]):
            result = measure(place.guest, place.program, place.bdf)
        terminal = place.guest.spawn(f"exec {holder} /dev/vfio/devices/{cdev} /dev/iommu 2:0:1000 hold")
        terminal.expect("holding")
        refused = measure(place.guest, place.program, place.bdf)
    finally:
        place.guest.run(f"mv {node}.away {node}", check=True)
    of_group = measure(place.guest, place.program, place.bdf)
    place.guest.run("pkill -9 map-bars")
    place.guest.release(terminal)
    assert (result.rc, result.err) == (UNKNOWN, "") and "effective WC\n" in result.out
    for again in refused, of_group:
        assert again.rc == UNKNOWN and f"{place.bdf}: it is in use; end the program" in again.err


def test_measure_without_iommu(memory, tmp_path):
    path = memory("vfio-wc-measure", IVSHMEM_SIZE)
    program = vfio_wc.build(tmp_path)
    with Guest(devices=ivshmem(path, IVSHMEM_SIZE), append="intel_iommu=off") as guest, filled(path):
        guest.run("echo Y >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", check=True)
        result = measure(guest, program, guest.take("1af4:1110"))
    assert (result.rc, result.err) == (UNKNOWN, "") and result.out.endswith(EMULATED)
    assert "contents  put back\ngranted   yes\neffective WC\n" in result.out


def test_doctor(place):
    """What it tells to do mends it."""
    place.guest.bind(place.bdf, "")
    checks = parse_doctor(place.run(f"doctor {place.bdf}").out)
    result, text, command = checks[f"{place.bdf} driver"]
    assert (result, text) == ("PROBLEM", "not bound to any driver")
    place.guest.run(command)
    checks = parse_doctor(place.run("doctor").out)
    assert checks[f"{place.bdf} driver"] == ("ok", "bound to vfio-pci", "")
    assert f"{place.bdf} node" in checks and {checks[name][0] for name in checks if place.bdf in name} == {"ok"}
    assert checks["kernel"][0] == ("PROBLEM" if place.kernel == "vfio-6.12" else "ok")
    assert {checks[name][0] for name in ("PAT", "IOMMU", "locked memory", "huge pages (only for DPDK)")} == {"ok"}


@ONLY_FULL
def test_doctor_finds_the_option(place):
    line = parse_doctor(place.guest.run(f"PATH={place.release}:$PATH {place.program} doctor").out)["DPDK"]
    assert line == ("ok", "dpdk-testpmd has the option --vfio-wc", "")


@pytest.mark.parametrize("append, check, text", [
    ("nopat", "PAT", "nopat is on the kernel's command line"),
    ("intel_iommu=off", "IOMMU", "there are no IOMMU groups, and the no-IOMMU mode is off")])
def test_doctor_on_a_kernel_without(memory, tmp_path, append, check, text):
    path = memory("vfio-wc-doctor", IVSHMEM_SIZE)
    program = vfio_wc.build(tmp_path)
    with Guest(devices=ivshmem(path, IVSHMEM_SIZE), append=append) as guest:
        result = guest.run(f"{program} doctor {guest.find('1af4:1110')}")
        assert result.rc == BAD
        result, said, command = parse_doctor(result.out)[check]
        assert (result, said) == ("PROBLEM", text)
        if check == "IOMMU":
            # What it tells to do mends it.
            guest.run(command, check=True)
            guest.take("1af4:1110")
            assert parse_doctor(guest.run(f"{program} doctor").out)["IOMMU"][0] == "ok"
