# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""vfio-wc status on trees of files: what it finds, what it concludes, and what it prints."""

import json
import os
import re
import subprocess

import pytest

from harness import vfio_wc
from harness.vfio_wc import AS_NOBODY, BAD, DEVICE, GOOD, UNKNOWN, USAGE, alias_map, group_files

pytestmark = pytest.mark.quick

OTHER = "0000:00:05.0"
ADDRESS = 0x7f5a00000000
SIZE = 4 << 20
RANGE = f"{ADDRESS:x}-{ADDRESS + SIZE:x}"
# BAR2's alias of the module, and an alias of the series
MODULE_OFFSET = 2 << 40 | 1 << 39
SERIES_OFFSET = 9 << 40
BAR2_MAP = alias_map(ADDRESS - SIZE, SIZE, 2 << 40)
NO_SOURCE = "this kernel does not show it"


def listed(effective, pid=312, device=DEVICE, command="dpdk-testpmd"):
    """A line of the kernel's file."""
    return f"{device} {pid} {RANGE} 2 0x0 WC {effective} 512 1 0 4 {command}"


def add_pmd(machine, offset=MODULE_OFFSET, arguments=("--vfio-wc",), files=None, pid=312, environment=()):
    """A process that has BAR2 mapped, and its alias unless offset is None."""
    maps = [BAR2_MAP] + ([] if offset is None else [alias_map(ADDRESS, SIZE, offset)])
    machine.process(pid, arguments=arguments, fds=files or group_files(), maps=maps, environment=environment)


# The types

def test_nothing_asked(machine):
    state = machine.status(status=GOOD)
    assert state["status"] == "no write-combining was asked for"
    assert [device["device"] for device in state["devices"]] == [DEVICE]
    assert state["users"] == state["mappings"] == []


@pytest.mark.parametrize("effective, status", [
    ("WC", GOOD), ("UC-", BAD), ("UC", BAD), ("WT", BAD), ("WC,UC-", BAD), ("-", UNKNOWN)])
def test_effective_type(machine, effective, status):
    add_pmd(machine)
    machine.mappings(listed(effective))
    state = machine.status(status=status)
    mapping, = state["mappings"]
    assert mapping == {
        "device": DEVICE, "candidates": [], "pid": 312, "command": "dpdk-testpmd", "start": hex(ADDRESS),
        "end": hex(ADDRESS + SIZE), "bar": 2, "bar_offset": "0x0", "asked": "WC", "granted": True,
        "effective": None if effective == "-" else effective,
        "reason": "no page is present yet" if effective == "-" else None,
        "pages_4k": 512, "pages_2m": 1, "pages_1g": 0, "faults": 4}
    assert state["kernel"] == {
        "release": vfio_wc.RELEASE, "implementation": "module", "module_version": "wc-0.2.0",
        "source": f"/{vfio_wc.MAPPINGS}", "no_source": None}
    assert state["users"] == [{"device": DEVICE, "pid": 312, "command": "dpdk-testpmd", "open": "yes",
                               "option": "--vfio-wc", "preload": None, "request": "mapped", "telemetry": None}]


def test_one_of_two_mappings_is_not_effective(machine):
    add_pmd(machine)
    machine.mappings(listed("WC"), listed("UC-").replace(RANGE, "1000-2000"))
    assert machine.status(status=BAD)["status"] == "1 mapping not write-combining"


def test_two_processes_with_the_same_addresses(machine):
    for pid in (312, 313):
        add_pmd(machine, pid=pid)
    machine.mappings(listed("UC-", pid=313), listed("WC", pid=312))
    state = machine.status(status=BAD)
    assert [(mapping["pid"], mapping["effective"]) for mapping in state["mappings"]] == [(312, "WC"), (313, "UC-")]


def test_bad_outweighs_unknown(machine):
    add_pmd(machine)
    machine.mappings(listed("-"), listed("UC-").replace(RANGE, "1000-2000"))
    machine.status(status=BAD)


