# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""devtools/dpdk-hooks: all or nothing, said clearly, on small trees of our own and on DPDK's."""

import errno
import fcntl
import os
import re
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from devtools import dpdk_hooks, dpdk_series
from harness import TOP

HOOKS = """
releases 22.11 24.11
commit first
| a message
file main.c
after /^#include/
+#include "ours.h"
after first /^$/ in start()
+\tours_check();
+
after /(\\w+)->probe\\(\\1\\);/ in start()
+\tours_probed(\\1);
before /return one/ in other()
+\tours_other();
file list <25.11
end
+
+ours
file list >=25.11
after /no such line/
+ours, later
commit second
optional extra
file sub/more.c
before /more/
+ours
"""
BESIDE_THE_BUS = """commit third
apart
overlay app lib/ours
file beside
end
+ours, too
"""
FILES = {
    "VERSION": "22.11.3\n",
    "main.c": """#include "theirs.h"

int
start(void)
{
\tstruct device *dev;

\tdev->probe(dev);

\treturn one();
}

int
other(void)
{
\treturn one();
}
""",
    "list": "a\nb\n",
    "sub/more.c": "more\n",
    "beside": "b\n",
    "lib/meson.build": "theirs\n",
}
OVERLAY = {"lib/ours/ours.c": "ours\n", "lib/ours.h": "ours\n", "app/deep/down/ours.sh": "#!/bin/sh\n"}


def write(directory, files):
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def snapshot(directory):
    """All that is in a directory: kinds, permissions, contents."""
    return {path.relative_to(directory): (path.lstat().st_mode, path.is_file() and path.read_bytes())
            for path in directory.rglob("*")}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project with hooks and overlay of its own."""
    top = tmp_path / "project"
    write(top, {"hooks": HOOKS, **OVERLAY})
    (top / "app/deep/down/ours.sh").chmod(0o755)
    monkeypatch.setattr(dpdk_hooks, "TOP", top)
    monkeypatch.setattr(dpdk_hooks, "HOOKS", top / "hooks")
    return top


@pytest.fixture
def tree(tmp_path):
    directory = tmp_path / "tree"
    write(directory, FILES)
    (directory / "list").chmod(0o640)
    return directory


def call_main(*arguments):
    """The exit status; an interrupt that comes out of it would end pytest."""
    try:
        return dpdk_hooks.main([str(argument) for argument in arguments])
    except KeyboardInterrupt as error:
        return repr(error)


@pytest.fixture
def run(tree, capsys):
    """Run dpdk-hooks on the tree: its exit status and what it has printed."""
    def call(command, *options):
        status = call_main(command, *options, tree)
        return status, "".join(capsys.readouterr())
    return call


def test_apply(run, tree):
    assert run("apply") == (0, f"dpdk-hooks: {tree} (DPDK 22.11.3): added 5 hooks in 2 files, "
                               "7 lines, and 3 files of the overlay\n")
    assert (tree / "main.c").read_text() == """#include "theirs.h"
#include "ours.h"

int
start(void)
{
\tstruct device *dev;

\tours_check();

\tdev->probe(dev);
\tours_probed(dev);

\treturn one();
}

