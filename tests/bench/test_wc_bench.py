# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""devtools/wc-bench: what it prints and writes, bad arguments, interruption. No figure that was timed is judged."""

import copy
import html
import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import wc_bench, wc_bench_answer as answer, wc_bench_page, wc_bench_report as report, wc_costs
from bench.wc_bench_peers import ALONE
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
    assert "TCG," not in printed or "its times show the emulator only" in printed
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
        (mode, frame) for mode in ("one way", "one way, bare", "round") for frame in (64, 1518)}
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
    # The work that costs time is what was written.
    work = model["work"]
    assert work["uc_stores"] + work.get("uc_wide", 0) + work["lines"] == pytest.approx(model["writes"])
    assert bool(work["lines"]) == bool(work["fences"]) == (effective == "WC")
    assert model["cpu_ceiling"] == pytest.approx(1e3 / model["cpu_ns"])
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
    assert not re.search(r"(src|href)=\"(?!#)|@import|url\((?!#)|<script", page)
    assert page.count("<table>") >= 4 and page.count("<figure") >= 3


def chromium(page, path, *options):
    """What Chromium prints, without a network."""
    return subprocess.run(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                           f"--user-data-dir={path.parent / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND",
                           *options, page.as_uri()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120).stdout


def screenshot(page, path, *options):
    """The page as an array of pixels."""
    from matplotlib import image
    printed = chromium(page, path, "--window-size=1200,1600", *options, f"--screenshot={path}")
    assert path.exists(), printed
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
    # In the answer
    for colour in wc_bench_page.UC, wc_bench_page.WC:
        wanted = [int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5)]
        assert (abs(pixels[:300] - wanted).max(axis=2) < 0.02).sum() > 500, f"no {colour}"


# What a browser makes of the page, in a frame, as its own window has at least 500 pixels: the end of the answer, the
# width that everything needs, and that of the frame
SIZES = """<script>parent.document.title = [document.querySelector("header").getBoundingClientRect().bottom,
document.documentElement.scrollWidth, innerWidth].map(Math.ceil).join(" ")</script>"""


@pytest.mark.parametrize("width, height", [(1300, 800), (390, 844)])
def test_answer_is_on_the_first_screen(bench, tmp_path, width, height):
    page = (bench[1] / "results.html").read_text().replace("</body>", SIZES + "</body>")
    frame = tmp_path / "frame.html"
    frame.write_text(f'<title></title><iframe style="border: 0" width={width} height={height} '
                     f'srcdoc="{html.escape(page)}"></iframe>')
    dom = chromium(frame, frame, "--window-size=1400,900", "--dump-dom")
    bottom, needed, inner = map(int, re.search(r"<title>(\d+) (\d+) (\d+)</title>", dom).groups())
    assert bottom <= height and needed <= inner == width


# A report of made-up results

# Of a program that goes on; fences were not timed there, but on another Broadwell
FENCE = wc_costs.PLATFORMS["gdrcopy"].costs.fence
F1 = wc_costs.steady(wc_costs.PLATFORMS["f1"].costs)._replace(fence=FENCE, drains=1)
PARAMS = {"generation": 3, "width": 16, "link_bytes_per_second": 15.75e9, "buffers": 10, "line": 64, "chunk": 8,
          "uc_width": 64, "header": 16}


def work(**members):
    return wc_costs.Work(**members)._asdict()