def test_series_has_no_source(machine):
    machine.series()
    add_pmd(machine, SERIES_OFFSET)
    state = machine.status(status=UNKNOWN)
    mapping, = state["mappings"]
    assert (mapping["device"], mapping["bar"], mapping["effective"]) == (DEVICE, None, None)
    assert mapping["reason"] == state["kernel"]["no_source"] == NO_SOURCE
    assert state["kernel"]["implementation"] == "series"
    assert f"effective not verified: {NO_SOURCE}" in machine.run("status").out


def series_listed(effective, **options):
    return listed(effective, **options).replace(" 512 1 0 4 ", " 512 1 0 ")


@pytest.mark.parametrize("effective, status", [("WC", GOOD), ("UC-", BAD), ("WC,OTHER", BAD), ("-", UNKNOWN)])
def test_series(machine, effective, status):
    machine.series()
    add_pmd(machine, SERIES_OFFSET)
    machine.series_mappings(DEVICE, series_listed(effective))
    state = machine.status(status=status)
    mapping, = state["mappings"]
    assert (mapping["device"], mapping["bar"], mapping["command"]) == (DEVICE, 2, "dpdk-testpmd")
    assert (mapping["pages_4k"], mapping["pages_2m"], mapping["faults"]) == (512, 1, None)
    assert (state["kernel"]["source"], state["kernel"]["no_source"]) == (f"/{vfio_wc.SERIES_MAPPINGS}", None)
    assert "(512 x 4K, 1 x 2M, 0 x 1G)" in machine.run("status").out or effective == "-"


def test_series_with_several_devices(machine):
    """One that another driver serves has no file."""
    machine.series()
    machine.device(OTHER)
    os.makedirs(machine.path(f"{vfio_wc.SERIES_MAPPINGS}/0000:00:03.0"))
    for pid, device in (312, DEVICE), (313, OTHER):
        add_pmd(machine, SERIES_OFFSET, pid=pid, files=group_files())
        machine.series_mappings(device, series_listed("WC" if device == DEVICE else "UC-", pid=pid, device=device))
    state = machine.status(status=BAD)
    assert [(mapping["device"], mapping["pid"], mapping["effective"]) for mapping in state["mappings"]] == [
        (DEVICE, 312, "WC"), (OTHER, 313, "UC-")]


def test_series_that_shows_nothing(machine):
    """Built without CONFIG_VFIO_DEBUGFS, or before the file came."""
    machine.series()
    add_pmd(machine, SERIES_OFFSET)
    os.makedirs(machine.path(f"{vfio_wc.SERIES_MAPPINGS}/{DEVICE}/pci"))
    assert machine.status(status=UNKNOWN)["mappings"][0]["reason"] == NO_SOURCE


def test_debugfs_is_not_mounted(machine):
    add_pmd(machine)
    machine.write("proc/self/mounts", "proc /proc proc rw 0 0\n")
    assert machine.status(status=UNKNOWN)["mappings"][0]["reason"] == "debugfs is not mounted"


def test_source_that_is_no_file(machine):
    add_pmd(machine)
    os.makedirs(machine.path(vfio_wc.MAPPINGS))
    assert "Invalid argument" in machine.status(status=UNKNOWN)["mappings"][0]["reason"]


def test_mapping_that_the_kernel_does_not_list(machine):
    add_pmd(machine)
    machine.mappings()
    assert machine.status(status=UNKNOWN)["mappings"][0]["reason"] == "the kernel does not list it"


# Not root

@pytest.fixture
def nobody(program):
    """A machine on which to run the program as nobody."""
    if os.geteuid() != 0:
        pytest.skip("only root can run the program as another user")
    with vfio_wc.open_machine(program) as machine:
        yield machine


@pytest.mark.parametrize("hidden", [vfio_wc.MAPPINGS, "sys/kernel/debug"])
def test_source_is_for_root(nobody, hidden):
    add_pmd(nobody)
    nobody.mappings(listed("WC"))
    assert nobody.run("status", status=GOOD, **AS_NOBODY).out
    nobody.path(hidden).chmod(0)
    assert "effective not verified: not root" in nobody.run("status", status=UNKNOWN, **AS_NOBODY).out


@pytest.mark.parametrize("hidden", ["proc/312/fd", "proc/312/maps"])
def test_processes_are_for_root(nobody, hidden):
    add_pmd(nobody, None, ())
    nobody.run("status", status=GOOD, **AS_NOBODY)
    nobody.path(hidden).chmod(0)
    out = nobody.run("status", status=UNKNOWN, **AS_NOBODY).out
    assert "note: processes that may not be read: 1; run as root" in out


