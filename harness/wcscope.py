# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""wcscope in a guest: the PCIe accesses of a program's loads and stores, and errors in their order.

    with Guest(devices=[..., *plugin(library, socket)], append=SAME_ADDRESSES, threads=threads()) as guest:
        scope = Scope(socket)
        scope.device(bar_address, bar_size, "/dev/shm/memory-behind-it")
        scope.range("slots", va, size, offset, "WC")        # type as read from the page tables
        scope("start"); ...; scope("stop")
        report = scope.report()                             # see wc_scope.c
"""

import contextlib
import json
import re
import socket
import subprocess
import tempfile
from collections import namedtuple
from pathlib import Path

from harness.guest import Guest, ivshmem, qemu_version

# An argument of the guest's kernel. QEMU since 8.0 translates code that processes share only once (CF_PCREL), and
# reports the addresses that it has in the first of them.
SAME_ADDRESSES = "norandmaps"
TYPES = {"WC": "wc", "UC": "uc", "UC-": "uc"}
Place = namedtuple("Place", "function line")


# wcscope/wc_model.c: presets, and the values that wc_params_valid() and wc_params_set() accept
PRESETS = ["intel", "broadwell", "amd"]
MAX_BUFFERS = 64
PARAMETERS = {
    "line": [64],  # net_ivshmem's
    "buffers": range(1, MAX_BUFFERS + 1), "stream_buffers": range(MAX_BUFFERS + 1), "evict": range(1001),
    "chunk": [0, 4, 8], "uc_width": [8, 16, 32, 64], "header": [12, 16], "generation": range(1, 6),
    "width": [1, 2, 4, 8, 12, 16, 32], "victim": ["oldest", "least-used"], "send_full": ["no", "yes"]}


class ScopeError(Exception):
    """wcscope refused a command, or observed something impossible."""


def check_model(text):
    """Check that PRESET[,NAME=VALUE...] is a model of wcscope, with lines of 64 bytes."""
    preset, *settings = text.split(",")
    if preset not in PRESETS:
        raise ScopeError(f"no preset '{preset}': use {' or '.join(PRESETS)}")
    for setting in settings:
        name, _equals, value = setting.partition("=")
        if name not in PARAMETERS:
            raise ScopeError(f"no parameter '{name}': use {', '.join(PARAMETERS)}")
        if value not in map(str, PARAMETERS[name]):
            raise ScopeError(f"{name} must be {allowed(PARAMETERS[name])}")


def allowed(values):
    if isinstance(values, range):
        return f"{values[0]} to {values[-1]}"
    return " or ".join(map(str, values))


def plugin_version():
    """Of the plugin interface of QEMU that the plugin is built for."""
    version = tuple(map(int, re.search(r"version (\d+)\.(\d+)", qemu_version()).groups()))
    if version == (9, 0):
        raise ScopeError("QEMU 9.0 has version 2 of the plugin interface, for which there is no plugin: use 7 to 8.2, "
                         "or 9.1 and later")
    return 3 if version >= (9, 1) else 1


def library(programs):
    """The plugin for this machine's QEMU, of the build that has the DPDK programs in a directory."""
    return Path(programs).parents[2] / f"wcscope/libwcscope{plugin_version()}.so"


def threads():
    """Of emulated CPUs. QEMU since 9.1 reports the CPU that code was translated on, if all share one thread."""
    return "single" if plugin_version() == 1 else "multi"


def plugin(path, control):
    """QEMU's arguments."""
    return ["-plugin", f"{path},control={control}"]


class Lines:
    """Lines from a socket, for select()."""

    def __init__(self, sock):
        self.socket = sock
        self.begun = b""

    def fileno(self):
        return self.socket.fileno()

    def read(self):
        """The complete lines that have come, after waiting for some bytes; None at the end."""
        data = self.socket.recv(65536)
        if not data:
            return None
        *lines, self.begun = (self.begun + data).split(b"\n")
        return [line.decode(errors="replace").strip() for line in lines]


