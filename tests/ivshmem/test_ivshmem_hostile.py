# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""net_ivshmem with a peer that is hostile, or that comes and goes: short forms of doc/ivshmem_hostile.rst's runs."""

import re
import subprocess

import pytest

from harness import TOP

# The kept corpus alone reaches all that is known to be reached.
RUNS = 20000
SECONDS = 10


def tool(name, *arguments, timeout=400):
    return subprocess.run([TOP / "devtools" / name, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=timeout)


def numbers(text):
    """{name: number} of 'name number' in the output."""
    return {name: int(value) for name, value in re.findall(r"\b([a-z_]+) (\d+)\b", text)}


def test_fuzz():
    result = tool("fuzz-ivshmem", "--runs", str(RUNS))
    assert result.returncode == 0, result.stdout[-6000:]
    counts = numbers(result.stdout)
    assert counts["executions"] >= RUNS
    for name in ["received", "sent", "bad_packets", "oversized", "bad_credits", "no_mbuf", "resyncs", "coverage"]:
        assert counts[name] > 0, result.stdout


@pytest.mark.parametrize("patch, report", [
    ("seg-lines", "heap-buffer-overflow|use-after-poison"),
    ("no-length-check", "does not hold|heap-buffer-overflow|use-after-poison"),
    ("session-queues", "SEGV on unknown address")])
def test_fuzz_finds(patch, report):
    """The control of the above."""
    result = tool("fuzz-ivshmem", "--seconds", "60", "--patch", TOP / f"tests/ivshmem/fuzz/{patch}.patch")
    assert result.returncode == 1
    assert re.search(report, result.stdout), result.stdout[-6000:]
    assert "verdict: FOUND" in result.stdout and "input: " in result.stdout


def test_corrupted():
    """Whatever is written over what they share, ports live, lose no mbuf and exchange frames again."""
    result = tool("soak-ivshmem", "--corrupt", "--sanitize", "--seconds", str(SECONDS))
    assert result.returncode == 0, result.stdout[-6000:]
    counts = numbers(result.stdout)
    assert "recovered: " in result.stdout
    assert all(counts[name] > 0 for name in ["headers", "sides", "credits", "received", "wrong"]), result.stdout


def test_soak():
    """Nothing is lost but where a session ended, and no mbuf ever."""
    result = tool("soak-ivshmem", "--seconds", str(SECONDS))
    assert result.returncode == 0, result.stdout[-6000:]
    counts = numbers(result.stdout)
    assert counts["received"] > 0 and counts["errors"] == counts["wrong"] == counts["rx_bad_packets"] == 0


def test_soak_finds():
    """The control of the above: with a corruptor, and both trusting each other all the same, it is noticed."""
    result = tool("soak-ivshmem", "--corrupt", "--trusting", "--seconds", str(SECONDS))
    assert result.returncode == 1
    assert "not what was sent" in result.stdout, result.stdout[-6000:]
