/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_atomic.h>
#include <rte_cycles.h>
#include <rte_io.h>
#include <rte_random.h>
#include <rte_wcio.h>

#include "eal_wc_compat.h"
#include "ivshmem_intr.h"
#include "ivshmem_link.h"
#include "ivshmem_log.h"

#define HEARTBEAT_US 100000
/*
 * Long rings take long to clear (16 of 64 MiB some seconds, when the memory is touched for the
 * first time): so many lines at a look, and looks more often meanwhile.
 */
#define SLICE_LINES 65536
#define SLICE_US 10000
/* A host that is busy may keep the thread of the heartbeat from running for a while. */
#define DEAD_AFTER_S 3
/* A burst takes some microseconds; one whose thread does not run is looked at again later. */
#define BURST_US 1000
#define HELD_S 3

struct peer {
	uint16_t nb_rxq;
	uint16_t nb_txq;
	bool sleeps;
	bool is_process;	/* of this host */
	uint16_t peer_id;
	uint16_t vector;
};

static int
ivshmem_link_membarrier(int command)
{
	return syscall(__NR_membarrier, command, 0, 0);
}

int
ivshmem_link_register(const char *name)
{
	if (ivshmem_link_membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) < 0) {
		IVSHMEM_LOG(ERR, "%s: membarrier(): %s: use a kernel of 4.16 or later with "
			"CONFIG_MEMBARRIER", name, strerror(errno));
		return -ENOTSUP;
	}
	return 0;
}

int
ivshmem_link_init(struct ivshmem_port *port)
{
	memset(&port->link, 0, sizeof(port->link));
	return -pthread_mutex_init(&port->link.lock, NULL);
}

/* The control area, read and written through the default mapping */

static volatile struct ivshmem_side *
ivshmem_link_own_side(const struct ivshmem_port *port)
{
	return &port->region.control->sides[port->role];
}

static volatile const struct ivshmem_side *
ivshmem_link_peer_side(const struct ivshmem_port *port)
{
	return &port->region.control->sides[!port->role];
}

static void
ivshmem_link_write_session(struct ivshmem_port *port)
{
	const struct ivshmem_link *link = &port->link;

	/* What belongs to the session was written before. */
	rte_io_wmb();
	ivshmem_link_own_side(port)->session =
		rte_cpu_to_le_64((uint64_t)link->accepted << 32 | link->session);
}

static uint64_t
ivshmem_link_read_session(const struct ivshmem_port *port)
{
	uint64_t session = rte_le_to_cpu_64(ivshmem_link_peer_side(port)->session);

	rte_io_rmb();
	return session;
}

/* Not what the peer knows of an earlier session, so that it cannot be mistaken for this one. */
static uint32_t
ivshmem_link_new_session(const struct ivshmem_port *port)
{
	const uint32_t known = ivshmem_link_read_session(port) >> 32;
	const uint32_t old = (uint32_t)rte_le_to_cpu_64(ivshmem_link_own_side(port)->session);
	uint32_t session;

	do {
		session = (uint32_t)rte_rand();
	} while (session == 0 || session == known || session == old ||
			session == port->link.session);
	return session;
}

/* Who may touch the rings */

static void
ivshmem_link_open_gate(struct ivshmem_gate *gate)
{
	rte_atomic_store_explicit(&gate->active, 1, rte_memory_order_release);
}

static void
ivshmem_link_close_gate(struct ivshmem_gate *gate)
{
	rte_atomic_store_explicit(&gate->active, 0, rte_memory_order_relaxed);
}

bool
ivshmem_gate_is_free(const struct ivshmem_gate *gate)
{
	const uint32_t owner = rte_atomic_load_explicit(&gate->owner, rte_memory_order_relaxed);

	return (owner & IVSHMEM_GATE_BUSY) == 0 ||
		(owner & ~IVSHMEM_GATE_BUSY) == ivshmem_process_token;
}

/* Whether a process has died within a burst. */
static bool
ivshmem_link_owner_is_dead(const struct ivshmem_gate *gate)
{
	const uint32_t owner = rte_atomic_load_explicit(&gate->owner, rte_memory_order_acquire);

	/* It may have left, and ended, between the two looks. */
	return (owner & IVSHMEM_GATE_BUSY) != 0 &&
		!ivshmem_process_lives(owner & ~IVSHMEM_GATE_BUSY) &&
		rte_atomic_load_explicit(&gate->owner, rte_memory_order_acquire) == owner;
}

