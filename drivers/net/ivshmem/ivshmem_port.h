/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_PORT_H
#define IVSHMEM_PORT_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <ethdev_driver.h>
#include <rte_ether.h>
#include <rte_mempool.h>

#include "eal_wc_compat.h"
#include "ivshmem_distance.h"
#include "ivshmem_log.h"
#include "ivshmem_client.h"
#include "ivshmem_eventfd.h"
#include "ivshmem_process.h"
#include "ivshmem_region.h"
#include "ivshmem_server.h"

#define IVSHMEM_STASH 64

/**
 * Whether a queue may access its rings. The data path marks the gate busy, then reads active; the
 * link clears active, enforces the order on all CPUs by membarrier(2), and then waits until the
 * gate is not busy.
 */
struct ivshmem_gate {
	RTE_ATOMIC(uint32_t) active;
	/** Token of the last process, with IVSHMEM_GATE_BUSY while it is in a burst. */
	RTE_ATOMIC(uint32_t) owner;
};

#define IVSHMEM_GATE_BUSY 1

/** Receiving end of a ring. Positions count lines and wrap at 2^32. */
struct __rte_cache_aligned ivshmem_rx_ring {
	const uint8_t *slots;
	const uint8_t *heads;	/**< The same through the default mapping. */
	volatile struct ivshmem_credit *credit;
	uint32_t mask;
	uint32_t lap_shift;
	RTE_ATOMIC(uint32_t) pos;	/**< Next line to read. */
	uint32_t published;	/**< Value of pos last written for the producer. */
	uint32_t batch;		/**< Lines after which it is written again. */
	bool more;		/**< The last burst ended before the available lines. */
	bool broken;		/**< The start of the next packet is unknown. */
	RTE_ATOMIC(uint32_t) empty;	/**< Polls that found nothing. */
	uint32_t last_pos;	/**< At the last check for lost headers. */
	uint32_t last_empty;
};

/**
 * Counters only grow, each by one thread: a reset copies them, and what is reported is the
 * difference. To store 0 instead would be undone by a burst that is about to store its sum.
 */
struct ivshmem_rx_count {
	uint64_t packets;
	uint64_t bytes;
	uint64_t no_mbuf;
	uint64_t bad_packets;	/**< Impossible length. */
	uint64_t oversized;	/**< Longer than the MTU allows. */
	uint64_t line_reads;	/**< Lines read: PCIe reads in a guest. */
	uint64_t head_reads;	/**< Reads of a header through the default mapping. */
	uint64_t credit_writes;
	uint64_t lost_mbufs;	/**< Of the stash of a process that died. */
	uint64_t late_wakes;	/**< Times that it slept although packets were available. */
};

struct __rte_cache_aligned ivshmem_rxq {
	struct ivshmem_gate gate;
	struct ivshmem_rx_ring *rings;	/**< The first; the others are stride apart. */
	uint16_t nb_rings;
	uint16_t stride;
	uint16_t next_ring;	/**< First ring of the next burst. */
	uint16_t nb_stash;
	bool device;		/**< As that of the port. */
	uint32_t max_len;	/**< Longest frame that the MTU allows. */
	uint32_t seg_lines;	/**< Lines that fit into an mbuf. */
	uint64_t rearm;		/**< data_off, refcnt, nb_segs and port of a new mbuf. */
	struct rte_mempool *pool;

	struct ivshmem_rx_count count;
	bool armed;		/**< It waits for a doorbell. */

	struct rte_mbuf *stash[IVSHMEM_STASH];	/**< Unused mbufs. */
	struct ivshmem_rx_count reset;	/**< The counters at the last reset. */
};

/** Sending end of a ring. */
struct __rte_cache_aligned ivshmem_tx_ring {
	uint8_t *slots;
	uint8_t *heads;		/**< The same through the default mapping. */
	volatile struct ivshmem_credit *credit;
	uint32_t mask;
	uint32_t lap_shift;
	RTE_ATOMIC(uint32_t) pos;	/**< Next line to write. */
	uint32_t limit;		/**< Lines before this one may be written. */
	uint32_t inner;		/**< The last written line that does not start a packet. */
	bool broken;		/**< The receiver has reported an impossible credit. */
	bool wakes;		/**< The receiver may wait for a doorbell. */
	bool to_process;	/**< The receiver is a process of this host, as it says. */
	uint16_t peer_id;	/**< Owner of the doorbell. */
	uint16_t vector;	/**< Number of the doorbell. */
	const struct ivshmem_port *port;
	struct ivshmem_distance distance;	/**< Of the consumer. */
};

