# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The unchanged driver net_ena on a simulated ENA device, whose LLQ window is mapped by the bus and the kernel."""

from argparse import Namespace

import pytest

from bench import wc_bench_answer as answer, wc_bench_ena
from bench.wc_costs import Work
from harness.ena import BAR_SIZE, HUGEPAGES, Ena
from harness.guest import Guest, ivshmem
from harness.kernels import DEFAULT_STOCK

FRAMES = 100_000
SMALLEST, LARGEST = 60, 1514  # without FCS
ENTRIES = {128: "", 256: ",large_llq_hdr=1"}


class Machine(Guest):
    """A guest with the device, which is bound to vfio-pci: bdf."""

    def __init__(self, memory, kernel="full"):
        super().__init__(kernel=kernel, devices=ivshmem(memory, BAR_SIZE), append=f"hugepages={HUGEPAGES}")

    def __enter__(self):
        super().__enter__()
        self.bdf = self.take("1af4:1110")
        return self

    def types(self, ena):
        """{name of a range: effective memory type}"""
        return {name: ena.effective(where, self.bar(self.bdf, 2)) for name, where in ena.ranges()[0].items()}


@pytest.fixture(scope="module")
def machine(memory):
    with Machine(memory("ena", BAR_SIZE)) as guest:
        yield guest


def assert_intact(result):
    assert result.received == result.sent and not (result.wrong or result.bad or result.stuck), result


@pytest.mark.parametrize("entry", ENTRIES)
def test_frames_arrive_intact(machine, release, entry):
    """Content and order, through many laps of the ring, with the header in the LLQ and the rest in host memory."""
    with Ena(machine, release, machine.bdf, "--vfio-wc=strict", ENTRIES[entry]) as ena:
        many = ena.send(FRAMES, SMALLEST, LARGEST, segments=3)
        assert_intact(many)
        assert many.laps > 50
        # More descriptors than are before the header, and than fit into an entry
        segmented = ena.send(2000, SMALLEST, LARGEST, segments=16)
        assert_intact(segmented)
        assert 0 < segmented.long < segmented.sent < segmented.entries
        # A header alone, and one that fills its entry
        assert_intact(ena.send(1000, SMALLEST))
        assert_intact(ena.send(1000, entry - 32))
        # By interrupts: without such events the driver's watchdog expires
        assert segmented.keep_alives > 0 and segmented.expired == 0
        assert ena.ranges()[1] == entry
        assert machine.types(ena) == {"llq": "WC", "registers": "UC-"}


@pytest.mark.quick
@pytest.mark.parametrize("fault", ["flip", "stale"])
def test_control_device_that_reads_something_else(machine, release, fault):
    with Ena(machine, release, machine.bdf, "--vfio-wc") as ena:
        assert_intact(ena.send(100, SMALLEST, LARGEST, segments=2))
        ena(f"fault {fault}")
        result = ena.send(100, SMALLEST, LARGEST)
        assert result.received == 100 and result.wrong == 1, result
        assert_intact(ena.send(100, SMALLEST, LARGEST))


def test_control_option_off(machine, release):
    with Ena(machine, release, machine.bdf, "--vfio-wc=off") as ena:
        assert_intact(ena.send(100, SMALLEST, LARGEST))
        assert machine.types(ena) == {"llq": "UC-", "registers": "UC-"}
        assert "granted" not in ena.log


def test_control_without_x86_patch(memory, release):
    """Granted is not effective."""
    with Machine(memory("ena-control", BAR_SIZE), kernel="no-x86") as guest, \
            Ena(guest, release, guest.bdf, "--vfio-wc") as ena:
        assert_intact(ena.send(100, SMALLEST, LARGEST))
        assert guest.types(ena) == {"llq": "UC-", "registers": "UC-"}
        assert "BAR2 write-combining granted" in ena.log


# Rows of the report

@pytest.fixture(scope="module")
def rows(release):
    found = []
    wc_bench_ena.observe(Namespace(kernel=DEFAULT_STOCK, model="broadwell"), release / "dpdk-wc-ena", found, print)
    return {(row["what"], row["requested"]): row for row in found}


@pytest.mark.parametrize("entry", ENTRIES)
def test_each_store_is_a_write_unless_they_combine(rows, entry):
    """By 8-byte stores; what is beyond the entries are doorbells, and lines in pieces as the kernel ran in between."""
    default, combining = (rows[f"LLQ entry of {entry} bytes", name] for name in ("default", "auto"))
    assert (default["effective"], combining["effective"]) == ("UC-", "WC")
    assert entry / 8 < default["writes"] == default["stores"] < entry / 8 + 0.1
    assert entry / 64 < combining["writes"] < entry / 64 + 0.3 and combining["stores"] == pytest.approx(
        default["stores"], abs=0.05)
    assert default["work"]["fences"] == 0 and combining["work"]["fences"] == pytest.approx(1, abs=0.05)
    costs = answer.choose(answer.DEFAULT).costs
    assert answer.cpu_ns(costs, Work(**default["work"])) > 10 * answer.cpu_ns(costs, Work(**combining["work"]))


def test_linter_names_the_doorbell_without_a_fence(rows):
    """rte_wmb() precedes each entry; between the last one and the doorbell is rte_io_wmb(), nothing on x86."""
    for (_what, requested), row in rows.items():
        found = [text for text in row["lint"]["x86"] if not text.startswith("partial-lines")]
        assert len(found) == (requested == "auto"), found
        assert all(text.startswith("unflushed: ena_com_write_sq_doorbell, ena_eth_com.h:") and
                   "the other access: ena_com_write_bounce_buffer_to_dev, ena_eth_com.c:" in text for text in found)
