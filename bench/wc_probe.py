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

SHOWS = """\
This shows how many lines a CPU collects at once, which of them it evicts first, and what a store and a fence cost it:
non-temporal stores to ordinary memory use the same buffers as stores to write-combining memory. That memory of that
type behaves alike is likely, not measured. It does not show that a mapping is write-combining, what an uncached store
or load costs, how fast a device takes lines, or how one with holes is split on the link: these need a device
(dpdk-wc-perf, wc-bench --device). In a virtual machine another one may share the core, and its buffers."""


def say(text):
    print(f"wc-probe: {text}", file=sys.stderr, flush=True)


def run_program(repeats):
    """Output of wcscope/wc_probe.c, on one CPU."""
    with tempfile.TemporaryDirectory(prefix="wc-probe.") as directory:
        program = Path(directory) / "wc-probe"
        subprocess.run(["gcc", "-O2", TOP / "wcscope/wc_probe.c", "-o", program], check=True)
        one = {max(os.sched_getaffinity(0))}
        return subprocess.run([program, str(repeats)], stdout=subprocess.PIPE, text=True, check=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, one)).stdout


def parse(text):
    """[{(what, argument): ns}], one for each repeat."""
    repeats = []
    for line in text.splitlines():
        what, argument, ns = line.split()
        key = what, int(argument)
        if not repeats or key in repeats[-1]:
            repeats.append({})
        repeats[-1][key] = float(ns)
    return repeats


def of(what, times):
    return {argument: ns for (name, argument), ns in times.items() if name == what}


def buffers_of(times):
    """The largest number of streams before stores become slow, or None."""
    streams = of("streams", times)
    slowest = max(streams.values())
    if slowest < CLIFF * min(streams.values()):
        return None
    return next(number for number, ns in sorted(streams.items()) if ns > slowest / 2) - 1


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
    """Costs, by the names in wc_costs, of one repeat."""
    streams = of("streams", times)
    fence = of("fence", times)[LINE]
    evicted = statistics.median(ns for number, ns in streams.items() if number > buffers) / (LINE // WORD)
    return {"store": statistics.median(ns for number, ns in streams.items() if number < buffers) / (LINE // WORD),
            "fence": fence, "drains": fence / evicted}


def spread(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def disagreements(costs, platform):
    """What of a platform's costs is not what was measured: [text]."""
    texts = []
    for name, values in costs.items():
        preset = getattr(platform.costs, name)
        if preset and not 0.95 * min(values) <= preset <= 1.05 * max(values):
            texts.append(f"{name} is {preset:g} in the preset, {spread(values)} here")
    return texts


def platform_of_this_cpu():
    identity = cpuinfo.identity()
    return next((name for name, platform in wc_costs.PLATFORMS.items() if platform.identity == identity), None)


def report(repeats, busy):
    """(text, problems)."""
    found = [buffers_of(times) for times in repeats]
    lines = [f"CPU: {cpuinfo.describe()}. Other programs used {busy:.0f} % of the CPU time just before.", "",
             f"A line, by stores of {WORD} bytes to so many streams in turns, ns:"]
    lines += [f"  {number:2}  {spread([of('streams', times)[number] for times in repeats])}"
              for number in of("streams", repeats[0])]
    lines += ["", "A line and a fence, ns: " + spread([of("fence", times)[LINE] for times in repeats]),
              f"{LINE - WORD} bytes of one and a fence, ns: "
              + spread([of("fence", times)[LINE - WORD] for times in repeats])]
    if len(set(found)) > 1:
        return lines, [f"repeats show different numbers of buffers ({', '.join(map(str, found))}): measure again "
                       "when the machine is idle"]
    if found[0] is None:
        return lines, ["no number of streams is several times slower than one less: the buffers cannot be counted"]
    buffers = found[0]
    victims = [victim_of(times, buffers) for times in repeats]
    victim = victims[0][0] if len({name for name, _ in victims}) == 1 else "unclear"
    shares = ", ".join(f"{name} {statistics.median(each[name] for _, each in victims):.1%}" for name in VICTIMS)
    costs = {name: [each[name] for each in (costs_of(times, buffers) for times in repeats)]
             for name in ("store", "fence", "drains")}
    lines += ["", f"Buffers: {buffers}", f"Victim: {victim} (of the variance each leaves: {shares})",
              *(f"{name}: {spread(values)}" for name, values in costs.items()), "",
              f"Model: wc-bench --model PRESET,buffers={buffers}"
              + ("" if victim == "unclear" else f",victim={victim}"),
              "Costs: " + ", ".join(f"{name}={statistics.median(values):.3g}" for name, values in costs.items())]
    return lines, compare(costs, buffers, lines)


def compare(costs, buffers, lines):
    name = platform_of_this_cpu()
    if name is None:
        lines.append("No platform of bench/wc_costs.py is this CPU.")
        return []
    platform = wc_costs.PLATFORMS[name]
    problems = disagreements(costs, platform)
    if buffers != platform.buffers:
        problems.append(f"the preset has {platform.buffers} buffers, this CPU {buffers}")
    lines.append(f"This CPU is that of the platform {name}, which {'does not agree' if problems else 'agrees'}.")
    return problems


def parse_args():
    parser = tool.ArgumentParser(prog="wc-probe", description="Measure this machine's write-combining buffers by "
                                 "non-temporal stores, and print a preset for wcscope.")
    parser.add_argument("--repeats", type=int, default=5, help="1 to 100 (default: %(default)s)")
    tool.add_when_busy(parser)
    args = parser.parse_args()
    if not 1 <= args.repeats <= 100:
        parser.error(f"--repeats {args.repeats}: use 1 to 100")
    return args


def main(args):
    if os.uname().machine != "x86_64":
        raise tool.ToolError(f"{os.uname().machine}: only x86-64 has non-temporal stores that fill these buffers")
    with tool.machine_to_measure(args.when_busy, say):
        busy = tool.busy_percent()
        repeats = parse(run_program(args.repeats))
    lines, problems = report(repeats, busy)
    print("\n".join(["# wc-probe", "", made_with(describe()), "", *lines, "", SHOWS]))
    for problem in problems:
        say(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    tool.run("wc-probe", parse_args, main, packages=["dpdk"])
