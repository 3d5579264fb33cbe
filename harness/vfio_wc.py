# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The program vfio-wc, and trees of files that take the place of a machine for it."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections import namedtuple
from pathlib import Path

from harness import TOP

SOURCE = TOP / "vfio-wc"
WARNINGS = ["-std=gnu11", "-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Werror", "-g", "-D_GNU_SOURCE",
            '-DVFIO_WC_VERSION="test"']
SANITIZERS = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
MAPPINGS = "sys/kernel/debug/vfio_pci_wc/mappings"
HEADER = "# device pid start-end bar bar-offset asked effective n4k n2m n1g faults command"
SERIES_MAPPINGS = "sys/kernel/debug/vfio"
SERIES_HEADER = HEADER.replace(" faults", "")
RELEASE = "6.12.117+deb12-amd64"
DEVICE = "0000:00:04.0"
GOOD, BAD, UNKNOWN, USAGE = 0, 1, 2, 64

Result = namedtuple("Result", "status out err")


def build(directory, options=("-O2",)):
    """Compile the program; returns its path."""
    program = Path(directory) / "vfio-wc"
    subprocess.run(["gcc", *WARNINGS, *options, "-o", program, *sorted(SOURCE.glob("*.c"))], check=True)
    return program


def build_library(directory, options=("-O2",)):
    """Compile the library that run preloads, beside the program; returns its path."""
    library = Path(directory) / "vfio-wc-preload.so"
    shared = [SOURCE / "pci_name.c", *SOURCE.glob("pci_wc_*.c"), SOURCE / "wc_select.c"]
    subprocess.run(["gcc", *WARNINGS, *options, "-fPIC", "-shared", "-fvisibility=hidden", "-o", library,
                    *sorted((SOURCE / "preload").glob("*.c")), *shared], check=True)
    return library


