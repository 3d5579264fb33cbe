# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""All attacks of attack-ivshmem on a port of net_ivshmem: CASES[name] = (description, function of an Attack)."""

import array
import contextlib
import os
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from bench.attack_ivshmem_victim import Honest, Unavailable, Victim, await_that, receive
from harness.ivshmem_peer import CREDIT, HEARTBEAT, LINE, MAX_RINGS

MAX_CLIENTS = 15
# Bit 0 of a side's flags
SLEEPS = 1
EVENTFD_MAX = 0xfffffffffffffffe
CASES = {}


def case(name, text):
    def register(function):
        CASES[name] = (text, function)
        return function
    return register


# Stores into the memory that both share

def hammer_case(name, text, *attacks, sends=False, **settings):
    """A peer that only stores to the memory, against either role."""
    def run(attack):
        attack.role = attack.random.choice(["server", "client"])
        for key, value in settings.items():
            setattr(attack, key, value)
        attack.start_victim()
        attack.exchange(peer := attack.connect())
        peer.close()
        if sends:
            attack.victim.ask("send")
        attack.hammered(*attacks)
        attack.finish()
    CASES[name] = (text, run)


hammer_case("lengths", "possible and impossible lengths, changing at the position of the next packet", "lengths")
hammer_case("two-lengths", "two possible lengths that change between two loads", "two-lengths")
hammer_case("full-ring", "a packet of the next lap in every line", "full-ring")
hammer_case("oversized", "rings full of frames longer than the MTU", "oversized", mtu=1500, room=2048)
hammer_case("oversized-long", "the same in a ring of 1 Mi lines", "oversized", mtu=1500, room=2048, lines=1 << 20,
            queues=1)
hammer_case("credits-random", "lines released that were never sent", "credits-random", sends=True)
hammer_case("credits-backward", "released lines taken back one by one", "credits-backward", sends=True)
hammer_case("credits-ahead", "lines released before they are sent", "credits-ahead", sends=True)
hammer_case("produced", "claims of lines that do not exist", "produced")
hammer_case("sessions", "a new session with each store", "sessions")
hammer_case("sessions-long", "the same, with rings that take long to clear", "sessions", lines=1 << 16, queues=4)
hammer_case("queue-counts", "sessions with impossible queue counts", "queue-counts")
hammer_case("their-side", "the victim's own line is overwritten", "their-side")
hammer_case("heartbeats", "random heartbeats", "heartbeats")
hammer_case("mix", "all of that at once, long frames in small mbufs", "lengths", "credits-random", "two-lengths",
            "produced", mtu=9216, room=512)


@case("geometry", "the layout is overwritten while frames are exchanged")
def geometry(attack):
    attack.start_victim()
    peer = attack.connect()
    attack.hammered("geometry", peers=[peer], act=lambda: attack.exchange(peer))
    peer.close()
    attack.finish()


@case("geometry-attach", "the layout changes while ports attach")
def geometry_attach(attack):
    attack.start_victim()
    path = attack.memory(attack.size())
    Honest(path, "server", attack.lines, attack.queues).close()
    roles = ["client", f"server,lines={attack.lines},queues={attack.queues}"]

    def attach():
        attached = attack.victim.attach_other(f"path={path},role={roles[0]}")
        attack.counts["attached" if attached else "refused"] += 1
        roles.reverse()
    attack.hammered("geometry-flips", path=path, act=attach)
    attack.check_files()
    attack.finish()


@case("geometry-values", "ports that attach to impossible layouts are refused")
def geometry_values(attack):
    attack.start_victim()
    path = attack.memory(attack.size())
    other = Honest(path, "server", attack.lines, attack.queues)
    attack.stack.callback(other.close)
    kept = bytes(other.memory[:LINE])
    layout = f",lines={attack.lines},queues={attack.queues}"
    for offset, value, size in [(8, 0, 4), (8, 1, 4), (8, 3, 4), (8, 0xffffffff, 4), (12, 0, 4), (12, 1 << 20, 4),
                                (12, 257, 4), (24, 17, 4), (24, 0, 4), (16, 1 << 40, 8), (0, 1, 8)]:
        other.memory[offset:offset + size] = value.to_bytes(size, "little")
        for role in ["client", f"server{layout}"]:
            if attack.victim.attach_other(f"path={path},role={role}"):
                raise attack.victim.found(f"layout with {value:#x} at {offset} is accepted as {role}")
            attack.counts["refused"] += 1
            attack.step()
        other.memory[:LINE] = kept
    attack.check_files()
    attack.finish()


