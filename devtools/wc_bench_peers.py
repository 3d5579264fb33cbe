# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Throughput between two testpmd on this machine: net_ivshmem, memif and virtio-user with vhost-user."""

import contextlib
import itertools
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
ARGUMENTS = f"--total-num-mbufs=8192 --no-mlockall --burst={BURST}"
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


@contextlib.contextmanager
def pair(program, receiver_options, sender_options, queues):
    """(receiver, sender) with their link up. Both wait at their prompts and take no time of a CPU."""
    arguments = f"{ARGUMENTS} --rxq={queues} --txq={queues}"
    with contextlib.ExitStack() as ends:
        both = []
        for cpu, options, name in (RECEIVER_CPU, receiver_options, "receiver"), (SENDER_CPU, sender_options, "sender"):
            both.append(testpmd.on_host(program, cpu, options, arguments, name))
            ends.callback(both[-1].kill)
        for each in both:
            each.wait_for_links()
        yield both


@contextlib.contextmanager
def alone(program):
    """(None, a sender whose frames are thrown away)."""
    sender = testpmd.on_host(program, SENDER_CPU, "--vdev net_null0,no-rx=1", ARGUMENTS, "alone")
    try:
        yield None, sender
    finally:
        sender.kill()


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
    if mode == ROUND:
        # A receiver of memif gives its peer buffers when it looks for the first time.
        sender("start")
        sender("stop")
        sender(f"start tx_first {CIRCULATING}")
    else:
        sender("start")
    wait_for_packets(receiver)


def measure_pair(receiver, sender, mode, seconds):
    """Millions of packets per second that the receiver gets."""
    start(receiver, sender, mode)
    time.sleep(WARM_UP_S)
    rate = receiver.rates(seconds)["Rx-pps"] / 1e6
    sender("stop")
    receiver("stop")
    return rate


def measure_alone(sender, seconds):
    """Millions of packets per second that a process generates and throws away: what the others can reach."""
    sender(f"set fwd {MODES[ONE_WAY][1]}")
    sender("start")
    time.sleep(WARM_UP_S)
    rate = sender.rates(seconds)["Tx-pps"] / 1e6
    sender("stop")
    return rate


def take_turns(pairs, repeat, frames, seconds, say):
    """Results of one repeat. All peers are measured before the next frame size: what a hypervisor does hits all."""
    results = []
    for mode, frame in itertools.product(MODES, frames):
        rates = {}
        for name in list(pairs)[::-1] if repeat % 2 else pairs:
            receiver, sender = pairs[name]
            sender(f"set txpkts {frame - FCS}")
            if receiver:
                rates[name] = measure_pair(receiver, sender, mode, seconds)
            elif mode == ONE_WAY:
                rates[name] = measure_alone(sender, seconds)
        say(f"  {frame:5} bytes {mode}: " + ", ".join(f"{name} {rate:.2f}" for name, rate in rates.items()))
        results += [{"peer": name, "mode": mode, "frame": frame, "repeat": repeat, "mpps": rate}
                    for name, rate in rates.items()]
    return results


def run(program, repeats, frames, seconds, say):
    """[{"peer", "mode", "frame", "repeat", "mpps"}], the peers in turns."""
    results = []
    with contextlib.ExitStack() as ends:
        huge = ends.enter_context(huge_pages(PAGES_NEEDED))
        directory = ends.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm", prefix="wc-bench."))
        for queues in QUEUES:
            with open(f"{directory}/ivshmem{queues}", "wb") as file:
                file.truncate(SIZE)
        pairs = {name: ends.enter_context(pair(program, *options)) for name, options in peers(directory, huge).items()}
        pairs[ALONE] = ends.enter_context(alone(program))
        for repeat in range(repeats):
            say(f"repeat {repeat + 1} of {repeats}")
            results += take_turns(pairs, repeat, frames, seconds, say)
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
