# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""An arm64 guest: like Guest, on QEMU's virt machine with SMMUv3.

The root is also this machine's, so that paths are the same on both sides, but its programs are for another
architecture. Scripts run in busybox for arm64 (devtools/arm64-tools) and can use only its programs; the programs of
tests are cross-compiled and static. No spawn() and no effective_types().
"""

import functools
import subprocess

from harness import TOP
from harness.guest import INIT, Guest


@functools.lru_cache(maxsize=None)
def tools_dir():
    """Directory of programs that run in the guest."""
    tools = subprocess.run([TOP / "devtools" / "arm64-tools"], check=True, stdout=subprocess.PIPE, text=True)
    return tools.stdout.strip()


class Arm64Guest(Guest):
    """See the module's description."""

    IMAGE = "Image"

    def __init__(self, kernel="6.12/arm64", **arguments):
        super().__init__(kernel, accel="tcg", **arguments)

    def _machine_args(self):
        return ["qemu-system-aarch64", "-M", "virt,iommu=smmuv3,gic-version=3", "-cpu", "max"]

    def _kernel_args(self):
        # The first process is busybox's shell: the #! line of a script names this machine's shell.
        return f"console=ttyAMA0 {self.append} init={tools_dir()}/sh -- {INIT} {tools_dir()}"
