# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""What comes with vfio-wc: its own build and installation, the manual page, completion in bash."""

import re
import subprocess

import pytest

from harness import TOP, vfio_wc

pytestmark = pytest.mark.quick

VERSION = (TOP / "VERSION").read_text().strip()
MANUAL = re.sub(r"\\f[BIR]", "", (vfio_wc.SOURCE / "vfio-wc.8").read_text())


def output(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
                          **options).stdout


def test_build_alone(tmp_path):
    """From a copy that has nothing around it, as a package is built."""
    source, build, root = (tmp_path / name for name in ("vfio-wc", "build", "root"))
    output("cp", "-rL", vfio_wc.SOURCE, source)
    output("meson", "setup", "--werror", "--prefix=/usr", build, source)
    output("meson", "install", "-C", build, "--destdir", root)
    library, *installed = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    assert re.fullmatch(r"usr/lib\S*/vfio-wc/vfio-wc-preload\.so", library)
    assert installed == ["usr/sbin/vfio-wc", "usr/share/bash-completion/completions/vfio-wc",
                         "usr/share/man/man8/vfio-wc.8"]
    program = root / installed[0]
    refused = subprocess.run([program, "run", "true"], stderr=subprocess.PIPE, text=True)
    assert refused.stderr.startswith(f"vfio-wc: run: the library /{library} cannot be read: ")
    assert exported(root / library) == {"ioctl", "mmap", "mmap64"}
    assert output(program, "--version") == f"vfio-wc {VERSION}\n"
    assert re.findall(r"NEEDED.*\[(.*)\]", output("readelf", "-d", program)) == ["libc.so.6"]


def exported(library):
    """What programs find in the library: no name by which it would replace one of theirs."""
    return {line.split()[2] for line in output("nm", "-D", "--defined-only", library).splitlines()}


def test_build_without_meson(tmp_path):
    """The calls in doc/operators.rst."""
    text = (TOP / "doc/operators.rst").read_text().replace("\\\n", "")
    calls = re.findall(r"^   (gcc .* -o vfio-wc.*)$", text, re.M)
    assert len(calls) == 2
    for call in calls:
        output("sh", "-ec", call.replace("-o vfio-wc", f"-o {tmp_path}/vfio-wc"), cwd=TOP)
    assert output(tmp_path / "vfio-wc", "--version") == f"vfio-wc {VERSION}\n"
    assert exported(tmp_path / "vfio-wc-preload.so") == {"ioctl", "mmap", "mmap64"}
    assert output(tmp_path / "vfio-wc", "run", "echo", "x") == "x\n"


@pytest.mark.parametrize("compiler", ["gcc", "clang-14"])
def test_no_warnings(tmp_path, compiler):
    output(compiler, *vfio_wc.WARNINGS, "-O2", "-fsyntax-only", *sorted(vfio_wc.SOURCE.rglob("*.c")))


# The manual page

def test_manual_has_no_errors():
    assert output("groff", "-man", "-ww", "-z", "-Tutf8", vfio_wc.SOURCE / "vfio-wc.8") == ""


def strings(name):
    return set(re.findall(r'json_\w+\("(\w+)"', (vfio_wc.SOURCE / name).read_text()))


def test_manual_names_each_member_and_metric():
    for member in strings("json.c"):
        assert re.search(rf"\b{member}\b", MANUAL), member
    metrics = set(re.findall(r'prometheus_head\("(\w+)"', (vfio_wc.SOURCE / "prometheus.c").read_text()))
    assert {f"vfio_wc_{metric}" for metric in metrics} == set(re.findall(r"^\.B (vfio_wc_\w+)$", MANUAL, re.M))


def test_manual_names_each_option():
    options = [option for name in ("main.c", "launch.c")
               for option in re.findall(r'\{ "(\w+)", \w+, NULL', (vfio_wc.SOURCE / name).read_text())]
    plain = MANUAL.replace("\\-", "-")
    assert options and all(f"--{option}" in plain for option in options)


# Completion

def complete(line):
    """What the completion of bash offers at the end of a line."""
    script = """
        compopt() { :; }  # only readline can call it
        source "$1"
        COMP_LINE=$2 COMP_POINT=${#2}
        COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
        read -ra COMP_WORDS <<<"$2"
        [[ $2 != *" " ]] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _vfio_wc vfio-wc "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\\n' "${COMPREPLY[@]}"
        complete -p vfio-wc >/dev/null"""
    return output("bash", "-euc", script, "bash", vfio_wc.SOURCE / "vfio-wc.bash", line).split()


@pytest.mark.parametrize("line, words", [
    ("vfio-wc ", ["status", "doctor", "measure", "run", "--root", "--help", "--version"]),
    ("vfio-wc st", ["status"]),
    ("vfio-wc status --", ["--pid", "--json", "--prometheus", "--root"]),
    ("vfio-wc status --json --pr", ["--prometheus"]),
    ("vfio-wc doctor --", ["--root"]),
    ("vfio-wc measure --", ["--scratch", "--root"]),
    ("vfio-wc run --", ["--bar", "--driver", "--mode", "--"]),
    ("vfio-wc run --mode ", ["auto", "strict"]),
    ("vfio-wc run --driver net", ["net_ena", "net_ionic"]),
    ("vfio-wc run -- printe", ["printenv"]),
    ("vfio-wc x --root /pro", ["/proc"])])
def test_completion(line, words):
    assert complete(line) == words


def test_completion_of_pids():
    pids = complete("vfio-wc status --pid ")
    assert "1" in pids and all(pid.isdigit() for pid in pids)


def test_completion_of_devices(tmp_path):
    """The part before a colon is a word of its own to readline."""
    script = (vfio_wc.SOURCE / "vfio-wc.bash").read_text()
    devices = tmp_path / "devices"
    for name in ("0000:00:04.0", "0000:01:00.0"):
        (devices / name).mkdir(parents=True)
    (tmp_path / "vfio-wc.bash").write_text(script.replace("/sys/bus/pci/devices", str(devices)))
    run = f"""source {tmp_path}/vfio-wc.bash
        COMP_WORDBREAKS=$' :' COMP_WORDS=(vfio-wc doctor 0000 : 01) COMP_CWORD=4
        COMP_LINE="vfio-wc doctor 0000:01" COMP_POINT=22
        _vfio_wc vfio-wc 01 :
        echo "${{COMPREPLY[@]}}" """
    assert output("bash", "-euc", run) == "01:00.0\n"
