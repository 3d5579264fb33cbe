/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef RTE_PMD_WC_H
#define RTE_PMD_WC_H

/**
 * @file
 * Interface of the raw device of raw_wc_pmd.
 */

#include <stdint.h>

/** Slots of the window. */
#define WC_PMD_SLOTS 16
/** Bytes of a slot. */
#define WC_PMD_SLOT_SIZE 256

/**
 * A message, little endian: buf_addr of a struct rte_rawdev_buf points to it, and it is copied to a
 * slot. The rest of its last line in the slot is filled with zeros.
 */
struct wc_pmd_message {
	uint16_t len;	/**< Bytes of data. */
	uint8_t data[WC_PMD_SLOT_SIZE - sizeof(uint16_t)];
};

#endif /* RTE_PMD_WC_H */
