# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""lib/wcio: its unit tests on arm64, EAL's limit of vector width, and which instructions it is made of.

What this machine cannot execute, the unit tests emulate, and here it is read back from the object files.
"""

import ctypes
import functools
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from harness import TOP
from harness.guest import build_dpdk

pytestmark = pytest.mark.quick
EAL = ["--no-huge", "--no-pci", "--no-telemetry", "-m", "128", "--lcores", "0@0"]
QEMU_ARM64 = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
OBJDUMP = {"x86": "objdump", "arm64": "aarch64-linux-gnu-objdump"}
SUITES = ["vfio-wc-option", "pci-wc", "wcio", "ivshmem"]


@pytest.fixture(scope="session")
def arm64():
    """Directory of the DPDK programs for arm64."""
    return build_dpdk("arm64")


@functools.lru_cache(maxsize=None)
def build(arch):
    """The build directory of an architecture, built when a test asks for it."""
    return build_dpdk("arm64").parent if arch == "arm64" else build_dpdk("release").parents[2]


def run_suite(command, suite, options=()):
    """Output of a suite of dpdk-test-wc that passed."""
    run = subprocess.run([*command, *EAL, "--file-prefix", f"test-wcio-{suite}-{os.getpid()}", *options, "--", suite],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert run.returncode == 0 and "not ok" not in run.stdout, run.stdout
    assert re.search(r"^1\.\.[1-9]", run.stdout, re.M), run.stdout
    return run.stdout


@pytest.mark.parametrize("suite", SUITES)
def test_unit_tests_on_arm64(arm64, suite):
    printed = run_suite([*QEMU_ARM64, arm64 / "dpdk-test-wc"], suite)
    if suite == "wcio":
        assert {"# run plain", "# run NEON", "# NEON, of at most 32768 bits"} <= set(printed.splitlines()), printed
        assert variants_seen(printed) == {"plain", "NEON", "ST64B"}


def variants_seen(printed):
    """Variants of which lines were copied, by this CPU or by the test's own emulation of one instruction."""
    return set(re.findall(r"^# (?:run|emulated) (\w+)\b", printed, re.M))


def test_every_variant_of_x86_is_tested(release):
    assert variants_seen(run_suite([release / "dpdk-test-wc"], "wcio")) == {"plain", "SSE2", "AVX2", "AVX512",
                                                                            "MOVDIR64B"}


@pytest.mark.parametrize("bits, expected", [(64, ["plain"]), (128, ["SSE2"]), (256, ["AVX2", "SSE2"]),
                                            (512, ["AVX512", "AVX2", "SSE2"])])
def test_limit_of_vector_width(release, bits, expected):
    printed = run_suite([release / "dpdk-test-wc"], "wcio", [f"--force-max-simd-bitwidth={bits}"])
    there = re.findall(r"^# run (\w+)$", printed, re.M)
    widest = next(variant for variant in expected if variant in there)
    assert f"# {widest}, of at most {bits} bits\n" in printed


def test_limit_of_vector_width_on_arm64(arm64):
    printed = run_suite([*QEMU_ARM64, arm64 / "dpdk-test-wc"], "wcio", ["--force-max-simd-bitwidth=64"])
    assert "# plain, of at most 64 bits\n" in printed


# Instructions

