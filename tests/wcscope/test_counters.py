# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Names that wcscope in C and its readers in Python share, on a report that is made without a guest."""

import json
import subprocess

import pytest

from bench import wc_bench_model, wc_bench_report, wc_costs
from harness import TOP, wcscope

pytestmark = pytest.mark.quick

# One frame of a line, its header and a credit
REPORT = r"""
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "wc_scope.h"

static void
command(struct scope *scope, const char *line)
{
    char reply[256];

    scope_command(scope, line, reply, sizeof(reply));
    assert(strcmp(reply, "ok") == 0);
}

int main(void)
{
    struct scope *scope = scope_create(NULL);

    command(scope, "bar 0 65536");
    command(scope, "model intel");
    command(scope, "range control 0x10000 4096 0 uc");
    command(scope, "range slots 0x20000 4096 4096 wc");
    command(scope, "start");
    scope_store(scope, 0, scope_find(scope, 0x20000), 0x20000, 64, false, 1);
    scope_load(scope, 0, scope_find(scope, 0x20000), 0x20040, 16, false, 1);
    scope_store(scope, 0, scope_find(scope, 0x10000), 0x10000, 4, false, 2);
    command(scope, "stop");
    command(scope, "report /dev/stdout");
    for (int n = 0; n < LINT_NB_RULES; n++)
        fprintf(stderr, "%s\n", lint_rule_name(n));
}
"""
SENT = {"guest_sent": 1, "tx_bursts": 1, "tx_blank_lines": 0, "rx_line_reads": 1, "rx_head_reads": 0,
        "rx_credit_writes": 0, "tx_credit_reads": 0, "effective": "WC"}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    directory = tmp_path_factory.mktemp("counters")
    (directory / "report.c").write_text(REPORT)
    subprocess.run(["gcc", f"-I{TOP}/wcscope", directory / "report.c",
                    *(TOP / f"wcscope/{name}.c" for name in ("wc_lint", "wc_model", "wc_scope")), "-pthread", "-o",
                    directory / "report"], check=True)
    return directory / "report"


@pytest.fixture
def report(program):
    report = json.loads(subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout)
    report["totals"] = wcscope.Counts(report["totals"])
    return report


def summarise(program, report, **sent):
    symbols = wcscope.Symbols(program, "")
    return {"requested": "--vfio-wc", **wc_bench_model.summarise(64, SENT | sent, report, symbols)}


def rename(report, old, new):
    """What a plugin reports that has another name for a counter."""
    return json.loads(json.dumps(report).replace(f'"{old}"', f'"{new}"'), object_hook=wcscope.Counts)


def test_all_counters_are_listed_and_reported(report):
    for counts in report["totals"], *report["sites"]:
        assert {name for name in counts if name in report["counters"]} == set(report["counters"])
        assert {name for name in counts if isinstance(counts[name], int)} <= {*report["counters"], "pc", "collapsed",
                                                                              "direct", "fences"}


def test_names_in_python_are_those_of_the_plugin(program, report):
    model = summarise(program, report)
    for columns, rows in [(wc_bench_report.LINK, wc_bench_report.link_rows([model])),
                          (wc_bench_report.FUNCTIONS, wc_bench_report.function_rows([model], 64))]:
        assert wc_bench_report.markdown_table(columns, rows)


@pytest.mark.parametrize("name", ["stores", "store_bytes", "writes", "write_bytes", "wire_bytes", "reads",
                                  "read_bytes", "read_wire_down", "read_wire_up", "full_lines", "partial_lines"])
def test_counter_that_is_missing_is_named(program, report, name):
    with pytest.raises(wcscope.ScopeError, match=f"no counter '{name}'"):
        test_names_in_python_are_those_of_the_plugin(program, rename(report, name, "colour"))


def test_counter_that_is_new_is_summed(program, report):
    """Nothing in Python lists them."""
    new = rename(report, "load_bytes", "colour")
    assert wcscope.by_range(new)["slots"]["colour"] == 16
    assert {row["range"]: row["colour"] for row in summarise(program, new)["functions"]} == {"slots": 16, "control": 0}


def test_rules_in_python_are_those_of_the_plugin(program, report):
    rules = subprocess.run([program], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True).stderr
    assert set(rules.split()) == set(wcscope.RULES)
    with pytest.raises(wcscope.ScopeError, match="has a rule 'colour', which is unknown"):
        wcscope.findings(rename(report, "plain-load", "colour"), wcscope.Symbols(program, ""))


@pytest.mark.parametrize("sent, message", [
    ({"guest_sent": 2}, "64 bytes: bytes stored to the slots: 64, not 128"),
    ({"rx_credit_writes": 1}, "64 bytes: bytes stored to the control area: 4, less than 8"),
    ({"guest_sent": 0}, "64 bytes: the guest sent 0 packets")])
def test_report_that_contradicts_the_driver(program, report, sent, message):
    with pytest.raises(wc_bench_model.ModelError, match=message):
        summarise(program, report, **sent)


def test_heartbeats_may_be_more(program, report):
    assert summarise(program, report, tx_bursts=0)["packets"] == 1


def test_costs_of_a_report(report):
    """A line in one store, and a header and a word of the control area in others: no fence."""
    work = wc_costs.stores_of(report)
    assert work == wc_costs.Work(uc_stores=1, stores=1, lines=1)
    f1 = wc_costs.PLATFORMS["f1"].costs
    assert wc_costs.cpu_ns(wc_costs.steady(f1), work) == f1.uc_store + f1.line
    evicted = report | {"totals": report["totals"] | {"sent": {"victim": 3, "fence": 2, "full": 1}, "fences": 1}}
    assert (wc_costs.stores_of(evicted).evicted, wc_costs.stores_of(evicted).fences) == (3, 1)
    for site in report["sites"]:
        site["write_bytes"] = 32 * site["writes"]
    assert wc_costs.stores_of(report) == wc_costs.Work(uc_wide=1, stores=1, lines=1)
