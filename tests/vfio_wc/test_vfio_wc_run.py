# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""vfio-wc run and its preloaded library on this machine: what they refuse, what they leave alone, and, with a library
that takes the place of the kernel, which mappings they make. test_vfio_wc_run_guest.py has real kernels."""

import itertools
import os
import re
import shutil
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

from harness import vfio_wc
from harness.vfio_wc import USAGE

pytestmark = pytest.mark.quick

HERE = Path(__file__).resolve().parent
CANNOT, CANNOT_EXECUTE, NOT_FOUND = 125, 126, 127
DEVICE = "0000:fe:1f.7"
VARIABLES = ("LD_PRELOAD", "VFIO_WC_BARS", "VFIO_WC_DRIVERS", "VFIO_WC_MODE", "FAKE_ID", "FAKE_FAULTS",
             "FAKE_NAME")

Place = namedtuple("Place", "program library fake map_bars")
Done = namedtuple("Done", "status out err")


def compile_c(out, *arguments):
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", *arguments, "-o", out], check=True)
    return out


@pytest.fixture(scope="module")
def place(tmp_path_factory, fake_kernel):
    """The program and the library beside it, the fake kernel, and a program that maps BARs."""
    directory = tmp_path_factory.mktemp("vfio-wc-run")
    return Place(vfio_wc.build(directory), vfio_wc.build_library(directory),
                 fake_kernel, compile_c(directory / "map-bars", "-fno-builtin-malloc", HERE / "map-bars.c", "-pthread"))


def execute(*command, **variables):
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | variables
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, env=environment)
    return Done(done.returncode, done.stdout, done.stderr)


# The command

@pytest.mark.parametrize("arguments, status, message", [
    ([], USAGE, "no program: use vfio-wc run [OPTIONS] -- PROGRAM [ARGUMENTS]"),
    (["--mode", "strict"], USAGE, "no program: use vfio-wc run [OPTIONS] -- PROGRAM [ARGUMENTS]"),
    (["--bars", "x", "true"], USAGE, "unrecognized option '--bars'"),
    (["--bar"], USAGE, "option '--bar' requires an argument"),
    (["--mode", "off", "true"], USAGE, "--mode or VFIO_WC_MODE 'off': use auto or strict"),
    (["--driver", "net_virtio", "true"], USAGE, "--driver or VFIO_WC_DRIVERS 'net_virtio': use net_ena, raw_ntb or "
     "net_ionic; name devices of others by their PCI addresses, with --bar or in VFIO_WC_BARS"),
    (["--bar", DEVICE, "true"], USAGE,
     f"--bar {DEVICE}: there is no such device; lspci -D lists those there are"),
    (["--bar", "fe:1f.7:2", "true"], USAGE,
     f"--bar {DEVICE}: there is no such device; lspci -D lists those there are"),
    (["/nonexistent"], NOT_FOUND, "/nonexistent: there is no such program"),
    (["--", "no-such-program"], NOT_FOUND, "no-such-program: there is no such program in PATH"),
    (["/etc/passwd"], CANNOT_EXECUTE, "/etc/passwd: Permission denied: name a program that can be executed"),
    (["/"], CANNOT_EXECUTE, "/: Permission denied: name a program that can be executed")])
def test_refusal(place, arguments, status, message):
    done = execute(place.program, "run", *arguments)
    assert done == (status, "", f"vfio-wc: run: {message}\n")


@pytest.mark.parametrize("bar", ["", "1.0", "zz:00.0", "0000:fe:1f.7:6", "0000:fe:1f.7:", "0000:fe:1f.7:02",
                                 "0000:fe:1f.7:-1", "fe:1f.7,", "0000:fe:1f.8", "fe:1f.7:2x", "a" * 4000])
def test_malformed_bar(place, bar):
    done = execute(place.program, "run", f"--bar={bar}", "--", "true")
    if bar == "":
        # As a variable without a value
        assert done == (0, "", "")
        return
    assert done.status == USAGE and done.out == ""
    assert re.fullmatch(r"vfio-wc: run: --bar or VFIO_WC_BARS '[^']{0,63}': use a PCI address, \[DDDD:\]BB:DD.F, and "
                        r"optionally a BAR, :0 to :5\n", done.err)


def test_too_many_devices(place):
    bars = [f"--bar=0000:{bus:02x}:{slot:02x}.0" for bus, slot in itertools.product(range(0xf0, 0xf3), range(32))]
    done = execute(place.program, "run", *bars, "--", "true")
    assert done == (USAGE, "", "vfio-wc: run: --bar or VFIO_WC_BARS '0000:f2:00.0': name at most 64 devices\n")


def test_options_before_the_command(place):
    done = execute(place.program, "--pid", "1", "run", "true")
    assert (done.status, done.err) == (USAGE, "vfio-wc: run: no option may precede it; see vfio-wc --help\n")


def test_it_becomes_the_program(place):
    """No process waits for it, and arguments that look like options of run are its own."""
    command = [place.program, "run", "--mode=strict", "sh", "-c", 'echo $$ "$@"; exit 7', "sh", "--mode", "x", "--"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.communicate(timeout=60)[0] == f"{process.pid} --mode x --\n"
    assert process.returncode == 7


@pytest.mark.parametrize("others", [None, "", "FAKE"])
def test_libraries_that_are_preloaded_already(place, others):
    variables = {} if others is None else {"LD_PRELOAD": others.replace("FAKE", str(place.fake))}
    done = execute(place.program, "run", "--", "printenv", "LD_PRELOAD", **variables)
    expected = f"{place.library}:{place.fake}" if others == "FAKE" else str(place.library)
    assert done == (0, f"{expected}\n", "")


def test_variables(place):
    """Options replace them; what no option sets stays."""
    done = execute(place.program, "run", "--driver=raw_ntb", "--driver", "net_ionic", "--", "env",
                   VFIO_WC_MODE="strict", VFIO_WC_DRIVERS="net_ena")
    assert done.status == 0
    found = dict(line.split("=", 1) for line in done.out.splitlines() if line.startswith("VFIO_WC"))
    assert found == {"VFIO_WC_MODE": "strict", "VFIO_WC_DRIVERS": "raw_ntb,net_ionic"}
    done = execute(place.program, "run", "--", "true", VFIO_WC_MODE="stirct")
    assert done == (USAGE, "", "vfio-wc: run: --mode or VFIO_WC_MODE 'stirct': use auto or strict\n")


def test_no_library(place, tmp_path):
    program = shutil.copy(place.program, tmp_path)
    done = execute(program, "run", "--", "true")
    assert done.status == CANNOT and done.err.endswith("No such file or directory: install vfio-wc again\n")


def test_library_whose_path_is_no_word(place, tmp_path):
    """LD_PRELOAD separates libraries by blanks and colons."""
    (tmp_path / "a b").mkdir()
    for file in place.program, place.library:
        shutil.copy(file, tmp_path / "a b")
    done = execute(tmp_path / "a b/vfio-wc", "run", "--", "true")
    assert done.status == CANNOT and done.err.endswith("install it in a path without blanks and colons\n")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a program of another user")
@pytest.mark.parametrize("mode", [0o4755, 0o2755])
def test_setuid(place, tmp_path, mode):
    """The dynamic linker ignores the library for it."""
    program = Path(shutil.copy("/bin/true", tmp_path))
    os.chown(program, 65534, 65534)
    program.chmod(mode)
    done = execute(place.program, "run", "--", program)
    assert done.status == CANNOT_EXECUTE and "it would ignore the library" in done.err


# A program that maps no device

def system_calls(*command, **variables):
    """What a program does from its first call of mremap() on."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | variables
    trace = subprocess.run(["strace", "-f", *map(str, command)], env=environment, check=True, text=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60).stderr
    calls = [re.sub(r"0x[0-9a-f]+", "X", line) for line in trace.splitlines()]
    start = next(number for number, line in enumerate(calls) if line.startswith("mremap("))
    return [line.partition(" = ")[0] for line in calls[start + 1:]]


