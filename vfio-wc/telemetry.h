/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef TELEMETRY_H
#define TELEMETRY_H

#include <stdbool.h>
#include <time.h>

#include "pci.h"
#include "process.h"

/* What a DPDK process tells of its write-combining, by the command /bus/pci/wc of its telemetry */

enum telemetry_state {
	TELEMETRY_NOT_REQUESTED,
	TELEMETRY_GRANTED,
	TELEMETRY_REFUSED,
};

struct telemetry_bar {
	enum telemetry_state state;
	char *reason;                /* Of a refusal, or why not all is mapped; NULL if there is none. May
				      * contain any byte.
				      */
	bool activated;              /* The default mapping itself is the alias. */
};

/* The answer for one device */
struct telemetry_grants {
	const char *error;           /* Why there is no answer, NULL if there is one */
	struct telemetry_bar bars[PCI_BARS];
};

/* The connection to a process */
struct telemetry {
	int fd;                      /* Negative if the process has no telemetry */
	const char *error;           /* As in the above */
	struct timespec end;         /* A process that takes longer is not waited for. */
};

void telemetry_open(struct telemetry *telemetry, const struct process *process);
void telemetry_close(struct telemetry *telemetry);

/* Ask for a device. NULL if the process has no telemetry, or has nothing to tell of the device. */
struct telemetry_grants *telemetry_ask(struct telemetry *telemetry, const char *device);
void telemetry_free(struct telemetry_grants *grants);

#endif /* TELEMETRY_H */
