/* SPDX-License-Identifier: MIT */
#include "source_open.h"

#include "rings_store.h"
#include "source_fleet.h"
#include "source_process.h"
#include "source_recording.h"
#include "source_socket.h"

#include "output.h"

#include <proto/clock.h>
#include <proto/socket_path.h>
#include <unistd.h>

static int find_socket(struct trace_socket_path *ret_path, const struct options *options, struct failure *failure) {
    char reason[TRACE_SOCKET_REASON_BYTES];
    if (!trace_socket_path(ret_path, options->texts[OPTION_SOCKET], reason)) return 0;
    return failure_set(failure, EXIT_USAGE, "%s", reason);
}

/* A terminal hears of every long wait; a log only of a traced that will never answer by itself. */
static struct source_wait wait_of(const struct options *options, uint64_t call_timeout_ms) {
    return (struct source_wait){.connect_ms = option_number(options, OPTION_WAIT, 0),
                                .call_ms = call_timeout_ms,
                                .note = output_note,
                                .note_slow = isatty(STDERR_FILENO)};
}

#define FLEET_TIMEOUT_MS UINT64_C(604800000) /* as long as the server works on a question */

int source_open(struct source **ret_source, const struct options *options, uint64_t call_timeout_ms, struct failure *failure) {
    struct trace_socket_path path;
    const char *pid_text = options->texts[OPTION_PID];
    pid_t pid;
    if (options->read_count)
        return source_recording_open(ret_source, options->reads, options->read_count,
                                     !option_given(options, OPTION_NO_CLOCK_CORRECTION), failure);
    if (option_given(options, OPTION_FLEET)) {
        struct clickhouse_settings settings = {.login_file = options->texts[OPTION_LOGIN], .ca_file = options->texts[OPTION_CA]};
        settings.timeout_ms = option_number(options, OPTION_TIMEOUT, FLEET_TIMEOUT_MS);
        if (option_given(options, OPTION_FOR)) settings.end_ms = trace_now_monotonic_ms() + options->numbers[OPTION_FOR];
        return source_fleet_open(ret_source, options->texts[OPTION_FLEET], &settings,
                                 !option_given(options, OPTION_NO_CLOCK_CORRECTION), option_number(options, OPTION_WAIT, 0),
                                 output_note, failure);
    }
    if (pid_text && !parse_pid(pid_text, &pid))
        return rings_store_open(ret_source, pid, failure); /* options_parse has checked it */
    if (find_socket(&path, options, failure)) return -1;
    struct source_wait wait = wait_of(options, call_timeout_ms);
    return source_socket_open(ret_source, path.path, &wait, failure);
}

int source_open_process(struct source **ret_source, const struct options *options, pid_t pid, struct failure *failure) {
    struct trace_socket_path path;
    if (find_socket(&path, options, failure)) return -1;
    struct source_traced where = {path.path, wait_of(options, option_number(options, OPTION_TIMEOUT, CALL_TIMEOUT_MS)),
                                  WAIT_FOREVER};
    if (option_given(options, OPTION_FOR)) where.end_ms = trace_now_monotonic_ms() + options->numbers[OPTION_FOR];
    return source_process_open(ret_source, pid, &where, failure);
}
