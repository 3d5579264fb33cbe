/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <rte_cycles.h>

#include "ivshmem_log.h"

RTE_LOG_REGISTER_DEFAULT(ivshmem_logtype, NOTICE);

static void
ivshmem_log_start_period(struct ivshmem_log_limit *limit, uint64_t now)
{
	if (limit->suppressed != 0)
		IVSHMEM_LOG(WARNING, "%u lines like the next one were not logged",
			limit->suppressed);
	*limit = (struct ivshmem_log_limit){ .start = now };
}

bool
ivshmem_log_admit(struct ivshmem_log_limit *limit)
{
	const uint64_t now = rte_get_timer_cycles();

	if (limit->lines == 0 || now - limit->start > IVSHMEM_LOG_PERIOD_S * rte_get_timer_hz())
		ivshmem_log_start_period(limit, now);
	if (limit->lines == IVSHMEM_LOG_LINES) {
		limit->suppressed++;
		return false;
	}
	limit->lines++;
	return true;
}
