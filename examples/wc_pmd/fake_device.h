/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef FAKE_DEVICE_H
#define FAKE_DEVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_pmd_wc.h>

struct fake_device {
	void *bar;	/* its default mapping */
	void (*take)(const struct wc_pmd_message *message, uint32_t number);
	atomic_bool stop;
};

/* The main function of its thread; arg is a struct fake_device. */
void *fake_device(void *arg);

#endif /* FAKE_DEVICE_H */
