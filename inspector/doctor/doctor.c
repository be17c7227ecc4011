/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include "doctor_checks.h"
#include "json_get.h"
#include "text.h"

#include <string.h>

#define LATELY_NS (UINT64_C(600) * 1000000000)
#define ENDED_MAX 4U /* named */

/* How long ago a node ended: or, if nobody watched it, how long ago it emitted its last event.  Returns false if it lives, or
 * ended long ago. */
static bool ended_lately(const json_t *node, uint64_t now_ns, bool *ret_seen, uint64_t *ret_ago_ns) {
    const char *state = json_get_text(node, "state");
    uint64_t at_ns;
    if (!state || (strcmp(state, "exited") != 0 && strcmp(state, "crashed") != 0)) return false;
    *ret_seen = json_get_time(json_object_get(json_object_get(node, "ended"), "by"), &at_ns);
    if (!*ret_seen && !json_get_time(json_object_get(node, "last"), &at_ns)) return false;
    *ret_ago_ns = now_ns > at_ns ? now_ns - at_ns : 0;
    return *ret_ago_ns <= LATELY_NS;
}

/* "bob (crashed 3.21 s ago)" */
static void put_end(struct strbuf *out, const json_t *node, bool seen, uint64_t ago_ns) {
    text_member(out, node, "name");
    strbuf_puts(out, strcmp(json_get_text(node, "state"), "crashed") != 0 ? " (" : seen ? " (crashed " : " (crashed, ");
    if (!seen) strbuf_puts(out, "last event ");
    text_duration(out, ago_ns);
    strbuf_puts(out, " ago)");
}

/* The checks only ask whether events arrive.  So we say which nodes ended: somebody may miss them. */
static void put_ended(struct doctor *doctor) {
    struct strbuf *out = &doctor->session->output.text;
    uint64_t now_ns = doctor->nodes ? source_now_ns(doctor->session->inquiry.source) : 0, ago_ns;
    unsigned count = 0;
    size_t i;
    bool seen;
    const json_t *node;
    json_array_foreach(json_get_array(doctor->nodes, "nodes"), i, node) {
        if (!ended_lately(node, now_ns, &seen, &ago_ns) || count++ >= ENDED_MAX) continue;
        strbuf_puts(out, count > 1 ? ", " : "ended in the last 10 min: ");
        put_end(out, node, seen, ago_ns);
    }
    if (count > ENDED_MAX) strbuf_printf(out, " and %u more", count - ENDED_MAX);
    if (count) strbuf_puts(out, "; inspector analyze says whether requests waited for them\n");
}

/* For scripts, too: which did not close their logs.  It is no fault of the tracing. */
static void report_crashed(struct doctor *doctor) {
    uint64_t now_ns = doctor->nodes ? source_now_ns(doctor->session->inquiry.source) : 0, ago_ns;
    size_t i;
    bool seen;
    const json_t *node;
    json_array_foreach(json_get_array(doctor->nodes, "nodes"), i, node) {
        struct strbuf name = {0};
        const char *state = json_get_text(node, "state");
        if (!ended_lately(node, now_ns, &seen, &ago_ns) || strcmp(state, "crashed") != 0) continue;
        text_member(&name, node, "name");
        doctor_fine(doctor, "ended", "%s ended without closing its log: it crashed, was killed, or called _exit; %s %.1f s ago",
                    strbuf_text(&name), seen ? "it ended" : "its last event was", (double)ago_ns * 1e-9);
        strbuf_fini(&name);
    }
}

static int run_checks(struct doctor *doctor) {
    pid_t pid = doctor->asked;
    struct session *session = doctor->session;
    doctor_look_at_directory(doctor);
    doctor_look_for_traced(doctor);
    if (doctor->traced && doctor_ask_traced(doctor)) return -1;
    report_crashed(doctor);
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