static bool
ivshmem_link_is_busy(const struct ivshmem_gate *gate)
{
	const uint32_t owner = rte_atomic_load_explicit(&gate->owner, rte_memory_order_acquire);

	return (owner & IVSHMEM_GATE_BUSY) != 0;
}

/* The ring is where nobody knows: a new session sets it up. What burst and stash held is lost. */
static void
ivshmem_link_tear(struct ivshmem_port *port, const char *what, uint16_t queue)
{
	port->link.torn = true;
	port->link.count.dead_owners++;
	IVSHMEM_LOG_LIMITED(&port->link.deaths, WARNING, "%s: a process died within a burst of %s "
		"queue %u: the session restarts", port->name, what, queue);
}

/* Free a gate whose owner is dead. */
static bool
ivshmem_link_take_from_dead(struct ivshmem_gate *gate)
{
	if (!ivshmem_link_owner_is_dead(gate))
		return false;
	rte_atomic_store_explicit(&gate->owner, 0, rte_memory_order_relaxed);
	return true;
}

/* Whether nobody is at a queue, or comes back to it. */
static bool
ivshmem_link_rxq_is_left(struct ivshmem_port *port, uint16_t queue)
{
	struct ivshmem_rxq *rxq = &port->rxqs[queue];

	if (!ivshmem_link_is_busy(&rxq->gate))
		return true;
	if (!ivshmem_link_take_from_dead(&rxq->gate))
		return false;
	/* It may have an mbuf twice, or one that was handed out. */
	rxq->count.lost_mbufs += rxq->nb_stash;
	rxq->nb_stash = 0;
	ivshmem_link_tear(port, "receive", queue);
	return true;
}

static bool
ivshmem_link_txq_is_left(struct ivshmem_port *port, uint16_t queue)
{
	struct ivshmem_gate *gate = &port->txqs[queue].gate;

	if (!ivshmem_link_is_busy(gate))
		return true;
	if (!ivshmem_link_take_from_dead(gate))
		return false;
	ivshmem_link_tear(port, "transmit", queue);
	return true;
}

/* Transmit first: what an application receives and cannot forward yet would be lost. */
static void
ivshmem_link_open_gates(struct ivshmem_port *port)
{
	uint16_t n;

	/* A queue has no rings where the peer has no queue for its direction. */
	for (n = 0; n < port->nb_txq; n++) {
		if (port->txqs[n].nb_rings != 0)
			ivshmem_link_open_gate(&port->txqs[n].gate);
	}
	for (n = 0; n < port->nb_rxq; n++) {
		if (port->rxqs[n].nb_rings != 0)
			ivshmem_link_open_gate(&port->rxqs[n].gate);
	}
}

static void
ivshmem_link_close_gates(struct ivshmem_port *port)
{
	uint16_t n;

	for (n = 0; n < port->nb_rxq; n++)
		ivshmem_link_close_gate(&port->rxqs[n].gate);
	for (n = 0; n < port->nb_txq; n++)
		ivshmem_link_close_gate(&port->txqs[n].gate);
}

/* Seen once is enough: a burst that comes later finds the gate closed. */
static bool
ivshmem_link_wait_for(struct ivshmem_port *port, bool (*is_left)(struct ivshmem_port *, uint16_t),
		uint16_t queue)
{
	const uint64_t deadline =
		rte_get_timer_cycles() + BURST_US * rte_get_timer_hz() / US_PER_S;

	while (!is_left(port, queue)) {
		if (rte_get_timer_cycles() > deadline)
			return false;
		rte_delay_us_sleep(10);
	}
	return true;
}

static bool
ivshmem_link_wait_for_queues(struct ivshmem_port *port)
{
	bool left = true;
	uint16_t n;

	for (n = 0; n < port->nb_rxq && left; n++)
		left = ivshmem_link_wait_for(port, ivshmem_link_rxq_is_left, n);
	for (n = 0; n < port->nb_txq && left; n++)
		left = ivshmem_link_wait_for(port, ivshmem_link_txq_is_left, n);
	return left;
}

