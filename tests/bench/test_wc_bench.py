# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""devtools/wc-bench: what it prints and writes, bad arguments, interruption. No figure is judged."""

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import wc_bench
from bench import wc_bench_report as report
from harness import PYTHON, TOP
from harness.guest import CACHE

# No figure is judged: others may run.
BENCH = [*PYTHON, "-m", "bench.wc_bench", "--when-busy", "ignore"]
EFFECTIVE = {"default": "UC-", "--vfio-wc": "WC", "virtio-net": "RAM"}  # of what is compared in the guest


@pytest.fixture(scope="module")
def cache_without_builds(tmp_path_factory):
    """The cache, but for the kernels that were built."""
    own = tmp_path_factory.mktemp("cache") / CACHE.name
    own.mkdir()
    for path in CACHE.iterdir():
        if path.name != "kernel":
            (own / path.name).symlink_to(path)
    return own.parent


@pytest.fixture(scope="module")
def bench(release, tmp_path_factory, cache_without_builds):
    """By default wc-bench needs no kernel that is built from source."""
    output = tmp_path_factory.mktemp("bench")
    run = subprocess.run([*BENCH, "--repeats", "2", "--seconds", "0.1", "--frames", "64,1518", "--output", output],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=800,
                         env=os.environ | {"XDG_CACHE_HOME": str(cache_without_builds), "WC_FEW_BUILDS": "yes"})
    assert run.returncode == 0, run.stderr
    return run.stdout, output


@pytest.fixture(scope="module")
def results(bench):
    return json.loads((bench[1] / "results.json").read_text())


def test_table(bench):
    printed, output = bench
    rows = re.findall(r"^\| +(\d+) \| +(\S+) \| +(UC-|WC|RAM) \| +([0-9.]+) \|", printed, re.M)
    assert [row[:3] for row in rows] == [(frame, *kind) for frame in ("64", "1518") for kind in EFFECTIVE.items()]
    assert re.search(r"\b(TCG|KVM), guest kernel 6\.12", printed)
    assert "TCG," not in printed or "timings do not reflect the memory type" in printed
    assert printed.strip() in (output / "results.md").read_text()


def test_json(results):
    assert len(results["runs"]) == 2 * 3 * 2 and len(results["rows"]) == 2 * 3
    # Repeats are interleaved: the second one runs the other way round.
    assert [run["requested"] for run in results["runs"][::2]] == [*EFFECTIVE, *list(EFFECTIVE)[::-1]]
    for run in results["runs"]:
        assert run["lost"] == run["guest_dropped"], "the link itself lost frames"
        assert run["effective"] == EFFECTIVE[run["requested"]]
    assert any("dpdk-testpmd" in command and "--vfio-wc" in command for command in results["setting"]["commands"])
    assert [row["frame"] for row in results["instructions"]] == [64, 1518]
    assert all({"tx", "rx", "memif_tx", "memif_rx"} <= set(row) for row in results["instructions"])
    # Zero-copy is there if huge pages are.
    assert {row["peer"] for row in results["peers"]} - {"net_memif, zero-copy"} == {
        "net_ivshmem", "net_memif", "net_virtio_user + net_vhost", "testpmd alone (net_null)"}
    assert {(row["mode"], row["frame"]) for row in results["peers"]} == {
        (mode, frame) for mode in ("one way", "round") for frame in (64, 1518)}
    # wc-bench has waited for packets of each; that some came in so short a time on a busy machine is not judged.
    assert all(row["mpps"] >= 0 for row in results["peers"])


