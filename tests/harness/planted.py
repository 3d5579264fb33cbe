# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""A dpdk-testpmd whose net_ivshmem has a bug, to see that it is found."""

import shutil
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SOURCE = TOP / "drivers/net/ivshmem/ivshmem_rxtx_impl.h"
# The data path that TCG's CPU has the instructions for
INCLUDER = "ivshmem_rxtx_avx2.c"
OBJECT = f"subprojects/dpdk/drivers/net/ivshmem/libivshmem_avx2_lib.a.p/{INCLUDER}.o"
ARCHIVE = "subprojects/dpdk/drivers/librte_net_ivshmem.a"
PROGRAM = "subprojects/dpdk/app/dpdk-testpmd"


def testpmd(programs, patch, directory):
    """Build it from the commands of the build that has the DPDK programs in a directory; returns its path."""
    build = Path(programs).parents[2]
    source, out = Path(directory) / SOURCE.name, Path(directory)
    subprocess.run(["patch", "-s", "-F0", "-o", source, SOURCE, TOP / f"tests/planted/{patch}.patch"], check=True)
    shutil.copy(SOURCE.with_name(INCLUDER), out)
    commands = subprocess.run(["ninja", "-t", "commands", PROGRAM], cwd=build, stdout=subprocess.PIPE, text=True,
                              check=True).stdout.splitlines()

    def run(mark, replaced):
        """Run the command that has some text in it, with words replaced."""
        command, = (command for command in commands if mark in command)
        words = command.split(" ")
        assert set(replaced) <= set(words), command
        command = " ".join(str(replaced.get(word, word)) for word in words)
        subprocess.run(["sh", "-c", command], cwd=build, check=True, stdout=subprocess.PIPE)

    includer = f"../subprojects/dpdk/drivers/net/ivshmem/{INCLUDER}"
    run(f"-o {OBJECT} -c ", {OBJECT: out / "rxtx.o", f"{OBJECT}.d": out / "rxtx.d",
                             includer: f"{out / INCLUDER} -I{SOURCE.parent}"})
    run(f"rm -f {ARCHIVE} ", {OBJECT: out / "rxtx.o", ARCHIVE: out / "net_ivshmem.a"})
    run(f" -o {PROGRAM} ", {PROGRAM: out / PROGRAM.rpartition("/")[2], ARCHIVE: out / "net_ivshmem.a"})
    return (out / PROGRAM.rpartition("/")[2]).resolve()
