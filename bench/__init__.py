# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Benches, fuzzers and long tests; devtools/ has a program that starts each."""
