# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Receive interrupts over ivshmem-doorbell: DPDK on the host is the server that QEMU connects to."""

import os
import re
import subprocess
import time

import pytest

from harness import IVSHMEM_SIZE
from harness.guest import Guest, ivshmem, ivshmem_doorbell

FRAMES = 500
VECTORS = 5  # four queues, and what the first vector is for
DEADLINE_S = 180
IVSHMEM = "1af4:1110"


class Host:
    """dpdk-wc-guest on this machine, with the memory and the socket."""

    def __init__(self, release, path, socket, suite, *arguments):
        extra = f",socket={socket}" if socket else ""
        self.process = subprocess.Popen(
            [release / "dpdk-wc-guest", "--no-huge", "--no-pci", "--no-telemetry", "-m", "128", "--lcores", "0@0",
             "--file-prefix", f"interrupt-{os.getpid()}",
             "--vdev", f"net_ivshmem0,path={path},role=server,queues=4{extra}", "--",
             suite, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def expect(self, pattern):
        """Read lines until one matches."""
        for line in self.process.stdout:
            self.text += line
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"no '{pattern}' in:\n{self.text}")

    def end(self):
        self.text += self.process.communicate(timeout=DEADLINE_S)[0]
        return self.process.returncode


def in_guest(release, bdf, suite, count):
    return (f"{release}/dpdk-wc-guest --huge-dir /run/huge -m 64 --no-telemetry --lcores 0@1 --vfio-wc -a {bdf}"
            f" -- {suite} {count}")


@pytest.fixture
def paths(memory, tmp_path):
    return memory("interrupt", IVSHMEM_SIZE), tmp_path / "socket"


def wait_for(path):
    deadline = time.monotonic() + DEADLINE_S
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # there is no event for "the socket is there"


def check_sleeper(text):
    """What ivshmem-sleep has said: it slept, was woken, and took next to no time when there was nothing."""
    frames, sleeps, wakes, late = map(int, re.search(
        r"sleep: (\d+) frames, (\d+) sleeps, (\d+) wakes, (\d+) late", text).groups())
    assert frames >= FRAMES and sleeps > 0 and wakes > 0
    assert float(re.search(r"sleep: idle, ([0-9.]+) % of a CPU", text).group(1)) < 5
    return wakes, late


def boot(socket):
    return Guest(devices=ivshmem_doorbell(socket, VECTORS), append="hugepages=64")


@pytest.mark.quick
def test_host_sleeps(release, paths):
    path, socket = paths
    with Host(release, path, socket, "ivshmem-sleep", str(FRAMES)) as host:
        host.expect("sleep: ready")
        with boot(socket) as guest:
            result = guest.run(in_guest(release, guest.take(IVSHMEM), "ivshmem-echo", f"{FRAMES} 1"), timeout=120)
            assert f"echo: {FRAMES} frames came back whole and in order" in result.out, result.out + result.err
            assert host.end() == 0, host.text
    wakes, late = check_sleeper(host.text)
    assert late < wakes / 2


def test_guest_sleeps(release, paths):
    path, socket = paths
    with Host(release, path, socket, "ivshmem-echo", str(FRAMES), "1") as host:
        wait_for(socket)
        with boot(socket) as guest:
            result = guest.run(in_guest(release, guest.take(IVSHMEM), "ivshmem-sleep", FRAMES), timeout=120)
            assert result.rc == 0, result.out + result.err
            assert host.end() == 0, host.text
    wakes, late = check_sleeper(result.out)
    assert late < wakes / 2


def test_server_is_gone(release, paths):
    """QEMU cannot connect to a second server: the sleeping guest goes on by its heartbeat, and counts that."""
    path, socket = paths
    with Host(release, path, socket, "ivshmem-echo", str(10 ** 9)) as host:
        wait_for(socket)
        with boot(socket) as guest:
            bdf = guest.take(IVSHMEM)
            host.process.kill()
            host.process.wait()
            sleeper = guest.start(in_guest(release, bdf, "ivshmem-sleep", 20))
            with Host(release, path, socket, "ivshmem-echo", "20", "1") as second:
                assert second.end() == 0, second.text
            result = sleeper.wait(120)
            assert result.rc == 0, result.out + result.err
    late = int(re.search(r"(\d+) late", result.out).group(1))
    assert late > 0


def test_no_doorbells(release, memory):
    """Without MSI-X, or without a socket, asking for interrupts fails with what is missing."""
    path = memory("no-interrupt", IVSHMEM_SIZE)
    with Host(release, path, None, "ivshmem-sleep", "1") as host:
        host.expect("receive interrupts need doorbells: use socket=PATH")
        assert host.end() != 0
    with Guest(devices=ivshmem(path, IVSHMEM_SIZE), append="hugepages=64") as guest:
        result = guest.run(in_guest(release, guest.take(IVSHMEM), "ivshmem-sleep", 1), timeout=120)
        assert result.rc != 0 and "use QEMU's ivshmem-doorbell with 2 vectors" in result.out + result.err