@pytest.fixture
def map_files(tmp_path):
    """Command of a program that maps a file."""
    (tmp_path / "file").write_bytes(bytes(4096))
    return [compile_c(tmp_path / "map-files", HERE / "map-files.c"), tmp_path / "file"]


def test_other_mappings_are_left_alone(place, map_files):
    """A program that does not use VFIO does what it does otherwise."""
    alone = system_calls(*map_files)
    assert system_calls(*map_files, LD_PRELOAD=str(place.library), VFIO_WC_BARS=DEVICE) == alone
    assert sum(line.startswith("mmap(") for line in alone) >= 8


def test_other_mappings_of_a_program_that_uses_vfio(place, map_files):
    """One fstat() for each shared mapping of a file, and nothing for any other."""
    alone = system_calls(*map_files, "vfio")
    under = system_calls(*map_files, "vfio", LD_PRELOAD=str(place.library), VFIO_WC_BARS=DEVICE)
    assert [line for line in under if "fstat" not in line] == alone
    asked = [re.findall(r"^\w+|\d+", line)[1] for line in under if "fstat" in line]
    shared = [re.search(r"MAP_SHARED, (\d+)", line).group(1) for line in alone if re.search(r"MAP_SHARED, \d", line)]
    assert asked == shared and len(shared) == 3