/* A process that is stopped, as by a debugger, within a burst */
static void
ivshmem_link_notice_held(struct ivshmem_port *port)
{
	struct ivshmem_link *link = &port->link;
	const uint64_t now = rte_get_timer_cycles();

	if (link->held_since == 0)
		link->held_since = now;
	if (now - link->held_since < HELD_S * rte_get_timer_hz())
		return;
	link->held_since = now;
	IVSHMEM_LOG(WARNING, "%s: a process has been within a burst for %u s: the port waits until it "
		"continues or ends", port->name, HELD_S);
}

/*
 * Whether no burst function touches a ring, nor will, of gates that are closed. Waits as long as a
 * burst takes, not for a process that does not run.
 */
static bool
ivshmem_link_drain(struct ivshmem_port *port)
{
	/*
	 * Each burst that has seen its gate open has said so before, and that is seen from here on
	 * (membarrier(2)): the data path needs no barrier of its own.
	 */
	ivshmem_link_membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
	if (!ivshmem_link_wait_for_queues(port)) {
		ivshmem_link_notice_held(port);
		return false;
	}
	/*
	 * Atomic lines of a burst that has left its gate may still be on their way to memory: the
	 * interrupt by which the kernel executes this makes their CPU write them (Intel SDM vol. 3,
	 * "Buffering of Write Combining Memory Locations").
	 */
	ivshmem_link_membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
	port->link.held_since = 0;
	return true;
}

/* Rings */

static uint8_t *
ivshmem_link_heads_of(const struct ivshmem_port *port, unsigned int direction, unsigned int ring)
{
	const struct ivshmem_region *region = &port->region;

	return (uint8_t *)(uintptr_t)region->control +
		ivshmem_ring_offset(region->rings, region->ring_lines, direction, ring);
}

static uint8_t *
ivshmem_link_slots_of(const struct ivshmem_port *port, unsigned int direction, unsigned int ring)
{
	const struct ivshmem_region *region = &port->region;

	return port->slots - IVSHMEM_CONTROL_SIZE +
		ivshmem_ring_offset(region->rings, region->ring_lines, direction, ring);
}

/* No header of an earlier session is left, so that laps can count from 0 again. */
static void
ivshmem_link_clear_slots(uint8_t *slots, uint32_t nb_lines)
{
	static const uint8_t zeros[16 * IVSHMEM_LINE];
	uint32_t n;

	for (n = 0; n < nb_lines; n += 16)
		rte_wcio_copy(slots + (size_t)n * IVSHMEM_LINE, zeros, 16);
}

static void
ivshmem_link_reset_tx_ring(struct ivshmem_port *port, unsigned int number, const struct peer *peer)
{
	const unsigned int direction = port->role;
	struct ivshmem_tx_ring *ring = &port->tx_rings[number];

	*ring = (struct ivshmem_tx_ring){
		.slots = ivshmem_link_slots_of(port, direction, number),
		.heads = ivshmem_link_heads_of(port, direction, number),
		.credit = &port->region.control->credits[direction][number],
		.mask = port->region.ring_lines - 1,
		.lap_shift = rte_log2_u32(port->region.ring_lines),
		/* One line stays free: the receiver has to find an end. */
		.limit = port->region.ring_lines - 1,
		/* Long ago: only zeros are in the ring. */
		.inner = UINT32_C(1) << 31,
		.wakes = peer->sleeps,
		.to_process = peer->is_process,
		.peer_id = peer->peer_id,
		.vector = peer->vector + number % peer->nb_rxq,
		.port = port,
	};
	ivshmem_distance_init(&ring->distance, port->stores);
	port->region.control->produced[direction].lines[number] = 0;
}

static void
ivshmem_link_reset_rx_ring(struct ivshmem_port *port, unsigned int number)
{
	const unsigned int direction = !port->role;
	struct ivshmem_rx_ring *ring = &port->rx_rings[number];

	*ring = (struct ivshmem_rx_ring){
		.slots = ivshmem_link_slots_of(port, direction, number),
		.heads = ivshmem_link_heads_of(port, direction, number),
		.credit = &port->region.control->credits[direction][number],
		.mask = port->region.ring_lines - 1,
		.lap_shift = rte_log2_u32(port->region.ring_lines),
		/*
		 * Often enough that a producer with a full ring always has room for a longest
		 * packet, seldom enough that it costs nothing.
		 */
		.batch = port->region.ring_lines / 4,
	};
	ring->credit->consumed = 0;
	ring->credit->armed = 0;
}

