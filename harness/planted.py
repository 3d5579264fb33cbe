# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Build a DPDK program with a bug in net_ivshmem, to test that it is found."""

import shutil
import subprocess
from pathlib import Path

from harness import TOP
DRIVER = "drivers/net/ivshmem"
ARCHIVE = "subprojects/dpdk/drivers/librte_net_ivshmem.a"


def testpmd(programs, patch, directory):
    """dpdk-testpmd with a patch of tests/wcscope/planted."""
    return build(programs, "dpdk-testpmd", TOP / f"tests/wcscope/planted/{patch}.patch", directory)


def build(programs, name, patch, directory):
    """Build it from the commands of the build that has the DPDK programs in a directory; returns its path."""
    ninja, out = Path(programs).parents[2], Path(directory).resolve()
    program = f"subprojects/dpdk/app/{name}"
    commands = subprocess.run(["ninja", "-t", "commands", program], cwd=ninja, stdout=subprocess.PIPE, text=True,
                              check=True).stdout.splitlines()
    replaced = {program: out / name, ARCHIVE: out / "net_ivshmem.a"}

    def run(mark):
        """Run the command that contains mark, with words replaced."""
        command, = (command for command in commands if mark in command)
        command = " ".join(str(replaced.get(word, word)) for word in command.split(" "))
        subprocess.run(["sh", "-c", command], cwd=ninja, check=True, stdout=subprocess.PIPE)

    for source in changed_sources(patch, out):
        original = f" -c ../subprojects/dpdk/{DRIVER}/{source.name}"
        words = next(command for command in commands if command.endswith(original)).split(" ")
        made = words[words.index("-o") + 1]
        replaced |= {words[-1]: source, made: out / f"{source.stem}.o", f"{made}.d": out / f"{source.stem}.d"}
        run(original)
    run(f"rm -f {ARCHIVE} ")
    run(f" -o {program} ")
    return out / name


def changed_sources(patch, directory):
    """Sources that a patch changes, or that include what it changes; all are copied to a directory."""
    driver = directory / DRIVER
    shutil.copytree(TOP / DRIVER, driver)
    before = {path.name: path.read_bytes() for path in driver.iterdir()}
    subprocess.run(["patch", "-s", "-F0", "-p1", "-d", directory, "-i", patch], check=True)
    changed = [path.name for path in driver.iterdir() if path.read_bytes() != before.get(path.name)]
    return [path for path in sorted(driver.glob("*.c"))
            if any(name == path.name or f'"{name}"' in path.read_text() for name in changed)]
