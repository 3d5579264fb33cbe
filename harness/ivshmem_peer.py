# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project
"""A peer of net_ivshmem, written from doc/ivshmem_protocol.rst and not from the driver.

It shows that the specification is sufficient, and provides tests with a peer that can be made to misbehave. It works
on a file on an x86 host, where loads are not reordered with other loads, nor stores with other stores, and a store does
not pass an earlier load, so that every barrier of the protocol is implicit. Python cannot express barriers for other
CPUs: a release (Arm: DMB ISHST) would stand before announce(), before the magic and before each store of the session,
an acquire (DMB ISHLD) after the loads of a header, of the magic and of the session, and a full barrier (DMB ISH)
before the store in give_back() and after the load in credit().
"""

import mmap
import os
import secrets
import struct
import time
import zlib

MAGIC = int.from_bytes(b"WIVSHM0\0", "little")
VERSION = 2
LINE = 64
GEOMETRY, SIDE, PRODUCED, CREDIT, SLOTS = 0, 64, 192, 320, 4096
HEARTBEAT, QUEUES = 8, 12                # in a side; the session is at 0, flags and doorbell follow the queues
MIN_LINES, MAX_LINES, MAX_RINGS = 256, 1 << 20, 16
MIN_FRAME, MAX_FRAME = 60, 9238
FIRST, RESERVED = 1 << 14, 1 << 15
LENGTH = FIRST - 1                       # bits of a header
MASK = 0xffffffff
BEAT, DEAD = 0.1, 3.0


def lines_of(length):
    """Lines of a packet with a frame of that length."""
    return (4 + length + LINE - 1) // LINE


def header(lap, length, first=False):
    return (lap & 0xffff) << 16 | (FIRST if first else 0) | length


class Ring:
    """One ring: its lines, its credit line, and this side's position in it."""

    def __init__(self, peer, direction, number):
        self.peer = peer
        self.number, self.lines = number, peer.lines
        self.base = SLOTS + LINE * self.lines * (direction * peer.rings + number)
        self.credit_at = CREDIT + LINE * (MAX_RINGS * direction + number)
        self.produced_at = PRODUCED + LINE * direction + 4 * number
        self.reset()

    def reset(self):
        self.position = self.returned = self.consumed = 0

    def lap(self, position):
        return position // self.lines & 0xffff

    def at(self, position):
        return self.base + LINE * (position % self.lines)

    def write(self, position, data):
        """Whole lines, over the end of the ring if need be."""
        start = self.at(position)
        head = min(len(data), self.base + LINE * self.lines - start)
        self.peer.memory[start:start + head] = data[:head]
        self.peer.memory[self.base:self.base + len(data) - head] = data[head:]

    def read(self, position, lines):
        start, size = self.at(position), LINE * lines
        head = min(size, self.base + LINE * self.lines - start)
        return bytes(self.peer.memory[start:start + head]) + bytes(self.peer.memory[self.base:self.base + size - head])

    def announce(self, position, word):
        self.peer.store4(self.at(position), word)

    def credit(self):
        """Lines that may be written: one stays free."""
        consumed = self.peer.load4(self.credit_at)
        if self.position - consumed & MASK < self.lines:
            self.consumed = consumed
        else:
            self.peer.bad_credits += 1
        return self.lines - 1 - (self.position - self.consumed & MASK)

    def body(self, frames):
        """The lines of a burst with 0 for its first header, and that header."""
        position, packets = self.position, []
        for frame in frames:
            frame = frame.ljust(MIN_FRAME, b"\0")
            word = header(self.lap(position), len(frame)) if packets else 0
            packets.append((struct.pack("<I", word) + frame).ljust(LINE * lines_of(len(frame)), b"\0"))
            position = position + lines_of(len(frame)) & MASK
        return b"".join(packets), header(self.lap(self.position), max(len(frames[0]), MIN_FRAME), first=True)

    def send(self, frames):
        """As many of the frames as there is room for, as one burst. Returns how many."""
        room, count, used = self.credit(), 0, 0
        for frame in frames:
            need = lines_of(max(len(frame), MIN_FRAME))
            if used + need > room:
                break
            count, used = count + 1, used + need
        if count:
            data, word = self.body(frames[:count])
            self.write(self.position, data)
            self.write(self.position + used & MASK, bytes(LINE))     # always: it may hold bytes of a frame
            self.announce(self.position, word)
            self.position = self.position + used & MASK
        return count

    def receive(self, most):
        frames = []
        while len(frames) < most:
            word = self.peer.load4(self.at(self.position))
            length = word & LENGTH
            if word >> 16 != self.lap(self.position) or word & RESERVED or not length:
                behind = self.peer.claims[self.number] - self.position & MASK
                if 0 < behind < self.lines:
                    self.peer.resync()       # the peer says that there are lines: a header was lost
                break
            if MIN_FRAME <= length <= MAX_FRAME:
                copy = self.read(self.position, lines_of(length))
                length = struct.unpack_from("<I", copy)[0] & LENGTH
            if not MIN_FRAME <= length <= MAX_FRAME or lines_of(length) != lines_of(word & LENGTH):
                self.peer.bad_packets += 1
                self.peer.resync()
                break
            frames.append(copy[4:4 + length])
            self.position = self.position + lines_of(length) & MASK
            self.give_back()
        return frames

    def give_back(self):
        if self.position - self.returned & MASK >= self.lines // 4:
            self.returned = self.position
            self.peer.store4(self.credit_at, self.position)