int
other(void)
{
\tours_other();
\treturn one();
}
"""
    assert (tree / "list").read_text() == "a\nb\n\nours\n"
    assert (tree / "list").stat().st_mode & 0o777 == 0o640
    assert (tree / "sub/more.c").read_text() == "more\n"
    assert os.access(tree / "app/deep/down/ours.sh", os.X_OK)
    assert not [name for name in snapshot(tree) if "dpdk-hooks" in str(name)]


def test_bus_only(run, tree, project):
    (project / "hooks").write_text(HOOKS + BESIDE_THE_BUS)
    before = snapshot(tree)
    assert run("apply", "--bus-only") == (0, f"dpdk-hooks: {tree} (DPDK 22.11.3): added 5 hooks in 2 files, 7 lines, "
                                             "and 1 files of the overlay\n")
    assert (tree / "beside").read_text() == "b\n" and (tree / "lib/ours.h").exists()
    assert not (tree / "lib/ours").exists() and not (tree / "app").exists()
    assert "hooks and overlay of the bus only present, without optional hooks" in run("status")[1]
    assert "present" in run("apply")[1]
    assert run("undo")[0] == 0
    assert snapshot(tree) == before
    # With a part of what is beside the bus, the rest is missing.
    assert run("apply", "--bus-only")[0] == 0
    write(tree, {"lib/ours/ours.c": "ours\n"})
    status = run("status")[1]
    assert "partly present" in status and "file missing: app/deep/down/ours.sh" in status
    assert "hook missing: beside: end" in status


@pytest.mark.parametrize("options", [[], ["--with", "extra"]])
def test_undo_restores_bytes(run, tree, options):
    before = snapshot(tree)
    assert run("apply", *options)[0] == 0
    after = snapshot(tree)
    assert run("undo", "-n") == (0, f"dpdk-hooks: {tree} (DPDK 22.11.3): would remove {5 + len(options) // 2} hooks "
                                    f"from {2 + len(options) // 2} files, and 3 files of the overlay\n")
    assert snapshot(tree) == after
    assert run("undo")[0] == 0
    assert snapshot(tree) == before
    status, printed = run("undo")
    assert status == 1 and "nothing to undo" in printed


def test_dry_run_changes_nothing(run, tree):
    before = snapshot(tree)
    status, printed = run("apply", "-n")
    assert status == 0 and "would add 5 hooks" in printed
    assert snapshot(tree) == before


def damage(name, old, new):
    """One way in which hooks do not apply: the file, and text to replace; None deletes the file."""
    def change(tree):
        if old is None:
            (tree / name).unlink()
        else:
            text = (tree / name).read_text()
            assert old in text
            (tree / name).write_text(text.replace(old, new))
    return change


UNFIT = {
    "no such line": (damage("main.c", "#include", "#define"), "main.c: after /^#include/: matches no lines"),
    "two such lines": (damage("main.c", "\nint", "\n#include <x.h>\nint", ), "main.c: after /^#include/: matches 3"),
    "none in the function": (damage("main.c", "dev->probe(dev)", "probe(dev)"), "in start(): matches no lines"),
    "two in the function": (damage("main.c", "\tdev->", "\tdev->probe(dev);\n\tdev->"), "in start(): matches 2 lines"),
    "no such function": (damage("main.c", "\nother(", "\nanother("), "there are no functions other()"),
    "two such functions": (damage("main.c", "\nother(void)", "\nstart(int i)"), "there are 2 functions start()"),
    "function without end": (damage("main.c", "}", ""), "function other() has no end"),
    "no file": (damage("list", None, None), "list: end: No such file or directory"),
    "no newline": (damage("list", "b\n", "b"), "list: end: the last line has no newline"),
    "optional": (damage("sub/more.c", "more", "less"), "sub/more.c: before /more/: matches no lines"),
}


@pytest.mark.parametrize("change, message", UNFIT.values(), ids=UNFIT)
def test_hook_that_does_not_fit_is_named(run, tree, change, message):
    change(tree)
    before = snapshot(tree)
    for options in ([], ["-n"]):
        status, printed = run("apply", "--with", "extra", *options)
        assert status == 1 and message in printed and "is unchanged" in printed
    assert snapshot(tree) == before


def test_all_that_do_not_fit_are_named(run, tree):
    UNFIT["no such line"][0](tree)
    UNFIT["no file"][0](tree)
    UNFIT["optional"][0](tree)
    before = snapshot(tree)
    status, printed = run("apply", "--with", "extra")
    assert status == 1 and printed.count("\n  ") == 3
    assert snapshot(tree) == before
    # The optional one does not count where it is not asked for.
    assert run("apply")[1].count("\n  ") == 2


def test_second_application(run, tree):
    assert run("apply", "--with", "extra")[0] == 0
    before = snapshot(tree)
    status, printed = run("apply")
    assert status == 1 and "hooks and overlay present, with extra" in printed and "undo" in printed
    assert snapshot(tree) == before
    assert run("status") == (0, f"dpdk-hooks: {tree} (DPDK 22.11.3): hooks and overlay present, with extra\n")


@pytest.mark.parametrize("change, message", [
    (damage("main.c", "\tours_other();\n", ""), "hook missing: main.c: before /return one/ in other()"),
    (damage("lib/ours.h", None, None), "file missing: lib/ours.h"),
])
def test_partial_state_is_told_and_undone(run, tree, change, message):
    before = snapshot(tree)
    assert run("apply")[0] == 0
    change(tree)
    for command in ("apply", "status"):
        assert "partly present" in (printed := run(command)[1]) and message in printed
    assert run("undo")[0] == 0
    assert snapshot(tree) == before


def test_lines_of_others_stay(run, tree):
    assert run("apply")[0] == 0
    for name in ("main.c", "list"):
        (tree / name).write_text((tree / name).read_text() + "theirs\n")
    assert run("undo")[0] == 0
    assert (tree / "main.c").read_text() == FILES["main.c"] + "theirs\n"
    assert (tree / "list").read_text() == FILES["list"] + "theirs\n"


def test_releases(run, tree):
    (tree / "VERSION").write_text("25.11.0-rc1\n")
    before = snapshot(tree)
    status, printed = run("apply")
    assert status == 1 and "(DPDK 25.11.0-rc1) is not a supported release (22.11, 24.11)" in printed
    assert snapshot(tree) == before
    # A dry run tells which of its hooks would fit.
    status, printed = run("apply", "-n")
    assert status == 1 and "list: after /no such line/: matches no lines" in printed
    (tree / "VERSION").write_text("24.11.6\n")
    assert run("apply")[0] == 0


@pytest.mark.parametrize("version", [None, "", "DPDK", "22"])
def test_not_a_tree(run, tree, version):
    if version is None:
        (tree / "VERSION").unlink()
    else:
        (tree / "VERSION").write_text(version)
    status, printed = run("apply")
    assert status == 1 and f"{tree} is not a DPDK tree" in printed


def test_file_of_the_overlay_exists(run, tree):
    write(tree, {"lib/ours.h": "theirs\n"})
    before = snapshot(tree)
    status, printed = run("apply")
    assert status == 1 and "file present: lib/ours.h" in printed
    status, printed = run("undo")
    assert status == 1 and "differ from those" in printed and "lib/ours.h" in printed
    assert snapshot(tree) == before


@pytest.mark.parametrize("name", ["main.c", "lib", "."])
def test_not_writable(run, tree, name, monkeypatch):
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tree / name and access(path, mode))
    before = snapshot(tree)
    status, printed = run("apply")
    assert status == 1 and f"path: {tree / name}\n" in printed and "cannot be written" in printed
    assert snapshot(tree) == before


def test_symbolic_link(run, tree):
    (tree / "main.c").rename(tree / "shared.c")
    (tree / "main.c").symlink_to("shared.c")
    before = snapshot(tree)
    status, printed = run("apply")
    assert status == 1 and "symbolic link" in printed
    assert snapshot(tree) == before


def test_hard_links_keep_the_other_tree(run, tree, tmp_path):
    (tmp_path / "other.c").hardlink_to(tree / "main.c")
    assert run("apply")[0] == 0
    assert (tmp_path / "other.c").read_text() == FILES["main.c"]


def test_two_runs_at_once(run, tree):
    fd = os.open(tree, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    before = snapshot(tree)
    status, printed = run("apply")
    os.close(fd)
    assert status == 1 and "another run" in printed
    assert snapshot(tree) == before


class Fault:
    """Something happens at one call of those that change files, by number; or at that and all later ones."""

    CHANGE = "link", "replace", "rename", "mkdir", "chmod", "chown"
    REMOVE = "unlink", "rmdir"

    def __init__(self, monkeypatch, names=CHANGE, stays=False):
        self.calls, self.at, self.act, self.stays = 0, None, None, stays
        for name in names:
            monkeypatch.setattr(os, name, self.wrap(getattr(os, name)))
        monkeypatch.setattr(dpdk_hooks, "open", self.open, raising=False)

    def wrap(self, function):
        def call(*arguments, **options):
            self.strike()
            return function(*arguments, **options)
        return call

    def open(self, *arguments):
        self.strike()
        return FaultyFile(open(*arguments), self)

    def strike(self):
        self.calls += 1
        if self.at is not None and (self.calls == self.at or (self.calls > self.at and self.stays)):
            self.act()

    def arm(self, at, act):
        self.calls, self.at, self.act = 0, at, act


class FaultyFile:
    """A file whose writing is a call that counts; it has written half by then."""

    def __init__(self, file, fault):
        self.file, self.fault = file, fault

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        self.file.write(data[:len(data) // 2])
        self.file.flush()
        self.fault.strike()
        self.file.write(data[len(data) // 2:])


def fail():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "FILE")


@pytest.fixture
def fault(monkeypatch):
    return Fault(monkeypatch)


@pytest.fixture
def broken_disk(monkeypatch):
    """From one call on nothing can be changed, and nothing restored."""
    return Fault(monkeypatch, Fault.CHANGE + Fault.REMOVE, stays=True)


@pytest.mark.parametrize("command", ["apply", "undo", "edit"])
def test_failure_at_any_call_restores(run, tree, fault, command):
    if command == "undo":
        run("apply", "--with", "extra")
    before = snapshot(tree)
    options = ["--with", "extra"] if command != "undo" else []
    for at in range(1, 100):
        fault.arm(at, fail)
        status, printed = run(command, *options)
        if fault.calls < at:
            break
        assert status == 1 and "No space left on device: nothing was changed" in printed
        assert snapshot(tree) == before, f"after a failure of call {at}"
    assert status == 0 and at > 12 and snapshot(tree) != before


def paths_named(printed):
    """{path: where what it was is, or None} of what a message says that it could not be undone."""
    return {Path(name): Path(old) if old else None for name, old in
            re.findall(r"^  (/\S+): No space left on device(?:: the original is (\S+))?$", printed, re.M)}


@pytest.mark.parametrize("command", ["apply", "undo", "edit"])
def test_what_cannot_be_restored_is_told(run, tree, broken_disk, command):
    if command == "undo":
        assert run("apply")[0] == 0
    told = 0
    for at in range(1, 100):
        before = snapshot(tree)
        broken_disk.arm(at, fail)
        status, printed = run(command)
        broken_disk.arm(None, None)
        after = snapshot(tree)
        if status == 0:
            break
        assert status == 1 and printed.startswith("dpdk-hooks: FILE: No space left on device: ")
        assert ("nothing was changed" in printed) == (after == before), f"after a failure of call {at}: {printed}"
        changed = {tree / name for name in after | before if after.get(name) != before.get(name)}
        named = paths_named(printed)
        mentioned = {path for pair in named.items() for path in pair if path}
        assert changed <= mentioned and not [path for path in mentioned - changed if path.exists()]
        for path, old in named.items():
            assert old is None or old.read_bytes() == before[path.relative_to(tree)][1]
        assert after == before or f"dpdk-hooks undo {tree} does so" in printed
        told += after != before
        # And it does so.
        run("undo")
        assert run("apply")[0] == 0
        if command != "undo":
            assert run("undo")[0] == 0
        assert snapshot(tree) == before
    assert told > 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_restores(run, tree, fault, number):
    before = snapshot(tree)
    for at in range(1, 100):
        fault.arm(at, lambda: os.kill(os.getpid(), number))
        status, printed = run("apply")
        if status == 0:
            break
        assert status == 128 + number and f"terminated by {number.name}: nothing was changed" in printed
        assert snapshot(tree) == before
    # Only one that comes when all is done but the last step is too late.
    assert at > 12 and run("status")[1].count("present, without optional hooks") == 1


@pytest.mark.parametrize("command", ["apply", "undo"])
def test_killed_run_is_undone(run, tree, fault, command):
    before = snapshot(tree)
    for at in range(1, 100):
        if command == "undo":
            fault.arm(None, None)
            assert run("apply")[0] == 0
        child = os.fork()
        if child == 0:
            fault.arm(at, lambda: os.kill(os.getpid(), signal.SIGKILL))
            os._exit(dpdk_hooks.main([command, str(tree)]))
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        fault.arm(None, None)
        if run("undo")[0] != 0:
            # It had not come to the tree's own files: the next run clears up.
            assert run("apply")[0] == 0 and run("undo")[0] == 0
        assert snapshot(tree) == before, f"after a kill at call {at}"
        if not killed:
            break
    assert at > 12


INTERRUPTED = "dpdk-hooks: terminated by SIGINT: no change was left incomplete\n"


def interrupt(*_):
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("command", ["apply", "undo", "edit", "status"])
def test_interrupt_before_the_change(run, tree, monkeypatch, command):
    before = snapshot(tree)
    monkeypatch.setattr(dpdk_hooks, "State", interrupt)
    assert run(command) == (130, INTERRUPTED)
    assert snapshot(tree) == before


def test_file_system_without_hard_links(run, tree, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")
    monkeypatch.setattr(os, "link", refuse)
    before = snapshot(tree)
    assert run("apply")[0] == 0 and run("undo")[0] == 0
    assert snapshot(tree) == before


@pytest.mark.parametrize("text, message", [
    ("commit a\nfile b\nafter /(/\n", "hooks:3: "),
    ("commit a\nfile b\nafter x\n", "hooks:3: not an anchor"),
    ("commit a\nafter /x/\n", "hooks:2: no file to belong to"),
    ("file a\nend\n", "hooks:2: no commit to belong to"),
    ("commit a\n+x\n", "hooks:2: "),
    ("commit a\nfile b =22.11\n", "hooks:2: '=22.11' is not a condition"),
    ("commit a\nfile b <new\n", "hooks:2: 'new' is not a release"),
    ("nonsense\n", "hooks:1: unknown word 'nonsense'"),
])
def test_errors_of_hooks(run, tree, project, text, message):
    (project / "hooks").write_text(text)
    status, printed = run("apply")
    assert status == 1 and message in printed


# Export

@pytest.fixture
def export(tree, tmp_path, capfd):
    """Run dpdk-hooks export into a directory: its exit status and what it has printed."""
    def call():
        status = call_main("export", "--with", "extra", tree, tmp_path / "a/patches")
        return status, "".join(capfd.readouterr())
    return call


def test_export_writes_all(export, tmp_path):
    directory = tmp_path / "a/patches"
    assert export() == (0, f"dpdk-hooks: {directory}: 2 patches for {tmp_path}/tree (DPDK 22.11.3)\n")
    first = snapshot(directory)
    assert {str(name) for name in first} == {"0001-first.patch", "0002-second.patch"}
    write(directory, {"0001-first.patch": "an earlier one\n", "notes": "of a user\n"})
    assert export()[0] == 0
    assert snapshot(directory).items() > first.items()
    assert {str(name) for name in snapshot(directory)} == {"0001-first.patch", "0002-second.patch", "notes"}


def test_export_that_fails_writes_nothing(export, tmp_path):
    # The second patch cannot take this one's place.
    write(tmp_path / "a/patches", {"0001-first.patch": "an earlier one\n", "0002-second.patch/file": ""})
    before = snapshot(tmp_path / "a")
    status, printed = export()
    assert status == 1 and "nothing was changed" in printed and len(printed.splitlines()) == 1
    assert snapshot(tmp_path / "a") == before


def test_export_that_fails_at_any_call(export, tmp_path, fault):
    for earlier in ({}, {"a/patches/0001-first.patch": "an earlier one\n"}):
        for at in range(1, 100):
            fault.arm(None, None)
            shutil.rmtree(tmp_path / "a", ignore_errors=True)
            write(tmp_path, earlier)
            before = snapshot(tmp_path)
            fault.arm(at, fail)
            status, printed = export()
            if fault.calls < at:
                break
            # Some failures do not matter, as that to make a temporary directory again.
            assert status == 0 or snapshot(tmp_path) == before, f"after a failure of call {at}: {printed}"
        assert status == 0 and at > 10


def test_export_interrupted(export, tmp_path, monkeypatch):
    before = snapshot(tmp_path)
    monkeypatch.setattr(dpdk_hooks, "git", interrupt)
    assert export() == (130, INTERRUPTED)
    assert snapshot(tmp_path) == before


# The project's own hooks, on DPDK's files

@pytest.fixture
def dpdk(tmp_path, monkeypatch):
    """The files of a DPDK tree that hooks change."""
    subprocess.run([TOP / "devtools/prepare-dpdk"], check=True, timeout=600)
    monkeypatch.setattr(dpdk_hooks, "TOP", TOP)
    monkeypatch.setattr(dpdk_hooks, "HOOKS", TOP / "dpdk-hooks/hooks")
    remembered = TOP / "subprojects/dpdk.source"
    if remembered.exists():
        source = Path(remembered.read_text().strip())
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        source, = (cache / "dpdk-vfio-wc/dpdk-src").glob("dpdk-22.11*/")
    hooks = dpdk_hooks.load_hooks()
    copy = tmp_path / "dpdk"
    for name in {"VERSION", *(edit.file for edit in hooks.edits((22, 11)))}:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, copy / name)
    return copy


def tool(*arguments, **options):
    return subprocess.run(list(map(str, arguments)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60, **options)


def test_dpdk(dpdk):
    before = snapshot(dpdk)
    done = tool(TOP / "devtools/prepare-dpdk", "--copy-to", dpdk, "--with", "compact-offsets")
    assert done.returncode == 0, done.stdout
    # In the checkout this is a link, which would lead out of the tree.
    version = dpdk / "app/wc-common/VERSION"
    assert not version.is_symlink() and version.read_bytes() == (TOP / "VERSION").read_bytes()
    after = snapshot(dpdk)
    done = tool(TOP / "devtools/prepare-dpdk", "--copy-to", dpdk)
    assert done.returncode == 1 and "hooks and overlay present, with compact-offsets" in done.stdout
    assert snapshot(dpdk) == after
    done = tool(TOP / "devtools/prepare-dpdk", "--remove-from", dpdk)
    assert done.returncode == 0, done.stdout
    assert snapshot(dpdk) == before


def test_dpdk_on_a_full_disk(dpdk):
    """A limit on the length of files, which some of those to be written exceed."""
    before = snapshot(dpdk)
    done = tool(TOP / "devtools/dpdk-hooks", "apply", dpdk,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)))
    assert done.returncode == 1 and "File too large: nothing was changed" in done.stdout
    assert snapshot(dpdk) == before


def test_dpdk_without_a_home(dpdk):
    nowhere = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    done = tool(TOP / "devtools/prepare-dpdk", "--copy-to", dpdk, env=nowhere)
    assert done.returncode == 0, done.stdout
    done = tool(TOP / "devtools/prepare-dpdk", env=nowhere)
    assert done.returncode == 1 and "neither XDG_CACHE_HOME nor HOME is set" in done.stdout


def test_export(dpdk, tmp_path):
    """git am of the patches is what dpdk-hooks does."""
    def git(*arguments):
        done = tool("git", "-C", dpdk, "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "pristine")
    patches = tmp_path / "patches"
    done = tool(TOP / "devtools/export-dpdk-hooks", "--with", "compact-offsets", dpdk, patches)
    assert done.returncode == 0, done.stdout
    git("am", "-q", *sorted(patches.glob("*.patch")))
    log = git("log", "--format=%an <%ae> %b", "-7")
    assert log.count("dpdk-vfio-wc <dpdk-vfio-wc@example.org>") == 14
    by_patches = git("ls-tree", "-r", "HEAD")
    git("reset", "-q", "--hard", "HEAD~7")
    assert dpdk_hooks.main(["edit", "--with", "compact-offsets", str(dpdk)]) == 0
    git("commit", "-qam", "hooks")
    assert git("ls-tree", "-r", "HEAD") == by_patches


def test_series_want_the_newest_release(dpdk, tmp_path):
    done = tool(TOP / "devtools/export-dpdk-series", dpdk, tmp_path / "series")
    assert done.returncode == 1 and "is not the newest supported release: use one of 26.11" in done.stdout
    assert not (tmp_path / "series").exists()


SERIES = """commit lib/ours: add library
series ours
overlay lib/ours app/test
| a message
file lib/meson.build
end
+ours
upstream
file test.list
end
+test_ours.c
"""


def test_series_have_what_only_upstream_has(project, tree, tmp_path, monkeypatch, capfd):
    """Files in upstream/ and edits after the word are in the patch; apply knows nothing of them."""
    write(project, {"hooks": HOOKS + SERIES, "upstream/app/test/test_ours.c": "a test\n", "letters/ours": "a letter\n"})
    write(tree, {"VERSION": "24.11.1\n", "test.list": "theirs\n"})
    for name, value in {"TOP": project, "UPSTREAM": project / "upstream", "LETTERS": project / "letters",
                        "PREFIXES": {"ours": "PATCH"}}.items():
        monkeypatch.setattr(dpdk_series, name, value)
    assert dpdk_series.main([str(tree), str(tmp_path / "series")]) == 0, capfd.readouterr()
    patch, = (tmp_path / "series/ours").iterdir()
    changed = re.findall(r"^\+\+\+ b/(.*)$", patch.read_text(), re.M)
    assert changed == ["app/test/test_ours.c", "lib/meson.build", "lib/ours/ours.c", "test.list"]
    (tree / "VERSION").write_text("22.11.3\n")
    assert dpdk_hooks.main(["apply", str(tree)]) == 0
    assert not (tree / "app/test").exists() and (tree / "test.list").read_text() == "theirs\n"
    assert (tree / "lib/ours/ours.c").exists()


def test_unit_tests_belong_to_series(dpdk):
    """Each is in a series, with a line in DPDK's list of tests. Trees that the hooks are applied to have none."""
    hooks = dpdk_hooks.load_hooks()
    names = {"app/test/test_eal_vfio_wc.c": "write-combining", "app/test/test_pci_wc.c": "write-combining",
             "app/test/test_wcio.c": "wcio"}
    parts = dpdk_series.parts(hooks)
    assert {name for name in parts if name.startswith("app/test/")} == set(names)
    for name, series in names.items():
        owner = next(commit for commit in hooks.commits if commit.owns(name))
        assert owner.series == series and "REGISTER_FAST_TEST(" in parts[name]
        assert [edit for edit in owner.edits if edit.file == "app/test/meson.build" and edit.upstream and
                Path(name).name in edit.text[0]]
    assert dpdk_hooks.main(["apply", str(dpdk)]) == 0
    assert not (dpdk / "app/test").exists()


def test_series_have_nothing_of_earlier_releases(monkeypatch):
    """What the compatibility header hides from other files is resolved in each of them."""
    monkeypatch.setattr(dpdk_hooks, "TOP", TOP)
    monkeypatch.setattr(dpdk_hooks, "HOOKS", TOP / "dpdk-hooks/hooks")
    parts = dpdk_series.parts(dpdk_hooks.load_hooks())
    assert "#include <eal_export.h>" in parts["lib/wcio/rte_wcio.c"]
    for name, text in parts.items():
        assert not re.search(r"eal_wc_compat|RTE_VERSION|PCI_DEVICE_DRIVER|PCI_LOG_REGISTER|ETH_STATS_GET", text), name
