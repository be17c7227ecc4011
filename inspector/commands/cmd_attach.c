/* SPDX-License-Identifier: MIT
 *
 * Follows one process, with or without traced: see source_process.h. */
#include "commands.h"
#include "show_stream.h"
#include "source_open.h"

int run_attach(struct session *session) {
    const char *text = session->options->args[1];
    pid_t pid;
    if (parse_pid(text, &pid)) return failure_set(&session->failure, EXIT_USAGE, "attach %s: a process id is expected", text);
    if (source_open_process(&session->inquiry.source, session->options, pid, &session->failure)) return -1;
    struct show_stream wish = {.source = session->inquiry.source,
                               .params_new = session_filter_new(session),
                               .wait_ms = WAIT_FOREVER,
                               .away = "traced went away; continuing with the ring itself"};
    return show_stream(session, &wish);
}