def test_hidden_processes(machine):
    """With hidepid there is no trace of them."""
    machine.write("proc/self/status", "CapEff:\t0000000000000000\n")
    assert machine.status(status=UNKNOWN)["notes"] == ["processes of other users may be hidden: run as root"]


# What was asked for

def test_stock_kernel_with_the_option(machine):
    machine.stock()
    add_pmd(machine, None)
    state = machine.status(status=BAD)
    assert state["users"][0]["request"] == "not-mapped"
    assert state["status"] == "1 device requested with --vfio-wc or vfio-wc run, without a write-combining mapping"
    assert state["devices"][0]["implementation"] == "none"


@pytest.mark.parametrize("arguments, option, asks", [
    ([], None, False),
    (["--vfio-wc"], "--vfio-wc", True),
    (["--vfio-w=strict"], "--vfio-w=strict", True),
    (["--vfio-wc=auto"], "--vfio-wc=auto", True),
    (["--vfio-wc=off"], "--vfio-wc=off", False),
    (["--vfio-wc=auto,00:04.0=off"], "--vfio-wc=auto,00:04.0=off", False),
    (["--vfio-wc=off,0000:00:04.0=strict"], "--vfio-wc=off,0000:00:04.0=strict", True),
    (["--vfio-wc=off,0000:00:05.0=strict"], "--vfio-wc=off,0000:00:05.0=strict", False),
    (["--vfio-wc", "--vfio-wc=off"], "--vfio-wc=off", False),
    (["--", "--vfio-wc"], None, False),
    (["--vfio-wcs"], None, False),
    (["--vfio-"], None, False),
    (["--vfio-wc=often"], "--vfio-wc=often", False),
    (["--vfio-wc=auto,zz=off"], "--vfio-wc=auto,zz=off", False)])
def test_option(machine, arguments, option, asks):
    add_pmd(machine, None, arguments)
    machine.mappings()
    state = machine.status(status=BAD if asks else GOOD)
    assert state["users"][0]["option"] == option


@pytest.mark.parametrize("arguments, value, option, asks", [
    ([], "auto", "DPDK_VFIO_WC=auto", True),
    ([], "auto,00:04.0=off", "DPDK_VFIO_WC=auto,00:04.0=off", False),
    ([], "", None, False),
    (["--vfio-wc=off"], "auto", "--vfio-wc=off", False)])
def test_variable(machine, arguments, value, option, asks):
    add_pmd(machine, None, arguments, environment=[f"DPDK_VFIO_WC={value}"])
    machine.mappings()
    state = machine.status(status=BAD if asks else GOOD)
    assert state["users"][0]["option"] == option


def test_option_cut_off(machine):
    add_pmd(machine, None)
    machine.write("proc/312/cmdline", "dpdk-testpmd\0--vfio-wc")
    assert machine.status(status=GOOD)["users"][0]["option"] is None


def test_only_the_group_is_open(machine):
    """The process has just begun: nothing is asked of the device yet."""
    add_pmd(machine, None, files=["/dev/vfio/3"])
    state = machine.status(status=GOOD)
    assert state["users"][0]["open"] == "group"


# Who has which device open

@pytest.fixture
def two(machine):
    """A second device, in the same group."""
    machine.device(OTHER)
    return machine


def opened(state):
    return {user["device"]: user["open"] for user in state["users"]}


def test_candidates(two):
    two.series()
    add_pmd(two, SERIES_OFFSET)
    state = two.status(status=UNKNOWN)
    assert opened(state) == {DEVICE: "maybe", OTHER: "maybe"}
    mapping, = state["mappings"]
    assert mapping["device"] is None and mapping["candidates"] == [DEVICE, OTHER]
    assert {user["request"] for user in state["users"]} == {"unclear"}
    assert "may have it open: the kernel names only the group" in two.run("status").out


