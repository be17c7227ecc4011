/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include "doctor_checks.h"
#include "json_get.h"

#include <proto/untrusted.h>
#include <string.h>

#define LATELY_NS (UINT64_C(600) * 1000000000)
#define ENDED_MAX 4U /* named */

/* The checks only ask whether events arrive.  So we say which nodes ended: somebody may miss them. */
static void put_ended(struct doctor *doctor) {
    struct strbuf *out = &doctor->session->output.text;
    uint64_t now_ns = doctor->nodes ? source_now_ns(doctor->session->inquiry.source) : 0, by_ns;
    unsigned count = 0;
    size_t i;
    const json_t *node;
    json_array_foreach(json_get_array(doctor->nodes, "nodes"), i, node) {
        const char *name = json_get_text(node, "name"), *state = json_get_text(node, "state");
        bool known = json_get_time(json_object_get(json_object_get(node, "ended"), "by"), &by_ns);
        if (!known || !name || !state || by_ns + LATELY_NS < now_ns || count++ >= ENDED_MAX) continue;
        strbuf_puts(out, count > 1 ? ", " : "ended in the last 10 min: ");
        text_untrusted(out, name, strlen(name), 100);
        if (!strcmp(state, "crashed")) strbuf_puts(out, " (crashed)");
    }
    if (count > ENDED_MAX) strbuf_printf(out, " and %u more", count - ENDED_MAX);
    if (count) strbuf_puts(out, "; inspector analyze says whether requests waited for them\n");
}

static int run_checks(struct doctor *doctor) {
    pid_t pid = doctor->asked;
    struct session *session = doctor->session;
    doctor_look_at_directory(doctor);
    doctor_look_for_traced(doctor);
    if (doctor->traced && doctor_ask_traced(doctor)) return -1;
    doctor_look_at_logs(doctor);
    if (doctor_look_for_untraced(doctor)) return -1;
    if (pid) doctor_look_at_process(doctor, pid);
    bool closing = !options_want_data(session->options) && session->view.header;
    if (closing && !doctor->wrong && !doctor->unsure)
        strbuf_printf(&session->output.text, "%u checks, and nothing is wrong with the tracing%s\n", doctor->fine,
                      pid || session->view.all ? "" : "; inspector doctor PID looks at one process");
    if (closing) put_ended(doctor);
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