class Peer:
    """One side. Nothing runs in the background: call tick() often, or send(), receive() and wait(), which do."""

    def __init__(self, path, role, lines=1024, rings=1, rxq=1, txq=1):
        self.side = {"server": 0, "client": 1}[role]
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        self.memory = memoryview(self.map)
        self.words = self.memory.cast("I")        # an item is loaded and stored with one access
        self.longs = self.memory[:len(self.memory) // 8 * 8].cast("Q")
        if role == "server":
            self.lay_out(lines, rings)
        self.check()
        if role == "server" and (lines, rings) != (self.lines, self.rings):
            raise ValueError(f"laid out with {self.rings} rings of {self.lines} lines")
        self.rxq, self.txq = rxq, txq
        self.flags = self.peer_id = self.vector = 0
        self.mine, self.theirs = SIDE + LINE * self.side, SIDE + LINE * (1 - self.side)
        self.tx = [Ring(self, self.side, number) for number in range(self.rings)]
        self.rx = [Ring(self, 1 - self.side, number) for number in range(self.rings)]
        self.number = self.last = 0
        self.bad_packets = self.bad_credits = self.resyncs = self.sessions = 0
        self.tx_rings = self.rx_rings = 0
        self.up = False
        self.beaten = self.heard = 0.0            # when this side beat, and when the peer did
        self.heard_beat = None
        self.claims = self.next_claims = [0] * self.rings

    def close(self):
        self.stop()
        self.words.release()
        self.longs.release()
        self.memory.release()
        self.map.close()

    def load4(self, offset):
        return self.words[offset // 4]

    def store4(self, offset, value):
        self.words[offset // 4] = value

    def lay_out(self, lines, rings):
        if self.longs[GEOMETRY] == 0:             # else a client may be there, which goes on with what it has
            struct.pack_into("<IIQI", self.memory, GEOMETRY + 8, VERSION, lines, len(self.memory), rings)
            self.longs[GEOMETRY] = MAGIC

    def check(self):
        magic, version, self.lines, size, self.rings = struct.unpack_from("<QIIQI", self.memory)
        if magic != MAGIC or version != VERSION:
            raise ValueError("not laid out, or not as version 2")
        if not MIN_LINES <= self.lines <= MAX_LINES or self.lines & self.lines - 1:
            raise ValueError(f"{self.lines} lines: not a power of two from {MIN_LINES} to {MAX_LINES}")
        if not 1 <= self.rings <= MAX_RINGS:
            raise ValueError(f"{self.rings} rings: not 1 to {MAX_RINGS}")
        if size != len(self.memory) or SLOTS + 2 * LINE * self.lines * self.rings > size:
            raise ValueError(f"size {size}: not that of the memory, {len(self.memory)}, or less than the rings take")

    def start(self):
        """A session with a new number."""
        taken = {0, self.last, self.longs[self.mine // 8] & MASK, self.longs[self.theirs // 8] >> 32}
        while self.last in taken:
            self.last = secrets.randbits(32)
        struct.pack_into("<HHIHH", self.memory, self.mine + QUEUES, self.rxq, self.txq, self.flags, self.peer_id,
                         self.vector)
        self.number, self.up = self.last, False
        self.longs[self.mine // 8] = self.number

    def stop(self):
        self.number, self.up = 0, False
        self.longs[self.mine // 8] = 0

    def forget(self):
        """As if another process took over: nothing is known but what the memory has."""
        self.number = self.last = 0
        self.heard_beat, self.up = None, False

    def resync(self):
        self.resyncs += 1
        self.start()

    def accept(self, number):
        """Sets the rings up for that number of the peer."""
        self.up = False
        rxq, txq = struct.unpack_from("<HH", self.memory, self.theirs + QUEUES)
        if number and 1 <= rxq <= self.rings and 1 <= txq <= self.rings:
            for ring in self.tx:
                ring.reset()
                self.memory[ring.base:ring.base + LINE * self.lines] = bytes(LINE * self.lines)
                self.store4(ring.produced_at, 0)
            for ring in self.rx:
                ring.reset()
                self.store4(ring.credit_at, 0)
                self.store4(ring.credit_at + 4, 0)
            self.tx_rings, self.rx_rings = max(self.txq, rxq), max(self.rxq, txq)
            self.sessions += 1
        else:
            number = 0
        self.longs[self.mine // 8] = number << 32 | self.number

    def tick(self):
        """The heartbeat, and what there is to see of the peer's. Returns whether the link is up."""
        now = time.monotonic()
        if now - self.beaten >= BEAT:
            self.beaten = now
            for ring in self.tx:
                self.store4(ring.produced_at, ring.position)
            self.store4(self.mine + HEARTBEAT, self.load4(self.mine + HEARTBEAT) + 1 & MASK)
        theirs = self.longs[self.theirs // 8]
        if self.number and theirs & MASK != self.longs[self.mine // 8] >> 32:
            self.up = False
            if theirs >> 32 in (0, self.number):  # else it may still be at the rings of an earlier session
                self.accept(theirs & MASK)
        mine = self.longs[self.mine // 8]
        known = self.number and mine >> 32 and mine >> 32 == theirs & MASK and theirs >> 32 == self.number
        beat = self.load4(self.theirs + HEARTBEAT)
        if beat != self.heard_beat:
            self.heard_beat, self.heard = beat, now
            self.claims, self.next_claims = self.next_claims, [self.load4(ring.produced_at) for ring in self.rx]
        if not self.up:                           # what they said before is of another session
            self.claims = self.next_claims = [0] * self.rings
        self.up = bool(known) and now - self.heard < DEAD
        return self.up

    @staticmethod
    def rings_of(queue, queues, rings):
        return range(queue, rings, queues)

    def send(self, frames, queue=0):
        """Sends what there is room for, a burst for each ring of the queue. Returns what was not sent."""
        if not self.tick():
            return list(frames)
        numbers = self.rings_of(queue, self.txq, self.tx_rings)
        left = []
        for number in numbers:
            mine = [frame for frame in frames if numbers[zlib.crc32(frame[:12]) % len(numbers)] == number]
            left += mine[self.tx[number].send(mine):]
        return left

    def receive(self, queue=0, most=32):
        frames = []
        if self.tick():
            for number in self.rings_of(queue, self.rxq, self.rx_rings):
                frames += self.rx[number].receive(most - len(frames))
        return frames

    def wait(self, done, seconds=60):
        """Ticks until done() gives something true, and returns that."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.tick()
            result = done()
            if result:
                return result
            os.sched_yield()
        raise TimeoutError(f"{done} within {seconds} s")
