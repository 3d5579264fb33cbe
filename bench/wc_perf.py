# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Measure the cost of mapping and copying: dpdk-wc-perf in a guest, strace for system calls, callgrind."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from harness import IVSHMEM_SIZE, kernels, tool
from harness.guest import Guest, GuestError, build_dpdk, ivshmem
from harness.version import describe, made_with

OFFSET = 4096
EAL = "--no-telemetry --lcores 0@0"
# {copy method: function in which callgrind counts}; callgrind supports neither AVX-512 nor MOVDIR64B
FUNCTIONS = {"loop": "copy_words", "memcpy": "copy_memcpy", "rte_memcpy": "copy_rte_memcpy", "plain": "wcio_copy_plain",
             "SSE2": "wcio_x86_copy_sse2", "AVX2": "wcio_copy_avx2"}
PLACES = ["cached", "default", "wc"]
LOOPS = 1000
COUNTED_LINES = 1, 24  # a smallest and a largest frame; each count takes some seconds


def say(text):
    print(f"wc-perf: {text}", file=sys.stderr, flush=True)


def command(program, bdf, repeats):
    """In a guest."""
    return (f"{shlex.quote(str(program))} {EAL} --huge-dir /run/huge -m 64 -a {bdf} --vfio-wc -- --bar 2 "
            f"--offset {OFFSET} --len {IVSHMEM_SIZE - OFFSET} --repeats {repeats}")


def in_guest(guest, bdf, program, repeats):
    """Its output, and {place: effective type}."""
    import pexpect
    types = {}
    terminal = guest.spawn(f"{command(program, bdf, repeats)} --wait; echo EXIT=$?", timeout=600)
    text = ""
    while not text.endswith("EXIT=0"):
        try:
            terminal.expect(r"copying to (\w+) at 0x([0-9a-f]+)|EXIT=\d+")
        except (pexpect.TIMEOUT, pexpect.EOF) as error:
            raise GuestError(f"dpdk-wc-perf hangs:\n{text}{terminal.before}") from error
        text += terminal.before + terminal.after
        if terminal.match.group(1):
            if terminal.match.group(1) != "cached":
                types[terminal.match.group(1)] = guest.effective(int(terminal.match.group(2), 16),
                                                                 IVSHMEM_SIZE - OFFSET, guest.bar(bdf, 2))
            terminal.sendline("")
        elif not text.endswith("EXIT=0"):
            raise GuestError(f"dpdk-wc-perf failed:\n{text}")
    guest.release(terminal)
    return text, types


def system_calls(guest, bdf, program, repeats):
    """System calls of the first mapping and unmapping, and of a further one: Counters."""
    trace = guest.run(f"strace -f -qq -o /run/share/trace {command(program, bdf, repeats)} >/dev/null 2>&1;"
                      " cat /run/share/trace", timeout=300).out
    marks = r"first mapping|further mappings|mappings done"
    parts = re.split(rf"^.*write\(2, .*(?:{marks}).*$", trace, flags=re.M)
    if len(parts) < 4:
        raise GuestError(f"no marks in the trace:\n{trace[-2000:]}")
    first, further = (Counter(re.findall(r"^\d+ +(\w+)\(", part, re.M)) for part in parts[1:3])
    # strace splits a write that is not a whole line: the remaining parts do not belong to the mapping.
    first.pop("write", None), further.pop("write", None)
    return first, {name: number / repeats for name, number in further.items()}


def instructions(program, way, lines):
    """Instructions per line."""
    with tempfile.NamedTemporaryFile(prefix="wc-perf.") as out:
        subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out.name}",
                        "--collect-atstart=no", f"--toggle-collect={FUNCTIONS[way]}", program, "--no-huge", "--no-pci",
                        *EAL.split(), "-m", "64", "--file-prefix", f"wc-perf-{os.getpid()}", "--",
                        "--loop", way, "--lines", str(lines), "--repeats", str(LOOPS)],
                       check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        total = re.search(r"^(?:summary|totals): (\d+)", Path(out.name).read_text(), re.M).group(1)
    return int(total) / LOOPS / lines


def rows_of(text):
    """{(way, lines): {place: "median (least..most)"}}."""
    rows = {}
    for place, lines, way, median, spread in re.findall(
            r"^copy (\w+) +(\d+) lines +(\S+) +([0-9.]+) ns a line, ([0-9.]+\.\.[0-9.]+)", text, re.M):
        rows.setdefault((way, int(lines)), {})[place] = f"{median} ({spread})"
    return rows


# Places of dpdk-wc-perf's timing (app/wc-common/delivered.c), and their names here
DELIVERED_PLACES = {"ordinary memory": "cached", "default mapping": "default", "write-combining": "wc",
                    "the same, scattered": "scattered"}


