# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Commands of DPDK's programs on this machine."""

import os


def host(release, path, role, suite, *arguments):
    """A program of dpdk-wc-guest on a port of net_ivshmem."""
    return [release / "dpdk-wc-guest", "--no-huge", "--no-pci", "--no-telemetry", "-m", "128", "--lcores", "0@0",
            "--file-prefix", f"echo-{os.getpid()}", "--vdev", f"net_ivshmem0,path={path},role={role}", "--", suite,
            *arguments]
