# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""devtools/wcscope on a driver that the project does not contain: each planted bug is found."""

import json
import os
import re
import shlex
import subprocess

import pytest

from harness import TOP, run_wcscope, wcscope
from harness.follow import compile_follower
from harness.guest import Guest, ivshmem

MIB = 1 << 20
SIZE = 4 * MIB
OPDEV = TOP / "tests/wcscope/foreign/opdev.c"
RING = "--ring 4096,64,0,4"
EAL = "-a {device},class=op -m 64 --no-telemetry --log-level=lib.eal:4"


def line_of(comment):
    """Where opdev.c has the comment."""
    lines = OPDEV.read_text().splitlines()
    number, = [number for number, line in enumerate(lines, 1) if f"/* {comment} */" in line]
    return f"opdev.c:{number}"


def with_dpdk(release):
    """The environment in which pkg-config finds this build of DPDK, which is not installed."""
    return dict(os.environ, PKG_CONFIG_PATH=str(release.parents[2] / "meson-uninstalled"))


@pytest.fixture(scope="module")
def opdev(release, tmp_path_factory):
    """Compile the driver, with a bug: as its comment says, with pkg-config only."""
    directory = tmp_path_factory.mktemp("opdev")

    def build(bug=None):
        program = directory / f"opdev-{bug}"
        if not program.exists():
            flags = subprocess.run(["pkg-config", "--static", "--cflags", "--libs", "libdpdk"], check=True, text=True,
                                   stdout=subprocess.PIPE, env=with_dpdk(release)).stdout
            subprocess.run(["gcc", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-DALLOW_EXPERIMENTAL_API",
                            "-DALLOW_INTERNAL_API", *[f"-DBUG_{bug}"] * bool(bug), OPDEV, "-o", program,
                            *shlex.split(flags)], check=True)
        return program
    return build


class Bench:
    """A guest in which several programs are observed one after another, as the command does it in one each."""

    def __init__(self, guest, control, path, follower):
        self.guest = guest
        self.scope = wcscope.Scope(control)
        self.path = path
        self.follower = follower
        self.bdf = guest.take("1af4:1110")

    def __call__(self, options, command):
        """(the report, exit status)"""
        args = run_wcscope.parse_args([*shlex.split(options), "--", *shlex.split(str(command))])
        with open(self.path, "r+b") as file:  # in place: QEMU has mapped it
            file.write(bytes(SIZE))
        result = run_wcscope.follow(args, self.guest, self.bdf, self.scope, self.path, self.follower)
        return result, run_wcscope.status(result)


@pytest.fixture(scope="module")
def bench(memory, release, tmp_path_factory):
    directory = tmp_path_factory.mktemp("wcscope-command")
    path = memory("wcscope-command", SIZE)
    plugin = wcscope.plugin(wcscope.library(release), directory / "control")
    with Guest(devices=[*ivshmem(path, SIZE), *plugin], append=f"hugepages=64 {wcscope.SAME_ADDRESSES}", accel="tcg",
               threads=wcscope.threads()) as guest:
        yield Bench(guest, directory / "control", path, compile_follower(directory))


@pytest.mark.parametrize("bug, rule, line, archs", [
    ("NO_FLUSH", "unflushed", "doorbell", ["x86", "arm64"]),
    ("INDEX_FIRST", "unwritten", "before the command", ["x86", "arm64"]),
    ("PLAIN_LOAD", "plain-load", "read back", ["x86", "arm64"]),
])
def test_planted_bug_is_found(bench, opdev, bug, rule, line, archs):
    result, status = bench(RING, f"{opdev(bug)} {EAL} --vfio-wc -- 300")
    assert status == run_wcscope.FOUND, result
    found, = [one for one in result["findings"] if one["rule"] == rule]
    assert (found["function"], found["line"], found["archs"]) == ("op_enqueue", line_of(line), archs)
    assert found["remedy"] == wcscope.REMEDIES[rule]
    assert found["number"] > 50