/* Queue n of m has the rings n, n + m, n + 2m and so on, as many as there are. */
static uint16_t
ivshmem_link_share_of(uint32_t rings, uint16_t queue, uint16_t nb_queues)
{
	return (rings - queue + nb_queues - 1) / nb_queues;
}

static void
ivshmem_link_share_out(struct ivshmem_port *port)
{
	uint16_t n;

	for (n = 0; n < port->nb_txq; n++) {
		port->txqs[n].rings = &port->tx_rings[n];
		port->txqs[n].stride = port->nb_txq;
		port->txqs[n].nb_rings = ivshmem_link_share_of(port->link.tx_rings, n,
				port->nb_txq);
	}
	for (n = 0; n < port->nb_rxq; n++) {
		port->rxqs[n].rings = &port->rx_rings[n];
		port->rxqs[n].stride = port->nb_rxq;
		port->rxqs[n].next_ring = 0;
		port->rxqs[n].nb_rings = ivshmem_link_share_of(port->link.rx_rings, n,
				port->nb_rxq);
	}
}

/* What the peer says of itself, read once. */
static struct peer
ivshmem_link_read_peer(const struct ivshmem_port *port)
{
	volatile const struct ivshmem_side *side = ivshmem_link_peer_side(port);

	return (struct peer){
		.nb_rxq = rte_le_to_cpu_16(side->rx_queues),
		.nb_txq = rte_le_to_cpu_16(side->tx_queues),
		.sleeps = (rte_le_to_cpu_32(side->flags) & IVSHMEM_SIDE_SLEEPS) != 0,
		.is_process = side->pid != 0,
		.peer_id = rte_le_to_cpu_16(side->peer_id),
		.vector = rte_le_to_cpu_16(side->vector),
	};
}

static bool
ivshmem_link_is_possible(struct ivshmem_port *port, const struct peer *peer)
{
	if (peer->nb_rxq <= port->region.rings && peer->nb_txq <= port->region.rings)
		return true;
	IVSHMEM_LOG_LIMITED(&port->link.complaints, ERR, "%s: the peer reports %u receive and "
		"%u transmit queues: it must have 0 to %u", port->name, peer->nb_rxq,
		peer->nb_txq, port->region.rings);
	return false;
}

/* A direction in which one side has no queue has no rings. */
static uint32_t
ivshmem_link_rings_in_use(uint16_t senders, uint16_t receivers)
{
	return senders == 0 || receivers == 0 ? 0 : RTE_MAX(senders, receivers);
}

/* All but the lines. */
static void
ivshmem_link_reset_rings(struct ivshmem_port *port, const struct peer *peer)
{
	struct ivshmem_link *link = &port->link;
	uint32_t n;

	link->peer_rxq = peer->nb_rxq;
	link->peer_txq = peer->nb_txq;
	link->tx_rings = ivshmem_link_rings_in_use(port->nb_txq, peer->nb_rxq);
	link->rx_rings = ivshmem_link_rings_in_use(peer->nb_txq, port->nb_rxq);
	for (n = 0; n < link->tx_rings; n++)
		ivshmem_link_reset_tx_ring(port, n, peer);
	for (n = 0; n < link->rx_rings; n++)
		ivshmem_link_reset_rx_ring(port, n);
	memset(link->hints, 0, sizeof(link->hints));
	ivshmem_link_share_out(port);
	link->clear_ring = 0;
	link->clear_line = 0;
}

/* Clear some of the lines. True when all are. */
static bool
ivshmem_link_clear_slice(struct ivshmem_port *port)
{
	const uint32_t lines = port->region.ring_lines;
	struct ivshmem_link *link = &port->link;
	uint32_t left = SLICE_LINES, nb;

	while (link->clear_ring < link->tx_rings && left != 0) {
		nb = RTE_MIN(left, lines - link->clear_line);
		ivshmem_link_clear_slots(port->tx_rings[link->clear_ring].slots +
			(size_t)link->clear_line * IVSHMEM_LINE, nb);
		left -= nb;
		link->clear_line += nb;
		if (link->clear_line == lines) {
			link->clear_line = 0;
			link->clear_ring++;
		}
	}
	/* The next slice may be another CPU's. */
	rte_wcio_flush();
	return link->clear_ring == link->tx_rings;
}

