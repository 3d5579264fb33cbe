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

#include "ivshmem_distance.h"
#include "ivshmem_log.h"
#include "ivshmem_client.h"
#include "ivshmem_eventfd.h"
#include "ivshmem_process.h"
#include "ivshmem_region.h"
#include "ivshmem_server.h"

#define IVSHMEM_STASH 64

/**
 * Whether a queue may touch its rings. The data path says that it is there, then looks at active;
 * the link, which takes active away, makes that order hold on all CPUs by membarrier(2), and then
 * waits until nobody is there.
 */
struct ivshmem_gate {
	uint32_t active;
	/** Token of the process that was here last, with IVSHMEM_GATE_BUSY while it is. */
	uint32_t owner;
};

#define IVSHMEM_GATE_BUSY 1

/** Receiving end of a ring. Positions count lines and wrap at 2^32. */
struct ivshmem_rx_ring {
	const uint8_t *slots;
	const uint8_t *heads;	/**< The same through the default mapping. */
	volatile struct ivshmem_credit *credit;
	uint32_t mask;
	uint32_t lap_shift;
	uint32_t pos;		/**< Next line to read. */
	uint32_t published;	/**< What the producer was told of pos. */
	uint32_t batch;		/**< Lines after which it is told again. */
	bool more;		/**< The last burst ended before the lines did. */
	bool broken;		/**< Where the next packet starts is not known. */
	uint32_t empty;		/**< Looks that found nothing. */
	uint32_t last_pos;	/**< When it was last checked that it is in step. */
	uint32_t last_empty;
} __rte_cache_aligned;

struct ivshmem_rxq {
	struct ivshmem_gate gate;
	struct ivshmem_rx_ring *rings;	/**< The first; the others are stride apart. */
	uint16_t nb_rings;
	uint16_t stride;
	uint16_t next_ring;	/**< Where the next burst starts. */
	uint16_t nb_stash;
	bool device;		/**< As that of the port. */
	uint32_t max_len;	/**< Longest frame that the MTU allows. */
	uint32_t seg_lines;	/**< Lines that go into an mbuf. */
	uint64_t rearm;		/**< data_off, refcnt, nb_segs and port of a new mbuf. */
	struct rte_mempool *pool;

	uint64_t packets;
	uint64_t bytes;
	uint64_t no_mbuf;
	uint64_t bad_packets;	/**< Length that cannot be. */
	uint64_t oversized;	/**< Longer than the MTU allows. */
	uint64_t line_reads;	/**< Lines read, of a device over PCIe. */
	uint64_t head_reads;	/**< Looks at a header through the default mapping. */
	uint64_t credit_writes;
	uint64_t lost_mbufs;	/**< Of a stash that a process has left when it died. */
	uint64_t late_wakes;	/**< Times that it slept although packets were there. */
	bool armed;		/**< It waits for a doorbell. */

	struct rte_mbuf *stash[IVSHMEM_STASH];	/**< Empty. */
} __rte_cache_aligned;

/** Sending end of a ring. */
struct ivshmem_tx_ring {
	uint8_t *slots;
	uint8_t *heads;		/**< The same through the default mapping. */
	volatile struct ivshmem_credit *credit;
	uint32_t mask;
	uint32_t lap_shift;
	uint32_t pos;		/**< Next line to write. */
	uint32_t limit;		/**< Lines before this one may be written. */
	uint32_t inner;		/**< The last line that was written and starts no packet. */
	bool broken;		/**< The receiver has reported an impossible credit. */
	bool wakes;		/**< The receiver may wait for a doorbell. */
	uint16_t peer_id;	/**< Whose doorbell, */
	uint16_t vector;	/**< and which one. */
	const struct ivshmem_port *port;
	struct ivshmem_distance distance;	/**< Of the consumer. */
} __rte_cache_aligned;

struct ivshmem_txq {
	struct ivshmem_gate gate;
	struct ivshmem_tx_ring *rings;
	uint16_t nb_rings;
	uint16_t stride;
	bool fast_free;		/**< RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE */
	bool atomic;		/**< This CPU stores a line at once; used for memory of a device. */

	uint64_t packets;
	uint64_t bytes;
	uint64_t bad_frames;	/**< Too long. */
	uint64_t ring_full;	/**< Dropped because one of several rings was full. */
	uint64_t bad_credits;	/**< Count of free lines that cannot be. */
	uint64_t credit_reads;	/**< Of a device each is a PCIe read. */
	uint64_t store_changes;	/**< From ordinary stores to streaming ones, or back. */
	uint64_t bursts;	/**< Headers written last, each through the default mapping. */
	uint64_t blank_lines;	/**< Written so that the receiver stops there. */
	uint64_t armed_reads;	/**< Looks whether the receiver sleeps. */
	uint64_t doorbells;
} __rte_cache_aligned;

/** What the two sides know of each other: see doc/ivshmem_protocol.rst. Of the primary process. */
struct ivshmem_link {
	pthread_mutex_t lock;
	bool running;		/**< Between start and stop. */
	bool alarm_set;		/**< For the next heartbeat. */
	bool up;
	struct ivshmem_log_limit complaints;	/**< Of impossible values that the peer reports. */
	struct ivshmem_log_limit doubles;	/**< Of another process in this side's role. */
	struct ivshmem_log_limit deaths;
	struct ivshmem_log_limit shortages;
	uint32_t session;	/**< Ours; 0 when stopped. */
	uint32_t accepted;	/**< The peer's that the rings are set up for. */
	uint32_t preparing;	/**< The peer's that they are being set up for; 0 for none. */
	uint32_t clear_ring;	/**< How far that is. */
	uint32_t clear_line;
	uint32_t heartbeat;
	uint32_t peer_heartbeat;
	uint64_t peer_seen;	/**< When it last changed, in timer cycles. */
	uint32_t tx_rings;	/**< In use. */
	uint32_t rx_rings;
	uint16_t peer_rxq;	/**< As they were accepted. */
	uint16_t peer_txq;
	uint32_t hints[IVSHMEM_MAX_RINGS];	/**< The peer's produced at the last look. */
	bool torn;		/**< The rings are in no state: a new session has to start. */
	uint64_t held_since;	/**< A process is in a burst, in timer cycles; 0 for none. */
	uint64_t resyncs;	/**< Sessions started since a ring was out of step. */
	uint64_t peer_restarts;
	uint64_t dead_owners;	/**< Queues at which a process has died. */
};

/** How to wake the peer, and how it wakes this side. */
struct ivshmem_doorbell {
	volatile uint32_t *reg;	/**< Register of a device, NULL if it has none. */
	/** On the host, in the primary process, one of them at most: @{ */
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
	uint8_t *slots;		/**< Where offset IVSHMEM_CONTROL_SIZE of the region is mapped. */
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
