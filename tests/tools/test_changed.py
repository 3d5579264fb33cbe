# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""devtools/wc-test --changed: what it chooses, what it compares with, what it says. Nothing that it chooses is run."""

import re
import subprocess

import pytest

from devtools import changed_tests
from harness import TOP

pytestmark = pytest.mark.quick


def tracked():
    return subprocess.run(["git", "-C", TOP, "ls-files"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.splitlines()


# The rule

def test_every_file_has_a_rule_and_every_rule_a_file():
    rules = {path: changed_tests.rule_for(path) for path in tracked()}
    assert [path for path, rule in rules.items() if rule is None] == []
    assert set(changed_tests.RULES) == set(rules.values())


def test_every_pattern_has_a_file():
    """A file that was moved takes its rule along."""
    for rule in changed_tests.RULES:
        for pattern in rule.paths.split():
            assert [path for path in tracked() if changed_tests.fnmatch(path, pattern)], pattern


def test_what_rules_name_is_there():
    meson = (TOP / "meson.build").read_text() + (TOP / "wcscope/meson.build").read_text()
    for rule in changed_tests.RULES:
        for suite in rule.suites.split():
            assert f"'{suite}'" in meson, suite
        for name in rule.files.split():
            assert (TOP / name).exists(), name


@pytest.mark.parametrize("subject", sorted({name for rule in changed_tests.RULES for name in rule.quick.split()}))
def test_every_subject_has_quick_tests(subject):
    done = subprocess.run(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only",
                           "-m", f"quick and {subject}", f"tests/{subject}"], cwd=TOP, stdout=subprocess.DEVNULL)
    assert done.returncode == 0


@pytest.mark.parametrize("path, suites, quick, files", [
    ("lib/eal/common/eal_common_vfio_wc.c", ["bus"], ["bus"], []),
    ("drivers/bus/pci/linux/pci_vfio_wc.c", ["bus"], ["bus"], []),
    ("drivers/net/ivshmem/ivshmem_link.c", ["ivshmem"], ["ivshmem"], []),
    ("lib/wcio/rte_wcio.c", ["ivshmem", "wcio"], ["wcio"], []),
    ("wcscope/wc_model.c", ["wcscope"], ["wcscope"], []),
    ("app/test-wc/test_pci_wc.c", ["bus"], [], []),
    ("bench/wc_bench_report.py", [], ["bench", "tools"], []),
    ("tests/bus/test_bus_wc.py", [], [], []),
    ("tests/kernel/vfio-alias.c", [], ["kernel"], []),
    ("dpdk-hooks/hooks", ["bus"], ["bus"], ["tests/bus/test_dpdk_hooks.py"])])
def test_choice(path, suites, quick, files):
    plan = changed_tests.plan_for([path])
    assert (plan.suites, plan.quick, plan.files, plan.unruled) == (suites, quick, files, [])


def test_choices_add_up():
    plan = changed_tests.plan_for(["drivers/bus/pci/pci_wc.h", "README.md", "wcscope/wc_lint.c"])
    assert plan.suites == plan.quick == ["bus", "wcscope"]
    assert [name for name, _ in changed_tests.commands_for(plan)] == ["lint", "build", "unit tests", "quick tests"]
    assert changed_tests.commands_for(plan)[-1][1][-4:] == ["-m", "quick", "tests/bus", "tests/wcscope"]


def test_documents_need_no_build():
    plan = changed_tests.plan_for(["README.md", "doc/kernel.rst"])
    assert [name for name, _ in changed_tests.commands_for(plan)] == ["lint"]


def test_file_that_is_gone_is_not_run():
    plan = changed_tests.plan_for(["tests/bus/test_no_such.py"])
    assert (plan.files, plan.quick) == ([], ["bus"])


TESTS = """import pytest
SIZE = 1


@pytest.mark.quick
@pytest.mark.parametrize("size", [
    1])
def test_one(size):
    assert size


def helper():
    return SIZE


def test_two():
    assert helper()
"""


@pytest.mark.parametrize("old, new, tests, quick", [
    ("assert size", "assert size == 1", ["test_one"], []),
    ("    1])", "    1, 2])", ["test_one"], []),
    ("    assert helper()\n", "    assert helper()\n\n\ndef test_three():\n    pass\n", ["test_three"], ["bus"]),
    ("    return SIZE", "    return 2 * SIZE", [], ["bus"]),
    ("SIZE = 1", "SIZE = 2", [], ["bus"])])
def test_changed_tests_of_a_file(checkout, tmp_path, old, new, tests, quick):
    path = "tests/bus/test_some.py"
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(TESTS)
    plan = changed_tests.plan_for([path])  # git does not know the file
    assert plan.files == [f"{path}::test_one", f"{path}::test_two"] and plan.quick == ["bus"]
    checkout("add", ".")
    checkout("commit", "-qm", "tests")
    (tmp_path / path).write_text(TESTS.replace(old, new, 1))
    plan = changed_tests.plan_for([path])
    assert (plan.files, plan.quick) == ([f"{path}::{name}" for name in tests], quick)


@pytest.mark.parametrize("cached, status", [(True, 0), (False, 3)])
def test_series_without_its_kernel_is_not_tested(monkeypatch, cached, status):
    asked = []
    monkeypatch.setattr(changed_tests, "is_cached", lambda kernel: asked.append(kernel) or cached)
    plan = changed_tests.plan_for(["kernel-patches/linux-7.3/0003-x.patch"])
    text, found = changed_tests.summary([("quick tests", 1.0, 0)], plan)
    assert (asked, found) == (["7.3/full"], status)
    assert ("NOT TESTED: kernel-patches/linux-7.3: devtools/build-kernel 7.3/full" in text) == (not cached)
    assert "not run: devtools/check-series linux-7.3\n" in text
    # What failed counts more.
    assert changed_tests.summary([("quick tests", 1.0, 1)], plan)[1] == 1


def test_file_without_a_rule_is_a_failure():
    paths = ["contrib/new.c", "README.md"]
    plan = changed_tests.plan_for(paths)
    assert plan.unruled == ["contrib/new.c"]
    assert "contrib/new.c: NO RULE: only devtools/wc-test covers it" in changed_tests.describe(
        "HEAD", paths, plan)
    text, status = changed_tests.summary([("lint", 1.0, 0)], plan)
    assert status == 1 and "contrib/new.c: FAILED: no rule of devtools/changed_tests.py covers it" in text


# What is run

def test_what_fails_is_named_and_the_rest_still_runs():
    results = changed_tests.run([("first", ["false"]), ("second", ["true"])])
    assert [(name, status) for name, _, status in results] == [("first", 1), ("second", 0)]
    text, status = changed_tests.summary(results, changed_tests.plan_for([]))
    assert status == 1 and re.search(r"^wc-test: first: FAILED \(\d+ s\)\nwc-test: second: passed", text, re.M)


def test_failed_unit_suites_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(changed_tests, "TOP", tmp_path)
    log = tmp_path / "build/meson-logs/testlog.json"
    log.parent.mkdir(parents=True)
    log.write_text("".join(f'{{"name": "project:bus / {name}", "result": "{result}"}}\n' for name, result in
                           [("pci-wc", "OK"), ("vfio-wc-option", "FAIL"), ("headers", "TIMEOUT"), ("other", "SKIP")]))
    text, _ = changed_tests.summary([("unit tests", 1.0, 1)], changed_tests.plan_for([]))
    assert "wc-test: unit tests: FAILED: vfio-wc-option headers (1 s)" in text


def test_build_is_silent_unless_it_fails(capfd):
    changed_tests.run([("build", ["sh", "-c", "echo $0", "hello"])])
    assert "\nhello\n" not in capfd.readouterr().out
    changed_tests.run([("build", ["sh", "-c", "echo $0; false", "hello"])])
    assert "\nhello\n" in capfd.readouterr().out


def test_nothing_is_tested_without_a_build():
    results = changed_tests.run([("build", ["false"]), ("unit tests", ["true"])])
    assert [name for name, _, _ in results] == ["build"]
    assert changed_tests.summary(results, changed_tests.plan_for([]))[1] == 1


def test_few_builds(monkeypatch, capfd):
    changed_tests.run([("few", ["sh", "-c", "echo $WC_FEW_BUILDS"])])
    assert "yes" in capfd.readouterr().out.splitlines()


# What has changed

@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of a commit: checkout(arguments of git)."""
    monkeypatch.setattr(changed_tests, "TOP", tmp_path)

    def git(*arguments):
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=n", "-c", "user.email=e@example.org", *arguments],
                       check=True, stdout=subprocess.DEVNULL)
    git("init", "-q", "-b", "work")
    for name in "kept", "gone", "moved", "edited", "staged":
        (tmp_path / name).write_text(f"{name}\n" * 9)
    (tmp_path / ".gitignore").write_text("ignored\n")
    git("add", ".")
    git("commit", "-qm", "first")
    return git


def test_changes_of_all_kinds(checkout, tmp_path):
    checkout("tag", "then")
    checkout("mv", "moved", "here")
    checkout("rm", "-q", "gone")
    checkout("commit", "-qm", "second")
    for name in "edited", "staged", "new file", "ignored":
        (tmp_path / name).write_text("other\n")
    checkout("add", "staged")
    since = changed_tests.changed_since(changed_tests.base_of("then")[0])
    assert since == ["edited", "gone", "here", "moved", "new file", "staged"]
    assert changed_tests.changed_since(changed_tests.base_of(None)[0]) == ["edited", "new file", "staged"]


def test_default_is_where_the_branch_began(checkout, tmp_path):
    assert changed_tests.base_of(None)[1] == "HEAD"
    checkout("update-ref", "refs/remotes/origin/main", "HEAD")
    (tmp_path / "kept").write_text("mine\n")
    checkout("commit", "-qam", "mine")
    # What others have done since is not mine.
    checkout("checkout", "-q", "origin/main")
    (tmp_path / "edited").write_text("theirs\n")
    checkout("commit", "-qam", "theirs")
    checkout("update-ref", "refs/remotes/origin/main", "HEAD")
    checkout("checkout", "-q", "work")
    commit, name = changed_tests.base_of(None)
    assert name == "the merge base of HEAD and origin/main" and changed_tests.changed_since(commit) == ["kept"]


def test_nothing_has_changed(checkout, capsys):
    assert changed_tests.main(["HEAD"]) == 0
    assert capsys.readouterr().out == "wc-test: nothing differs from HEAD\n"


@pytest.mark.parametrize("arguments, message", [
    (["no-such"], "--changed no-such: no such revision: use a commit, a branch or a tag"),
    (["HEAD:kept"], "--changed HEAD:kept: no such revision: use a commit, a branch or a tag"),
    (["HEAD", "tests"], "--changed takes one revision, or none"),
    (["--fast"], "--changed takes one revision, or none")])
def test_bad_arguments(checkout, capsys, arguments, message):
    assert changed_tests.main(arguments) == 2
    assert capsys.readouterr() == ("", f"wc-test: {message}\n")


def test_no_checkout(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(changed_tests, "TOP", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert changed_tests.main([]) == 2
    assert "not a git checkout?" in capsys.readouterr().err
