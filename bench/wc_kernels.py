# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The tests of the kernel interface on each kernel, as a table: Debian's kernels with the module, and the series.

Each cell says how many tests passed, of how many. A control is a test in which something is broken on purpose; it
passes if exactly what depends on that fails. A cell is empty where the kernel has nothing to test.
"""

import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from collections import Counter
from pathlib import Path

from harness import TOP, tool, version

# By the parameters of a test, the part of its name in brackets
KERNELS = {"6.1, module": r"^(stock|module)-6\.1(-|$)", "6.12, module": r"^(stock|module)-6\.12(-|$)",
           "7.3, module": r"^(stock|module)-7\.3(-|$)", "6.12, series": r"^(6\.12(/full)?|full)(-|$)|^no-IOMMU mode$",
           "7.3, series": r"^7\.3(/full)?(-|$)"}
# By the name of a test with its parameters. The first row that matches counts.
ROWS = {
    "memory types, 4 KiB to 1 GiB": r"::test_(alias|series)\[.*-types-|::test_1g\[|::test_types_and_contents\[",
    "revocation, by each way": r"::test_(alias|series)\[.*-(memory-disabled(-child|-inherited)?|low-power|device-reset|"
                               r"hot-reset|reset-while-disabled)\]",
    "errors and the rest of the interface": r"::test_(alias|series)\[|::test_bar_that_root_has_mapped\[|::test_msix",
    "stress and random arguments": r"::test_stress|::test_alias_stress|::test_reading_while|::test_.*fuzz",
    "dpdk-testpmd --vfio-wc": r"::test_echo",
    "--vfio-wc=strict": r"::test_strict_control_granted\[",
    "RTE_PCI_DRV_WC_ACTIVATE": r"::test_activate\[",
    "no-IOMMU mode (Debian's kernels do not have it)": r"::test_device\[no-IOMMU mode\]",
    "vfio-pci's own": r"::test_(parameters|module_aliases|version|unload_and_back|intel_device_that_is_none)\[",
    "introspection": r"::test_mappings",
    "refused, with the reason": r"::test_refused",
    "controls": r"::test_control|::test_entry_that_is_not_wc",
}
FILES = ["tests/kernel/test_module.py", "tests/kernel/test_kernel_alias.py", "tests/kernel/test_kernel_stress.py",
         "tests/bus/test_bus_wc.py", "tests/ivshmem/test_ivshmem.py", "tests/bench/test_wc_bench_device.py"]
SELECTION = ("module or kernel_alias or kernel_stress or echo or strict_control or activate or types_and_contents or "
             "no-IOMMU")


def place(name):
    """(row, kernel) of a test, None if the table does not have it."""
    parameters = name.partition("[")[2].rstrip("]")
    kernel = next((kernel for kernel, pattern in KERNELS.items() if re.search(pattern, parameters)), None)
    row = next((row for row, pattern in ROWS.items() if re.search(pattern, name)), None)
    return (row, kernel) if row and kernel else None


def count(report):
    """{(row, kernel): Counter of passed, failed, skipped} of a report of pytest in JUnit's format."""
    cells = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        where = place("::" + case.get("name"))
        if where is None:
            continue
        outcome = ("failed" if case.find("failure") is not None or case.find("error") is not None else
                   "skipped" if case.find("skipped") is not None else "passed")
        cells.setdefault(where, Counter())[outcome] += 1
    return cells


def cell(counter):
    if counter is None:
        return ""
    done = counter["passed"] + counter["failed"]
    text = f"{counter['passed']} of {done}" if done else ""
    return " ".join(filter(None, [text, f"({counter['skipped']} skipped)" if counter["skipped"] else ""]))


def table(cells):
    lines = [f"| | {' | '.join(KERNELS)} |", f"|:--|{'--:|' * len(KERNELS)}"]
    lines += [f"| {row} | {' | '.join(cell(cells.get((row, kernel))) for kernel in KERNELS)} |" for row in ROWS]
    return "\n".join(lines)


def parse_args():
    return tool.ArgumentParser(prog="wc-kernels", description=__doc__).parse_args()


def main(_args):
    with tempfile.TemporaryDirectory(prefix="wc-kernels.") as directory:
        report = Path(directory) / "report.xml"
        run = subprocess.run([TOP / "devtools/wc-test", *FILES, "--all-kernels", "-k", SELECTION, "-n", "2", "--dist",
                              "loadfile", "--timeout=900", f"--junitxml={report}"], stdout=sys.stderr)
        if not report.exists():
            raise tool.ToolError("the tests did not run, see above")
        cells = count(report)
    print(f"Made with {version.describe()}.\n\n{table(cells)}")
    return run.returncode


if __name__ == "__main__":
    tool.run("wc-kernels", parse_args, main, modules=["pexpect"], programs=["qemu-system-x86_64"])
