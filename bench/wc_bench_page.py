# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The results of wc-bench as a web page that needs nothing else: no script, no font, no picture.

Bars are boxes of HTML, whose text has the page's size on any screen.
"""

import html
import re
from typing import NamedTuple, Optional

from bench import wc_bench_answer as answer, wc_bench_peers as peers, wc_bench_report as report

# Legible on white and on near-black: contrast of at least 3 to both
COLOURS = {"default": "#c2620c", "--vfio-wc": "#2f7fd0", "virtio-net": "#2b9a55", "direct": "#8a63d2",
           "limit": "#7d8590"}
UC, WC, OTHER = COLOURS["default"], COLOURS["--vfio-wc"], COLOURS["limit"]
STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1c1e21; --card: #f4f5f7; }
@media (prefers-color-scheme: dark) { :root { --page: #16181c; --ink: #e4e6ea; --card: #212429; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 1rem auto 3rem; padding: 0 1rem;
       background: var(--page); color: var(--ink); }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .2rem 0 .6rem; } h2 { margin: 2rem 0 .5rem; font-size: 1.25rem; }
p { margin: .5rem 0; max-width: 60rem; } .small { font-size: .87rem; line-height: 1.35; margin: .35rem 0; }
code, .small { overflow-wrap: anywhere; }
.cards, .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: .7rem;
                  margin: .6rem 0; }
.card { background: var(--card); border-radius: .5rem; padding: .5rem .8rem; }
.card h3, .chart h4 { margin: 0; font-size: 1rem; } .card b { font-size: 1.7rem; line-height: 1.2; }
.chart { margin: 0; } .chart h4 { margin-top: .3rem; font-size: .93rem; }
.bar { display: grid; grid-template-columns: var(--name) 1fr var(--value); gap: .5rem; align-items: center;
       font-variant-numeric: tabular-nums; line-height: 1.3; margin: .15rem 0; }
.track { position: relative; height: 1rem; background: #8882; border-radius: 2px; }
.track i { position: absolute; inset: 0 auto 0 0; min-width: 2px; border-radius: 2px; }
.track s { position: absolute; top: 45%; height: 10%; background: currentColor; }
table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; margin: .7rem 0; max-width: 100%; }
th, td { padding: .25rem .6rem; text-align: left; border-bottom: 1px solid #8884; white-space: nowrap; }
thead th { border-bottom-width: 2px; vertical-align: bottom; white-space: normal; }
tbody th, thead th:first-child { position: sticky; left: 0; background: var(--page); font-weight: normal;
                                 white-space: normal; min-width: 7rem; max-width: 22rem; }
thead th:first-child { font-weight: bold; }
.n { text-align: right; }
details { margin: 1rem 0; border-top: 1px solid #8884; } summary { cursor: pointer; padding: .5rem 0; font-size: 1.1rem;
          font-weight: bold; }
@media (max-width: 40rem) {
  body { font-size: 14px; padding: 0 .7rem; margin-top: .6rem; } h1 { font-size: 1.2rem; }
  .small { font-size: .8rem; } .card b { font-size: 1.35rem; } .cards { gap: .5rem; }
  th, td { padding: .25rem .4rem; } tbody th, thead th:first-child { max-width: 10.5rem; overflow-wrap: anywhere; }
}
"""


def escape(text):
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))


def paragraph(text, kind=""):
    return f"<p{f' class={kind}' if kind else ''}>{escape(text)}</p>"


# Tables

def html_row(tag, words, numeric):
    """The first cell says what the row is about, and stays in view."""
    first = f"<th scope={'col' if tag == 'th' else 'row'}>{html.escape(words[0])}</th>"
    return "<tr>" + first + "".join(f"<{tag}{' class=n' * number}>{html.escape(word)}</{tag}>"
                                    for word, number in zip(words[1:], numeric[1:])) + "</tr>"


def join_keys(words, keys):
    return [", ".join(words[:keys]), *words[keys:]]


