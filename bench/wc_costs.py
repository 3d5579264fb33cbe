# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Predict the published measurements of write-combining by the model of wcscope and the costs of each platform.

Costs are nanoseconds of a CPU's time, as presets of platforms. Counts of stores, writes and lines are the model's.
"""

import csv
import functools
import math
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import NamedTuple, Optional

from harness import TOP, tool

DATA = TOP / "tests/wcscope/data"
DOCUMENT = TOP / "doc/wcscope_costs.rst"
TOLERATED_PERCENT = 15


class Costs(NamedTuple):
    """Nanoseconds, unless it says otherwise. None: not measured."""
    uc_store: Optional[float] = None  # an uncached store of up to 8 bytes
    uc_wide: Optional[float] = None   # a wider one that is one write
    uc_load: Optional[float] = None   # an uncached load, or a plain one of write-combining memory
    store: float = 0                  # a write-combining store; 0: less than the line takes
    string: float = 0                 # a line that "rep movsb" stores, which is neither a store nor sixty-four
    line: float = 0                   # a complete line at the device, and in the link; 0: less than its stores take
    ahead: int = 0                    # lines that are posted before the CPU waits for the device
    fence: Optional[float] = None     # SFENCE after write-combining stores
    drains: Optional[int] = None      # buffers that drain at once: an evicted one takes the CPU fence / drains
    reopen: Optional[float] = None    # until a line that was evicted can be collected again
    stream_start: float = 0           # the first line of streaming loads
    stream_line: Optional[float] = None  # each line of streaming loads
    start: float = 0                  # what a measurement adds to each copy: calls, reading the clock


class Platform(NamedTuple):
    cpu: str
    device: str
    date: str
    source: str
    preset: str      # of the model
    generation: int  # of PCIe
    lanes: int
    costs: Costs
    notes: str
    identity: tuple = ()  # vendor, family and model, as /proc/cpuinfo names them, if one CPU was measured
    buffers: int = 0      # that devtools/wc-probe counted


# Each set of costs is fitted to the measurements of its platform, by the numbers that the notes name.
PLATFORMS = {
    "f1": Platform(
        "Xeon E5-2686 v4 (Broadwell), virtual", "FPGA, DDR4 behind BAR 4", "5 October and 28 November 2017",
        "https://github.com/awslabs/aws-fpga-app-notes, Using-PCIe-Write-Combining", "broadwell", 3, 16,
        Costs(uc_store=141, uc_wide=168, store=2.65, string=17, line=34, ahead=150, start=130),
        "Version 1.0 of the source timed one copy of each size, version 1.1 many (again). uc_store: the 4-byte loop, "
        "and bytes of memcpy() from 2 KiB on take 138 ns a store in 1.0, 144 in 1.1; uc_wide: memcpy() of 1024 bytes, "
        "154 and 170; store: the 4-byte loop, 45 ns a line and 39; line: memcpy() above 128 KiB. From 1.0 only: ahead: "
        "32 KiB, which is faster; string: memcpy() of 8 and 16 KiB; start: memcpy() of 512 and 1024 bytes. No fence "
        "and no load was timed."),
    "gdrcopy": Platform(
        "Xeon of Ivy Bridge to Broadwell", "Tesla P100", "2020", "https://github.com/NVIDIA/gdrcopy, README.md",
        "broadwell", 3, 16,
        Costs(uc_load=880, store=2.65, line=6.23, ahead=14, fence=97, stream_start=2100, stream_line=123.7),
        "fence: copies of up to a line, with the call; store: 512 bytes to 2 KiB, 5.3 ns a line; line: above 64 KiB; "
        "ahead: what large copies are faster by; uc_load: 16 bytes; stream_line: 256 KiB to 4 MiB; stream_start: 256 "
        "bytes to 2 KiB. There was no uncached mapping."),
    "silver4114": Platform(
        "Xeon Silver 4114 (Skylake)", "Tesla P100", "16 July 2021", "https://github.com/NVIDIA/gdrcopy/issues/24",
        "intel", 3, 16, Costs(store=4.3, line=6.24, ahead=16, fence=124),
        "fence: copies of up to 32 bytes, with the call; store: 512 bytes to 2 KiB, of 64 bytes each; line: above 64 "
        "KiB, as long as in gdrcopy, where another CPU has the same GPU; ahead: what large copies are faster by."),
    "w2123": Platform(
        "Xeon W-2123 (Skylake)", "FPGA, block RAM", "April 2023",
        "https://github.com/Chester-Gillon/fpga_sio, memmapped_access_times.txt", "intel", 2, 4,
        Costs(uc_store=97.3, uc_load=860, line=68.9, ahead=160),
        "uc_store, uc_load: memcpy(), byte by byte; line: 1 MiB, followed by a read; ahead: 64 KiB without that read. "
        "No fence was timed."),
    "genoa": Platform(
        "EPYC of Zen 4 (family 25, model 17, stepping 1), virtual", "Non-temporal stores to ordinary memory",
        "26 November 2026", "this project", "amd", 4, 8,
        Costs(store=0.4, fence=95, drains=8),
        "store: up to 7 streams; fence: a line, and 7/8 of one; drains: the buffers of the preset, each of which takes "
        "the time of a fence. There was no device: nothing uncached is known.", ("AuthenticAMD", "25", "17"), 8),
    "turin": Platform(
        "EPYC of Zen 5 (family 26, model 2, stepping 1), virtual", "Non-temporal stores to ordinary memory",
        "28 November 2026", "this project", "amd,buffers=12", 4, 8,
        Costs(store=0.335, fence=113, reopen=94),
        "store: 2 to 11 streams; fence: a line, and 7/8 of one; reopen: 13 to 24 streams. From 13 on a round of "
        "stores, one to each stream, takes 91 to 97 ns, however many there are: each waits only for its own line to "
        "arrive. How many drain at once would need more streams. There was no device: nothing uncached is known.",
        ("AuthenticAMD", "26", "2"), 12),
}


class Work(NamedTuple):
    """What costs time."""
    uc_stores: int = 0  # of up to 8 bytes
    uc_loads: int = 0
    stores: int = 0   # write-combining
    strings: int = 0  # lines stored by "rep movsb"
    lines: int = 0    # sent complete
    evicted: int = 0  # sent in pieces as another access made the CPU do so
    fences: int = 0
    streamed: int = 0  # lines of streaming loads
    uc_wide: int = 0   # uncached stores of more than 8 bytes
    rounds: int = 0    # of stores to the same lines in turns, each of which finds them evicted


# Causes (wc_cause_name()) for which a line leaves without another one taking its buffer; a fence has its own cost.
OWN_ACCORD = {"full", "early", "fence", "end"}


class CostError(Exception):
    """A platform was not measured in this respect."""


def times(number, costs, name):
    cost = getattr(costs, name)
    if number and cost is None:
        raise CostError(f"{name} was not measured")
    return number * (cost or 0)


def evicted_ns(costs, work):
    """Evicted lines drain side by side, but each has to arrive before it is collected again."""
    reopened = work.rounds * (costs.reopen or 0)
    if not work.evicted or reopened and costs.drains is None:  # more drain at once than were measured
        return reopened
    return max(reopened, times(work.evicted, costs, "fence") / times(1, costs, "drains"))


def cpu_ns(costs, work):
    """Time of the CPU: it issues stores while the device takes lines, and waits for the slower, and for all else."""
    # A read's completion pushes posted writes (PCIe base specification, section 2.4.1).
    ahead = 0 if work.uc_loads else costs.ahead
    issue = times(work.stores, costs, "store") + times(work.strings, costs, "string") + evicted_ns(costs, work)
    return (times(work.uc_stores, costs, "uc_store") + times(work.uc_wide, costs, "uc_wide")
            + times(work.uc_loads, costs, "uc_load")
            + max(issue, (work.lines - ahead) * costs.line, 0) + times(work.fences, costs, "fence")
            + (costs.stream_start + times(work.streamed, costs, "stream_line") if work.streamed else 0))


def steady(costs):
    """Of a program that goes on, not of one copy: the device takes as many lines as the CPU sends."""
    return costs._replace(start=0, ahead=0, stream_start=0)


def is_wide(site):
    """Whether the writes of uncached stores of an instruction have more than 8 bytes."""
    return site["write_bytes"] > 8 * site["writes"]


def stores_of(report):
    """Work of a report of wcscope, but for loads: what they take depends on how many are under way."""
    totals, sites = report["totals"], report["sites"]
    uncached = [site for site in sites if site["type"] == "UC"]
    return Work(uc_stores=sum(site["writes"] for site in uncached if not is_wide(site)),
                uc_wide=sum(site["writes"] for site in uncached if is_wide(site)),
                stores=sum(site["stores"] for site in sites if site["type"] == "WC"), lines=totals["full_lines"],
                evicted=sum(number for cause, number in totals["sent"].items() if cause not in OWN_ACCORD),
                fences=totals["fences"])


def link_ns(platform):
    """Of a complete line, with a header of 16 bytes and 8 around it, in the link: see wcscope/wc_model.c."""
    giga_transfers = {2: 5, 3: 8, 4: 16}[platform.generation]
    coding = 8 / 10 if platform.generation == 2 else 128 / 130
    return 8 * (64 + 16 + 8) / (giga_transfers * platform.lanes * coding)


# Measurements

class Point(NamedTuple):
    """A row of a file in tests/wcscope/data; low and high differ where a range is published."""
    access: str    # store, load, stream (streaming loads) or string ("rep movsb")
    mapping: str   # uc or wc
    size: int      # bytes of an access
    bytes: int     # of a stream
    streams: int   # accessed in turns
    then: str      # fence, read (a load, which waits for the device), again (many such copies) or nothing
    low: float
    high: float
    unit: str
    excuse: str    # why the prediction misses it


class Prediction(NamedTuple):
    point: Point
    value: float
    percent: float  # by how much it misses the range

    @property
    def met(self):
        return abs(self.percent) <= (0 if self.point.unit == "writes" else TOLERATED_PERCENT)


WORDS = {"access": ["store", "load", "stream", "string"], "mapping": ["uc", "wc"],
         "then": ["", "fence", "read", "again"], "unit": ["GB/s", "MB/s", "MiB/s", "us", "ns/line", "writes"]}


def point_of(row):
    for column, words in WORDS.items():
        if row[column] not in words:
            raise ValueError(f"{column} '{row[column]}': use {' or '.join(word or 'nothing' for word in words)}")
    return Point(row["access"], row["mapping"], int(row["size"]), int(row["bytes"]), int(row["streams"]), row["then"],
                 float(row["low"]), float(row["high"]), row["unit"], row["excuse"])


def points(platform):
    file = DATA / f"{platform}.csv"
    found = []
    for row in csv.DictReader(line for line in file.read_text().splitlines() if not line.startswith("#")):
        try:
            found.append(point_of(row))
        except (KeyError, TypeError, ValueError) as error:
            raise tool.ToolError(f"{file.relative_to(TOP)}: {','.join(map(str, row.values()))}: {error}") from error
    return found


@functools.lru_cache
def copy_directory():
    """That has the program of wcscope/wc_copy.c, until this one ends."""
    directory = tempfile.TemporaryDirectory(prefix="wc-costs.")
    subprocess.run(["gcc", "-O2", f"-I{TOP}/wcscope", TOP / "wcscope/wc_copy.c", TOP / "wcscope/wc_model.c", "-o",
                    Path(directory.name) / "wc-copy"], check=True)
    return directory


def count(copies):
    """Counts of the model for [(preset, Point)]: see wcscope/wc_copy.c."""
    lines = [f"{preset} {'store' if p.access == 'string' else p.access} {p.mapping} {p.size} {p.bytes} {p.streams} "
             f"{p.then if p.then in ('fence', 'read') else '-'}\n" for preset, p in copies]
    out = subprocess.run([Path(copy_directory().name) / "wc-copy"], input="".join(lines), stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    return [list(map(int, line.split())) for line in out.splitlines()]


def work_of(point, counts):
    stores, writes, lines, evicted, reads, fences = counts
    if point.mapping == "uc":
        kind, number = "uc_wide" if point.size > 8 else "uc_stores", writes
    else:
        kind, number = "strings" if point.access == "string" else "stores", stores
    loads = "streamed" if point.access == "stream" else "uc_loads"
    return Work(lines=lines, evicted=evicted, fences=fences, rounds=evicted // point.streams,
                **{kind: number, loads: reads})


def in_unit(ns, point, writes):
    """The predicted time in the unit of the measurement."""
    size = point.bytes * point.streams
    return {"GB/s": lambda: size / ns, "MB/s": lambda: size / ns * 1e3,
            "MiB/s": lambda: size / ns * 1e9 / (1 << 20), "us": lambda: ns / 1e3,
            "ns/line": lambda: ns / math.ceil(point.bytes / 64) / point.streams, "writes": lambda: writes}[point.unit]()


def missed_percent(value, point):
    """From the nearer end of the range."""
    return 100 * (value / min(max(value, point.low), point.high) - 1)


@functools.lru_cache
def counted(name, preset):
    """[(Point, counts)] of a platform's measurements."""
    found = points(name)
    return list(zip(found, count([(preset, point) for point in found])))


