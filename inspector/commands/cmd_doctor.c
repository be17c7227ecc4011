/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "doctor.h"

int run_doctor(struct session *session) {
    const char *text = session->options->arg_count > 1 ? session->options->args[1] : NULL;
    pid_t pid = 0;
    if (text && parse_pid(text, &pid))
        return failure_set(&session->failure, EXIT_USAGE, "doctor %s: a process id is expected", text);
    return doctor_examine(session, pid);
}
