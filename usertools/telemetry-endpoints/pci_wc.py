# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Endpoint of dpdk-telemetry-exporter.py: write-combining mappings of PCI devices, as granted.

Whether they are effective only the page tables show.
"""

BARS = range(6)
GRANTED = "granted"
MAPPED = "mapped_bytes"


def info():
    return {
        GRANTED: ("1 if write-combining was granted for a BAR, 0 if it was refused. Not whether it is effective.",
                  "gauge"),
        MAPPED: ("Bytes of a BAR that the process has mapped through what was granted.", "gauge"),
    }


def mapped_bytes(device, bar):
    if device[f"{bar}_activated"]:
        return int(device[f"{bar}_size"], 16)
    return sum(int(value, 16) for name, value in device.items()
               if name.startswith(f"{bar}_range") and name.endswith("_length"))


def metrics(sock):
    found = []
    for name in sock.cmd("/bus/pci/wc") or []:
        device = sock.cmd("/bus/pci/wc", name)
        for bar in (f"bar{number}" for number in BARS):
            if device.get(f"{bar}_state", "not requested") == "not requested":
                continue
            labels = {"device": name, "bar": bar, "mode": device["mode"], "reason": device[f"{bar}_reason"]}
            found.append((GRANTED, int(device[f"{bar}_state"] == "granted"), labels))
            found.append((MAPPED, mapped_bytes(device, bar), labels))
    return found
