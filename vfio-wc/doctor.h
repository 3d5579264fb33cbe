/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef DOCTOR_H
#define DOCTOR_H

#include "exit_status.h"
#include "kernel.h"
#include "pci.h"

/* Print what stands between this machine and write-combining, one line a check. device is a name,
 * or NULL for all that are bound to vfio-pci.
 */
enum exit_status doctor_run(const char *device);

/* For the checks themselves: the result of one, with the command that mends it */

void doctor_ok(const char *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doctor_problem(const char *check, const char *remedy, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void doctor_unknown(const char *check, const char *remedy, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The results that follow are about a device, or about the machine if name is NULL. */
void doctor_set_device(const char *name);

/* Whether this is a distribution of RPM, whose commands differ */
bool doctor_has_grubby(void);

/* Checks of the kernel and its modules */
void doctor_kernel_check(const struct kernel *kernel);

/* All checks of one device */
void doctor_device_check(const struct kernel *kernel, const char *name);

#endif /* DOCTOR_H */