@pytest.mark.parametrize("enabled, nb_files, found", [
    ((1, 1), 2, ["yes", "yes"]),
    ((1, 1), 1, ["maybe", "maybe"]),
    ((1, 0), 1, ["yes", "group"]),
    ((0, 1), 2, ["group", "yes"]),
    ((0, 0), 0, ["group", "group"]),
    ((1, None), 2, ["maybe", "maybe"]),
    ((None, None), 2, ["maybe", "maybe"])])
def test_candidates_that_are_enabled(two, enabled, nb_files, found):
    for name, value in zip((DEVICE, OTHER), enabled):
        if value is not None:
            two.write(f"sys/bus/pci/devices/{name}/enable", f"{value}\n")
    add_pmd(two, None, (), ["/dev/vfio/3", *["anon_inode:[vfio-device]"] * nb_files])
    assert list(opened(two.status(status=GOOD)).values()) == found


def test_candidates_of_two_processes(two):
    """A secondary process has the group from its primary, which has enabled the devices."""
    for name in (DEVICE, OTHER):
        two.write(f"sys/bus/pci/devices/{name}/enable", "1\n")
    for pid in (312, 313):
        add_pmd(two, None, (), ["/dev/vfio/3", *["anon_inode:[vfio-device]"] * 2], pid)
    for arguments in ([], ["--pid", 313]):
        assert {user["open"] for user in two.status(*arguments, status=GOOD)["users"]} == {"maybe"}


@pytest.mark.parametrize("arguments, status", [
    (["--vfio-wc"], BAD),
    (["--vfio-wc=auto,00:05.0=off"], UNKNOWN),
    ([], GOOD)])
def test_request_for_candidates(two, arguments, status):
    """If all are asked for, one is missing, whichever it is."""
    add_pmd(two, None, arguments)
    two.mappings()
    two.status(status=status)


def test_kernel_names_the_device(two):
    two.series()
    info = f"vfio-device-syspath: /sys/devices/pci0000:00/{OTHER}\n"
    add_pmd(two, SERIES_OFFSET, files=["/dev/vfio/3", ("anon_inode:[vfio-device]", info)])
    state = two.status(status=UNKNOWN)
    assert opened(state) == {DEVICE: "group", OTHER: "yes"}
    assert state["mappings"][0]["device"] == OTHER


def test_kernel_names_two_devices(two):
    """All files have the inode of anonymous files: it does not show which of them is mapped."""
    info = "ino:\t77\nvfio-device-syspath: /sys/devices/pci0000:00/"
    two.series()
    add_pmd(two, SERIES_OFFSET, files=[("anon_inode:[vfio-device]", f"{info}{name}\n") for name in (DEVICE, OTHER)])
    mapping, = two.status(status=UNKNOWN)["mappings"]
    assert (mapping["device"], mapping["candidates"]) == (None, [DEVICE, OTHER])


def test_cdev(two):
    two.series()
    two.link("sys/class/vfio-dev/vfio1/device", f"../../../{OTHER}")
    path = "/dev/vfio/devices/vfio1"
    two.process(312, fds=["/dev/iommu", path], maps=[alias_map(ADDRESS, SIZE, SERIES_OFFSET, path=path)])
    state = two.status(status=UNKNOWN)
    assert opened(state) == {OTHER: "yes"}
    assert state["mappings"][0]["device"] == OTHER


def test_noiommu(machine):
    add_pmd(machine, None, (), ["/dev/vfio/noiommu-3", "anon_inode:[vfio-device]"])
    assert opened(machine.status(status=GOOD)) == {DEVICE: "yes"}


def test_device_without_a_group(machine):
    """It came through a socket: the kernel does not name it."""
    add_pmd(machine, None, (), ["anon_inode:[vfio-device]"])
    assert machine.status(status=UNKNOWN)["notes"] == ["process 312 has a device open that the kernel does not name"]


def test_variant_driver(machine):
    """The module does not serve it."""
    machine.device(OTHER, driver="mlx5_vfio_pci", group="4")
    assert [device["implementation"] for device in machine.status()["devices"]] == ["module", "none"]
    machine.series()
    assert [device["implementation"] for device in machine.status()["devices"]] == ["series", "series"]


def test_device_of_another_driver_is_not_shown(machine):
    machine.device(OTHER, driver="e1000e", group="4")
    assert [device["device"] for device in machine.status()["devices"]] == [DEVICE]


