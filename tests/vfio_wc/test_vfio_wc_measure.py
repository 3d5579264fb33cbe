# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""vfio-wc measure: what it refuses, and, with a library that takes the place of the kernel, what it does. Its verdict
is tested from given times by the suite "delivered" of dpdk-test-wc; test_vfio_wc_guest.py has real kernels."""

import os
import re

import pytest

from harness import vfio_wc
from harness.vfio_wc import DEVICE, UNKNOWN, USAGE

pytestmark = pytest.mark.quick

BAR = 0x10000
# As the fake kernel has them
BARS = ((0xfe000000, BAR, 0x40200), None, (0xfdc00000, BAR, 0x14220c), None, (0xfdd00000, BAR, 0x14220c))
SCRATCH = "2:0x1000:0x1000"
NO_TYPES = ("unknown: (times do not depend on memory types here: the default mapping is not clearly slower than "
            r"ordinary memory|the CPU is emulated \(TCG\), and has no memory types)")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Without sanitizers, before which no library can be preloaded."""
    return vfio_wc.build(tmp_path_factory.mktemp("vfio-wc-measure"))


@pytest.fixture
def fake(machine, plain, fake_kernel):
    """Run it on a machine with the fake kernel and its device."""
    machine.device(DEVICE, bars=BARS)
    machine.program = plain

    def run(*arguments, faults="", **variables):
        environment = os.environ | {"LD_PRELOAD": str(fake_kernel), "FAKE_FAULTS": faults} | variables
        return machine.run("measure", *arguments, env=environment)

    return run


# What is refused

@pytest.mark.parametrize("arguments, message", [
    ([], "measure needs a device, and a range that may be overwritten: use measure BDF --scratch BAR:OFFSET:LEN"),
    ([DEVICE], "measure needs a device, and a range that may be overwritten: use measure BDF --scratch "
     "BAR:OFFSET:LEN"),
    (["--scratch", SCRATCH], "measure needs a device, and a range that may be overwritten: use measure BDF --scratch "
     "BAR:OFFSET:LEN"),
    (["1", "--scratch", SCRATCH], "'1' is not a PCI address: use [DDDD:]BB:DD.F"),
    ([DEVICE, "--scratch", SCRATCH, "--json"], "--pid, --json and --prometheus are options of status")])
def test_usage(machine, arguments, message):
    result = machine.run("measure", *arguments, status=USAGE)
    assert (result.out, result.err) == ("", f"vfio-wc: {message}; see vfio-wc --help\n")


@pytest.mark.parametrize("scratch", ["", "2", "2:0", "2:0:", ":0:4096", "2::4096", "6:0:4096", "-1:0:4096", "2:-1:4096",
                                     "2:0:4096:", "2:0:4096x", "2:0x:4096", "2: 0:4096", "2:0:4K",
                                     "2:0:99999999999999999999", "a" * 4000])
def test_malformed_range(machine, scratch):
    result = machine.run("measure", DEVICE, f"--scratch={scratch}", status=USAGE)
    assert (result.out, result.err) == ("", f"vfio-wc: --scratch '{scratch}': use BAR:OFFSET:LEN, such as "
                                        "2:0x1000:0x1000; see vfio-wc --help\n")


@pytest.mark.parametrize("command", [["status"], ["doctor"], ["doctor", DEVICE]])
def test_option_of_another_command(machine, command):
    result = machine.run(*command, "--scratch", SCRATCH, status=USAGE)
    assert result.err == "vfio-wc: --scratch is an option of measure; see vfio-wc --help\n"


@pytest.mark.parametrize("scratch, message", [
    ("1:0:4096", "it has no BAR1 of memory"),
    ("2:0x400000:0x1000", "--scratch: 0x1000 bytes at 0x400000 are not in BAR2: use a range within its 0x400000 bytes"),
    ("2:0:0x401000", "--scratch: 0x401000 bytes at 0x0 are not in BAR2: use a range within its 0x400000 bytes"),
    ("2:0xfffffffffffff000:0x2000",
     "--scratch: 0x2000 bytes at 0xfffffffffffff000 are not in BAR2: use a range within its 0x400000 bytes"),
    ("2:0x800:0x1000", "--scratch: 0x1000 bytes at 0x800 are not whole pages: use multiples of 0x1000"),
    ("2:0x1000:0x800", "--scratch: 0x800 bytes at 0x1000 are not whole pages: use multiples of 0x1000"),
    ("2:0:0", "--scratch: 0x0 bytes at 0x0 are not whole pages: use multiples of 0x1000"),
    ("0:0:256", "--scratch: 0x100 bytes at 0x0 are not whole pages: use multiples of 0x1000")])
def test_range_that_is_not_there(machine, scratch, message):
    result = machine.run("measure", DEVICE, "--scratch", scratch, status=USAGE)
    assert (result.out, result.err) == ("", f"vfio-wc: measure: {DEVICE}: {message}\n")


def test_no_such_device(machine):
    result = machine.run("measure", "0000:00:1f.7", "--scratch", SCRATCH, status=USAGE)
    assert result.err == ("vfio-wc: measure: 0000:00:1f.7: there is no such device; lspci -D lists those there are\n")


