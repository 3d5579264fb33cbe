# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The table of devtools/wc-kernels."""

import pytest

from bench import wc_kernels

REPORT = """<testsuites><testsuite>
<testcase name="test_alias[stock-6.12-types-2m]"/>
<testcase name="test_alias[stock-6.12-types-4k]"><failure message="is UC-"/></testcase>
<testcase name="test_alias[stock-6.1-types-4k]"><skipped message="no kernel"/></testcase>
<testcase name="test_series[7.3-memory-disabled-child]"><error message="did not boot"/></testcase>
<testcase name="test_of_something_else[7.3]"/>
</testsuite></testsuites>"""


@pytest.mark.quick
@pytest.mark.parametrize("name, row, kernel", [
    ("test_alias[stock-6.1-types-4k]", "memory types, 4 KiB to 1 GiB", "6.1, module"),
    ("test_alias[stock-6.12-types-4k]", "memory types, 4 KiB to 1 GiB", "6.12, module"),
    ("test_series[7.3-hot-reset]", "revocation, by each way", "7.3, series"),
    ("test_series[6.12-einval]", "errors and the rest of the interface", "6.12, series"),
    ("test_activate[module-7.3]", "RTE_PCI_DRV_WC_ACTIVATE", "7.3, module"),
    ("test_activate[full]", "RTE_PCI_DRV_WC_ACTIVATE", "6.12, series"),
    ("test_control_without_revocation[stock-7.3]", "controls", "7.3, module")])
def test_place(name, row, kernel):
    assert wc_kernels.place("::" + name) == (row, kernel)


@pytest.mark.quick
def test_table(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    text = wc_kernels.table(wc_kernels.count(report))
    assert "| memory types, 4 KiB to 1 GiB | (1 skipped) | 1 of 2 |  |  |  |" in text
    assert "| revocation, by each way |  |  |  |  | 0 of 1 |" in text
    assert text.splitlines()[0] == "| | 6.1, module | 6.12, module | 7.3, module | 6.12, series | 7.3, series |"
