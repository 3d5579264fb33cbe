# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""dpdk-testpmd in interactive mode, on this machine or in a guest."""

import os
import re
import signal
import time

import pexpect

# The messages of another thread (test-pmd's eth_event_callback()) can come between any two characters of the prompt.
EVENT = r"(?:\s*Port \d+: [\w ]+ event\r?\n)*"
PROMPT = EVENT.join("testpmd> ")


class TestpmdError(Exception):
    """testpmd ended or does not answer; the text has what it printed."""


class Testpmd:
    """A testpmd at its prompt. `terminal` is a pexpect object; `release` is called when testpmd has ended."""

    __test__ = False  # its name is not pytest's business

    def __init__(self, command, terminal, release=lambda terminal: None, timeout=20):
        self.command = command
        self.terminal = terminal
        self.release = release
        self.log = self._expect(PROMPT, timeout)

    def _expect(self, pattern, timeout=20):
        try:
            self.terminal.expect(pattern, timeout=timeout)
        except (pexpect.TIMEOUT, pexpect.EOF) as error:
            raise TestpmdError(f"no '{pattern}' within {timeout} s; testpmd printed:\n"
                               f"{self.terminal.before}") from error
        return self.terminal.before

    def __call__(self, command, timeout=20):
        """Run a command; returns what it prints."""
        self.terminal.sendline(command)
        return self._expect(PROMPT, timeout)

    def port_stats(self, port=0):
        """Counters and rates of `show port stats`, as {"RX-packets": 1, "Rx-pps": 2, ...}."""
        text = self(f"show port stats {port}")
        return {name: int(value) for name, value in re.findall(r"([RT][Xx]-\w+): +(\d+)", text)}

    def rates(self, seconds, port=0):
        """port_stats() whose rates are those of some seconds from now."""
        self.port_stats(port)
        time.sleep(seconds)
        return self.port_stats(port)

    def wait_for_links(self, timeout=20):
        """Wait until all ports have a link: frames sent before are lost, and e1000e takes its time."""
        deadline = time.monotonic() + timeout
        while re.search(r"\bdown\b", text := self("show port summary all")):
            if time.monotonic() > deadline:
                raise TestpmdError(f"no link within {timeout} s:\n{text}")

    def xstats(self, port=0):
        """Extended statistics as {name: value}."""
        text = self(f"show port xstats {port}")
        return {name: int(value) for name, value in re.findall(r"^(\w+): (\d+)\r?$", text, re.M)}

    def kill(self):
        """End it at once, and wait until it has ended."""
        self.terminal.kill(signal.SIGKILL)
        self.terminal.wait()

    def quit(self, timeout=30):
        """End it; returns what it printed meanwhile."""
        self.terminal.sendline("quit")
        text = self._expect("Bye", timeout)
        self.release(self.terminal)
        return text


def cycles(text):
    """Cycles for each packet in what `stop` prints with --record-core-cycles, None if they are not there."""
    found = re.search(r"CPU cycles/packet=([0-9.]+)", text)
    return float(found.group(1)) if found else None


def eal(cpu, prefix, options):
    """EAL options with both lcores, the one that forwards and the one at the prompt, on one CPU."""
    return f"--lcores 0@{cpu},1@{cpu} --no-telemetry --file-prefix {prefix} {options}"


def in_guest(guest, program, options, arguments, timeout=20):
    """Start testpmd in a guest, on its last CPU."""
    command = f"{program} {eal(guest.cpus - 1, 'guest', '--huge-dir /run/huge -m 64 ' + options)} -- -i {arguments}"
    return Testpmd(command, guest.spawn(command), guest.release, timeout)


def on_host(program, cpu, options, arguments, name="host"):
    """Start testpmd on a CPU of this machine, of several with another name; it ends with the terminal at the latest.

    Without huge pages, unless the options have -m.
    """
    memory = "" if options.startswith("-m ") else "--no-huge -m 128 "
    return on_terminal(f"{program} {eal(cpu, f'{name}{os.getpid()}', f'--no-pci {memory}{options}')} -- -i {arguments}")


def on_terminal(command, timeout=20):
    """Start a testpmd on this machine by its command; it ends with the terminal at the latest."""
    terminal = pexpect.spawn(command, encoding="utf-8", codec_errors="replace", echo=False)
    terminal.delaybeforesend = None

    def release(terminal):
        terminal.expect(pexpect.EOF, timeout=30)
        terminal.close()

    try:
        return Testpmd(command, terminal, release, timeout)
    except BaseException:
        terminal.kill(signal.SIGKILL)
        raise