@pytest.mark.parametrize("requested, effective, writes", [("default", "UC-", 2), ("--vfio-wc", "WC", 1)])
@pytest.mark.parametrize("frame, lines", [(64, 1), (1518, 24)])
def test_writes_of_a_packet(results, requested, effective, writes, frame, lines):
    """Two stores of 32 bytes make a line; wc-bench itself compares the bytes with what testpmd says."""
    model, = (model for model in results["models"] if (model["requested"], model["frame"]) == (requested, frame))
    assert model["effective"] == effective
    blank, headers = model["tx_blank_lines"], model["tx_bursts"] if effective != "WC" else 0
    assert model["writes_slots"] == pytest.approx(writes * (lines + blank) + headers)
    assert model["lint"] == {"x86": [], "arm64": []}
    assert model["writes"] == pytest.approx(sum(row["writes"] for row in model["functions"]))
    # All that is more than the limit has a function and a reason.
    rows = [row for row in report.function_rows(results["models"], frame) if row["mapping"].startswith(requested)]
    gap = model["wire_bytes"] - report.limit(model)["wire_bytes"]
    assert sum(row["gap"] for row in rows) == pytest.approx(gap)
    assert all(row["why"] for row in rows)
    if effective == "WC":
        why, = (row["why"] for row in rows
                if (row["function"], row["range"]) == ("ivshmem_tx_burst_device", "control"))
        assert why.startswith("the first header of a burst")


def test_web_page_needs_nothing_else(bench):
    page = (bench[1] / "results.html").read_text()
    assert not re.search(r"(src|href)=\"(?!#)|@import|url\((?!#)", page)
    assert page.count("<svg ") == 3 and page.count("<table>") >= 4


def screenshot(page, path, *options):
    """The page in Chromium, without a network, as an array of pixels."""
    from matplotlib import image
    run = subprocess.run(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                          f"--user-data-dir={path.parent / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND",
                          "--window-size=1200,1600", *options, f"--screenshot={path}", page.as_uri()],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert path.exists(), run.stdout
    return image.imread(path)[:, :, :3]


@pytest.mark.parametrize("scheme, options", [("light", []), ("dark", ["--force-dark-mode"])])
def test_web_page_in_chromium(bench, tmp_path, scheme, options):
    """Text and lines stand out from the background, the one that was asked for; the bars have their colours."""
    pixels = screenshot(bench[1] / "results.html", tmp_path / "page.png", *options)
    background = pixels[2, 2]
    assert (background.mean() > 0.9) == (scheme == "light") and (background.mean() < 0.2) == (scheme == "dark")
    # Ink: in the heading, and in the figures
    for part in pixels[:120], pixels[120:1200]:
        ink = abs(part.mean(axis=2) - background.mean()) > 0.6
        assert ink.sum() > 200
    for colour in report.COLOURS.values():
        wanted = [int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5)]
        assert (abs(pixels - wanted).max(axis=2) < 0.02).sum() > 500, f"no {colour}"


def changed(results, change):
    """Lines of the comparison with results in which something is different."""
    results, other = (json.loads(json.dumps(results)) for _ in range(2))
    for each in results, other:
        each["rows"][0].update(mpps=1, mpps_min=0.9, mpps_max=1.1)
    change(other)
    assert report.is_result(other)
    return report.compare(results, other)


def faster(results):
    results["rows"][0].update(mpps=9, mpps_min=8, mpps_max=10)


@pytest.mark.parametrize("change, said", [
    (lambda results: None, None),
    (faster, r"64 bytes, default: .* Mpps, \+800\.0 %$"),
    (lambda results: results["rows"][0].update(effective="WB"), "64 bytes, default: effective UC- -> WB"),
    (lambda results: results["rows"].pop(), "1518 bytes, virtio-net: not measured now"),
    (lambda results: results["models"][0].update(writes_slots=3), r"writes slots per packet 2\.\d+ -> 3.000"),
    # How often an index is looked at in vain depends on the host's speed.
    (lambda results: results["models"][0].update(reads_control=99, reads=103), None),
    (lambda results: results["models"][0]["lint"]["arm64"].append("x"), "findings under the rules of arm64: 0 -> 1"),
    (lambda results: results["models"][0]["params"].update(width=16), "not compared: other parameters .width 8 -> 16"),
    (lambda results: results["instructions"][0].update(tx=1e6), "64 bytes: tx instructions per packet .* -> 1000000"),
    (lambda results: results["setting"].update(kernel="7"), "kernel: 6.12.* -> 7")])