def predict(name):
    """[Prediction] for all points of a platform."""
    platform = PLATFORMS[name]
    predictions = []
    for point, counts in counted(name, platform.preset):
        costs = steady(platform.costs) if point.then == "again" else platform.costs
        ns = None
        if point.unit != "writes":
            ns = costs.start + cpu_ns(costs, work_of(point, counts))
        value = in_unit(ns, point, counts[1])
        predictions.append(Prediction(point, value, missed_percent(value, point)))
    return predictions


def failure(prediction):
    """What is wrong with a prediction, or None: an excuse has to be needed."""
    point = prediction.point
    what = (f"{point.access} {point.mapping}, {point.size} bytes of {point.bytes}, {point.streams} streams, "
            f"{point.low:g} {point.unit}: {prediction.value:.4g}, {prediction.percent:+.1f} %")
    if prediction.met:
        return f"{what}, excused, although it is met: {point.excuse}" if point.excuse else None
    if not point.excuse:
        return f"{what}, without an excuse"
    return None if re.search("[0-9]", point.excuse) else f"{what}, with an excuse that has no figure: {point.excuse}"


# Early eviction

# The boot test of mlx5: so many lines that count, by so many stores each; it fails if none arrives complete.
BOOT_LINES, BOOT_STORES = 254, 8
GRACE = {0.3: "8 stores of 8 bytes: about 3 of 10 boots", 0.9: "a loop in C: almost always, taken as 9 of 10"}
CHANCES = [0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 1]
WIDTHS = [8, 16, 32, 64]
SWEPT_LINES = 16384


