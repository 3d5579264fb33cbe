# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Measure this machine's write-combining buffers by non-temporal stores, and print a preset for wcscope."""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import wc_costs
from harness import TOP, cpuinfo, tool
from harness.version import describe, made_with

WORD, LINE = 8, 64
# With one buffer too few, stores take several times as long as the fastest, and more than half as long as the slowest.
# With just enough they vary, as a buffer that still drains is not free.
CLIFF = 3
VICTIMS = ["oldest", "least-used"]
# The better fit has to leave so much less of the variance unexplained.
BETTER = 2
KEPT_BYTES = 16000  # as many rounds as wc_probe.c has
# Beyond the range of the runs: those of another hour differ by as much.
AGREES_WITHIN = 0.05

SHOWS = """\
This shows how many lines a CPU collects at once, which of them it evicts first, and what a store and a fence cost it:
non-temporal stores to ordinary memory use the same buffers as stores to write-combining memory. That memory of that
type behaves alike is likely, not measured. It does not show that a mapping is write-combining, what an uncached store
or load costs, how fast a device takes lines, or how one with holes is split on the link: these need a device
(dpdk-wc-perf, wc-bench --device). In a virtual machine another one may share the core, and its buffers."""


def say(text):
    print(f"wc-probe: {text}", file=sys.stderr, flush=True)


def run_program(runs):
    """[output] of wcscope/wc_probe.c, on one CPU, each in a process with memory of its own."""
    with tempfile.TemporaryDirectory(prefix="wc-probe.") as directory:
        program = Path(directory) / "wc-probe"
        subprocess.run(["gcc", "-O2", TOP / "wcscope/wc_probe.c", "-o", program], check=True)
        one = {max(os.sched_getaffinity(0))}
        return [subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True,
                               preexec_fn=lambda: os.sched_setaffinity(0, one)).stdout for _ in range(runs)]


def parse(text):
    """{(what, argument): ns}"""
    return {(what, int(argument)): float(ns) for what, argument, ns in map(str.split, text.splitlines())}


def of(what, times):
    return {argument: ns for (name, argument), ns in times.items() if name == what}


def buffers_of(times):
    """The largest number of streams before stores become slow, 2 or more, or None."""
    streams = of("streams", times)
    slowest = max(streams.values())
    if slowest < CLIFF * min(streams.values()):
        return None
    buffers = next(number for number, ns in sorted(streams.items()) if ns > slowest / 2) - 1
    return buffers if buffers > 1 else None


def unexplained(xs, ys):
    """Share of the variance of ys that a line over xs leaves."""
    mean_x, mean_y = statistics.mean(xs), statistics.mean(ys)
    xx = sum((x - mean_x) ** 2 for x in xs)
    yy = sum((y - mean_y) ** 2 for y in ys)
    xy = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys))
    return 1 - xy * xy / (xx * yy) if xx and yy and xy > 0 else 1.0


def kept_lines(fresh, buffers):
    """{victim: [how often a round the line that is kept leaves]}, by the model."""
    copies = [(f"amd,buffers={buffers},victim={victim}",
               wc_costs.Point("kept", "wc", WORD, KEPT_BYTES, number, "", 0, 0, "", ""))
              for victim in VICTIMS for number in fresh]
    rounds = KEPT_BYTES // WORD
    found = [(counts[1] + buffers) / rounds - point.streams for (_, point), counts in
             zip(copies, wc_costs.count(copies))]
    return {victim: found[n * len(fresh):(n + 1) * len(fresh)] for n, victim in enumerate(VICTIMS)}


def victim_of(times, buffers):
    """(victim or "unclear", {victim: unexplained share of the variance})."""
    none, kept = of("none", times), of("kept", times)
    extra = [kept[number] - none[number] for number in none]
    shares = {victim: min(unexplained(lines, extra) for lines in (kept_lines(list(none), number)[victim]
                                                                  for number in (buffers - 1, buffers)))
              for victim in VICTIMS}
    best = min(VICTIMS, key=shares.get)
    other = max(VICTIMS, key=shares.get)
    return best if shares[best] * BETTER <= shares[other] else "unclear", shares


