/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef ENA_TRAFFIC_H
#define ENA_TRAFFIC_H

#include <stdint.h>

#include <rte_mempool.h>

/** Frames to send: what each has follows from its number. */
struct ena_load {
	uint64_t frames;
	uint32_t min_len;	/**< Without FCS. */
	uint32_t max_len;
	uint32_t segments;	/**< At most; frames have 1 to so many in turn. */
};

/** What the device got. */
struct ena_check {
	struct ena_load load;
	uint64_t received;
	uint64_t wrong;		/**< Other length, content or order. */
};

int ena_traffic_start(uint16_t port, struct rte_mempool *pool);

/**
 * Send frames, and wait until the device has got all.
 *
 * @return
 *   0, or -ETIMEDOUT if it does not get any more.
 */
int ena_traffic_send(uint16_t port, struct rte_mempool *pool, struct ena_check *check);

/** ena_deliver_t; arg is the struct ena_check. */
void ena_traffic_deliver(void *arg, const uint8_t *data, uint32_t len);

#endif /* ENA_TRAFFIC_H */
