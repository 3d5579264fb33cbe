# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The unit tests that the compact-offsets series brings, run by the kernel when it boots."""

import re

from harness.guest import Guest


def test_region_offsets():
    with Guest(kernel="7.3/compact", append="kunit.enable=1 kunit.autorun=1") as guest:
        log = guest.run("dmesg", check=True).out
    results = re.findall(r"    (not ok|ok) \d+ (offset_test_\w+)", log)
    assert len(results) >= 7 and all(result == "ok" for result, _name in results), log
    assert re.search(r"\] ok \d+ vfio_pci_offset$", log, re.M), log
