# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""One version, in the file VERSION: what programs, tools and reports say, and the change log."""

import os
import re
import subprocess

import pytest

from bench import kernel_bench, wc_bench, wc_bench_peers, wc_bench_report
from harness import TOP, version

VERSION = (TOP / "VERSION").read_text().strip()
# What a person does not run
INTERNAL = {"changed_tests.py", "check-dpdk-locks.h", "dpdk_hooks.py", "dpdk_series.py", "lib.sh", "pytest_args.py",
            "run-tool"}
TOOLS = sorted({path.name for path in (TOP / "devtools").iterdir() if path.is_file()} - INTERNAL)


def output(*command, **environment):
    """What it prints, and that it does nothing else that takes time."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60,
                          env=os.environ | environment).stdout


def test_file_has_a_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+(-dev)?", VERSION) and version.VERSION == VERSION


@pytest.mark.parametrize("tool", TOOLS)
def test_version_of_a_tool(tool):
    name = "dpdk-hooks" if tool == "export-dpdk-hooks" else tool
    assert output(TOP / "devtools" / tool, "--version", XDG_CACHE_HOME="/proc/none") == f"{name} {VERSION}\n"


@pytest.mark.parametrize("program", ["dpdk-test-wc", "dpdk-wc-ena", "dpdk-wc-guest", "dpdk-wc-perf"])
def test_version_of_a_program(release, program):
    assert output(release / program, "--version") == f"{program} {VERSION}\n"


# Reports

def git(directory, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    return output("git", "-C", directory, *identity, *words)


def test_report_names_the_commit(monkeypatch, tmp_path):
    monkeypatch.setattr(version, "TOP", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert version.describe() == VERSION
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-qm", "a")
    commit = git(tmp_path, "rev-parse", "--short", "HEAD").strip()
    assert version.describe() == f"{VERSION} ({commit})"
    (tmp_path / "file").write_text("b")
    assert version.describe() == f"{VERSION} ({commit}-dirty)"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert version.describe() == VERSION


SETTING = {"version": "1.2.3 (abc)", "accelerator": "TCG", "kernel": "6.12", "source": "a kernel",
           "cpu": "a CPU", "seconds": 1, "commands": []}
RESULTS = {"setting": SETTING, "rows": [], "models": [], "instructions": [], "peers": []}


@pytest.mark.parametrize("text", [
    lambda: wc_bench_report.markdown(RESULTS),
    lambda: wc_bench_report.peers_markdown({"version": "1.2.3 (abc)", "cpu": "a CPU", "peers": []}),
    lambda: kernel_bench.markdown(None, {"version": "1.2.3 (abc)"})],
    ids=["wc-bench", "wc-bench-peers", "kernel-bench"])
def test_report_says_what_it_was_made_with(text):
    assert "Made with dpdk-vfio-wc 1.2.3 (abc)." in text().splitlines()


def test_results_have_the_version(monkeypatch):
    monkeypatch.setattr(version, "describe", lambda: "1.2.3 (abc)")

    class Arguments:
        frames, seconds = [64], 1

    assert wc_bench.Results(Arguments).all["setting"]["version"] == "1.2.3 (abc)"
    assert wc_bench_peers.summarise(Arguments, [], True)["version"] == "1.2.3 (abc)"


def test_another_version_is_no_change_of_the_setting():
    other = {**RESULTS, "setting": SETTING | {"version": "1.2.4"}}
    without = {**RESULTS, "setting": {name: value for name, value in SETTING.items() if name != "version"}}
    assert wc_bench_report.compare(other, RESULTS) == wc_bench_report.compare(without, RESULTS) == []
    assert wc_bench_report.is_result(without)


# The change log

def test_changelog_begins_with_the_version():
    """What is developed is not released yet; a release has its number and its date."""
    newest = re.search(r"^## (.*)$", (TOP / "CHANGELOG.md").read_text(), re.M).group(1)
    if VERSION.endswith("-dev"):
        assert newest == "[Unreleased]"
    else:
        assert re.fullmatch(rf"\[{re.escape(VERSION)}\] - \d{{4}}-\d\d-\d\d", newest)


def test_changelog_has_releases_in_order():
    releases = re.findall(r"^## \[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d\d-\d\d$", (TOP / "CHANGELOG.md").read_text(), re.M)
    numbers = [tuple(map(int, release)) for release in releases]
    assert numbers == sorted(set(numbers), reverse=True)
    if VERSION.endswith("-dev"):
        assert not numbers or numbers[0] < tuple(map(int, VERSION.removesuffix("-dev").split(".")))