/* Sessions; with the lock held */

/* Between two beats this side's line stays as it is, unless it is another's, too. */
static void
ivshmem_link_notice_double(struct ivshmem_port *port)
{
	const uint32_t found = (uint32_t)rte_le_to_cpu_64(ivshmem_link_own_side(port)->session);

	if (found != 0 && found != port->link.session)
		IVSHMEM_LOG_LIMITED(&port->link.doubles, ERR, "%s: another process is the %s of this "
			"region as well: stop one of them", port->name,
			ivshmem_role_name(port->role));
}

/* All that this side says of itself, each time: somebody may have written over it. */
static void
ivshmem_link_beat(struct ivshmem_port *port)
{
	volatile struct ivshmem_produced *produced = &port->region.control->produced[port->role];
	volatile struct ivshmem_side *side = ivshmem_link_own_side(port);
	uint32_t n, pos;

	for (n = 0; n < port->link.tx_rings; n++) {
		pos = rte_atomic_load_explicit(&port->tx_rings[n].pos, rte_memory_order_relaxed);
		produced->lines[n] = rte_cpu_to_le_32(pos);
	}
	side->rx_queues = rte_cpu_to_le_16(port->nb_rxq);
	side->tx_queues = rte_cpu_to_le_16(port->nb_txq);
	side->flags = rte_cpu_to_le_32(port->sleeps ? IVSHMEM_SIDE_SLEEPS : 0);
	side->peer_id = rte_cpu_to_le_16(port->doorbell.own_id);
	side->vector = rte_cpu_to_le_16(port->doorbell.first_vector);
	side->heartbeat = rte_cpu_to_le_32(++port->link.heartbeat);
	ivshmem_link_write_session(port);
}

static bool
ivshmem_link_peer_lives(struct ivshmem_port *port)
{
	const uint32_t heartbeat = rte_le_to_cpu_32(ivshmem_link_peer_side(port)->heartbeat);
	struct ivshmem_link *link = &port->link;
	const uint64_t now = rte_get_timer_cycles();

	if (heartbeat != link->peer_heartbeat) {
		link->peer_heartbeat = heartbeat;
		link->peer_seen = now;
	}
	return now - link->peer_seen < DEAD_AFTER_S * rte_get_timer_hz();
}

/*
 * A ring in which nothing was found, although the peer had written long before: a header is not
 * what it has to be.
 */
static bool
ivshmem_link_stuck(struct ivshmem_port *port, unsigned int number)
{
	struct ivshmem_rx_ring *ring = &port->rx_rings[number];
	const volatile rte_le32_t *lines = port->region.control->produced[!port->role].lines;
	/*
	 * First: polls that the next call counts, those after this look at empty, then come after
	 * what this hint says was written.
	 */
	const rte_le32_t produced =
		rte_atomic_load_explicit((const volatile rte_le32_t __rte_atomic *)&lines[number],
			rte_memory_order_acquire);
	const uint32_t pos = rte_atomic_load_explicit(&ring->pos, rte_memory_order_relaxed);
	const uint32_t empty = rte_atomic_load_explicit(&ring->empty, rte_memory_order_relaxed);
	const uint32_t hint = port->link.hints[number];
	const bool polled = empty - ring->last_empty > 2;
	const bool moved = pos != ring->last_pos;

	ring->last_pos = pos;
	ring->last_empty = empty;
	port->link.hints[number] = rte_le_to_cpu_32(produced);
	return polled && !moved && hint - pos - 1 < ring->mask;
}

static bool
ivshmem_link_is_torn(const struct ivshmem_port *port)
{
	bool torn = port->link.torn;
	uint16_t n;

	for (n = 0; n < port->nb_rxq && !torn; n++)
		torn = ivshmem_link_owner_is_dead(&port->rxqs[n].gate);
	for (n = 0; n < port->nb_txq && !torn; n++)
		torn = ivshmem_link_owner_is_dead(&port->txqs[n].gate);
	return torn;
}