struct ivshmem_tx_count {
	uint64_t packets;
	uint64_t bytes;
	uint64_t bad_frames;	/**< Too long. */
	uint64_t ring_full;	/**< Dropped because one of several rings was full. */
	uint64_t bad_credits;	/**< Impossible counts of free lines. */
	uint64_t credit_reads;	/**< PCIe reads in a guest. */
	uint64_t store_changes;	/**< Between ordinary and streaming stores. */
	uint64_t bursts;	/**< Headers written last, each through the default mapping. */
	uint64_t blank_lines;	/**< Written so that the receiver stops there. */
	uint64_t atomic_lines;	/**< Bursts of one line, by an atomic store, to this host. */
	uint64_t armed_reads;	/**< Checks whether the receiver sleeps. */
	uint64_t doorbells;
};

struct __rte_cache_aligned ivshmem_txq {
	struct ivshmem_gate gate;
	struct ivshmem_tx_ring *rings;
	uint16_t nb_rings;
	uint16_t stride;
	bool fast_free;		/**< RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE */
	bool atomic;		/**< The CPU has atomic stores of a line. */

	struct ivshmem_tx_count count;
	struct ivshmem_tx_count reset;	/**< The counters at the last reset. */
};

struct ivshmem_link_count {
	uint64_t resyncs;	/**< Sessions started because a ring lost synchronisation. */
	uint64_t peer_restarts;
	uint64_t dead_owners;	/**< Queues on which a process died. */
};

/** State of the session, see doc/ivshmem_protocol.rst. For the primary process. */
struct ivshmem_link {
	pthread_mutex_t lock;
	bool running;		/**< Between start and stop. */
	bool alarm_set;		/**< For the next heartbeat. */
	bool up;
	struct ivshmem_log_limit complaints;	/**< Impossible values from the peer. */
	struct ivshmem_log_limit doubles;	/**< Another process in this side's role. */
	struct ivshmem_log_limit deaths;
	struct ivshmem_log_limit shortages;
	uint32_t session;	/**< Number of this side; 0 while stopped. */
	uint32_t accepted;	/**< Peer's number for which the rings are set up. */
	uint32_t preparing;	/**< Peer's number for which they are being set up, or 0. */
	uint32_t clear_ring;	/**< Progress of that. */
	uint32_t clear_line;
	uint32_t heartbeat;
	uint32_t peer_heartbeat;
	uint64_t peer_seen;	/**< Time of its last change, in timer cycles. */
	uint32_t tx_rings;	/**< In use. */
	uint32_t rx_rings;
	uint16_t peer_rxq;	/**< As accepted. */
	uint16_t peer_txq;
	uint32_t hints[IVSHMEM_MAX_RINGS];	/**< The peer's produced at the last check. */
	bool torn;		/**< The rings are inconsistent: a new session must start. */
	uint64_t held_since;	/**< Since when a process is in a burst, in cycles, or 0. */
	struct ivshmem_link_count count;
	struct ivshmem_link_count reset;	/**< The counters at the last reset. */
};

/** How to notify the peer, and how it notifies this side. */
struct ivshmem_doorbell {
	volatile uint32_t *reg;	/**< Register of a device, NULL if it has none. */
	/** On the host, in the primary process, at most one of them: @{ */
	struct ivshmem_server *server;
	struct ivshmem_client *client;
	/** @} */
	struct ivshmem_waiter waiters[IVSHMEM_MAX_RINGS];	/**< On the host, of the primary. */
	uint16_t own_id;
	uint16_t first_vector;
};

struct ivshmem_port {
	struct ivshmem_region region;
	enum ivshmem_role role;
	bool device;		/**< The region is a device's memory: a guest. */
	uint16_t nb_rxq;
	uint16_t nb_txq;
	enum ivshmem_stores stores;	/**< To memory of this host. */
	bool sleeps;		/**< Receive interrupts are on. */
	struct ivshmem_doorbell doorbell;
	struct rte_ether_addr mac;
	uint8_t *slots;		/**< Mapping of offset IVSHMEM_CONTROL_SIZE of the region. */
	struct ivshmem_link link;
	struct ivshmem_process_file process_file;
	char name[RTE_DEV_NAME_MAX_LEN];
	int memory_fd;		/**< Of a virtual device, of the primary. */
	int role_fd;		/**< Holds its role. */
	struct ivshmem_rxq rxqs[IVSHMEM_MAX_RINGS];
	struct ivshmem_txq txqs[IVSHMEM_MAX_RINGS];
	struct ivshmem_rx_ring rx_rings[IVSHMEM_MAX_RINGS];
	struct ivshmem_tx_ring tx_rings[IVSHMEM_MAX_RINGS];
};

static inline struct ivshmem_port *
ivshmem_port_of(const struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

#endif /* IVSHMEM_PORT_H */