def complete(chance):
    """How often a line of the boot test arrives complete: no store but the last makes it leave."""
    return (1 - chance) ** (BOOT_STORES - 1)


def boot_fails(chance):
    return (1 - complete(chance)) ** BOOT_LINES


def chance_of(fails):
    """The chance of each store with which so many boots fail."""
    return 1 - (1 - fails ** (1 / BOOT_LINES)) ** (1 / (BOOT_STORES - 1))


def writes_per_line(chances):
    """{chance: [for each of WIDTHS]}, by the model, which sends a line with holes as one write per run of bytes."""
    copies = [(f"amd,evict={round(1000 * chance)}",
               Point("store", "wc", width, 64 * SWEPT_LINES, 1, "fence", 0, 0, "writes", ""))
              for chance in chances for width in WIDTHS]
    writes = [counts[1] / SWEPT_LINES for counts in count(copies)]
    return {chance: writes[n * len(WIDTHS):][:len(WIDTHS)] for n, chance in enumerate(chances)}


def percent(share, digits=1):
    return f"{100 * share:.{digits}f} %"


def early_rows():
    published = {chance_of(fails): text for fails, text in GRACE.items()}
    return [[percent(chance), *(f"{number:.2f}" for number in writes), percent(complete(chance), 2),
             percent(boot_fails(chance), 2), published.get(chance, "")]
            for chance, writes in writes_per_line(sorted([*CHANCES, *published])).items()]


