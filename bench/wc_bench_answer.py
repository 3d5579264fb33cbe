# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""What write-combining brings: PCIe writes and CPU time of a packet through UC and WC, on a platform that was measured.

Counts are the model's, of this run's testpmd, of drivers, or of plain copies; times are the costs of wc_costs.
"""

import math
from typing import NamedTuple

from bench import wc_costs
from bench.wc_costs import PLATFORMS, Costs, Point, Work
from harness.ivshmem_peer import LINE

DEFAULT = "f1"
STORES = [4, 8, 16, 32, 64]
FRAME = 64
# An entry of ENA's low-latency queue, and the stores of its driver in DPDK (ena_plat_dpdk.h: rte_write64_relaxed())
ENTRY, ENTRY_STORE = 128, 8
BURST = 32  # packets of a copy, after which a driver orders its write-combining stores
# Bytes around the data of a posted write: header, and framing as in wcscope/wc_model.c
OVERHEAD = 16 + 8
TYPES = {"uc": "UC-", "wc": "WC"}


class PlatformError(Exception):
    """There is no such platform; the text says what there is."""


class Chosen(NamedTuple):
    """A platform, and its costs for a program that goes on."""
    name: str      # as it was chosen
    platform: wc_costs.Platform
    costs: Costs
    borrowed: list  # what was not measured there: [text]


def choose(text):
    """The platform of NAME[,COST=NUMBER...]."""
    name, *settings = text.split(",")
    if name not in PLATFORMS:
        raise PlatformError(f"no platform '{name}': use {', '.join(PLATFORMS)}")
    given = dict(map(parse_cost, settings))
    platform = PLATFORMS[name]
    costs, borrowed = fill(platform.preset, platform.costs._replace(**given))
    return Chosen(text, platform, wc_costs.steady(costs), borrowed)


def parse_cost(setting):
    cost, _equals, text = setting.partition("=")
    if cost not in Costs._fields:
        raise PlatformError(f"no cost '{cost}': use {', '.join(Costs._fields)}")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1e6:
        raise PlatformError(f"{cost}={text}: use a number above 0, up to 1000000")
    return cost, value


def fill(preset, costs):
    """(costs, [text]): a fence that was not timed is taken from a platform of the same preset.

    Where draining buffers was not timed, an evicted line takes as long as a fence; where wide uncached stores were not,
    they take as long as narrow ones: both to the disadvantage of WC.
    """
    borrowed = []
    if costs.uc_wide is None and costs.uc_store is not None:
        costs = costs._replace(uc_wide=costs.uc_store)
        borrowed.append("uncached stores of more than 8 bytes as those of 8")
    if costs.fence is None:
        for name, other in PLATFORMS.items():
            if other.preset == preset and other.costs.fence is not None:
                costs = costs._replace(fence=other.costs.fence)
                borrowed.append(f"fences as on {name}, {costs.fence:g} ns")
                break
    return costs._replace(drains=costs.drains or 1), borrowed


def model_of(platform):
    """The model of wcscope for a platform, as wc-bench --model takes it."""
    return f"{platform.preset},generation={platform.generation},width={platform.lanes}"


def describe(chosen):
    """For results.json."""
    platform = chosen.platform
    return {"name": chosen.name, "cpu": platform.cpu, "device": platform.device, "date": platform.date,
            "source": platform.source, "model": model_of(platform), "costs": chosen.costs._asdict(),
            "borrowed": chosen.borrowed}


# Copies

def copies(chosen):
    """[row] of a frame by stores of each width, and of ENA's entry, through both types."""
    wanted = [(FRAME, store) for store in STORES] + [(ENTRY, ENTRY_STORE)]
    made = [(chosen.platform.preset, burst(mapping, size, store)) for size, store in wanted for mapping in TYPES]
    return [copy_row(chosen, point, counts) for (_, point), counts in zip(made, wc_costs.count(made))]


def burst(mapping, size, store):
    """Of packets; write-combining stores have to be ordered at its end."""
    return Point("store", mapping, store, BURST * size, 1, "fence" if mapping == "wc" else "", 0, 0, "", "")


def copy_row(chosen, point, counts):
    work = wc_costs.work_of(point, counts)
    size, writes = point.bytes // BURST, counts[1] / BURST
    wire = size + writes * OVERHEAD
    link = (LINE + OVERHEAD) / wc_costs.link_ns(chosen.platform)
    return {"bytes": size, "store": point.size, "effective": TYPES[point.mapping], "writes": writes,
            "wire_bytes": wire, "work": per_packet(work, BURST), "link_ceiling": 1e3 * link / wire}


def per_packet(work, packets):
    """For results.json."""
    return {name: number / packets for name, number in work._asdict().items()}


# Costs

def cpu_ns(costs, work):
    """None if the platform was not measured in this respect."""
    try:
        return wc_costs.cpu_ns(costs, work)
    except wc_costs.CostError:
        return None


def add_costs(results):
    """Add to each row with work its CPU time, and the packets that this allows for; to those of drivers the link's."""
    if not results.get("platform"):
        return
    costs = Costs(**results["platform"]["costs"])
    for row in results["models"] + results["copies"] + results["drivers"]:
        row["cpu_ns"] = cpu_ns(costs, Work(**row["work"]))
        row["cpu_ceiling"] = 1e3 / row["cpu_ns"] if row["cpu_ns"] else None
    for row in results["drivers"]:
        row["link_ceiling"] = (row["params"]["link_bytes_per_second"] / row["wire_bytes"] / 1e6 if row["wire_bytes"]
                               else None)


