# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The model with the costs of a platform predicts what was published of it."""

import csv
import statistics

import pytest

from bench import wc_costs, wc_probe
from bench.wc_costs import PLATFORMS, Costs, Point, Prediction, Work, cpu_ns
from harness import TOP, tool

pytestmark = pytest.mark.quick

PLATFORM = pytest.mark.parametrize("name", PLATFORMS)


@pytest.fixture(scope="module")
def predictions():
    return {name: wc_costs.predict(name) for name in PLATFORMS}


@PLATFORM
def test_each_point_is_predicted_or_excused(predictions, name):
    assert [wc_costs.failure(one) for one in predictions[name] if wc_costs.failure(one)] == []


def mean_miss(predictions):
    return statistics.mean(abs(one.percent) for one in predictions if not one.point.excuse)


@PLATFORM
def test_each_cost_is_seen_in_the_measurements(predictions, name, monkeypatch):
    """If it were twice or half as large, they would be missed by more: none is there for show."""
    platform = PLATFORMS[name]
    for cost, value in platform.costs._asdict().items():
        for factor in (0.5, 2) if value else ():
            changed = platform._replace(costs=platform.costs._replace(**{cost: value * factor}))
            monkeypatch.setitem(PLATFORMS, name, changed)
            assert mean_miss(wc_costs.predict(name)) > 1.05 * mean_miss(predictions[name]), (cost, factor)


@PLATFORM
def test_measurements_are_several_times_the_numbers(predictions, name):
    """With as many numbers as measurements, anything fits."""
    assert sum(one.met for one in predictions[name]) >= 4 * sum(map(bool, PLATFORMS[name].costs))


def test_lost_seconds(predictions):
    """What a program lost that divides by the nanoseconds of a time only: with it, the measurements are met."""
    lost = [one for one in predictions["f1"] if "s of 100 passes" in one.point.excuse]
    assert len(lost) == 10
    for one in lost:
        passes = 100 * one.point.bytes
        ns = passes / one.point.low + int(one.point.excuse.split()[0]) * 1e9
        assert one.value == pytest.approx(passes / ns, rel=wc_costs.TOLERATED_PERCENT / 100)


@PLATFORM
def test_lines_take_no_less_than_the_link(name):
    platform = PLATFORMS[name]
    if platform.costs.line:
        assert platform.costs.line >= wc_costs.link_ns(platform)


@pytest.mark.parametrize("line, message", [
    ("shop,wc,8,64,1,,1,1,us,", "access 'shop': use store or load or stream or string"),
    ("store,wc,8,64,1,,1,1,s,", "unit 's': use GB/s or"),
    ("store,wc,8,64,1,then,1,1,us,", "then 'then': use nothing or"),
    ("store,wc,eight,64,1,,1,1,us,", "invalid literal for int"), ("store,wc,8,64", "then 'None': use nothing or")])
def test_measurement_that_cannot_be_read(monkeypatch, tmp_path, line, message):
    (tmp_path / "f1.csv").write_text(f"# text\naccess,mapping,size,bytes,streams,then,low,high,unit,excuse\n{line}\n")
    monkeypatch.setattr(wc_costs, "DATA", tmp_path)
    monkeypatch.setattr(wc_costs, "TOP", tmp_path)
    with pytest.raises(tool.ToolError, match=f"f1.csv: {line.split(',')[0]},.*: {message}"):
        wc_costs.points("f1")


def test_times_faster():
    costs = Costs(uc_store=100, uc_wide=150, store=1, line=30, ahead=9, start=7)
    assert [wc_costs.times_faster(costs, size) for size in (1, 8, 32)] == [100, 800 / 30, 10]


def point(**members):
    return Point(**{"access": "store", "mapping": "wc", "size": 8, "bytes": 64, "streams": 1, "then": "", "low": 90,
                    "high": 110, "unit": "us", "excuse": ""} | members)


@pytest.mark.parametrize("value, excuse, failure", [
    (100, "", None), (90 * 0.86, "", None), (110 * 1.14, "", None), (140, "cold: 2 us", None),
    (90 * 0.84, "", "-16.0 %, without an excuse"), (110 * 1.16, "", "+16.0 %, without an excuse"),
    (140, "cold", "with an excuse that has no figure: cold"),
    (100, "cold: 2 us", "excused, although it is met: cold: 2 us")])
def test_what_fails(value, excuse, failure):
    found = point(excuse=excuse)
    text = wc_costs.failure(Prediction(found, value, wc_costs.missed_percent(value, found)))
    assert text is None if failure is None else text.endswith(failure)