def ns_of(mapping, store, size, fences):
    """Of a packet on f1, by wc_costs: each uncached store is a write; a complete line is one, whatever the stores."""
    number = size // store
    counts = (number, number, 0, 0, 0, 0) if mapping == "uc" else (number, size // 64, size // 64, 0, 0, fences)
    copied = wc_costs.Point("store", mapping, store, size, 1, "", 0, 0, "", "")
    return wc_costs.cpu_ns(F1, wc_costs.work_of(copied, counts))


def model_of(requested, effective, writes, **members):
    return {"frame": 64, "requested": requested, "effective": effective, "params": PARAMS, "writes": writes,
            "writes_slots": writes, "writes_direct": 1, "wire_bytes": 88 * writes, "efficiency": 0.5,
            "ceiling_writes": 179 / writes, "ceiling_both": 100, "reads_slots": 1, "reads_control": 0,
            "read_bytes": 64, "tx_blank_lines": 0, "functions": [], "lint": {"x86": [], "arm64": []}, **members}


def row_of(requested, effective, mpps):
    return {"frame": 64, "requested": requested, "effective": effective, "mpps": mpps, "mpps_min": mpps,
            "mpps_max": mpps, "gbit_s": 1, "ratio": mpps / 4.375, "loss_percent": 0, "cycles": 500}


def driver_of(requested, effective, writes, **members):
    return {"driver": "net_ena", "what": "LLQ entry of 128 bytes", "frame": 64, "requested": requested,
            "effective": effective, "packets": 1000, "params": PARAMS, "work": work(**members), "writes": writes,
            "stores": 16, "store_bytes": 128, "wire_bytes": 128 + 24 * writes, "functions": [],
            "lint": {"x86": [], "arm64": ["unflushed: a_function"]}}


WC_FRAME = work(stores=2, lines=1, fences=1 / 32)
DRIVERS = [driver_of("default", "UC-", 16, uc_stores=16),
           driver_of("auto", "WC", 2, stores=16, lines=2, fences=1 / 16)]


def made_up(platform="f1", accelerator="TCG", **members):
    chosen = answer.choose(platform)
    setting = {"version": "1.2.3 (abc)", "accelerator": accelerator, "kernel": "6.12", "source": "a kernel",
               "cpu": "a CPU", "qemu": "an emulator", "seconds": 1, "repeats": 1, "commands": ["testpmd"],
               "delivered": {"verdict": "no", "text": "no (stores do not combine)"}}
    results = {"schema": report.SCHEMA, "date": "2026-11-28T12:00+00:00", "complete": True, "setting": setting,
               "platform": answer.describe(chosen), "copies": answer.copies(chosen),
               "models": [model_of("default", "UC-", 2, work=work(uc_stores=2)),
                          model_of("--vfio-wc", "WC", 1, work=WC_FRAME)],
               "drivers": [], "instructions": [], "peers": [],
               "rows": [row_of("default", "UC-", 4.375), row_of("--vfio-wc", "WC", 7.625)], **members}
    answer.add_costs(results)
    return results


def text_of(page):
    """Without markup and style."""
    return html.unescape(re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S)))


def reports(results):
    """The page and the markdown, each as (what is above the fold, the rest)."""
    page, text = wc_bench_page.web_page(results), report.markdown(results)
    return [tuple(map(text_of, page.split("</header>"))), text.split("\n## ", 1)]


@pytest.mark.quick
def test_answer_comes_first():
    page = wc_bench_page.web_page(made_up())
    assert page.index("</header>") < min(page.index(tag) for tag in ("<section>", "<details>", "<table>", "<figure"))
    frame, entry = [wc_costs.cpu_ns(F1, wc_costs.Work(**each)) for each in (work(uc_stores=2), WC_FRAME)], [
        ns_of("uc", 8, 128, 0), ns_of("wc", 8, 128, 1 / 32)]
    for top, _rest in reports(made_up()):
        for said in ["Modelled: without write-combining (WC)", "Is WC on?", "yes",
                     "WC with --vfio-wc, UC- (uncached) by default",
                     "A 64-byte frame, net_ivshmem", "An ENA entry of 128 bytes",
                     *(f"{ns:.0f}" for ns in frame + entry),
                     "platform f1: Xeon E5-2686 v4 (Broadwell)", "2017", "https://github.com/awslabs/",
                     "fences as on gdrcopy, 97 ns", "its times show the emulator only",
                     "Made with dpdk-vfio-wc 1.2.3 (abc).", "28 November 2026", "schema 1"]:
            assert said in top, said
        for uc, wc in frame, entry:
            assert uc > 5 * wc and re.search(rf"\b({uc / wc:.1f}|{uc / wc:.2g}) ", top), uc / wc


