# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""A QEMU guest that runs programs of this machine.

The guest's root is this machine's root, read-only over 9p, so that programs built here run there. /run is a tmpfs;
guest.share on the host is /run/share in the guest, writable on both sides.

    with Guest(kernel="full", devices=ivshmem("/dev/shm/x", 4 << 20)) as guest:
        bdf = guest.find("1af4:1110")
        guest.bind(bdf)                                     # to vfio-pci
        result = guest.run("cat /proc/iomem")               # .rc .out .err; check=True raises on failure
        testpmd = guest.spawn("dpdk-testpmd -- -i")         # pexpect object on a separate terminal
        testpmd.expect("testpmd> ")
        guest.effective_types(address, length)              # {"WC"}, for a process that polls on a CPU

A kernel is one of devtools/build-kernel, such as 7.3/full, or one of Debian: stock-6.12 as it is, where load_vfio()
loads VFIO; vfio-6.12, where it is loaded; or module-6.12, where it is loaded with the module of kernel-module/.
Programs see their page tables in debugfs, on the latter two by a module of the tests.

Commands go through a virtio-serial port and several can run at once; the console is only a log. Every wait has a
deadline, and an error includes the end of the console.

A kernel warning causes a panic, and a kernel report in the console is an error when the guest ends, unless the guest
may warn. After a failure the directory with console, QEMU's log and the share is kept.
"""

import ctypes
import functools
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import namedtuple
from pathlib import Path

from harness import TOP, kernel_log

PAGE_TABLES = TOP / "tests/kernel/module"
INIT = Path(__file__).resolve().parent / "init"
TERMINALS = 4

Result = namedtuple("Result", "rc out err")
Page = namedtuple("Page", "va pa size type")

# PWT and PCD under Linux's PAT layout (arch/x86/mm/pat/memtype.c, pat_init())
X86_TYPES = {(0, 0): "WB", (1, 0): "WC", (0, 1): "UC-", (1, 1): "UC"}


class GuestError(Exception):
    """The guest or something in it failed; the text has the end of the console."""


class Unavailable(GuestError):
    """What is needed is not built, and not to be built now."""


class KernelUnavailable(Unavailable):
    """The source of a kernel's base is not available on this machine, or the kernel is not to be built now."""


KVM = Path("/dev/kvm")
BOOT_S = 180  # under TCG, under a plugin, and beside other programs
KVM_BOOT_S = 30  # a kernel with debug options takes its time
# Set by devtools/wc-test --changed: nothing is built that takes long.
FEW_BUILDS = os.environ.get("WC_FEW_BUILDS") == "yes"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dpdk-vfio-wc"


