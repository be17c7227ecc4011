/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include "doctor_checks.h"

static int run_checks(struct doctor *doctor) {
    pid_t pid = doctor->asked;
    struct session *session = doctor->session;
    doctor_look_at_directory(doctor);
    doctor_look_for_traced(doctor);
    if (doctor->traced && doctor_ask_traced(doctor)) return -1;
    doctor_look_at_logs(doctor);
    if (doctor_look_for_untraced(doctor)) return -1;
    if (pid) doctor_look_at_process(doctor, pid);
    if (!options_want_data(session->options) && session->view.header && !doctor->wrong && !doctor->unsure)
        strbuf_printf(&session->output.text, "%u checks, and nothing is wrong%s\n", doctor->fine,
                      pid || session->view.all ? "" : "; inspector doctor PID looks at one process");
    if (output_flush(&session->output)) return -1;
    if (!doctor->wrong && !doctor->unsure) return 0;
    return failure_set(&session->failure, doctor->wrong ? EXIT_FAILED : EXIT_UNJUDGED, "%s", "");
}

int doctor_examine(struct session *session, pid_t pid) {
    struct doctor doctor = {.session = session, .asked = pid, .dir = process_logs_dir()};
    int result = run_checks(&doctor);
    json_decref(doctor.nodes);
    return result;
}
