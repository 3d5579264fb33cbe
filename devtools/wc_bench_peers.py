# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Throughput between two testpmd on this machine: net_ivshmem, memif and virtio-user with vhost-user."""

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "harness"))

import testpmd  # noqa: E402  (the path has to be set first)
from pair import FCS, WARM_UP_S  # noqa: E402

SIZE = 4 << 20
LINES = 16384  # of all rings in a direction
QUEUES = 1, 2, 4
DEADLINE_S = 20
RECEIVER_CPU, SENDER_CPU = 0, 1
BURST = 32
CIRCULATING = 16  # bursts that go round when both forward: less than the shortest ring
ARGUMENTS = f"--total-num-mbufs=8192 --no-mlockall --no-flush-rx --burst={BURST}"
PAGES_NEEDED = 128  # huge pages, for the one driver that needs them: two processes of 64 MiB, as files

# How frames go: one process makes them and the other one drops them, or both send back what comes.
ONE_WAY, ROUND = "one way", "round"
ALONE = "testpmd alone (net_null)"
MODES = {ONE_WAY: ("rxonly", "txonly"), ROUND: ("io", "io")}


def peers(directory, huge):
    """{name: (EAL options of the receiver, which starts first, those of the sender, number of queues)}.

    Options beyond the path are those that DPDK's guides name for speed: rings of 1024 or more, no mergeable buffers
    (vhost and virtio), zero-copy (memif).
    """
    memif = f"--vdev net_memif0,socket-abstract=no,rsize=11,socket={directory}"
    pairs = {
        "net_memif": (f"{memif}/copy,role=server", f"{memif}/copy,role=client", 1),
        "net_virtio_user + net_vhost": (
            f"--vdev net_vhost0,iface={directory}/vhost",
            f"--vdev net_virtio_user0,path={directory}/vhost,queue_size=1024,mrg_rxbuf=0,in_order=1", 1),
    }
    for queues in QUEUES:
        link = f"--vdev net_ivshmem0,path={directory}/ivshmem{queues}"
        pairs["net_ivshmem" if queues == 1 else f"net_ivshmem, {queues} queues"] = (
            f"{link},role=server,lines={LINES // queues},queues={queues}", f"{link},role=client", queues)
    if huge:
        pages = f"-m 64 --huge-dir {huge} --single-file-segments"
        pairs["net_memif, zero-copy"] = (
            f"{pages} {memif}/zero,role=server", f"{pages} {memif}/zero,role=client,zero-copy=yes",
            1)
    return pairs


def wait_for_packets(receiver):
    """Until more have come than there are."""
    before = receiver.port_stats()["RX-packets"]
    deadline = time.monotonic() + DEADLINE_S
    while receiver.port_stats()["RX-packets"] == before:
        if time.monotonic() > deadline:
            raise testpmd.TestpmdError(f"nothing received within {DEADLINE_S} s")


def start(receiver, sender, mode):
    receiver(f"set fwd {MODES[mode][0]}")
    sender(f"set fwd {MODES[mode][1]}")
    receiver("start")
    if mode == ONE_WAY:
        sender("start")
        return
    # A receiver of memif gives its peer buffers when it looks for the first time.
    sender("start")
    sender("stop")
    sender(f"start tx_first {CIRCULATING}")


def measure_one(receiver, sender, mode, frame, seconds):
    """Millions of packets per second that the receiver gets."""
    sender(f"set txpkts {frame - FCS}")
    start(receiver, sender, mode)
    wait_for_packets(receiver)
    time.sleep(WARM_UP_S)
    rate = receiver.rates(seconds)["Rx-pps"] / 1e6
    sender("stop")
    receiver("stop")
    return rate


def measure(program, options, frames, seconds):
    """{(mode, frame): rate} of a pair of processes."""
    receiver_options, sender_options, queues = options
    arguments = f"{ARGUMENTS} --rxq={queues} --txq={queues}"
    receiver = testpmd.on_host(program, RECEIVER_CPU, receiver_options, arguments, "receiver")
    try:
        sender = testpmd.on_host(program, SENDER_CPU, sender_options, arguments, "sender")
        try:
            receiver.wait_for_links()
            sender.wait_for_links()
            return {(mode, frame): measure_one(receiver, sender, mode, frame, seconds)
                    for mode in MODES for frame in frames}
        finally:
            sender.kill()
    finally:
        receiver.kill()


def measure_alone(program, frames, seconds):
    """{(mode, frame): rate} of a process that generates frames and throws them away: what the others can reach."""
    sender = testpmd.on_host(program, SENDER_CPU, "--vdev net_null0,no-rx=1", ARGUMENTS, "sender")
    try:
        sender(f"set fwd {MODES[ONE_WAY][1]}")
        rates = {}
        for frame in frames:
            sender(f"set txpkts {frame - FCS}")
            sender("start")
            time.sleep(WARM_UP_S)
            rates[ONE_WAY, frame] = sender.rates(seconds)["Tx-pps"] / 1e6
            sender("stop")
        return rates
    finally:
        sender.kill()


def run(program, repeats, frames, seconds, say):
    """[{"peer", "mode", "frame", "repeat", "mpps"}], the peers in turns."""
    results = []
    with huge_pages(PAGES_NEEDED) as huge:
        for repeat in range(repeats):
            results += run_once(program, repeat, frames, seconds, huge, say)
    return results


def run_once(program, repeat, frames, seconds, huge, say):
    results = []
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="wc-bench.") as directory:
        for queues in QUEUES:
            with open(f"{directory}/ivshmem{queues}", "wb") as file:
                file.truncate(SIZE)
        names = [*peers(directory, huge), ALONE]
        for name in names[::-1] if repeat % 2 else names:
            if name == ALONE:
                rates = measure_alone(program, frames, seconds)
            else:
                rates = measure(program, peers(directory, huge)[name], frames, seconds)
            results += [{"peer": name, "mode": mode, "frame": frame, "repeat": repeat, "mpps": rate}
                        for (mode, frame), rate in rates.items()]
            say(f"  {name}: " + ", ".join(f"{frame} bytes {mode} {rate:.2f}" for (mode, frame), rate in rates.items()))
    return results


@contextlib.contextmanager
def huge_pages(number):
    """A directory for files on so many huge pages of 2 MiB, for a while; None if they cannot be had."""
    reserved = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    with contextlib.ExitStack() as undo:
        try:
            before = reserved.read_text()
            undo.callback(reserved.write_text, before)
            reserved.write_text(str(int(before) + number))
            directory = undo.enter_context(tempfile.TemporaryDirectory(prefix="wc-bench."))
            subprocess.run(["mount", "-t", "hugetlbfs", "none", directory], check=True, stderr=subprocess.DEVNULL)
            undo.callback(subprocess.run, ["umount", "--lazy", directory], check=True)
            enough = int(reserved.read_text()) >= int(before) + number
        except (OSError, subprocess.CalledProcessError):
            enough = False
        yield directory if enough else None
