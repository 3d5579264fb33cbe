# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""wc-probe: what it makes of times, and that it runs."""

import platform
import re

import pytest

from bench import wc_costs, wc_probe
from harness import cpuinfo

pytestmark = pytest.mark.quick

# Zen 4, in ns: up to 7 streams, 8, 9 and more; a round with a line that is kept costs 1 more, or 12
FRESH_NS = 11


def times(buffers=8, knee=8, kept=lambda fresh, knee: 1 if fresh < knee else 12, factor=1.0):
    streams = {("streams", number): 3.2 if number < buffers else 7.0 if number == buffers else 92.5
               for number in range(1, 25)}
    none = {("none", fresh): FRESH_NS * fresh for fresh in range(2, 17)}
    with_kept = {("kept", fresh): FRESH_NS * fresh + kept(fresh, knee) for fresh in range(2, 17)}
    return {what: ns * factor for what, ns in
            {**streams, **none, **with_kept, ("fence", 64): 95.0, ("fence", 56): 96.0}.items()}


def report(monkeypatch, runs, identity=("AuthenticAMD", "25", "17")):
    monkeypatch.setattr(cpuinfo, "identity", lambda: identity)
    lines, problems = wc_probe.report(runs, 0)
    return "\n".join(lines), problems


def test_preset_of_zen_4(monkeypatch):
    text, problems = report(monkeypatch, [times(), times(factor=1.01)])
    assert "\nModel: wc-bench --model PRESET,buffers=8,victim=least-used\n" in text
    assert "\nCosts: wc-bench --platform NAME,store=0.402,fence=95.5,drains=8.22,reopen=105\n" in text
    for line in ("buffers  8                       8       agrees", "store    0.402 (0.4 to 0.404)    0.4     agrees",
                 "drains   8.22 (8.22 to 8.22)     8       agrees", "reopen   105 (104 to 105)        -"):
        assert f"\n{line}\n" in text
    assert "that of the platform genoa, which agrees." in text and problems == []


def test_oldest_is_recognised():
    """Its line is evicted every few rounds as soon as any lines are fresh."""
    lines = wc_probe.kept_lines(range(2, 17), 8)["oldest"]
    found = times(kept=lambda fresh, _knee: 11 * lines[fresh - 2])
    assert wc_probe.victim_of(found, 8)[0] == "oldest"


def test_victim_may_be_unclear():
    assert wc_probe.victim_of(times(kept=lambda fresh, _knee: 5 - fresh % 2), 8)[0] == "unclear"


@pytest.mark.parametrize("runs, problem", [
    ([times(factor=1.3)] * 2, "fence is 95 in the preset, 124 (124 to 124) here"),
    ([times(buffers=12, knee=12)] * 2, "buffers is 8 in the preset, 12 here"),
    ([times(), times(buffers=12)], "runs show different numbers of buffers (8, 12)"),
    ([times(buffers=24)] * 2, "the buffers cannot be counted"),
    ([{**times(), ("streams", 1): 400}] * 2, "the buffers cannot be counted")])
def test_what_differs(monkeypatch, runs, problem):
    text, problems = report(monkeypatch, runs)
    assert any(problem in one for one in problems) and "agrees." not in text


def test_cost_differs_in_the_table(monkeypatch):
    text, problems = report(monkeypatch, [times(factor=1.3)] * 2)
    assert "\nfence    124 (124 to 124)        95      differs\n" in text
    assert "that of the platform genoa, which differs." in text and len(problems) == 2  # the store, too


@pytest.mark.parametrize("preset, same", [(95, True), (110, True), (94, False), (106, True), (111, False)])
def test_agrees_within_the_range_and_a_little_more(preset, same):
    assert wc_probe.agrees(preset, [100, 102, 105]) == same


def test_round_that_takes_as_long_with_any_streams():
    """Zen 5: a line that was evicted is collected again 91 ns later."""
    found = times(buffers=12, knee=12)
    found.update({("streams", number): 91 * 8 / number for number in range(13, 25)})
    costs = wc_probe.costs_of(found, 12)
    assert costs["reopen"] == pytest.approx(91) and costs["drains"] == pytest.approx(95 * 24 / 91)


def test_cpu_without_a_platform(monkeypatch):
    text, problems = report(monkeypatch, [times()], ("GenuineIntel", "6", "207"))
    assert "No platform of bench/wc_costs.py is this CPU." in text and problems == []


def test_each_platform_that_was_probed_has_its_model():
    """The number of buffers in bench/wc_costs.py is that of the preset."""
    for name, probed in wc_costs.PLATFORMS.items():
        for streams in (probed.buffers, probed.buffers + 1) if probed.buffers else ():
            point = wc_costs.Point("store", "wc", 8, 1024, streams, "", 0, 0, "", "")
            assert (wc_costs.count([(probed.preset, point)])[0][3] > 0) == (streams > probed.buffers), name


@pytest.mark.skipif(platform.machine() != "x86_64", reason="measures by instructions of x86-64")
def test_program_measures():
    runs = [wc_probe.parse(text) for text in wc_probe.run_program(2)]
    assert len(runs) == 2 and runs[0].keys() == runs[1].keys() == times().keys()
    assert all(ns > 0 for ns in runs[0].values())


def test_text_of_the_tool(monkeypatch, capsys):
    text = "".join(f"{what} {argument} {ns:.2f}\n" for (what, argument), ns in times().items())
    monkeypatch.setattr(wc_probe, "run_program", lambda runs: [text] * runs)
    monkeypatch.setattr(cpuinfo, "identity", lambda: ("AuthenticAMD", "25", "17"))
    monkeypatch.setattr("sys.argv", ["wc-probe", "--runs", "3", "--when-busy", "ignore"])
    assert wc_probe.main(wc_probe.parse_args()) == 0
    out = capsys.readouterr().out
    assert re.search(r"^CPU: .*\. Other programs used \d+ %", out, re.M) and "does not show" in out
