# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""One attack on a port of net_ivshmem: its victim, the shared memory, and the checks during and after it."""

import array
import contextlib
import os
import random
import re
import select
import socket
import struct
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from harness.ivshmem_peer import LINE, Peer, lines_of

# An answer that takes longer counts as missing.
PATIENCE_S = 60
# The heartbeat is ten times a second. A busy machine may delay it for a while; a fault stops it.
HEART_S = 15
# Each report makes the victim check its peer, in addition to the checks at its heartbeats.
LOOK_S = 0.02
# Limit of lines that the victim logs during a case: a peer must not fill a disk.
MAX_LOG_LINES = 300
# For each port that it tries to attach, it may also log the reason of a refusal.
MAX_ATTACH_LINES = 1
FRAMES = 64
OTHER = {"server": "client", "client": "server"}
REPORTS = re.compile(r"(AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error): ?.*")
COUNTERS = ["rx_bad_packets", "rx_oversized", "tx_bad_credits", "resyncs", "peer_restarts", "tx_doorbells", "received",
            "sent"]


class Found(Exception):
    """An effect that no attack may have, described by the text."""


class Unavailable(Exception):
    """This machine cannot run the case; the text gives the reason."""


def await_that(what, done, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while not (result := done()):
        if time.monotonic() > deadline:
            raise Found(f"{what}: not within {seconds} s")
        time.sleep(0.01)
    return result


class Victim:
    """A process of dpdk-wc-guest's ivshmem-victim."""

    def __init__(self, attack, device, name="victim", eal=None, **options):
        self.name = name
        self.log = open(attack.directory / f"{name}.log", "w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            attack.command(name, "ivshmem-victim", device, *[f"{key}={value}" for key, value in options.items()],
                           eal=eal),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=attack.environment,
            start_new_session=True)
        self.rest, self.lines = b"", []
        self.beats = {}
        self.attaches = 0
        attack.stack.callback(self.kill)
        self.numbers()

    @property
    def pid(self):
        return self.process.pid

    def logged(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def found(self, text):
        logged = self.logged()
        report = REPORTS.search(logged)
        said = [line for line in self.lines if line.startswith("ERROR")]
        what = [f"{self.name}: {report.group(0) if report else text}", *said[:3]]
        return Found("; ".join(what) + "\n" + "\n".join(self.lines[-6:]) + "\n" + logged[-6000:])

    def next_line(self, deadline, waiting_for):
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self.found(f"does not answer '{waiting_for}' within {PATIENCE_S} s")
            if not select.select([self.process.stdout], [], [], left)[0]:
                continue
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                raise self.found(f"ended with {self.process.wait()} at '{waiting_for}'")
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode(errors="replace")

    def ask(self, command):
        """Send a command; returns the line before its answer."""
        try:
            self.process.stdin.write(f"{command}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self.found(f"ended with {self.process.wait()} before '{command}'") from None
        deadline = time.monotonic() + PATIENCE_S
        before = ""
        while (line := self.next_line(deadline, command)) != f"done {command.split()[0]}":
            self.lines.append(line)
            before = line
        return before

    def attach_other(self, device):
        """Whether another port could be attached; it is detached again."""
        self.attaches += 1
        return self.ask(f"other {device}") == "other 0"

    def numbers(self):
        words = self.ask("report").split()
        return {name: int(value) for name, value in zip(words[::2], words[1::2])}

    def look(self):
        """Check that it answers, its interrupt thread and its heartbeat are running, and it found no errors."""
        numbers, now = self.numbers(), time.monotonic()
        for what in ["alarms", "heartbeat"]:
            value = (numbers[what], numbers["started"])
            if self.beats.get(what, (None, 0))[0] != value or not numbers["started"]:
                self.beats[what] = (value, now)
            elif now - self.beats[what][1] > HEART_S:
                raise self.found(f"no {what} for {HEART_S} s")
        if numbers["errors"]:
            raise self.found("found errors")
        return numbers

    def is_up(self):
        return self.look()["up"] == 1

    def files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def quit(self):
        """Have it end by itself, without errors."""
        try:
            self.process.stdin.write(b"quit\n")
            self.process.stdin.flush()
            self.process.wait(PATIENCE_S)
        except BrokenPipeError:
            self.process.wait()
        except subprocess.TimeoutExpired:
            raise self.found(f"does not end within {PATIENCE_S} s") from None
        if self.process.returncode or REPORTS.search(self.logged()):
            raise self.found(f"ended with {self.process.returncode}")
        nb_lines = self.logged().count("\n")
        limit = MAX_LOG_LINES + MAX_ATTACH_LINES * self.attaches
        if nb_lines > limit:
            raise self.found(f"logged {nb_lines} lines, more than {limit} for {self.attaches} more ports")

    def kill(self):
        if not self.process.stdin.closed:
            self.process.kill()
            self.process.wait()
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.stdout.close()
            self.log.close()


class Client:
    """A client of the doorbell socket that has received the memory and all doorbells."""

    def __init__(self, attack, vectors):
        self.socket = attack.dial()
        version, _ = receive(self.socket)
        if version != 0:
            raise Found(f"the socket's server sends {version} instead of its version")
        self.id, _ = receive(self.socket)
        _, self.memory = receive(self.socket)
        self.files, self.doorbells = [self.memory], {}
        while len(self.doorbells.get(self.id, [])) < vectors:
            number, file = receive(self.socket)
            self.files.append(file)
            self.doorbells.setdefault(number, []).append(file)
        attack.stack.callback(self.close)

    def close(self):
        self.socket.close()
        for file in self.files:
            os.close(file)
        self.files = []


def dial(path):
    """A connection to the server of that socket."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        # connect() of a socket with a timeout of Python's does not wait for a place in a full backlog.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", PATIENCE_S, 0))
        connection.connect(str(path))
        connection.settimeout(PATIENCE_S)
    except OSError:
        connection.close()
        raise
    return connection


def receive(connection):
    """One message of the server: (number, file or None)."""
    data, ancillary, *_ = connection.recvmsg(8, socket.CMSG_SPACE(4))
    while data and len(data) < 8:
        data += connection.recv(8 - len(data))
    if not data:
        raise Found("the socket's server closed the connection")
    files = array.array("i")
    for _level, _type, content in ancillary:
        files.frombytes(content[:4])
    return struct.unpack("<q", data)[0], files[0] if files else None


class Honest(Peer):
    """A well-behaved peer that may be closed more than once."""

    closed = False

    def close(self):
        if not self.closed:
            self.closed = True
            super().close()


class Attack:
    """One case: its victim, the memory that it shares, and who attacks it."""

    def __init__(self, run, name, seed):
        self.run, self.name, self.seed = run, name, seed
        self.seconds = run.args.seconds
        self.random = random.Random(seed)
        self.stack = contextlib.ExitStack()
        self.counts = Counter()
        # Random unless the case sets them.
        self.role = "server"
        self.lines, self.queues = self.random.choice([256, 1024, 4096]), self.random.choice([1, 2, 4])
        self.mtu, self.room = self.random.choice([(1500, 2048), (1500, 512), (9216, 512)])
        self.socket = self.victim = None

    def __enter__(self):
        self.directory = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="attack-ivshmem.")))
        # DPDK keeps its memory until exit, which is no leak.
        self.environment = os.environ | {
            "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
            "RUNTIME_DIRECTORY": str(self.directory)}
        return self

    def __exit__(self, *exception):
        return self.stack.__exit__(*exception)

    def command(self, name, suite, *arguments, eal=None):
        cpus = "0@0-1" if (os.cpu_count() or 1) > 1 else "0@0"
        eal = eal or ["--no-huge", "--no-shconf", "-m", "128"]
        return [self.run.program, "--no-pci", "--no-telemetry", "--lcores", cpus, "--file-prefix", name, *eal, "--",
                suite, *arguments]

    def memory(self, size):
        """The path of a file of zeros, removed after the case."""
        number, path = tempfile.mkstemp(prefix="attack-ivshmem.", dir="/dev/shm")
        os.close(number)
        self.stack.callback(lambda: Path(path).unlink(missing_ok=True))
        os.truncate(path, size)
        return path

    def size(self):
        """A power of two, as required for a BAR in QEMU."""
        return 1 << (4096 + 2 * LINE * self.lines * self.queues - 1).bit_length()

    def start_victim(self, **options):
        """A port with a blank region; its link comes up once."""
        self.path = self.memory(self.size())
        layout = f",lines={self.lines},queues={self.queues}"
        if self.role == "client":
            self.peer().close()               # has laid out the region
            layout = ""
        if self.socket:
            layout += f",socket={self.socket}"
        options = {"queues": self.queues, "mtu": self.mtu, "room": self.room} | options
        self.victim = Victim(self, f"path={self.path},role={self.role}{layout}", **options)
        self.files = self.victim.files()
        return self.victim

    def peer(self, path=None, **options):
        """A peer that has not started."""
        queues = {"rxq": self.queues, "txq": self.queues} | options
        peer = Honest(path or self.path, OTHER[self.role], self.lines, self.queues, **queues)
        self.stack.callback(peer.close)
        return peer

    def connect(self, **options):
        """A well-behaved peer, with its link up."""
        peer = self.peer(**options)
        peer.start()
        self.wait_up(peer)
        return peer

    def wait_up(self, peer):
        await_that("a well-behaved peer has no link", lambda: self.step(peer) and peer.up)

    def step(self, *peers):
        """Keep peers alive, and check the victim occasionally."""
        for peer in peers:
            peer.tick()
        if time.monotonic() >= self.next_look:
            self.victim.look()
            self.next_look = time.monotonic() + LOOK_S
        return True

    next_look = 0.0

    def frames(self, tag):
        longest = 9000 if self.mtu > 1500 else 1514
        lengths = [self.random.randint(60, longest if n % 8 == 0 else 1514) for n in range(FRAMES)]
        return [bytes.fromhex("020000000001020000000002 88b5") + tag + struct.pack("<I", n) +
                self.random.randbytes(length - 26) for n, length in enumerate(lengths)]

    def echo(self, peer, queue):
        """Whether frames come back intact and in order; false if the session has ended meanwhile."""
        session, tag = (peer.number, peer.sessions), self.random.randbytes(8)
        want, back, sent = self.frames(tag), [], 0
        window = self.lines - self.lines // 4 - 1
        deadline = time.monotonic() + PATIENCE_S
        while len(back) < len(want):
            self.step(peer)
            under_way = sum(lines_of(len(frame)) for frame in want[len(back):sent])
            if sent < len(want) and under_way + lines_of(len(want[sent])) <= window:
                sent += not peer.send(want[sent:sent + 1], queue)
            # The victim may have had frames of an earlier session.
            back += [frame for frame in peer.receive(queue) if frame[14:22] == tag]
            if (peer.number, peer.sessions) != session or not peer.up:
                return False
            if back != want[:len(back)]:
                raise self.victim.found("a frame comes back that was not sent, or out of order")
            if time.monotonic() > deadline:
                raise self.victim.found(f"{len(back)} of {sent} frames come back")
        return True

    def exchange(self, peer, queues=None):
        for queue in range(self.queues) if queues is None else queues:
            self.wait_up(peer)
            await_that("sessions end without an attack", lambda: self.echo(peer, queue) or self.wait_up(peer))

    def hammer(self, attack, path=None):
        """A process that stores forbidden values as fast as possible."""
        self.seed += 1
        process = subprocess.Popen(
            self.command(f"hammer{self.seed}", "ivshmem-hammer", path or self.path, OTHER[self.role], attack,
                         str(self.seconds), str(self.seed)),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment, start_new_session=True)

        def end():
            process.kill()
            process.wait()
            process.stdout.close()
        self.stack.callback(end)
        return process

    def reap(self, hammers):
        for process in hammers:
            said = process.stdout.read().splitlines()
            if process.wait() != 0:
                raise RuntimeError(f"ivshmem-hammer ended with {process.returncode}: {said}")
            words = said[-1].split()
            self.counts.update({name: int(value) for name, value in zip(words[::2], words[1::2])})

    def last(self, *peers, act=lambda: None):
        """Run the attack for its length."""
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            act()
            self.step(*peers)
            time.sleep(0.001)

    def hammered(self, *attacks, peers=(), path=None, act=lambda: None):
        """The same, with processes."""
        hammers = [self.hammer(attack, path) for attack in attacks]
        while any(process.poll() is None for process in hammers):
            act()
            self.step(*peers)
            time.sleep(0.001)
        self.reap(hammers)

    def finish(self):
        """After the attack: the victim must work as before."""
        numbers = self.victim.numbers()
        self.counts.update({name: numbers[name] for name in COUNTERS if name in numbers})
        self.victim.ask("forward")
        peer = self.connect()
        self.exchange(peer)
        self.stop_and_start(peer)
        self.exchange(peer)
        peer.close()
        self.victim.quit()

    def stop_and_start(self, peer):
        """A stopped port must not hold mbufs."""
        missing = self.victim.ask("stop")
        if missing != "missing 0":
            raise self.victim.found(f"mbufs {missing}")
        self.victim.ask("start")
        self.wait_up(peer)

    def check_files(self):
        await_that(f"files of an attacker stay open: {self.victim.files() - self.files} more",
                   lambda: self.step() and self.victim.files() <= self.files)

    def serve(self, **options):
        """A victim with a doorbell socket."""
        self.socket = self.directory / "socket"
        return self.start_victim(**options)

    def dial(self):
        return self.stack.enter_context(dial(self.socket))

    def join(self):
        return Client(self, self.queues + 1)
