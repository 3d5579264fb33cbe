/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdio.h>
#include <stdlib.h>

#include "alloc.h"
#include "status.h"

struct verdict_counts {
	size_t not_effective;
	size_t not_mapped;
	size_t unclear;
	size_t untouched;
	size_t not_verified;
	const struct status_mapping *unverified;  /* One of them */
};

static struct verdict_counts
verdict_count(const struct status *status)
{
	struct verdict_counts counts = { 0 };
	const struct status_mapping *mapping;
	size_t i;

	for (i = 0; i < status->nb_mappings; i++) {
		mapping = &status->mappings[i];
		counts.not_effective += mapping->type == STATUS_NOT_EFFECTIVE;
		counts.untouched += mapping->type == STATUS_UNTOUCHED;
		if (mapping->type == STATUS_NOT_VERIFIED) {
			counts.not_verified++;
			counts.unverified = mapping;
		}
	}
	for (i = 0; i < status->nb_users; i++) {
		counts.not_mapped += status->users[i].request == STATUS_NOT_MAPPED;
		counts.unclear += status->users[i].request == STATUS_UNCLEAR;
	}
	return counts;
}

/* Note what keeps the whole from being known. */
static void
verdict_find_limits(struct status *status)
{
	size_t i;

	if (status->pid != 0 && !file_exists("/proc/%d", status->pid))
		status_note(status, alloc_format("there is no process %d", status->pid));
	if (status->listed.nb_malformed > 0)
		status_note(status, alloc_format("malformed lines of the kernel's list of "
						 "mappings: %zu", status->listed.nb_malformed));
	/* Where VFIO has no device, nobody uses one. */
	if (status->nb_devices == 0 && status->pid == 0)
		return;
	if (status->nb_hidden > 0)
		status_note(status, alloc_format("processes that may not be read: %zu; run "
						 "as root", status->nb_hidden));
	else if (status->pid == 0 && !kernel_may(KERNEL_CAP_PTRACE))
		status_note(status, alloc_string("processes of other users may be hidden: "
						 "run as root"));
	for (i = 0; i < status->nb_processes && status_hides_aliases(status); i++) {
		if (!status_examines(status, status->processes[i]->pid) ||
				status->processes[i]->nb_mappings == 0)
			continue;
		status_note(status, alloc_string(status->kernel.compact_offsets ?
			"compact_offsets=1: aliases cannot be told from BARs" :
			"/proc/kallsyms cannot be read: alias regions are not recognised"));
		break;
	}
}

/* "NUMBER NOUN" with a plural */
static char *
verdict_number_of(size_t number, const char *noun)
{
	return alloc_format("%zu %s%s", number, noun, number == 1 ? "" : "s");
}

/* Replace the text of the verdict by "number of nouns rest". */
static void
verdict_decide(struct status *status, enum exit_status exit_status, size_t number, const char *noun,
	      const char *rest)
{
	char *text;

	if (number == 0 || exit_status_worse(status->exit_status, exit_status) ==
			status->exit_status)
		return;
	text = verdict_number_of(number, noun);
	free(status->verdict);
	status->verdict = alloc_format("%s %s", text, rest);
	status->exit_status = exit_status;
	free(text);
}

void
status_judge(struct status *status)
{
	struct verdict_counts counts = verdict_count(status);
	char *reason;

	verdict_find_limits(status);
	status->exit_status = EXIT_GOOD;
	status->verdict = alloc_string(status->nb_mappings > 0 ?
				       "all write-combining that was asked for is effective" :
				       "no write-combining was asked for");
	verdict_decide(status, EXIT_BAD, counts.not_effective, "mapping", "not write-combining");
	verdict_decide(status, EXIT_BAD, counts.not_mapped, "device",
		      "requested with --vfio-wc or vfio-wc run, without a write-combining mapping");
	if (counts.not_verified > 0) {
		reason = alloc_format("not verified: %s",
				      status_reason(status, counts.unverified));
		verdict_decide(status, EXIT_UNKNOWN, counts.not_verified, "mapping", reason);
		free(reason);
	}
	verdict_decide(status, EXIT_UNKNOWN, counts.untouched, "mapping",
		      "without a page: it was not touched yet");
	verdict_decide(status, EXIT_UNKNOWN, counts.unclear, "device",
		      "of which it is unclear whether the mapping is there");
	if (status->nb_notes > 0 && status->exit_status == EXIT_GOOD) {
		free(status->verdict);
		status->verdict = alloc_string(status->notes[0]);
		status->exit_status = EXIT_UNKNOWN;
	}
}
