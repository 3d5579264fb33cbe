# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""net_ivshmem between two guests, in two processes of a guest, plugged out and in again, with long frames."""

import re
import time

import pytest

from harness import IVSHMEM_SIZE, testpmd
from harness.guest import Guest, ivshmem

DEADLINE_S = 60
IVSHMEM = "1af4:1110"


def boot(path):
    return Guest(devices=ivshmem(path, IVSHMEM_SIZE), append="hugepages=64")


def echo(release, bdf, frames, arguments=""):
    return (f"{release}/dpdk-wc-guest --huge-dir /run/huge -m 64 --no-telemetry --lcores 0@1 --vfio-wc"
            f" -a {bdf}{arguments} -- ivshmem-echo {frames}")


def lay_out(release, path, queues):
    server = testpmd.on_host(release / "dpdk-testpmd", 0,
                             f"--vdev net_ivshmem0,path={path},role=server,queues={queues}",
                             "--total-num-mbufs=2048 --no-mlockall")
    server.quit()


def test_two_guests(release, memory):
    """One guest lays the memory out and sends, the other one sends back; both write to slots that are mapped WC."""
    path = memory("guests", IVSHMEM_SIZE)
    with boot(path) as sender, boot(path) as other:
        running = sender.start(echo(release, sender.take(IVSHMEM), 20000, ",role=server"))
        bdf = other.take(IVSHMEM)
        wait_for(lambda: path.open("rb").read(6) == b"WIVSHM")
        reflector = testpmd.in_guest(
            other, release / "dpdk-testpmd", f"--vfio-wc -a {bdf}",
            "--forward-mode=io --total-num-mbufs=2048 --no-mlockall --no-flush-rx --auto-start")
        result = running.wait(180)
        assert "echo: 20000 frames came back whole and in order" in result.out, result.out + result.err
        match = re.search(r"slots at 0x([0-9a-f]+), (\d+) bytes, write-combining granted", reflector.log)
        assert other.effective_types(int(match.group(1), 16), int(match.group(2)), other.bar(bdf, 2)) == {"WC"}
        reflector.quit()


def generator(release, path, arguments=""):
    return testpmd.on_host(release / "dpdk-testpmd", 0, f"--vdev net_ivshmem0,path={path},role=server,queues=2",
                           f"--forward-mode=txonly --total-num-mbufs=8192 --no-mlockall {arguments}")


def wait_for(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline


def received(process):
    """Frames that this process has forwarded so far."""
    return int(re.search(r"RX-packets: (\d+)", process("show fwd stats all")).group(1))


def test_two_processes(release, memory):
    """A primary and a secondary process have a queue each; flows are spread over both."""
    path = memory("processes", IVSHMEM_SIZE)
    lay_out(release, path, 2)
    with boot(path) as guest:
        bdf = guest.take(IVSHMEM)
        arguments = ("--forward-mode=rxonly --total-num-mbufs=4096 --no-mlockall --rxq=2 --txq=2 --num-procs=2"
                     " --proc-id=")
        primary = testpmd.in_guest(guest, release / "dpdk-testpmd", f"--vfio-wc --proc-type=primary -a {bdf}",
                                   f"{arguments}0")
        secondary = testpmd.in_guest(guest, release / "dpdk-testpmd", f"--vfio-wc --proc-type=secondary -a {bdf}",
                                     f"{arguments}1")
        sender = generator(release, path, "--txonly-multi-flow")
        try:
            sender.wait_for_links()
            primary("start")
            secondary("start")
            sender("start")
            wait_for(lambda: received(primary) > 1000 and received(secondary) > 1000)
            secondary.quit()
            # The primary goes on alone.
            before = received(primary)
            wait_for(lambda: received(primary) > before + 1000)
            sender.quit()
            primary.quit()
        finally:
            sender.kill()


def test_plug_out_and_in(release, memory):
    path = memory("plug", IVSHMEM_SIZE)
    lay_out(release, path, 2)
    with boot(path) as guest:
        bdf = guest.take(IVSHMEM)
        receiver = testpmd.in_guest(guest, release / "dpdk-testpmd", f"--vfio-wc -a {bdf}",
                                    "--forward-mode=rxonly --total-num-mbufs=4096 --no-mlockall")
        sender = generator(release, path)
        try:
            for _ in range(2):
                receiver("start")
                sender.wait_for_links()
                sender("start")
                wait_for(lambda: receiver.port_stats()["RX-packets"] > 1000)
                receiver("stop")
                sender("stop")
                receiver("port stop 0")
                text = receiver("port detach 0")
                assert "is detached" in text, text
                text = receiver(f"port attach {bdf}")
                assert "is attached" in text, text
                receiver("port start 0")
            assert sender.xstats()["peer_restarts"] >= 2
            assert all(sender.xstats()[name] == 0 for name in sender.xstats() if "bad" in name)
            sender.quit()
            receiver.quit()
        finally:
            sender.kill()


@pytest.mark.parametrize("arguments", ["--mbuf-size=10240", "--enable-scatter"])
def test_long_frames(release, memory, arguments):
    """An MTU of 9000, in one mbuf or in several."""
    path = memory("long", IVSHMEM_SIZE)
    lay_out(release, path, 2)
    with boot(path) as guest:
        bdf = guest.take(IVSHMEM)
        receiver = testpmd.in_guest(
            guest, release / "dpdk-testpmd", f"--vfio-wc -a {bdf}",
            f"--forward-mode=rxonly --total-num-mbufs=2048 --no-mlockall --max-pkt-len=9018 {arguments}")
        sender = generator(release, path, "--max-pkt-len=9018 --mbuf-size=10240")
        try:
            sender.wait_for_links()
            sender("set txpkts 9014")
            receiver("start")
            sender("start")
            wait_for(lambda: receiver.port_stats()["RX-packets"] > 1000)
            sender("stop")
            stats = receiver.port_stats()
            assert stats["RX-bytes"] == stats["RX-packets"] * 9014
            assert receiver.xstats()["rx_oversized"] == 0
            sender.quit()
            receiver.quit()
        finally:
            sender.kill()