def html_table(columns, rows, keys=1):
    """keys: how many columns say what a row is about."""
    heading = join_keys([name for name, _ in columns], keys)
    lines = [join_keys(line, keys) for line in report.cells(columns, rows)]
    numeric = [all(re.match(r"[-+]?[0-9.]*(\.\.[0-9.]+)?$", line[i]) for line in lines) for i in range(len(heading))]
    return "\n".join(["<div class=wide><table><thead>", html_row("th", heading, numeric), "</thead><tbody>",
                      *(html_row("td", line, numeric) for line in lines), "</tbody></table></div>"])


# Bars

class Bar(NamedTuple):
    name: str
    colour: str
    value: float
    text: str
    spread: Optional[tuple] = None  # (least, most)


def html_bar(bar, scale):
    def percent(value):
        return f"{100 * value / scale if scale else 0:.2f}%"
    spread = ""
    if bar.spread:
        spread = f'<s style="left:{percent(bar.spread[0])};width:{percent(bar.spread[1] - bar.spread[0])}"></s>'
    return (f'<div class=bar><span>{html.escape(bar.name)}</span><span class=track>'
            f'<i style="width:{percent(bar.value)};background:{bar.colour}"></i>{spread}</span>'
            f"<span>{html.escape(bar.text)}</span></div>")


def ends(bars):
    return max((bar.spread[1] if bar.spread else bar.value for bar in bars), default=0)


def html_chart(title, groups, name, value):
    """groups: [(heading, [Bar])], each with a scale of its own. name, value: widths of the text, in rem."""
    parts = [f"<h3>{html.escape(title)}</h3>", f'<div class=charts style="--name:{name}rem;--value:{value}rem">']
    for heading, bars in groups:
        named = [f"<h4>{html.escape(heading)}</h4>"] if heading else []
        parts += ["<figure class=chart>", *named, *(html_bar(bar, ends(bars)) for bar in bars), "</figure>"]
    return "\n".join([*parts, "</div>"])


# Charts of sections

def frames_of(rows):
    return list(dict.fromkeys(row["frame"] for row in rows))


def throughput_chart(results):
    groups = [(f"{frame} bytes", [
        Bar(f"{row['requested']} ({row['effective']})", COLOURS[row["requested"]], row["mpps"],
            f"{row['mpps']:.2f} ({row['mpps_min']:.2f}..{row['mpps_max']:.2f})", (row["mpps_min"], row["mpps_max"]))
        for row in results["rows"] if row["frame"] == frame]) for frame in frames_of(results["rows"])]
    return html_chart("Mpps, median (minimum..maximum)", groups, 8.5, 9)


def stores_chart(results):
    rows = [row for row in results["copies"] if row["bytes"] == answer.FRAME and row["cpu_ceiling"]]
    if not answer.first(rows, "UC-"):
        return ""
    bars = [Bar(f"{row['store']} bytes, {row['effective'].rstrip('-')}", UC if row["effective"] == "UC-" else WC,
                row["cpu_ceiling"], f"{row['cpu_ceiling']:.1f}") for row in rows]
    return html_chart("CPU ceiling by bytes of a store, Mpps (modelled)", [("", bars)], 7, 3.5)


def drivers_chart(results):
    groups = {}
    for row in results["drivers"]:
        groups.setdefault(f"{row['driver']}: {row['what']}, {row['frame']}-byte frames", []).append(
            Bar(row["effective"], UC if row["effective"] != "WC" else WC, row["writes"], f"{row['writes']:.2f}"))
    return html_chart("PCIe writes a packet (modelled)", groups.items(), 3, 3.5)


