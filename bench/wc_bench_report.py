# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The results of wc-bench as text, and compared with earlier ones. wc_bench_page.py makes a web page of them."""

import datetime
import statistics
from typing import NamedTuple

from bench import wc_bench_answer as answer
from harness.version import made_with

LINE = 64
IVSHMEM = "net_ivshmem"  # as a competitor, with its defaults
STATES = ["near", "far", "mixed"]  # of two CPUs: sharing a cache, not sharing one, changed during a measurement
DROPS_NOTHING = 0.01  # per cent
# Bytes around the data of a posted write, as the model counts them: wcscope/wc_model.c
FRAMING = 8

# Of results.json. Another number: a key has another meaning, or is gone. Results without one are of earlier versions,
# and have the keys that are compared.
SCHEMA = 1

TCG_TIMES = ("TCG emulates the CPU and has no memory types. Its times are those of the emulator: how it handles pages, "
             "vectors and other programs of this machine. Nothing about write-combining follows from them.")
# CPU time used by other programs from which on timings are useless.
BUSY_PERCENT = 20


def summarise(runs, frames):
    """A row per frame size and requested mapping; the ratio is taken within each repeat."""
    rows = []
    rate = {(run["frame"], run["requested"], run["repeat"]): run["mpps"] for run in runs}
    for frame in frames:
        for requested in dict.fromkeys(run["requested"] for run in runs):
            these = [run for run in runs if run["frame"] == frame and run["requested"] == requested]
            if not these:  # the run ended earlier
                continue
            rates = [run["mpps"] for run in these]
            cycles = [run["cycles"] for run in these if run["cycles"] is not None]
            ratios = [run["mpps"] / rate[frame, "default", run["repeat"]] for run in these
                      if rate.get((frame, "default", run["repeat"]))]
            received = sum(run["guest_received"] for run in these)
            median = statistics.median(rates)
            rows.append({
                "frame": frame, "requested": requested,
                "effective": "/".join(sorted({run["effective"] for run in these})),
                "mpps": median, "mpps_min": min(rates), "mpps_max": max(rates),
                "gbit_s": median * frame * 8 / 1e3,
                "ratio": statistics.median(ratios) if ratios else None,
                "loss_percent": 100 * sum(run["lost"] for run in these) / received if received else None,
                "cycles": statistics.median(cycles) if cycles else None})
    return rows


def summarise_peers(runs):
    """A row per state of the CPUs, mode, frame size and driver; the ratio to net_ivshmem is that of the medians."""
    groups = {}
    for run in runs:
        groups.setdefault((run["cpus"], run["state"], run["mode"], run["frame"], run["peer"]), []).append(run)
    # In the order of measurement, but grouped by state and mode
    keys = sorted(groups, key=lambda key: (key[0], STATES.index(key[1]), key[2], key[3]))
    medians = {key: statistics.median(run["mpps"] for run in groups[key]) for key in keys}
    rows = []
    for key in keys:
        rates = [run["mpps"] for run in groups[key]]
        dropped = [run["dropped_percent"] for run in groups[key] if run["dropped_percent"] is not None]
        trips = [ns for run in groups[key] for ns in run["round_trip_ns"]]
        raw = [(run["raw_mlines"], run["raw_share"]) for run in groups[key] if "raw_mlines" in run]
        ivshmem = medians.get((*key[:4], IVSHMEM))
        rows.append({
            **dict(zip(("cpus", "state", "mode", "frame", "peer"), key)), "n": len(rates), "mpps": medians[key],
            "mpps_min": min(rates), "mpps_max": max(rates),
            "dropped_percent": statistics.median(dropped) if dropped else None,
            "round_trip_ns": statistics.median(trips),
            "raw_mlines": statistics.median(rate for rate, _ in raw) if raw else None,
            "raw_share": statistics.median(share for _, share in raw) if raw else None,
            "ring": "/".join(sorted({str(run["ring"]) for run in groups[key] if "ring" in run})) or "-",
            "stores": "/".join(sorted({run["stores"] for run in groups[key] if "stores" in run})) or "-",
            "ratio": ivshmem / medians[key] if ivshmem and medians[key] else None})
    return rows


def limits(rows):
    """What limits the one-way rate, by the frames that net_ivshmem's sender could not send."""
    return [f"{row['frame']} bytes, {row['state']} (CPUs {row['cpus']}): net_ivshmem's sender drops "
            f"{row['dropped_percent']:.2f} %: "
            + ("its ring is never full: testpmd itself is the limit" if row["dropped_percent"] < DROPS_NOTHING else
               "its ring is full: not testpmd but the link or its receiver is the limit")
            for row in rows if row["peer"] == IVSHMEM and row["mode"] == "one way"
            and row["dropped_percent"] is not None]