def kvm_usable(kernel, memory):
    """Whether a guest boots with KVM; an existing /dev/kvm is not enough (nested and paravirtual KVM).

    Determined once per boot of this machine, with the kernel that is to be booted anyway.
    """
    if not os.access(KVM, os.R_OK | os.W_OK):
        return False
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known = CACHE / f"kvm-{boot_id}"
    if not known.exists():
        try:
            with Guest(kernel=kernel, memory=memory, accel="kvm", boot_timeout=KVM_BOOT_S):
                usable = "yes"
        except GuestError:
            usable = "no"
            shutil.rmtree(Guest.kept.pop(), ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        known.write_text(usable)
    return known.read_text() == "yes"


def _made(what_is_missing, reasons, tool, *arguments):
    """The path that a tool of devtools/ prints last. reasons: {exit status: why that is not available}"""
    run = subprocess.run([TOP / "devtools" / tool, *arguments], stdout=subprocess.PIPE, text=True)
    if run.returncode in reasons:
        raise KernelUnavailable(f"{what_is_missing}: {reasons[run.returncode]}")
    if run.returncode:
        raise GuestError(f"{what_is_missing}: devtools/{tool} failed with {run.returncode}")
    return Path(run.stdout.strip().splitlines()[-1])


@functools.lru_cache(maxsize=None)
def qemu():
    """Path of QEMU, fetched if the installed one is old."""
    return _made("no QEMU", {}, "qemu", *["--cached"] * FEW_BUILDS)


def qemu_version():
    """The line that QEMU prints."""
    run = subprocess.run([qemu(), "--version"], stdout=subprocess.PIPE, text=True, check=True)
    return run.stdout.splitlines()[0]


@functools.lru_cache(maxsize=None)
def stock_kernel(name):
    """Directory of a kernel of Debian, fetched if necessary."""
    return _made(f"no kernel {name}", {3: "Debian's package is not available"}, "stock-kernel", name)


@functools.lru_cache(maxsize=None)
def stock_dpdk(release, fetch):
    """Root for chroot with Debian's dpdk-testpmd of a release, fetched if that is wanted and necessary."""
    reasons = {3: "Debian's package is not available",
               4: f"it is not in the cache: devtools/stock-dpdk {release} fetches it"}
    return _made(f"no DPDK {release} of Debian", reasons, "stock-dpdk",
                 *[] if fetch and not FEW_BUILDS else ["--cached"], release)


@functools.lru_cache(maxsize=None)
def build_module(name, *options):
    """Path of the module of kernel-module/ for a kernel of Debian, or of another, built if necessary."""
    return _made(f"no module for {name}", {3: "what its build needs is not available"}, "build-module", *options, name)


@functools.lru_cache(maxsize=None)
def kernel_dir(variant):
    """Directory with image and test modules of a kernel, built if necessary; the default base is 6.12."""
    name = variant if "/" in variant else f"6.12/{variant}"
    cached = ["--cached"] if FEW_BUILDS else []
    reasons = {3: "the source of its base is not available",
               4: f"it is not in the cache: devtools/build-kernel {name} builds it"}
    return _made(f"no kernel {name}", reasons, "build-kernel", *cached, name)


def build_dpdk(configuration):
    """Directory of the DPDK programs of a configuration of devtools/build-dpdk, built if necessary."""
    if FEW_BUILDS and configuration != "release":
        raise Unavailable(f"devtools/build-dpdk {configuration} is left to the whole of devtools/wc-test")
    return _made(f"no DPDK, {configuration}", {}, "build-dpdk", configuration)


def compile_program(name, compiler="gcc", *, directory, source=None):
    """Compile a C program of tests/ statically, into a directory that the guest can access; returns its path.

    source is another file with its text, if that was changed for a test.
    """
    out = Path(directory) / f"{compiler}-{Path(name).name}"
    if not out.exists():
        subprocess.run([compiler, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-g1", "-static", "-pthread",
                        "-I", TOP / "drivers/bus/pci/linux", "-I", TOP / "drivers/net/ivshmem",
                        "-I", TOP / "app/wc-common", "-I", TOP / "tests/kernel",
                        "-o", out, source or TOP / f"tests/{name}.c"], check=True)
    return out


def ivshmem(path, size, name="shm0", root_port=False, options=""):
    """QEMU arguments of an ivshmem-plain device over a file, on the root bus or behind a separate root port."""
    args = ["-object", f"memory-backend-file,id={name},share=on,mem-path={path},size={size}"]
    bus = ""
    if root_port:
        args += ["-device", f"pcie-root-port,id=rp-{name},chassis={chassis(name)}"]
        bus = f",bus=rp-{name}"
    return args + ["-device", f"ivshmem-plain,memdev={name}{bus}{options}"]


def ivshmem_doorbell(socket, vectors, name="db0"):
    """QEMU arguments of an ivshmem-doorbell device. Its server must already listen, and sends the memory."""
    return ["-chardev", f"socket,id={name},path={socket}",
            "-device", f"ivshmem-doorbell,chardev={name},vectors={vectors}"]


def chassis(name):
    """A chassis number for a root port, different for names that end in different digits."""
    return sum(name.encode()) % 254 + 1


def parse_info_tlb(text):
    """Pages of QEMU's `info tlb`. Flags are XGPDACTUW: P is a huge page, C is PCD, T is PWT, U is user."""
    pages = []
    for match in re.finditer(r"^([0-9a-f]{16}): ([0-9a-f]{16}) ([X-][G-][P-][D-][A-][C-][T-][U-][W-])", text, re.M):
        flags = match.group(3)
        if flags[7] == "U":
            pages.append(Page(int(match.group(1), 16), int(match.group(2), 16),
                              2 << 20 if flags[2] == "P" else 4 << 10,
                              X86_TYPES[int(flags[6] == "T"), int(flags[5] == "C")]))
    return pages


def kernel_option(name, value):
    """Quote for the kernel's command line, whose parser supports double quotes (lib/cmdline.c, next_arg())."""
    return f'{name}="{value}"'


def die_with_parent():
    """In the child: have it killed when this process ends (prctl(PR_SET_PDEATHSIG, SIGKILL))."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def connect(path, process, deadline):
    """Connect to a socket that QEMU makes when it starts."""
    while True:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(path))
            return sock
        except OSError:
            sock.close()
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.01)  # QEMU has no event for a new socket


class Qmp:
    """A minimal QMP client."""

    def __init__(self, sock):
        self.lock = threading.Lock()
        self.file = sock.makefile("rw")
        self.file.readline()
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        with self.lock:
            self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            self.file.flush()
            while True:
                line = self.file.readline()
                if not line:
                    raise GuestError(f"QEMU closed its monitor during {command}")
                reply = json.loads(line)
                if "error" in reply:
                    raise GuestError(f"QEMU: {command}: {reply['error']['desc']}")
                if "return" in reply:
                    return reply["return"]


class Command:
    """A command that runs in the guest."""

    def __init__(self, guest, number):
        self.guest = guest
        self.number = number
        self.done = threading.Event()
        self.rc = None

    def wait(self, timeout):
        """Returns the Result; raises GuestError if the command does not end in time or the guest ends first."""
        ended = self.done.wait(timeout)
        out, err = (self.guest.share.joinpath(f"{self.number}.{end}").read_text(errors="replace")
                    if self.guest.share.joinpath(f"{self.number}.{end}").exists() else ""
                    for end in ("out", "err"))
        if not ended:
            raise self.guest.error(f"did not end within {timeout} s; output so far:\n{out}{err}")
        if self.rc is None:
            raise self.guest.error(f"the guest ended first; output so far:\n{out}{err}")
        return Result(self.rc, out, err)


class Guest:
    """See the module's description."""

    IMAGE = "bzImage"
    running = []    # guests that a failing test may concern
    kept = []       # directories that are not deleted

    # QEMU before 8.2 replaces the memory map of another running CPU's thread when a BAR appears or disappears
    # (tcg_commit()), and crashes in memory_region_dispatch_write() once in a hundred tests: so all CPUs share one
    # thread, unless truly concurrent CPUs are worth that.
    def __init__(self, kernel="full", devices=(), memory=768, cpus=2, append="", boot_timeout=BOOT_S,
                 accel=None, threads="single", may_warn=False):
        self.stock = self.module = self.page_tables = None
        kind, _, base = str(kernel).partition("-")
        if kind in ("stock", "vfio", "module"):
            name = f"stock-{base}"
            self.stock = stock_kernel(name)
            self.module = build_module(name) if kind == "module" else None
            self.page_tables = build_module(name, "--source", PAGE_TABLES) if kind != "stock" else None
            self.kernel = self.stock / "vmlinuz"
        else:
            self.kernel = Path(kernel) if str(kernel).startswith("/") else kernel_dir(kernel) / self.IMAGE
        self.accel = accel or ("kvm" if kvm_usable(kernel, memory) else "tcg")
        self.threads = threads
        self.devices = list(devices)
        self.memory = memory
        self.cpus = cpus
        self.append = append
        self.boot_timeout = boot_timeout
        self.may_warn = may_warn
        self.keep = False
        self.commands = {}
        self.numbers = itertools.count(1)  # of commands
        self.process = None

    # Start and end

    def __enter__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="wc-guest."))
        self.share = self.dir / "share"
        self.share.mkdir()
        self.console = self.dir / "console"
        try:
            self._start()
            if self.page_tables:
                self.load_vfio(self.module)
                self.run(f"insmod {self.page_tables}", check=True)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        self.running.append(self)
        return self

    def __exit__(self, kind=None, *_):
        if self in self.running:
            self.running.remove(self)
        if self.process:
            self.process.kill()
            self.process.wait()
        reports = [] if self.may_warn else self.kernel_reports()
        if self.keep or reports or (kind and issubclass(kind, Exception)):
            self.kept.append(self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        if reports and kind is None:
            raise GuestError("\n".join(["the guest's kernel reported:", *(context for _, context in reports),
                                        self.where()]))

    def kernel_reports(self):
        log = self.console.read_text(errors="replace") if self.console.exists() else ""
        return kernel_log.find_reports(log.splitlines())

    def _start(self):
        deadline = time.monotonic() + self.boot_timeout
        with open(self.dir / "qemu", "w") as log:
            self.process = subprocess.Popen(self._qemu_args(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=die_with_parent)
        try:
            self.qmp = Qmp(connect(self.dir / "qmp", self.process, deadline))
            self.control = connect(self.dir / "control", self.process, deadline)
            self.free_terminals = [(number, connect(self.dir / f"hvc{number}", self.process, deadline))
                                   for number in range(TERMINALS)]
        except OSError as error:
            raise self.error("QEMU did not start") from error
        self.ready = threading.Event()
        threading.Thread(target=self._read_control, daemon=True).start()
        if not self.ready.wait(deadline - time.monotonic()):
            raise self.error(f"did not boot within {self.boot_timeout} s")
        if self.process.poll() is not None:
            raise self.error("the guest ended while booting")

    # What depends on the architecture: see also guest_arm64.py.

    def _machine_args(self):
        return [str(qemu()), "-M", "q35,kernel-irqchip=split",
                "-cpu", "host" if self.accel == "kvm" else "max",
                "-device", "intel-iommu,caching-mode=on,aw-bits=48"]

    def _kernel_args(self):
        """Arguments of the kernel, and after a -- those of the first process."""
        # On a busy host the emulated timer can be too late for the kernel's timer check, which then panics.
        return f"console=ttyS0 intel_iommu=on no_timer_check {self.append} {kernel_option('init', INIT)}"

    def _qemu_args(self):
        append = (("" if self.may_warn else "oops=panic panic_on_warn=1 ") + "panic=-1 root=root rootfstype=9p ro "
                  f"rootflags=trans=virtio,version=9p2000.L,msize=262144,cache=loose {self._kernel_args()}")
        args = [*self._machine_args(), "-nodefaults", "-display", "none", "-no-reboot",
                "-accel", f"tcg,thread={self.threads}" if self.accel == "tcg" else self.accel,
                "-m", str(self.memory), "-smp", str(self.cpus),
                "-kernel", str(self.kernel), "-append", append,
                *(["-initrd", str(self.stock / "initrd")] if self.stock else []),
                "-serial", f"file:{self.console}",
                "-qmp", f"unix:{self.dir}/qmp,server=on,wait=off",
                "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
                "-virtfs", f"local,path={self.share},mount_tag=share,security_model=none",
                "-device", "virtio-serial-pci,id=vs",
                "-chardev", f"socket,id=control,path={self.dir}/control,server=on,wait=off",
                "-device", "virtserialport,bus=vs.0,chardev=control,name=control"]
        for number in range(TERMINALS):
            args += ["-chardev", f"socket,id=hvc{number},path={self.dir}/hvc{number},server=on,wait=off",
                     "-device", f"virtconsole,bus=vs.0,chardev=hvc{number}"]
        return args + self.devices

    def _read_control(self):
        for line in self.control.makefile("r"):
            word, *rest = line.split()
            if word == "ready":
                self.ready.set()
            elif word == "exit":
                command = self.commands.pop(int(rest[0]))
                command.rc = int(rest[1])
                command.done.set()
        self.ready.set()
        for command in list(self.commands.values()):
            command.done.set()

    def error(self, text):
        def tail(path):
            return "\n".join(path.read_text(errors="replace").splitlines()[-40:]) if path.exists() else ""
        # The important lines of a report are the first ones, and a report is longer than a tail.
        console = "\n".join(context for _, context in self.kernel_reports()) or tail(self.console)
        return GuestError(f"{text}\n--- QEMU{self.end_of_qemu()}:\n{tail(self.dir / 'qemu')}"
                          f"\n--- console:\n{console}\n--- {self.where()}")

    def where(self):
        return f"console, QEMU's log and the share are kept in {self.dir}"

    def end_of_qemu(self):
        """How QEMU ended, if it did: -11 is a crash of QEMU, 0 a guest that reset or powered off."""
        try:
            return f" (ended with {self.process.wait(1)})" if self.process else ""
        except subprocess.TimeoutExpired:
            return ""

    # Programs

    def start(self, script):
        """Start a shell script in the guest; returns a Command."""
        number = next(self.numbers)
        command = self.commands[number] = Command(self, number)
        self.share.joinpath(f"{number}.sh").write_text(script + "\n")
        self.control.sendall(f"{number}\n".encode())
        return command

    def run(self, script, timeout=60, check=False):
        """Run a shell script in the guest; returns its Result."""
        result = self.start(script).wait(timeout)
        if check and result.rc != 0:
            raise self.error(f"'{script}' ended with {result.rc}:\n{result.out}{result.err}")
        return result

    def spawn(self, script, timeout=60):
        """Start an interactive program on a separate terminal; returns a pexpect object with .command."""
        from pexpect import fdpexpect  # here, so that tools can first check their arguments and install it
        if not self.free_terminals:
            raise GuestError(f"all {TERMINALS} terminals are in use")
        number, sock = self.free_terminals.pop(0)
        terminal = fdpexpect.fdspawn(sock.fileno(), timeout=timeout, encoding="utf-8",
                                     codec_errors="replace")
        terminal.delaybeforesend = None
        terminal.socket = (number, sock)
        terminal.command = self.start(
            f"exec setsid -c sh -c 'stty -echo; . /run/share/terminal{number}.sh'"
            f" </dev/hvc{number} >/dev/hvc{number} 2>&1")
        self.share.joinpath(f"terminal{number}.sh").write_text(script + "\n")
        return terminal

    def release(self, terminal, timeout=30):
        """Wait until the program on a terminal has ended, and release the terminal."""
        terminal.command.wait(timeout)
        self.free_terminals.append(terminal.socket)

    # Devices

    def find(self, ident, index=0):
        """BDF of the index-th device vendor:device."""
        vendor, device = ident.split(":")
        # Without another process, which takes an emulated CPU a tenth of a second
        listing = self.run("cd /sys/bus/pci/devices; for bdf in *; do read vendor <$bdf/vendor; "
                           "read device <$bdf/device; echo $bdf $vendor $device; done", check=True).out
        found = [line.split()[0] for line in listing.splitlines()
                 if line.split()[1:] == [f"0x{vendor}", f"0x{device}"]]
        if len(found) <= index:
            raise GuestError(f"the guest has {len(found)} devices {ident}:\n{listing}")
        return found[index]

    def load_vfio(self, driver=None):
        """Load VFIO's modules of a stock kernel, with another vfio-pci.ko if a path is given."""
        modprobe = f"modprobe -d {self.stock}"
        first = f"{modprobe} vfio_pci_core && insmod {driver}" if driver else f"{modprobe} vfio_pci"
        self.run(f"{modprobe} vfio_iommu_type1 && {first}", check=True)

    def bind(self, bdf, driver="vfio-pci"):
        """Bind a device to a driver ("" for none)."""
        self.run(f"""set -e
            cd /sys/bus/pci/devices/{bdf}
            [ ! -e driver ] || echo {bdf} >driver/unbind
            [ -n "{driver}" ] || exit 0
            echo {driver} >driver_override
            echo {bdf} >/sys/bus/pci/drivers_probe
            [ driver -ef /sys/bus/pci/drivers/{driver} ]""", check=True)

    def take(self, ident, index=0):
        """Bind the index-th device vendor:device to vfio-pci; returns its BDF."""
        bdf = self.find(ident, index)
        self.bind(bdf)
        return bdf

    # Memory types

    def pages(self, cpu):
        """User pages of the process that currently runs on a CPU."""
        return parse_info_tlb(self.qmp.execute("human-monitor-command", **{"command-line": "info tlb",
                                                                           "cpu-index": cpu}))

    def effective_types(self, address, length, physical=None, timeout=10):
        """Memory types in the page tables of a running process, for the touched pages of a range.

        Tries the CPUs until one runs a process that has pages there, for example an lcore that polls. physical
        (start, length) restricts the physical addresses, to identify the process. Empty if nothing was found.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for cpu in range(self.cpus):
                found = [page for page in self.pages(cpu)
                         if page.va < address + length and page.va + page.size > address
                         and (not physical or physical[0] <= page.pa < physical[0] + physical[1])]
                if found:
                    return {page.type for page in found}
        return set()

    def effective(self, address, length, physical=None):
        """The same as text."""
        return "+".join(sorted(self.effective_types(address, length, physical))) or "not verified"

    def bar(self, bdf, number):
        """(start, length) of a BAR in the guest's physical memory."""
        line = self.run(f"sed -n {number + 1}p /sys/bus/pci/devices/{bdf}/resource", check=True).out
        start, end, _flags = (int(field, 16) for field in line.split())
        return start, end - start + 1
