# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""tests/kernel/vfio-alias.c, the tests of alias regions, in a guest."""

import re

from harness import TOP
from harness.guest import Guest, ivshmem

SOURCE = (TOP / "tests/kernel/vfio-alias.c").read_text()
TESTS = re.findall(r'\{ "([a-z0-9-]+)", \w+, false \}', SOURCE)
RESETS = ["device-reset", "hot-reset", "reset-while-disabled"]
REVOKED = {"memory-disabled", "memory-disabled-child", "memory-disabled-inherited", "low-power", *RESETS}
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

    # Of the kernel's list of mappings
    COLUMNS = "device pid start-end bar bar-offset asked effective n4k n2m n1g command"

    def __init__(self, kernel, memory, guest_program, append="", devices=(), sizes=(BAR_SIZE,) * 3):
        self.program = guest_program("kernel/vfio-alias")
        self.map_type = guest_program("kernel/map-type")
        self.map_cost = guest_program("kernel/map-cost")
        self.hold_alias = guest_program("kernel/hold-alias")
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
        self.bind_devices()
        return self

    def bind_devices(self):
        # Bus 0 first: the two on the root bus, then the one behind the port.
        self.guest.bind(self.bdfs[0])
        self.guest.bind(self.bdfs[2])

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

    def mappings_file(self):
        """Where the kernel lists mappings of device 0."""
        return f"/sys/kernel/debug/vfio/{self.bdfs[0]}/pci/alias_mappings"

    def mappings(self):
        """[{column: text}] of that file."""
        header, *lines = self.guest.run(f"cat {self.mappings_file()}", check=True).out.splitlines()
        assert header == f"# {self.COLUMNS}"
        names = self.COLUMNS.split()
        return [dict(zip(names, line.split(" ", len(names) - 1))) for line in lines]


class Holder:
    """A process with a part of an alias of BAR 2 mapped."""

    def __init__(self, machine, offset=0, size=2 << 20):
        self.machine = machine
        self.terminal = machine.guest.spawn(f"exec {machine.hold_alias} {machine.bdfs[0]} {offset} {size}")
        self.terminal.expect(r"ready (\w+)")
        self.address = int(self.terminal.match.group(1), 16)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.terminal.sendline("end")
        self.machine.guest.release(self.terminal)

    def __call__(self, *commands):
        for command in commands:
            self.terminal.sendline(command)
            self.terminal.expect(r"(\w+)\r?\n")
            assert self.terminal.match.group(1) == "ok", command


def check_mappings(machine, effective="WC", huge=True):
    """The columns of one mapping but the faults, as its entries come and go."""
    def shown():
        return [{name: text for name, text in line.items() if name != "faults"} for line in machine.mappings()]

    assert shown() == []
    with Holder(machine, offset=0x100000, size=0x300000) as hold:
        pid = machine.guest.run("pidof -s gcc-hold-alias", check=True).out.strip()
        nothing = {"device": machine.bdfs[0], "pid": pid, "start-end": f"{hold.address:x}-{hold.address + 0x300000:x}",
                   "bar": "2", "bar-offset": "0x100000", "asked": "WC", "effective": "-", "n4k": "0", "n2m": "0",
                   "n1g": "0", "command": "gcc-hold-alias"}
        assert shown() == [nothing]
        # The second 2 MiB are one page where the kernel has that.
        hold("touch 0", "touch 3", "touch 256", "touch 300")
        assert shown() == [nothing | {"effective": effective, "n4k": "2" if huge else "4", "n2m": "1" if huge else "0"}]
        hold("memory 0")
        assert shown() == [nothing]
        hold("memory 1", "touch 0")
        assert shown() == [nothing | {"effective": effective, "n4k": "1"}]
    assert shown() == []


def check_mappings_of_several_processes(machine):
    with Holder(machine, size=0x3000) as hold:
        hold("touch 2", "hole 1", "child", "name two|lines x")
        found = machine.mappings()
        start = hold.address
        # Parent and child, each with both sides of the hole.
        ranges = [f"{start:x}-{start + 0x1000:x}", f"{start + 0x2000:x}-{start + 0x3000:x}"]
        assert sorted(line["start-end"] for line in found) == sorted(ranges * 2)
        pids = {line["pid"] for line in found}
        assert len(pids) == 2 and "0" not in pids
        names = {line["command"] for line in found}
        assert names == {"two\\012lines x", "gcc-hold-alias"}
        first = [line for line in found if line["start-end"] == ranges[0]]
        assert {line["effective"] for line in first} == {"-", "WC"} and {line["n4k"] for line in first} == {"0", "1"}