# Document

ACCESSES = {"store": "stores", "load": "loads", "stream": "streaming loads", "string": "rep movsb"}
MAPPINGS = {"uc": "UC", "wc": "WC"}
UNITS = {"uc_store": "an uncached store of up to 8 bytes, ns", "uc_wide": "a wider one, ns",
         "uc_load": "an uncached load, ns", "store": "a WC store, ns",
         "string": "a line by rep movsb, ns", "line": "a complete line at the device, ns",
         "ahead": "lines posted ahead", "fence": "a fence, ns", "drains": "buffers that drain at once",
         "reopen": "until an evicted line is collected again, ns",
         "stream_start": "the first streamed line, ns", "stream_line": "each streamed line, ns",
         "start": "the measurement itself, ns"}

INTRODUCTION = """\
.. SPDX-License-Identifier: BSD-3-Clause
   Copyright(c) 2026 dpdk-vfio-wc project

.. Written by devtools/wc-costs: edit bench/wc_costs.py and tests/wcscope/data/, and run it.

wcscope: costs in time, and published measurements
==================================================

An uncached store costs a CPU about a hundred nanoseconds, a write-combining store a few. That is what write-combining
mappings are for, and what the counts of ``doc/wcscope.rst`` do not show. ``bench/wc_costs.py`` has the costs of
platforms that somebody has measured. A prediction is what the model counts, times these costs:

* uncached stores and loads, and fences, one after the other;
* the slower of the CPU, which issues write-combining stores, and the device, which takes complete lines; at the start
  the CPU is ahead by so many lines, which are posted. A load from the device waits for them, and of a program that goes
  on ("again") nothing is ahead;
* a line that another one evicts from its buffer takes the time of a fence, and so many of them drain at once; it can be
  collected again when it has arrived.

Each set of costs has to predict every measurement of its platform within {tolerated} %. Where it does not, the reason
is next to it, with figures; one that is no longer needed fails ``tests/wcscope/test_wc_costs.py``, too. Counts of
writes are exact. Of {points} measurements {met} are met, {within} of them within 5 %; the others are excused.

What this does not show: other CPUs, devices, slots and hypervisors. An FPGA takes a line in 34 or 69 ns, a GPU in 6.

The CPU time of a program is computed from wcscope's report, without its loads. Each waits for the device, {load}
ns where it was timed, but how many are under way at once no count tells: for a program that loads from the device, this
time is a lower limit.

In ``tests/wcscope/data/`` a row is one measurement: ``access`` is store, load, stream (streaming loads, MOVNTDQA) or
string (rep movsb), to a ``mapping`` uc or wc, of ``size`` bytes each, to ``bytes`` bytes of each of so many ``streams``
in turns, ``then`` a fence or a read or the same again, many times, or nothing; measured were ``low`` to ``high`` of
``unit``; ``excuse`` is empty or the reason why the prediction misses it.
"""