@case("replay", "old packets are replayed, some laps later")
def replay(attack):
    # A short ring, which goes round several times.
    attack.lines = 256
    attack.start_victim()
    attack.exchange(peer := attack.connect())
    before = attack.victim.numbers()["received"]
    ring = peer.tx[0]

    def again():
        step, laps = attack.random.randint(1, 7), attack.random.randint(1, 3)
        for n in range(0, attack.lines, step):
            at = ring.base + LINE * n
            peer.store4(at, peer.load4(at) + (laps << 16) & 0xffffffff)
        attack.counts["stores"] += attack.lines // step
    attack.last(peer, act=again)
    received = attack.victim.numbers()["received"]
    if received != before:
        raise attack.victim.found(f"{received - before} frames were received that were not sent")
    peer.close()
    attack.finish()


@case("silence", "the heartbeat stops, runs backward, and resumes")
def silence(attack):
    attack.start_victim()
    peer = attack.connect()
    await_that("the link stays up without a heartbeat", lambda: not attack.victim.is_up())
    attack.exchange(peer)
    beat = peer.mine + HEARTBEAT

    def backward():
        peer.store4(beat, peer.load4(beat) - 2 & 0xffffffff)
    attack.last(peer, act=backward)
    attack.exchange(peer)
    peer.close()
    attack.finish()


@case("slow-reader", "a peer that reads two frames a second while the victim sends at full rate")
def slow_reader(attack):
    attack.start_victim()
    peer = attack.connect()
    attack.victim.ask("send")
    reads = [time.monotonic()]

    def read():
        if time.monotonic() > reads[0]:
            peer.receive(attack.random.randrange(attack.queues), 1)
            reads[0] += 0.5
    attack.last(peer, act=read)
    attack.stop_and_start(peer)
    peer.close()
    attack.finish()


# Files and roles

