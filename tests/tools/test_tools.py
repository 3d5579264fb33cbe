# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The tools of devtools/ where something is wrong: arguments, paths, disks, packages. Nothing is built but stubs."""

import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time

import pytest

from bench import wc_bench_device
from harness import PYTHON, TOP, guest, testpmd, wcscope

pytestmark = pytest.mark.quick
# A kernel build of no time: make names objects and leaves an image, the others do nothing.
BUILD_STUBS = {
    "make": """
        while [ $# -gt 0 ]; do
            case $1 in
            -C) tree=$2; shift ;;
            M=*) touch "${1#M=}/probe.ko" ;;
            bzImage) mkdir -p "$tree/arch/x86/boot" && touch "$tree/arch/x86/boot/bzImage" "$tree/.config"
                printf '  CC      init/main.o\\n  CC      kernel/fork.o\\n' ;;
            esac
            shift
        done""",
    "tar": "",
    "patch": "cat >>$STUBS/patched"}


def run(command, *, check=None, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=300, **options)
    assert "Traceback" not in done.stderr, done.stderr
    assert check is None or done.returncode == check, done.stdout + done.stderr
    return done


class Place:
    """A cache of its own, and commands that take the place of others."""

    def __init__(self, directory):
        self.cache = directory / "cache"
        self.stubs = directory / "stubs"
        self.stubs.mkdir()
        self.environment = os.environ | {"XDG_CACHE_HOME": str(self.cache), "STUBS": str(self.stubs),
                                         "PATH": f"{self.stubs}:{os.environ['PATH']}"}

    def stub(self, **scripts):
        for name, script in scripts.items():
            path = self.stubs / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)

    def run(self, tool, *arguments, check=None, top=TOP, **environment):
        """Run a tool; an environment's None is a variable that is not there."""
        changed = {name: value for name, value in (self.environment | environment).items() if value is not None}
        return run([top / "devtools" / tool, *arguments], check=check, env=changed)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture
def kernel_place(place):
    """Where build-kernel finds a source, and a compiler that takes no time."""
    place.stub(**BUILD_STUBS, **{"dpkg-query": "echo 6.12.1"})
    if not os.path.exists("/usr/src/linux-source-6.12.tar.xz"):
        pytest.skip("the package linux-source-6.12 is not installed")
    return place


