/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef PCI_WC_TELEMETRY_H
#define PCI_WC_TELEMETRY_H

#include <rte_telemetry.h>

/**
 * The telemetry command /bus/pci/wc. Without parameter, an array of the devices of which there is a
 * record; with a PCI address, what the device was granted. Not what is effective, which only the
 * page tables show.
 *
 * @return
 *   0, or a negative errno:
 *   - EINVAL: the parameter is not a PCI address
 *   - ENODEV: there is no record of the device
 */
int pci_wc_telemetry(const char *cmd, const char *params, struct rte_tel_data *data);

#endif /* PCI_WC_TELEMETRY_H */