def test_devices_in_order(machine):
    for name in ("10000:01:00.0", "2000:00:00.0"):
        machine.device(name, group="4")
    assert [device["device"] for device in machine.status()["devices"]] == [DEVICE, "2000:00:00.0", "10000:01:00.0"]


# --pid

def test_pid(two):
    add_pmd(two)
    add_pmd(two, None, (), group_files("9"), pid=313)
    two.mappings(listed("WC"), listed("UC-", pid=314, device=OTHER))
    two.status(status=BAD)
    state = two.status("--pid", 312, status=GOOD)
    assert [device["device"] for device in state["devices"]] == [DEVICE, OTHER]
    assert {user["pid"] for user in state["users"]} == {mapping["pid"] for mapping in state["mappings"]} == {312}
    state = two.status("--pid", 313, status=UNKNOWN)
    assert state["devices"] == state["mappings"] == []


def test_pid_that_is_gone(machine):
    assert machine.status("--pid", 4711, status=UNKNOWN)["status"] == "there is no process 4711"


def test_mapping_of_a_process_that_is_gone(machine):
    """It ends while the program looks."""
    machine.mappings(listed("WC", command="my prog"))
    mapping, = machine.status(status=GOOD)["mappings"]
    assert (mapping["command"], mapping["device"]) == ("my prog", DEVICE)


def test_mapping_without_a_process(machine):
    """The kernel finds none of this PID namespace."""
    machine.mappings(listed("WC", pid=0, command="?"))
    assert machine.status(status=GOOD)["mappings"][0]["pid"] == 0


def test_mapping_of_a_device_that_is_gone(machine):
    machine.mappings(listed("WC", device="0000:77:00.0"))
    state = machine.status(status=GOOD)
    assert state["devices"][1]["device"] == "0000:77:00.0" and state["devices"][1]["id"] is None
    assert "0000:77:00.0  no such device" in machine.run("status").out


def test_process_without_files(machine):
    """As of a process that ends: its directory is there, what it contains is not."""
    machine.path("proc/312").mkdir()
    machine.status(status=GOOD)


# What maps shows

def test_physical_addresses_are_no_aliases(machine):
    """Linux before 6.10 shows them for offsets of BARs."""
    start = 0x38_8000_000000
    assert start >> 40 >= 9 and start & 1 << 39
    machine.device(OTHER, group="4", bars=[(start, SIZE, 0x14220c)])
    for implementation in (machine.module, machine.series):
        implementation()
        machine.process(312, fds=group_files("4"), maps=[alias_map(ADDRESS, SIZE, start)])
        assert machine.status(status=GOOD)["mappings"] == []
        machine.remove("proc/312")


def test_compact_offsets(machine):
    machine.series()
    machine.write("sys/module/vfio_pci/parameters/compact_offsets", "Y\n")
    add_pmd(machine, 0x1000000)
    state = machine.status(status=UNKNOWN)
    assert state["users"][0]["request"] == "unclear"
    assert state["notes"] == ["compact_offsets=1: aliases cannot be told from BARs"]
    machine.mappings(listed("WC"))
    assert machine.status(status=GOOD)["notes"] == []
    # Nor do large offsets mean an alias then.
    machine.remove("proc/312")
    add_pmd(machine, SERIES_OFFSET, ())
    machine.mappings()
    assert machine.status(status=GOOD)["mappings"] == []


@pytest.mark.parametrize("symbol, implementation", [
    ("vfio_pci_core_feature_alias", "series"),
    ("vfio_pci_core_feature_alias.isra.0", "series"),
    ("vfio_pci_core_feature_alias_of_another", "none"),
    ("another_vfio_pci_core_feature_alias", "none")])
@pytest.mark.parametrize("end", ["", "\t[vfio_pci_core]"])
def test_symbol_of_the_series(machine, symbol, end, implementation):
    machine.stock()
    machine.write("proc/kallsyms", f"0000000000000000 t {symbol}{end}\n0000000000000000 t other\n")
    assert machine.status(status=GOOD)["kernel"]["implementation"] == implementation