def link_bars(results, value, of_limit):
    for frame in frames_of(results["models"]):
        models = [model for model in results["models"] if model["frame"] == frame]
        bars = [Bar(f"{model['requested']} ({model['effective']})", COLOURS[model["requested"]], value(model),
                    f"{value(model):.3g}") for model in models]
        bars += [Bar(name, COLOURS[key], of_limit(bound(models[0])), f"{of_limit(bound(models[0])):.3g}")
                 for name, key, bound in [("UC, MOVDIR64B", "direct", report.direct),
                                          ("limit", "limit", report.limit)]]
        yield f"{frame} bytes", bars


def link_chart(results):
    return "\n".join([
        html_chart("PCIe writes a packet (modelled)",
                   link_bars(results, lambda model: model["writes"], lambda row: row["writes"]), 8.5, 3),
        html_chart("Wire efficiency, % (modelled)",
                   link_bars(results, lambda model: 100 * model["efficiency"], lambda row: row["percent"]), 8.5, 3)])


def peers_chart(results):
    """Without testpmd alone, which is a limit, and would make the others too short to compare."""
    groups = {}
    for row in (row for row in results["peers"] if row["peer"] != peers.ALONE):
        groups.setdefault(f"{row['frame']} bytes, {row['mode']}, {row['state']}, CPUs {row['cpus']}", []).append(
            Bar(row["peer"], WC if row["peer"] == report.IVSHMEM else OTHER, row["mpps"], f"{row['mpps']:.2f}",
                (row["mpps_min"], row["mpps_max"])))
    return html_chart("Mpps, median, with minimum and maximum", groups.items(), 9.5, 3.5)


CHARTS = {"throughput": throughput_chart, "stores": stores_chart, "drivers": drivers_chart, "link": link_chart,
          "peers": peers_chart}


# The answer

def cost_bar(name, colour, row, by_time):
    ns = f"{row['cpu_ns']:.0f} ns, " if row.get("cpu_ns") else ""
    return Bar(name, colour, row["cpu_ns"] if by_time else row["writes"], f"{ns}{row['writes']:.3g} PCIe writes")


def html_cost(cost):
    """A card: how many times as long, and why; writes alone where no time is known."""
    by_time = cost.ratio is not None
    times, what = (cost.ratio, "CPU time") if by_time else (cost.uc["writes"] / cost.wc["writes"], "PCIe writes")
    bars = [cost_bar("UC", UC, cost.uc, by_time), cost_bar("WC", WC, cost.wc, by_time)]
    return "\n".join(["<div class=card>", f"<h3>{html.escape(cost.what)}</h3>",
                      f"<p><b>{times:.2g} ×</b> the {what} through UC (modelled)</p>",
                      *(html_bar(bar, ends(bars)) for bar in bars), "</div>"])


def html_answer(results):
    word, sentence = answer.is_on(results)
    costs = answer.costs_of(results)
    cards = ['<div class=cards style="--name:1.8rem;--value:12rem">', *map(html_cost, costs), "</div>"] if costs else []
    return "\n".join(["<header>", f"<h1>{html.escape(answer.headline(results))}</h1>",
                      f"<p>Is WC on? <strong>{html.escape(word)}</strong>{': ' * bool(sentence)}{escape(sentence)}</p>",
                      *cards,
                      *(paragraph(text, "small") for text in [*answer.platform_lines(results),
                                                              *answer.measured_lines(results),
                                                              *report.unfinished(results),
                                                              " ".join(report.made_lines(results))]), "</header>"])


# The page

def html_section(results, section):
    chart = CHARTS[section.name](results) if section.name in CHARTS else ""
    table = html_table(section.columns, section.rows, section.keys) if section.columns else ""
    body = "\n".join([*map(paragraph, section.paragraphs), chart, table])
    if section.folded:
        return f"<details><summary>{html.escape(section.title)}</summary>\n{body}\n</details>"
    return f"<section>\n<h2>{html.escape(section.title)}</h2>\n{body}\n</section>"


def web_page(results):
    body = "\n".join([html_answer(results), *(html_section(results, section) for section in report.sections(results))])
    return ("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            f"<title>wc-bench</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n")
