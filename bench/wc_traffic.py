# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""dpdk-wc-perf as one end of a link, and as a measure of the two CPUs: see app/wc-perf.

pexpect is imported where it is used, so that tools can first check their arguments and install it.
"""

import contextlib
import os
import re
import signal
import subprocess

from harness.testpmd import QUIET_EAL, TestpmdError, quoted

TIMEOUT_S = 60


def program_of(testpmd):
    """The dpdk-wc-perf beside a testpmd."""
    return testpmd.parent / "dpdk-wc-perf"


def of_cpus(program, what, cpus, pattern):
    """Match of the pattern in what dpdk-wc-perf prints about two CPUs."""
    command = [str(program), what, *map(str, cpus)]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S)
    found = re.search(pattern, run.stdout)
    if run.returncode or not found:
        raise TestpmdError(f"{' '.join(command)}: {run.stderr.strip() or run.stdout.strip()}")
    return found


def round_trip(program, cpus):
    """Round-trip time of a line between the CPUs, in nanoseconds."""
    return int(of_cpus(program, "roundtrip", cpus, r": (\d+) ns\n$").group(1))


def stream(program, cpus):
    """Lines that the second CPU can hand to the first one, in millions per second."""
    return float(of_cpus(program, "stream", cpus, r": ([\d.]+) M/s, ").group(1))


class Traffic:
    """A dpdk-wc-perf that waits for commands without using the CPU; it ends with the terminal at the latest."""

    def __init__(self, program, cpu, options, name):
        """As testpmd.on_host()."""
        import pexpect
        memory = "" if options.startswith("-m ") else "--no-huge -m 128 "
        self.command = (f"{quoted(program)} --lcores 0@{cpu} --file-prefix {name}{os.getpid()} {QUIET_EAL} "
                        f"--no-telemetry --no-shconf --no-pci {memory}{options} -- --traffic")
        self.terminal = pexpect.spawn(self.command, encoding="utf-8", codec_errors="replace", echo=False)
        self.terminal.delaybeforesend = None
        self.expect(r"started\r\n")

    def expect(self, pattern):
        """Match of the pattern in its next output."""
        import pexpect
        try:
            self.terminal.expect(pattern, timeout=TIMEOUT_S)
        except (pexpect.TIMEOUT, pexpect.EOF) as error:
            printed = self.terminal.before
            self.kill()
            raise TestpmdError(f"no {pattern!r} within {TIMEOUT_S} s; {self.command} printed:\n{printed}") from error
        return self.terminal.match

    def wait_for_link(self):
        self.expect(r"ready\r\n")

    def receive(self, seconds):
        """Receive until stop_receiving(); wait_for_rate() returns the rate of the time after the first frames."""
        self.terminal.sendline(f"receive {round(1000 * seconds)}")

    def wait_for_rate(self):
        """Frames received, in millions per second."""
        return float(self.expect(r"received \d+ frames, ([\d.]+) Mpps\r\n").group(1))

    def stop_receiving(self):
        self.terminal.sendline("")
        self.expect(r"stopped\r\n")

    def send(self, length):
        """Send frames of this length, without FCS, until stop_sending()."""
        self.terminal.sendline(f"send {length}")

    def stop_sending(self):
        """(frames sent, frames dropped)"""
        self.terminal.sendline("")
        found = self.expect(r"sent (\d+) frames, [\d.]+ Mpps, dropped (\d+)\r\n")
        return int(found.group(1)), int(found.group(2))

    def kill(self):
        import pexpect
        # close() alone gives up on a process that ends slowly; wait() raises for one that has ended.
        with contextlib.suppress(pexpect.ExceptionPexpect):
            self.terminal.kill(signal.SIGKILL)
            self.terminal.wait()
        self.terminal.close()
