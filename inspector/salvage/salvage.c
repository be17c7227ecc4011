/* SPDX-License-Identifier: MIT */
#include "salvage.h"

#include "process_logs.h"

#include <errno.h>
#include <inttypes.h>
#include <recording/salvage.h>
#include <string.h>
#include <unistd.h>

struct salvage_report {
    struct session *session;
    bool json, failed;
};

static const char *state_name(enum trace_node_state state) {
    return state == TRACE_NODE_EXITED ? "exited" : state == TRACE_NODE_CRASHED ? "crashed" : "live";
}

/* Why a ring was not read completely; NULL if it was. */
static const char *reason_of(const struct recording_salvaged *ring) {
    if (ring->fault != TRACE_ATTACH_OK) return trace_attach_fault_text(ring->fault);
    if (ring->broken) return "it shrank while it was read";
    return ring->error ? strerror(-ring->error) : NULL;
}

static int show_json(struct session *session, const struct recording_salvaged *ring) {
    const char *reason = reason_of(ring);
    bool read = ring->node_name;
    json_t *line = json_pack("{s:s, s:s?, s:s?, s:I, s:I, s:s?}", "object", ring->name, "name", ring->node_name, "state",
                             read ? state_name(ring->state) : NULL, "events", (json_int_t)ring->events, "lost",
                             (json_int_t)ring->lost, "reason", reason);
    int result = line ? output_json(&session->output, line) : session_out_of_memory(session);
    json_decref(line);
    return result;
}

static void show_text(struct session *session, const struct recording_salvaged *ring) {
    struct strbuf *out = &session->output.text;
    const char *name = ring->node_name ? ring->node_name : ring->name, *reason = reason_of(ring);
    text_untrusted(out, name, strlen(name), CELL_COLUMNS_MAX);
    if (ring->node_name) {
        strbuf_printf(out, ", %s: ", state_name(ring->state));
        text_count(out, ring->events, "event");
        if (ring->lost) strbuf_printf(out, ", %" PRIu64 " lost", ring->lost);
    }
    if (reason) strbuf_printf(out, ": %s", reason);
    strbuf_puts(out, "\n");
}

static void show_ring(void *arg, const struct recording_salvaged *ring) {
    struct salvage_report *report = arg;
    if (report->json)
        report->failed |= show_json(report->session, ring) != 0;
    else
        show_text(report->session, ring);
}

static int cannot_write(struct session *session, const char *path, int error) {
    if (error == -EEXIST)
        return failure_set(&session->failure, EXIT_FAILED, "%s exists: a recording never overwrites a file", path);
    return failure_set(&session->failure, EXIT_FAILED, "cannot write %s: %s", path, strerror(-error));
}

int salvage_rings(struct session *session, const char *path) {
    struct salvage_report report = {.session = session, .json = options_want_data(session->options)};
    struct recording_writer *writer;
    struct recording_writer_stats stats;
    const char *dir = process_logs_dir();
    int error = recording_writer_open(&writer, path, NULL);
    if (error) return cannot_write(session, path, error);
    int rings = recording_salvage(writer, dir, geteuid(), show_ring, &report);
    error = recording_writer_close(writer, &stats);
    if (!stats.bytes || rings < 0 || error || report.failed) (void)unlink(path); /* all of it, or nothing */
    if (rings < 0) return failure_set(&session->failure, EXIT_FAILED, "cannot read %s: %s", dir, strerror(-rings));
    if (error) return cannot_write(session, path, error);
    if (report.failed) return -1;
    if (!stats.written)
        return failure_set(&session->failure, EXIT_FAILED, "nothing to salvage: the rings in %s have no events", dir);
    return 0;
}