EARLY = """\
Early eviction, and arm64
-------------------------

A CPU may send a line at any time before it is complete. The parameter ``evict`` of the model is after how many of 1000
stores the line leaves at once: 0 in all presets. For arm64 one case is published, the boot test of the driver mlx5 on
NVIDIA's Grace (Linux commit fd8c8216648c, September 2025). It stores 255 lines, with barriers between them, and fails
if none of the first 254 arrives complete. By eight stores of 8 bytes that happened in about 3 of 10 boots of some
systems; by a loop in C almost always; by one instruction that stores four registers of 16 bytes never, as far as was
seen. One that stores 64 bytes at once (ST64B) is always one write.

{table}
Two things follow. If each store had the same chance, it would be {chance} on those systems: {complete} of the lines
would arrive complete, and a line would be {writes:.1f} writes on average. And that the test passes tells little: with a
chance of 40 % it practically never fails, although 97 of 100 lines arrive in pieces.

Three things do not follow:

* That each store has the same chance. The source has seen thousands of lines of which none was combined: boots in which
  nothing combines fit its figures as well, and the others may then combine everything.
* That 64 bytes by one instruction are one write, as in the table: the model does not split a store, while the source
  calls what four registers achieve imperfect.
* How a line that leaves early is sent: in the table, as one write for each run of bytes.

No figure of Graviton was found, neither of combining nor of time. Of time on arm64 one was, of a CPU that is not named:
5.53 GB/s, or 11.6 ns a line, to a Blackhole of Tenstorrent (https://github.com/tenstorrent/tt-umd/pull/2710, 2026).
UCX returned from four registers to plain copies, as it gained nothing from them on Grace
(https://github.com/openucx/ucx/pull/11342, 2026).
"""


