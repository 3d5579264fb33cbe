# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The tools of devtools/ where something is wrong: arguments, paths, disks, packages. Nothing is built or booted."""

import os
import shutil
import subprocess

import pytest
from conftest import TOP

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
                          timeout=60, **options)
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
                    ("kernel-source", "linux-7.3"), ("prepare-dpdk",), ("wc-test", "--version")]


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
SHELL_TOOLS = ["arm64-tools", "build-dpdk", "build-kernel", "check-series", "count-instructions",
               "export-kernel-series", "install-deps", "kernel-source", "lint", "prepare-dpdk", "run-unit-tests",
               "wc-arm64", "wc-test"]
BAD_ARGUMENTS = [
    ("arm64-tools x", "'x': arm64-tools takes no arguments"),
    ("build-dpdk arm64x", "no configuration 'arm64x': give release, sanitize or arm64"),
    ("build-dpdk release arm64", "give one configuration"),
    ("build-kernel 6.13/full", "no kernel '6.13/full': give one of 6.12/unpatched"),
    ("build-kernel", "give one NAME, or --all"),
    ("check-series --quick", "give linux-6.12, linux-7.3 or linux-7.3-compact-offsets"),
    ("check-series linux-5", "no series 'linux-5': give linux-6.12"),
    ("count-instructions 63", "'63': give frame sizes from 64 to 1518"),
    ("count-instructions 64 0x40", "'0x40': give frame sizes from 64 to 1518"),
    ("export-kernel-series linux-6.12", "give SERIES, TREE and BASE"),
    ("install-deps riscv", "'riscv': give nothing, or arm64"),
    ("kernel-source linux-5", "no source 'linux-5': give linux-6.12 or linux-7.3"),
    ("lint --colour", "'--colour': lint takes no arguments"),
    ("prepare-dpdk --sauce x", "'--sauce' is no option"),
    ("run-unit-tests x", "give the path of a dpdk-test-wc, and a suite")]


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


# Without a network

@pytest.mark.parametrize("command, status, message", [
    ("prepare-dpdk", 1, "the list of source packages cannot be fetched: is there a network?"),
    ("kernel-source linux-7.3", 3, "the suite trixie-backports cannot be read: is there a network?"),
    ("arm64-tools", 1, "the lists of packages for arm64 cannot be fetched: is there a network?")])
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
    assert own[0].startswith(f"{tool}: {message}") and own[0].endswith("apt-get says:"), done.stderr
    assert own[1:] == ["E: Failed to fetch"]
