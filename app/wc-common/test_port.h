/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef TEST_PORT_H
#define TEST_PORT_H

#include <stdint.h>

#include <rte_mempool.h>

/** Configure a port with one queue pair and start it; 0 on success. */
int test_port_start(uint16_t port, struct rte_mempool *pool);

/** Bring up the link of two ports of this process, which have started; 0 on success. */
int test_port_bring_up(const uint16_t ports[2]);

/** Wait until a port's link is up; 0 on success. */
int test_port_link_up(uint16_t port);

/** An extended statistic of a port by its name, UINT64_MAX if it has none of this name. */
uint64_t test_port_xstat(uint16_t port, const char *name);

#endif /* TEST_PORT_H */