@pytest.mark.parametrize("driver", ["ena", None])
def test_not_bound(machine, driver):
    machine.device("0000:00:05.0", driver=driver)
    result = machine.run("measure", "0000:00:05.0", "--scratch", SCRATCH, status=UNKNOWN)
    assert result.out == "" and result.err == (
        f"vfio-wc: measure: 0000:00:05.0: it is bound to {driver or 'no driver'}, not to vfio-pci; vfio-wc doctor "
        "0000:00:05.0 has the command for it\n")


def test_no_file(machine):
    """Neither of a group nor of the device itself."""
    machine.remove("dev/vfio/3")
    result = machine.run("measure", DEVICE, "--scratch", SCRATCH, status=UNKNOWN)
    assert result.err == (f"vfio-wc: measure: {DEVICE}: it has no file in /dev/vfio; vfio-wc doctor {DEVICE} names "
                          "what is missing\n")
    machine.path(f"sys/bus/pci/devices/{DEVICE}/vfio-dev/vfio0").mkdir(parents=True)
    result = machine.run("measure", DEVICE, "--scratch", SCRATCH, status=UNKNOWN)
    assert "/dev/vfio/devices/vfio0: No such file or directory; vfio-wc doctor" in result.err


def test_not_vfio(machine):
    """A file of another kind in its place"""
    result = machine.run("measure", DEVICE, "--scratch", SCRATCH, status=UNKNOWN)
    assert "VFIO_GROUP_GET_STATUS: Inappropriate ioctl for device" in result.err


@pytest.mark.parametrize("faults, scratch, message", [
    ("in-use", SCRATCH, "it is in use; end the program that has it, or another device of its group, open (vfio-wc "
     "status names it)"),
    ("not-viable", SCRATCH, f"its group has devices of other drivers; vfio-wc doctor {DEVICE} names them"),
    ("no-map", SCRATCH, "BAR2: the kernel does not map this BAR: use another one"),
    ("no-feature", SCRATCH, "BAR2: write-combining is not granted: the kernel's vfio-pci has no alias regions; see "
     f"vfio-wc doctor {DEVICE}"),
    ("no-config", SCRATCH, "its config space: Input/output error"),
    ("no-alias-map", SCRATCH, "BAR2: mmap() failed: Resource temporarily unavailable"),
    ("", "4:0x2000:0x1000", "--scratch: BAR4+0x2000 has the MSI-X table or PBA: use other pages"),
    ("", "4:0x3000:0x1000", "--scratch: BAR4+0x3000 has the MSI-X table or PBA: use other pages")])
def test_refusal(fake, faults, scratch, message):
    result = fake(DEVICE, "--scratch", scratch, faults=faults)
    assert (result.status, result.out) == (UNKNOWN, "")
    assert result.err.startswith(f"vfio-wc: measure: {DEVICE}: {message}") and result.err.count("\n") == 1


# What is measured

def lines(text):
    """[(word, rest)]"""
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines()]


@pytest.mark.parametrize("scratch, where", [(SCRATCH, "BAR2+0x1000"), ("4:0x1000:0x1000", "BAR4+0x1000"),
                                            ("4:4096:4096", "BAR4+0x1000"), ("4:0x4000:0xc000", "BAR4+0x4000"),
                                            ("0:0:65536", "BAR0+0x0"), ("2:0xf000:0x1000", "BAR2+0xf000")])
def test_memory(fake, scratch, where):
    """A device that is ordinary memory: its times cannot show anything."""
    result = fake(DEVICE, "--scratch", scratch)
    assert (result.status, result.err) == (UNKNOWN, "")
    found = lines(result.out)
    assert found[:4] == [("scratch", f"{DEVICE} {where}: overwriting 4096 bytes"), ("contents", "put back"),
                         ("granted", "yes"), ("effective", "not verified: this kernel does not show it")]
    places = [re.fullmatch(r"(.*?) +[0-9.]+ ns a line, [0-9.]+\.\.[0-9.]+", rest).group(1) for _, rest in found[4:8]]
    assert places == ["ordinary memory", "default mapping", "write-combining", "the same, scattered"]
    word, rest = found[8]
    assert word == "delivered" and re.fullmatch(NO_TYPES, rest) and len(found) == 9


def test_effective_is_not_shown(fake, machine):
    machine.write("proc/self/mounts", "")
    assert ("effective", "not verified: debugfs is not mounted") in lines(fake(DEVICE, "--scratch", SCRATCH).out)
    machine.mappings()
    assert ("effective", "not verified: the kernel does not list it") in lines(fake(DEVICE, "--scratch", SCRATCH).out)


@pytest.mark.parametrize("base, size, noted", [(0xfdc01000, "4KB", True), (0xfdc00000, "64KB", True),
                                               (0xfdc02000, "4KB", False)])
def test_mtrr(fake, machine, base, size, noted):
    """Of the range, not of the BAR"""
    machine.write("proc/mtrr", f"reg01: base=0x{base:09x} ( 4060MB), size= {size}, count=1: write-combining\n")
    out = fake(DEVICE, "--scratch", SCRATCH).out
    assert ("note      MTRRs make the default mapping write-combining, too\n" in out) == noted
