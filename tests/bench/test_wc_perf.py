# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""devtools/wc-perf and dpdk-wc-perf: what they print, and bad arguments. No time is judged."""

import os
import re
import subprocess

import pytest

from bench import wc_perf
from harness import PYTHON

EAL = ["--no-huge", "--no-pci", "--no-telemetry", "-m", "64", "--lcores", "0@0", "--file-prefix",
       f"test-wc-perf-{os.getpid()}"]


@pytest.fixture(scope="module")
def printed(release):
    run = subprocess.run([*PYTHON, "-m", "bench.wc_perf", "--repeats", "3", "--when-busy", "ignore"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=500)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_types_are_verified(printed):
    assert "default UC-, wc WC." in printed


def test_delivered(printed):
    """Not under TCG, whose times say nothing about it."""
    assert "\nDelivered: unknown (the CPU is emulated (TCG), and has no memory types); 8 stores of 8 bytes" in printed


TIMES = """\
time      ordinary memory          3.10 ns a line, 3.00..3.20
time      default mapping       1104.00 ns a line, 1090.00..1110.00
time      write-combining         34.00 ns a line, 33.00..35.00
time      the same, scattered    270.00 ns a line, 268.00..272.00
"""


@pytest.mark.parametrize("verdict", ["yes", "no", "unknown"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delivered_is_read(verdict, end):
    types = "type default  UC- 4K\ntype wc       WC 2M by MTRR\n"
    found = wc_perf.delivered((f"{types}{TIMES}delivered {verdict}: so it is\n").replace("\n", end))
    assert (found["verdict"], found["reason"]) == (verdict, "so it is")
    assert found["times"] == {"cached": 3.1, "default": 1104, "wc": 34, "scattered": 270}
    assert found["text"].startswith(f"{verdict} (so it is); ") and "(WC 2M by MTRR)" in found["text"]


def test_delivered_without_times():
    assert wc_perf.delivered("")["text"] == "unknown (not timed: there is no write-combining mapping)"
    assert wc_perf.delivered("delivered unknown: the range is smaller than 4096 bytes\n")["text"] == (
        "unknown (the range is smaller than 4096 bytes)")


def test_system_calls(printed):
    """The first mapping asks the kernel, a further one of the same BAR maps only."""
    assert "of the first mapping and unmapping: ioctl 3, mmap 2, munmap 2\n" in printed
    assert "of a further one: mmap 2, munmap 2\n" in printed


def test_every_way_to_copy_has_all_figures(printed):
    time = r"([0-9.]+) \S+ \|"
    rows = re.findall(rf"^\| (\S+) \| (\d+) \| ([0-9.]+|-) \| {time} {time} {time}$", printed, re.M)
    ways = {row[0] for row in rows}
    assert {"loop", "memcpy", "rte_memcpy", "plain", "SSE2"} <= ways
    assert len(rows) == 4 * len(ways) and all(float(number) > 0 for row in rows for number in row[3:])
    assert {row[1] for row in rows if row[2] != "-"} == {"1", "24"}


@pytest.mark.parametrize("arguments, message", [
    (["--len", "64"], "no device: name one with -a"), (["--len", "x"], "--len x: not a number"),
    (["--repeats", "0"], "usage:"), (["more"], "usage:"), (["--colour"], "usage:"),
    (["--loop", "z80", "--lines", "1"], "no way to copy 'z80' on this CPU: use one of loop"),
    (["--loop", "loop", "--lines", "65"], "65 lines: use 1 to 64"),
    (["--loop", "loop"], "0 lines: use 1 to 64")])
def test_bad_arguments(release, arguments, message):
    run = subprocess.run([release / "dpdk-wc-perf", *EAL, "--", *arguments], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=60)
    assert run.returncode == 1 and message in run.stdout