def disassemble(path, arch):
    """{function: [instruction, ...]} of an object file or archive."""
    text = subprocess.run([OBJDUMP[arch], "-d", "--no-show-raw-insn", path], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    functions = {}
    for line in text.splitlines():
        if match := re.match(r"[0-9a-f]+ <(\w+)>:", line):
            code = functions.setdefault(match.group(1), [])
        elif match := re.match(r" +[0-9a-f]+:\t(.*)", line):
            code.append(" ".join(re.sub(r"\s*(//|# ).*", "", match.group(1)).split()))
    return functions


@functools.lru_cache(maxsize=None)
def library(arch):
    """The functions of lib/wcio for an architecture."""
    return disassemble(next(build(arch).glob("**/lib/librte_wcio.a")), arch)


# A store has memory as the last operand in x86's syntax of objdump, and begins with st on arm64.
STORES = {"x86": r"(\(%\w+.*\)|0x[0-9a-f]+)$|^movdir64b", "arm64": r"^st"}


def stores(code, arch):
    return [line for line in code if re.search(STORES[arch], line) and not re.match(r"(j|nop|cs nop|data16|lea)", line)]


@pytest.mark.parametrize("arch, function, store, number", [
    ("x86", "wcio_x86_copy_sse2", r"mov(ap|dqa|ups|aps)\w* %xmm\d+,", 4),
    ("x86", "wcio_copy_avx2", r"vmov(ap|dqa)\w* %ymm\d+,", 2),
    ("x86", "wcio_copy_avx512", r"vmov(ap|dqa)\w* %zmm\d+,", 1),
    ("x86", "wcio_copy_movdir64b", r"movdir64b \(%\w+\),%\w+$", 1),
    ("arm64", "wcio_arm64_copy_neon", r"st1 \{v\d+\.16b-v\d+\.16b\}, \[x0\]", 1),
    ("arm64", "wcio_copy_st64b", r"st64b x0, \[x8\]$", 1)])
def test_stores_of_a_line(arch, function, store, number):
    """The loop over lines is not unrolled, hence the stores of a function are those of one line."""
    found = stores(library(arch)[function], arch)
    if function == "wcio_copy_st64b":
        # Others put a line of any alignment onto the stack, from where eight registers are loaded.
        found = [line for line in found if not line.startswith("stp")]
    assert len(found) == number and all(re.match(store, line) for line in found), library(arch)[function]


@pytest.mark.parametrize("arch, function, load, number", [
    ("x86", "rte_wcio_read", r"v?movntdqa ", 4),
    ("arm64", "rte_wcio_read", r"ld1 \{v\d+\.16b-v\d+\.16b\}, \[x1\]", 1)])
def test_loads_of_a_line(arch, function, load, number):
    assert len([line for line in library(arch)[function] if re.match(load, line)]) == number


def test_encoding_of_st64b():
    """objdump's own table says what the number in the source means."""
    archive = next(build("arm64").glob("**/lib/librte_wcio.a"))
    text = subprocess.run([OBJDUMP["arm64"], "-d", archive], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert re.search(r"f83f9100 \tst64b\tx0, \[x8\]", text)


def test_wide_instructions_stay_in_their_files():
    """Nothing that a CPU of the platform does not have is outside the functions that are chosen."""
    for function, code in library("x86").items():
        if function not in ("wcio_copy_avx2", "wcio_copy_avx512", "wcio_copy_movdir64b"):
            assert not [line for line in code if re.search(r"%[yz]mm|^v(mov|p)|^movdir", line)], function


BARRIERS = """
#include <rte_wcio.h>
#define FUNCTION(name) void test_##name(void); void test_##name(void) { rte_wcio_##name(); }
FUNCTION(flush)
FUNCTION(payload_before_wc_doorbell)
FUNCTION(payload_before_uc_doorbell)
FUNCTION(payload_before_ram_flag)
FUNCTION(payload_before_unlock)
FUNCTION(ram_before_payload)
FUNCTION(read_mb)
"""


def compile_like(build, text, out, mode="-c"):
    """Compile a source as lib/wcio is compiled."""
    entries = json.loads((build / "compile_commands.json").read_text())
    entry = next(entry for entry in entries if entry["file"].endswith("lib/wcio/rte_wcio.c"))
    words = shlex.split(entry["command"])
    source = Path(f"{out}.c")
    source.write_text(text)
    command = words[words[0] == "ccache":words.index("-MD")]
    subprocess.run([*command, "-DALLOW_EXPERIMENTAL_API", mode, "-o", out, source], cwd=entry["directory"], check=True)
    return out


@pytest.mark.parametrize("arch, store, load", [("x86", "sfence", "mfence"), ("arm64", "dsb st", "dmb oshld")])
def test_barriers(tmp_path, arch, store, load):
    functions = disassemble(compile_like(build(arch), BARRIERS, tmp_path / "barriers.o"), arch)
    assert len(functions) == 7
    for function, code in functions.items():
        expected = load if function == "test_read_mb" else store
        assert [line for line in code if "fence" in line or line.startswith(("dsb", "dmb"))] == [expected], function


@pytest.mark.parametrize("text, standards", [
    ("static inline bool header_is(void) { return true; }", "c99 c11"),
    ("#include <rte_no_such_file.h>", "c99 c11 c++11 c++20"),
    ("void header_set(int class);", "c++11 c++20"),
    ("struct header { union { int one; long other; }; };", "c99"),
    ("#include <stdint.h>\nuint32_t header_get(void);", "")])
def test_headers_are_compiled_alone(release, tmp_path, text, standards):
    """The check of public headers, devtools/check-headers, says which do not compile alone, and as what."""
    header = tmp_path / "header.h"
    header.write_text(f"#pragma once\n{text}\n")
    done = subprocess.run([TOP / "devtools/check-headers", release.parents[2], header], stderr=subprocess.PIPE,
                          text=True)
    failed = re.findall(r"^check-headers: FAILED: \S+ as (\S+)$", done.stderr, re.M)
    assert failed == standards.split() and done.returncode == (1 if failed else 0), done.stderr


def test_generic_code(tmp_path):
    """What other architectures have, compiled for this one."""
    source = (TOP / "lib/wcio/wcio_generic.c").read_text()
    generic = ctypes.CDLL(compile_like(build("x86"), source, tmp_path / "generic.so", mode="-shared"))
    generic.wcio_arch_copy_func.restype = ctypes.c_void_p
    assert [generic.wcio_arch_copy_func(variant) for variant in range(8)] == [None] * 8
    assert generic.wcio_arch_atomic() == 0
    lines = ctypes.create_string_buffer(bytes(i % 251 for i in range(27 * 64)), 27 * 64)
    for number in range(27):
        for shift in range(64):
            read = ctypes.create_string_buffer(b"\xa5" * 2000, 2000)
            generic.rte_wcio_read(ctypes.byref(read, shift), lines, ctypes.c_size_t(number))
            assert read.raw == (b"\xa5" * shift + lines.raw[:number * 64]).ljust(2000, b"\xa5")


def test_every_function_is_experimental():
    """Exported or inline, by the ABI policy."""
    header = (TOP / "lib/wcio/rte_wcio.h").read_text()
    functions = re.findall(r"^((?:__rte_experimental\n)?)(static inline )?[\w *]+\n(rte_\w+)\(", header, re.M)
    assert not [name for experimental, _, name in functions if not experimental]
    exported = re.findall(r"^\t(rte_\w+);", (TOP / "lib/wcio/version.map").read_text(), re.M)
    assert {name for _, inline, name in functions if not inline} == set(exported) and len(functions) > len(exported)
