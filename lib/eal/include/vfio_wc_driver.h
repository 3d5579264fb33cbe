/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef VFIO_WC_DRIVER_H
#define VFIO_WC_DRIVER_H

/**
 * @file
 * The settings of the EAL option --vfio-wc, for buses.
 */

#include <stdbool.h>

#include <rte_compat.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Policy for write-combining mappings of devices bound to vfio-pci. */
enum rte_vfio_wc_mode {
	RTE_VFIO_WC_OFF,	/**< Do not request write-combining. */
	RTE_VFIO_WC_AUTO,	/**< Use it where it is available. */
	RTE_VFIO_WC_STRICT,	/**< Fail the probe if the driver requests it and is refused. */
};

/**
 * @internal
 * Check whether --vfio-wc sets a mode other than "off" for any device.
 *
 * @return
 *   false if no device can get a write-combining mapping.
 */
__rte_internal
bool rte_vfio_wc_enabled(void);

/**
 * @internal
 * Policy for one device.
 *
 * @param name
 *   PCI address in the form DDDD:BB:DD.F with lower-case digits.
 * @return
 *   The mode set for this device, otherwise the mode for all devices.
 */
__rte_internal
enum rte_vfio_wc_mode rte_vfio_wc_mode(const char *name);

/**
 * @internal
 * Check whether --vfio-wc sets a mode for this device.
 *
 * @param name
 *   PCI address in the form DDDD:BB:DD.F with lower-case digits.
 * @return
 *   true if the option names the device, false if the mode for all devices applies.
 */
__rte_internal
bool rte_vfio_wc_is_named(const char *name);

/**
 * @internal
 * Name of a mode as used on the command line.
 *
 * @param mode
 *   The mode.
 * @return
 *   A constant string.
 */
__rte_internal
const char *rte_vfio_wc_mode_name(enum rte_vfio_wc_mode mode);

#ifdef __cplusplus
}
#endif

#endif /* VFIO_WC_DRIVER_H */