def test_no_symbols(machine):
    machine.stock()
    machine.remove("proc/kallsyms")
    machine.status(status=GOOD)
    add_pmd(machine, SERIES_OFFSET, ())
    state = machine.status(status=UNKNOWN)
    assert state["kernel"]["implementation"] == "unknown" and "kallsyms" in state["notes"][0]


# Other ways to write-combining

UC_MTRR = "reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable\n"


@pytest.mark.parametrize("line, found", [
    ("reg02: base=0x0fd000000 ( 4048MB), size=   16MB, count=1: write-combining", [2]),
    ("reg02: base=0x0fdc00000 ( 4060MB), size=    4KB, count=1: write-combining", [2]),
    ("reg02: base=0x0fdfff000 ( 4061MB), size=    8KB, count=1: write-combining", [2]),
    ("reg02: base=0x0fdbff000 ( 4059MB), size=    4KB, count=1: write-combining", []),
    ("reg02: base=0x0ff000000 ( 4080MB), size=   16MB, count=1: write-combining", []),
    ("reg02: base=0x0fd000000 ( 4048MB), size=   16MB, count=1: uncachable", []),
    (f"{UC_MTRR}reg02: base=0x0fd000000 ( 4048MB), size=   16MB, count=1: write-combining", []),
    ("reg02: base=0x0fd000000 ( 4048MB), size=", [])])
def test_mtrr(machine, line, found):
    machine.write("proc/mtrr", f"{line}\n")
    bars = machine.status()["devices"][0]["bars"]
    assert [(bar["bar"], bar["wc_mtrrs"]) for bar in bars] == [(0, []), (2, found)]
    assert ("write-combining by MTRR reg02" in machine.run("status").out) == bool(found)


def wc_mtrr(base, size):
    return f"reg02: base=0x{base:09x} ( 4060MB), size={size:>5}, count=1: write-combining\n"


@pytest.mark.parametrize("mtrrs, shown, effective, status", [
    (wc_mtrr(0xfdc00000, "4MB"), "UC-", "WC", GOOD),
    (wc_mtrr(0xfd000000, "16MB"), "UC-", "WC", GOOD),
    (wc_mtrr(0xfd000000, "16MB"), "WC", "WC", GOOD),
    (wc_mtrr(0xfd000000, "16MB"), "UC", "UC", BAD),
    (wc_mtrr(0xfdc00000, "1MB"), "UC-", "WC,UC-", BAD),
    (wc_mtrr(0xfe000000, "4MB"), "UC-", "UC-", BAD),
    (wc_mtrr(0xfdc00000, "4MB"), "-", None, UNKNOWN),
    # An uncachable one prevails over another one, but not over the page tables.
    (UC_MTRR + wc_mtrr(0xfdc00000, "4MB"), "UC-", "UC-", BAD),
    (UC_MTRR, "WC", "WC", GOOD)])
def test_effective_by_mtrr(machine, mtrrs, shown, effective, status):
    """The kernel's file has the types in page tables only."""
    add_pmd(machine)
    machine.mappings(listed(shown))
    machine.write("proc/mtrr", mtrrs)
    mapping, = machine.status(status=status)["mappings"]
    assert mapping["effective"] == effective
    assert ("effective WC by MTRR" in machine.run("status").out or "WC,UC- by MTRR" in machine.run("status").out) == (
        effective not in (None, shown))


def test_mtrr_of_another_part(machine):
    """The registers are compared with the part of the BAR that is mapped."""
    add_pmd(machine)
    machine.mappings(listed("UC-").replace(" 2 0x0 ", " 2 0x1000 "))
    machine.write("proc/mtrr", wc_mtrr(0xfdc00000, "4KB"))
    assert machine.status(status=BAD)["mappings"][0]["effective"] == "UC-"


def test_resource_wc(machine):
    path = f"/sys/devices/pci0000:00/{DEVICE}/resource2_wc"
    machine.process(400, "Xorg", maps=[alias_map(ADDRESS, 4096, 0, path=path),
                                       alias_map(ADDRESS, 4096, 0, path=path.replace(DEVICE, OTHER)),
                                       alias_map(ADDRESS, 4096, 0, path=path.replace("2_wc", "6_wc")),
                                       alias_map(ADDRESS, 4096, 0, path=path.removesuffix("_wc"))])
    state = machine.status(status=GOOD)
    assert [bar["resource_wc_pids"] for bar in state["devices"][0]["bars"]] == [[], [400]]
    assert len(state["devices"]) == 1
    out = machine.run("status").out
    assert "BAR2     mapped through resource2_wc by 400 Xorg" in out and "resource6" not in out