@pytest.mark.quick
def test_times_of_an_emulator_are_folded_and_have_no_ratio():
    results = made_up()
    for top, rest in reports(results):
        assert "x default" not in top + rest and "4.375" in rest
        assert "4.38" not in top + rest and "4.375" not in top and "7.62" not in top
        assert rest.index("Speed of the emulator (TCG), not of write-combining") < rest.index("4.375")
    page = wc_bench_page.web_page(results)
    folded = re.findall(r"<details>.*?</details>", page, re.S)
    assert any("4.375" in part for part in folded)
    without = re.sub(r"<details>.*?</details>", "", page, flags=re.S)
    assert "4.375" not in without and "7.625" not in without and "class=bar" in without
    assert not any("class=bar" in part for part in folded if "4.375" in part)
    assert "do not differ" not in page and "the same time" not in page


@pytest.mark.quick
@pytest.mark.parametrize("accelerator", ["KVM", "bare metal"])
def test_times_of_hardware_are_the_answer(accelerator):
    for top, rest in reports(made_up(accelerator=accelerator)):
        assert "Measured: 7.62 Mpps with --vfio-wc, 4.38 without, 1.74 times as many (64-byte frames)" in top
        assert "emulator only" not in top and "Delivered: no (stores do not combine)." in top
        assert rest.index("x default") < rest.index("A driver's stores decide")
    page = wc_bench_page.web_page(made_up(accelerator=accelerator))
    assert page.index("class=chart") > page.index("Measured throughput") > page.index("</header>")


@pytest.mark.quick
def test_ceilings_of_stores():
    """As wc_costs prices them, with a fence after 32 frames."""
    results = made_up()
    rows = {(row["store"], row["effective"]): row for row in results["copies"] if row["bytes"] == 64}
    assert list(rows) == [(store, effective) for store in (4, 8, 16, 32, 64) for effective in ("UC-", "WC")]
    for (store, effective), row in rows.items():
        number = 64 // store
        ns = ns_of("uc" if effective == "UC-" else "wc", store, 64, 1 / 32)
        wire = 64 + 24 * (number if effective == "UC-" else 1)
        assert row["cpu_ns"] == pytest.approx(ns) and row["cpu_ceiling"] == pytest.approx(1e3 / ns)
        assert row["link_ceiling"] == pytest.approx(15.754e3 / wire, rel=1e-3)
        said = [f"{store}, {effective}", f"{1e3 / ns:.2f}", f"{15.754e3 / wire:.1f}"]
        page, text = (rest for _top, rest in reports(results))
        assert re.search(r"\s+".join(map(re.escape, said)), page)
        assert re.search(r" \| +".join(map(re.escape, [*said[0].split(", "), *said[1:]])), text)
    assert "uc_width=64" in text


@pytest.mark.quick
def test_ceilings_of_what_was_modelled():
    """As wc_costs prices it, beside the link's."""
    results = made_up(drivers=copy.deepcopy(DRIVERS))
    for row in results["models"] + results["drivers"]:
        assert row["cpu_ns"] == wc_costs.cpu_ns(F1, wc_costs.Work(**row["work"]))
        assert row["cpu_ceiling"] == 1e3 / row["cpu_ns"]
    for columns in report.LINK, report.DRIVERS, report.COPIES:
        names = [name for name, _ in columns]
        assert names.index("Link ceiling Mpps") == names.index("CPU ceiling (modelled) Mpps") + 1


@pytest.mark.quick
def test_real_drivers():
    """They take the place of the copy that is like ENA's."""
    times = [wc_costs.cpu_ns(F1, wc_costs.Work(**row["work"])) for row in DRIVERS]
    for top, rest in reports(made_up(drivers=copy.deepcopy(DRIVERS))):
        assert "net_ena: LLQ entry of 128 bytes" in top and "An ENA entry" not in top
        assert all(f"{ns:.0f}" in top for ns in times)
        for said in ["Real drivers", "default, UC-", "auto, WC", *(f"{1e3 / ns:.2f}" for ns in times), "30.8", "89.5",
                     "unflushed: a_function"]:
            assert said in rest, said


@pytest.mark.quick
@pytest.mark.parametrize("effective, word", [
    (["WC", "WC"], "yes"), (["UC-", "UC-"], "no"), (["WC", "UC-"], "not everywhere"),
    (["not verified", "not verified"], "not verified"), ([], "not measured")])
def test_whether_it_is_on(effective, word):
    rows = [row_of("--vfio-wc", kind, 1) for kind in effective]
    found, sentence = answer.is_on(made_up(models=[], rows=rows))
    assert found == word and all(kind in sentence for kind in effective)


