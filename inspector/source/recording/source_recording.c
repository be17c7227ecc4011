/* SPDX-License-Identifier: MIT */
#include "source_recording.h"

#include "source_store.h"

#include <inttypes.h>
#include <proto/untrusted.h>
#include <recording/recording.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recording_owner {
    struct recording *recording;
    size_t reported; /* problems that the user knows */
};

static void report_problem(const struct recording_problem *problem) {
    char path[1024], count[48] = ""; /* a path may have any bytes in it */
    trace_show_text(path, sizeof path, problem->path, strlen(problem->path));
    if (problem->events)
        snprintf(count, sizeof count, " (%" PRIu64 " event%s)", problem->events, problem->events == 1 ? "" : "s");
    if (*path)
        fprintf(stderr, "inspector: %s: at byte %" PRIu64 ": %s%s\n", path, problem->offset, problem->text, count);
    else
        fprintf(stderr, "inspector: %s\n", problem->text);
}

/* Those that have come up since the last call. */
static void report_problems(struct recording_owner *owner) {
    size_t count = recording_problem_count(owner->recording);
    for (; owner->reported < count; owner->reported++) {
        const struct recording_problem *problem = recording_problem(owner->recording, owner->reported);
        if (!problem) break;
        report_problem(problem);
    }
    if (owner->reported < count) fprintf(stderr, "inspector: and %zu more problems like these\n", count - owner->reported);
    owner->reported = count;
}

static void close_recording(void *arg) {
    struct recording_owner *owner = arg;
    report_problems(owner);
    recording_close(owner->recording);
    free(owner);
}

int source_recording_open(struct source **ret_source, const char *const *paths, size_t path_count, struct failure *failure) {
    char reason[RECORDING_REASON_BYTES], title[256];
    struct recording_owner *owner = calloc(1, sizeof *owner);
    if (!owner) return failure_out_of_memory(failure);
    if (recording_open(&owner->recording, paths, path_count, reason)) {
        free(owner);
        return failure_set(failure, EXIT_FAILED, "%s", reason);
    }
    report_problems(owner);
    if (path_count == 1)
        snprintf(title, sizeof title, "the recording %s", paths[0]);
    else
        snprintf(title, sizeof title, "the recordings");
    return source_store_open(ret_source, recording_store(owner->recording), (struct source_store_owner){close_recording, owner},
                             title, failure);
}