def test_compare(results, change, said):
    lines = changed(results, change)
    assert len(lines) == (said is not None) and all(re.search(said, line) for line in lines), lines


def test_times_of_another_machine_are_not_compared(results):
    lines = changed(results, lambda other: (faster(other), other["setting"].update(cpu="another")))
    assert len(lines) == 2 and lines[1] == "times are not compared: different machine", lines


def test_functions_share_the_limit(results):
    model = json.loads(json.dumps(results["models"][0]))
    whole, = (row for row in model["functions"] if row["range"] == "slots" and row["stores"])
    model["functions"].remove(whole)
    model["functions"] += [{**whole, **{name: whole[name] / 2 for name in ("stores", "store_bytes", "wire_bytes")}}] * 2
    gaps = [row["gap"] for row in report.function_rows([model], 64) if row["range"] == "slots" and row["stores"]]
    assert gaps == [pytest.approx((whole["wire_bytes"] - 88) / 2)] * 2


@pytest.mark.quick
def test_columns_that_the_guide_explains_are_there():
    explained = re.findall(r"^\* \*(\w[^*\n]*)\*", (TOP / "doc/operators.rst").read_text(), re.M)
    assert len(explained) >= 3 and set(explained) <= {heading for heading, _ in report.THROUGHPUT}


@pytest.mark.quick
@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"rows": [], "setting": {}}', '{"rows": 1}'])
def test_bad_results_to_compare_with(tmp_path, text):
    path = tmp_path / "old.json"
    path.write_text(text)
    run = subprocess.run([*BENCH, "--compare", path], stderr=subprocess.PIPE, text=True, timeout=30)
    assert run.returncode == 2 and "not a results.json of this version of wc-bench" in run.stderr, run.stderr


@pytest.mark.quick
@pytest.mark.parametrize("args, message", [
    (["--repeats", "0"], "--repeats 0: use 1 to 1000"), (["--seconds", "0"], "--seconds 0.0: use 0.1 to 3600"),
    (["--frames", "63"], "63 is not a frame size from 64 to 1518"), (["--frames", "a"], "use numbers like 64,1518"),
    (["--compare", "/none"], "--compare /none: No such file"), (["--model", "intel,line=32"], "line must be 64"),
    (["--frames", "1519"], "1519 is not a frame size from 64 to 1518"), (["--colour"], "unrecognized arguments")])
def test_bad_arguments(args, message):
    run = subprocess.run([*BENCH, *args], stderr=subprocess.PIPE, text=True, timeout=30)
    assert run.returncode == 2 and message in run.stderr


def test_pin_passes_over_a_thread_that_has_ended(monkeypatch):
    ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    tasks = [Path(f"/proc/self/task/{tid}") for tid in (ended.native_id, threading.get_native_id())]
    monkeypatch.setattr(Path, "iterdir", lambda _directory: iter(tasks))
    before = os.sched_getaffinity(0)
    try:
        wc_bench.pin(SimpleNamespace(pid=os.getpid()))
        assert len(os.sched_getaffinity(0)) == 1
    finally:
        os.sched_setaffinity(0, before)


def test_interrupt_leaves_nothing_running(release, tmp_path):
    with subprocess.Popen([*BENCH, "--throughput-only", "--repeats", "9", "--output", tmp_path],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        try:
            said = []
            for line in run.stderr:
                said.append(line)
                if " Mpps" in line:
                    break
            children = descendants(run.pid)
            assert len(children) >= 3, "".join(said)  # QEMU and the host's two testpmd
            run.send_signal(signal.SIGINT)
            rest = run.stderr.read()
            assert run.wait(60) != 0 and "interrupted" in rest
        finally:
            run.kill()
    assert not [pid for pid in children if is_alive(pid)]


def descendants(pid):
    out = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], stdout=subprocess.PIPE, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in out.splitlines())}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