@pytest.mark.quick
def test_of_a_device_only_what_was_granted_is_known():
    results = made_up(models=[], accelerator="bare metal")
    results["setting"] |= {"device": "0000:03:00.0", "no_iommu": False,
                           "granted": {"default": "not requested", "--vfio-wc": "BAR2 write-combining granted"}}
    for top, _rest in reports(results):
        assert "not verified" in top and "granted: BAR2 write-combining granted" in top and "vfio-wc status" in top


@pytest.mark.quick
def test_platform_without_uncached_stores():
    for top, rest in reports(made_up("genoa")):
        assert "No uncached store was timed there: use another --platform, like f1." in top
        assert "2 to 8 times as many PCIe writes" in top and "CPU time through UC" not in top
        assert "A driver's stores decide" in rest


@pytest.mark.quick
def test_costs_that_are_given():
    for top, _rest in reports(made_up("genoa,uc_store=1000,fence=50")):
        assert "platform genoa,uc_store=1000,fence=50: EPYC" in top and "2000" in top and "16000" in top


@pytest.mark.quick
def test_peers_are_folded_with_a_chart():
    peer = {"cpus": "0,1", "state": "near", "mode": "one way", "frame": 64, "n": 1, "mpps": 12.5, "mpps_min": 11,
            "mpps_max": 13, "dropped_percent": 1.0, "round_trip_ns": 50, "ring": "-", "stores": "-", "ratio": 1}
    rows = [{**peer, "peer": name} for name in ("net_ivshmem", "net_memif", ALONE)]
    page = wc_bench_page.web_page(made_up(peers=rows))
    part, = (part for part in re.findall(r"<details>.*?</details>", page, re.S) if "net_memif" in part)
    assert part.count("class=bar") == 2 and "12.50" in part
    assert page.index("stores decide") < page.index(part)


@pytest.mark.quick
@pytest.mark.parametrize("compiler", ["/none/gcc", "false"])
def test_results_without_a_compiler(monkeypatch, compiler):
    found = {"copies": []}
    with monkeypatch.context() as patch:
        patch.setattr(answer, "copies", lambda _platform: subprocess.run([compiler], check=True))
        wc_bench.model_costs(answer.choose("f1"), found)
    assert found["copies"] == [] and found["platform"]["name"] == "f1"
    for top, rest in reports(made_up(copies=[])):
        assert "A 64-byte frame, net_ivshmem" in top and "ENA" not in top + rest


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
    (lambda results: results["models"][0]["params"].update(width=8), "not compared: other parameters .width 16 -> 8"),
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
    explained = re.findall(r"^\* \*(\w[^*\n]*)\*", (TOP / "doc/wc_bench.rst").read_text(), re.M)
    assert len(explained) >= 3 and set(explained) <= {heading for heading, _ in report.THROUGHPUT}


def compared_with(tmp_path, results):
    path = tmp_path / "old.json"
    path.write_text(json.dumps(results))
    return subprocess.run([*BENCH, "--compare", path, "--frames", "63"], stderr=subprocess.PIPE, text=True, timeout=30)


@pytest.mark.quick
@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_another_schema_is_refused(tmp_path, schema):
    run = compared_with(tmp_path, made_up() | {"schema": schema})
    assert run.returncode == 2 and "Traceback" not in run.stderr
    assert f"old.json: schema {schema!r}, this version of wc-bench reads 1: compare with" in run.stderr


@pytest.mark.quick
def test_results_of_this_schema_and_of_before_are_compared(tmp_path):
    results = made_up()
    without = {name: value for name, value in results.items() if name not in ("schema", "date", "platform", "copies",
                                                                              "drivers")}
    for earlier in results, without:
        assert "63 is not a frame size" in compared_with(tmp_path, earlier).stderr
        assert report.compare(earlier, results) == []


def test_schema_is_documented(results):
    """Each key at the top of results.json is in the document."""
    documented = re.findall(r"^``(\w+)``", (TOP / "doc/wc_bench.rst").read_text(), re.M)
    assert results["schema"] == report.SCHEMA and sorted(documented) == sorted(results)


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
