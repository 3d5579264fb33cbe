# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""net_ivshmem against a peer that was written from its protocol's description alone."""

import contextlib
import random
import subprocess
import time

import pytest

from harness import IVSHMEM_SIZE, testpmd
from harness.ivshmem_peer import FIRST, LINE, MASK, Peer, header, lines_of
from harness.programs import host_command

MTU = 1514            # longest frame of the default MTU without tags
JUMBO = 9018
LARGE_MBUFS = f"--mbuf-size=10240 --max-pkt-len={JUMBO + 4}"
SCATTER = f"--enable-scatter --max-pkt-len={JUMBO + 4}"
OTHER = {"server": "client", "client": "server"}


def make_frame(number, length):
    """A frame that is like no other: source MAC address by number, local experimental type, random bytes."""
    flow = (0x020000000000 + number % 251).to_bytes(6, "big")
    return (b"\x02\xff\xff\xff\xff\xff" + flow + b"\x88\xb5" + random.Random(number).randbytes(length))[:length]


def make_frames(lengths):
    return [make_frame(number, length) for number, length in enumerate(lengths)]


class Driver:
    """A testpmd on this machine with the other role, killed at the end unless it has quit."""

    def __init__(self, release, path, role, mode, device="", arguments=""):
        self.arguments = (release / "dpdk-testpmd", 0, f"--vdev net_ivshmem0,path={path},role={role}{device}",
                          f"--forward-mode={mode} --total-num-mbufs=2048 --no-mlockall --no-flush-rx --auto-start "
                          + arguments)
        self.testpmd = testpmd.on_host(*self.arguments)

    def kill(self):
        self.testpmd.kill()

    def restart(self):
        self.kill()
        self.testpmd = testpmd.on_host(*self.arguments)


@contextlib.contextmanager
def link(release, memory, role="server", mode="io", *, lines=1024, rings=1, size=IVSHMEM_SIZE, arguments="", **queues):
    """(peer, testpmd's Driver) with the link up; the peer has that role."""
    path = memory("peer", size)
    peers, device = [], f",lines={lines},queues={rings}"
    if role == "server":
        peers.append(Peer(path, role, lines, rings, **queues))
        device = ""
    driver = Driver(release, path, OTHER[role], mode, device, arguments)
    try:
        peer = peers[0] if peers else Peer(path, role, **queues)
        assert (peer.lines, peer.rings) == (lines, rings)
        peer.start()
        peer.wait(peer.tick)
        try:
            yield peer, driver
        except TimeoutError as error:
            error.add_note(f"{driver.testpmd.xstats()}\n{driver.testpmd('show fwd stats all')}")
            raise
        peer.close()
        driver.testpmd.quit()
    finally:
        driver.testpmd.kill()


def exchange(peer, frames, burst=32):
    """Send frames and return as many as come back. testpmd drops what has no room: no more than fits is under way."""
    back, sent = [], 0
    window = peer.lines - peer.lines // 4 - 1

    def step():
        nonlocal sent
        lines = window - sum(lines_of(max(len(frame), 60)) for frame in frames[len(back):sent])
        end = sent
        while end < min(len(frames), sent + burst) and lines >= lines_of(max(len(frames[end]), 60)):
            lines -= lines_of(max(len(frames[end]), 60))
            end += 1
        sent = end - len(peer.send(frames[sent:end]))
        back.extend(peer.receive())
        return len(back) >= len(frames)

    peer.wait(step, 20)
    return back


def deliver(peer, frames):
    left = frames

    def step():
        nonlocal left
        left = peer.send(left)
        return not left

    peer.wait(step)


def echoed(peer, count=100):
    """Whether frames come back; what was left of an earlier session may come before."""
    frames = make_frames([60 + number * 7 % 1400 for number in range(count)])
    return exchange(peer, frames) == frames


def xstat(peer, driver, name, least):
    """Wait until a counter of the driver is what it has to be."""
    return peer.wait(lambda: driver.testpmd.xstats()[name] >= least)


# The driver's own sender

