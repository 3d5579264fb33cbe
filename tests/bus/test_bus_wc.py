# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""DPDK's bus layer on real kernels: types, errors, policies, secondary processes, drivers as they are."""

import contextlib
import os
import re
import subprocess
import sys
import time

import pytest

from harness import TOP, testpmd
from harness.guest import FEW_BUILDS, Guest
from harness.shell import Shell

MIB2 = 2 << 20
BAR_SIZE = 2 * MIB2
# BAR0 is prefetchable memory, BAR2 registers, there are no others (QEMU docs/specs/standard-vga.txt)
TESTDEV = ["-device", "bochs-display,vgamem=4M"]
DEADLINE_S = 60


class DisplayGuest(Guest):
    """A guest with displays, which are bound to vfio-pci: bdfs, the first of them bdf."""

    def __init__(self, kernel, nb_devices=1):
        super().__init__(kernel=kernel, devices=TESTDEV * nb_devices, append="hugepages=160")
        self.nb_devices = nb_devices

    def __enter__(self):
        super().__enter__()
        try:
            self.bdfs = [self.find("1234:1111", index) for index in range(self.nb_devices)]
            self.bdf = self.bdfs[0]
            for bdf in self.bdfs:
                self.bind(bdf)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self


@pytest.fixture(scope="module")
def guests():
    """Guests by kernel, booted when asked for."""
    running = {}
    with contextlib.ExitStack() as ends:
        def get(kernel):
            if kernel not in running:
                running[kernel] = ends.enter_context(DisplayGuest(kernel))
            return running[kernel]

        yield get


@pytest.fixture
def shell(guests, release):
    """Start shells; those that still run are ended."""
    started = []

    def start(kernel="full", options="", env="", prefix="wc"):
        guest = guests(kernel)
        started.append(Shell(guest, release, f"-a {guest.bdf} {options}", env, prefix))
        return started[-1]

    with contextlib.ExitStack() as ends:
        yield start
        # One that does not end does not keep the others.
        for each in started:
            ends.callback(each.quit)


def lines(log):
    return [line for line in log.splitlines() if "--vfio-wc" in line]


# With the series, and Debian's with the module
on_each_kernel = pytest.mark.parametrize(
    "kernel", [pytest.param("full", marks=pytest.mark.quick), "7.3/full", "module-6.12",
               *(pytest.param(name, marks=pytest.mark.each_kernel) for name in ("module-6.1", "module-7.3"))])


# Group 5: a driver maps ranges

@on_each_kernel
def test_types_and_contents(shell, kernel):
    sh = shell(kernel=kernel, options="--vfio-wc")
    large = "4K" if kernel == "module-6.1" else "2M"
    bar = sh("bar 0")
    whole = sh(f"map 0 0 {BAR_SIZE}")
    part = sh(f"map 0 {MIB2 + 4096 + 5} 100")
    assert sh.type_at(whole) == f"WC {large}"
    assert sh.type_at(part) == "WC 4K"
    assert sh.type_at(bar).startswith("UC- ")
    assert int(whole, 16) % MIB2 == 0 and int(part, 16) % MIB2 == 4096 + 5
    # The ranges overlap, and both are the BAR.
    sh(f"write {part} 77")
    assert sh(f"read {int(whole, 16) + MIB2 + 4096 + 5:#x}") == "77"
    assert sh(f"read {int(bar, 16) + MIB2 + 4096 + 5:#x}") == "77"
    sh(f"write {bar} 78")
    assert sh(f"read {whole}") == "78"
    assert sh("query 0").startswith("granted maps 2")
    assert sh(f"unmap {part}") == "0"
    assert sh(f"unmap {part}") == "EINVAL"
    assert sh.type_at(whole) == f"WC {large}"
    assert sh("query 0").startswith("granted maps 1")


