/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_LOG_H
#define IVSHMEM_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_log.h>

#include "eal_wc_compat.h"

extern int ivshmem_logtype;

/* The name of a log type precedes its lines. */
#define RTE_LOGTYPE_net_ivshmem ivshmem_logtype
#define IVSHMEM_LOG(level, ...) RTE_LOG_LINE(level, net_ivshmem, "" __VA_ARGS__)

/** Limit of lines that a peer can cause: others within this time are only counted. @{ */
#define IVSHMEM_LOG_LINES 10
#define IVSHMEM_LOG_PERIOD_S 10
/** @} */

/** State for lines of one kind, initially zeros. The caller ensures that one thread uses it. */
struct ivshmem_log_limit {
	uint64_t start;		/**< Of the period, in timer cycles. */
	uint32_t lines;		/**< Logged in it. */
	uint32_t suppressed;	/**< Not logged, and not reported yet. */
};

/**
 * Whether another line may be logged. The first line of a period that follows suppressed ones is
 * preceded by their number.
 */
bool ivshmem_log_admit(struct ivshmem_log_limit *limit);

/** IVSHMEM_LOG() unless the limit of the kind is reached. */
#define IVSHMEM_LOG_LIMITED(limit, level, ...) do { \
	if (ivshmem_log_admit(limit)) \
		IVSHMEM_LOG(level, __VA_ARGS__); \
} while (0)

#endif /* IVSHMEM_LOG_H */