def test_counts_have_no_tolerance():
    found = point(low=16, high=16, unit="writes")
    assert wc_costs.failure(Prediction(found, 17, wc_costs.missed_percent(17, found)))


def test_counts_of_the_device():
    """AWS counted them: sixteen stores of 4 bytes are sixteen writes, or one."""
    assert [wc_costs.count([("intel", point(mapping=mapping, size=4))])[0][1] for mapping in ("uc", "wc")] == [16, 1]


def test_cost_that_was_not_measured():
    with pytest.raises(wc_costs.CostError, match="uc_store was not measured"):
        cpu_ns(PLATFORMS["genoa"].costs, Work(uc_stores=1))
    with pytest.raises(wc_costs.CostError, match="drains was not measured"):
        cpu_ns(Costs(fence=1), Work(evicted=1))
    assert cpu_ns(PLATFORMS["genoa"].costs, Work(stores=8, lines=1)) == pytest.approx(3.2)


def test_cpu_and_device_work_at_once():
    costs = Costs(store=1, line=20, ahead=2, uc_load=100, fence=50)
    assert cpu_ns(costs, Work(stores=80, lines=10)) == 160
    assert cpu_ns(costs, Work(stores=80, lines=3)) == 80
    assert cpu_ns(costs, Work(stores=80, lines=10, fences=1)) == 210
    assert cpu_ns(costs, Work(stores=80, lines=10, uc_loads=1)) == 300
    assert cpu_ns(wc_costs.steady(costs), Work(stores=80, lines=10)) == 200


def test_evicted_lines_drain_at_once_and_arrive_before_they_are_collected_again():
    costs = Costs(fence=100, drains=10, reopen=90)
    assert cpu_ns(costs, Work(evicted=8, rounds=1)) == 90
    assert cpu_ns(costs, Work(evicted=20, rounds=1)) == 200
    assert cpu_ns(costs, Work(evicted=8)) == 80
    assert cpu_ns(costs._replace(drains=None), Work(evicted=20, rounds=1)) == 90
    with pytest.raises(wc_costs.CostError, match="drains was not measured"):
        cpu_ns(costs._replace(drains=None), Work(evicted=20))


def test_wide_uncached_stores_have_their_own_cost():
    points = [point(mapping="uc", size=size) for size in (8, 32)]
    assert [wc_costs.work_of(one, counts)[:1] + (wc_costs.work_of(one, counts).uc_wide,)
            for one, counts in zip(points, wc_costs.count([("intel", one) for one in points]))] == [(8, 0), (0, 2)]
    assert cpu_ns(Costs(uc_store=10, uc_wide=15), Work(uc_stores=3, uc_wide=2)) == 60


# Early eviction

def test_boots_that_fail():
    assert wc_costs.boot_fails(0) == 0 and wc_costs.boot_fails(1) == 1
    assert wc_costs.boot_fails(wc_costs.chance_of(0.3)) == pytest.approx(0.3)
    assert wc_costs.complete(0.5) == 1 / 128


def test_model_leaves_early_by_the_chance():
    """Of eight stores to a line, each but the last may split it once more."""
    for chance, writes in wc_costs.writes_per_line([0, 0.1, 0.5, 1]).items():
        assert writes == pytest.approx([1 + (64 // width - 1) * chance for width in wc_costs.WIDTHS], rel=0.02), chance


# Buffers

def times_of_streams(name):
    """{streams: time}."""
    if name == "i7-6700hq-streams":
        with open(wc_costs.DATA / f"{name}.csv") as file:
            return {int(row["streams"]): float(row["time"])
                    for row in csv.DictReader(line for line in file if not line.startswith("#"))}
    return {one.streams: one.high for one in wc_costs.points(name) if one.unit == "ns/line" and one.bytes > 64}


@pytest.mark.parametrize("name, preset, buffers", [("i7-6700hq-streams", "intel", 12), ("genoa", "amd", 8),
                                                   ("turin", "amd,buffers=12", 12)])
def test_cliff_is_where_the_buffers_end(name, preset, buffers):
    times = times_of_streams(name)
    cliff = wc_probe.buffers_of({("streams", number): time for number, time in times.items()})
    evicted = [counts[3] for counts in wc_costs.count([(preset, point(bytes=1024, streams=streams))
                                                       for streams in sorted(times)])]
    assert cliff == buffers
    assert [streams for streams, number in zip(sorted(times), evicted) if number == 0] == list(range(1, cliff + 1))


def test_document_is_current():
    assert wc_costs.DOCUMENT.read_text() == wc_costs.document(), f"run {TOP}/devtools/wc-costs"