def test_control_without_x86_patch(shell):
    """Granted is not effective: this is what reading back is for."""
    sh = shell(kernel="no-x86", options="--vfio-wc")
    whole = sh(f"map 0 0 {BAR_SIZE}")
    assert sh("query 0").startswith("granted")
    assert sh.type_at(whole) == "UC- 2M"


@pytest.mark.quick
def test_errors(shell):
    sh = shell(options="--vfio-wc")
    assert sh("map 6 0 1") == "error EINVAL"
    assert sh("map 0 0 0") == "error EINVAL"
    assert sh(f"map 0 {BAR_SIZE} 1") == "error ERANGE"
    assert sh(f"map 0 1 {BAR_SIZE}") == "error ERANGE"
    assert sh("map 5 0 1") == "error ENODEV"
    for number in range(64):
        assert not sh(f"map 0 {number * 4096} 4096").startswith("error")
    assert sh(f"map 0 {64 * 4096} 4096") == "error ENOSPC"


def test_no_address_space(shell):
    sh = shell(options="--vfio-wc")
    assert sh("limit 0") == "0"
    assert sh("map 0 0 4096") == "error ENOMEM"
    assert sh("limit 1") == "0"
    assert not sh("map 0 0 4096").startswith("error")


def test_removal(shell):
    sh = shell(options="--vfio-wc")
    sh(f"map 0 0 {BAR_SIZE}")
    assert count_mappings(sh) > 0
    assert sh("remove") == "0"
    assert count_mappings(sh) == 0


def test_cleanup(shell):
    """rte_eal_cleanup() leaves no alias mapped."""
    sh = shell(options="--vfio-wc")
    sh(f"map 0 0 {BAR_SIZE}")
    assert aliases(sh)
    sh("cleanup")
    assert not aliases(sh)


def aliases(sh):
    """Offsets of the mapped aliases in the device file."""
    maps = sh.guest.run("grep vfio-device /proc/$(pidof dpdk-wc-guest)/maps || true").out
    return [offset for offset in re.findall(r"^\S+ \S+ (\w+) ", maps, re.M) if int(offset, 16) >> 40 >= 9]


def count_mappings(sh):
    """Mappings of the VFIO device in the shell's process."""
    return int(sh.guest.run("grep -c vfio-device /proc/$(pidof dpdk-wc-guest)/maps").out)


def test_sigbus_is_attributed(shell):
    sh = shell(options="--vfio-wc")
    address = sh(f"map 0 0 {BAR_SIZE}")
    assert sh(f"sigbus {address}") == "1"


def named(guests, kernel="full", mode="auto"):
    """The option for a driver of which the bus does not know what it keeps in its BARs."""
    return f"--vfio-wc=auto,{guests(kernel).bdf}={mode}"


@on_each_kernel
def test_activate(shell, guests, kernel):
    sh = shell(kernel=kernel, options=named(guests, kernel), env="WC_TEST_ACTIVATE=1")
    assert sh.type_at(sh("bar 0")).startswith("WC ")
    assert sh.type_at(sh("bar 2")).startswith("UC- ")
    assert [re.sub(r".*: --vfio", "--vfio", line) for line in lines(sh.log)] == [
        "--vfio-wc=auto: BAR0 write-combining granted"]


def test_activate_unnamed(shell):
    sh = shell(options="--vfio-wc", env="WC_TEST_ACTIVATE=1")
    assert sh.type_at(sh("bar 0")).startswith("UC- ")
    line, = lines(sh.log)
    assert "BAR0 default mapping (the driver may keep registers in it: to map it all the same, name the device" in line


@pytest.mark.parametrize("options", ["", "--vfio-wc=off", "--vfio-wc=auto,{bdf}=off"])
def test_activate_control_off(shell, guests, options):
    sh = shell(options=options.format(bdf=guests("full").bdf), env="WC_TEST_ACTIVATE=1")
    assert sh.type_at(sh("bar 0")).startswith("UC- ")
    assert not lines(sh.log)


