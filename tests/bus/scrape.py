# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Print what DPDK's exporter makes of an endpoint: scrape.py SOCKET ENDPOINT EXPORTER

EXPORTER is dpdk-telemetry-exporter.py; DPDK has it since 24.07. For earlier releases, where there is no such file, this
does the same for one request.
"""

import importlib.util
import json
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

# Free in a guest
ADDRESS = "127.0.0.1:9876"


class Telemetry:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(path)
        self.max_len = json.loads(self.socket.recv(1024))["max_output_len"]

    def cmd(self, uri, arg=None):
        command = uri if arg is None else f"{uri},{arg}"
        self.socket.send(command.encode())
        return json.loads(self.socket.recv(self.max_len))[uri]


def stand_in(path, endpoint):
    spec = importlib.util.spec_from_file_location(endpoint.stem, endpoint)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    known = module.info()
    for name, value, labels in module.metrics(Telemetry(path)):
        assert name in known
        text = ", ".join(f'{label}="{each}"' for label, each in labels.items())
        yield f"dpdk_{endpoint.stem}_{name}{{{text}}} {value}"


def exported(path, endpoint, exporter):
    command = [sys.executable, "-u", exporter, "-s", path, "-p", endpoint.parent, "-e", endpoint.stem,
               "-o", f"openmetrics://{ADDRESS}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            next(line for line in server.stdout if "listening on" in line)
            with urllib.request.urlopen(f"http://{ADDRESS}/", timeout=60) as answer:
                lines = answer.read().decode().splitlines()
        finally:
            server.kill()
    return [line for line in lines if not line.startswith("#")]


def main(path, endpoint, exporter):
    endpoint = Path(endpoint)
    if Path(exporter).exists():
        lines = exported(path, endpoint, exporter)
    else:
        lines = stand_in(path, endpoint)
    print("\n".join(lines))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main(*sys.argv[1:])
