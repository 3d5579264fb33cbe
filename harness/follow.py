# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Any program in a guest under wcscope, with the mappings that it makes of a device.

The program runs under wc-follow (wcscope/wc_follow.c), which stops it whenever its mappings of vfio devices change: so
they are watched before the program can access them. At the first access to each one the plugin holds the CPU, whose
page tables then have the type and the physical address, and so the part of the BAR. Nothing is lost in between.

    with Guest(devices=[..., *plugin(library, socket)], append=SAME_ADDRESSES, threads=threads()) as guest:
        scope = Scope(socket)
        scope.device(...)
        scope("start")
        ended = Follower(guest, scope, guest.bar(bdf, 2), wc_follow).run(["dpdk-testpmd", ...], Path.cwd(), 600)
"""

import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness import TOP
from harness.guest import GuestError
from harness.wcscope import TYPES, Lines, ScopeError, Symbols

LOOK_S = 0.5  # at the program's output, while nothing else happens
END_S = 30  # for a program to end after SIGINT
NO_PROGRAM = 127  # as a shell's status


def compile_follower(directory):
    """Path of wc-follow, for a guest."""
    program = Path(directory) / "wc-follow"
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-static", "-o", program,
                    TOP / "wcscope/wc_follow.c"], check=True)
    return program


@dataclass
class Mapping:
    """Of a device, in one or more processes."""
    name: str
    start: int
    end: int
    pids: set
    type: str = ""      # as in the page tables, "" until it is accessed
    offset: int = 0     # in the BAR
    other: bool = False  # of another BAR or device

    @property
    def size(self):
        return self.end - self.start


class Follower:
    """See the module's description. mappings has all that there were."""

    def __init__(self, guest, scope, bar, program):
        self.guest = guest
        self.scope = scope
        self.bar = bar
        self.program = program
        self.mappings = []
        self.current = {}   # {(start, end): Mapping}
        self.ended = ""
        self.status = None
        self.pid = None

    def run(self, command, directory, timeout, seconds=None, output=(sys.stdout, sys.stderr)):
        """Run it to its end, or for so many seconds. How it ended: "", or why that is an error."""
        self.share = Path(tempfile.mkdtemp(dir=self.guest.share, prefix="wcscope."))
        inside = f"/run/share/{self.share.name}"
        self.shown = [(self.share / name, stream) for name, stream in zip(("stdout", "stderr"), output)]
        self.places = [0, 0]
        self.terminal = self.guest.spawn(f"cd {shlex.quote(str(directory))} && exec "
                                         f"{shlex.join([str(self.program), inside, *map(str, command)])}")
        self.lines = Lines(self.terminal.socket[1])
        self.waiting = []
        begun = time.monotonic()
        interrupt = begun + seconds if seconds else None
        while not self.ended:
            self._step(LOOK_S)
            if interrupt and time.monotonic() > interrupt:
                interrupt = None
                timeout = min(timeout, time.monotonic() - begun + END_S)
                self.guest.start(f"kill -INT {self.pid}")
            if time.monotonic() > begun + timeout:
                raise GuestError(f"the program did not end within {timeout:.0f} s: use --seconds to end it by SIGINT, "
                                 "or a longer --timeout")
        self._show()
        self.guest.release(self.terminal)
        return self._verdict(bool(seconds))

    def _step(self, timeout):
        ready, _, _ = select.select([self.scope.lines, self.lines], [], [], timeout)
        if self.scope.lines in ready:
            self.scope.read()
        self._resolve_held()
        if self.lines in ready:
            self._take(self.lines.read())
        self._show()

    def _take(self, lines):
        if lines is None:
            raise ScopeError("the guest ended")
        self.waiting += lines
        while self.waiting:
            words = self.waiting[0].split()
            number = 1 + (int(words[2]) if words[:1] == ["mappings"] else 0)
            if len(self.waiting) < number:
                return
            taken, self.waiting = self.waiting[:number], self.waiting[number:]
            self._take_message(words, taken)

    def _take_message(self, words, lines):
        if words[:1] == ["started"]:
            self.pid = int(words[1])
        elif words[:1] == ["mappings"]:
            self._change(int(words[1]), [tuple(int(word, 16) for word in line.split()) for line in lines[1:]])
            self.terminal.send("go\n")
        elif words[:1] == ["exited"]:
            self.ended, self.status = " ".join(words), int(words[1])
        elif words[:1] == ["killed"]:
            self.ended, self.status = " ".join(words), -int(words[1])
        elif words:
            raise ScopeError(lines[0])

    # Mappings

    def _change(self, pid, ranges):
        """All of a process are these."""
        for mapping in list(self.current.values()):
            if (mapping.start, mapping.end) not in ranges:
                self._leave(mapping, pid)
        for start, end in ranges:
            if (start, end) in self.current:
                self.current[start, end].pids.add(pid)
            else:
                self._watch(Mapping(f"map{len(self.mappings) + 1}", start, end, {pid}))

    def _watch(self, mapping):
        self.scope(f"watch {mapping.name} {mapping.start} {mapping.size}")
        self.mappings.append(mapping)
        self.current[mapping.start, mapping.end] = mapping

    def _leave(self, mapping, pid):
        mapping.pids.discard(pid)
        if mapping.pids:
            return
        del self.current[mapping.start, mapping.end]
        if not mapping.other:
            self.scope(f"ignore {mapping.name}")

    def _resolve_held(self):
        while self.scope.held:
            name, address, cpu = self.scope.held.pop(0)
            mapping = next(mapping for mapping in self.mappings if mapping.name == name)
            if not mapping.type:
                self._resolve(mapping, address, cpu)

    def _resolve(self, mapping, address, cpu):
        """By the page tables of the CPU that has just accessed it."""
        page = next((page for page in self.guest.pages(cpu) if page.va <= address < page.va + page.size), None)
        if page is None:
            raise ScopeError(f"no page at {address:#x}, which CPU {cpu} has accessed")
        mapping.type = page.type
        mapping.offset = page.pa - page.va + mapping.start - self.bar[0]
        mapping.other = not 0 <= mapping.offset <= self.bar[1] - mapping.size
        if mapping.other:
            self.scope(f"ignore {mapping.name}")
        elif mapping.type in TYPES:
            self.scope(f"resolve {mapping.name} {mapping.offset} {TYPES[mapping.type]}")
        else:
            raise ScopeError(f"{mapping.start:#x} is mapped {mapping.type}, which is not modelled")

    # Output and end

    def _show(self):
        """What the program has written since."""
        for number, (path, stream) in enumerate(self.shown):
            if path.exists():
                with open(path, "rb") as file:
                    file.seek(self.places[number])
                    data = file.read()
                self.places[number] += len(data)
                if data:
                    stream.write(data.decode(errors="replace"))
                    stream.flush()

    def _verdict(self, interrupted):
        if self.status == NO_PROGRAM:
            return "the program could not be started"
        if self.status < 0 and not (interrupted and self.status == -signal.SIGINT):
            return f"the program was ended by signal {-self.status} ({signal.Signals(-self.status).name})"
        if self.status > 0 and not interrupted:
            return f"the program ended with {self.status}"
        return ""

    def symbols(self):
        """Of the processes that had mapped a device."""
        maps = "".join(path.read_text() for path in sorted(self.share.glob("maps.*")))
        if not maps:
            raise ScopeError("the program ended before its executable files were known")
        return Symbols(None, maps, inlined=True)
