# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Find unwanted reports in a kernel's log."""

import re

REPORT = re.compile(r"\bBUG:|\bWARNING:|KASAN: |UBSAN: |INFO: task|Oops|[Gg]eneral protection|Kernel panic|soft lockup|"
                    r"circular locking|recursive locking|inconsistent lock|Invalid wait context|suspicious RCU|"
                    r"sleeping function|list_(add|del) corruption|[Bb]ad page|refcount_t: |DEBUG_LOCKS_WARN|"
                    r"kmemleak: \d+ new suspected|unreferenced object|turning off the locking correctness validator|"
                    r"Memory failure")


def find_reports(lines):
    """[(headline, context)] of the reports of debug options."""
    reports = []
    last = -1000
    for number, line in enumerate(lines):
        if REPORT.search(line):
            # Matches within a report belong to it.
            if number - last > 60:
                reports.append((line.strip(), "\n".join(lines[max(number - 2, 0):number + 80])))
            last = number
    return reports