@pytest.mark.parametrize("options, kind", [("", "WC "), ("--vfio-wc=off", "UC- ")])
def test_variable(shell, guests, options, kind):
    """The policy by environment, and the option, which replaces it."""
    policy = named(guests).partition("=")[2]
    sh = shell(options=options, env=f"WC_TEST_ACTIVATE=1 DPDK_VFIO_WC={policy}")
    assert sh.type_at(sh("bar 0")).startswith(kind)


def test_system_calls(release):
    """An address with room around it, found and given back, and the range there."""
    trace = subprocess.run(["strace", "-f", "--seccomp-bpf", "-o", "/dev/stdout",
                            "-e", "trace=getppid,mmap,munmap,ioctl,pread64",
                            TOP / "devtools/run-unit-tests", release / "dpdk-test-wc", "pci-wc"],
                           check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    calls = re.findall(r"^\d+ +(\w+)\(", trace, re.M)
    # The shell that starts the program calls getppid() too, before.
    first, second, third = [i for i, name in enumerate(calls) if name == "getppid"][-3:]
    # The ioctls are simulated; test_cost counts them.
    for start, end in (first, second), (second, third):
        assert calls[start + 1:end] == ["mmap", "munmap", "mmap"]


# A device that cannot be mapped

@pytest.fixture
def two_devices():
    with DisplayGuest("full", 2) as guest:
        yield guest


def overlays(trace):
    """Numbers of the calls of mmap(), from 1 on, that put an alias over a BAR."""
    calls = re.findall(r"^mmap\(.*$", trace, re.M)
    return [number for number, call in enumerate(calls, 1)
            if "MAP_FIXED" in call and int(call.split(", ")[-1].split(")")[0], 16) >> 40 >= 9]


def test_lost_mapping_is_unwound(two_devices, release):
    """Of the device whose BAR is lost nothing is left, and the next one works."""
    first, second = two_devices.bdfs
    options = f"-a {first} -a {second} --vfio-wc=auto,{first}=auto,{second}=off"
    trace = two_devices.share / "trace"

    def start(inject=""):
        return Shell(two_devices, release, options, prefix="lost",
                     env=f"WC_TEST_ACTIVATE=1 strace -o /run/share/trace -e trace=mmap {inject}")

    def files(sh):
        return int(sh.guest.run("ls -l /proc/$(pidof dpdk-wc-guest)/fd | grep -c vfio-device").out)

    sh = start()
    assert sh.state == "ready" and files(sh) == 2
    sh.quit()
    call, = overlays(trace.read_text())
    # The alias, and then the BAR itself, which had to come back.
    sh = start(f"-e inject=mmap:error=ENODEV:when={call}..{call + 1}")
    try:
        assert f"{first}: --vfio-wc: cannot set up write-combining: No such device" in sh.log
        assert sh.state == "ready", sh.log
        assert files(sh) == 1
        assert sh.type_at(sh("bar 0")).startswith("UC- ")
        assert "vfio-device" in two_devices.run("cat /proc/$(pidof dpdk-wc-guest)/maps").out
    finally:
        sh.quit()
    # Once is no loss: the default mapping.
    sh = start(f"-e inject=mmap:error=ENODEV:when={call}")
    try:
        assert f"{first}: --vfio-wc=auto: BAR0 default mapping (mmap() failed: No such device)" in sh.log
        assert sh.state == "ready" and files(sh) == 2
    finally:
        sh.quit()


# Group 6: kernels without alias regions, and policies

UNPATCHED = "vfio-6.12"
REASON = "BAR0 default mapping (the kernel's vfio-pci has no alias regions)"


@pytest.mark.quick
def test_unpatched_auto(shell):
    sh = shell(kernel=UNPATCHED, options="--vfio-wc", env="WC_TEST_PROBE_MAP=0")
    assert sh.state == "ready"
    assert lines(sh.log) == [f"PCI_BUS: {sh.guest.bdf}: --vfio-wc=auto: {REASON}"]
    assert sh("map 0 0 4096") == "error ENOTSUP"
    assert sh.type_at(sh("bar 0")).startswith("UC- ")


def test_unpatched_strict(shell):
    sh = shell(kernel=UNPATCHED, options="--vfio-wc=strict", env="WC_TEST_PROBE_MAP=0")
    assert sh.state != "ready"
    assert f"{sh.guest.bdf}: --vfio-wc=strict: probe refused: {REASON}" in sh.log


def test_unpatched_strict_after_probe(shell):
    """Who asks after the probe is refused and lives on."""
    sh = shell(kernel=UNPATCHED, options="--vfio-wc=strict")
    assert sh.state == "ready"
    assert sh("map 0 0 4096") == "error ENOTSUP"


def test_unpatched_strict_activate(shell, guests):
    sh = shell(kernel=UNPATCHED, options=named(guests, UNPATCHED, "strict"), env="WC_TEST_ACTIVATE=1")
    assert sh.state != "ready"
    assert f"probe refused: {REASON}" in sh.log


@pytest.mark.parametrize("options", ["", "--vfio-wc=off", "--vfio-wc=strict,{bdf}=off"])
def test_unpatched_off(shell, guests, options):
    sh = shell(kernel=UNPATCHED, options=options.format(bdf=guests(UNPATCHED).bdf),
               env="WC_TEST_PROBE_MAP=0")
    assert sh.state == "ready"
    assert not lines(sh.log)
    assert sh("map 0 0 4096") == "error ENOTSUP"


@pytest.mark.parametrize("options, state", [("--vfio-wc=auto,{bdf}=strict", "refused"),
                                            ("--vfio-wc=strict,{bdf}=auto", "ready")])
def test_unpatched_override(shell, guests, options, state):
    sh = shell(kernel=UNPATCHED, options=options.format(bdf=guests(UNPATCHED).bdf),
               env="WC_TEST_PROBE_MAP=0")
    assert (sh.state == "ready") == (state == "ready")
    assert REASON in sh.log


@on_each_kernel
def test_strict_control_granted(shell, kernel):
    """The same probe is not refused where the kernel grants it."""
    sh = shell(kernel=kernel, options="--vfio-wc=strict", env="WC_TEST_PROBE_MAP=0")
    assert sh.state == "ready"
    assert lines(sh.log) == [f"PCI_BUS: {sh.guest.bdf}: --vfio-wc=strict: BAR0 write-combining granted"]


# Group 8: secondary processes

@pytest.mark.quick
def test_secondary(shell):
    primary = shell(options="--vfio-wc", prefix="mp")
    first = primary(f"map 0 0 {BAR_SIZE}")
    # The policy is the primary's: the secondary is not given the option.
    secondary = shell(options="--proc-type=secondary", prefix="mp")
    assert secondary.state == "ready", secondary.log
    assert secondary("map 0 4096 4096") == "error ENOENT"
    assert secondary(f"map 0 0 {BAR_SIZE}") == first
    assert secondary.type_at(first) == "WC 2M"
    assert secondary.type_at(secondary("bar 0")).startswith("UC- ")
    late = primary("map 0 4096 4096")
    assert secondary("map 0 4096 4096") == late
    assert secondary.type_at(late) == "WC 4K"
    primary(f"write {late} 99")
    assert secondary(f"read {late}") == "99"
    # What the primary gives up is not available any more; what a secondary has, it keeps.
    assert primary(f"unmap {late}") == "0"
    assert secondary(f"read {late}") == "99"
    assert secondary(f"unmap {late}") == "0"
    assert secondary("map 0 4096 4096") == "error ENOENT"


def test_secondary_after_the_primary_maps_again(shell):
    primary = shell(options="--vfio-wc", prefix="mpr")
    secondary = shell(options="--proc-type=secondary", prefix="mpr")
    before = primary("map 0 4096 4096")
    assert secondary("map 0 4096 4096") == before
    assert primary(f"unmap {before}") == "0"
    # Another range, at the address that the secondary still has for the first.
    other = primary("map 0 4096 8192")
    assert other == before
    assert secondary("map 0 4096 8192") == "error ENOMEM"
    assert secondary(f"unmap {before}") == "0"
    assert secondary("map 0 4096 8192") == other
    now = primary("map 0 4096 4096")
    assert secondary("map 0 4096 4096") == now
    primary(f"write {now} 55")
    assert secondary(f"read {now}") == "55"
    assert secondary.type_at(now) == secondary.type_at(other) == "WC 4K"


def test_secondary_activate(shell, guests):
    shell(options=named(guests), env="WC_TEST_ACTIVATE=1", prefix="mpa")
    secondary = shell(options="--proc-type=secondary", env="WC_TEST_ACTIVATE=1", prefix="mpa")
    assert secondary.type_at(secondary("bar 0")).startswith("WC ")
    assert secondary.type_at(secondary("bar 2")).startswith("UC- ")


def test_secondary_control_off(shell):
    shell(prefix="mpo")
    secondary = shell(options="--proc-type=secondary --vfio-wc", prefix="mpo")
    assert secondary(f"map 0 0 {BAR_SIZE}") == "error ENOTSUP"


def dpdk_release():
    """(year, month)"""
    return tuple(int(number) for number in (TOP / "subprojects/dpdk/VERSION").read_text().split(".")[:2])


# Its registers are in an I/O BAR. A secondary process uses it without having opened the device.
LEGACY = ["-netdev", "hubport,hubid=0,id=n0", "-device", "virtio-net-pci,netdev=n0,disable-modern=on"]


@pytest.mark.parametrize("kernel, append", [("full", ""), ("7.3/compact", "vfio_pci.compact_offsets=1")],
                         ids=["full", "compact"])
def test_secondary_legacy_virtio(release, kernel, append):
    with Guest(kernel=kernel, devices=LEGACY, append=f"hugepages=160 {append}") as guest:
        options = f"-a {guest.take('1af4:1000')} --iova-mode=pa --log-level=bus.pci:info --log-level=lib.eal:info"
        with contextlib.ExitStack() as ends:
            for role in ("", "--proc-type=secondary"):
                sh = Shell(guest, release, f"{options} {role}", prefix="legacy")
                ends.callback(sh.quit)
                assert "Probe PCI driver: net_virtio" in sh.log, sh.log
                # DPDK 23.07 to 23.11 does not find the I/O BAR in a secondary process, without hooks either.
                fails = role != "" and (23, 7) <= dpdk_release() < (24, 3)
                assert ("cannot be used" in sh.log) == ("Cannot get offset of region 0" in sh.log) == fails, sh.log


# Group 9: drivers that know nothing of all this

NICS = []
MODELS = [("virtio-net-pci", ",disable-legacy=on,iommu_platform=on")] * 2 + [("e1000e", "")] * 2
for number, (model, options) in enumerate(MODELS):
    NICS += ["-netdev", f"hubport,hubid={number // 2},id=n{number}",
             "-device", f"{model},netdev=n{number},mac=02:00:00:00:00:0{number}{options}"]
IDENTS = {"virtio": "1af4:1041", "e1000e": "8086:10d3"}


@pytest.fixture(scope="module", params=["full", pytest.param("unpatched", marks=pytest.mark.each_kernel)])
def nics(request):
    with Guest(kernel=request.param, devices=NICS, append="hugepages=64") as guest:
        guest.ports = {}
        for name, ident in IDENTS.items():
            guest.ports[name] = [guest.find(ident, index) for index in range(2)]
            for bdf in guest.ports[name]:
                guest.bind(bdf)
        yield guest


@pytest.mark.parametrize("value", ["", "--vfio-wc=off", "--vfio-wc=auto", "--vfio-wc=strict"])
@pytest.mark.parametrize("name", IDENTS)
def test_stock_driver_forwards(nics, release, name, value):
    allow = " ".join(f"-a {bdf}" for bdf in nics.ports[name])
    pmd = testpmd.in_guest(nics, release / "dpdk-testpmd", f"{allow} {value}",
                           "--total-num-mbufs=2048 --no-mlockall --no-lsc-interrupt")
    try:
        assert "--vfio-wc" not in pmd.log
        pmd.wait_for_links()
        pmd("start tx_first")
        deadline = time.monotonic() + DEADLINE_S
        for port in 0, 1:
            received = 0
            while received < 500:
                before, received = received, pmd.port_stats(port)["RX-packets"]
                assert received >= before
                assert time.monotonic() < deadline, received
        pmd("stop")
    finally:
        pmd.quit()


# Group 10: bad values of the option

BAD = [("--vfio-wc=on", "use off, auto or strict"), ("--vfio-wc=", "use off, auto or strict"),
       ("--vfio-wc=auto,00:01.0", "use BDF=MODE"), ("--vfio-wc=auto,xyz=off", r"use \[DDDD:\]BB:DD.F"),
       ("--vfio-wc=auto,00:01.0=on", "use off, auto or strict"),
       ("--vfio-wc=auto,00:01.0=off,00:01.0=off", "name it once"),
       ("--vfio-wc=" + "a" * 5000, "use off, auto or strict"),
       ("--vfio-wc strict", "use --vfio-wc=strict"), ("--vfio-wc auto,00:01.0=off", "use --vfio-wc=auto,00:01.0=off")]


def stand_ins(program):
    """What a program defines in place of the C library's functions."""
    symbols = subprocess.run(["nm", "--defined-only", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {line.split()[-1] for line in symbols.splitlines()} & {
        "ioctl", "mmap", "mmap64", "munmap", "pread", "pread64", "calloc", "syscall"}


@pytest.mark.quick
def test_nothing_fake_in_guests(release):
    """No program that runs on real kernels has the fake kernel in it; the unit tests do."""
    for program in ["dpdk-wc-guest", "dpdk-wc-perf", "dpdk-testpmd"]:
        assert stand_ins(release / program) == set()
    assert "ioctl" in stand_ins(release / "dpdk-test-wc")


@pytest.fixture(scope="module")
def checked(request):
    """Programs with sanitizers, unless only one build is wanted."""
    return request.getfixturevalue("release" if FEW_BUILDS else "sanitize")


def run_option(checked, option):
    return subprocess.run([checked / "dpdk-test-wc", "--no-huge", "--no-pci", "--no-telemetry", "-m", "64",
                           "--file-prefix", f"bad-{os.getpid()}", "--lcores", "0@0", *option.split(), "--",
                           "vfio-wc-option"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          env={"ASAN_OPTIONS": "detect_leaks=0"})


@pytest.mark.parametrize("option, remedy", BAD)
def test_bad_option(checked, option, remedy):
    result = run_option(checked, option)
    assert result.returncode == 1
    assert re.search(remedy, result.stdout), result.stdout
    assert "off, auto or strict" in result.stdout or "needs '='" in result.stdout
    assert "Sanitizer" not in result.stdout and "runtime error" not in result.stdout


@pytest.mark.parametrize("option", ["--vfio-wc", "--vfio-wc=auto", "--vfio-wc=off,0000:00:01.0=strict"])
def test_good_option(checked, option):
    result = run_option(checked, option)
    assert result.returncode == 0, result.stdout
    assert "Sanitizer" not in result.stdout and "runtime error" not in result.stdout


@pytest.mark.quick
def test_option_in_help(release):
    result = subprocess.run([release / "dpdk-testpmd", "--help"], stdout=subprocess.PIPE, text=True)
    assert "--vfio-wc[=MODE[,BDF=MODE...]]" in result.stdout