@pytest.fixture(scope="module")
def blank_checkout(tmp_path_factory):
    """A copy of this checkout in a path with blanks."""
    copy = tmp_path_factory.mktemp("checkout") / "a  b"
    files = subprocess.run(["git", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           stdout=subprocess.PIPE, text=True, check=True).stdout.split("\0")
    for name in filter(None, files):
        if (TOP / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, copy / name, follow_symlinks=False)
    return copy


# build-kernel

def test_kernel_of_a_checkout_with_blanks_in_its_path(kernel_place, blank_checkout):
    """It gets all patches, and its result is that of any other checkout."""
    there = kernel_place.run("build-kernel", "6.12/no-x86", top=blank_checkout, check=0)
    series = TOP / "kernel-patches/linux-6.12"
    patches = [series / name for name in (series / "series").read_text().split()]
    patches.append(TOP / "tests/kernel/6.12/no-x86.patch")
    assert (kernel_place.stubs / "patched").read_text() == "".join(patch.read_text() for patch in patches)
    here = kernel_place.run("build-kernel", "--cached", "6.12/no-x86", check=0)
    assert here.stdout == there.stdout


def test_file_that_patches_no_longer_touch_is_restored(kernel_place, blank_checkout):
    """An older state of the series is built after a newer one that touches more files."""
    more = blank_checkout / "kernel-patches/linux-6.12/0099-more.patch"
    more.write_text("--- a/lib/more.c\n+++ b/lib/more.c\n--- /dev/null\n+++ b/lib/new.c\n")
    # Which files there are to unpack is said on its input.
    kernel_place.stub(tar="""
        while [ "$1" != -C ]; do shift; done
        case "$*" in *--files-from=-*)
            grep -v new | while read -r file; do
                mkdir -p "$(dirname "$2/${file#*/}")" && echo pristine >"$2/${file#*/}"
            done ;;
        esac""")
    kernel_place.run("build-kernel", "6.12/full", top=blank_checkout, check=0)
    more.unlink()
    changed, added = (kernel_place.cache / "dpdk-vfio-wc/kernel/tree-6.12/lib" / name for name in ("more.c", "new.c"))
    assert changed.read_text() == "pristine\n"
    for path in changed, added:
        path.write_text("patched\n")
    kernel_place.run("build-kernel", "6.12/no-zap", check=0)
    assert changed.read_text() == "pristine\n" and not added.exists()


def test_kernel_build_says_what_it_has_done(kernel_place):
    done = kernel_place.run("build-kernel", "6.12/full", check=0)
    assert "build-kernel: 6.12/full: 2 objects compiled" in done.stderr


def test_kernel_build_that_fails_says_so(kernel_place):
    kernel_place.stub(make="echo cc1: out of paper >&2; exit 2")
    done = kernel_place.run("build-kernel", "6.12/full", check=1)
    assert "cc1: out of paper" in done.stderr and "build-kernel: 6.12/full: make KCONFIG_ALLCONFIG=" in done.stderr
    assert done.stdout == ""


def test_kernel_without_an_image_is_built_again(kernel_place):
    result = kernel_place.run("build-kernel", "6.12/full", check=0).stdout.strip()
    os.unlink(f"{result}/bzImage")
    kernel_place.run("build-kernel", "--cached", "6.12/full", check=4)
    assert kernel_place.run("build-kernel", "6.12/full", check=0).stdout.strip() == result
    assert os.path.exists(f"{result}/bzImage") and not os.path.exists(f"{result}/{os.path.basename(result)}.new")


def test_kernel_build_needs_space(kernel_place):
    kernel_place.stub(df="printf 'Avail\\n  60M\\n'")
    done = kernel_place.run("build-kernel", "6.12/full", check=1)
    assert "takes 4096 MiB" in done.stderr and "where 60 MiB are free" in done.stderr


@pytest.mark.parametrize("old, new, same", [("building", "making", True), ("recipe=1", "recipe=11", False)])
def test_kernel_key_is_of_what_is_built(kernel_place, blank_checkout, tmp_path, old, new, same):
    """An edit of a message builds no kernel again, another recipe does."""
    copy = shutil.copytree(blank_checkout, tmp_path / "copy", symlinks=True)
    script = copy / "devtools/build-kernel"
    before = kernel_place.run("build-kernel", "6.12/full", top=copy, check=0).stdout
    assert old in script.read_text()
    script.write_text(script.read_text().replace(old, new))
    after = kernel_place.run("build-kernel", "6.12/full", top=copy, check=0).stdout
    assert (before == after) == same


# The cache

TOOLS_WITH_CACHE = [("arm64-tools",), ("build-dpdk",), ("build-kernel", "6.12/full"), ("check-series", "linux-6.12"),
                    ("kernel-source", "linux-7.3"), ("prepare-dpdk",), ("wc-test", "--collect-only")]


@pytest.mark.parametrize("environment, message", [
    ({"XDG_CACHE_HOME": None, "HOME": None}, "neither XDG_CACHE_HOME nor HOME is set"),
    ({"XDG_CACHE_HOME": "/proc/none"}, "the cache /proc/none/dpdk-vfio-wc cannot be written: set XDG_CACHE_HOME"),
    ({"XDG_CACHE_HOME": "/tmp/a b"}, "the cache cannot be in '/tmp/a b'"),
    ({"XDG_CACHE_HOME": "cache"}, "the cache cannot be in 'cache': set XDG_CACHE_HOME to an absolute path")])
@pytest.mark.parametrize("tool", TOOLS_WITH_CACHE, ids=lambda tool: tool[0])
def test_cache_that_cannot_be(place, tool, environment, message):
    done = place.run(*tool, **environment)
    assert done.returncode not in (0, 2) and message in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1


# Arguments

# What installs, builds or fetches: the arguments come first.
ACTS = ["apt-get", "dpkg-query", "meson", "ninja", "make", "tar", "qemu-system-x86_64", "valgrind", "shellcheck", "git"]
SHELL_TOOLS = ["arm64-tools", "build-dpdk", "build-kernel", "check-headers", "check-series", "count-instructions",
               "export-kernel-series", "install-deps", "kernel-source", "lint", "prepare-dpdk", "qemu",
               "run-unit-tests", "wc-arm64", "wc-test"]
BAD_ARGUMENTS = [
    ("arm64-tools x", "'x': arm64-tools takes no arguments"),
    ("build-dpdk arm64x", "no configuration 'arm64x': use release, sanitize or arm64"),
    ("build-dpdk release arm64", "expected one configuration"),
    ("build-kernel 6.13/full", "no kernel '6.13/full': use one of 6.12/full"),
    ("build-kernel", "expected one NAME, or --all"),
    ("check-headers", "expected a build directory"),
    ("check-series --quick", "expected linux-6.12, linux-7.3 or linux-7.3-compact-offsets"),
    ("check-series linux-5", "no series 'linux-5': use linux-6.12"),
    ("count-instructions 63", "'63': use frame sizes from 64 to 1518"),
    ("count-instructions 64 0x40", "'0x40': use frame sizes from 64 to 1518"),
    ("export-kernel-series linux-6.12", "expected SERIES, TREE and BASE"),
    ("install-deps riscv", "'riscv': use no argument, arm64, dpdk, bench, kernel or python"),
    ("kernel-source linux-5", "no source 'linux-5': use linux-6.12 or linux-7.3"),
    ("lint --colour", "'--colour': lint takes no arguments"),
    ("prepare-dpdk --sauce x", "unknown option '--sauce'"),
    ("qemu x", "'x': use no argument, or --cached"),
    ("run-unit-tests x", "expected the path of a dpdk-test-wc, and a suite"),
    ("wc-arm64 --colours", "unrecognized arguments: --colours"),
    ("wc-arm64 --maxfail few", "argument --maxfail: invalid int value: 'few'"),
    ("wc-arm64 tests/kernel/test_arm65.py", "file or directory not found: tests/kernel/test_arm65.py")]


@pytest.fixture
def idle(place):
    """Where nothing may be done: each stub notes that it was called."""
    place.stub(**{name: "echo $0 $* >>$STUBS/acted; exit 1" for name in ACTS})
    yield place
    acted = place.stubs / "acted"
    assert not acted.exists(), acted.read_text()


@pytest.mark.parametrize("word", ["--help", "-h"])
@pytest.mark.parametrize("tool", SHELL_TOOLS)
def test_help_of_a_shell_tool_is_its_own_and_all(idle, tool, word):
    done = idle.run(tool, word, check=0, HOME=None, XDG_CACHE_HOME=None)
    head = (TOP / "devtools" / tool).read_text().splitlines()[4]
    assert done.stdout.startswith(head.removeprefix("# ")) and done.stderr == ""


@pytest.mark.parametrize("command, message", BAD_ARGUMENTS)
def test_bad_arguments_of_a_shell_tool(idle, command, message):
    tool, *arguments = command.split()
    done = idle.run(tool, *arguments, check=2)
    assert done.stderr.startswith(f"{tool}: {message}") and len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stdout == ""


# DPDK's tree

def test_dpdk_is_prepared_once_for_two_paths_to_its_source(blank_checkout, tmp_path):
    """Others may be using the tree, and what is built of it."""
    copy = shutil.copytree(blank_checkout, tmp_path / "copy", symlinks=True)
    other = tmp_path / "other" / guest.CACHE.name
    other.mkdir(parents=True)
    (other / "dpdk-src").symlink_to(guest.CACHE / "dpdk-src")
    said = [run([copy / "devtools/prepare-dpdk"], check=0,
                env=os.environ | {"XDG_CACHE_HOME": str(cache.parent)}).stderr for cache in (guest.CACHE, other)]
    assert "prepare-dpdk: prepared " in said[0] and said[1] == ""


# QEMU

OLD, NEW = ("echo QEMU emulator version %s" % version for version in ("7.2.22", "10.0.2"))


@pytest.fixture
def qemu_place(place):
    """Where the archive has a QEMU, beside the old one that is installed."""
    if not any(line.strip() == "VERSION_CODENAME=bookworm" for line in open("/etc/os-release")):
        pytest.skip("QEMU is fetched on Debian 12 only")
    place.stub(**{"qemu-system-x86_64": OLD, "apt-get": """
        echo "$*" >>$STUBS/fetched
        case "$*" in *download*) touch qemu.deb ;; esac""", "dpkg-deb": f"""
        mkdir -p $3/usr/bin
        printf '#!/bin/sh\n{NEW}' >$3/usr/bin/qemu-system-x86_64
        chmod +x $3/usr/bin/qemu-system-x86_64"""})
    return place


def test_old_qemu_is_replaced_once(qemu_place):
    program = qemu_place.run("qemu", check=0).stdout.strip()
    assert program.startswith(str(qemu_place.cache))
    assert run([program], check=0).stdout == "QEMU emulator version 10.0.2\n"
    fetched = (qemu_place.stubs / "fetched").read_text()
    assert "download qemu-system-x86 " in fetched
    again = qemu_place.run("qemu", check=0)
    assert (again.stdout.strip(), again.stderr) == (program, "")
    assert qemu_place.run("qemu", "--cached", check=0).stdout.strip() == program
    assert (qemu_place.stubs / "fetched").read_text() == fetched


@pytest.mark.parametrize("installed, arguments", [(NEW, []), (OLD, ["--cached"])])
def test_installed_qemu_is_used(qemu_place, installed, arguments):
    qemu_place.stub(**{"qemu-system-x86_64": installed})
    done = qemu_place.run("qemu", *arguments, check=0)
    assert (done.stdout.strip(), done.stderr) == (str(qemu_place.stubs / "qemu-system-x86_64"), "")
    assert not (qemu_place.stubs / "fetched").exists()


@pytest.mark.parametrize("broken, message", [
    ("apt-get", "the suite bookworm-backports cannot be read: check the network"),
    ("dpkg-deb", "continuing with QEMU 7.2.22, which takes longer")])
def test_old_qemu_is_used_if_no_other_can_be_fetched(qemu_place, broken, message):
    qemu_place.stub(**{broken: "exit 1"})
    done = qemu_place.run("qemu", check=0)
    assert done.stdout.strip() == str(qemu_place.stubs / "qemu-system-x86_64")
    assert message in done.stderr and "continuing with QEMU 7.2.22" in done.stderr


# Without a network

@pytest.mark.parametrize("command, status, message", [
    ("prepare-dpdk", 1, "the list of source packages cannot be fetched: check the network"),
    ("kernel-source linux-7.3", 3, "the suite trixie-backports cannot be read: check the network"),
    ("arm64-tools", 1, "the lists of packages for arm64 cannot be fetched: check the network")])
def test_without_a_network_the_tool_speaks_first(place, tmp_path, blank_checkout, command, status, message):
    copy = shutil.copytree(blank_checkout, tmp_path / "copy", symlinks=True)
    place.stub(**{"apt-get": """
        case "$*" in
        *Error-Mode=any*update) echo 'E: Failed to fetch'; exit 100 ;;
        *update) echo 'W: Failed to fetch' ;;
        *) echo 'E: You must put some deb-src URIs in your sources.list'; exit 100 ;;
        esac""", "dpkg-source": ""})
    done = place.run(*command.split(), top=copy, check=status)
    own = [line for line in done.stderr.splitlines() if "fetching " not in line]
    tool = command.split()[0]
    assert own[0].startswith(f"{tool}: {message}") and own[0].endswith("apt-get reports:"), done.stderr
    assert own[1:] == ["E: Failed to fetch"]


def test_what_takes_long_is_not_silent(place, tmp_path):
    """A download that stands still is named again; a failure prints what came before and after."""
    os.mkfifo(tmp_path / "go")
    place.stub(**{"apt-get": f"echo 'Get:7 linux-source'; read -r line <{tmp_path}/go; echo \"E: $line\"; exit 100"})
    script = f". {TOP}/devtools/lib.sh; progress_s=1; apt_get 'nothing is fetched' download linux-source"
    with subprocess.Popen(["bash", "-c", script, "fetch"], env=place.environment, stderr=subprocess.PIPE,
                          text=True) as fetch:
        # Only now does the program go on: it has been named before it ended.
        assert fetch.stderr.readline() == "fetch: Get:7 linux-source\n"
        (tmp_path / "go").write_text("Failed to fetch\n")
        rest = fetch.stderr.read().splitlines()
    assert [line for line in rest if not line.startswith("fetch: Get:7")] == [
        "fetch: nothing is fetched; apt-get reports:", "Get:7 linux-source", "E: Failed to fetch"]
    assert fetch.returncode == 1


# Tools in Python

PYTHON_TOOLS = ["fuzz-ivshmem", "kernel-bench", "soak-ivshmem", "wc-bench", "wc-bench-peers", "wc-costs", "wc-ena",
                "wc-perf", "wc-probe", "wc-stress", "wcscope"]
BAD_PYTHON_ARGUMENTS = [
    ("fuzz-ivshmem --patch /none", "--patch /none: no such file"),
    ("fuzz-ivshmem --reproduce /none", "--reproduce /none: no such file"),
    ("fuzz-ivshmem --seconds 0", "--seconds 0: use 1 or more"),
    ("kernel-bench --rounds 0", "--rounds 0: use 1 to 100"),
    ("kernel-bench --output /proc/none", "--output /proc/none: "),
    ("soak-ivshmem --programs /none", "--programs /none: no dpdk-wc-guest"),
    ("soak-ivshmem --seconds -1", "--seconds -1: use 1 or more"),
    ("wc-bench --colour", "unrecognized arguments: --colour"),
    ("wc-bench --model z80", "--model z80: no preset 'z80': use intel or broadwell or amd"),
    ("wc-bench --model amd,buffers=0", "--model amd,buffers=0: buffers must be 1 to 64"),
    ("wc-bench --model amd,colour=0", "--model amd,colour=0: no parameter 'colour': use line, buffers"),
    ("wc-bench --platform z80", "--platform z80: no platform 'z80': use f1, gdrcopy, "),
    ("wc-bench --platform f1,colour=1", "--platform f1,colour=1: no cost 'colour': use uc_store, "),
    ("wc-bench --platform f1,fence=0", "--platform f1,fence=0: fence=0: use a number above 0, up to 1000000"),
    ("wc-bench --eal-options '", "--eal-options ': No closing quotation"),
    ("wc-bench --device 00:99.0", "--device 0000:00:99.0: no such device"),
    ("wc-bench --output /proc/none", "--output /proc/none: No such file or directory: use a writable directory"),
    ("wc-bench-peers --output /proc/none", "--output /proc/none: No such file or directory: use a writable directory"),
    ("wc-costs now", "unrecognized arguments: now"),
    ("wc-ena --model z80", "--model z80: no preset 'z80': use intel or broadwell or amd"),
    ("wc-perf now", "unrecognized arguments: now"),
    ("wc-probe --runs 0", "--runs 0: use 1 to 100"),
    ("wc-stress 6.13", "invalid choice: '6.13' (choose from '6.12', '7.3')"),
    ("wc-stress --operations 0", "--operations 0: use 10 or more"),
    ("wc-stress --log /none/log", "--log /none/log: no directory /none"),
    ("wcscope --size 3 -- true", "--size 3: use a power of two up to 1024")]


@pytest.mark.parametrize("tool", PYTHON_TOOLS)
def test_help_of_a_python_tool(idle, tool):
    done = idle.run(tool, "--help", check=0)
    assert done.stdout.startswith(f"usage: {tool} ") and done.stderr == ""


@pytest.mark.parametrize("command, message", BAD_PYTHON_ARGUMENTS)
def test_bad_arguments_of_a_python_tool(idle, command, message):
    tool, *arguments = command.split()
    done = idle.run(tool, *arguments, check=2)
    assert f"{tool}: error: " in done.stderr and message in done.stderr, done.stderr


@pytest.mark.parametrize("tool, module", [("wc-bench", "pexpect"), ("wc-perf", "pexpect"), ("kernel-bench", "pexpect"),
                                          ("wc-bench-peers", "pexpect")])
def test_a_package_that_is_missing_is_named(idle, tmp_path, tool, module):
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules['{module}'] = None\n")
    done = run(["/usr/bin/python3", "-P", "-m", f"bench.{tool.replace('-', '_')}"], check=1, cwd=tmp_path,
               env=idle.environment | {"PYTHONPATH": f"{TOP}:{tmp_path}"})
    assert done.stderr.startswith(f"{tool}: ") and f"Python's module {module} missing: install" in done.stderr
    assert f"python3-{module}" in done.stderr


def test_program_that_fails_is_named(idle):
    """What install-deps cannot install ends the tool with one line of its own."""
    idle.stub(**{"dpkg-query": "", "apt-get": "exit 100"})
    done = idle.run("wc-perf", check=1)
    assert done.stderr.splitlines()[-1] == "wc-perf: packages are missing, see above"


def test_device_in_a_domain_of_more_than_16_bits():
    assert wc_bench_device.full_bdf("10000:E1:00.0") == "10000:e1:00.0"
    with pytest.raises(wc_bench_device.DeviceError):
        wc_bench_device.full_bdf("123456789:e1:00.0")


def test_models_are_those_of_wcscope(tmp_path):
    """What wc-bench refuses before it measures is what wcscope would refuse later."""
    (tmp_path / "check.c").write_text("""
        #include <stdio.h>
        #include "wc_model.h"
        int main(int argc, char **argv)
        {
            struct wc_params params;

            (void)argc;
            for (const char *name; (name = *++argv) != NULL; ) {
                printf("%s", name);
                for (int value = 0; value < 1200; value++) {
                    char text[8];

                    snprintf(text, sizeof(text), "%d", value);
                    wc_preset("intel", &params);
                    if (wc_params_set(&params, name, text) == 0 && wc_params_valid(&params))
                        printf(" %d", value);
                }
                printf("\\n");
            }
            return 0;
        }""")
    numbers = [name for name, values in wcscope.PARAMETERS.items() if not isinstance(values[0], str)]
    subprocess.run(["gcc", f"-I{TOP}/wcscope", tmp_path / "check.c", TOP / "wcscope/wc_model.c", "-o",
                    tmp_path / "check"], check=True)
    for line in run([tmp_path / "check", *numbers], check=0).stdout.splitlines():
        name, *valid = line.split()
        assert name == "line" or valid == list(map(str, wcscope.PARAMETERS[name]))


# Ctrl-C

BENCH_PEERS = """
import os, signal
from bench import wc_bench_peers as peers
from harness import tool

def measure(program, cpus, peer, mode, frame, seconds):
    measured.append(frame)
    if len(measured) > {runs}:
        os.kill(os.getpid(), signal.SIGINT)
    return {{"mode": mode, "frame": frame, "cpus": "0,1", "round_trip_ns": [100, 100], "state": "near", "mpps": 1.5,
            "dropped_percent": 0.0}}

measured = []
peers.measure = measure
peers.Competitor.started = peers.Alone.started = lambda self, program, cpus: peers.contextlib.nullcontext()
peers.huge_pages = lambda number: peers.contextlib.nullcontext()
peers.build = lambda: None
tool.LOCK = "\\0wc-bench of {lock}"
tool.run("wc-bench-peers", peers.parse_args, peers.main, errors=[peers.testpmd.TestpmdError])
"""


@pytest.fixture
def bench_peers(tmp_path):
    """wc-bench-peers but for what it measures: bench_peers(after how many it is interrupted) is a command."""
    def command(runs):
        script = tmp_path / "peers.py"
        script.write_text(BENCH_PEERS.format(runs=runs, lock=tmp_path))
        return [*PYTHON, str(script), "--frames", "64", "--repeats", "1", "--output", str(tmp_path / "results")]
    return command


def test_peers_measured_before_an_interrupt_are_kept(bench_peers, tmp_path):
    output = tmp_path / "results"
    run(bench_peers(100), check=0)
    before = {path.name: path.read_text() for path in output.iterdir()}
    assert set(before) == {"peers.md", "peers.json"}
    done = run(bench_peers(2), check=130)
    assert done.stderr.splitlines()[-1] == "wc-bench-peers: interrupted"
    assert "Not complete: " in done.stdout
    assert set(re.findall(r"^\| +0,1 \| +near \| +100 \| +one way \| +64 \| +(\S+)", done.stdout, re.M)) == {
        "net_ivshmem", "net_memif"}
    kept = json.loads((output / "peers-unfinished.json").read_text())
    assert [each["peer"] for each in kept["runs"]] == ["net_ivshmem", "net_memif"] and not kept["complete"]
    # Earlier results are still there; later ones take the place of all.
    assert {name: (output / name).read_text() for name in before} == before
    run(bench_peers(100), check=0)
    assert not (output / "peers-unfinished.json").exists()


def test_peers_on_a_full_disk_are_printed(bench_peers, full_disk):
    (full_disk / "full").write_bytes(bytes(4096))
    done = run([*bench_peers(100), "--output", full_disk], check=1)
    assert " net_memif |" in done.stdout
    assert re.search(r"^wc-bench-peers: not written: .*peers.json: No space left", done.stderr.splitlines()[-1])
    done = run([*bench_peers(2), "--output", full_disk], check=130)
    assert " net_memif |" in done.stdout and "not written: " in done.stderr


# One side of soak-ivshmem's link, without one: what it sends arrives.
SIDE = """#!/usr/bin/python3
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
reports = 0
for line in sys.stdin:
    if line == "report\\n":
        reports += 1
        names = {names}
        print(*(f"{{name}} {{reports if name in ('sent', 'good0') else 0}}" for name in names))
    print(f"done {{line.strip()}}", flush=True)
    if reports == {signal_at}:
        open("{mark}", "w")
"""


def test_totals_before_an_interrupt_are_printed(tmp_path):
    names = ["sent", "received", "wrong", "missing", "restarts", "errors", "rx_bad_packets", "rx_oversized",
             "tx_bad_credits", "resyncs", "peer_restarts", "dead_owners", "rx_lost_mbufs", "good0"]
    program = tmp_path / "dpdk-wc-guest"
    program.write_text(SIDE.format(names=names, signal_at=20, mark=tmp_path / "mark"))
    program.chmod(0o755)
    command = [*PYTHON, "-m", "bench.soak_ivshmem", "--programs", tmp_path, "--queues", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as soak:
        try:
            while not (tmp_path / "mark").exists() and soak.poll() is None:
                time.sleep(0.01)
            # As a terminal does: to all its processes.
            os.killpg(soak.pid, signal.SIGINT)
            out, err = soak.communicate(timeout=60)
        finally:
            soak.kill()
    assert soak.returncode == 130 and err == "soak-ivshmem: interrupted\n"
    sent = re.search(r"^\d+ s, seed 20251125, 1 queues, sent (\d+), received 0, wrong 0, ", out, re.M)
    assert sent and int(sent[1]) >= 20, out
    assert out.startswith("Made with dpdk-vfio-wc ")


# Results of wc-bench

SETTING = {"accelerator": "TCG", "kernel": "6.12", "source": "a kernel", "qemu": "QEMU", "cpu": "a CPU", "seconds": 1,
           "repeats": 1, "dpdk": "22.11", "delivered": {"text": "unknown"}, "commands": []}
RUNS = [{"repeat": 0, "requested": requested, "frame": 64, "granted": "-", "effective": effective, "mpps": 1.5,
         "guest_received": 1, "guest_sent": 1, "guest_dropped": 0, "lost": 0, "cycles": None}
        for requested, effective in (("default", "UC-"), ("--vfio-wc", "WC"))]
BENCH = """
import time
from bench import wc_bench
from harness import tool

def measure_all(args, program, results, step):
    results.all["setting"] |= {setting}
    wc_bench.note_busy(results.all["setting"])
    results.all["runs"] += {runs}
    results.keep()
    {then}
    results.all["complete"] = True

tool.LOCK = "\\0wc-bench of {lock}"
tool.busy_percent = lambda: {busy}
wc_bench.build = lambda args, step: None
wc_bench.measure_all = measure_all
tool.run("wc-bench", wc_bench.parse_args, wc_bench.main, errors=[wc_bench.GuestError])
"""


@pytest.fixture
def bench(tmp_path):
    """wc-bench but for what it measures: bench(what happens then) is a command."""
    def command(then="pass", busy=0):
        script = tmp_path / "bench.py"
        script.write_text(BENCH.format(setting=SETTING, runs=RUNS, then=then, lock=tmp_path, busy=busy))
        return [*PYTHON, str(script), "--frames", "64", "--output", str(tmp_path / "results")]
    return command


@pytest.fixture
def full_disk(tmp_path):
    """A directory on a disk of one page."""
    directory = tmp_path / "full"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "none", directory]
    if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("mount is not permitted")
    yield directory
    subprocess.run(["umount", directory], check=True)


ROW = r"^\| +64 \| +--vfio-wc \| +WC \| +1\.500 \|"


def test_results_on_a_full_disk_are_printed(bench, full_disk):
    done = run([*bench(), "--output", full_disk], check=1)
    assert re.search(ROW, done.stdout, re.M)
    message = done.stderr.splitlines()[-1]
    assert message.startswith("wc-bench: not written: ") and "results.html: No space left on device" in message
    # What could be written is whole, what could not is not there.
    for path in full_disk.iterdir():
        assert path.name in ("unfinished.json", "results.json") and json.loads(path.read_text())["runs"] == RUNS


@pytest.mark.parametrize("then, status, message", [
    ("raise KeyboardInterrupt", 130, "wc-bench: interrupted"),
    ("raise wc_bench.GuestError('the guest is gone')", 1, "wc-bench: the guest is gone"),
    ("raise OSError(28, 'No space left on device')", 1, "wc-bench: [Errno 28] No space left on device")])
def test_results_of_a_run_that_ends_early_are_kept(bench, tmp_path, then, status, message):
    output = tmp_path / "results"
    run(bench(), check=0)
    before = {path.name: path.read_text() for path in output.iterdir()}
    assert set(before) == {"results.json", "results.md", "results.html"}
    done = run(bench(then), check=status)
    assert done.stderr.splitlines()[-1] == message
    assert re.search(ROW, done.stdout, re.M) and "Not complete: " in done.stdout
    kept = json.loads((output / "unfinished.json").read_text())
    assert kept["runs"] == RUNS and not kept["complete"]
    # Earlier results are still there.
    assert {name: (output / name).read_text() for name in before} == before
    compared = run([*bench(), "--compare", output / "unfinished.json"], check=0)
    assert "the earlier run is not complete" in compared.stdout
    assert not (output / "unfinished.json").exists()


def test_two_runs_do_not_share_a_directory(bench, tmp_path):
    (tmp_path / "results").mkdir()
    descriptor = os.open(tmp_path / "results", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        done = run(bench(), check=1)
    finally:
        os.close(descriptor)
    assert f"--output {tmp_path}/results: another run writes there" in done.stderr


def test_two_runs_do_not_share_the_machine(bench, tmp_path):
    with socket.socket(socket.AF_UNIX) as lock:
        lock.bind(f"\0wc-bench of {tmp_path}")
        lock.listen()
        refused = run(bench(), check=1)
        assert f"process {os.getpid()} is measuring on this machine (" in refused.stderr and "python" in refused.stderr
        assert "--when-busy wait" in refused.stderr and refused.stdout == ""
        run([*bench(), "--when-busy", "ignore"], check=0)
        with subprocess.Popen([*bench(), "--when-busy", "wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as waiting:
            try:
                assert "waiting for process" in waiting.stderr.readline()
                lock.close()
                out, err = waiting.communicate(timeout=60)
            finally:
                waiting.kill()
    assert waiting.returncode == 0 and re.search(ROW, out, re.M), err


def test_peers_are_not_measured_beside_another_tool(bench_peers, tmp_path):
    with socket.socket(socket.AF_UNIX) as lock:
        lock.bind(f"\0wc-bench of {tmp_path}")
        lock.listen()
        assert f"process {os.getpid()} is measuring on this machine (" in run(bench_peers(100), check=1).stderr
    run(bench_peers(100), check=0)


@pytest.mark.parametrize("busy", [3, 93])
def test_busy_machine_is_noted(bench, busy):
    done = run(bench(busy=busy), check=0)
    noted = f"The machine was busy: other programs used {busy} % of the CPU time."
    assert (noted in done.stdout) == (busy == 93)


# Paths with blanks

def test_testpmd_in_a_path_with_blanks(tmp_path):
    program = tmp_path / "a  b" / "dpdk-testpmd"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf 'testpmd> '\nread -r word\necho Bye\n")
    program.chmod(0o755)
    process = testpmd.on_host(program, 0, "--no-pci", "")
    assert process.command.startswith(f"'{program}' ")
    process.quit()
    assert re.match(shlex.split(testpmd.running(program))[0], f"{program} --no-pci")


def test_prompt_with_log_lines_in_it(tmp_path):
    """Threads log while testpmd writes its prompt; what they say is part of the output."""
    program = tmp_path / "dpdk-testpmd"
    program.write_text("#!/bin/sh\nprintf 'Done\ntestnet_ivshmem: one: two\nEAL: three\npmd> '\n"
                       "read -r word\nprintf 'testpmd> '\nread -r word\necho Bye\n")
    program.chmod(0o755)
    process = testpmd.on_host(program, 0, "--no-pci", "")
    assert process.log.replace("\r", "").endswith("Done\nnet_ivshmem: one: two\nEAL: three\n")
    assert process("show") == ""
    process.quit()


def test_guest_of_a_checkout_in_a_path_with_blanks(monkeypatch, blank_checkout):
    monkeypatch.setattr(guest, "INIT", blank_checkout / "harness/init")
    with guest.Guest(boot_timeout=300) as machine:
        assert "a  b/harness/init" in machine.run("tr '\\0' '\\n' </proc/1/cmdline", check=True).out


# KVM

def test_kvm_is_tried_with_the_kernel_that_is_there(monkeypatch, tmp_path):
    """No other kernel is built to learn that KVM does not work."""
    kernel = tmp_path / "bzImage"
    tried = []

    class Fails(guest.Guest):
        def _start(self):
            tried.append((self.kernel, self.accel))
            raise guest.GuestError("no boot")

    monkeypatch.setattr(guest, "Guest", Fails)
    monkeypatch.setattr(guest, "KVM", tmp_path)
    monkeypatch.setattr(guest, "CACHE", tmp_path)
    monkeypatch.setattr(guest, "kernel_dir", lambda variant: pytest.fail(f"builds {variant}"))
    assert [guest.Guest(kernel=kernel).accel for _ in range(2)] == ["tcg", "tcg"]
    assert tried == [(kernel, "kvm")]