# Bad input

@pytest.mark.parametrize("line", [
    listed("WC")[:20], listed("WC").rsplit(" ", 2)[0], listed("wc"), listed("WC" * 30), "", " ", "\0",
    listed("WC").replace(DEVICE, "zz:00.0"), listed("WC").replace(" 312 ", " -1 "),
    listed("WC").replace(" 312 ", " 00 "),
    listed("WC").replace(" 312 ", " 99999999999999999999 "), listed("WC").replace(" 2 ", " 6 "),
    listed("WC").replace(RANGE, "7f5a00000000"), listed("WC").replace(RANGE, "2000-1000"),
    listed("WC").replace(RANGE, "-"), listed("WC").replace("0x0", "0xz"),
    listed("WC").replace(" 512 ", " 99999999999999999999 "), listed("WC").replace(" 4 ", " four "),
    "\x1b[31m\xff" * 1000])
def test_malformed_line(machine, line):
    add_pmd(machine, None, ())
    machine.mappings(line)
    state = machine.status(status=UNKNOWN)
    assert state["mappings"] == []
    assert state["notes"] == ["malformed lines of the kernel's list of mappings: 1"]


def test_line_cut_off(machine):
    """Without its end, a number may be the beginning of a larger one."""
    add_pmd(machine)
    machine.write(vfio_wc.MAPPINGS, f"{vfio_wc.HEADER}\n{listed('WC')}")
    machine.status(status=UNKNOWN)


HOSTILE = 'a"b\\c\n1\te\x1b[31mf\x7fg\udcffh\udc9bié} 1\u202e'


def test_hostile_command_as_text(machine):
    add_pmd(machine)
    machine.write("proc/312/comm", f"{HOSTILE}\n")
    machine.mappings(listed("WC"))
    out = machine.run("status", status=GOOD).out
    assert re.fullmatch(r"[ -~\n]*", out)
    assert r'312 a"b\x5cc\x0a1\x09e\x1b[31mf\x7fg\xffh\x9bi\xc3\xa9} 1\xe2\x80\xae has it open' in out


def test_hostile_command_as_json(machine):
    add_pmd(machine)
    machine.write("proc/312/comm", f"{HOSTILE}\n")
    machine.mappings(listed("WC"))
    assert machine.status()["users"][0]["command"] == re.sub("[\udc80-\udcff]", "\ufffd", HOSTILE)


@pytest.mark.parametrize("data, text", [
    (b"\xc3\xa9", "é"), (b"\xf0\x9f\x98\x80", "😀"), (b"\xc0\x80", "\ufffd" * 2), (b"\xed\xa0\x80", "\ufffd" * 3),
    (b"\xf4\x90\x80\x80", "\ufffd" * 4), (b"\xe2\x82", "\ufffd" * 2), (b"\xff", "\ufffd"), (b"\x01", "\x01")])
def test_utf8(machine, data, text):
    add_pmd(machine)
    machine.write("proc/312/comm", data + b"\n")
    machine.mappings(listed("WC"))
    assert machine.status()["users"][0]["command"] == text
    assert machine.run("status", "--prometheus").out.encode().decode()


def test_other_hostile_text(machine):
    """Names of drivers, and of a file that maps shows, are not harmless either."""
    machine.link(f"sys/bus/pci/devices/{DEVICE}/driver", 'x/vfio"\n\x1b')
    add_pmd(machine, arguments=['--vfio-wc=\x1b"\n'])
    state = machine.status()
    assert state["devices"][0]["driver"] == 'vfio"\n\x1b' and state["users"][0]["option"] == '--vfio-wc=\x1b"\n'
    assert re.fullmatch(r"[ -~\n]*", machine.run("status").out)


# Prometheus

SAMPLE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\d+)')