def test_results_of_other_mappings(place, tmp_path):
    """The same, errors included: the exit status of a program that maps in every way it can."""
    script = """
import errno, mmap, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
for flags in (mmap.MAP_SHARED, mmap.MAP_PRIVATE, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS):
    for offset in (0, 4096, 1):
        try:
            area = mmap.mmap(-1 if flags & mmap.MAP_ANONYMOUS else file, 4096, flags=flags, offset=offset)
            area[0] = 65
            print(flags, offset, area[0])
        except OSError as error:
            print(flags, offset, errno.errorcode[error.errno])
        except ValueError as error:
            print(flags, offset, error)
"""
    (tmp_path / "file").write_bytes(bytes(8192))
    command = ["/usr/bin/python3", "-c", script, tmp_path / "file"]
    assert execute(*command) == execute(place.program, "run", "--mode=strict", "--", *command)


# Mappings, on the fake kernel

ALL = ["0:0:10000", "2:0:10000", "4:0:10000"]
GRANTED = [f"vfio-wc: {DEVICE}: BAR{bar} write-combining granted" for bar in (2, 4)]
NO_FEATURE = "the kernel's vfio-pci has no alias regions"
NO_MAP = "mmap() failed: Resource temporarily unavailable"
USE_AUTO = "for the default mapping use --mode auto, or VFIO_WC_MODE=auto"
DEFAULT = {(0, 0x0, 0x10000): 0, (2, 0x0, 0x10000): 2, (4, 0x0, 0x10000): 4}
# The MSI-X table and PBA are in the third and fourth page of BAR4.
WC = {(0, 0x0, 0x10000): 0, (2, 0x0, 0x10000): "WC", (4, 0x0, 0x2000): "WC", (4, 0x2000, 0x4000): 4,
      (4, 0x4000, 0x10000): "WC"}


def map_bars(place, *steps, selected=DEVICE, mode=None, name=DEVICE, **variables):
    """(results of steps, {(BAR, start, end): its region, or "WC"}, lines on standard error)"""
    variables |= {"VFIO_WC_BARS": selected} if selected else {}
    variables |= {"VFIO_WC_MODE": mode} if mode else {}
    done = execute(place.map_bars, "/dev/null", name, *steps, LD_PRELOAD=f"{place.library}:{place.fake}", **variables)
    assert done.status == 0, done
    results, mappings = [], {}
    for line in done.out.splitlines():
        found = re.fullmatch(r"([0-9a-f]+)-([0-9a-f]+) ([0-9a-f]+)", line)
        if not found:
            results.append(line)
            continue
        start, end, offset = (int(word, 16) for word in found.groups())
        bar, region = start >> 30, offset >> 40
        start, end = start - (bar << 30), end - (bar << 30)
        assert offset & (1 << 40) - 1 == start and region in (bar, bar + 9), line
        mappings[bar, start, end] = region if region == bar else "WC"
    return results, mappings, done.err.splitlines()


def test_prefetchable_bars_of_a_device(place):
    assert map_bars(place, *ALL) == (["ok"] * 3, WC, GRANTED)


@pytest.mark.parametrize("selected, bars", [
    (None, []), ("", []), (f"{DEVICE}:2", [2]), ("fe:1f.7:4", [4]), (f"{DEVICE}:0", [0]), (f"{DEVICE}:5", []),
    (f"{DEVICE}:2,{DEVICE}:4", [2, 4]), ("0000:fe:1f.6", []), ("0001:fe:1f.7", []),
    (f"0000:00:00.0,{DEVICE}:2", [2])])
def test_selected_bars(place, selected, bars):
    _, mappings, lines = map_bars(place, *ALL, selected=selected)
    assert {bar for (bar, _, _), region in mappings.items() if region == "WC"} == set(bars)
    assert lines == [f"vfio-wc: {DEVICE}: BAR{bar} write-combining granted" for bar in bars]


@pytest.mark.parametrize("ident, drivers, bars", [
    ("ec201d0f", None, {2}), ("ec211d0f", None, {2}), ("ec221d0f", None, set()), ("ec201d0f", "raw_ntb", {2}),
    ("347e8086", None, set()), ("347e8086", "raw_ntb", {2, 4}), ("201c8086", "net_ionic,raw_ntb", {2, 4}),
    ("10021dd8", None, set()), ("10021dd8", "net_ionic", {2, 4}), ("00001dd8", "net_ionic", set())])
