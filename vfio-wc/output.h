/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef OUTPUT_H
#define OUTPUT_H

#include "status.h"

/* Forms of a status, which vfio-wc(8) describes */
void output_text(const struct status *status);
void output_json(const struct status *status);
void output_prometheus(const struct status *status);

/* Names that they have in common */
const char *output_open_name(enum status_open open);
const char *output_request_name(enum status_request request);
const char *output_grant_name(enum telemetry_state state);

#endif /* OUTPUT_H */