# Figures without a table of measurements: (published, of what and where, what the costs above say)
OTHERS = [
    ("more than 10 times faster", "NTB by WC, DPDK's guide rawdevs/ntb.rst", "f1: {ratios}"),
    ("12 s and 0.5 s", "firmware download of XRT, https://github.com/Xilinx/XRT/pull/7227",
     "24 times faster; f1: {ratios}"),
    ("50 to 300 ns", "between 8-byte writes, https://community.intel.com, Software Tuning, thread 1186313",
     "``uc_store`` {uc_store} ns"),
    ("about 2.5 GB/s", "4-byte loop to AWS F2 (2025), https://github.com/aws/aws-fpga/issues/711",
     "26 ns a line; f1: {line:.0f}, another CPU and FPGA"),
    ("about 100 s", "300 MB by 4-byte loads, the same", "1300 ns a load; ``uc_load`` {uc_load} ns"),
    ("about 5 % slower", "mlx5 where WC does not combine, Linux commit fd8c8216648c",
     "nothing: what is stored is not said"),
]


def known(cost):
    """The values of a cost, where it was measured."""
    values = [getattr(platform.costs, cost) for platform in PLATFORMS.values()]
    return " and ".join(f"{value:g}" for value in values if value)


def times_faster(costs, size):
    """A line by WC instead of UC, by stores of so many bytes, in a program that goes on."""
    stores = 64 // size
    uncached = Work(uc_wide=stores) if size > 8 else Work(uc_stores=stores)
    return cpu_ns(steady(costs), uncached) / cpu_ns(steady(costs), Work(stores=stores, lines=1))


def others_section():
    f1 = PLATFORMS["f1"].costs
    facts = {"ratios": ", ".join(f"{times_faster(f1, size):.0f} by stores of {size}" for size in (4, 8, 32)),
             "line": cpu_ns(steady(f1), Work(stores=16, lines=1)), "uc_store": known("uc_store"),
             "uc_load": known("uc_load")}
    return "\n".join(["Other figures", "-------------", "",
                      "Published without measurements that could be predicted one by one.", "",
                      table(["Published", "Of what, and where", "The costs above"],
                            [[cell.format(**facts) for cell in row] for row in OTHERS])])


def number(value):
    return f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}"


