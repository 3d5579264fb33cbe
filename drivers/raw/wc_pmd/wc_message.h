/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WC_MESSAGE_H
#define WC_MESSAGE_H

#include <stdint.h>

/** Slots of the window, and bytes of each. */
#define WC_SLOTS 16
#define WC_SLOT_SIZE 256

/** What goes into a slot, little endian; to the device the rest of the last line is zero. */
struct wc_message {
	uint16_t len;	/**< Bytes of data. */
	uint8_t data[WC_SLOT_SIZE - sizeof(uint16_t)];
};

#endif /* WC_MESSAGE_H */