def delivered(text):
    """Whether stores through the write-combining mapping combine, as dpdk-wc-perf has timed and judged it.

    {"verdict": "yes", "no" or "unknown", "reason", "times": {place: ns a line}, "types": {place: type}, "text"}
    """
    found = re.search(r"^delivered (yes|no|unknown): (.*?)\r?$", text, re.M)
    if not found:
        return not_timed("there is no write-combining mapping")
    verdict, reason = found.groups()
    times = {DELIVERED_PLACES[place]: float(median)
             for place, median in re.findall(r"^time +(.*?) +([0-9.]+) ns a line", text, re.M)}
    types = dict(re.findall(r"^type (\w+) +(.*?)\r?$", text, re.M))
    measured = times and (
        f"; 8 stores of 8 bytes to a line take {times['cached']:.1f} ns in ordinary memory, {times['default']:.1f} ns "
        f"through the default mapping ({types.get('default')}), {times['wc']:.1f} ns through the write-combining one "
        f"({types.get('wc')}), and {times['scattered']:.1f} ns there in an order in which none can combine")
    return {"verdict": verdict, "reason": reason, "times": times, "types": types,
            "text": f"{verdict} ({reason}){measured or ''}"}


def not_timed(why):
    reason = f"not timed: {why}"
    return {"verdict": "unknown", "reason": reason, "times": {}, "types": {}, "text": f"unknown ({reason})"}


def print_report(text, types, calls, counts, accelerator, version):
    print(f"# wc-perf\n\n{made_with(describe())}\n")
    print(f"{accelerator}, guest kernel {version}. Effective types, from the page tables of the "
          f"process: default {types.get('default', 'not verified')}, wc {types.get('wc', 'not verified')}.")
    if accelerator == "TCG":
        print("\nTCG has no memory types: timings do not reflect them.")
    print(f"\nDelivered: {delivered(text)['text']}.")
    print("\n## Mapping\n\n| what | mean ns | least ns | times |\n|---|---:|---:|---:|")
    for what, mean, least, number in re.findall(r"^map (.*?) +(\d+) ns, least +(\d+) ns, (\d+) times", text, re.M):
        print(f"| {what} | {mean} | {least} | {number} |")
    for name, found in zip(("the first mapping and unmapping", "a further one"), calls):
        print(f"\nSystem calls of {name}: " + (", ".join(f"{call} {number:g}" for call, number in sorted(found.items()))
                                               or "none"))
    print("\n## Copying\n\nns per line, median (min..max), including the flush after each copy; instructions on "
          "this machine, by callgrind, without the flush.\n\n| method | lines | instructions per line | "
          + " | ".join(PLACES) + " |\n|---|---:|---:|" + "---:|" * len(PLACES))
    for (way, lines), places in rows_of(text).items():
        counted = f"{counts[way, lines]:.1f}" if (way, lines) in counts else "-"
        print(f"| {way} | {lines} | {counted} | "
              + " | ".join(places.get(place, "-") for place in PLACES) + " |")


def parse_args():
    parser = tool.ArgumentParser(prog="wc-perf", description="Time write-combining mappings and copies in a guest.")
    parser.add_argument("--repeats", type=int, default=101, help="1 to 1000 (default: %(default)s)")
    kernels.add_option(parser)
    tool.add_when_busy(parser)
    args = parser.parse_args()
    if not 1 <= args.repeats <= 1000:
        parser.error(f"--repeats {args.repeats}: use 1 to 1000")
    return args


def measure_in_guest(kernel, program, repeats, measured):
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="wc-perf.") as memory:
        memory.truncate(IVSHMEM_SIZE)
        with Guest(kernel=kernels.of_guest(kernel), devices=ivshmem(memory.name, IVSHMEM_SIZE),
                   append="hugepages=64") as guest:
            bdf = guest.take("1af4:1110")
            say("timing in a guest")
            measured |= {"accelerator": guest.accel.upper(), "version": guest.run("uname -r", check=True).out.strip()}
            measured["text"], measured["types"] = in_guest(guest, bdf, program, repeats)
            say("counting system calls")
            measured["calls"] = system_calls(guest, bdf, program, 10)


def main(args):
    kernel = kernels.choose(args.kernel, say)
    program = build_dpdk("release") / "dpdk-wc-perf"
    measured = {"calls": [], "counts": {}}
    try:
        with tool.machine_to_measure(args.when_busy, say):
            measure_in_guest(kernel, program, args.repeats, measured)
        say("counting instructions")
        for way, lines in rows_of(measured["text"]):
            if lines in COUNTED_LINES and way in FUNCTIONS:
                measured["counts"][way, lines] = instructions(program, way, lines)
    finally:
        # Results are kept even if a later step fails.
        if "text" in measured:
            print_report(**measured)


if __name__ == "__main__":
    tool.run("wc-perf", parse_args, main, packages=["bench"], modules=["pexpect"],
             programs=["qemu-system-x86_64", "valgrind"], errors=[GuestError])