def measured(point):
    return number(point.low) if point.low == point.high else f"{number(point.low)} to {number(point.high)}"


def table(heading, rows):
    """A simple table of reStructuredText."""
    rows = [heading, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heading))]
    border = "  ".join("=" * width for width in widths)
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([border, lines[0], border, *lines[1:], border, ""])


def paragraph(text):
    return "\n".join([*textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False), ""])


def costs_rows(predictions):
    rows = [[f"``{name}``: {text}", *(f"{value:g}" if value else "" for value in
                                      (getattr(platform.costs, name) for platform in PLATFORMS.values()))]
            for name, text in UNITS.items()]
    return [*rows,
            ["Numbers above, fitted", *(str(sum(map(bool, platform.costs))) for platform in PLATFORMS.values())],
            ["Measurements", *(str(len(these)) for these in predictions.values())],
            ["Measurements that are met", *(str(sum(one.met for one in these)) for these in predictions.values())]]


def row_of(prediction):
    point = prediction.point
    streams = f", {point.streams} streams" if point.streams > 1 else ""
    then = f", {point.then}" if point.then else ""
    return [f"{ACCESSES[point.access]}, {MAPPINGS[point.mapping]}{streams}{then}", str(point.size), f"{point.bytes:,}",
            f"{measured(point)} {point.unit}", number(prediction.value), f"{prediction.percent:+.1f}", point.excuse]


def section(name, predictions):
    platform = PLATFORMS[name]
    title = f"{name}: {platform.cpu}"
    return "\n".join([
        title, "-" * len(title), "",
        paragraph(f"{platform.device}, {platform.date}. Source: {platform.source}. Data: "
                  f"``tests/wcscope/data/{name}.csv``."),
        paragraph(f"Costs from: {platform.notes}"),
        table(["Access", "Bytes each", "Bytes", "Measured", "Predicted", "Missed by %", "Reason"],
              [row_of(one) for one in predictions])])


def early_section():
    grace = chance_of(0.3)
    return EARLY.format(
        chance=percent(grace), complete=percent(complete(grace)), writes=writes_per_line([grace])[grace][0],
        table=table(["Leaves after a store", *(f"Writes a line, by {width} bytes" for width in WIDTHS),
                     "Complete, by 8 bytes", "Boot test fails", "Published of Grace"], early_rows()))


def document():
    predictions = {name: predict(name) for name in PLATFORMS}
    found = [one for these in predictions.values() for one in these]
    introduction = INTRODUCTION.format(
        tolerated=TOLERATED_PERCENT, points=len(found), met=sum(one.met for one in found),
        within=sum(one.met and abs(one.percent) <= 5 for one in found),
        load=known("uc_load"))
    costs = "\n".join(["Costs", "-----", "", "Empty: not measured, or hidden by what takes longer.", "",
                       table(["Cost", *PLATFORMS], costs_rows(predictions))])
    return "\n".join([introduction, costs, *(section(name, these) for name, these in predictions.items()),
                      others_section(), early_section()])


def parse_args():
    parser = tool.ArgumentParser(prog="wc-costs", description=f"Write {DOCUMENT.relative_to(TOP)}: published "
                                 "measurements, and what the model of wcscope predicts.")
    parser.add_argument("--check", action="store_true", help="fail if it is not current, and write nothing")
    return parser.parse_args()


def main(args):
    text = document()
    if not args.check:
        DOCUMENT.write_text(text)
    elif not DOCUMENT.exists() or DOCUMENT.read_text() != text:
        raise tool.ToolError(f"{DOCUMENT.relative_to(TOP)} is not current: run devtools/wc-costs")
    failures = [f"{name}: {failure(one)}" for name in PLATFORMS for one in predict(name) if failure(one)]
    for line in failures:
        print(f"wc-costs: {line}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    tool.run("wc-costs", parse_args, main, packages=["dpdk"], programs=["gcc"], errors=[CostError])