/* Whether something contradicts what both sides have agreed on */
static bool
ivshmem_link_out_of_step(struct ivshmem_port *port)
{
	const struct peer peer = ivshmem_link_read_peer(port);
	bool found = peer.nb_rxq != port->link.peer_rxq || peer.nb_txq != port->link.peer_txq;
	uint32_t n;

	for (n = 0; n < port->link.tx_rings; n++)
		found |= port->tx_rings[n].broken;
	for (n = 0; n < port->link.rx_rings; n++)
		found |= port->rx_rings[n].broken || ivshmem_link_stuck(port, n);
	return found;
}

static void
ivshmem_link_set_up(struct ivshmem_port *port, bool up)
{
	if (up == port->link.up)
		return;
	port->link.up = up;
	if (up)
		ivshmem_link_open_gates(port);
	else
		ivshmem_link_close_gates(port);
}

/* Both sides set their rings up again. */
static void
ivshmem_link_resync(struct ivshmem_port *port)
{
	ivshmem_link_set_up(port, false);
	port->link.torn = true;
	/* Also when it was down: a process that has died there is noticed once. */
	if (!ivshmem_link_drain(port))
		return;
	port->link.torn = false;
	port->link.count.resyncs++;
	port->link.session = ivshmem_link_new_session(port);
	port->link.accepted = 0;
	port->link.preparing = 0;
	ivshmem_link_write_session(port);
}

/* The peer does not touch the rings while this side knows no session of it. */
static void
ivshmem_link_begin_session(struct ivshmem_port *port, uint32_t session, const struct peer *peer)
{
	struct ivshmem_link *link = &port->link;

	if (link->accepted != 0)
		link->count.peer_restarts++;
	link->accepted = 0;
	link->preparing = 0;
	ivshmem_link_write_session(port);
	if (session == 0 || !ivshmem_link_is_possible(port, peer))
		return;
	ivshmem_link_reset_rings(port, peer);
	link->torn = false;
	link->preparing = session;
}

/* Set up the rings for a session of the peer, a slice of them at each look. */
static void
ivshmem_link_accept_session(struct ivshmem_port *port, uint32_t session)
{
	const struct peer peer = ivshmem_link_read_peer(port);
	struct ivshmem_link *link = &port->link;

	/* A peer that has stopped has no session to prepare: what was accepted goes as well. */
	if (link->accepted != 0 || link->preparing != session ||
			peer.nb_rxq != link->peer_rxq || peer.nb_txq != link->peer_txq)
		ivshmem_link_begin_session(port, session, &peer);
	if (link->preparing == 0 || !ivshmem_link_clear_slice(port))
		return;
	link->accepted = session;
	link->preparing = 0;
	ivshmem_link_write_session(port);
}

static void
ivshmem_link_tick(struct ivshmem_port *port)
{
	struct ivshmem_link *link = &port->link;
	uint64_t session;
	bool lives;

	ivshmem_link_notice_double(port);
	ivshmem_link_beat(port);
	lives = ivshmem_link_peer_lives(port);
	session = ivshmem_link_read_session(port);
	/* What a peer does that has restarted is no error. */
	if ((uint32_t)session == link->accepted &&
			(ivshmem_link_is_torn(port) ||
			 (link->up && ivshmem_link_out_of_step(port))))
		ivshmem_link_resync(port);
	if ((uint32_t)session != link->accepted) {
		ivshmem_link_set_up(port, false);
		/* With an earlier session of this side the peer may still be at its rings. */
		if ((session >> 32 == 0 || session >> 32 == link->session) &&
				ivshmem_link_drain(port))
			ivshmem_link_accept_session(port, (uint32_t)session);
	}
	ivshmem_link_set_up(port, link->accepted != 0 && (uint32_t)session == link->accepted &&
		session >> 32 == link->session && lives && !link->torn);
}

/* Whether that is a change. */
static bool
ivshmem_link_set_status(struct rte_eth_dev *dev, bool up)
{
	struct rte_eth_link link = {
		/* Memory has no line rate; this is what keeps applications content. */
		.link_speed = RTE_ETH_SPEED_NUM_10G,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_autoneg = RTE_ETH_LINK_FIXED,
		.link_status = up ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN,
	};

	return rte_eth_linkstatus_set(dev, &link) == 0;
}

