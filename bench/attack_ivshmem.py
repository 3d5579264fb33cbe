# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Attack a port of net_ivshmem by a misbehaving peer, client of its socket or process beside it.

Each attack is a case with a separate victim (dpdk-wc-guest's ivshmem-victim). During the attack the victim must answer,
and its heartbeat and interrupt thread must go on. Afterwards a well-behaved peer must get frames back intact and in
order, the port must stop, all mbufs must be in the pool and no file be left open, and the process must end by itself,
without a sanitizer report.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from bench.attack_ivshmem_cases import CASES
from bench.attack_ivshmem_victim import Attack, Found, Unavailable
from harness import TOP, tool, version

DEFAULT_SEED = 20261126
DEFAULT_SECONDS = 4


class Interrupted(Exception):
    """The run is interrupted."""


def say(text):
    print(f"attack-ivshmem: {text}", file=sys.stderr, flush=True)


class Run:
    """All cases, and their results."""

    def __init__(self, args):
        self.args = args
        self.found, self.skipped = {}, {}
        self.runs, self.counts = Counter(), {name: Counter() for name in args.only or CASES}
        self.program = None

    def build(self):
        directory = self.args.programs or Path(subprocess.run(
            [TOP / "devtools/build-dpdk", "sanitize"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip())
        self.program = directory.resolve() / "dpdk-wc-guest"

    def attack(self, name, number):
        """One case, once."""
        seed = random.Random(f"{self.args.seed} {number} {name}").getrandbits(32)
        started = time.monotonic()
        with Attack(self, name, seed) as attack:
            try:
                CASES[name][1](attack)
            except Unavailable as reason:
                self.skipped[name] = str(reason)
                verdict = f"skipped: {reason}"
            except (Found, OSError, TimeoutError) as found:
                # A victim that no longer serves the attacker is a finding as well.
                text = str(found) if isinstance(found, Found) else f"{type(found).__name__}: {found}"
                if attack.victim and not isinstance(found, Found):
                    text = str(attack.victim.found(text))
                self.found.setdefault(name, []).append(text)
                verdict = f"FOUND: {text}"
            else:
                verdict = "nothing found"
            self.counts[name].update(attack.counts)
        self.runs[name] += 1
        say(f"{name}: {time.monotonic() - started:.1f} s, {verdict.splitlines()[0]}")

    def all(self):
        end = time.monotonic() + self.args.minutes * 60 if self.args.minutes else None
        number = 0
        while True:
            for name in self.counts:
                if name not in self.skipped:
                    self.attack(name, number)
                if end and time.monotonic() > end:
                    return
            number += 1
            if not end or len(self.skipped) == len(self.counts):
                return

    def table(self):
        width = max(map(len, self.counts))
        print(f"{'case':{width}}  runs  found  counted")
        for name, counts in self.counts.items():
            text = f"skipped: {self.skipped[name]}" if name in self.skipped else ", ".join(
                f"{key} {value}" for key, value in counts.items() if value)
            print(f"{name:{width}}  {self.runs[name]:4}  {len(self.found.get(name, [])):5}  {text}")
        for name, texts in self.found.items():
            print(f"FOUND {name}: {texts[0]}")


def positive(text):
    value = float(text)
    if not 0 < value < 1e6:
        raise ValueError
    return value


positive.__name__ = "number above 0"


def parse_args():
    parser = tool.ArgumentParser(
        prog="attack-ivshmem", description="Attack a port of net_ivshmem and print the findings. Exit status 0: "
        "nothing found, 1: something found, 2: wrong arguments, 130: interrupted.")
    parser.add_argument("--minutes", type=positive, help="repeat all cases for this long (default: once)")
    parser.add_argument("--seconds", type=positive, default=DEFAULT_SECONDS, help="length of each attack (default: "
                        "%(default)s)")
    parser.add_argument("--only", metavar="CASE", action="append", choices=CASES, help="run this case; may be repeated")
    parser.add_argument("--list", action="store_true", help="list the cases and exit")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="default: %(default)s")
    parser.add_argument("--programs", type=Path, metavar="DIR", help="directory with dpdk-wc-guest, instead of "
                        "building it with ASan and UBSan")
    args = parser.parse_args()
    if args.list:
        for name, (text, _) in CASES.items():
            print(f"{name:18} {text}")
        parser.exit()
    if args.programs and not os.access(args.programs / "dpdk-wc-guest", os.X_OK):
        parser.error(f"--programs {args.programs}: no dpdk-wc-guest there: use the directory that devtools/build-dpdk "
                     "prints")
    return args


def interrupt(_number, _frame):
    raise Interrupted


def main(args):
    for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
        signal.signal(number, interrupt)
    run = Run(args)
    started = time.monotonic()
    status = 0
    try:
        run.build()
        run.all()
    except Interrupted:
        say("interrupted")
        status = 130
    run.table()
    verdict = "FOUND" if run.found else "nothing found" if status == 0 else "nothing found so far"
    print(version.made_with(version.describe()))
    print(f"{time.monotonic() - started:.0f} s, seed {args.seed}, {sum(run.runs.values())} runs of {len(run.counts)} "
          f"cases, {len(run.skipped)} skipped")
    print(f"verdict: {verdict}")
    return 1 if run.found else status


if __name__ == "__main__":
    tool.run("attack-ivshmem", parse_args, main)
