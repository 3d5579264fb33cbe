/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef ENA_DEVICE_H
#define ENA_DEVICE_H

/**
 * @file
 * A simulated ENA device: one Tx and one Rx queue, LLQ, admin queue and events.
 *
 * Its registers and its LLQ window are in the BAR of an ivshmem device, which the device reads and
 * writes through a mapping of its own. An lcore of this process plays it, so that it accesses host
 * memory as the device would by DMA. Only net_ena's own definitions are used.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_io.h>

#include "eal_wc_compat.h"

/* What the definitions need of net_ena's platform header, which is for the driver alone. */
#define BIT(n) (1UL << (n))
#define GENMASK(h, l) ((~0UL << (l)) & (~0UL >> (63 - (h))))

#include <ena_common_defs.h>
#include <ena_regs_defs.h>
#include <ena_admin_defs.h>
#include <ena_eth_io_defs.h>

/* The BAR: a page of registers and a page of doorbells, as in BAR0 of ENA, and the LLQ window */
#define ENA_BAR_REGS 0
#define ENA_BAR_DOORBELLS 0x1000
#define ENA_BAR_REGS_SIZE 0x2000
#define ENA_BAR_LLQ 0x80000
#define ENA_BAR_SIZE 0x100000

#define ENA_QUEUES 2	/* one of each direction */
#define ENA_DEPTH 1024
#define ENA_DESC_SIZE sizeof(struct ena_eth_io_tx_desc)
#define ENA_DESCS_BEFORE_HEADER 2
#define ENA_MAX_ENTRY 256
#define ENA_MAX_DESCS 18	/* of a packet, with a meta descriptor */
#define ENA_MAX_PACKET 9216

/** Planted faults, which the checks must find. */
enum ena_fault {
	ENA_FAULT_NONE,
	ENA_FAULT_FLIP,		/**< A bit of an entry is read wrong. */
	ENA_FAULT_STALE,	/**< An entry is read before it was written. */
};

struct ena_admin_queues {
	uint16_t head;		/**< Commands taken. */
	bool phase;		/**< Of the next completion. */
};

struct ena_aenq {
	uint16_t tail;		/**< Events posted. */
	bool phase;
	uint32_t groups;	/**< Enabled ones. */
	uint64_t next_keep_alive;
	uint64_t keep_alives;
};

struct ena_cq {
	bool used;
	struct ena_eth_io_tx_cdesc *entries;
	uint16_t depth;
	uint16_t tail;
	bool phase;
};

struct ena_sq {
	bool used;
	bool tx;
	bool llq;
	uint16_t depth;
	uint16_t cq;
	uint16_t head;		/**< Entries taken. */
	bool phase;		/**< Of descriptors in the next entry. */
};

struct ena_device_stats {
	uint64_t packets;
	uint64_t bytes;
	uint64_t entries;
	uint64_t long_packets;	/**< Packets with more than one entry. */
	uint64_t laps;		/**< Of the ring. */
	uint64_t bad;		/**< Entries that are no packet. */
};

struct ena_device;

/** A packet that was transmitted. */
typedef void (*ena_deliver_t)(void *arg, const uint8_t *data, uint32_t len);

struct ena_device {
	volatile uint8_t *bar;	/**< The device's own mapping. */
	int event_fd;		/**< Raises the interrupt. */
	bool stop;
	bool in_reset;
	uint32_t entry_size;	/**< Of the LLQ; 0 until the driver has chosen. */
	enum ena_fault fault;
	struct ena_admin_queues admin;
	struct ena_aenq aenq;
	struct ena_sq sqs[ENA_QUEUES];
	struct ena_cq cqs[ENA_QUEUES];
	struct ena_device_stats stats;
	ena_deliver_t deliver;
	void *deliver_arg;
};

static inline uint32_t
ena_reg_read(const struct ena_device *dev, uint32_t offset)
{
	return rte_read32_relaxed(dev->bar + offset);
}

static inline void
ena_reg_write(struct ena_device *dev, uint32_t offset, uint32_t value)
{
	rte_write32_relaxed(value, dev->bar + offset);
}

/** What is at a bus address, for which the device has a register of each half. */
void *ena_reg_memory(const struct ena_device *dev, uint32_t low, uint32_t high);

/** What is at a bus address of a command; NULL if the driver may not name it. */
void *ena_memory(const struct ena_common_mem_addr *addr);

/** Offset of a queue's doorbell among the registers. */
uint32_t ena_doorbell(uint16_t sq);

/* Each of these does what is to be done, and returns whether there was anything. */
bool ena_regs_poll(struct ena_device *dev);
bool ena_admin_poll(struct ena_device *dev);
bool ena_aenq_poll(struct ena_device *dev);
bool ena_queues_poll(struct ena_device *dev);

void ena_regs_init(struct ena_device *dev);

/** As after a reset. */
void ena_admin_reset(struct ena_device *dev);
void ena_aenq_reset(struct ena_device *dev);
void ena_queues_reset(struct ena_device *dev);

/** Commands for queues; the result is a status of a completion. */
uint8_t ena_queues_create_cq(struct ena_device *dev, const struct ena_admin_aq_create_cq_cmd *cmd,
		struct ena_admin_acq_create_cq_resp_desc *resp);
uint8_t ena_queues_create_sq(struct ena_device *dev, const struct ena_admin_aq_create_sq_cmd *cmd,
		struct ena_admin_acq_create_sq_resp_desc *resp);
uint8_t ena_queues_destroy_cq(struct ena_device *dev,
		const struct ena_admin_aq_destroy_cq_cmd *cmd);
uint8_t ena_queues_destroy_sq(struct ena_device *dev,
		const struct ena_admin_aq_destroy_sq_cmd *cmd);

/**
 * Take the packet whose first entry is next, and deliver it.
 *
 * @param tail
 *   The driver's last doorbell.
 * @param req_id
 *   What the completion is to name.
 * @return
 *   Whether it was a packet; otherwise one entry was skipped.
 */
bool ena_llq_take(struct ena_device *dev, struct ena_sq *sq, uint16_t tail, uint16_t *req_id);

/** Run the device on this lcore until it is told to stop. */
int ena_device_run(void *dev);

void ena_device_interrupt(const struct ena_device *dev);

/** Register a driver that has net_ena probe an ivshmem device as this one. Before EAL starts. */
int ena_probe_register(struct ena_device *dev);

/** The driver's mappings of registers and LLQ window; NULL unless it was probed. */
const uint8_t *ena_probe_regs(void);
const uint8_t *ena_probe_llq(void);

#endif /* ENA_DEVICE_H */
