# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""What DPDK's exporter does for one request, for releases that do not have it: scrape.py SOCKET ENDPOINT"""

import importlib.util
import json
import socket
import sys


class Telemetry:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(path)
        self.max_len = json.loads(self.socket.recv(1024))["max_output_len"]

    def cmd(self, uri, arg=None):
        command = uri if arg is None else f"{uri},{arg}"
        self.socket.send(command.encode())
        return json.loads(self.socket.recv(self.max_len))[uri]


def main(path, endpoint):
    spec = importlib.util.spec_from_file_location("pci_wc", endpoint)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    known = module.info()
    for name, value, labels in module.metrics(Telemetry(path)):
        assert name in known
        text = ", ".join(f'{label}="{each}"' for label, each in labels.items())
        print(f"dpdk_pci_wc_{name}{{{text}}} {value}")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main(*sys.argv[1:])