def run(program, *arguments, **options):
    """Run it with sanitizers' reports as failures."""
    done = subprocess.run([program, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, **options)
    out, err = done.stdout.decode(errors="surrogateescape"), done.stderr.decode(errors="replace")
    assert done.returncode in (GOOD, BAD, UNKNOWN, USAGE) and "Sanitizer" not in err and "runtime error" not in err, err
    return Result(done.returncode, out, err)


class Machine:
    """Files of a machine on which nothing stands between the device DEVICE and write-combining."""

    def __init__(self, root, program):
        self.root = Path(root)
        self.program = program
        self.write("proc/sys/kernel/osrelease", f"{RELEASE}\n")
        self.write("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda ro quiet\n")
        self.write("proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu pat pse36\n")
        self.write("proc/kallsyms", "0000000000000000 T vfio_pci_core_ioctl\t[vfio_pci_core]\n")
        self.write("proc/self/mounts", "debugfs /sys/kernel/debug debugfs rw 0 0\n"
                                       "securityfs /sys/kernel/security securityfs rw 0 0\n")
        self.write("proc/self/status", "Name:\tvfio-wc\nCapEff:\t000001ffffffffff\n")
        self.write("proc/self/limits", "Limit                     Soft Limit           Hard Limit           Units\n"
                                       "Max locked memory         8388608              8388608              bytes\n")
        self.write("proc/mtrr", "reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable\n")
        self.write("sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
        self.write("sys/kernel/debug/x86/pat_memtype_list", "PAT memtype list:\n")
        self.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n")
        self.write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n")
        self.write(f"lib/modules/{RELEASE}/kernel/drivers/vfio/pci/vfio-pci.ko.xz", "")
        self.write(f"boot/config-{RELEASE}", "#\nCONFIG_VFIO=m\n# CONFIG_VFIO_NOIOMMU is not set\n")
        self.write("dev/vfio/vfio", "")
        self.module()
        self.device(DEVICE)

    # Files

    def path(self, name):
        return self.root / name

    def write(self, name, contents):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(contents, bytes):
            path.write_bytes(contents)
        else:
            path.write_text(contents, encoding="utf-8", errors="surrogateescape")

    def link(self, name, target):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def remove(self, name):
        path = self.path(name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    # The kernel

    def module(self, version="wc-0.2.0"):
        """vfio-pci is this project's module, or the distribution's if there is no version."""
        self.path("sys/module/vfio_pci").mkdir(parents=True, exist_ok=True)
        if version:
            self.write("sys/module/vfio_pci/version", f"{version}\n")
        else:
            self.path("sys/module/vfio_pci/version").unlink(missing_ok=True)

    def stock(self):
        self.module(None)

    def series(self):
        self.module(None)
        self.write("proc/kallsyms", "0000000000000000 t vfio_pci_core_feature_alias\t[vfio_pci_core]\n")

    def mappings(self, *lines):
        """The module's file of mappings."""
        self.write(MAPPINGS, "".join(f"{line}\n" for line in (HEADER, *lines)))

    def series_mappings(self, device, *lines):
        """The series' file of a device's mappings."""
        self.write(f"{SERIES_MAPPINGS}/{device}/pci/alias_mappings",
                   "".join(f"{line}\n" for line in (SERIES_HEADER, *lines)))

    # Devices and processes

    def device(self, name, driver="vfio-pci", group="3", ident=("0x1af4", "0x1110"), class_="0x050000",
               bars=((0xfebf1000, 256, 0x40200), None, (0xfdc00000, 4 << 20, 0x14220c))):
        at = f"sys/bus/pci/devices/{name}"
        for file, number in zip(("vendor", "device", "class"), (*ident, class_)):
            self.write(f"{at}/{file}", f"{number}\n")
        lines = [f"0x{start:016x} 0x{start + size - 1:016x} 0x{flags:016x}" for start, size, flags in
                 (bar or (0, 1, 0) for bar in bars)]
        self.write(f"{at}/resource", "\n".join(lines) + "\n")
        if driver:
            self.link(f"{at}/driver", f"../../../bus/pci/drivers/{driver}")
        if group:
            self.link(f"{at}/iommu_group", f"../../../kernel/iommu_groups/{group}")
            self.link(f"sys/kernel/iommu_groups/{group}/devices/{name}", f"../../../../bus/pci/devices/{name}")
            self.write(f"dev/vfio/{group}", "")

    def process(self, pid, command="dpdk-testpmd", arguments=(), fds=(), maps=(), environment=()):
        """fds: targets of links, or (target, text of fdinfo); environment: variables as NAME=VALUE."""
        at = f"proc/{pid}"
        self.write(f"{at}/environ", "".join(f"{word}\0" for word in environment))
        self.write(f"{at}/comm", f"{command}\n")
        self.write(f"{at}/cmdline", "".join(f"{word}\0" for word in (command, *arguments)))
        self.write(f"{at}/maps", "".join(f"{line}\n" for line in maps))
        self.path(f"{at}/fd").mkdir()
        for number, fd in enumerate(fds):
            target, info = (fd, "") if isinstance(fd, str) else fd
            self.link(f"{at}/fd/{number}", target)
            self.write(f"{at}/fdinfo/{number}", f"pos:\t0\nflags:\t02000002\n{info}")

    # The program

    def run(self, *arguments, status=None, **options):
        result = run(self.program, "--root", self.root, *arguments, **options)
        assert status is None or result.status == status, f"{result.status}\n{result.out}{result.err}"
        return result

    def status(self, *arguments, status=None):
        """The object of status --json; the other forms have the same exit status."""
        result = self.run("status", "--json", *arguments, status=status)
        for form in ([], ["--prometheus"]):
            self.run("status", *form, *arguments, status=result.status)
        state = json.loads(result.out)
        assert state["exit_status"] == result.status
        return state

    def doctor(self, *arguments, **options):
        """(exit status, {check: (result, text, command)})"""
        result = self.run("doctor", *arguments, **options)
        return result.status, parse_doctor(result.out)


def parse_doctor(text):
    """{check: (result, text, command)}, from lines "RESULT CHECK: TEXT -> COMMAND"."""
    checks = {}
    for line in text.splitlines():
        kind, rest = line[:8].strip(), line[8:]
        assert kind in ("ok", "PROBLEM", "unknown"), line
        check, _, said = rest.partition(": ")
        said, _, command = said.partition(" -> ")
        assert (kind == "ok") == (command == "") and check not in checks, line
        checks[check] = (kind, said, command)
    return checks


def alias_map(start, size, offset, inode=77, path="anon_inode:[vfio-device]"):
    """A line of /proc/PID/maps."""
    return f"{start:x}-{start + size:x} rw-s {offset:x} 00:0e {inode}                      {path}"


def group_files(group="3"):
    """Links of a process that has a device of a group open."""
    return ["/dev/null", "/dev/vfio/vfio", f"/dev/vfio/{group}", "anon_inode:[vfio-device]", "anon_inode:[eventfd]"]


@contextlib.contextmanager
def open_machine(program):
    """A machine in a place that everybody can read, to run the program AS_NOBODY."""
    with tempfile.TemporaryDirectory(prefix="vfio-wc.") as directory:
        os.chmod(directory, 0o755)
        yield Machine(Path(directory) / "root", shutil.copy(program, directory))


TELEMETRY_INODE = 4711
TELEMETRY_FILE = f"socket:[{TELEMETRY_INODE}]"
TELEMETRY_PATH = "/run/dpdk/rte/dpdk_telemetry.v2"
GREETING = b'{"version":"DPDK 22.11.11","pid":312,"max_output_len":16384}'


def unix_socket(path=TELEMETRY_PATH, inode=TELEMETRY_INODE, flags=0x10000, kind=5):
    """A line of /proc/PID/net/unix."""
    return f"0000000000000000: 00000002 00000000 {flags:08X} {kind:04X} 01 {inode:5} {path}"


def unix_sockets(*lines):
    return "".join(f"{line}\n" for line in ("Num       RefCount Protocol Flags    Type St Inode Path", *lines))


def answer_of(*members, command="/bus/pci/wc"):
    """An answer of DPDK's telemetry to the command, of members (name, value)."""
    return json.dumps({command: dict(members)}, separators=(",", ":")).encode()


def at_path(path, function):
    """Bind or connect a socket by a path that may be too long for an address."""
    fd = os.open(path.parent, os.O_PATH)
    try:
        function(f"/proc/self/fd/{fd}/{path.name}")
    finally:
        os.close(fd)


@contextlib.contextmanager
def telemetry(machine, reply, pid=312, greeting=GREETING):
    """The telemetry socket of a process, which must have the file TELEMETRY_FILE.

    reply(request) is the answer, as bytes, or None for no answer. Yields the requests.
    """
    machine.write(f"proc/{pid}/net/unix", unix_sockets(unix_socket()))
    directory = machine.path(f"proc/{pid}/root{TELEMETRY_PATH}").parent
    directory.mkdir(parents=True)
    requests = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        at_path(directory / Path(TELEMETRY_PATH).name, listener.bind)
        listener.listen()

        def converse(client):
            if greeting is not None:
                client.send(greeting)
            while request := client.recv(1024):
                requests.append(request.decode())
                answer = reply(requests[-1])
                if answer is not None:
                    client.send(answer)

        def serve():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                # It may leave before its answer.
                with client, contextlib.suppress(OSError):
                    converse(client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield requests
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


# Options of run(); only root can use them.
AS_NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}
