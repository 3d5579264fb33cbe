# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""tests/kernel/vfio-alias.c, the tests of alias regions, in a guest."""

import re

from harness import TOP
from harness.guest import Guest, ivshmem

SOURCE = (TOP / "tests/kernel/vfio-alias.c").read_text()
TESTS = re.findall(r'\{ "([a-z0-9-]+)", \w+, false \}', SOURCE)
RESETS = ["device-reset", "hot-reset", "reset-while-disabled"]
# Tests that check the type of an alias's mapping. Only these may fail if x86 drops the request.
LOOK_AT_TYPE = {"types-4k", "types-4k-unaligned", "types-2m", "types-mixed", "types-alias-first",
                "types-after-mprotect", "types-in-child", "outlives-files", "mmap-bounds",
                "memory-disabled", "low-power", "cdev", "device-reset", "hot-reset"}
BAR_SIZE = 4 << 20
E1000E = ["-netdev", "hubport,hubid=0,id=n1", "-device", "e1000e,netdev=n1"]


def tap(text):
    """{name: passed} of TAP output."""
    return {name: not bad for bad, name in re.findall(r"^(not )?ok \d+ - (\S+)$", text, re.M)}


class Machine:
    """A guest with an ivshmem on the root bus (0), one behind a root port (1) and a spare one (2)."""

    def __init__(self, kernel, memory, guest_program, append="", devices=(), sizes=(BAR_SIZE,) * 3):
        self.program = guest_program("kernel/vfio-alias")
        self.map_type = guest_program("kernel/map-type")
        self.map_cost = guest_program("kernel/map-cost")
        self.kernel = kernel
        paths = [memory(f"{kernel.replace('/', '-')}-{number}", size) for number, size in enumerate(sizes)]
        self.guest = Guest(kernel=kernel, append=append, devices=[
            *ivshmem(paths[0], sizes[0], "shm0"), *ivshmem(paths[1], sizes[1], "shm1", root_port=True),
            *ivshmem(paths[2], sizes[2], "shm2"), *devices])
        self.results = {}

    def prepare(self):
        """What a kernel needs before devices can be bound."""

    def __enter__(self):
        self.guest.__enter__()
        self.prepare()
        self.bdfs = sorted(self.guest.find("1af4:1110", index) for index in range(3))
        # Bus 0 first: the two on the root bus, then the one behind the port.
        self.guest.bind(self.bdfs[0])
        self.guest.bind(self.bdfs[2])
        return self

    def __exit__(self, *exception):
        self.guest.__exit__(*exception)

    def run(self, bdf, *names):
        result = self.guest.run(f"{self.program} {bdf} {' '.join(names)}", timeout=300)
        assert result.rc in (0, 1), result
        return tap(result.out), result.out

    def passed(self, name):
        """Whether a test passes; the tests on the root bus all run together, the first time one is needed."""
        if name not in self.results:
            bdf, names = (self.bdfs[2], RESETS) if name in RESETS else (self.bdfs[0], [])
            results, self.out = self.run(bdf, *names)
            self.results.update(results)
        return self.results[name]
