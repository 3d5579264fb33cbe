# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""This machine's CPU, named so that a figure can be traced: a model name like "AMD EPYC" fits several generations."""

import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# {key in /proc/cpuinfo: word}: x86, then arm64
NAMES = {"vendor_id": "", "cpu family": "family ", "model": "model ", "stepping": "stepping ",
         "microcode": "microcode ", "CPU implementer": "implementer ", "CPU part": "part ", "CPU variant": "variant ",
         "CPU revision": "revision "}


def facts():
    """{key: value} of the first CPU."""
    return dict(re.findall(r"^(\S[^\t:]*?)\s*: (.*)$", CPUINFO.read_text().partition("\n\n")[0], re.M))


def identity():
    """(vendor, family, model) on x86."""
    found = facts()
    return tuple(found.get(key, "unknown") for key in ("vendor_id", "cpu family", "model"))


def describe():
    found = facts()
    parts = [word + found[key] for key, word in NAMES.items() if key in found]
    return f"{found.get('model name', 'unknown')} ({', '.join(parts)})" if parts else found.get("model name", "unknown")
