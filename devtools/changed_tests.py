# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Run the tests for a change that take a few minutes: devtools/wc-test --changed [REVISION]

RULES maps files to tests. The rest finds the changed files, reports the selected tests and the reasons, and runs them.
Nothing is installed, and only the release DPDK is built, incrementally: tests that need another build or a kernel that
is not in the cache are skipped with that reason.
"""

import ast
import json
import os
import re
import subprocess
import sys
import time
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from harness import TOP
from harness.tool import INTERRUPTED

ALL = "devtools/wc-test"
# Two guests at a time, as each keeps one CPU busy. The timeout shows where a test hangs.
PYTEST = [ALL, "-n", "2", "--dist", "loadfile", "--timeout=300"]
BAD_USAGE = 2
UNTESTED = 3

DPDK = "ASan and UBSan, arm64, devtools/check-dpdk"
KERNEL = "kernels that are not in the cache: devtools/wc-test tests/kernel builds them, in 8 minutes each"
# Kernels with a series
KERNELS_OF = {"linux-6.12": "6.12/full", "linux-7.3": "7.3/full", "linux-7.3-compact-offsets": "7.3/compact"}


class Rule(NamedTuple):
    """The tests for files. All words are separated by blanks."""
    paths: str           # patterns of fnmatch; * also matches /
    suites: str = ""     # suites of meson test, in the release build
    quick: str = ""      # subjects whose tests marked quick run
    files: str = ""      # test files that run completely
    itself: bool = False  # the changed tests of the changed file; the quick ones of its subject if more has changed
    left: str = ""       # further checks that do not run, besides the other tests of the subjects


# The first match of a path applies. devtools/lint always runs.
RULES = [
    Rule("doc/pmd_authors.rst", quick="bus"),
    Rule("examples/* tests/wcscope/foreign/* harness/follow.py harness/run_wcscope.py wcscope/wc_follow.c "
         "devtools/wcscope", files="tests/wcscope/test_wcscope_command.py"),
    Rule("doc/wcscope_costs.rst tests/wcscope/data/*", files="tests/wcscope/test_wc_costs.py"),
    Rule("bench/wc_costs.py", quick="bench", files="tests/wcscope/test_wc_costs.py"),
    Rule("bench/wc_probe.py wcscope/wc_probe.c", files="tests/wcscope/test_wc_probe.py tests/wcscope/test_wc_costs.py"),
    Rule("doc/guides/nics/features/*", files="tests/ivshmem/test_ivshmem_features.py"),
    Rule("*.md *.rst MAINTAINERS LICENSES/* .editorconfig .gitignore .reuse/*"),
    Rule(".ci/*", left="the run of CI itself"),
    Rule("VERSION", files="tests/tools/test_version.py"),

    Rule("vfio-wc/* harness/vfio_wc.py tests/vfio_wc/conftest.py tests/vfio_wc/*.c", "", "vfio_wc",
         left="tests/vfio_wc on real kernels"),
    Rule("drivers/bus/pci/linux/pci_wc_[acr]*", "bus", "bus vfio_wc", left=DPDK),
    Rule("lib/eal/* drivers/bus/*", "bus", "bus", left=DPDK),
    Rule("usertools/* tests/bus/scrape.py", files="tests/bus/test_telemetry.py", left=DPDK),
    Rule("lib/wcio/*", "wcio ivshmem", "wcio", left=DPDK),
    Rule("drivers/net/ivshmem/*", "ivshmem", "ivshmem", left=f"{DPDK}, tests/wcscope, devtools/fuzz-ivshmem"),
    Rule("drivers/raw/*", "bus", "bus", left=DPDK),
    Rule("wcscope/*", "wcscope", "wcscope"),

    Rule("app/test-wc/test_ivshmem*", "ivshmem", left=DPDK),
    Rule("app/test-wc/test_wcio*", "wcio", left=DPDK),
    Rule("app/test-wc/test_option.c app/test-wc/test_pci* app/test-wc/fake_vfio.*", "bus", left=DPDK),
    Rule("app/test-wc/test_delivered.c app/test-wc/test_mtrr.c app/wc-common/delivered.* app/wc-common/mtrr.*", "bus",
         "vfio_wc", left=DPDK),
    Rule("app/test-wc/* app/wc-common/*", "bus wcio ivshmem", "bus ivshmem", left=DPDK),
    Rule("app/wc-guest/*", "", "bus ivshmem", left=DPDK),
    Rule("app/wc-perf/*", "", "bench", left=DPDK),
    Rule("app/wc-ena/* harness/ena.py bench/wc_bench_ena.py", files="tests/ena/test_ena.py"),
    Rule("meson.build", "bus wcio ivshmem wcscope", "bus ivshmem", left=DPDK),
    Rule("dpdk-hooks/upstream/*", files="tests/bus/test_dpdk_hooks.py", left="devtools/check-dpdk --series TREE"),
    Rule("dpdk-hooks/* devtools/*dpdk-hooks devtools/dpdk_hooks.py devtools/prepare-dpdk", "bus", "bus",
         "tests/bus/test_dpdk_hooks.py", left=DPDK),
    Rule("devtools/check-dpdk*", left="devtools/check-dpdk"),
    Rule("devtools/build-dpdk devtools/run-unit-tests devtools/check-headers", "bus wcio", "bus tools", left=DPDK),

    *(Rule(f"kernel-patches/{series}/*", "", "kernel", left=f"devtools/check-series {series}")
      for series in KERNELS_OF),
    Rule("tests/kernel/modules/* tests/kernel/*.patch harness/guest-kernel*", "", "kernel", left=KERNEL),
    Rule("devtools/build-kernel devtools/kernel-source devtools/check-series devtools/export-kernel-series", "",
         "kernel tools", left=f"{KERNEL}; devtools/check-series"),
    Rule("tests/kernel/test_arm64.py harness/guest_arm64.py devtools/arm64-tools devtools/wc-arm64",
         left="devtools/wc-arm64"),
    Rule("kernel-module/* tests/kernel/module/* devtools/build-module devtools/check-module",
         files="tests/kernel/test_module.py", left="devtools/check-module; devtools/check-packages"),
    Rule("packaging/* devtools/build-packages devtools/check-packages", left="devtools/check-packages"),
    Rule("devtools/stock-dpdk", files="tests/vfio_wc/test_vfio_wc_run_guest.py"),
    Rule("devtools/build-kernel-packages", left="devtools/build-kernel-packages"),
    Rule("tests/kernel/*.[ch] harness/vfio_alias.py", "", "kernel", left=KERNEL),

    Rule("tests/*/test_*.py", itself=True),
    Rule("tests/bus/*", "", "bus"),
    Rule("tests/ivshmem/fuzz/*", files="tests/ivshmem/test_ivshmem_hostile.py"),
    Rule("tests/ivshmem/*", "", "ivshmem"),
    Rule("tests/wcscope/planted/*", files="tests/wcscope/test_wclint.py"),
    Rule("tests/wcscope/* harness/wcscope.py harness/planted.py", "", "wcscope"),
    Rule("harness/* tests/conftest.py pytest.ini", "", "tools bus ivshmem", left="all that runs in guests"),
    Rule("bench/*", "", "bench tools", left="the benches themselves: devtools/wc-bench --quick, and their --help"),
    Rule("devtools/*", "", "tools"),
]


def rule_for(path):
    """The rule that applies to a path, None if there is none."""
    return next((rule for rule in RULES if any(fnmatch(path, pattern) for pattern in rule.paths.split())), None)


class Plan(NamedTuple):
    """The tests to run, as sorted lists."""
    suites: list
    quick: list
    files: list   # and single tests, as pytest names them
    left: list
    series: list  # of the kernel, that have changed
    unruled: list


def plan_for(paths, commit="HEAD"):
    """The plan for files that differ from a commit."""
    rules = {path: rule_for(path) for path in paths}
    chosen = {path: rule for path, rule in rules.items() if rule}
    itself = [tests_of(path, commit) for path, rule in chosen.items() if rule.itself]
    return Plan(suites=sorted({name for rule in chosen.values() for name in rule.suites.split()}),
                quick=sorted({name for rule in chosen.values() for name in rule.quick.split()}.union(
                    *(quick for _, quick in itself))),
                files=sorted({name for rule in chosen.values() for name in rule.files.split()}.union(
                    *(tests for tests, _ in itself))),
                left=sorted({rule.left for rule in chosen.values()} - {""}),
                series=sorted({path.split("/")[1] for path in chosen if path.startswith("kernel-patches/")}),
                unruled=[path for path, rule in rules.items() if rule is None])


def tests_of(path, commit):
    """({changed tests of a file, as pytest names them}, {its subject} if something else has changed, too)."""
    subject = {Path(path).parent.name}
    if not (TOP / path).exists():
        return set(), subject
    tests = {line: node.name for node in ast.parse((TOP / path).read_text()).body
             if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
             for line in range(min(part.lineno for part in [node, *node.decorator_list]), node.end_lineno + 1)}
    lines = changed_lines(path, commit)
    return {f"{path}::{tests[line]}" for line in lines if line in tests}, subject if lines - set(tests) else set()


def commands_for(plan):
    """[(name, command)] in the order in which they run."""
    commands = [("lint", ["devtools/lint"])]
    if plan.suites or plan.quick or plan.files:
        commands.append(("build", ["devtools/build-dpdk", "release"]))
    if plan.suites:
        suites = [word for suite in plan.suites for word in ("--suite", suite)]
        commands.append(("unit tests", ["meson", "test", "-C", "build", "--no-rebuild", "--print-errorlogs", *suites]))
    if plan.quick:
        commands.append(("quick tests", [*PYTEST, "-m", "quick", *(f"tests/{subject}" for subject in plan.quick)]))
    if plan.files:
        commands.append(("chosen tests", [*PYTEST, *plan.files]))
    return commands


def why(path):
    """The tests that the rule selects for a path, as text."""
    rule = rule_for(path)
    if rule is None:
        return f"NO RULE: only {ALL} covers it"
    words = [f"unit tests of {', '.join(rule.suites.split())}"] if rule.suites else []
    words += [f"quick tests of {', '.join(rule.quick.split())}"] if rule.quick else []
    words += [rule.files] if rule.files else []
    words += ["the tests that have changed"] if rule.itself else []
    return "; ".join(words) or "only lint"


def describe(base, paths, plan):
    """The report before anything runs."""
    lines = [f"wc-test: files that differ from {base}: {len(paths)}"]
    lines += [f"  {path}: {why(path)}" for path in paths]
    lines += ["wc-test: runs"]
    lines += [f"  {' '.join(command)}" for _, command in commands_for(plan)]
    return "\n".join(lines)


# What has changed

class RevisionError(Exception):
    """There is nothing to compare with; the text gives the reason."""


def git(*arguments, check=True):
    """Lines that git prints, None if it fails."""
    done = subprocess.run(["git", "-C", TOP, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode == 0:
        return [line for line in done.stdout.split("\0" if "-z" in arguments else "\n") if line]
    if check:
        raise RevisionError(f"git {' '.join(arguments)} failed in {TOP}: not a git checkout?")
    return None


def base_of(revision):
    """The commit to compare with, and its description."""
    if revision:
        found = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", check=False)
        if not found:
            raise RevisionError(f"--changed {revision}: no such revision: use a commit, a branch or a tag")
        return found[0], revision
    found = git("merge-base", "origin/main", "HEAD", check=False)
    return (found[0], "the merge base of HEAD and origin/main") if found else (git("rev-parse", "HEAD")[0], "HEAD")


def changed_since(commit):
    """Files that differ from a commit, committed or not, and untracked files."""
    return sorted({*git("diff", "--name-only", "--no-renames", "-z", commit),
                   *git("ls-files", "--others", "--exclude-standard", "-z")})


def changed_lines(path, commit):
    """Numbers of the lines of a file that differ from a commit, and of those before which lines were removed."""
    if not git("ls-files", "-z", path):
        return set(range(1, len((TOP / path).read_text().splitlines()) + 1))
    hunks = re.findall(r"^@@ \S+ \+(\d+)(?:,(\d+))? @@", "\n".join(git("diff", "-U0", commit, "--", path)), re.M)
    return {int(first) + line for first, count in hunks for line in range(max(int(count or 1), 1))}


# Running

def run_quietly(command, environment):
    """The exit status of a command, whose output is of interest only if it fails."""
    done = subprocess.run(command, cwd=TOP, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode:
        print(done.stdout, flush=True)
    return done.returncode


def run(commands):
    """Run all commands; [(name, seconds, exit status)]. If the build fails there is nothing to test."""
    results = []
    environment = os.environ | {"WC_FEW_BUILDS": "yes"}
    for name, command in commands:
        print(f"\n=== {name}: {' '.join(command)}", flush=True)
        start = time.monotonic()
        status = (run_quietly(command, environment) if name == "build" else
                  subprocess.run(command, cwd=TOP, env=environment).returncode)
        results.append((name, time.monotonic() - start, status))
        if name == "build" and status:
            break
    return results


def failed_suites():
    """Names of the unit suites that failed in the last run of meson."""
    log = TOP / "build/meson-logs/testlog.json"
    tests = map(json.loads, log.read_text().splitlines()) if log.exists() else []
    return [test["name"].split(" / ")[-1] for test in tests if test["result"] not in ("OK", "SKIP")]


def outcome(name, status):
    if not status:
        return "passed"
    return " ".join(["FAILED:", *failed_suites()]) if name == "unit tests" else "FAILED"


def is_cached(kernel):
    return subprocess.run([TOP / "devtools/build-kernel", "--cached", kernel], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def untested(plan):
    """The changed series of which no kernel is built."""
    return [f"NOT TESTED: kernel-patches/{series}: devtools/build-kernel {kernel} builds its kernel, in 8 minutes; "
            f"then {ALL} tests/kernel -k {kernel.partition('/')[0]}"
            for series, kernel in KERNELS_OF.items() if series in plan.series and not is_cached(kernel)]


def summary(results, plan):
    """(text, exit status)"""
    others = f"the other tests of {', '.join(plan.quick)}" if plan.quick else "all other tests"
    lines = [f"not run: {text}" for text in [f"{others}: {ALL}", *plan.left]]
    lines += [f"{name}: {outcome(name, status)} ({seconds:.0f} s)" for name, seconds, status in results]
    lines += [f"{path}: FAILED: no rule of devtools/changed_tests.py covers it: add one, and run {ALL}"
              for path in plan.unruled]
    missing = untested(plan)
    failed = any(status for _, _, status in results) or plan.unruled
    return "\n".join(f"wc-test: {line}" for line in lines + missing), 1 if failed else UNTESTED if missing else 0


def main(arguments):
    if len(arguments) > 1 or arguments and arguments[0].startswith("-"):
        print("wc-test: --changed takes one revision, or none", file=sys.stderr)
        return BAD_USAGE
    try:
        commit, name = base_of(*arguments or [None])
        paths = changed_since(commit)
    except RevisionError as error:
        print(f"wc-test: {error}", file=sys.stderr)
        return BAD_USAGE
    if not paths:
        print(f"wc-test: nothing differs from {name}")
        return 0
    plan = plan_for(paths, commit)
    print(describe(name, paths, plan))
    text, status = summary(run(commands_for(plan)), plan)
    print(f"\n{text}")
    return status


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("wc-test: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