class Scope:
    """A connection to the plugin. held has what it said of CPUs that wait: [(range, address, CPU)]"""

    def __init__(self, control):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(control))
        self.lines = Lines(self.socket)
        self.held = []

    def __call__(self, command):
        self.socket.sendall(f"{command}\n".encode())
        replies = []
        while not replies:
            replies = self.read()
        if replies[0] != "ok":
            raise ScopeError(replies[0])

    def read(self):
        """The replies that have come; what is said of CPUs goes to held."""
        lines = self.lines.read()
        if lines is None:
            raise ScopeError("QEMU ended")
        for _, name, address, cpu in (line.split() for line in lines if line.startswith("held ")):
            self.held.append((name, int(address), int(cpu)))
        return [line for line in lines if not line.startswith("held ")]

    def close(self):
        self.socket.close()

    def device(self, address, size, memory="", model="intel"):
        """Start again with a BAR, and the parameters of a model."""
        self(f"bar {address} {size} {memory}")
        self(f"model {model}")

    def range(self, name, address, size, offset, kind):
        """A mapping, by the type that was read from the page tables."""
        if kind not in TYPES:
            raise ScopeError(f"{name} at {address:#x} is mapped {kind}, which is not modelled")
        self(f"range {name} {address} {size} {offset} {TYPES[kind]}")

    def report(self):
        """The counts, as a dictionary."""
        with tempfile.NamedTemporaryFile(prefix="wcscope.", suffix=".json") as file:
            self(f"report {file.name}")
            report = json.load(file)
        if report["unresolved"]:
            raise ScopeError(f"{report['unresolved']} accesses to mappings whose type was not read in time")
        if report["elsewhere"] or report["lost_sites"] or report["lost_findings"]:
            raise ScopeError(f"{report['elsewhere']} accesses to other memory at the same addresses; beyond the limits "
                             f"of the tables: {report['lost_sites']} accesses and {report['lost_findings']} findings")
        report["totals"] = Counts(report["totals"])
        return report


@contextlib.contextmanager
def observed_guest(kernel, programs, size, hugepages):
    """A guest with an ivshmem device whose accesses are followed: (guest, BDF, file of the device's memory, Scope)."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="wcscope.") as memory, \
            tempfile.TemporaryDirectory(prefix="wcscope.") as directory:
        memory.truncate(size)
        control = Path(directory) / "control"
        with Guest(kernel=kernel, accel="tcg", append=f"hugepages={hugepages} {SAME_ADDRESSES}", threads=threads(),
                   devices=[*ivshmem(memory.name, size), *plugin(library(programs), control)]) as guest:
            yield guest, guest.take("1af4:1110"), memory.name, Scope(control)


def modules(program, maps):
    """[(start, end, base, file)] of executable files, from /proc/PID/maps; base is to be subtracted from addresses.

    Without maps the program is static and not position independent.
    """
    if not maps:
        return [(0, 1 << 47, 0, str(program))]
    mapped = [(int(start, 16), int(end, 16), file) for start, end, file in
              re.findall(r"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+ +(/.*)$", maps, re.M)]
    bases = {}
    for start, _end, file in mapped:
        bases.setdefault(file, start if is_position_independent(file) else 0)
    return [(start, end, bases[file], file) for start, end, file in mapped]


def is_position_independent(file):
    """ELF type ET_DYN (System V ABI, "ELF Header"); False for other files."""
    try:
        with open(file, "rb") as opened:
            header = opened.read(18)
    except OSError:
        return False
    return header[:4] == b"\x7fELF" and header[16] == 3


class Symbols:
    """Names and lines of addresses in a running program.

    Inlined code counts for the outermost function; with inlined, for the innermost one that is not of a header.
    """

    def __init__(self, program, maps, inlined=False):
        self.modules = modules(program, maps)
        self.inlined = inlined
        self.places = {}

    def learn(self, addresses):
        """Look up many at once."""
        wanted = {}
        for address in sorted(set(addresses) - set(self.places)):
            found = [(base, file) for start, end, base, file in self.modules if start <= address < end]
            if found:
                wanted.setdefault(found[0], []).append(address)
            else:
                self.places[address] = Place("??", "??")
        for (base, file), found in wanted.items():
            self._look_up(file, base, found)

    def _look_up(self, file, base, addresses):
        out = subprocess.run(["addr2line", "-a", "-i", "-f", "-s", "-e", file,
                              *(hex(address - base) for address in addresses)],
                             stdout=subprocess.PIPE, text=True, check=True).stdout
        # An address, then function and line, from the innermost function outwards
        blocks = re.split(r"^0x[0-9a-f]+\n", out, flags=re.M)[1:]
        for address, block in zip(addresses, blocks):
            function, line = self._choose(block.splitlines())
            self.places[address] = Place(f"?? in {Path(file).name}" if function == "??" else function,
                                         re.sub(r" \(discriminator \d+\)", "", line))

    def _choose(self, words):
        """Of function and line in turn."""
        frames = list(zip(words[::2], words[1::2]))
        own = [(function, line) for function, line in frames if not line.partition(":")[0].endswith(".h")]
        return own[0] if self.inlined and own else frames[-1]

    def __getitem__(self, address):
        self.learn([address])
        return self.places[address]


class Counts(dict):
    """Of a report, by the names that the plugin has for its counters."""

    def __missing__(self, name):
        raise ScopeError(f"the plugin has no counter '{name}': use plugin and harness of one checkout")


def add_up(row, report, site):
    for name in report["counters"]:
        row[name] = row.get(name, 0) + site[name]


def by_function(report, symbols):
    """[{"function", "range", "type", and the sums of all counters}], by decreasing wire bytes."""
    symbols.learn(site["pc"] for site in report["sites"])
    rows = {}
    for site in report["sites"]:
        key = symbols[site["pc"]].function, site["range"], site["type"]
        add_up(rows.setdefault(key, Counts(zip(("function", "range", "type"), key))), report, site)
    return sorted(rows.values(), key=lambda row: -(row["wire_bytes"] + row["read_wire_down"]))


def by_function_per(number, report, symbols):
    """The same with the sums divided by a number, such as that of packets."""
    return [Counts({name: value / number if name in report["counters"] else value for name, value in row.items()})
            for row in by_function(report, symbols)]


def by_range(report):
    """{name: sums of all counters}."""
    sums = {}
    for site in report["sites"]:
        add_up(sums.setdefault(site["range"], Counts()), report, site)
    return sums


RULES = {
    "unflushed": "doorbell or flag while earlier write-combining stores may still be in buffers",
    "unwritten": "the index announces lines that were not written",
    "early-load": "a line is loaded without a barrier after the index that announced it",
    "early-release": "a line is released without a barrier after it was loaded",
    "plain-load": "load from write-combining memory that is not a streaming load",
    "torn-store": "write-combining store across the end of a line",
}
PARTIAL = "partial-lines"
# What mends it, by lib/wcio/rte_wcio.h
REMEDIES = {
    "unflushed": "call rte_wcio_payload_before_uc_doorbell() before the doorbell, or before a flag in WC "
                 "rte_wcio_payload_before_wc_doorbell(); rte_io_wmb() and rte_write32() are no barriers for WC",
    "unwritten": "write the lines by rte_wcio_copy(), then call rte_wcio_payload_before_uc_doorbell(), then write the "
                 "index",
    "early-load": "call rte_wcio_read_mb() between the load of the index and rte_wcio_read() of the lines",
    "early-release": "call rte_wcio_read_mb() between rte_wcio_read() of the lines and the store that releases them",
    "plain-load": "read by rte_wcio_read(), or keep a copy in RAM and read that",
    "torn-store": "align the lines to 64 bytes and write them by rte_wcio_copy() or rte_wcio_copy_pad()",
    PARTIAL: "write whole lines by rte_wcio_copy(), or rte_wcio_copy_pad() for other lengths, each at once",
}


def findings(report, symbols, partial_percent=1.0):
    """{architecture: [text]}: the linter's findings, with function and line."""
    found = all_findings(report, symbols, partial_percent)
    return {arch: [describe(one) for one in found if arch in one["archs"]] for arch in report["lint"]}