def costs_of(times, buffers):
    """Costs, by the names in wc_costs, of one run."""
    streams = of("streams", times)
    fence = of("fence", times)[LINE]
    # Of stores, one to each stream, which all find their lines evicted
    rounds = {number: ns * number / (LINE // WORD) for number, ns in streams.items() if number > buffers}
    return {"store": statistics.median(ns for number, ns in streams.items() if number < buffers) / (LINE // WORD),
            "fence": fence, "drains": fence * max(rounds) / rounds[max(rounds)], "reopen": min(rounds.values())}


def spread(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def platform_of_this_cpu():
    identity = cpuinfo.identity()
    return next((name for name, platform in wc_costs.PLATFORMS.items() if platform.identity == identity), None)


def times_text(runs):
    return [f"A line, by stores of {WORD} bytes to so many streams in turns, ns:",
            *(f"  {number:2}  {spread([of('streams', times)[number] for times in runs])}"
              for number in of("streams", runs[0])),
            "", f"A line and a fence, ns: {spread([of('fence', times)[LINE] for times in runs])}",
            f"{LINE - WORD} bytes of one and a fence, ns: "
            f"{spread([of('fence', times)[LINE - WORD] for times in runs])}"]


def report(runs, busy):
    """(lines, problems)."""
    found = [buffers_of(times) for times in runs]
    lines = [f"CPU: {cpuinfo.describe()}. Other programs used {busy:.0f} % of the CPU time just before.", "",
             *times_text(runs)]
    if len(set(found)) > 1:
        return lines, [f"runs show different numbers of buffers ({', '.join(map(str, found))}): measure again when the "
                       "machine is idle"]
    if found[0] is None:
        return lines, ["no number of streams is several times slower than one less: the buffers cannot be counted"]
    buffers = found[0]
    victims = [victim_of(times, buffers) for times in runs]
    victim = victims[0][0] if len({name for name, _ in victims}) == 1 else "unclear"
    shares = ", ".join(f"{name} {statistics.median(each[name] for _, each in victims):.1%}" for name in VICTIMS)
    each_run = [costs_of(times, buffers) for times in runs]
    costs = {name: [costs[name] for costs in each_run] for name in each_run[0]}
    table, problems = compare(buffers, costs)
    given = ",".join(f"{name}={statistics.median(values):.3g}" for name, values in costs.items())
    return [*lines, "", f"Victim: {victim} (of the variance each leaves: {shares})",
            f"Model: wc-bench --model PRESET,buffers={buffers}"
            + ("" if victim == "unclear" else f",victim={victim}"),
            f"Costs: wc-bench --platform NAME,{given}", "", *table], problems


def agrees(preset, values):
    return (1 - AGREES_WITHIN) * min(values) <= preset <= (1 + AGREES_WITHIN) * max(values)


def compare(buffers, costs):
    """([line] of a table, [what is not as in the platform of this CPU])."""
    name = platform_of_this_cpu()
    rows, problems = [], []
    for quantity, values in {"buffers": [buffers], **costs}.items():
        here = spread(values) if quantity in costs else str(buffers)
        preset = name and (getattr(wc_costs.PLATFORMS[name].costs, quantity) if quantity in costs
                           else wc_costs.PLATFORMS[name].buffers)
        verdict = ""
        if preset:
            same = agrees(preset, values) if quantity in costs else preset == buffers
            verdict = "agrees" if same else "differs"
            if not same:
                problems.append(f"{quantity} is {preset:g} in the preset, {here} here")
        rows.append(f"{quantity:9}{here:24}{f'{preset:g}' if preset else '-':8}{verdict}".rstrip())
    verdict = ("No platform of bench/wc_costs.py is this CPU." if name is None else
               f"This CPU is that of the platform {name}, which {'differs' if problems else 'agrees'}.")
    return [f"{'':9}{'here':24}{'preset':8}".rstrip(), *rows, "", verdict], problems


def parse_args():
    parser = tool.ArgumentParser(prog="wc-probe", description="Measure this machine's write-combining buffers by "
                                 "non-temporal stores, and compare them with the preset of this CPU.",
                                 epilog="Exit status: 0, or 1 if they differ or cannot be counted.")
    parser.add_argument("--runs", type=int, default=5, help="1 to 100, each with its own memory (default: %(default)s)")
    tool.add_when_busy(parser)
    args = parser.parse_args()
    if not 1 <= args.runs <= 100:
        parser.error(f"--runs {args.runs}: use 1 to 100")
    return args


def main(args):
    if os.uname().machine != "x86_64":
        raise tool.ToolError(f"{os.uname().machine}: only x86-64 has non-temporal stores that fill these buffers")
    with tool.machine_to_measure(args.when_busy, say):
        busy = tool.busy_percent()
        runs = [parse(text) for text in run_program(args.runs)]
    lines, problems = report(runs, busy)
    print("\n".join(["# wc-probe", "", made_with(describe()), "", *lines, "", SHOWS]))
    for problem in problems:
        say(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    tool.run("wc-probe", parse_args, main, packages=["dpdk"], programs=["gcc"])
