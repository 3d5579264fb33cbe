# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""net_ivshmem in a primary and a secondary process of this machine, the second of which is killed."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness import IVSHMEM_SIZE, testpmd

pytestmark = pytest.mark.quick
HUGE_MIB = 240
DEADLINE_S = 60
PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


@pytest.fixture
def huge(tmp_path):
    """Directory with huge pages, which processes need to share memory; they are given back."""
    before = int(PAGES.read_text())
    try:
        PAGES.write_text(str(before + HUGE_MIB // 2))
    except OSError as error:
        pytest.skip(f"huge pages cannot be reserved: {error}")
    try:
        if int(PAGES.read_text()) < before + HUGE_MIB // 2:
            pytest.skip(f"this machine has no {HUGE_MIB} MiB for huge pages")
        if subprocess.run(["mount", "-t", "hugetlbfs", "none", tmp_path], check=False).returncode:
            pytest.skip("hugetlbfs cannot be mounted")
        yield tmp_path
        subprocess.run(["umount", "-l", tmp_path], check=True)
    finally:
        PAGES.write_text(str(before))


def process(release, huge, cpu, kind, arguments=""):
    """A testpmd with one of two queue pairs, on lcores of its own, with a pool in which a process may die."""
    number = ["primary", "secondary"].index(kind)
    return testpmd.on_terminal(
        f"{release}/dpdk-testpmd --lcores {2 * number}@{cpu},{2 * number + 1}@{cpu} --no-telemetry --no-pci"
        f" --file-prefix shared{os.getpid()} --huge-dir {huge} -m 96 --mbuf-pool-ops-name=lf_stack"
        f" --proc-type={kind} {arguments} -- -i {testpmd.QUIET} --num-procs=2 --proc-id={number} --rxq=2 --txq=2"
        " --forward-mode=rxonly --total-num-mbufs=4096 --mbcache=0 --no-mlockall")


def received(side):
    """Frames that a process has forwarded so far."""
    return int(re.search(r"RX-packets: (\d+)", side("show fwd stats all")).group(1))


def wait_for_frames(side, number):
    deadline = time.monotonic() + DEADLINE_S
    goal = received(side) + number
    while received(side) < goal:
        assert time.monotonic() < deadline


def kill(side):
    side.terminal.kill(signal.SIGKILL)
    side.terminal.wait()
    side.terminal.close()
    side.ended = True


def has_mapped(side, path):
    return str(path) in Path(f"/proc/{side.terminal.pid}/maps").read_text()


def test_plugged_out(release, huge, memory):
    """A port that is plugged out leaves nothing of its memory mapped in either process."""
    path = memory("secondary-out", IVSHMEM_SIZE)
    sides = [process(release, huge, 0, "primary", f"--vdev net_ivshmem0,path={path},role=server,lines=1024,queues=2")]
    try:
        sides.append(process(release, huge, 0, "secondary"))
        assert [has_mapped(side, path) for side in sides] == [True, True]
        sides[0]("port stop 0")
        sides[0]("device detach net_ivshmem0")
        assert [has_mapped(side, path) for side in sides] == [False, False]
        for side in reversed(sides):
            side.quit()
    finally:
        for side in sides:
            side.kill()


def test_killed_secondary(release, huge, memory):
    """Killed while it polls, again and again: the primary goes on, stops, starts, and frames come in again."""
    path = memory("secondary", IVSHMEM_SIZE)
    cpu = (os.cpu_count() or 1) - 1
    sides = [process(release, huge, 0, "primary", f"--vdev net_ivshmem0,path={path},role=server,lines=1024,queues=2")]
    try:
        primary = sides[0]
        sides.append(testpmd.on_host(
            release / "dpdk-testpmd", cpu, f"--vdev net_ivshmem0,path={path},role=client",
            "--forward-mode=txonly --txonly-multi-flow --rxq=2 --txq=2 --total-num-mbufs=4096 --no-mlockall"))
        sender = sides[1]
        rounds = 0
        # It polls all the time, so that most of them die within a burst, but which ones is up to the scheduler.
        while rounds < 4 or primary.xstats()["dead_owners"] == 0:
            rounds += 1
            assert rounds <= 30, "none died within a burst"
            sides.append(process(release, huge, cpu, "secondary"))
            sender.wait_for_links()
            for side in [primary, sides[-1], sender]:
                side("start")
            wait_for_frames(sides[-1], 1000)
            kill(sides[-1])
            wait_for_frames(primary, 1000)
            sender("stop")
            primary("stop")
            primary("port stop 0")
            primary("port start 0")
        sides.append(process(release, huge, cpu, "secondary"))
        assert "diag=-95" in sides[-1]("port config mtu 0 1400")
        for side in reversed(sides):
            side.quit()
    finally:
        for side in sides:
            side.kill()
