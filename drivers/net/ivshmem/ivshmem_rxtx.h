/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_RXTX_H
#define IVSHMEM_RXTX_H

#include "ivshmem_port.h"

/** Burst functions for one kind of memory. */
struct ivshmem_burst {
	eth_rx_burst_t rx;
	eth_tx_burst_t tx;
};

/** By struct ivshmem_port.device: memory of this host, memory of a device. @{ */
extern const struct ivshmem_burst ivshmem_burst_base[2];
#ifdef RTE_ARCH_X86
extern const struct ivshmem_burst ivshmem_burst_avx2[2];
#endif
/** @} */

#endif /* IVSHMEM_RXTX_H */
