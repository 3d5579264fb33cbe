# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Shared by tests and benches: guests, testpmd in guests and on this machine, and the observation of both."""

from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
# Debian's Python, which finds the packages of this checkout from any directory
PYTHON = ["/usr/bin/env", f"PYTHONPATH={TOP}", "/usr/bin/python3", "-P"]
# Bytes of an ivshmem device's memory where nothing calls for another size: room for net_ivshmem with short rings, and
# for a page of 2 MiB
IVSHMEM_SIZE = 4 << 20