# Tables: [(heading, format)] and rows

THROUGHPUT = [
    ("Frame", "{frame}"), ("Requested", "{requested}"), ("Effective", "{effective}"), ("Mpps", "{mpps:.3f}"),
    ("min..max", "{mpps_min:.3f}..{mpps_max:.3f}"), ("Gbit/s", "{gbit_s:.2f}"), ("x default", "{ratio:.2f}"),
    ("Loss %", "{loss_percent:.3f}"), ("Cycles/packet", "{cycles:.0f}")]
EMULATED = [column for column in THROUGHPUT if column[0] != "x default"]
CPU_CEILING = ("CPU ceiling (modelled) Mpps", "{cpu_ceiling:.2f}")
ANSWER = [("One packet", "{what}"), ("UC: PCIe writes", "{uc_writes:.2f}"), ("UC: CPU ns", "{uc_ns:.0f}"),
          ("WC: PCIe writes", "{wc_writes:.2f}"), ("WC: CPU ns", "{wc_ns:.0f}"), ("UC takes x", "{ratio:.1f}")]
COPIES = [("Bytes a store", "{store}"), ("Mapping", "{effective}"), CPU_CEILING,
          ("Link ceiling Mpps", "{link_ceiling:.1f}"), ("PCIe writes", "{writes:.0f}"), ("CPU ns", "{cpu_ns:.0f}")]
DRIVERS = [("Driver", "{driver}"), ("Packet", "{what}"), ("Frame", "{frame}"), ("Mapping", "{requested}, {effective}"),
           ("PCIe writes", "{writes:.2f}"), CPU_CEILING, ("Link ceiling Mpps", "{link_ceiling:.1f}"),
           ("CPU ns", "{cpu_ns:.0f}"), ("Stores", "{stores:.2f}"), ("Wire bytes", "{wire_bytes:.1f}"),
           ("Findings of the linter", "{findings}")]
LINK = [
    ("Frame", "{frame}"), ("Mapping", "{mapping}"), ("Posted writes", "{writes:.3f}"),
    ("of slots", "{writes_slots:.3f}"), CPU_CEILING, ("Link ceiling Mpps", "{ceiling_writes:.1f}"),
    ("with reads of slots", "{ceiling_both:.1f}"), ("CPU ns", "{cpu_ns:.0f}"), ("Wire bytes", "{wire_bytes:.1f}"),
    ("Efficiency %", "{percent:.1f}"), ("Reads of slots", "{reads_slots:.3f}"),
    ("of headers, credits", "{reads_control:.4f}"), ("Bytes read", "{read_bytes:.1f}")]
READS = ["ceiling_both", "reads_slots", "reads_control", "read_bytes"]  # not computed: how often is a matter of time
FUNCTIONS = [
    ("Mapping", "{mapping}"), ("Function", "{function}"), ("Range", "{range}"), ("Stores", "{stores:.4f}"),
    ("Posted writes", "{writes:.4f}"), ("Wire bytes", "{wire_bytes:.2f}"), ("Reads", "{reads:.4f}"),
    ("Excess over the limit, wire bytes", "{gap:+.2f}"), ("Reason", "{why}")]
PEERS = [("CPUs", "{cpus}"), ("State", "{state}"), ("Round trip ns", "{round_trip_ns:.0f}"), ("Frames go", "{mode}"),
         ("Frame", "{frame}"), ("Between two processes", "{peer}"), ("Ring lines", "{ring}"), ("Stores", "{stores}"),
         ("n", "{n}"), ("Mpps", "{mpps:.2f}"), ("min..max", "{mpps_min:.2f}..{mpps_max:.2f}"),
         ("Tx dropped %", "{dropped_percent:.2f}"), ("Raw Mlines/s", "{raw_mlines:.0f}"),
         ("Share of raw", "{raw_share:.2f}"), ("net_ivshmem is x", "{ratio:.2f}")]
# In a report of other things what a row is about comes first, then what it says.
PEERS_FIRST = ["Frame", "Frames go", "State", "Between two processes", "Mpps", "Share of raw", "net_ivshmem is x"]
INSTRUCTIONS = [("Frame", "{frame}"), ("Tx", "{tx:.1f}"), ("Rx", "{rx:.1f}"), ("net_memif Tx", "{memif_tx:.1f}"),
                ("net_memif Rx", "{memif_rx:.1f}")]


