# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Two testpmd processes: one on this machine generates frames, one in a guest sends them back."""

import re
import struct
import time

from harness import testpmd, wcscope
from harness.ivshmem_peer import CREDIT, LENGTH, LINE, MAX_RINGS, SLOTS, lines_of

QUIET_S = 2  # without another frame: the forwarding lcore shares its CPU with the prompt and with other processes
WARM_UP_S = 0.2  # to settle; frames of the previous size are gone after some ms
PAGE = 4096
FCS = 4
MBUFS = 8192  # more than both rings of virtio-net hold
COMMON = f"--total-num-mbufs={MBUFS} --no-mlockall --no-flush-rx"
GENERATE = f"--forward-mode=flowgen {COMMON}"
SEND_BACK = f"--forward-mode=io --record-core-cycles {COMMON}"


def lines_of_frame(frame):
    """Lines that a frame takes in a ring; its length includes the FCS, which the ring does not have."""
    return lines_of(frame - FCS)


class Pair:
    """Two testpmd processes: one on this machine generates frames, one in a guest sends them back."""

    def __init__(self, host_testpmd, guest_testpmd, ends):
        """ends: the processes that end with the pair, in that order."""
        self.host_testpmd = host_testpmd
        self.guest_testpmd = guest_testpmd
        self.ends = ends

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                for pmd in self.ends:
                    pmd.quit()
        finally:
            for pmd in self.ends:
                pmd.kill()

    def commands(self):
        """Command lines, the guest's last, without the number in a prefix."""
        return [re.sub(r"(--file-prefix [a-z]+)\d+", r"\1", pmd.command)
                for pmd in (self.host_testpmd, self.guest_testpmd)]

    def start(self, frame):
        self.host_testpmd(f"set txpkts {frame}")
        self.guest_testpmd("start")
        self.host_testpmd("start")

    def stop(self):
        """Stop both, and wait for frames in flight.

        The guest stops first and the host then receives the rest, so that frames which the guest received and the host
        did not get back were lost.
        """
        stopped = self.guest_testpmd("stop")
        received = int(re.search(r"RX-packets: (\d+)", stopped).group(1))
        dropped = int(re.search(r"TX-dropped: (\d+)", stopped).group(1))
        returned = self._drain(received - dropped)
        self.host_testpmd("stop")
        return {"guest_received": received, "lost": received - returned,
                "guest_sent": int(re.search(r"TX-packets: (\d+)", stopped).group(1)),
                "guest_dropped": dropped, "cycles": testpmd.cycles(stopped)}

    def _drain(self, expected):
        """Frames that the host got back, once they are as many as expected or no more arrive."""
        now, quiet_since = self._returned(), time.monotonic()
        while now < expected and time.monotonic() < quiet_since + QUIET_S:
            before, now = now, self._returned()
            if now != before:
                quiet_since = time.monotonic()
        return now

    def _returned(self):
        return int(re.search(r"RX-packets: (\d+)", self.host_testpmd("show fwd stats all")).group(1))