def parse_prometheus(text):
    """{name: {labels as text: value}}; each metric has its two lines, and no sample comes twice."""
    metrics, name = {}, None
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            name = line.split()[2]
            assert name not in metrics
            metrics[name] = {}
        elif line.startswith("#"):
            assert line == f"# TYPE {name} gauge"
        else:
            match = SAMPLE.fullmatch(line)
            assert match and match.group(1) == name and match.group(2) not in metrics[name], line
            metrics[name][match.group(2)] = int(match.group(3))
    return metrics


def test_prometheus(machine):
    add_pmd(machine)
    machine.write("proc/312/comm", f"{HOSTILE}\n")
    machine.mappings(listed("WC"), listed("UC-").replace(RANGE, "1000-2000"), listed("WC").replace(RANGE, "3000-4000"),
                     listed("-", pid=313, command="other"))
    metrics = parse_prometheus(machine.run("status", "--prometheus").out)
    command = r'a\"b\\c\n1' + "\ufffde\ufffd[31mf\ufffdg\ufffdh\ufffdié} 1\u202e"
    states = {"effective": (2, 0), "not_effective": (1, 0), "untouched": (0, 1), "not_verified": (0, 0)}
    assert metrics == {
        "vfio_wc_status": {None: BAD},
        "vfio_wc_info": {'implementation="module",module_version="wc-0.2.0",version="test"': 1},
        "vfio_wc_missing": {f'device="{DEVICE}",pid="312",command="{command}",open="yes"': 0},
        "vfio_wc_granted": {},
        "vfio_wc_mappings": {f'device="{DEVICE}",bar="2",pid="{pid}",command="{who}",state="{state}"': counts[index]
                             for index, (pid, who) in enumerate([(312, command), (313, "other")])
                             for state, counts in states.items()}}


def test_prometheus_without_a_mapping(machine):
    machine.stock()
    add_pmd(machine, None)
    metrics = parse_prometheus(machine.run("status", "--prometheus").out)
    assert list(metrics["vfio_wc_missing"].values()) == [1] and metrics["vfio_wc_mappings"] == {}


def test_prometheus_of_an_unknown_device(two):
    two.series()
    add_pmd(two, SERIES_OFFSET)
    metrics = parse_prometheus(two.run("status", "--prometheus").out)
    assert metrics["vfio_wc_mappings"][
        'device="unknown",bar="unknown",pid="312",command="dpdk-testpmd",state="not_verified"'] == 1


# Arguments

@pytest.mark.parametrize("arguments, message", [
    ([], "no command: use status, doctor, measure or run"),
    (["stat"], "'stat': use status, doctor, measure or run"),
    (["status", "x"], "status 'x': status takes only options"),
    (["status", "--pid", "x"], "--pid x: use the number of a process"),
    (["status", "--pid", "0"], "--pid 0: use the number of a process"),
    (["status", "--pid", "99999999999999999999"], "use the number of a process"),
    (["status", "--json", "--prometheus"], "--json and --prometheus exclude each other"),
    (["status", "--xml"], "unrecognized option '--xml'"),
    (["doctor", "--json"], "--pid, --json and --prometheus are options of status"),
    (["doctor", "zz"], "'zz' is not a PCI address: use [DDDD:]BB:DD.F"),
    (["doctor", "00:20.0"], "'00:20.0' is not a PCI address"),
    (["doctor", "00:04.0 "], "is not a PCI address"),
    (["doctor", "00:04.0", "00:05.0"], "'00:05.0': too many arguments"),
    (["--root", "/dev/null", "status"], "--root /dev/null: not a directory")])
def test_bad_arguments(program, arguments, message):
    result = vfio_wc.run(program, *arguments)
    assert result.status == USAGE and result.out == "" and message in result.err
    assert len(result.err.splitlines()) == 1


def test_help(program):
    result = vfio_wc.run(program, "--help")
    assert result.status == GOOD and "vfio-wc status" in result.out and max(map(len, result.out.splitlines())) <= 90


def test_full_disk(program):
    with open("/dev/full", "w") as full:
        done = subprocess.run([program, "status"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == UNKNOWN and done.stderr == "vfio-wc: standard output: No space left on device\n"


def test_this_machine(program):
    """Whatever it is: each form can be read."""
    json.loads(vfio_wc.run(program, "status", "--json").out)
    parse_prometheus(vfio_wc.run(program, "status", "--prometheus").out)