def cell(form, row):
    try:
        return form.format(**row)
    except (KeyError, TypeError, ValueError):  # no number to show
        return "-"


def cells(columns, rows):
    return [[cell(form, row) for _, form in columns] for row in rows]


def leading(columns, names):
    """The named columns, then the others."""
    return [*(column for name in names for column in columns if column[0] == name),
            *(column for column in columns if column[0] not in names)]


def markdown_table(columns, rows):
    lines = [[name for name, _ in columns], *cells(columns, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    text = ["| " + " | ".join(word.rjust(width) for word, width in zip(line, widths)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
    return "\n".join(text)


def limit(model):
    """The minimum for whole lines: one write per line."""
    lines = -(-model["frame"] // LINE)
    wire = lines * (LINE + model["params"]["header"] + FRAMING)
    return {**dict.fromkeys(READS), "frame": model["frame"], "mapping": "limit: one write a line", "writes": lines,
            "writes_slots": lines,
            "wire_bytes": wire, "percent": 100 * (model["frame"] - 4) / wire,
            "ceiling_writes": model["params"]["link_bytes_per_second"] / wire / 1e6}


def direct(model):
    """With MOVDIR64B through the default mapping: whole lines, a burst's first one last, and in addition the lines that
    end bursts, and credits."""
    least = limit(model)
    control = sum(row["wire_bytes"] for row in model["functions"] if row["range"] == "control")
    blank = model["tx_blank_lines"]
    wire = least["wire_bytes"] * (1 + blank / least["writes"]) + control
    return {**least, "mapping": "UC with MOVDIR64B, computed", "writes": model["writes_direct"],
            "writes_slots": least["writes"] + blank, "wire_bytes": wire,
            "percent": 100 * (model["frame"] - 4) / wire,
            "ceiling_writes": model["params"]["link_bytes_per_second"] / wire / 1e6}


def link_rows(models):
    rows = []
    for frame in dict.fromkeys(model["frame"] for model in models):
        these = [model for model in models if model["frame"] == frame]
        rows += [{**model, "mapping": f"{model['requested']}, {model['effective']}",
                  "percent": 100 * model["efficiency"]} for model in these]
        rows += [direct(these[0]), limit(these[0])]
    return rows


def why(row):
    """Why a function writes more than whole lines."""
    if row["range"] == "control":
        what = "the first header of a burst" if "_tx_" in row["function"] else "credits"
        return (f"{what}, 4 bytes, {row['stores']:.4f} times a packet" if row["stores"]
                else "reads of headers, credits")
    if not row["stores"]:
        return "reads of received lines" if row["reads"] else ""
    if row["type"] == "UC":
        return f"each store is a write: {row['stores']:.2f} stores of {row['store_bytes'] / row['stores']:.0f} bytes"
    if row["partial_lines"]:
        return f"{row['partial_lines']:.4f} lines sent in pieces"
    return "whole lines: the limit"


def function_rows(models, frame):
    """The traffic of a frame size by function, and how far it exceeds the limit.

    Functions that store to the slots share the limit by the bytes that they store.
    """
    rows = []
    for model in models:
        if model["frame"] != frame:
            continue
        stored = sum(row["store_bytes"] for row in model["functions"] if row["range"] == "slots")
        for row in model["functions"]:
            share = row["store_bytes"] / stored if row["range"] == "slots" and stored else 0
            rows.append({**row, "mapping": f"{model['requested']}, {model['effective']}", "why": why(row),
                         "gap": row["wire_bytes"] - share * limit(model)["wire_bytes"]})
    return rows


# Text

def heading(setting):
    lines = device_heading(setting) if "device" in setting else guest_heading(setting)
    lines.append(answer.delivered(setting))
    if setting.get("busy_percent", 0) >= BUSY_PERCENT:
        lines.append(f"The machine was busy: other programs used {setting['busy_percent']} % of the CPU time. "
                     "Times are too long and vary: measure again when it is idle.")
    return lines


def device_heading(setting):
    return [f"dpdk-testpmd on {setting['device']}, {setting['accelerator']}, kernel {setting['kernel']}, "
            f"{setting['cpu']}{', no-IOMMU mode' if setting['no_iommu'] else ''}",
            f"Median, minimum and maximum of {setting['repeats']} interleaved repeats of {setting['seconds']} s; the "
            "rate is that of the direction with more packets. Frame sizes and Gbit/s count the FCS. Effective is not "
            "verified: the page tables of another process cannot be read. Granted: "
            + "; ".join(f"{mapping}: {text}" for mapping, text in setting["granted"].items()) + "."]


def guest_heading(setting):
    lines = [f"dpdk-testpmd over net_ivshmem, host -> guest -> host, {setting['accelerator']}, "
             f"guest kernel {setting['kernel']} ({setting['source']}), {setting['cpu']}, {setting['qemu']}",
             f"Median, minimum and maximum of {setting['repeats']} interleaved repeats of {setting['seconds']} s. "
             "Frame sizes and Gbit/s count the FCS. Cycles are those of the guest's forwarding core. "
             "Effective is read from the page tables while testpmd forwards. virtio-net is another device of the same "
             "guest, connected to a testpmd with net_vhost."]
    if setting["accelerator"] == "TCG":
        lines.append(TCG_TIMES)
    return lines


def model_heading(models):
    p = models[0]["params"]
    return [f"Modelled from every load and store of testpmd: PCIe {p['generation']}.0 x{p['width']} "
            f"({p['link_bytes_per_second'] / 1e9:.2f} GB/s in each direction), {p['buffers']} write-combining buffers "
            f"of {p['line']} bytes, lines with holes are sent in "
            f"{'pieces of ' + str(p['chunk']) + ' bytes' if p['chunk'] else 'runs'}, uncached stores of up to "
            f"{p['uc_width']} bytes stay whole, headers of {p['header']} bytes. All figures are per packet. "
            "Reads stall the CPU; the ceiling is that of the posted writes alone. Efficiency is the frame without FCS "
            "divided by the wire bytes.",
            "The total bytes of all modelled writes match testpmd's count of sent packets. "
            "UC with MOVDIR64B is computed: TCG does not support the instruction."]


def lint_lines(models):
    lines = []
    for model in models:
        for arch, found in model["lint"].items():
            lines += [f"{model['frame']} bytes, {model['effective']}, rules of {arch}: {text}" for text in found]
    return lines or ["none, under the rules of x86 and of arm64"]


def unfinished(results):
    return [] if results.get("complete", True) else ["Not complete: the run ended early."]


class Section(NamedTuple):
    """Of the report. On the page one that is folded has to be opened, and has the charts of its name."""
    name: str
    title: str
    paragraphs: list
    columns: list = []
    rows: list = []
    keys: int = 1  # columns that say what a row is about
    folded: bool = False


def throughput_section(results):
    heading_lines = heading(results["setting"])
    if answer.is_tcg(results):
        return Section("emulator", "Speed of the emulator (TCG), not of write-combining", heading_lines, EMULATED,
                       results["rows"], 3, True)
    return Section("throughput", "Measured throughput", heading_lines, THROUGHPUT, results["rows"], 3)


def costs_sentence(platform):
    texts = {"uc_store": "an uncached store", "uc_wide": "one of more than 8 bytes", "store": "a WC store",
             "line": "a line at the device", "fence": "a fence"}
    known = [f"{text} {platform['costs'][name]:g}" for name, text in texts.items() if platform["costs"].get(name)]
    return f"Costs on {platform['name']}, ns: {', '.join(known)}."


def copies_heading(results):
    width = next(int(row["bytes"] / row["writes"]) for row in reversed(results["copies"])
                 if row["effective"] == "UC-" and row["store"] == max(answer.STORES))
    return [f"What a {answer.FRAME}-byte frame costs, by the stores that a driver copies it with. CPU ceiling: packets "
            "per second that a CPU can store if it does nothing but store; link ceiling: that the link carries. The "
            "lower one counts. Each uncached store is a PCIe write, for which the CPU waits; through WC a line is one "
            f"write, whatever its stores. {answer.BURST} frames, then a fence (WC only); doorbells are not counted. "
            + costs_sentence(results["platform"]),
            f"Stores of 64 bytes need AVX-512 or MOVDIR64B, of 32 AVX. The model assumes that uncached stores of up to "
            f"{width} bytes are one write (uc_width={width}); the architecture guarantees only 8."]


def copies_section(results):
    rows = [row for row in results["copies"] if row["bytes"] == answer.FRAME]
    return Section("stores", "A driver's stores decide (modelled)", copies_heading(results), COPIES, rows, 2)


def driver_rows(drivers):
    return [{**row, "findings": "; ".join(sorted({text for texts in row["lint"].values() for text in texts})) or "none"}
            for row in drivers]


def drivers_section(results):
    return Section("drivers", "Real drivers, unchanged (modelled)",
                   ["The driver's own loads and stores, observed in a guest; memory types are from page tables. All "
                    "figures are per packet. Findings of the linter are under the rules of x86 and of arm64."],
                   DRIVERS, driver_rows(results["drivers"]), 4)


def model_sections(results):
    models = results["models"]
    smallest = models[0]["frame"]
    return [Section("link", "net_ivshmem: PCIe accesses (modelled)", model_heading(models), LINK, link_rows(models), 2),
            Section("functions", f"{smallest}-byte frames by function",
                    ["The share of each function, and its excess over one write per line."], FUNCTIONS,
                    function_rows(models, smallest), 2, True),
            Section("linter", "Findings of the linter", lint_lines(models))]


def folded_sections(results):
    found = []
    if results["instructions"]:
        found.append(Section("instructions", "Instructions per packet",
                             ["Counted by callgrind on this machine, with bursts of 32, including the mempool."],
                             INSTRUCTIONS, results["instructions"], 1, True))
    if results["peers"]:
        found.append(Section("peers", "net_ivshmem, memif and virtio-user between two processes of this machine",
                             peers_heading(results["setting"]["cpu"], results["peers"]), leading(PEERS, PEERS_FIRST),
                             results["peers"], 4, True))
    return found


def sections(results):
    """Those after the answer, in order."""
    throughput = [throughput_section(results)] if results["rows"] else []
    emulated = answer.is_tcg(results)
    return [*([] if emulated else throughput),
            *([copies_section(results)] if results.get("copies") else []),
            *([drivers_section(results)] if results.get("drivers") else []),
            *(model_sections(results) if results["models"] else []),
            *folded_sections(results),
            *(throughput if emulated else []),
            Section("commands", "Commands", [f"`{command}`" for command in results["setting"]["commands"]],
                    folded=True)]


# The answer

def answer_rows(results):
    return [{"what": cost.what, "uc_writes": cost.uc["writes"], "wc_writes": cost.wc["writes"],
             "uc_ns": cost.uc.get("cpu_ns"), "wc_ns": cost.wc.get("cpu_ns"), "ratio": cost.ratio}
            for cost in answer.costs_of(results)]


def made_lines(results):
    """When and by what; results of earlier versions have no date."""
    lines = [made_with(results["setting"]["version"])]
    if "date" in results:
        date = datetime.datetime.fromisoformat(results["date"])
        lines.append(f"Measured on {date:%-d %B %Y, %H:%M} UTC; schema {results['schema']} of results.json.")
    return lines


def answer_markdown(results):
    word, sentence = answer.is_on(results)
    rows = answer_rows(results)
    return [f"**{answer.headline(results)}.**", f"Is WC on? **{word}**{': ' * bool(sentence)}{sentence}",
            *([markdown_table(ANSWER, rows)] if rows else []),
            *answer.platform_lines(results), *answer.measured_lines(results)]


def peers_heading(cpu, rows):
    return [f"{cpu}, natively, without a guest, one CPU for each testpmd. Median, minimum and maximum of n "
            "measurements, alternating between the drivers. One way: one process sends (txonly), the other receives "
            "(rxonly); frames that cannot be sent are dropped. Round: 512 frames circulate, both processes send back "
            "what they receive (io); the rate is that of one direction. testpmd alone sends (txonly) to net_null, "
            "which drops all frames: nearly the upper limit of the others one way. Without huge pages, except for "
            "zero-copy, which needs them. Memory is cached on both sides.",
            "One way, bare: two dpdk-wc-perf in place of testpmd, which do as little as possible for each frame. Raw: "
            "lines of 64 bytes that one CPU passes to the other without a driver in the same second. Share of raw: a "
            "driver's lines over that, round in one direction.",
            "State: the round-trip time of a line between the CPUs was below 240 ns before and after a measurement "
            "(near), 280 ns or more both times (far), or neither (mixed: not to be compared). Ring lines and stores "
            "are those of net_ivshmem's defaults. Ratios are those of medians of the same state.",
            *limits(rows)]


def peers_markdown(results):
    """The table of wc-bench-peers."""
    return "\n\n".join(["# Between two processes on this machine", made_with(results["version"]), *unfinished(results),
                        *peers_heading(results["cpu"], results["peers"]),
                        markdown_table(PEERS, results["peers"])]) + "\n"


def markdown(results):
    parts = ["# wc-bench: what does write-combining bring?", *answer_markdown(results), *made_lines(results),
             *unfinished(results)]
    for section in sections(results):
        parts += [f"## {section.title}", *section.paragraphs]
        if section.columns:
            parts.append(markdown_table(section.columns, section.rows))
    return "\n\n".join(parts) + "\n"


# Against earlier results

# First headers are written once per burst, and the size of bursts varies with time.
TOLERATED = 0.02
# Counted per packet, so that any difference is a change
EXACT = "writes_slots", "reads_slots"


def has_schema(results):
    """Whether results are of this version's schema, or of a version before schemas."""
    return not isinstance(results, dict) or results.get("schema", SCHEMA) == SCHEMA


def is_result(results):
    """Whether these are results of wc-bench."""
    try:
        return (all({"frame", "requested", "effective", "mpps", "mpps_min", "mpps_max"} <= set(row)
                    for row in results["rows"])
                and all({"frame", "requested", "params", "lint", "wire_bytes", *EXACT} <= set(model)
                        for model in results["models"])
                and {"accelerator", "cpu", "kernel", "seconds"} <= set(results["setting"])
                and all({"frame", "tx", "rx"} <= set(row) for row in results["instructions"]))
    except (KeyError, TypeError):
        return False


def by_name(rows):
    return {(row["frame"], row["requested"]): row for row in rows}


def pairs(old, new):
    """([(name, old, new)] of rows in both, lines about rows in only one)."""
    before, after = by_name(old), by_name(new)
    both = [(f"{key[0]} bytes, {key[1]}", before[key], after[key]) for key in after if key in before]
    return both, ([f"{key[0]} bytes, {key[1]}: not measured before" for key in after if key not in before] +
                  [f"{key[0]} bytes, {key[1]}: not measured now" for key in before if key not in after])


def compare(old, new):
    """Lines about changes: times beyond the spread of either run, counts by any difference."""
    lines = unfinished(old) and ["the earlier run is not complete"]
    lines += [f"{what}: {old['setting'][what]} -> {new['setting'][what]}"
              for what in ("accelerator", "cpu", "kernel", "seconds") if old["setting"][what] != new["setting"][what]]
    both, alone = pairs(old["rows"], new["rows"])
    lines += alone
    for name, was, row in both:
        if was["effective"] != row["effective"]:
            lines.append(f"{name}: effective {was['effective']} -> {row['effective']}")
    if any(old["setting"][what] != new["setting"][what] for what in ("accelerator", "cpu")):
        lines.append("times are not compared: different machine")
    else:
        lines += [line for name, was, row in both for line in compare_times(name, was, row)]
    return lines + compare_models(old["models"], new["models"]) + compare_instructions(old, new)


def compare_times(name, was, row):
    if row["mpps_min"] <= was["mpps_max"] and row["mpps_max"] >= was["mpps_min"]:
        return []
    change = f", {100 * (row['mpps'] / was['mpps'] - 1):+.1f} %" if was["mpps"] else ""
    return [f"{name}: {was['mpps']:.3f} ({was['mpps_min']:.3f}..{was['mpps_max']:.3f}) -> "
            f"{row['mpps']:.3f} ({row['mpps_min']:.3f}..{row['mpps_max']:.3f}) Mpps{change}"]


def compare_models(old, new):
    if not old or not new:
        return []
    if old[0]["params"] != new[0]["params"]:
        changed = [f"{name} {old[0]['params'].get(name)} -> {value}" for name, value in new[0]["params"].items()
                   if old[0]["params"].get(name) != value]
        return [f"PCIe accesses are not compared: other parameters ({', '.join(changed)})"]
    lines = []
    for name, was, model in pairs(old, new)[0]:
        for what in (*EXACT, "wire_bytes"):
            tolerated = 0 if what in EXACT else TOLERATED * was[what]
            if abs(model[what] - was[what]) > tolerated:
                lines.append(f"{name}: {what.replace('_', ' ')} per packet {was[what]:.3f} -> {model[what]:.3f}")
        for arch, found in model["lint"].items():
            number = len(was["lint"].get(arch, []))
            if len(found) != number:
                lines.append(f"{name}: findings under the rules of {arch}: {number} -> {len(found)}")
    return lines


def compare_instructions(old, new):
    before = {row["frame"]: row for row in old["instructions"]}
    return [f"{row['frame']} bytes: {what} instructions per packet {before[row['frame']][what]} -> {row[what]}"
            for row in new["instructions"] if row["frame"] in before for what in ("tx", "rx")
            if abs(row[what] - before[row["frame"]][what]) > TOLERATED * before[row["frame"]][what]]
