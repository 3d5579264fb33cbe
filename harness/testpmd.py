# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""dpdk-testpmd in interactive mode, on this machine or in a guest.

pexpect is imported where it is used, so that tools can first check their arguments and install it.
"""

import contextlib
import functools
import os
import re
import shlex
import signal
import time

from harness.guest import GuestError

# testpmd writes its prompt character by character, and other threads log in between.
LINE = r"\w+: [^\n]*\n"
PROMPT = f"((?:{LINE})*)".join(map(re.escape, "testpmd> "))
# testpmd's own messages do not look like a log.
QUIET = "--mask-event all"
QUIET_EAL = "--log-level=lib.vhost.config:warning"
# Long enough for a guest, or a process, that shares its CPU with other tests
GUEST_TIMEOUT_S, HOST_TIMEOUT_S = 120, 60


class TestpmdError(Exception):
    """testpmd ended or does not answer; the text includes its output."""


class Testpmd:
    """A testpmd at its prompt. `terminal` is a pexpect object.

    `release` waits until testpmd has ended, `kill` ends it at once, so that a hung process is not left behind.
    """

    __test__ = False  # not a test class of pytest

    def __init__(self, command, terminal, release, kill, timeout):
        self.command = command
        self.terminal = terminal
        self._release = release
        self._kill = kill
        self.ended = False
        self.timeout = timeout
        try:
            self.log = self._expect(PROMPT, "prompt")
        except BaseException:
            self.kill()
            raise

    def _expect(self, pattern, what):
        import pexpect
        try:
            self.terminal.expect(pattern, timeout=self.timeout)
        except (pexpect.TIMEOUT, pexpect.EOF) as error:
            printed = self.terminal.before
            self.kill()
            raise TestpmdError(f"no {what} within {self.timeout} s; testpmd printed:\n{printed}") from error
        return self.terminal.before + "".join(self.terminal.match.groups())

    def __call__(self, command):
        """Run a command; returns its output."""
        self.terminal.sendline(command)
        return self._expect(PROMPT, "prompt")

    def port_stats(self, port=0):
        """Counters and rates of `show port stats`, as {"RX-packets": 1, "Rx-pps": 2, ...}."""
        text = self(f"show port stats {port}")
        return {name: int(value) for name, value in re.findall(r"([RT][Xx]-\w+): +(\d+)", text)}

    def rates(self, seconds, port=0):
        """port_stats() with the rates of the next seconds."""
        self.port_stats(port)
        time.sleep(seconds)
        return self.port_stats(port)

    def wait_for_links(self):
        """Wait until all ports have a link: frames sent earlier are lost, and e1000e is slow."""
        deadline = time.monotonic() + self.timeout
        while re.search(r"\bdown\b", text := self("show port summary all")):
            if time.monotonic() > deadline:
                raise TestpmdError(f"no link within {self.timeout} s:\n{text}")

    def xstats(self, port=0):
        """Extended statistics as {name: value}."""
        text = self(f"show port xstats {port}")
        return {name: int(value) for name, value in re.findall(r"^(\w+): (\d+)\r?$", text, re.M)}

    def kill(self):
        """End it at once, unless it has ended."""
        if not self.ended:
            self.ended = True
            self._kill()

    def quit(self):
        """End it, unless it was killed; returns its last output."""
        import pexpect
        if self.ended:
            return ""
        self.terminal.sendline("quit")
        text = self._expect("Bye", "end")
        try:
            self._release()
        except (pexpect.ExceptionPexpect, GuestError) as error:
            self.kill()
            raise TestpmdError("testpmd printed Bye but did not end") from error
        self.ended = True
        return text


def cycles(text):
    """Cycles per packet in the output of `stop` with --record-core-cycles, None if missing."""
    found = re.search(r"CPU cycles/packet=([0-9.]+)", text)
    return float(found.group(1)) if found else None


def quoted(path):
    """As a word of a shell command."""
    return shlex.quote(str(path))


def running(program):
    """The pattern for pkill and pgrep, as a word of a shell command."""
    return quoted(f"^{re.escape(str(program))} ")


def eal(cpu, prefix, options, telemetry=False):
    """EAL options with both lcores, the one that forwards and the one at the prompt, on one CPU."""
    options += " --no-telemetry" * (not telemetry)
    return f"--lcores 0@{cpu},1@{cpu} --file-prefix {prefix} {QUIET_EAL} {options}"


def in_guest(guest, program, options, arguments, before="", telemetry=False):
    """Start testpmd in a guest, on its last CPU; before: a command that becomes it."""
    eal_options = eal(guest.cpus - 1, "guest", f"--huge-dir /run/huge -m 64 {options}", telemetry)
    command = f"{before} {quoted(program)} {eal_options} -- -i {QUIET} {arguments}"
    terminal = guest.spawn(command)

    def kill():
        # The guest itself may be gone.
        with contextlib.suppress(OSError, GuestError):
            guest.run(f"pkill -9 -f {running(program)}")
            guest.release(terminal)

    return Testpmd(command, terminal, functools.partial(guest.release, terminal), kill, GUEST_TIMEOUT_S)


def on_host(program, cpu, options, arguments, name="host"):
    """Start testpmd on a CPU of this machine; it ends with the terminal at the latest.

    Without huge pages, unless the options have -m, and without EAL's files, which would stay.
    """
    memory = "" if options.startswith("-m ") else "--no-huge -m 128 "
    eal_options = eal(cpu, f"{name}{os.getpid()}", f"--no-shconf --no-pci {memory}{options}")
    return on_terminal(f"{quoted(program)} {eal_options} -- -i {QUIET} {arguments}")


def on_terminal(command):
    """Start a testpmd on this machine by its command; it ends with the terminal at the latest."""
    import pexpect
    terminal = pexpect.spawn(command, encoding="utf-8", codec_errors="replace", echo=False)
    terminal.delaybeforesend = None

    def release():
        terminal.expect(pexpect.EOF, timeout=HOST_TIMEOUT_S)
        terminal.close()

    def kill():
        # close() alone gives up on a process that ends slowly; wait() raises for one that has ended.
        with contextlib.suppress(pexpect.ExceptionPexpect):
            terminal.kill(signal.SIGKILL)
            terminal.wait()
        terminal.close()

    return Testpmd(command, terminal, release, kill, HOST_TIMEOUT_S)