static void ivshmem_link_heartbeat(void *dev);

/* Have the heart beat once more. With the lock held. */
static int
ivshmem_link_set_alarm(struct rte_eth_dev *dev, uint64_t us)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	int ret;

	ret = rte_eal_alarm_set(us, ivshmem_link_heartbeat, dev);
	port->link.alarm_set = ret == 0;
	if (ret < 0)
		IVSHMEM_LOG_LIMITED(&port->link.shortages, ERR, "%s: no alarm for the next heartbeat: "
			"%s: the peer will consider this side dead unless the application queries "
			"the link state", port->name, strerror(-ret));
	return ret;
}

/* Something is under way that goes on at the next look. */
static bool
ivshmem_link_is_impatient(const struct ivshmem_link *link)
{
	return link->preparing != 0 || link->held_since != 0;
}

/*
 * The alarm is set before the link's state is reported: the application's callback may stop, start
 * and close the port, which cancels what is set, and then nothing here may touch the port.
 */
static void
ivshmem_link_look(struct rte_eth_dev *dev, bool is_alarm)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	struct ivshmem_link *link = &port->link;
	bool changed = false;

	pthread_mutex_lock(&link->lock);
	if (is_alarm)
		link->alarm_set = false;
	if (link->running) {
		ivshmem_link_tick(port);
		ivshmem_intr_watch(dev);
		if (!link->alarm_set)
			ivshmem_link_set_alarm(dev,
				ivshmem_link_is_impatient(link) ? SLICE_US : HEARTBEAT_US);
		changed = ivshmem_link_set_status(dev, link->up);
	}
	pthread_mutex_unlock(&link->lock);
	/* An application's callback may look at the link: not with the lock held. */
	if (changed && dev->data->dev_conf.intr_conf.lsc)
		rte_eth_dev_callback_process(dev, RTE_ETH_EVENT_INTR_LSC, NULL);
}

void
ivshmem_link_poll(struct rte_eth_dev *dev)
{
	ivshmem_link_look(dev, false);
}

static void
ivshmem_link_heartbeat(void *dev)
{
	ivshmem_link_look(dev, true);
}

int
ivshmem_link_start(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	struct ivshmem_link *link = &port->link;
	int ret;

	pthread_mutex_lock(&link->lock);
	link->session = ivshmem_link_new_session(port);
	link->accepted = 0;
	link->preparing = 0;
	link->torn = false;
	link->held_since = 0;
	link->tx_rings = 0;
	link->rx_rings = 0;
	/* At once, but not from here: no callback is to meet a port in between. */
	ret = ivshmem_link_set_alarm(dev, 1);
	if (ret == 0) {
		link->running = true;
		/* Of a process that was killed */
		ivshmem_link_own_side(port)->session = 0;
		ivshmem_link_beat(port);
	}
	pthread_mutex_unlock(&link->lock);
	return ret;
}

void
ivshmem_link_stop(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	struct ivshmem_link *link = &port->link;

	pthread_mutex_lock(&link->lock);
	ivshmem_link_set_up(port, false);
	/* From here on no alarm is set. */
	link->running = false;
	/* Without the lock: a heartbeat in another thread would wait, and all alarms with it. */
	while (!ivshmem_link_drain(port)) {
		pthread_mutex_unlock(&link->lock);
		rte_delay_us_sleep(SLICE_US);
		pthread_mutex_lock(&link->lock);
	}
	link->alarm_set = false;
	link->session = 0;
	link->accepted = 0;
	link->preparing = 0;
	ivshmem_link_write_session(port);
	pthread_mutex_unlock(&link->lock);
	/* Waits for a heartbeat in another thread. One that is this thread's ends by itself. */
	rte_eal_alarm_cancel(ivshmem_link_heartbeat, dev);
	/* No event: a callback that closed the port would do so in the middle of this. */
	ivshmem_link_set_status(dev, false);
}

void
ivshmem_link_destroy(struct rte_eth_dev *dev)
{
	/* One in which the port was stopped may not have ended yet. */
	rte_eal_alarm_cancel(ivshmem_link_heartbeat, dev);
	pthread_mutex_destroy(&ivshmem_port_of(dev)->link.lock);
}