# The answer

class Cost(NamedTuple):
    """Of one packet."""
    what: str
    uc: dict
    wc: dict

    @property
    def ratio(self):
        """How many times as long stores take through UC."""
        return self.uc["cpu_ns"] / self.wc["cpu_ns"] if self.uc.get("cpu_ns") and self.wc.get("cpu_ns") else None


def first(rows, effective):
    return next((row for row in rows if row["effective"] == effective), None)


def pair(what, rows):
    """[Cost] of the rows of one packet, empty unless both types were seen."""
    uc, wc = first(rows, "UC-"), first(rows, "WC")
    return [Cost(what, uc, wc)] if uc and wc else []


def ivshmem_cost(results):
    models = results["models"]
    return pair(f"A {models[0]['frame']}-byte frame, net_ivshmem",
                [model for model in models if model["frame"] == models[0]["frame"]]) if models else []


def driver_cost(results):
    """Of the first driver, or, without one, of a copy like ENA's."""
    drivers = results.get("drivers", [])
    if drivers:
        one = drivers[0]
        same = [row for row in drivers if all(row[name] == one[name] for name in ("driver", "what", "frame"))]
        return pair(f"{one['driver']}: {one['what']}", same)
    return pair(f"An ENA entry of {ENTRY} bytes, by {ENTRY_STORE}-byte stores",
                [row for row in results.get("copies", []) if row["bytes"] == ENTRY])


def costs_of(results):
    """[Cost] of what a reader knows."""
    return ivshmem_cost(results) + driver_cost(results)


def is_tcg(results):
    return results["setting"].get("accelerator", "TCG") == "TCG"


def measured_ratio(results):
    """(frame, Mpps by default, Mpps with --vfio-wc) of the smallest frame, if times mean something here, or None."""
    rows = {} if is_tcg(results) else {(row["frame"], row["requested"]): row["mpps"] for row in results["rows"]}
    frame = min((frame for frame, _ in rows), default=None)
    if not {(frame, "default"), (frame, "--vfio-wc")} <= set(rows):
        return None
    return frame, rows[frame, "default"], rows[frame, "--vfio-wc"]


def headline(results):
    measured = measured_ratio(results)
    if measured:
        frame, default, wc = measured
        times = f", {wc / default:.2f} times as many" if default else ""
        return f"Measured: {wc:.2f} Mpps with --vfio-wc, {default:.2f} without{times} ({frame}-byte frames)"
    costs = costs_of(results)
    if not costs:
        return "What write-combining (WC) brings was not measured"
    ratios = [cost.ratio for cost in costs if cost.ratio]
    if ratios:
        return f"Modelled: without write-combining (WC) a packet's stores take {span(ratios)} times as long"
    writes = [cost.uc["writes"] / cost.wc["writes"] for cost in costs]
    return f"Modelled: without write-combining (WC) a packet takes {span(writes)} times as many PCIe writes"


def span(ratios):
    least, most = (f"{ratio:.2g}" for ratio in (min(ratios), max(ratios)))
    return least if least == most else f"{least} to {most}"


def is_on(results):
    """("yes", "no" or what stands between, sentence) about the mapping that --vfio-wc gives."""
    setting = results["setting"]
    rows = results["models"] + results["rows"]
    types = {requested: "/".join(sorted({row["effective"] for row in rows if row["requested"] == requested}))
             for requested in ("--vfio-wc", "default")}
    if "device" in setting:
        return "not verified", (f"granted: {setting['granted'].get('--vfio-wc', 'not requested')}. Only the kernel can "
                                "read another process's page tables: see `vfio-wc status`.")
    named = {"UC-": "UC- (uncached)"}
    found = [f"{named.get(kind, kind)} {'by' if requested == 'default' else 'with'} {requested}"
             for requested, kind in types.items() if kind]
    return on_word(types["--vfio-wc"]), (f"testpmd's page tables show {', '.join(found)}." if found else "")


def on_word(types):
    """types: as seen with --vfio-wc, separated by slashes."""
    words = {"WC": "yes", "": "not measured", "not verified": "not verified"}
    return words.get(types, "not everywhere" if "WC" in types.split("/") else "no")


def platform_lines(results):
    platform = results.get("platform")
    if not platform:
        return []
    borrowed = "".join(f"; {text}" for text in platform["borrowed"])
    missing = ("" if platform["costs"]["uc_store"] else " No uncached store was timed there: use another --platform, "
               f"like {DEFAULT}.")
    return [f"Times are modelled for the platform {platform['name']}: {platform['cpu']}; {platform['device']}; "
            f"{platform['date']}; {platform['source']}{borrowed}.{missing}"]


def delivered(setting):
    return f"Delivered: {setting['delivered']['text']}."


def measured_lines(results):
    setting = results["setting"]
    if not results["rows"] and not results["models"]:
        return []
    if is_tcg(results):
        return ["Measured here: memory types, and every load and store of testpmd, from which the model counts writes. "
                "The guest ran under TCG, which emulates the CPU: its times show the emulator only."]
    return [f"Measured here: throughput, {setting['accelerator']}, {setting['cpu']}. {delivered(setting)}"]
