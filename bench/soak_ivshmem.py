# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Two processes that exchange frames over net_ivshmem while they are disturbed.

Without --corrupt both behave well: each must receive the frames of the other intact and in order, except for frames in
flight when a session ended. With --corrupt a third process overwrites their shared memory: they must survive, and
exchange frames again once it has ended.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from harness import IVSHMEM_SIZE, TOP, tool, version

ROLES = ["server", "client"]
DEFAULT_SEED = 20251125
PATIENCE_S = 60
# Time for frames to go both ways again after the corruptor has ended; then the ports are restarted.
ALONE_S = 8
EVENTS = ["restart", "detach", "kill", "secondary", "nothing"]
XSTATS = ["rx_bad_packets", "rx_oversized", "tx_bad_credits", "resyncs", "peer_restarts", "dead_owners",
          "rx_lost_mbufs"]
TOTALS = ["sent", "received", "wrong", "missing", "restarts", "errors", *XSTATS]


class Failed(Exception):
    """The run cannot continue; the text gives the reason."""


def say(text):
    print(f"soak-ivshmem: {text}", file=sys.stderr, flush=True)


def parse_args():
    parser = tool.ArgumentParser(
        prog="soak-ivshmem", description="Exchange frames and print counts and findings. Exit status 0: nothing found.")
    parser.add_argument("--seconds", type=int, default=3600, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="default: %(default)s")
    parser.add_argument("--queues", type=int, choices=range(1, 5), default=3, help="default: %(default)s")
    parser.add_argument("--corrupt", action="store_true", help="have a third process overwrite the shared memory")
    parser.add_argument("--trusting", action="store_true", help="report the effects of --corrupt as errors")
    parser.add_argument("--sanitize", action="store_true", help="use the programs with ASan and UBSan")
    parser.add_argument("--programs", type=Path, help="directory with dpdk-wc-guest, instead of building it")
    args = parser.parse_args()
    if args.seconds < 1:
        parser.error(f"--seconds {args.seconds}: use 1 or more")
    if args.programs and not (args.programs / "dpdk-wc-guest").is_file():
        parser.error(f"--programs {args.programs}: no dpdk-wc-guest there: use the directory that devtools/build-dpdk "
                     "prints")
    return args