def all_findings(report, symbols, partial_percent=1.0):
    """[{"rule", "archs", "function", "line", "other", "number", "offset", ...}], each once for all architectures."""
    symbols.learn(pc for found in report["lint"].values() for one in found for pc in (one["pc"], one["other"]) if pc)
    merged = {}
    for arch, found in report["lint"].items():
        for one in found:
            new = as_finding(one, symbols)
            places = one["rule"], symbols[one["pc"]], symbols[one["other"]] if one["other"] else None
            old = merged.setdefault(places, new)
            old["numbers"][arch] = old["numbers"].get(arch, 0) + one["number"]
    for one in merged.values():
        numbers = one.pop("numbers")
        one |= {"archs": list(numbers), "number": max(numbers.values())}
    return [*merged.values(), *partial_lines(report, symbols, partial_percent)]


def as_finding(one, symbols):
    if one["rule"] not in RULES:
        raise ScopeError(f"the plugin has a rule '{one['rule']}', which is unknown here: use plugin and harness of one "
                         "checkout")
    return {"rule": one["rule"], **symbols[one["pc"]]._asdict(),
            "other": symbols[one["other"]]._asdict() if one["other"] else None, "offset": one["offset"], "numbers": {}}


def describe(one):
    if one["rule"] == PARTIAL:
        return (f"{PARTIAL}: {one['function']}: {one['number']} of {one['lines']} lines sent in pieces, more than "
                f"{one['percent']:g} %")
    text = f"{one['rule']}: {one['function']}, {one['line']}: {RULES[one['rule']]}"
    if one["other"]:
        text += f"; the other access: {one['other']['function']}, {one['other']['line']}"
    return f"{text} ({one['number']} times, first at offset {one['offset']:#x})"


def partial_lines(report, symbols, percent):
    """Functions with more than this percentage of lines sent in pieces, with the line that has most of them."""
    found = []
    for row in by_function(report, symbols):
        lines = row["full_lines"] + row["partial_lines"]
        if row["partial_lines"] * 100 > percent * lines:
            worst = max((site for site in report["sites"] if symbols[site["pc"]].function == row["function"]),
                        key=lambda site: site["partial_lines"])
            found.append({"rule": PARTIAL, "archs": list(report["lint"]), "function": row["function"],
                          "line": symbols[worst["pc"]].line, "other": None, "number": row["partial_lines"],
                          "lines": lines, "percent": percent})
    return found
