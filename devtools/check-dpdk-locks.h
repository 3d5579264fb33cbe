/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * What DPDK's headers say from 23.07 on and 22.11's do not, for clang's analysis of locks: which
 * functions take and release the lock of the tailqs, and how to leave a function out. Included by devtools/check-dpdk before
 * everything else.
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
