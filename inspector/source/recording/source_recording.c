/* SPDX-License-Identifier: MIT */
#include "source_recording.h"

#include "recorded_clocks.h"
#include "saved_json.h"
#include "source_store.h"

#include <inttypes.h>
#include <proto/untrusted.h>
#include <recording/recording.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct recording_owner {
    struct recording *recording;
    struct recorded_clocks *clocks; /* NULL: times are as they were recorded */
    size_t reported;                /* problems that the user knows */
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
    recorded_clocks_close(owner->clocks);
    recording_close(owner->recording);
    free(owner);
}

/* The history counts the events that its segments had; some may be damaged. */
static void count_readable(const struct recording_owner *owner, json_t *result) {
    json_t *history = json_object_get(result, "history");
    json_int_t events = (json_int_t)recording_events(owner->recording);
    if (events < json_integer_value(json_object_get(history, "events")))
        (void)json_object_set_new(history, "events", json_integer(events));
}

static void annotate(void *arg, const char *method, json_t *result) {
    const struct recording_owner *owner = arg;
    if (!strcmp(method, "stats")) count_readable(owner, result);
    if (owner->clocks) recorded_clocks_annotate(owner->clocks, method, result);
}

/* JSON becomes a recording in memory; then all are one. */
struct inputs {
    const char *recordings[READS_MAX + 1], *json[READS_MAX];
    size_t recording_count, json_count;
    char memory[32]; /* the path of the one in memory */
};

static int sort_inputs(struct inputs *inputs, const char *const *paths, size_t path_count, int *ret_fd, struct failure *failure) {
    struct stat status;
    inputs->recording_count = inputs->json_count = 0;
    for (size_t i = 0; i < path_count; i++) {
        if (saved_json_is(paths[i]))
            inputs->json[inputs->json_count++] = paths[i];
        else
            inputs->recordings[inputs->recording_count++] = paths[i];
    }
    *ret_fd = -1;
    if (!inputs->json_count) return 0;
    if (saved_json_load(inputs->json, inputs->json_count, ret_fd, failure)) return -1;
    if (fstat(*ret_fd, &status) || (!status.st_size && !inputs->recording_count))
        return failure_set(failure, EXIT_FAILED, "%s has no events", inputs->json[0]);
    snprintf(inputs->memory, sizeof inputs->memory, "/proc/self/fd/%d", *ret_fd);
    if (status.st_size) inputs->recordings[inputs->recording_count++] = inputs->memory;
    return 0;
}

static int open_inputs(struct source **ret_source, const struct inputs *inputs, const char *title, bool correct,
                       struct failure *failure) {
    char reason[RECORDING_REASON_BYTES];
    struct recording_owner *owner = calloc(1, sizeof *owner);
    if (!owner) return failure_out_of_memory(failure);
    if (recording_open(&owner->recording, inputs->recordings, inputs->recording_count, reason)) {
        free(owner);
        return failure_set(failure, EXIT_FAILED, "%s", reason);
    }
    report_problems(owner);
    if (correct && recorded_clocks_open(&owner->clocks, recording_store(owner->recording))) {
        close_recording(owner);
        return failure_out_of_memory(failure);
    }
    if (owner->clocks && store_read_aliases(recording_store(owner->recording))) { /* by the times that are shown */
        close_recording(owner);
        return failure_out_of_memory(failure);
    }
    struct source_store_owner closing = {close_recording, owner, annotate};
    return source_store_open(ret_source, recording_store(owner->recording), closing, title, failure);
}

int source_recording_open(struct source **ret_source, const char *const *paths, size_t path_count, bool correct,
                          struct failure *failure) {
    struct inputs inputs;
    char title[256];
    int fd;
    if (path_count == 1)
        snprintf(title, sizeof title, "the recording %s", paths[0]);
    else
        snprintf(title, sizeof title, "the recordings");
    int result = sort_inputs(&inputs, paths, path_count, &fd, failure);
    if (!result) result = open_inputs(ret_source, &inputs, title, correct, failure);
    if (fd >= 0) close(fd); /* the recording has opened it itself */
    return result;
}