def test_bars_of_drivers(place, ident, drivers, bars):
    """ENA's are the default."""
    variables = {"VFIO_WC_DRIVERS": drivers} if drivers else {}
    _, mappings, _ = map_bars(place, *ALL, selected=None, FAKE_ID=ident, **variables)
    assert {bar for (bar, _, _), region in mappings.items() if region == "WC"} == bars


def test_pieces_around_msix(place):
    """As DPDK maps a BAR: one line, and what is not mapped stays so."""
    results, mappings, lines = map_bars(place, "4:0:2000", "4:4000:c000", "4:4000:1000")
    assert mappings == {(4, 0x0, 0x2000): "WC", (4, 0x4000, 0x5000): "WC", (4, 0x5000, 0x10000): "WC"} or \
        mappings == {(4, 0x0, 0x2000): "WC", (4, 0x4000, 0x10000): "WC"}
    assert (results, lines) == (["ok"] * 3, GRANTED[1:])


@pytest.mark.parametrize("step, expected", [
    ("4:2000:2000", {(4, 0x2000, 0x4000): 4}), ("4:3000:1000", {(4, 0x3000, 0x4000): 4}),
    ("4:1000:2000", {(4, 0x1000, 0x2000): "WC", (4, 0x2000, 0x3000): 4}),
    ("4:3000:2000", {(4, 0x3000, 0x4000): 4, (4, 0x4000, 0x5000): "WC"}),
    ("4:1fff:1", {}), ("2:1000:234", {(2, 0x1000, 0x2000): "WC"})])
def test_part_of_a_bar(place, step, expected):
    assert map_bars(place, step)[1] == expected


@pytest.mark.parametrize("fault, reason", [("no-feature", NO_FEATURE), ("no-alias-map", NO_MAP),
                                           ("no-config", "the config space cannot be read")])
def test_auto(place, fault, reason):
    results, mappings, lines = map_bars(place, *ALL, *ALL, FAKE_FAULTS=fault)
    assert (results, mappings) == (["ok"] * 6, DEFAULT)
    partly = "write-combining granted, but not all of it could be mapped"
    states = {bar: partly if (fault, bar) == ("no-alias-map", 4) else "default mapping" for bar in (2, 4)}
    expected = [f"vfio-wc: {DEVICE}: BAR{bar} {states[bar]} ({reason})" for bar in (2, 4)]
    assert [line for line in lines if "BAR0" not in line] == expected


@pytest.mark.parametrize("fault, reason, error", [("no-feature", NO_FEATURE, "EOPNOTSUPP"),
                                                  ("no-alias-map", NO_MAP, "EAGAIN")])
def test_strict(place, fault, reason, error):
    """The mapping fails, and with it the program's use of the device; BARs that were not selected are mapped."""
    results, mappings, lines = map_bars(place, *ALL, "2:0:1000", mode="strict", FAKE_FAULTS=fault)
    assert (results, mappings) == (["ok", error, error, error], {(0, 0x0, 0x10000): 0})
    assert lines == [f"vfio-wc: {DEVICE}: BAR{bar} not mapped ({reason}); {USE_AUTO}" for bar in (2, 4)]


def test_strict_where_it_is_granted(place):
    assert map_bars(place, *ALL, mode="strict") == (["ok"] * 3, WC, GRANTED)


@pytest.mark.parametrize("variables", [{"VFIO_WC_MODE": "stirct"}, {"VFIO_WC_DRIVERS": "ena"},
                                       {"VFIO_WC_BARS": f"{DEVICE},zz"}])
def test_malformed_variables(place, variables):
    """Of a service: it does not start with mappings that were not meant."""
    results, mappings, lines = map_bars(place, *ALL, selected=None, **variables)
    line, = lines
    (name, value), = variables.items()
    assert (results, mappings) == (["EINVAL"] * 3, {})
    assert f"'{value.split(',')[-1]}': use " in line and name in line and DEVICE in line


def test_name_that_is_not_known(place):
    """A descriptor that was not obtained from a group, before Linux 6.17."""
    results, mappings, lines = map_bars(place, "dup", *ALL)
    assert (results, mappings) == (["ok"] * 3, DEFAULT)
    text = "the kernel does not show which device this is, before Linux 6.17: VFIO_WC_BARS does not apply to it"
    assert lines == [f"vfio-wc: fd 512: {text}"]
    results, _, lines = map_bars(place, "dup", *ALL, mode="strict")
    assert results == ["EOPNOTSUPP"] * 3 and lines == [f"vfio-wc: fd 512: {text}; not mapped, use mode auto"]
    assert map_bars(place, "dup", *ALL, selected=None, FAKE_ID="ec201d0f")[2] == [
        "vfio-wc: fd 512: BAR2 write-combining granted"]


