# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Coverage-guided fuzzing of net_ivshmem: its receive and transmit functions, its sessions and its geometry.

tests/ivshmem/fuzz/fuzz_ivshmem.c describes the format of an input. The corpus is text, one input per line.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import TOP, tool, version
from harness.guest import CACHE

DRIVER = TOP / "drivers/net/ivshmem"
HARNESS = TOP / "tests/ivshmem/fuzz/fuzz_ivshmem.c"
CORPUS = TOP / "tests/ivshmem/fuzz/corpus.hex"
CLANG = "clang-14"
# DPDK's rte_hash_crc() loads unaligned words.
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize=alignment", "-fno-sanitize-recover=all"]
WRAPPED = ["rte_eal_alarm_set", "rte_eal_alarm_cancel", "rte_get_tsc_hz", "rte_rand", "syscall"]
LIBRARIES = ["ethdev", "hash", "rcu", "mbuf", "mempool", "ring", "net", "meter", "kvargs", "wcio", "eal", "telemetry"]
# The files that attach a port to a bus
NOT_FUZZED = {"ivshmem_pci.c", "ivshmem_vdev.c", "ivshmem_args.c"}
MAX_LEN = 256
DEFAULT_SEED = 20251125
# An input takes some microseconds.
TIMEOUT_S = 10


def say(text):
    print(f"fuzz-ivshmem: {text}", file=sys.stderr, flush=True)


def parse_args():
    parser = tool.ArgumentParser(
        prog="fuzz-ivshmem",
        description="Fuzz net_ivshmem and print the number of executions. Exit status 0: nothing found.")
    parser.add_argument("--seconds", type=int, default=60, help="default: %(default)s")
    parser.add_argument("--runs", type=int, help="number of executions, instead of seconds")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="default: %(default)s")
    parser.add_argument("--patch", type=Path, action="append", default=[],
                        help="patch to apply to drivers/net/ivshmem, to test whether its bug is found")
    parser.add_argument("--reproduce", type=Path, help="run only this input")
    parser.add_argument("--keep", action="store_true", help="add new inputs to the corpus, and minimise it")
    args = parser.parse_args()
    for option, number in ("--seconds", args.seconds), ("--runs", args.runs):
        if number is not None and number < 1:
            parser.error(f"{option} {number}: use 1 or more")
    for option, path in [("--reproduce", args.reproduce), *(("--patch", path) for path in args.patch)]:
        if path and not path.is_file():
            parser.error(f"{option} {path}: no such file")
    return args


def compile_flags(build):
    """The flags of the driver's files in DPDK's build, without warnings, optimisation and output."""
    for command in json.loads((build / "compile_commands.json").read_text()):
        if command["file"].endswith("net/ivshmem/ivshmem_link.c"):
            words = shlex.split(command["command"])
            break
    else:
        sys.exit(f"fuzz-ivshmem: {build} does not build net_ivshmem")
    kept = []
    for number, word in enumerate(words):
        if word.startswith("-I"):
            path = (build / word[2:]).resolve()
            # The driver's own files come from the copy that may be patched.
            if path != DRIVER and not str(path).endswith("net/ivshmem"):
                kept.append(f"-I{path}")
        elif word.startswith(("-D", "-march")):
            kept.append(word)
    return [*kept, "-include", "rte_config.h", "-std=gnu11", "-O2", "-g", "-fno-omit-frame-pointer"]


