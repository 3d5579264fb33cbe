# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Throughput between two testpmd on this machine: net_ivshmem, memif and virtio-user with vhost-user."""

import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "harness"))

import testpmd  # noqa: E402  (the path has to be set first)
from pair import FCS, WARM_UP_S  # noqa: E402

SIZE = 4 << 20
LINES = 16384
DEADLINE_S = 20
RECEIVER_CPU, SENDER_CPU = 0, 1


def peers(directory):
    """{name: (EAL options of the receiver, which starts first, those of the sender)}."""
    return {
        "net_ivshmem": (f"--vdev net_ivshmem0,path={directory}/ivshmem,role=server,lines={LINES},queues=1",
                        f"--vdev net_ivshmem0,path={directory}/ivshmem,role=client"),
        "net_memif": (f"--vdev net_memif0,role=server,socket={directory}/memif,socket-abstract=no",
                      f"--vdev net_memif0,role=client,socket={directory}/memif,socket-abstract=no"),
        "net_virtio_user + net_vhost": (f"--vdev net_vhost0,iface={directory}/vhost",
                                        f"--vdev net_virtio_user0,path={directory}/vhost"),
    }


def wait_for_packets(receiver):
    """Until more have come than there are."""
    before = receiver.port_stats()["RX-packets"]
    deadline = time.monotonic() + DEADLINE_S
    while receiver.port_stats()["RX-packets"] == before:
        if time.monotonic() > deadline:
            raise testpmd.TestpmdError(f"nothing received within {DEADLINE_S} s")


def measure(program, options, frames, seconds):
    """{frame: millions of packets per second that the receiver gets}."""
    arguments = "--total-num-mbufs=4096 --no-mlockall --no-flush-rx"
    rates = {}
    receiver = testpmd.on_host(program, RECEIVER_CPU, options[0], f"--forward-mode=rxonly {arguments}", "receiver")
    try:
        sender = testpmd.on_host(program, SENDER_CPU, options[1], f"--forward-mode=txonly {arguments}", "sender")
        try:
            receiver.wait_for_links()
            sender.wait_for_links()
            receiver("start")
            for frame in frames:
                sender(f"set txpkts {frame - FCS}")
                sender("start")
                wait_for_packets(receiver)
                time.sleep(WARM_UP_S)
                rates[frame] = receiver.rates(seconds)["Rx-pps"] / 1e6
                sender("stop")
        finally:
            sender.terminal.close(force=True)
    finally:
        receiver.terminal.close(force=True)
    return rates


def run(program, repeats, frames, seconds, say):
    """[{"peer", "frame", "repeat", "mpps"}], the peers in turns."""
    results = []
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="wc-bench.") as directory:
            with open(f"{directory}/ivshmem", "wb") as file:
                file.truncate(SIZE)
            names = list(peers(directory))
            for name in names[::-1] if repeat % 2 else names:
                rates = measure(program, peers(directory)[name], frames, seconds)
                results += [{"peer": name, "frame": frame, "repeat": repeat, "mpps": rate}
                            for frame, rate in rates.items()]
                say(f"  {name}: " + ", ".join(f"{frame} bytes {rate:.2f} Mpps" for frame, rate in rates.items()))
    return results