def run_echo(release, memory, role, lines, count, change=lambda frame: frame):
    """dpdk-wc-guest sends frames to the peer, which sends them back; (return code, what it printed)."""
    path = memory("peer", IVSHMEM_SIZE)
    peer = Peer(path, "server", lines) if role == "server" else None
    if not peer:
        subprocess.run(host_command(release, path, "server", "none"), stdout=subprocess.DEVNULL, timeout=30)
        peer = Peer(path, "client")
    with subprocess.Popen(host_command(release, path, OTHER[role], "ivshmem-echo", str(count)), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as process:
        try:
            peer.start()
            left = []

            def step():
                nonlocal left
                if not left:
                    left = [change(frame) for frame in peer.receive()]
                left = peer.send(left) if left else []
                return process.poll() is not None

            peer.wait(step, 120)
            peer.close()
            return process.returncode, process.stdout.read()
        finally:
            process.kill()


@pytest.mark.quick
@pytest.mark.parametrize("role, lines", [("server", 256), ("server", 4096), ("client", 4096)])
def test_driver_sends(release, memory, role, lines):
    code, text = run_echo(release, memory, role, lines, 20000)
    assert code == 0, text
    assert "echo: 20000 frames came back whole and in order" in text


def test_driver_notices_a_changed_byte(release, memory):
    """The control of the above."""
    code, text = run_echo(release, memory, "server", 1024, 1000, lambda frame: frame[:-1] + bytes([frame[-1] ^ 1]))
    assert code == 1
    assert "is not what was sent" in text


# The peer sends

@pytest.mark.parametrize("role", ["server", "client"])
def test_all_sizes(release, memory, role):
    with link(release, memory, role, lines=256) as (peer, driver):
        frames = make_frames(range(60, MTU + 1))
        assert exchange(peer, frames) == frames
        assert exchange(peer, frames, burst=1) == frames
        assert peer.tx[0].position > 100 * peer.lines
        short = make_frames(range(14, 60))
        assert exchange(peer, short) == [frame.ljust(60, b"\0") for frame in short]
        xstats = driver.testpmd.xstats()
        assert all(xstats[name] == 0 for name in xstats if "bad" in name or name == "resyncs")
        assert (peer.bad_packets, peer.bad_credits, peer.resyncs) == (0, 0, 0)


@pytest.mark.quick
@pytest.mark.parametrize("arguments", [LARGE_MBUFS, SCATTER])
def test_jumbo_frames(release, memory, arguments):
    """Frames that take most of a smallest ring, in one mbuf and in several."""
    with link(release, memory, lines=256, arguments=arguments + " --tx-offloads=0x8000") as (peer, _):
        frames = make_frames([JUMBO, 60, JUMBO, 1514, 4096, 2048, 8000, JUMBO] * 30)
        assert exchange(peer, frames) == frames


def test_too_long_for_the_mtu(release, memory):
    """They are dropped and counted; the others of their burst are not."""
    with link(release, memory) as (peer, driver):
        frames = make_frames([60, 2000, 61, JUMBO, 62])
        deliver(peer, frames)
        back = []
        peer.wait(lambda: back.extend(peer.receive()) or len(back) >= 3)
        assert back == frames[::2]
        assert driver.testpmd.xstats()["rx_oversized"] == 2
        assert echoed(peer)


@pytest.mark.parametrize("txpkts", ["60", "64,1000,450", "2000,2000,2000,2000,1018"])
def test_testpmd_generates(release, memory, txpkts):
    """Frames of one and of several mbufs, as many as testpmd says that it has sent."""
    with link(release, memory, mode="rxonly", lines=256, arguments="--tx-offloads=0x8000") as (peer, driver):
        for command in ("stop", f"set txpkts {txpkts}", "set fwd txonly", "start"):
            driver.testpmd(command)
        lengths = []
        peer.wait(lambda: lengths.extend(map(len, peer.receive())) or len(lengths) > 5000)
        driver.testpmd("stop")
        sent = driver.testpmd.port_stats()["TX-packets"]
        peer.wait(lambda: lengths.extend(map(len, peer.receive())) or len(lengths) >= sent)
        assert not peer.receive()
        assert len(lengths) == sent and set(lengths) == {sum(map(int, txpkts.split(",")))}


def test_laps_wrap(release, memory):
    """65536 laps of a ring: the lap in a header is 0 again, as it was."""
    with link(release, memory, mode="rxonly", lines=256, arguments=LARGE_MBUFS) as (peer, driver):
        ring, frame, count = peer.tx[0], make_frame(0, JUMBO), 0
        while ring.position < 65537 * peer.lines:
            assert peer.tick()
            for _ in range(1000):
                count += ring.send([frame])
        peer.wait(lambda: driver.testpmd.port_stats()["RX-packets"] == count)
        assert driver.testpmd.xstats()["resyncs"] == peer.bad_credits == 0
        for command in ("stop", "set fwd io", "start"):
            driver.testpmd(command)
        assert echoed(peer)


# Sessions

@pytest.mark.quick
@pytest.mark.parametrize("role", ["server", "client"])
def test_peer_starts_anew(release, memory, role):
    """With a stop and without, and as another process would after a crash."""
    with link(release, memory, role) as (peer, driver):
        for ending in ("stop", "none", "crash") * 2:
            assert echoed(peer)
            if ending == "stop":
                peer.stop()
            if ending == "crash":
                peer.forget()
            peer.start()
            peer.wait(peer.tick)
        assert echoed(peer)
        assert driver.testpmd.xstats()["peer_restarts"] >= 6
        assert peer.resyncs == driver.testpmd.xstats()["resyncs"] == 0


@pytest.mark.parametrize("role", ["server", "client"])
def test_driver_is_killed(release, memory, role):
    with link(release, memory, role) as (peer, driver):
        for _ in range(2):
            assert echoed(peer)
            sessions = peer.sessions
            driver.restart()
            peer.wait(lambda: peer.tick() and peer.sessions > sessions)
        assert echoed(peer)
        assert peer.resyncs == 0


@pytest.mark.quick
def test_peer_stops(release, memory):
    """It is forgotten: the driver's high half becomes 0."""
    with link(release, memory) as (peer, _driver):
        peer.stop()
        peer.wait(lambda: peer.longs[peer.theirs // 8] >> 32 == 0)


def test_dead_and_alive_again(release, memory):
    """The link goes down when the heart stops, and what was on its way arrives when it beats again."""
    with link(release, memory) as (peer, driver):
        frames = make_frames([100] * 10)
        deliver(peer, frames)
        deadline = time.monotonic() + 10
        while "down" not in driver.testpmd("show port summary 0"):
            assert time.monotonic() < deadline
        sessions = peer.sessions
        back = []
        peer.wait(lambda: back.extend(peer.receive()) or len(back) >= 10)
        # testpmd drops what it receives while the link is down, in a burst that began before.
        peer.wait(lambda: "up" in driver.testpmd("show port summary 0"))
        assert back == frames and echoed(peer) and peer.sessions == sessions


def until(done, seconds=10):
    """Wait without a tick: the peer does not see what happens."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_rings_of_an_earlier_session_stay(release, memory):
    """A new process leaves the rings alone until the peer knows that the old one has gone."""
    with link(release, memory) as (peer, driver):
        deliver(peer, make_frames([1400] * 30))
        peer.wait(lambda: ring_end(peer) == 660)
        driver.restart()
        assert peer.longs[peer.mine // 8] >> 32 != peer.longs[peer.theirs // 8] & MASK != 0
        beats = peer.load4(peer.theirs + 8)
        until(lambda: peer.load4(peer.theirs + 8) - beats > 2)
        intact = ring_end(peer) == 660
        peer.wait(peer.tick)
        assert echoed(peer)
        assert intact


def test_nothing_is_produced_at_first(release, memory):
    """What a side says of its rings is of this session as soon as it has set them up."""
    with link(release, memory) as (peer, _):
        assert echoed(peer)
        peer.wait(lambda: peer.load4(peer.rx[0].produced_at))
        peer.start()
        until(lambda: peer.longs[peer.theirs // 8] >> 32 == peer.number)
        produced = peer.load4(peer.rx[0].produced_at)
        peer.wait(peer.tick)
        assert produced == 0


# Several queues

@pytest.mark.quick
@pytest.mark.parametrize("mine, drivers", [(1, 4), (4, 1), (3, 2), (2, 3)])
def test_queues(release, memory, mine, drivers):
    """Both use all rings of the one with more queues, and a flow stays in order."""
    with link(release, memory, "client", rings=4, rxq=mine, txq=mine,
              arguments=f"--rxq={drivers} --txq={drivers}") as (peer, driver):
        rings = max(mine, drivers)
        assert (peer.tx_rings, peer.rx_rings) == (rings, rings)
        frames = make_frames([64 + number % 1000 for number in range(1000)])
        left, back = {queue: frames[queue::mine] for queue in range(mine)}, []

        def step():
            for queue in range(mine):
                # All that is under way fits into one ring: testpmd drops what does not.
                under_way = len(frames) - sum(map(len, left.values())) - len(back)
                now = left[queue][:max(0, 32 - under_way)]
                left[queue] = peer.send(now, queue) + left[queue][len(now):]
                back.extend(peer.receive(queue))
            return len(back) >= len(frames)

        peer.wait(step)
        assert sorted(back) == sorted(frames)
        if mine == 1:
            # One queue of this side: all rings of a flow's way are used in order.
            for source in {frame[:12] for frame in frames}:
                assert [frame for frame in back if frame[:12] == source] == [
                    frame for frame in frames if frame[:12] == source]
        assert all(ring.position for ring in peer.tx[:rings] + peer.rx[:rings])
        assert not any(ring.position for ring in peer.tx[rings:] + peer.rx[rings:])
        xstats = driver.testpmd.xstats()
        assert all(xstats[f"rx_q{queue}_packets"] for queue in range(drivers))


@pytest.mark.quick
@pytest.mark.parametrize("queues", [{"rxq": 5}, {"txq": 65535}])
def test_queue_counts_that_cannot_be(shared, queues):
    """No session with such a peer, and one as soon as it has thought better of it."""
    peer, driver = shared
    peer.stop()
    before = peer.rxq, peer.txq
    vars(peer).update(queues)
    peer.start()
    beats = peer.load4(peer.theirs + 8)
    peer.wait(lambda: peer.load4(peer.theirs + 8) - beats > 2)
    assert peer.longs[peer.theirs // 8] >> 32 == 0
    peer.rxq, peer.txq = before
    peer.start()
    peer.wait(peer.tick)
    assert echoed(peer)


# A peer that does what it must not

@pytest.fixture(scope="module")
def shared(release, memory):
    with link(release, memory) as (peer, driver):
        yield peer, driver


@pytest.fixture
def sane(shared):
    """The same link, in step and with the driver's counters at 0."""
    peer, driver = shared
    peer.wait(peer.tick)
    assert echoed(peer)
    driver.testpmd("clear port xstats 0")
    return peer, driver


def resynced(peer, driver, sessions):
    peer.wait(lambda: peer.tick() and peer.sessions > sessions)
    assert driver.testpmd.xstats()["resyncs"] == 1
    assert echoed(peer)


@pytest.mark.quick
@pytest.mark.parametrize("length", [1, 59, 9239, 16383])
def test_impossible_length(sane, length):
    peer, driver = sane
    ring, sessions = peer.tx[0], peer.sessions
    ring.announce(ring.position, header(ring.lap(ring.position), length, first=True))
    xstat(peer, driver, "rx_bad_packets", 1)
    resynced(peer, driver, sessions)
    assert driver.testpmd.xstats()["rx_bad_packets"] == 1


def spoil(peer, word):
    """A burst of one frame whose header is another."""
    ring, frame = peer.tx[0], make_frame(0, 60)
    data, _ = ring.body([frame])
    ring.write(ring.position, data + bytes(LINE))
    ring.announce(ring.position, word)
    return frame


@pytest.mark.parametrize("change", [lambda word: word - (1 << 16) & MASK, lambda word: word + (1 << 16) & MASK,
                                    lambda word: word | 1 << 15], ids=["lap before", "lap after", "bit 15"])
def test_what_is_no_header(sane, change):
    """It is not believed; the right one in its place is."""
    peer, driver = sane
    ring, before = peer.tx[0], driver.testpmd.port_stats()["RX-packets"]
    word = header(ring.lap(ring.position), 60, first=True)
    frame = spoil(peer, change(word))
    beats = peer.load4(peer.theirs + 8)
    peer.wait(lambda: peer.load4(peer.theirs + 8) - beats > 2)
    assert driver.testpmd.port_stats()["RX-packets"] == before
    ring.announce(ring.position, word)
    ring.position += 1
    back = []
    peer.wait(lambda: back.extend(peer.receive()) or back)
    assert back == [frame]
    assert echoed(peer)
    assert driver.testpmd.xstats()["resyncs"] == 0


@pytest.mark.quick
def test_lost_header(sane):
    """A producer says that it has produced what the driver does not find: both start again."""
    peer, driver = sane
    ring, sessions = peer.tx[0], peer.sessions
    spoil(peer, header(ring.lap(ring.position) - 1, 60, first=True))
    ring.position += 1
    resynced(peer, driver, sessions)
    assert driver.testpmd.xstats()["rx_bad_packets"] == 0


def test_announced_before_it_is_written(sane):
    """A control: the order of a producer's stores counts, and this test would see it."""
    peer, _ = sane
    ring, frame = peer.tx[0], make_frame(0, 300)
    data, word = ring.body([frame])
    ring.write(ring.position + lines_of(300), bytes(LINE))
    ring.announce(ring.position, word)
    back = []
    peer.wait(lambda: back.extend(peer.receive()) or back)
    ring.write(ring.position, word.to_bytes(4, "little") + data[4:])
    ring.position += lines_of(300)
    assert len(back[0]) == 300 and back[0] != frame
    assert echoed(peer)


def test_rest_of_a_burst_comes_later(sane):
    """The driver takes what is there, and stops where nothing is."""
    peer, driver = sane
    ring, frames = peer.tx[0], make_frames([60, 700])
    data, word = ring.body(frames)
    ring.write(ring.position + 1, bytes(len(data)))
    ring.write(ring.position, data[:LINE])
    ring.announce(ring.position, word)
    back = []
    peer.wait(lambda: back.extend(peer.receive()) or back)
    assert back == frames[:1]
    ring.write(ring.position + 2, data[2 * LINE:])
    ring.write(ring.position + 1, bytes(4) + data[LINE + 4:2 * LINE])
    ring.announce(ring.position + 1, int.from_bytes(data[LINE:LINE + 4], "little"))
    ring.position += len(data) // LINE
    peer.wait(lambda: back.extend(peer.receive()) or len(back) > 1)
    assert back == frames
    assert echoed(peer)
    assert driver.testpmd.xstats()["resyncs"] == 0


@pytest.mark.quick
@pytest.mark.parametrize("wrong", [1024, 1 << 31, -100], ids=["ahead", "far", "behind"])
def test_credit_that_cannot_be(sane, wrong):
    """The driver goes on with the credit that it had, and sends no more than that, until its next heartbeat.

    Then the session starts again, with an empty ring.
    """
    peer, driver = sane
    ring = peer.rx[0]
    deliver(peer, make_frames([1400] * 30))
    peer.wait(lambda: ring_end(peer) == 660)
    peer.store4(ring.credit_at, ring.position + wrong & MASK)
    # There are 363 lines for the echo of these, and that of the last finds one full ring or another.
    deliver(peer, make_frames([1400] * 30))
    xstat(peer, driver, "tx_bad_credits", 1)
    end = ring_end(peer)
    assert end < peer.lines
    assert end > 660 or driver.testpmd.xstats()["resyncs"] == 1
    peer.store4(ring.credit_at, ring.position)
    peer.start()
    peer.wait(peer.tick)
    assert echoed(peer)


def ring_end(peer):
    """Lines that lie in the ring that the peer reads, by the headers in it."""
    ring, lines = peer.rx[0], 0
    while lines < peer.lines:
        word = peer.load4(ring.at(ring.position + lines))
        length = word & FIRST - 1
        if word >> 16 != ring.lap(ring.position + lines & MASK) or not length:
            break
        lines += lines_of(length)
    return lines