def build_fuzzer(directory, patches):
    """Compile driver and harness; returns the program."""
    if subprocess.run([TOP / "devtools/build-dpdk"], stdout=subprocess.PIPE).returncode:
        raise tool.ToolError("devtools/build-dpdk failed, see above")
    build = TOP / "build"
    driver = directory / "driver/drivers/net/ivshmem"
    shutil.copytree(DRIVER, driver)
    for patch in patches:
        if subprocess.run(["patch", "-s", "-p1", "-d", directory / "driver", "-i", patch.resolve()]).returncode:
            raise tool.ToolError(f"--patch {patch} does not apply, see above")
    flags = compile_flags(build)
    # Objects are shared between runs, whose directories differ only in name.
    environment = os.environ | {"CCACHE_DIR": str(CACHE / "ccache"), "CCACHE_BASEDIR": "/", "CCACHE_NOHASHDIR": "1"}
    objects = []
    jobs = []
    for source in [HARNESS, *sorted(driver.glob("*.c"))]:
        if source.name in NOT_FUZZED:
            continue
        objects.append(directory / f"{source.stem}.o")
        wide = ["-mavx2"] if source.stem.endswith("avx2") else []
        jobs.append(subprocess.Popen(["ccache", CLANG, *flags, *wide, f"-I{driver}", *SANITIZERS,
                                      "-fsanitize=fuzzer-no-link", "-c", source, "-o", objects[-1]],
                                     cwd=directory, env=environment))
    if any([job.wait() for job in jobs]):
        sys.exit("fuzz-ivshmem: does not compile")
    program = directory / "fuzz-ivshmem"
    libraries = [build / f"subprojects/dpdk/lib/librte_{name}.a" for name in LIBRARIES]
    subprocess.run([CLANG, *SANITIZERS, "-fsanitize=fuzzer", *objects, "-Wl,--start-group", *libraries,
                    "-Wl,--end-group", *[f"-Wl,--wrap={name}" for name in WRAPPED], "-pthread", "-lm", "-ldl", "-lnuma",
                    "-lbsd", "-o", program], check=True)
    return program


def unpack(directory):
    directory.mkdir()
    for number, line in enumerate(CORPUS.read_text().splitlines() if CORPUS.exists() else ()):
        if line and not line.startswith("#"):
            (directory / f"{number:04}").write_bytes(bytes.fromhex(line))
    return directory


def pack(directory):
    inputs = sorted({path.read_bytes() for path in directory.iterdir()}, key=lambda data: (len(data), data))
    CORPUS.write_text("# SPDX-License-Identifier: BSD-3-Clause\n# Copyright(c) 2026 dpdk-vfio-wc project\n#\n"
                      "# Inputs of tests/ivshmem/fuzz/fuzz_ivshmem.c; devtools/fuzz-ivshmem --keep writes them.\n" +
                      "".join(f"{data.hex()}\n" for data in inputs))


def fuzz(program, args, corpus, directory):
    """Run it; returns (exit status, what it printed)."""
    how = [args.reproduce] if args.reproduce else [
        f"-seed={args.seed}", f"-runs={args.runs}" if args.runs else f"-max_total_time={args.seconds}",
        f"-max_len={MAX_LEN}", "-len_control=0", corpus]
    command = [program, f"-timeout={TIMEOUT_S}", f"-artifact_prefix={directory}/", "-print_final_stats=1", *how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace") as process:
        lines = list(process.stdout)
    return process.returncode, "".join(lines)


def minimise(program, corpus, directory):
    merged = directory / "merged"
    merged.mkdir()
    # What is reached counts, not how often: small, and enough to start from.
    subprocess.run([program, "-merge=1", "-use_counters=0", f"-max_len={MAX_LEN}", merged, corpus], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pack(merged)


def main(args):
    with tempfile.TemporaryDirectory(prefix="fuzz-ivshmem.") as name:
        directory = Path(name)
        say("building")
        program = build_fuzzer(directory, args.patch)
        corpus = unpack(directory / "corpus")
        kept = len(list(corpus.iterdir()))
        say(f"running with {kept} inputs kept")
        status, out = fuzz(program, args, corpus, directory)
        found = [path for path in directory.glob("*-*") if re.match(r"(crash|timeout|oom|leak)-", path.name)]
        counts = re.findall(r"^fuzz-ivshmem: (executions .*)$", out, re.M)
        coverage = re.findall(r"cov: (\d+)", out)
        if counts:
            print(f"{counts[-1]}")
        print(version.made_with(version.describe()))
        print(f"seed {args.seed} inputs {kept} kept, {len(list(corpus.iterdir()))} now"
              f" coverage {coverage[-1] if coverage else 'none'}")
        if status == 0 and args.keep:
            minimise(program, corpus, directory)
        if status != 0:
            print("".join(out.splitlines(keepends=True)[-80:]))
            for path in found:
                print(f"input: {path.read_bytes().hex()}")
        print(f"verdict: {'nothing found' if status == 0 else 'FOUND'}")
        return 0 if status == 0 else 1


if __name__ == "__main__":
    tool.run("fuzz-ivshmem", parse_args, main, programs=[CLANG, "ccache"])
