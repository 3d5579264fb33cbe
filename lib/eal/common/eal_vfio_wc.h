/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef EAL_VFIO_WC_H
#define EAL_VFIO_WC_H

#include <rte_compat.h>

#include "vfio_wc_driver.h"

/**
 * Set the policy of the environment variable DPDK_VFIO_WC, which the option replaces, and reject a
 * policy as a separate word after --vfio-wc. To be called before getopt reorders the arguments.
 *
 * @return
 *   0, or -1 with the error logged.
 */
int eal_vfio_wc_init(int argc, char **argv);

/**
 * @internal
 * Parse the value of --vfio-wc: MODE[,BDF=MODE...].
 *
 * @param arg
 *   The value, or NULL if the option has none.
 * @return
 *   0, or -1 with the error logged and the policy unchanged.
 */
__rte_internal
int eal_vfio_wc_parse(const char *arg);

#endif /* EAL_VFIO_WC_H */
