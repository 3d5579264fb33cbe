# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""wcscope: patterns of loads and stores in a guest, and what is seen of them."""

import re

import pytest

from harness import IVSHMEM_SIZE, wcscope
from harness.guest import Guest, GuestError, ivshmem

pytestmark = pytest.mark.quick


class Program:
    """wc-stores in a guest, with its BAR under observation."""

    def __init__(self, guest, control, path, program, bdf):
        self.path = path
        self.program = program
        self.scope = wcscope.Scope(control)
        self.bar = guest.bar(bdf, 2)
        self.terminal = guest.spawn(f"{program} {bdf}")
        self.terminal.expect(r"bar 0x([0-9a-f]+) (\S+) [^,]*, alias 0x([0-9a-f]+) (\S+) ")
        default, self.default_type, alias, self.alias_type = self.terminal.match.groups()
        self.default, self.alias = int(default, 16), int(alias, 16)

    def run(self, pattern, model="intel"):
        """The report of one pattern, made without an interrupt in between, which would empty buffers."""
        for _attempt in range(20):
            report = self._run(pattern, model)
            if pattern == "kernel" or report["totals"]["sent"]["kernel"] == 0:
                return report
        raise AssertionError(f"an interrupt came in each time: {report}")

    def _run(self, pattern, model):
        scope = self.scope
        scope.device(self.bar[0], IVSHMEM_SIZE, self.path, model)
        scope.range("default", self.default, IVSHMEM_SIZE, 0, self.default_type)
        scope.range("alias", self.alias, IVSHMEM_SIZE, 0, self.alias_type)
        scope("start")
        self.terminal.sendline(pattern)
        self.terminal.expect("done")
        scope("stop")
        return scope.report()


@pytest.fixture(scope="module")
def program(memory, guest_program, release, tmp_path_factory):
    control = tmp_path_factory.mktemp("wcscope") / "control"
    path = memory("wcscope", IVSHMEM_SIZE)
    plugin = wcscope.plugin(wcscope.library(release), control)
    with Guest(devices=[*ivshmem(path, IVSHMEM_SIZE), *plugin], accel="tcg", threads=wcscope.threads()) as guest:
        bdf = guest.take("1af4:1110")
        yield Program(guest, control, path, guest_program("wcscope/wc-stores"), bdf)


# {size of the writes: number}
@pytest.mark.parametrize("pattern, sizes, causes", [
    ("uncached", {"4": 16}, {}),
    ("combined", {"64": 1}, {"full": 1}),
    ("partial", {"8": 1}, {"fence": 1}),
    # 40 lines in two halves, and 12 buffers
    ("interleaved", {"8": 320}, {"victim": 68, "fence": 12}),
    # The emulator makes two and four stores of these.
    ("sse", {"16": 4}, {}),
    ("avx2", {"32": 2}, {}),
    ("kernel", {"8": 1}, {"kernel": 1}),
    ("locked", {"8": 1}, {"locked": 1}),
    ("doorbell", {"8": 1, "4": 1}, {"uncached": 1}),
])
def test_writes(program, pattern, sizes, causes):
    totals = program.run(pattern)["totals"]
    assert totals["sizes"] == sizes
    assert {cause: number for cause, number in totals["sent"].items() if number} == causes
    assert totals["store_bytes"] == totals["write_bytes"]


def test_other_parameters_give_other_writes(program):
    assert program.run("interleaved", "intel buffers=40")["totals"]["sizes"] == {"64": 40}
    assert program.run("interleaved", "amd")["totals"]["sizes"] == {"32": 80}
    assert program.run("avx2", "intel uc_width=8")["totals"]["sizes"] == {"8": 8}


@pytest.mark.parametrize("model", ["intel", "broadwell", "amd"])
def test_stores_of_delivered(program, model):
    """Whether write-combining is delivered is judged by the times of these: 64 lines are one write each, or eight."""
    assert program.run("lines", model)["totals"]["sizes"] == {"64": 64}
    assert program.run("scattered", model)["totals"]["sizes"] == {"8": 512}
    assert program.run("lines-uncached", model)["totals"]["sizes"] == {"8": 512}


def test_streaming_loads_read_a_line_once(program):
    totals = program.run("streaming")["totals"]
    assert (totals["loads"], totals["reads"], totals["read_bytes"]) == (4, 1, 64)
    totals = program.run("streaming", "intel stream_buffers=0")["totals"]
    assert (totals["loads"], totals["reads"], totals["read_bytes"]) == (4, 4, 64)


def test_accesses_are_attributed(program):
    report = program.run("doorbell")
    symbols = wcscope.Symbols(program.program, "")
    rows = wcscope.by_function(report, symbols)
    assert [(row["function"], row["range"], row["type"], row["writes"]) for row in rows] == [
        ("doorbell", "alias", "WC", 1), ("doorbell", "default", "UC", 1)]
    for arch in "x86", "arm64":
        found = wcscope.findings(report, symbols, partial_percent=100)[arch]
        assert len(found) == 1 and re.match(r"unflushed: doorbell, wc-stores\.c:\d+: ", found[0]), found


def test_partial_lines_are_found(program):
    symbols = wcscope.Symbols(program.program, "")
    found = wcscope.findings(program.run("partial"), symbols)["x86"]
    assert found == ["partial-lines: partial: 1 of 1 lines sent in pieces, more than 1 %"]
    assert wcscope.findings(program.run("combined"), symbols) == {"x86": [], "arm64": []}


def test_other_process_at_the_same_address_is_noticed(program):
    program.scope.device(program.bar[0] + 4096, IVSHMEM_SIZE)
    program.scope.range("default", program.default, IVSHMEM_SIZE, 0, "UC-")
    program.scope("start")
    program.terminal.sendline("uncached")
    program.terminal.expect("done")
    program.scope("stop")
    with pytest.raises(wcscope.ScopeError, match="16 accesses to other memory"):
        program.scope.report()


def test_type_that_is_not_modelled_is_refused(program):
    with pytest.raises(wcscope.ScopeError, match="default at 0x[0-9a-f]+ is mapped WB, which is not modelled"):
        program.scope.range("default", program.default, IVSHMEM_SIZE, 0, "WB")


@pytest.mark.parametrize("arguments", ["", ",path=/tmp/x", ",control=/nonexistent/socket", ",control=" + "x" * 200])
def test_bad_arguments_of_the_plugin(release, arguments):
    with pytest.raises(GuestError, match="wcscope: "):
        with Guest(devices=["-plugin", f"{wcscope.library(release)}{arguments}"], accel="tcg"):
            pass
