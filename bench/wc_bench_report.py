# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The results of wc-bench as text, as a self-contained web page, and compared with earlier ones."""

import html
import io
import re
import statistics

from harness.version import made_with

LINE = 64
IVSHMEM = "net_ivshmem"  # as a competitor, with its defaults
STATES = ["near", "far", "mixed"]  # of two CPUs: sharing a cache, not sharing one, changed during a measurement
DROPS_NOTHING = 0.01  # per cent
# Bytes around the data of a posted write, as the model counts them: wcscope/wc_model.c
FRAMING = 8

TCG_TIMES = ("TCG emulates the CPU and has no memory types: UC- and WC take the same time here. The timings do not "
             "reflect the memory type; the Effective column does show it.")
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
        ivshmem = medians.get((*key[:4], IVSHMEM))
        rows.append({
            **dict(zip(("cpus", "state", "mode", "frame", "peer"), key)), "n": len(rates), "mpps": medians[key],
            "mpps_min": min(rates), "mpps_max": max(rates),
            "dropped_percent": statistics.median(dropped) if dropped else None,
            "round_trip_ns": statistics.median(trips),
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
LINK = [
    ("Frame", "{frame}"), ("Mapping", "{mapping}"), ("Posted writes", "{writes:.3f}"),
    ("of slots", "{writes_slots:.3f}"), ("Wire bytes", "{wire_bytes:.1f}"), ("Efficiency %", "{percent:.1f}"),
    ("Link ceiling Mpps", "{ceiling_writes:.1f}"), ("with reads of slots", "{ceiling_both:.1f}"),
    ("Reads of slots", "{reads_slots:.3f}"), ("of headers, credits", "{reads_control:.4f}"),
    ("Bytes read", "{read_bytes:.1f}")]
READS = ["ceiling_both", "reads_slots", "reads_control", "read_bytes"]  # not computed: how often is a matter of time
FUNCTIONS = [
    ("Mapping", "{mapping}"), ("Function", "{function}"), ("Range", "{range}"), ("Stores", "{stores:.4f}"),
    ("Posted writes", "{writes:.4f}"), ("Wire bytes", "{wire_bytes:.2f}"), ("Reads", "{reads:.4f}"),
    ("Excess over the limit, wire bytes", "{gap:+.2f}"), ("Reason", "{why}")]
PEERS = [("CPUs", "{cpus}"), ("State", "{state}"), ("Round trip ns", "{round_trip_ns:.0f}"), ("Frames go", "{mode}"),
         ("Frame", "{frame}"), ("Between two processes", "{peer}"), ("Ring lines", "{ring}"), ("Stores", "{stores}"),
         ("n", "{n}"), ("Mpps", "{mpps:.2f}"), ("min..max", "{mpps_min:.2f}..{mpps_max:.2f}"),
         ("Tx dropped %", "{dropped_percent:.2f}"), ("net_ivshmem is x", "{ratio:.2f}")]
INSTRUCTIONS = [("Frame", "{frame}"), ("Tx", "{tx:.1f}"), ("Rx", "{rx:.1f}"), ("net_memif Tx", "{memif_tx:.1f}"),
                ("net_memif Rx", "{memif_rx:.1f}")]


def cell(form, row):
    try:
        return form.format(**row)
    except (TypeError, ValueError):  # no number to show
        return "-"


def cells(columns, rows):
    return [[cell(form, row) for _, form in columns] for row in rows]


def markdown_table(columns, rows):
    lines = [[name for name, _ in columns], *cells(columns, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    text = ["| " + " | ".join(word.rjust(width) for word, width in zip(line, widths)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
    return "\n".join(text)


def html_row(tag, words, numeric):
    return "<tr>" + "".join(f"<{tag}{' class=n' * number}>{html.escape(word)}</{tag}>"
                            for word, number in zip(words, numeric)) + "</tr>"


def html_table(columns, rows):
    lines = cells(columns, rows)
    numeric = [all(re.match(r"[-+]?[0-9.]*(\.\.[0-9.]+)?$", line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(["<table>", html_row("th", [name for name, _ in columns], numeric),
                      *(html_row("td", line, numeric) for line in lines), "</table>"])


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
    lines.append(f"Timing self-test: {setting['combining']['text']}.")
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


def sections(results):
    """[(title, paragraphs, columns, rows)]."""
    setting, models = results["setting"], results["models"]
    found = []
    if results["rows"]:
        found.append(("Throughput", heading(setting), THROUGHPUT, results["rows"]))
    if models:
        smallest = models[0]["frame"]
        found += [("PCIe accesses, modelled", model_heading(models), LINK, link_rows(models)),
                  (f"{smallest}-byte frames by function",
                   ["The share of each function, and its excess over one write per line."], FUNCTIONS,
                   function_rows(models, smallest)),
                  ("Findings of the linter", lint_lines(models), None, None)]
    if results["instructions"]:
        found.append(("Instructions per packet",
                      ["Counted by callgrind on this machine, with bursts of 32, including the mempool."], INSTRUCTIONS,
                      results["instructions"]))
    if results["peers"]:
        found.append(("Between two processes on this machine", peers_heading(setting["cpu"], results["peers"]), PEERS,
                      results["peers"]))
    found.append(("Commands", [f"`{command}`" for command in setting["commands"]], None, None))
    return found


def peers_heading(cpu, rows):
    return [f"{cpu}, natively, without a guest, one CPU for each testpmd. Median, minimum and maximum of n "
            "measurements, alternating between the drivers. One way: one process sends (txonly), the other receives "
            "(rxonly); frames that cannot be sent are dropped. Round: 512 frames circulate, both processes send back "
            "what they receive (io); the rate is that of one direction. testpmd alone sends (txonly) to net_null, "
            "which drops all frames: nearly the upper limit of the others one way. Without huge pages, except for "
            "zero-copy, which needs them. Memory is cached on both sides.",
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
    parts = ["# wc-bench", made_with(results["setting"]["version"]), *unfinished(results)]
    for title, paragraphs, columns, rows in sections(results):
        parts += [f"## {title}", *paragraphs]
        if columns:
            parts.append(markdown_table(columns, rows))
    return "\n\n".join(parts) + "\n"


# Web page

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 84rem; margin: 2rem auto; padding: 0 1rem;
       background: #ffffff; color: #1c1e21; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; display: block;
        overflow-x: auto; }
th, td { padding: .25rem .6rem; text-align: left; border-bottom: 1px solid #8884; white-space: nowrap; }
th { border-bottom-width: 2px; }
.n { text-align: right; }
figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; }
code { overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #e4e6ea; } }
"""
# Legible on white and on near-black: contrast of at least 3 to both
COLOURS = {"default": "#c2620c", "--vfio-wc": "#2f7fd0", "virtio-net": "#2b9a55", "direct": "#8a63d2",
           "limit": "#7d8590"}
INK = "#010203"  # stands for the colour of the page's text


def figure(draw, title):
    """An SVG of the figure drawn by draw(axes), in the colours of the page."""
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot
    settings = {"svg.fonttype": "none", "svg.hashsalt": "wc-bench", "font.size": 11, "font.family": "sans-serif",
                "axes.edgecolor": INK, "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK,
                "ytick.color": INK, "axes.grid": True, "axes.grid.axis": "y", "grid.color": "#808080",
                "grid.alpha": 0.3, "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
                "legend.frameon": False}
    with pyplot.rc_context(settings):
        drawn, axes = pyplot.subplots(figsize=(12, 4))
        draw(axes)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncol=4, borderaxespad=0, handlelength=1.2,
                    columnspacing=1.2)
        axes.set_title(title, loc="left", pad=34)
        file = io.StringIO()
        drawn.savefig(file, format="svg", transparent=True, bbox_inches="tight",
                      metadata={"Date": None, "Creator": None})
        pyplot.close(drawn)
    text = file.getvalue()
    text = text[text.index("<svg"):].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    return label(text, title)


def label(svg, title):
    named = svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(title)}" ', 1)
    return f"<figure>{named}</figure>"


def draw_groups(axes, frames, groups):
    """Bars side by side for each frame size; groups: [(name, colour, values, (below, above) or None)].

    Bars without a spread are labelled with their value.
    """
    width = 0.8 / len(groups)
    for number, (name, colour, values, spread) in enumerate(groups):
        places = [place + (number - (len(groups) - 1) / 2) * width for place in range(len(frames))]
        bars = axes.bar(places, values, width * 0.92, label=name, color=colour, yerr=spread, ecolor=INK, capsize=2)
        if spread is None:
            axes.bar_label(bars, [f"{value:.3g}" for value in values], fontsize=7)
    axes.set_xticks(range(len(frames)), [str(frame) for frame in frames])
    axes.set_xlabel("frame size with FCS, bytes")


def throughput_figure(results):
    rows, frames = results["rows"], list(dict.fromkeys(row["frame"] for row in results["rows"]))

    def draw(axes):
        groups = []
        for mapping in dict.fromkeys(row["requested"] for row in rows):
            these = [row for row in rows if row["requested"] == mapping]
            spread = ([row["mpps"] - row["mpps_min"] for row in these],
                      [row["mpps_max"] - row["mpps"] for row in these])
            name = f"{mapping} ({'/'.join(sorted({row['effective'] for row in these}))})"
            groups.append((name, COLOURS[mapping], [row["mpps"] for row in these], spread))
        draw_groups(axes, frames, groups)
        axes.set_ylabel("Mpps")

    accelerator = results["setting"]["accelerator"]
    note = "; no memory types, so the mappings do not differ" if accelerator == "TCG" else ""
    return figure(draw, f"Throughput, {accelerator}{note}")


def link_figure(results, value, of_limit, axis, title):
    models = results["models"]
    frames = list(dict.fromkeys(model["frame"] for model in models))

    def draw(axes):
        groups = [(f"{mapping} ({these[0]['effective']})", COLOURS[mapping], [value(model) for model in these], None)
                  for mapping in dict.fromkeys(model["requested"] for model in models)
                  for these in [[model for model in models if model["requested"] == mapping]]]
        first = [model for model in models if model["requested"] == models[0]["requested"]]
        groups += [(name, COLOURS[key], [of_limit(bound(model)) for model in first], None) for name, key, bound in
                   [("UC with MOVDIR64B (computed)", "direct", direct), ("limit: one write a line", "limit", limit)]]
        draw_groups(axes, frames, groups)
        axes.set_ylabel(axis)

    return figure(draw, title)


def figures(results):
    found = [throughput_figure(results)]
    if results["models"]:
        found += [link_figure(results, lambda model: model["writes"], lambda row: row["writes"],
                              "posted writes", "PCIe writes per packet, modelled"),
                  link_figure(results, lambda model: 100 * model["efficiency"], lambda row: row["percent"],
                              "% of wire bytes", "Wire efficiency, modelled")]
    return found


def paragraph(text):
    escaped = re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))
    return f"<p>{escaped}</p>"


def web_page(results):
    parts = ["<h1>wc-bench</h1>", paragraph(made_with(results["setting"]["version"])), *figures(results)]
    for title, paragraphs, columns, rows in sections(results):
        parts += [f"<h2>{html.escape(title)}</h2>", *map(paragraph, paragraphs)]
        if columns:
            parts.append(html_table(columns, rows))
    body = "\n".join(parts)
    return ("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            f"<title>wc-bench</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n")


# Against earlier results

# First headers are written once per burst, and the size of bursts varies with time.
TOLERATED = 0.02
# Counted per packet, so that any difference is a change
EXACT = "writes_slots", "reads_slots"


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