def test_name_that_the_kernel_shows(place):
    """Also that of another device than the one for which the group was asked: the kernel is right."""
    assert map_bars(place, "dup", *ALL, FAKE_NAME=DEVICE) == (["ok"] * 3, WC, GRANTED)
    assert map_bars(place, *ALL, FAKE_NAME="0000:fe:1f.6") == (["ok"] * 3, DEFAULT, [])


def test_name_with_a_token(place):
    """Of a VF: the token follows the name."""
    token = "2ab74924-c335-45f4-9b16-8569e5b08258"
    assert map_bars(place, *ALL, name=f"{DEVICE} vf_token={token}")[2] == GRANTED


@pytest.mark.parametrize("step", ["threads", "fork"])
def test_threads_and_children(place, step):
    """One line, no deadlock; map-bars itself checks errno and that nothing was allocated."""
    _, mappings, lines = map_bars(place, step)
    assert set(mappings.values()) == {"WC"}
    # A child that was forked before the line prints it as well.
    assert set(lines) == {GRANTED[0]} and (step == "fork" or len(lines) == 1)


# Status

def environment_of(**variables):
    return [f"{name}={value}" for name, value in variables.items()]


@pytest.mark.parametrize("library", ["/usr/lib/vfio-wc/vfio-wc-preload.so", "libx.so:/a/vfio-wc-preload.so",
                                     "vfio-wc-preload.so libx.so"])
@pytest.mark.parametrize("variables, command, asks", [
    ({}, "vfio-wc run", False),
    ({"VFIO_WC_BARS": "0000:00:04.0"}, "vfio-wc run --bar 0000:00:04.0", True),
    ({"VFIO_WC_BARS": "00:04.0:2", "VFIO_WC_MODE": "strict"}, "vfio-wc run --bar 00:04.0:2 --mode strict", True),
    ({"VFIO_WC_BARS": "00:04.0:1"}, "vfio-wc run --bar 00:04.0:1", False),
    ({"VFIO_WC_BARS": "00:05.0"}, "vfio-wc run --bar 00:05.0", False),
    ({"VFIO_WC_BARS": "00:04.0", "VFIO_WC_MODE": "x"}, "vfio-wc run --bar 00:04.0 --mode x", False),
    ({"VFIO_WC_DRIVERS": "raw_ntb"}, "vfio-wc run --driver raw_ntb", False)])
def test_status(machine, library, variables, command, asks):
    machine.process(312, fds=vfio_wc.group_files(), environment=environment_of(LD_PRELOAD=library, **variables))
    machine.mappings()
    user, = machine.status(status=vfio_wc.BAD if asks else vfio_wc.GOOD)["users"]
    assert (user["option"], user["preload"]) == (None, command)
    assert user["request"] == ("not-mapped" if asks else "none")
    assert f"; {command}" in machine.run("status").out


@pytest.mark.parametrize("library", [None, "/usr/lib/libx.so", "xvfio-wc-preload.so", "vfio-wc-preload.so.old"])
def test_status_without_the_library(machine, library):
    variables = {"LD_PRELOAD": library} if library else {}
    machine.process(312, fds=vfio_wc.group_files(), environment=environment_of(VFIO_WC_BARS="00:04.0", **variables))
    machine.mappings()
    assert machine.status(status=vfio_wc.GOOD)["users"][0]["preload"] is None


def test_status_of_ena(machine):
    """Selected without being named."""
    machine.device("0000:00:06.0", ident=("0x1d0f", "0xec20"), group="6")
    machine.process(312, fds=vfio_wc.group_files("6"), environment=environment_of(LD_PRELOAD="vfio-wc-preload.so"))
    machine.mappings()
    assert machine.status(status=vfio_wc.BAD)["users"][0]["request"] == "not-mapped"


def test_status_of_a_mapping(machine):
    alias = vfio_wc.alias_map(0x7f0000000000, 4 << 20, 2 << 40 | 1 << 39)
    machine.process(312, fds=vfio_wc.group_files(), maps=[alias],
                    environment=environment_of(LD_PRELOAD="vfio-wc-preload.so", VFIO_WC_BARS="00:04.0"))
    machine.mappings("0000:00:04.0 312 7f0000000000-7f0000400000 2 0x0 WC WC 512 1 0 4 dpdk-testpmd")
    assert machine.status(status=vfio_wc.GOOD)["users"][0]["request"] == "mapped"
