# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Start a guest by hand, with a shell or for one command."""

import argparse
import contextlib
import os
import select
import sys
import tempfile
import termios
import tty
from pathlib import Path

from harness import tool
from harness.guest import Guest, GuestError, ivshmem

MIB = 1 << 20
# The devices of the tests: {name: (vendor:device, description, QEMU's arguments)}; ivshmem's memory is made later.
DEVICES = {
    "ivshmem": ("1af4:1110", "shared memory, 4 MiB by default", None),
    "bochs-display": ("1234:1111", "a prefetchable BAR with memory behind it", ["-device", "bochs-display"]),
    "pci-testdev": ("1b36:0005", "a BAR2 of 1 GiB without memory behind it", ["-device", "pci-testdev,membar=1G"]),
    "e1000e": ("8086:10d3", "with MSI-X", ["-netdev", "hubport,hubid=0,id=n0", "-device", "e1000e,netdev=n0"]),
    "virtio-net": ("1af4:1000", "with a legacy interface",
                   ["-netdev", "hubport,hubid=1,id=n1", "-device", "virtio-net-pci,netdev=n1"]),
}


def parse_args():
    parser = tool.ArgumentParser(
        prog="wc-guest", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Boot a kernel of devtools/build-kernel, with this machine's files as its root, and open a shell "
        "in the\nguest or run one command. The exit status is that of the command.",
        epilog="devices:\n" + "\n".join(f"  {name + '[=MIB]' * (name == 'ivshmem'):<16}{ident}, {what}"
                                        for name, (ident, what, _) in DEVICES.items()))
    parser.add_argument("--kernel", default="full", help="BASE/VARIANT as in build-kernel, or VARIANT for 6.12 "
                        "(default: %(default)s)")
    parser.add_argument("--device", action="append", default=[], help="see below; may be repeated")
    parser.add_argument("--vfio", action="store_true", help="bind the devices to vfio-pci")
    parser.add_argument("--memory", type=int, default=768, metavar="MIB", help="default: %(default)s")
    parser.add_argument("--append", default="", help="words for the kernel's command line")
    parser.add_argument("--timeout", type=int, default=600, metavar="SECONDS",
                        help="of a command (default: %(default)s)")
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="after --: command to run instead of a shell")
    args = parser.parse_args()
    for device in args.device:
        if device not in DEVICES and not is_sized(device):
            parser.error(f"--device {device}: use one of {', '.join(DEVICES)}, or ivshmem=MIB, a power of two")
    return args


def is_sized(device):
    """Whether it is an ivshmem with a size."""
    name, _, size = device.partition("=")
    return name == "ivshmem" and size.isdigit() and int(size) > 0 and int(size) & int(size) - 1 == 0


def plug(devices, files):
    """QEMU's arguments for devices; files is an ExitStack for their memory."""
    arguments = []
    for number, device in enumerate(devices):
        name, _, size = device.partition("=")
        if name == "ivshmem":
            length = int(size or 4) * MIB
            memory = files.enter_context(tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="wc-guest."))
            os.truncate(memory.name, length)
            arguments += ivshmem(memory.name, length, f"shm{number}", root_port=number > 0)
        else:
            arguments += DEVICES[name][2]
    return arguments


def bind_all(guest, devices):
    idents = [DEVICES[device.partition("=")[0]][0] for device in devices]
    for number, ident in enumerate(idents):
        bdf = guest.take(ident, idents[:number].count(ident))
        print(f"wc-guest: {bdf} ({ident}) is bound to vfio-pci", file=sys.stderr)


def copy_terminal(sock, command):
    """Copy between this terminal and the guest's until the command ends."""
    while not command.done.wait(0):
        ready, _, _ = select.select([sys.stdin, sock], [], [], 0.1)
        if sys.stdin in ready:
            sock.sendall(os.read(sys.stdin.fileno(), 4096))
        if sock in ready:
            os.write(sys.stdout.fileno(), sock.recv(4096))


def run_shell(guest):
    rows, columns = os.get_terminal_size().lines, os.get_terminal_size().columns
    shell = guest.spawn(f"cd {Path.cwd()}; stty sane rows {rows} cols {columns}; exec bash -i")
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        copy_terminal(shell.socket[1], shell.command)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
    return shell.command.rc


def run_command(guest, words, timeout):
    result = guest.run(f"cd {Path.cwd()}; {' '.join(words)}", timeout=timeout)
    sys.stdout.write(result.out)
    sys.stderr.write(result.err)
    return result.rc


def main(args):
    if not args.command and not sys.stdin.isatty():
        raise tool.ToolError("no terminal for a shell: add a command after --")
    print(f"wc-guest: booting {args.kernel}", file=sys.stderr, flush=True)
    with contextlib.ExitStack() as files:
        with Guest(kernel=args.kernel, devices=plug(args.device, files), memory=args.memory, append=args.append,
                   boot_timeout=300) as guest:
            if args.vfio:
                bind_all(guest, args.device)
            return run_command(guest, args.command, args.timeout) if args.command else run_shell(guest)


if __name__ == "__main__":
    tool.run("wc-guest", parse_args, main, modules=["pexpect"], programs=["qemu-system-x86_64"],
             errors=(GuestError,))