class IvshmemPair(Pair):
    """Over net_ivshmem. program is the path of testpmd; guest_program that of another one for the guest."""

    def __init__(self, guest, bdf, memory, program, guest_program=None, *, option="", lines=16384, host_cpu=0):
        self.guest = guest
        self.path = memory
        with open(memory, "r+b") as file:
            self.size = file.seek(0, 2)
            file.seek(0)
            file.write(bytes(self.size))
        self.program = guest_program or program
        host_testpmd = testpmd.on_host(
            program, host_cpu, f"--vdev net_ivshmem0,path={memory},role=server,lines={lines},queues=1", GENERATE)
        try:
            guest_testpmd = testpmd.in_guest(guest, self.program, f"-a {bdf} {option}", SEND_BACK)
        except BaseException:
            host_testpmd.kill()
            raise
        super().__init__(host_testpmd, guest_testpmd, [guest_testpmd, host_testpmd])
        self.bar = guest.bar(bdf, 2)
        found = re.search(r"slots at 0x([0-9a-f]+), (\d+) bytes, ([^\r\n]*)", self.guest_testpmd.log)
        self.slots = int(found.group(1), 16), int(found.group(2))
        self.granted = found.group(3)

    def effective(self, where=None):
        """Memory type of the slots, or of another range, in the page tables of the forwarding process.

        Needs traffic: only touched pages are present.
        """
        return self.guest.effective(*(where or self.slots), self.bar)

    # Under observation

    def maps(self):
        """/proc/PID/maps of the guest's testpmd."""
        return self.guest.run(f"cat /proc/$(pgrep -f {testpmd.running(self.program)})/maps", check=True).out

    def _default_mapping(self, maps):
        """Address of the BAR's default mapping: the slots may be in another one."""
        found = [(int(start, 16), int(end, 16)) for start, end in
                 re.findall(r"^([0-9a-f]+)-([0-9a-f]+) .*vfio-device", maps, re.M)]
        whole = [start for start, end in found if end - start == self.bar[1]]
        if not whole:
            raise wcscope.ScopeError(f"no mapping of the whole BAR in:\n{maps}")
        return whole[0]

    def _rings(self):
        """(first slot, lines) of the ring of each direction, from the header in the memory."""
        with open(self.path, "rb") as file:
            _magic, _version, lines, _size, rings = struct.unpack("<QIIQI", file.read(28))
        if rings != 1:
            raise wcscope.ScopeError(f"{rings} rings in each direction instead of one")
        return (SLOTS, lines), (SLOTS + lines * LINE, lines)

    def _counters(self):
        """The guest driver's counters of accesses other than frames."""
        xstats = self.guest_testpmd.xstats()
        return {name: xstats[name] for name in ("tx_bursts", "tx_blank_lines", "rx_line_reads", "rx_head_reads",
                                                "rx_credit_writes", "tx_credit_reads")}

    def observe(self, scope, frame, seconds, model="intel"):
        """Forward frames with all accesses counted: (result of stop(), the report of wcscope, its symbols).

        The ranges are "slots", and "control": the default mapping of the rest, or of the whole BAR if the slots have
        a separate mapping.
        """
        self.start(frame)
        time.sleep(WARM_UP_S)
        maps = self.maps()
        control = self._default_mapping(maps)
        control_type, slots_type = self.effective((control, PAGE)), self.effective()
        self.stop()

        offset = self.size - self.slots[1]
        scope.device(*self.bar, self.path, model)
        in_it = self.slots[0] == control + offset
        scope.range("control", control, offset if in_it else self.size, 0, control_type)
        scope.range("slots", *self.slots, offset, slots_type)
        for number, (slots, lines) in enumerate(self._rings()):
            scope(f"heads {slots} {lines} {LENGTH} {CREDIT + number * MAX_RINGS * LINE}")
        before = self._counters()
        scope("start")
        self.start(frame)
        time.sleep(seconds)
        counts = self.stop()
        scope("stop")
        counts |= {name: value - before[name] for name, value in self._counters().items()}
        return counts | {"effective": slots_type}, scope.report(), wcscope.Symbols(str(self.program), maps)


# The device that net_ivshmem is compared with

class Vhost:
    """A testpmd on this machine that is the other end of a virtio-net device, as long as the guest runs.

    QEMU connects when it starts, not later.
    """

    MEMORY = "ram"  # the guest's RAM, which this testpmd shares
    RING = 1024

    def __init__(self, program, socket, host_cpu):
        self.socket = socket
        self.testpmd = testpmd.on_host(program, host_cpu, f"--vdev net_vhost0,iface={socket}", GENERATE, "vhost")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.testpmd.kill()

    def devices(self, memory):
        """QEMU arguments for a guest with memory MiB: long rings, no mergeable buffers, as in DPDK's guides."""
        return ["-object", f"memory-backend-memfd,id={self.MEMORY},size={memory}M,share=on",
                "-machine", f"memory-backend={self.MEMORY}",
                "-chardev", f"socket,id=vhost,path={self.socket}", "-netdev", "vhost-user,id=vhost,chardev=vhost",
                "-device", "virtio-net-pci,netdev=vhost,disable-legacy=on,mrg_rxbuf=off,"
                f"rx_queue_size={self.RING},tx_queue_size={self.RING}"]


class VirtioPair(Pair):
    """Over virtio-net, in a guest that has the device of a Vhost.

    QEMU's device bypasses the guest's IOMMU, so its addresses are physical.
    """

    granted = "-"

    def __init__(self, guest, bdf, vhost, program):
        guest_testpmd = testpmd.in_guest(guest, program, f"-a {bdf},vectorized=1 --iova-mode=pa",
                                         f"{SEND_BACK} --rxd={vhost.RING} --txd={vhost.RING}")
        super().__init__(vhost.testpmd, guest_testpmd, [guest_testpmd])
        self.host_testpmd.wait_for_links()

    def effective(self):
        """The rings are in the guest's RAM."""
        return "RAM"
