/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef LAUNCH_H
#define LAUNCH_H

#include "exit_status.h"

/* The command run: become another program, under the preloaded library. The first argument is the
 * command; returns only if it cannot.
 */
enum exit_status launch_run(int argc, char **argv);

#endif /* LAUNCH_H */
