# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Commands of DPDK's programs on this machine."""

import os


def host_command(release, path, role, program, *arguments):
    """The command that runs a program of dpdk-wc-guest on a port of net_ivshmem of this machine."""
    return [release / "dpdk-wc-guest", "--no-huge", "--no-pci", "--no-telemetry", "-m", "128", "--lcores", "0@0",
            "--file-prefix", f"echo-{os.getpid()}", "--vdev", f"net_ivshmem0,path={path},role={role}", "--", program,
            *arguments]
