# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The unchanged driver net_ena: PCIe writes per packet into the LLQ window of a simulated ENA device, modelled.

The device, its registers included, is in the BAR of an ivshmem device: harness/ena.py, app/wc-ena.
"""

import sys

from bench import wc_bench_answer as answer, wc_costs
from bench.wc_bench_model import ModelError
from harness import kernels, tool, wcscope
from harness.ena import BAR_SIZE, HUGEPAGES, Ena
from harness.guest import GuestError, build_dpdk
from harness.pair import FCS

FRAME = 64
PACKETS = 4096
WARM_UP = 2048  # packets: pages of two laps of the longest ring are touched, and the types are known
MAPPINGS = {"default": "", "auto": "--vfio-wc"}
ENTRIES = {128: "", 256: ",large_llq_hdr=1"}


def observe_packets(scope, ena, bar, memory, model):
    """Send packets with all accesses counted: (result, type of the LLQ window, bytes of an entry, report, Symbols)."""
    ena.send(WARM_UP, FRAME - FCS)
    ranges, entry = ena.ranges()
    types = {name: ena.effective(where, bar) for name, where in ranges.items()}
    scope.device(*bar, memory, model)
    for name, where in ranges.items():
        scope.range(name, *where, types[name])
    scope("start")
    result = ena.send(PACKETS, FRAME - FCS)
    scope("stop")
    return result, types["llq"], entry, scope.report(), wcscope.Symbols(str(ena.program), ena.maps())


def check(result, entry, report):
    """Check that all packets arrived, and that all stored bytes were sent: whole entries."""
    if result.received != PACKETS or result.wrong or result.bad or result.stuck:
        raise ModelError(f"net_ena: of {PACKETS} packets the device got other ones: {result}")
    llq = wcscope.by_range(report)["llq"]
    for what, expected, found in [("stored to the LLQ", result.entries * entry, llq["store_bytes"]),
                                  ("of modelled writes to the LLQ", llq["store_bytes"], llq["write_bytes"])]:
        if found != expected:
            raise ModelError(f"net_ena: entries of {entry} bytes: bytes {what}: {found}, not {expected}")


def summarise(result, effective, entry, report, symbols):
    """Figures per packet."""
    check(result, entry, report)
    packets = result.received
    sums = wcscope.Counts()
    for site in report["sites"]:
        wcscope.add_up(sums, report, site)
    return {
        "driver": "net_ena", "what": f"LLQ entry of {entry} bytes", "frame": FRAME, "effective": effective,
        "packets": packets, "params": report["params"],
        "work": answer.per_packet(wc_costs.stores_of(report), packets),
        **{name: sums[name] / packets for name in ("writes", "stores", "store_bytes", "wire_bytes")},
        "functions": wcscope.by_function_per(packets, report, symbols),
        "lint": wcscope.findings(report, symbols)}


def observe(args, program, results, say):
    """Add a row for each mapping and size of an entry to results. args: .kernel and .model, as those of wc-bench."""
    with wcscope.observed_guest(kernels.of_guest(args.kernel), program.parent, BAR_SIZE,
                                HUGEPAGES) as (guest, bdf, memory, scope):
        bar = guest.bar(bdf, 2)
        for entry, argument in ENTRIES.items():
            for name, option in MAPPINGS.items():
                with Ena(guest, program.parent, bdf, option, argument) as ena:
                    row = summarise(*observe_packets(scope, ena, bar, memory, args.model))
                results.append({"requested": name, **row})
                say(f"  net_ena, {row['what']}, {row['effective']:4} {row['writes']:6.2f} writes a packet")


# The rows alone

def print_rows(rows):
    results = {"platform": answer.describe(answer.choose(answer.DEFAULT)), "models": [], "copies": [], "drivers": rows}
    answer.add_costs(results)
    print(f"A frame of {FRAME} bytes, per packet.", *answer.platform_lines(results))
    print("\n| driver | what | asked for | effective | stores | writes | fences | CPU, ns |\n"
          "|---|---|---|---|---:|---:|---:|---:|")
    for row in rows:
        print(f"| {row['driver']} | {row['what']} | {row['requested']} | {row['effective']} | {row['stores']:.2f} | "
              f"{row['writes']:.2f} | {row['work']['fences']:.2f} | {row['cpu_ns']:.0f} |")
    for row in rows:
        for arch, texts in row["lint"].items():
            for text in texts:
                print(f"\n{row['what']}, {row['effective']}, {arch}: {text}")


def parse_args():
    parser = tool.ArgumentParser(prog="wc-ena", description="Count the PCIe writes of the driver net_ena in a guest.")
    parser.add_argument("--model", default="broadwell", metavar="PRESET[,NAME=VALUE...]",
                        help="of the write-combining buffers and the link, see wc-bench (default: %(default)s, that of "
                        f"the platform {answer.DEFAULT})")
    kernels.add_option(parser)
    args = parser.parse_args()
    try:
        wcscope.check_model(args.model)
    except wcscope.ScopeError as error:
        parser.error(f"--model {args.model}: {error}")
    args.model = args.model.replace(",", " ")
    return args


def say(text):
    print(f"wc-ena: {text}", file=sys.stderr, flush=True)


def main(args):
    args.kernel = kernels.choose(args.kernel, say)
    rows = []
    observe(args, build_dpdk("release") / "dpdk-wc-ena", rows, say)
    print_rows(rows)
    wrong = [row for row in rows if row["effective"] != ("WC" if row["requested"] == "auto" else "UC-")]
    for row in wrong:
        say(f"{row['what']}: {row['requested']} is effectively {row['effective']}")
    return 1 if wrong else 0


if __name__ == "__main__":
    tool.run("wc-ena", parse_args, main, packages=["bench"], modules=["pexpect"], programs=["qemu-system-x86_64"],
             errors=[GuestError, wcscope.ScopeError, ModelError])
