# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The linter on dpdk-testpmd in a guest: silent on net_ivshmem as it is, and it finds each planted bug."""

import re

import pytest

from bench import wc_bench_model
from harness import IVSHMEM_SIZE, planted, wcscope
from harness.guest import Guest, ivshmem
from harness.pair import IvshmemPair

SECONDS = 0.1
SSE2 = "--force-max-simd-bitwidth=128"
BOTH = {"x86", "arm64"}


class Bench:
    """A guest under observation, and the release build of testpmd."""

    def __init__(self, guest, control, path, release):
        self.guest = guest
        self.scope = wcscope.Scope(control)
        self.path = path
        self.release = release
        self.bdf = guest.take("1af4:1110")

    def observe(self, frames, option, program=None):
        """What IvshmemPair.observe() returns for each frame size."""
        with IvshmemPair(self.guest, self.bdf, self.path, self.release / "dpdk-testpmd", program,
                         option=option) as pair:
            return [pair.observe(self.scope, frame, SECONDS) for frame in frames]


@pytest.fixture(scope="module")
def bench(memory, release, tmp_path_factory):
    control = tmp_path_factory.mktemp("wclint") / "control"
    path = memory("wclint", IVSHMEM_SIZE)
    with Guest(devices=[*ivshmem(path, IVSHMEM_SIZE), *wcscope.plugin(wcscope.library(release), control)],
               append=f"hugepages=64 {wcscope.SAME_ADDRESSES}", accel="tcg", threads=wcscope.threads()) as guest:
        yield Bench(guest, control, path, release)


@pytest.mark.parametrize("option, effective, writes, headers", [
    ("", "UC-", 2, 1), pytest.param("--vfio-wc", "WC", 1, 0, marks=pytest.mark.quick),
    (SSE2, "UC-", 4, 1), (f"--vfio-wc {SSE2}", "WC", 1, 0)])
def test_shipped_driver(bench, option, effective, writes, headers):
    """Nothing is found; all bytes that the driver sent are in the modelled writes (summarise() compares)."""
    frames = [64, 1518]
    for frame, (counts, report, symbols) in zip(frames, bench.observe(frames, option)):
        summary = wc_bench_model.summarise(frame, counts, report, symbols)
        assert summary["lint"] == {"x86": [], "arm64": []}
        assert summary["effective"] == effective and summary["packets"] > 0
        # AVX2 stores a line in two, SSE2 in four; write-combining makes one write of both.
        lines = -(-frame // 64) + summary["tx_blank_lines"]
        assert summary["writes_slots"] == pytest.approx(writes * lines + headers * summary["tx_bursts"])
        # Lines of one packet each are never blanked.
        assert frame > 64 or summary["tx_blank_lines"] == 0
        assert summary["ceiling_writes"] > 0
        functions = {row["function"] for row in summary["functions"]}
        assert {"ivshmem_tx_burst_device", "ivshmem_rx_burst_device"} <= functions, functions

        # The control of the comparison: a packet that was not stored is noticed.
        counts["guest_sent"] += 1
        with pytest.raises(wc_bench_model.ModelError, match=r"bytes stored to the slots: \d+, not \d+"):
            wc_bench_model.summarise(frame, counts, report, symbols)


@pytest.mark.parametrize("bug, rules, function, archs", [
    ("no-flush", ["unflushed"], "ivshmem_tx_burst_device", BOTH),
    ("announce-first", ["unwritten"], "ivshmem_tx_burst_device", BOTH),
    ("early-load", ["early-load"], "ivshmem_rx_burst_device", BOTH),
    # What streaming loads have kept is dropped by MFENCE only.
    ("load-fence", ["early-load"], "ivshmem_rx_burst_device", {"x86"}),
    # x86 does not let a store pass a load.
    ("early-release", ["early-release"], "ivshmem_rx_burst_device", {"arm64"}),
    ("plain-load", ["plain-load"], "", BOTH),
    ("header-first", ["torn-store", "partial-lines"], "", BOTH),
])
def test_planted_bug_is_found(bench, tmp_path, bug, rules, function, archs):
    program = planted.testpmd(bench.release, bug, tmp_path)
    (_counts, report, symbols), = bench.observe([250], "--vfio-wc", program)
    found = wcscope.findings(report, symbols)
    for rule in rules:
        reported = {arch for arch in BOTH if any(re.match(f"{rule}: {function}", text) for text in found[arch])}
        assert reported == archs, found
    if function and "arm64" in archs:
        assert any(re.match(rf"{rules[0]}: {function}, ivshmem_rxtx\w*\.[ch]:\d+: ", text)
                   for text in found["arm64"]), found
