/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include "ivshmem_rxtx_impl.h"

const struct ivshmem_burst ivshmem_burst_base[2] = IVSHMEM_BURSTS;
