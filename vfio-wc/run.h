/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef RUN_H
#define RUN_H

/* Output of a program that PATH finds, errors included; NULL if it cannot be run, fails or does not
 * end in time. The arguments end with NULL.
 */
char *run_output(char *const arguments[], int seconds);

#endif /* RUN_H */
