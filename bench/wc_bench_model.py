# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""PCIe writes and reads per packet, modelled from the loads and stores of a real testpmd."""

from bench import wc_bench_answer, wc_costs
from harness import kernels, wcscope
from harness.ivshmem_peer import LINE
from harness.pair import FCS, IvshmemPair, lines_of_frame

WORD = 4  # bytes of a header that is written last, and of an item of the control area


class ModelError(Exception):
    """The counts contradict the driver's statistics."""


def check(frame, counts, ranges):
    """Check that all stored bytes were sent, and match the driver's statistics: whole lines, and headers."""
    slots, control = ranges["slots"], ranges["control"]
    lines = counts["guest_sent"] * lines_of_frame(frame) + counts["tx_blank_lines"]
    # Headers go through the default mapping, which is also that of the slots if they have no other.
    headers = 0 if counts["effective"] == "WC" else counts["tx_bursts"]
    for what, expected, found in [
            ("bytes stored to the slots", lines * LINE + headers * WORD, slots["store_bytes"]),
            ("modelled bytes of writes to the slots", slots["store_bytes"], slots["write_bytes"]),
            ("modelled bytes of writes to the control area", control["store_bytes"], control["write_bytes"])]:
        if found != expected:
            raise ModelError(f"{frame} bytes: {what}: {found}, not {expected}")
    # The heartbeat stores the rest, ten times a second.
    words = (counts["tx_bursts"] - headers + counts["rx_credit_writes"]) * WORD
    if control["store_bytes"] < words:
        raise ModelError(f"{frame} bytes: bytes stored to the control area: {control['store_bytes']}, "
                         f"less than {words}")


def ceiling(link, wire_bytes, packets):
    """Millions of packets per second on a link, for this number of bytes and packets."""
    return link / (wire_bytes / packets) / 1e6 if wire_bytes else None


def summarise(frame, counts, report, symbols):
    """Figures per packet, from the totals of a run."""
    ranges = wcscope.by_range(report)
    packets = counts["guest_sent"]
    if packets == 0 or set(ranges) != {"control", "slots"}:
        raise ModelError(f"{frame} bytes: the guest sent {packets} packets, and accessed {sorted(ranges) or 'nothing'}")
    check(frame, counts, ranges)
    totals, link = report["totals"], report["params"]["link_bytes_per_second"]
    slots, control = ranges["slots"], ranges["control"]
    payload = packets * (frame - FCS)
    return {
        "frame": frame, "effective": counts["effective"], "packets": packets, "params": report["params"],
        "work": wc_bench_answer.per_packet(wc_costs.stores_of(report), packets),
        "writes": totals["writes"] / packets,
        "writes_slots": slots["writes"] / packets, "writes_control": control["writes"] / packets,
        "write_bytes": totals["write_bytes"] / packets, "wire_bytes": totals["wire_bytes"] / packets,
        "sizes": {int(size): number / packets for size, number in totals["sizes"].items()},
        "sent": {cause: number / packets for cause, number in totals["sent"].items() if number},
        # share of the frames in the bytes sent to the device
        "efficiency": payload / totals["wire_bytes"],
        "reads": totals["reads"] / packets,
        "reads_slots": slots["reads"] / packets, "reads_control": control["reads"] / packets,
        "read_bytes": totals["read_bytes"] / packets,
        "ceiling_writes": ceiling(link, totals["wire_bytes"], packets),
        # Includes reads of slots; the number of header reads depends on the polls in vain
        "ceiling_both": ceiling(link, max(totals["wire_bytes"] + slots["read_wire_down"], slots["read_wire_up"]),
                                packets),
        # One write per line, with any mapping (MOVDIR64B, Intel SDM vol. 2): computed, as TCG lacks it
        "writes_direct": lines_of_frame(frame) + (counts["tx_blank_lines"] + counts["rx_credit_writes"]) / packets,
        **{name: counts[name] / packets for name in ("tx_bursts", "tx_blank_lines", "rx_line_reads", "rx_head_reads",
                                                     "rx_credit_writes", "tx_credit_reads")},
        "functions": wcscope.by_function_per(packets, report, symbols),
        "lint": wcscope.findings(report, symbols),
    }


def observe(args, program, mappings, size, lines, results, say):
    """Add to results the summary of each mapping ({name: EAL option}) and frame size. args: those of wc-bench"""
    with wcscope.observed_guest(kernels.of_guest(args.kernel), program.parent, size, 64) as (guest, bdf, memory, scope):
        for name, option in mappings.items():
            with IvshmemPair(guest, bdf, memory, program, option=option, lines=lines) as pair:
                for frame in args.frames:
                    result = summarise(frame, *pair.observe(scope, frame, args.seconds, args.model))
                    results.append({"requested": name, **result})
                    say(f"  {frame:5} bytes  {result['effective']:4} {result['writes']:7.2f} writes, "
                        f"{result['reads']:5.2f} reads a packet")
