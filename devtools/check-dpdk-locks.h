/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * Annotations for clang's lock analysis that DPDK's headers have since 23.07, but not in 22.11: the
 * functions that take and release the tailq lock, and the attribute that exempts a function.
 * Included by devtools/check-dpdk before everything else.
 */

struct __attribute__((capability("lock"))) check_lock {
	int unused;
};
extern struct check_lock check_tailq_lock;

#define __rte_no_thread_safety_analysis __attribute__((no_thread_safety_analysis))
#define CHECK_LOCK(kind) __attribute__((kind(check_tailq_lock)))

void rte_mcfg_tailq_read_lock(void) CHECK_LOCK(acquire_shared_capability);
void rte_mcfg_tailq_read_unlock(void) CHECK_LOCK(release_shared_capability);
void rte_mcfg_tailq_write_lock(void) CHECK_LOCK(acquire_capability);
void rte_mcfg_tailq_write_unlock(void) CHECK_LOCK(release_capability);