class Side:
    """A process with one end of the link."""

    def __init__(self, run, role, seed):
        self.log = open(run.directory / f"{role}.log", "a+", encoding="utf-8", errors="replace")
        self.name = role
        self.process = subprocess.Popen(
            run.command(f"{role}{seed}", "ivshmem-traffic", run.path, role, str(run.args.queues), str(seed)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, errors="replace",
            env=run.environment)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.lines = []
        self.rest = ""
        self.last = {}  # of its numbers, unless they are counted

    def error(self, text):
        self.log.flush()
        self.log.seek(0)
        return Failed(f"{self.name}: {text}\n" + "\n".join(self.lines[-12:]) + "\n" + self.log.read()[-6000:])

    def read(self):
        """Read the output; returns the new lines."""
        try:
            self.rest += os.read(self.process.stdout.fileno(), 1 << 20).decode(errors="replace")
        except BlockingIOError:
            return []
        *new, self.rest = self.rest.split("\n")
        self.lines += new
        return new

    def __call__(self, word):
        """Send a command; returns the line before its answer."""
        try:
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise self.error(f"ended before '{word}'") from error
        deadline = time.monotonic() + PATIENCE_S
        seen = []
        while f"done {word}" not in seen:
            if self.process.poll() is not None:
                self.read()
                raise self.error(f"ended with {self.process.returncode} at '{word}'")
            if time.monotonic() > deadline:
                raise self.error(f"does not answer '{word}': endless loop?")
            time.sleep(0.005)
            seen += self.read()
        return seen[-2] if len(seen) > 1 else ""

    def numbers(self):
        words = self("report").split()
        self.last = {name: int(value) for name, value in zip(words[::2], words[1::2])}
        return self.last

    def kill(self):
        self.process.kill()
        self.close()

    def quit(self):
        """End it; returns whether it found no errors."""
        self.process.stdin.write("quit\n")
        self.process.stdin.flush()
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise self.error("does not end")
            self.read()
            time.sleep(0.01)
        self.read()
        if self.process.returncode not in (0, 1):
            raise self.error(f"ended with {self.process.returncode}")
        status = self.process.returncode
        self.close()
        return status == 0

    def close(self):
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()


class Run:
    """The file, both sides, and the counts of processes that have ended."""

    def __init__(self, args, directory, path):
        self.args, self.directory, self.path = args, directory, path
        self.random = random.Random(args.seed)
        self.totals, self.events = Counter(dict.fromkeys(TOTALS, 0)), Counter()
        self.sides = []
        self.found = []
        programs = args.programs or subprocess.run(
            [TOP / "devtools/build-dpdk", "sanitize" if args.sanitize else "release"], check=True, text=True,
            stdout=subprocess.PIPE).stdout.strip()
        self.program = Path(programs) / "dpdk-wc-guest"
        self.started = time.monotonic()
        # DPDK keeps its memory until exit, which is no leak.
        self.environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "halt_on_error=1"}

    def command(self, name, suite, *arguments):
        return [self.program, "--no-huge", "--no-pci", "--no-telemetry", "--no-shconf", "-m", "128", "--lcores", "0@0-1"
                if (os.cpu_count() or 1) > 1 else "0@0", "--file-prefix", f"soak-{os.getpid()}-{name}", "--", suite,
                *arguments]

    def start(self):
        for role in ROLES:
            self.sides.append(Side(self, role, self.random.getrandbits(32)))
            # The server lays out the region before the client looks at it.
            self.sides[-1]("report")

    def count(self, side):
        side.numbers()
        self.count_last(side)

    def count_last(self, side):
        """Count the last report: the process may have ended since."""
        for name in TOTALS:
            self.totals[name] += side.last.get(name, 0)
        side.last = {}

    def good(self):
        """Frames received intact, by side and queue."""
        return [[numbers[f"good{n}"] for n in range(self.args.queues)]
                for numbers in (side.numbers() for side in self.sides)]

    def flows(self, seconds):
        """Whether frames arrive on all queues of both sides within some time."""
        before = self.good()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(0.1)
            if all(now > then for side in zip(self.good(), before) for now, then in zip(*side)):
                return True
        return False

    # Both behave well

    def event(self):
        what = self.random.choice(EVENTS)
        number = self.random.randrange(2)
        self.events[what] += 1
        if what == "kill":
            self.count(self.sides[number])
            self.sides[number].kill()
            self.sides[number] = Side(self, ROLES[number], self.random.getrandbits(32))
            self.sides[number]("report")
        elif what == "detach":
            self.sides[number]("detach")
            self.sides[number]("attach")
        elif what == "secondary":
            # Another process of the side polls, and is killed at any point.
            self.sides[number]("secondary")
            time.sleep(self.random.random())
            self.sides[number]("kill-secondary")
        elif what == "restart":
            self.sides[number]("stop")
            time.sleep(self.random.random() / 2)
            self.sides[number]("start")

    def drain(self):
        """Stop sending; all frames acknowledged in the current session must be received."""
        for side in self.sides:
            side("quiet")
        before = None
        while (now := self.good()) != before:
            before = now
            time.sleep(0.5)
        numbers = [side.numbers() for side in self.sides]
        for number in range(2):
            here, there = numbers[number], numbers[1 - number]
            for n in range(self.args.queues):
                if there[f"sender{n}"] != here["self"] or there[f"next{n}"] != here[f"seq{n}"]:
                    self.found.append(f"{ROLES[number]} sent {here[f'seq{n}']} frames on queue {n}, "
                                      f"{there[f'next{n}']} arrived")

    def soak(self):
        end = time.monotonic() + self.args.seconds
        while time.monotonic() < end:
            if not self.flows(30):
                raise self.sides[0].error(f"no frames on some queue; received so far: {self.good()}")
            self.event()
            time.sleep(self.random.random() * 2)
        if not self.flows(30):
            raise self.sides[0].error(f"no frames at the end: {self.good()}")
        self.drain()

    # With a third process

    def corrupt(self):
        for side in self.sides:
            if not self.args.trusting:
                side("distrust")
            side("watch")
        with subprocess.Popen(self.command("corrupt", "ivshmem-corrupt", self.path, str(self.args.seconds),
                                           str(self.args.seed)),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=self.environment) as process:
            try:
                while process.poll() is None:
                    self.good()
                    time.sleep(0.5)
            finally:
                process.kill()
            said = process.stdout.read().splitlines()
        if process.returncode != 0:
            raise Failed(f"corruptor: {said}")
        print(f"overwritten: {said[-1]}")
        for side in self.sides:
            side("unwatch")
        alone = self.flows(ALONE_S)
        if not alone:
            for side in self.sides:
                side("stop")
            for side in self.sides:
                side("start")
            if not self.flows(30):
                raise self.sides[0].error(f"no frames after a restart of both: {self.good()}")
        print(f"recovered: {'by themselves' if alone else 'after a restart of the ports'}")
        # The corruptor's leftovers are gone with the rings' content.
        time.sleep(1)
        for side in self.sides:
            side("trust")
        if not self.flows(30):
            raise self.sides[0].error(f"no frames after that: {self.good()}")
        time.sleep(2)

    def finish(self):
        for side in self.sides:
            self.count(side)
            side("stop")
        for side in self.sides:
            if not side.quit():
                self.found.append(f"{side.name}: " + "; ".join(line for line in side.lines if "ERROR" in line))

    def print_totals(self):
        """Print the counts so far."""
        print(version.made_with(version.describe()))
        print(f"{time.monotonic() - self.started:.0f} s, seed {self.args.seed}, {self.args.queues} queues, " +
              ", ".join(f"{name} {number}" for name, number in self.totals.items()))
        if self.events:
            print("events: " + ", ".join(f"{name} {number}" for name, number in self.events.items()))
        for what in self.found:
            print(f"FOUND {what}")
        sys.stdout.flush()

    def kill(self):
        for side in self.sides:
            if side.process.poll() is None:
                side.kill()


def soak(args):
    with tempfile.TemporaryDirectory(prefix="soak-ivshmem.") as directory, \
            tempfile.NamedTemporaryFile(prefix="soak-ivshmem.", dir="/dev/shm") as shared:
        shared.truncate(IVSHMEM_SIZE)
        run = Run(args, Path(directory), shared.name)
        try:
            run.start()
            if args.corrupt:
                run.corrupt()
            else:
                run.soak()
            run.finish()
        except (KeyboardInterrupt, Failed):
            for side in run.sides:
                run.count_last(side)
            run.print_totals()
            raise
        finally:
            run.kill()
    run.print_totals()
    if run.totals["errors"] and not run.found:
        run.found.append("errors")
    print(f"verdict: {'FOUND' if run.found else 'nothing found'}")
    return 1 if run.found else 0


def main(args):
    try:
        return soak(args)
    except Failed as error:
        print(f"verdict: FOUND: {error}")
        return 1


if __name__ == "__main__":
    tool.run("soak-ivshmem", parse_args, main)
