# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Measure the cost of mapping in the patched kernel, in guests: page faults and time for a BAR of 1 GiB and its alias,
from a program on VFIO and through rte_pci_map_wc(); and the lookup of an offset by tree and by shift.
"""

import json
import shlex
import statistics
import sys
import tempfile
from pathlib import Path

from harness import IVSHMEM_SIZE, tool, version
from harness.guest import Guest, GuestError, build_dpdk, compile_program, ivshmem
from harness.shell import Shell

GIB1 = 1 << 30
# A BAR without memory behind it: stores cost QEMU more than with memory, page faults are the same.
BIG = ["-device", "pci-testdev,membar=1G"]
# Virtual time is the number of instructions: measurements do not disturb each other and have almost no spread.
COUNTED = ["-icount", "shift=0,sleep=off"]
LAYOUTS = [("shift, linux-7.3", "7.3/full", ""),
           ("tree, legacy layout", "7.3/compact", ""),
           ("tree, compact layout", "7.3/compact", "vfio_pci.compact_offsets=1")]
OPERATIONS = ["read-config", "read-bar", "fault"]


def say(text):
    print(f"kernel-bench: {text}", file=sys.stderr, flush=True)


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
                     + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def spread(values):
    return f"{statistics.median(values):.0f} ({min(values):.0f}..{max(values):.0f})"


def map_cost(kernel, rounds, directory):
    """Rows of [mapping, pages, faults, microseconds (spread), type], and the guest's kernel and accelerator."""
    program = compile_program("kernel/map-cost", directory=directory)
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as memory:
        memory.truncate(GIB1)
        with Guest(kernel=kernel, devices=ivshmem(memory.name, GIB1)) as guest:
            bdf = guest.take("1af4:1110")
            out = guest.run(f"{shlex.quote(str(program))} {bdf} {rounds}", timeout=600, check=True).out
            about = f"{guest.run('uname -r', check=True).out.strip()}, {guest.accel}"
    found = {}
    for name, level, faults, usec, *kind in map(str.split, out.splitlines()):
        found.setdefault((name, level, int(faults), " ".join(kind)), []).append(float(usec))
    return [[name, level, faults, spread(times), kind] for (name, level, faults, kind), times in found.items()], about


def dpdk_cost(kernel, release):
    """Rows of [mapping, faults, microseconds, type] through rte_pci_map_wc(), and for the BAR as the bus maps it."""
    with Guest(kernel=kernel, devices=BIG, append="hugepages=64") as guest:
        bdf = guest.take("1b36:0005")
        shell = Shell(guest, release, f"-a {bdf} --vfio-wc")
        rows = []
        addresses = {"BAR, as the bus maps it": shell("bar 2"), "rte_pci_map_wc()": shell(f"map 2 0 {GIB1}")}
        for name, address in addresses.items():
            faults, usec = shell(f"touch {address} {GIB1}").split()
            rows.append([name, int(faults), int(usec), shell.type_at(address)])
        shell.quit()
    return rows


def lookup_cost(rounds, directory):
    """Rows of [layout, instructions per operation]."""
    program = compile_program("kernel/lookup-cost", directory=directory)
    rows = []
    for name, kernel, append in LAYOUTS:
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as memory:
            memory.truncate(IVSHMEM_SIZE)
            with Guest(kernel=kernel, cpus=1, accel="tcg,thread=single", append=append,
                       devices=ivshmem(memory.name, IVSHMEM_SIZE) + COUNTED) as guest:
                bdf = guest.take("1af4:1110")
                out = guest.run(f"{shlex.quote(str(program))} {bdf} {rounds}", timeout=600, check=True).out
        cost = dict(line.split() for line in out.splitlines())
        rows.append([name, *(int(cost[operation]) for operation in OPERATIONS)])
        say(f"{name}: {rows[-1][1:]}")
    return rows


def parse_args():
    parser = tool.ArgumentParser(prog="kernel-bench", description=__doc__)
    parser.add_argument("--base", default="7.3", choices=["6.12", "7.3"], help="kernel for the table of page faults")
    parser.add_argument("--rounds", type=int, default=3, help="number of passes over each mapping (default: 3)")
    parser.add_argument("--output", type=Path, default=Path("kernel-bench-results"),
                        help="directory for results.json and results.md (default: %(default)s)")
    tool.add_when_busy(parser)
    args = parser.parse_args()
    if not 1 <= args.rounds <= 100:
        parser.error(f"--rounds {args.rounds}: use 1 to 100")
    try:
        tool.make_output(args.output)
    except tool.ToolError as error:
        parser.error(error)
    return args


def markdown(args, results):
    """The results as text."""
    parts = [version.made_with(results["version"])]
    if "faults" in results:
        parts += [f"Touching each 4 KiB of a BAR of 1 GiB and of its alias (Linux {results['kernel']}; BAR and alias "
                  f"alternating, {args.rounds} rounds, median and spread):",
                  table(["mapping", "largest page that the address allows", "page faults", "us", "effective type"],
                        results["faults"])]
    if "dpdk" in results:
        parts += ["The same through DPDK's bus layer (`--vfio-wc`, one round):",
                  table(["mapping", "page faults", "us", "effective type"], results["dpdk"])]
    if "lookup" in results:
        parts += ["Instructions per operation that looks up an offset (guest, QEMU TCG with -icount, system call "
                  "included; 4 bytes read, one page faulted in):", table(["offsets", *OPERATIONS], results["lookup"])]
    return "\n\n".join(parts) + "\n"


def measure(args, release, directory, results):
    """Add to the results."""
    results["faults"], results["kernel"] = map_cost(f"{args.base}/full", args.rounds, directory)
    results["dpdk"] = dpdk_cost(f"{args.base}/full", release)
    results["lookup"] = lookup_cost(20000, directory)


def main(args):
    release = build_dpdk("release")
    results = {"version": version.describe()}
    with tempfile.TemporaryDirectory() as directory, tool.machine_to_measure(args.when_busy, say):
        try:
            measure(args, release, Path(directory), results)
        finally:
            if len(results) > 1:
                text = markdown(args, results)
                print(text, flush=True)
                tool.write(args.output, {"results.json": json.dumps(results, indent=1) + "\n", "results.md": text})


if __name__ == "__main__":
    tool.run("kernel-bench", parse_args, main, modules=["pexpect"], programs=["qemu-system-x86_64"],
             errors=[GuestError])