@case("truncate", "the memory's file is shortened, or extended")
def truncate(attack):
    attack.path = None
    attack.socket = attack.directory / "socket"
    size = attack.size()
    attack.victim = Victim(attack, f"socket={attack.socket},role=server,lines={attack.lines},queues={attack.queues},"
                           f"size={size}", queues=attack.queues, mtu=attack.mtu, room=attack.room)
    client = attack.join()
    attack.path = f"/proc/self/fd/{client.memory}"
    for new in [0, 4096, 4096 + LINE, size // 2, size * 2]:
        try:
            os.ftruncate(client.memory, new)
        except PermissionError:
            attack.counts["refused"] += 1
        else:
            raise attack.victim.found(f"a client may make the memory {new} bytes long")
        attack.step()
    attack.finish()


@case("rename", "the memory's file is replaced by another")
def rename(attack):
    attack.start_victim()
    peer = attack.connect()
    held = os.open(attack.path, os.O_RDWR)
    attack.stack.callback(os.close, held)
    os.rename(attack.memory(attack.size()), attack.path)
    attack.exchange(peer)
    if attack.victim.attach_other(f"path={attack.path},role=client"):
        raise attack.victim.found("a client attaches to a blank region")
    attack.exchange(peer)
    peer.close()
    attack.path = f"/proc/self/fd/{held}"
    attack.finish()


@case("two-clients", "two peers claim one role")
def two_clients(attack):
    attack.start_victim()
    peers = [attack.peer(), attack.peer()]

    def take_over():
        peer = attack.random.choice(peers)
        peer.forget()
        peer.start()
        end = time.monotonic() + attack.random.random() / 2
        while time.monotonic() < end:
            attack.step(*peers)
            for other in peers:
                other.send([bytes(60)])
                other.receive()
    attack.last(act=take_over)
    for peer in peers:
        peer.close()
    attack.finish()


@case("two-servers", "a second port claims the victim's role")
def two_servers(attack):
    attack.start_victim()
    peer = attack.connect()

    def claim():
        layout = f",lines={attack.lines},queues={attack.queues}"
        if attack.victim.attach_other(f"path={attack.path},role=server{layout}"):
            raise attack.victim.found("two ports of one region may be its server")
        attack.counts["refused"] += 1
        attack.exchange(peer)
    attack.last(peer, act=claim)
    attack.check_files()
    peer.close()
    attack.finish()


# The doorbell socket

@case("connects", "clients come and go as fast as they can")
def connects(attack):
    attack.serve()
    over = threading.Event()

    def flood(counts):
        while not over.is_set():
            with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
                connection.settimeout(1)
                connection.connect(str(attack.socket))
                counts.append(1)
    counts = []
    threads = [threading.Thread(target=flood, args=(counts,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        attack.last()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    attack.counts["connects"] += len(counts)
    attack.check_files()
    attack.join().close()
    attack.finish()


@case("half-open", "clients that never read occupy all slots")
def half_open(attack):
    attack.serve()
    idle = [attack.dial() for _ in range(MAX_CLIENTS)]
    refused = attack.dial()
    number, _ = receive(refused)
    if number == 0:
        raise attack.victim.found(f"client {MAX_CLIENTS + 1} is accepted")
    attack.last()
    for connection in [*idle, refused]:
        connection.close()
    attack.check_files()
    attack.join().close()
    attack.finish()


@case("half-closed", "a client that closes one direction, and one that sends files")
def half_closed(attack):
    attack.serve()

    def connect():
        with attack.dial() as closed, attack.dial() as sender:
            closed.shutdown(socket.SHUT_WR)
            files = array.array("i", [0] * 200)
            with contextlib.suppress(OSError):
                sender.sendmsg([bytes(8)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
            attack.counts["connects"] += 2
            attack.check_files()
    attack.last(act=connect)
    attack.join().close()
    attack.finish()


def doorbell_flood(attack, **options):
    attack.serve(**options)
    client, peer = attack.join(), attack.connect()

    def notify():
        for doorbell in client.doorbells[0] * 100:
            with contextlib.suppress(BlockingIOError):
                os.write(doorbell, struct.pack("<Q", 1))
        attack.counts["notifications"] += 100 * len(client.doorbells[0])
    attack.last(peer, act=notify)
    attack.exchange(peer)
    peer.close()
    client.close()
    attack.check_files()
    attack.finish()


@case("flood-polling", "all doorbells of a victim that polls")
def flood_polling(attack):
    doorbell_flood(attack)


@case("flood-sleeping", "all doorbells of a victim that sleeps")
def flood_sleeping(attack):
    doorbell_flood(attack, interrupts=1)


@case("doorbells", "a peer that claims to sleep, with impossible doorbells")
def doorbells(attack):
    attack.serve(interrupts=1)
    client = attack.join()
    attack.victim.ask("send")
    attack.hammered("doorbells")
    client.close()
    attack.finish()


def fill(doorbell):
    """An eventfd that is full, so that a write waits where it may."""
    os.set_blocking(doorbell, False)
    with contextlib.suppress(BlockingIOError):
        os.read(doorbell, 8)
    os.write(doorbell, struct.pack("<Q", EVENTFD_MAX))
    os.set_blocking(doorbell, True)


@case("blocking-peer", "a client's doorbells are full and may block")
def blocking_peer(attack):
    attack.serve()
    client = attack.join()
    for doorbell in client.doorbells[client.id]:
        fill(doorbell)
    peer = attack.peer()
    peer.flags, peer.peer_id = SLEEPS, client.id
    peer.start()
    attack.wait_up(peer)

    def send():
        for ring in range(attack.queues):
            peer.store4(CREDIT + LINE * (MAX_RINGS * (1 - peer.side) + ring) + 4, 1)
        peer.send([bytes(60)], attack.random.randrange(attack.queues))
        for queue in range(attack.queues):
            peer.receive(queue)
    attack.last(peer, act=send)
    peer.stop()
    attack.last()
    peer.close()
    client.close()
    attack.finish()


@case("blocking-own", "the victim's doorbells may block, empty or full")
def blocking_own(attack):
    attack.serve(interrupts=1)
    client, peer = attack.join(), attack.connect()
    attack.exchange(peer)
    own = client.doorbells[0]

    def empty(doorbell):
        os.set_blocking(doorbell, False)
        with contextlib.suppress(BlockingIOError):
            os.read(doorbell, 8)
        os.set_blocking(doorbell, True)

    def send():
        for doorbell in own:
            (fill if attack.random.randrange(2) else empty)(doorbell)
        peer.send([bytes(60)], attack.random.randrange(attack.queues))
        for queue in range(attack.queues):
            peer.receive(queue)
    attack.last(peer, act=send)
    peer.close()
    client.close()
    attack.finish()


# Processes and callbacks

@contextlib.contextmanager
def huge_pages(directory, needed=64):
    """A directory with that many free pages of 2 MiB, which several processes of DPDK can share."""
    reserved = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    free = reserved.with_name("free_hugepages")
    added = max(0, needed - int(free.read_text())) if free.exists() else 0
    mounted = directory / "huge"
    mounted.mkdir()
    try:
        if not free.exists():
            raise Unavailable("the kernel has no huge pages of 2 MiB")
        try:
            reserved.write_text(str(int(reserved.read_text()) + added))
            if int(free.read_text()) < needed:
                raise Unavailable(f"{free.read_text().strip()} of {needed} huge pages are free, and no more available")
            subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", mounted], check=True,
                           stderr=subprocess.PIPE)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Unavailable(f"huge pages need root: {error}") from None
        try:
            yield mounted
        finally:
            subprocess.run(["umount", "-l", mounted], check=False)
    finally:
        if added:
            with contextlib.suppress(OSError):
                reserved.write_text(str(max(0, int(reserved.read_text()) - added)))


@case("kill-secondary", "secondary processes are killed while they poll")
def kill_secondary(attack):
    attack.queues = 2
    # Processes of DPDK need memory at the same address; ASan has its own where EAL would look first.
    pages = attack.stack.enter_context(huge_pages(attack.directory))
    eal = ["--huge-dir", pages, "--base-virtaddr", "0x200000000000", "-m", "64"]
    names = {"eal": [*eal, "--proc-type=primary"], "polled": 1}
    attack.start_victim(name="shared", **names)
    peer = attack.connect()
    end = time.monotonic() + attack.seconds
    while time.monotonic() < end or attack.counts["kills"] < 3:
        # The files' prefix is its primary's.
        secondary = Victim(attack, "-", name="shared", eal=[*eal, "--proc-type=secondary"], queues=2, first=1,
                           mtu=attack.mtu, room=attack.room)
        attack.exchange(peer)
        # Its ring of mbufs is not in its hands now: a mempool of DPDK does not survive that.
        secondary.kill()
        attack.counts["kills"] += 1
        peer.start()
        attack.exchange(peer, queues=[0])
    attack.victim.ask("stop")
    peer.close()
    attack.victim.quit()


def leave_in_callback(attack, how, again):
    """The link is lost, and a callback that is told so ends the port, in the interrupt thread."""
    attack.start_victim(lsc=1)
    peer = attack.connect()

    def lose_link():
        attack.exchange(peer)
        attack.victim.ask(how)
        peer.stop()
        await_that("the callback is not done", lambda: not attack.victim.look()["started"])
        before = attack.victim.numbers()["alarms"]
        await_that("the interrupt thread has died", lambda: attack.victim.look()["alarms"] > before + 4)
        for command in again:
            attack.victim.ask(command)
        peer.start()
        attack.counts["callbacks"] += 1
    attack.last(act=lose_link)
    attack.check_files()
    peer.close()
    attack.finish()


@case("stop-in-callback", "the port is stopped in the callback for the loss of its link")
def stop_in_callback(attack):
    leave_in_callback(attack, "stop-when-down", ["start"])


@case("close-in-callback", "the port is stopped and closed in that callback")
def close_in_callback(attack):
    leave_in_callback(attack, "close-when-down", ["detach", "attach"])