@pytest.mark.quick
def test_mended_driver(bench, opdev):
    """Types and offsets are found although nobody tells them; nothing is lost of what the program stored."""
    result, status = bench(RING, f"{opdev()} {EAL} --vfio-wc -- 300")
    assert status == run_wcscope.CLEAN, result
    kinds = {(one["type"], one["offset"]): one for one in result["mappings"]}
    assert set(kinds) == {("UC-", 0), ("WC", 4096)}, result["mappings"]
    rows = {(row["function"], row["range"]): row for row in result["functions"]}
    window, registers = kinds["WC", 4096]["name"], kinds["UC-", 0]["name"]
    assert sum(row["store_bytes"] for (_, name), row in rows.items() if name == window) == 300 * 64
    # The first store to a mapping is counted as well: two of probe, then the doorbells.
    assert rows["op_probe", registers]["stores"] == 2 and rows["op_enqueue", registers]["stores"] == 300
    assert "Findings: none" in run_wcscope.as_text(result)


def test_without_the_option_the_window_is_uncached(bench, opdev):
    """The control of the types: the same program, not told to ask for WC."""
    result, status = bench(RING, f"{opdev('NO_FLUSH')} {EAL} -- 300")
    assert {one["type"] for one in result["mappings"]} == {"UC-"}
    assert status == run_wcscope.CLEAN and result["totals"]["partial_lines"] == 0


BARRIER = "\trte_wcio_payload_before_uc_doorbell();\n"


@pytest.mark.parametrize("without, rules", [("", set()), (BARRIER, {"unflushed"})])
def test_template(bench, release, tmp_path, capfd, without, rules):
    """The example of the guide, copied, renamed and built outside DPDK's tree; the control lacks its barrier."""
    for path in [*(TOP / "examples/wc_pmd").iterdir(), *(TOP / "drivers/raw/wc_pmd").glob("*.[ch]")]:
        text = path.read_text().replace("raw_wc_pmd", "raw_my_pmd").replace("wc_pmd_logtype", "my_pmd_logtype")
        (tmp_path / path.name).write_text(text.replace(without, "", 1) if without else text)
    for command in ["meson", "setup", "build"], ["ninja", "-C", "build"]:
        subprocess.run(command, cwd=tmp_path, env=with_dpdk(release), check=True)
    result, _ = bench("", f"{tmp_path}/build/try_pmd {EAL.replace('class=op', 'class=raw')} --vfio-wc -- 200")
    assert not result["ended"] and "200 of 200 messages arrived, 0 of them wrong" in capfd.readouterr().out
    assert {one["rule"] for one in result["findings"]} == rules, result["findings"]
    assert ("WC", 4096) in {(one["type"], one["offset"]) for one in result["mappings"]}
    assert "fake_device" in {row["function"] for row in result["functions"]}


@pytest.mark.parametrize("command, why", [
    ("true", "the program has not mapped"),
    ("false", "the program ended with 1"),
    ("/nonexistent/program", "the program could not be started"),
    ("sh -c 'kill -SEGV $$'", r"the program was ended by signal 11 \(SIGSEGV\)"),
])
def test_what_could_not_be_observed(bench, command, why):
    result, status = bench("", command)
    assert status == run_wcscope.NOT_OBSERVED and re.match(why, result["ended"]), result["ended"]


def test_command(opdev, release):
    """From the command line: the report on standard output, the program's output beside it, the exit status."""
    run = subprocess.run([TOP / "devtools/wcscope", "--kernel", "series-6.12", "--programs", release, "--json",
                          "--", opdev("NO_FLUSH"), *shlex.split(EAL), "--vfio-wc", "--", "300"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.returncode == run_wcscope.FOUND, run.stderr
    assert {one["rule"] for one in json.loads(run.stdout)["findings"]} == {"unflushed"}
    assert "300 commands, 0 wrong" in run.stderr


@pytest.mark.quick
@pytest.mark.parametrize("words, text", [
    ("--device 1af4:1110 -- true", "--device and --bar go together"),
    ("--bar 6 --device 1af4:1110 -- true", "--bar 6: use 0 to 5"),
    ("--device edu --bar 0 -- true", "--device edu: use VENDOR:DEVICE, like 1af4:1110"),
    ("--size 3 -- true", "--size 3: use a power of two up to 1024"),
    ("--model none -- true", "no preset 'none': use intel or broadwell or amd"),
    ("--qemu \"'\" -- true", "No closing quotation"),
    ("--programs /tmp -- true", "no plugin"),
    ("--cpus 0 -- true", "--cpus 0: use 1 to 16"),
    ("", "COMMAND"),
])
def test_bad_arguments(words, text):
    run = subprocess.run([TOP / "devtools/wcscope", *shlex.split(words)], stderr=subprocess.PIPE, text=True)
    assert run.returncode == 2 and text in run.stderr, run.stderr
