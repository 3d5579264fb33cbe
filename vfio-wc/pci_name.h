/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef PCI_NAME_H
#define PCI_NAME_H

#include <stdbool.h>

/* With a domain of eight digits */
#define PCI_NAME_SIZE sizeof("00000000:00:00.0")

/* Convert [DDDD:]BB:DD.F to the kernel's form; false if word is something else. */
bool pci_parse_name(const char *word, char name[PCI_NAME_SIZE]);

#endif /* PCI_NAME_H */
