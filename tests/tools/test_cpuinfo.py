# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The name of this machine's CPU."""

import pytest

from harness import cpuinfo

X86 = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC
stepping\t: 1
microcode\t: 0xa101148
flags\t\t: fpu vme

processor\t: 1
vendor_id\t: other
"""
ARM64 = """\
processor\t: 0
BogoMIPS\t: 2100.00
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd4f
CPU revision\t: 0
"""


@pytest.mark.parametrize("text, description, identity", [
    (X86, "AMD EPYC (AuthenticAMD, family 25, model 17, stepping 1, microcode 0xa101148)",
     ("AuthenticAMD", "25", "17")),
    # as hypervisors may have it
    (X86.replace("microcode\t: 0xa101148\n", ""), "AMD EPYC (AuthenticAMD, family 25, model 17, stepping 1)",
     ("AuthenticAMD", "25", "17")),
    (ARM64, "unknown (implementer 0x41, part 0xd4f, variant 0x0, revision 0)", ("unknown", "unknown", "unknown")),
    ("", "unknown", ("unknown", "unknown", "unknown"))])
def test_description(monkeypatch, tmp_path, text, description, identity):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(cpuinfo, "CPUINFO", tmp_path / "cpuinfo")
    assert (cpuinfo.describe(), cpuinfo.identity()) == (description, identity)
