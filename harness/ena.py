# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""dpdk-wc-ena in a guest: the driver net_ena on a simulated ENA device, in the BAR of an ivshmem-plain device."""

import re
from collections import namedtuple

BAR_SIZE = 1 << 20
EAL = "--huge-dir /run/huge -m 128 --no-telemetry --lcores 0@0,1@1 --file-prefix ena"
HUGEPAGES = 80  # of 2 MiB

Range = namedtuple("Range", "address size offset")
Result = namedtuple("Result", "sent received wrong bad entries long laps keep_alives expired stuck")


class Ena:
    """The program; its device is an lcore that polls."""

    def __init__(self, guest, release, bdf, options="", arguments=""):
        import pexpect  # here, so that tools can first check their arguments and install it
        self.guest = guest
        self.program = release / "dpdk-wc-ena"
        self.terminal = guest.spawn(f"'{self.program}' {EAL} -a {bdf}{arguments} {options}; echo EXIT=$?")
        try:
            self.terminal.expect(r"ready\r|EXIT=\d+\r")
        except pexpect.ExceptionPexpect as error:
            self._kill()
            raise guest.error(f"dpdk-wc-ena did not start; output so far:\n{self.terminal.before}") from error
        self.log = self.terminal.before
        self.ended = self.terminal.after.startswith("EXIT")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.quit()
        else:
            self._kill()

    def _kill(self):
        self.guest.run("pkill -9 -x dpdk-wc-ena")
        self.guest.release(self.terminal)

    def __call__(self, command, timeout=120):
        self.terminal.sendline(command)
        self.terminal.expect(r"(?:^|\n)((?:sent|fault|llq|error) [^\r\n]*)\r", timeout=timeout)
        self.log += self.terminal.before
        return self.terminal.match.group(1)

    def send(self, count, smallest, largest=None, segments=1):
        """Send frames of such lengths, without FCS; returns what the device got."""
        line = self(f"send {count} {smallest} {largest or smallest} {segments}")
        return Result(*map(int, re.findall(r" (\d+)", line)), stuck=line.endswith("stuck"))

    def ranges(self):
        """{name: Range} of the driver's mappings, and the bytes of an entry."""
        line = self("where")
        llq, registers = (Range(int(address, 16), int(size), int(offset)) for address, size, offset in
                          re.findall(r"(0x[0-9a-f]+) (\d+) (\d+)", line))
        return {"llq": llq, "registers": registers}, int(re.search(r"entries of (\d+)", line).group(1))

    def effective(self, where, bar):
        """Memory type of a range in the page tables of the program, for the touched pages."""
        return self.guest.effective(where.address, where.size, bar)

    def maps(self):
        """/proc/PID/maps"""
        return self.guest.run("cat /proc/$(pgrep -x dpdk-wc-ena)/maps", check=True).out

    def quit(self):
        if not self.ended:
            self.terminal.sendline("quit")
            self.terminal.expect("EXIT=0")
            self.ended = True
        self.guest.release(self.terminal)
