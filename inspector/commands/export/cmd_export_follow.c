/* SPDX-License-Identifier: MIT
 *
 * export --follow: a stream in another program's format, for hours or as a service beside traced. */
#include "cmd_export_follow.h"

#include "end_signal.h"
#include "json_get.h"
#include "json_put.h"
#include "limits.h"
#include "push.h"
#include "show_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/clock.h>
#include <proto/hex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char away_note[] = "traced went away; waiting for it to come back";

/* ---- the stream ---- */

struct following {
    struct exporting *exporting;
    struct stream stream;
    uint64_t wait_ms;  /* how long traced may be away */
    uint64_t names_ms; /* when we last asked for nodes */
    uint64_t flush_ms; /* when to flush; WAIT_FOREVER: nothing to flush */
};

/* Asks for the names of new nodes, but not too often. */
static int learn_node(struct following *following, const json_t *event) {
    const char *id = json_get_hex(event, "node_id", 2 * TRACE_NODE_ID_BYTES);
    struct trace_node_id bytes;
    uint64_t now_ms = trace_now_monotonic_ms();
    if (!id || trace_hex_decode(bytes.bytes, id, sizeof bytes.bytes)) return 0;
    if (export_node_name(&following->exporting->export, &bytes) || now_ms - following->names_ms < NODES_REFRESH_MS) return 0;
    following->names_ms = now_ms;
    return export_ask_nodes(following->exporting) ? stream_lost(&following->stream) : 0;
}

static int give_event(struct following *following, const json_t *event) {
    char *text = json_text_new(event, JSON_COMPACT);
    if (!text) return session_out_of_memory(following->exporting->session);
    int result = learn_node(following, event);
    if (!result) result = export_text(&following->exporting->export, (struct json_span){text, strlen(text)});
    free(text);
    return result;
}

static int give_events(struct following *following, json_t *events_new) {
    size_t i;
    const json_t *event;
    int result = 0;
    json_array_foreach(events_new, i, event) {
        result = give_event(following, event);
        if (result) break;
    }
    json_decref(events_new);
    uint64_t due_ms = trace_now_monotonic_ms() + following->exporting->format->follow_ms;
    if (due_ms < following->flush_ms) following->flush_ms = due_ms;
    return result;
}

static int give_gap(struct following *following, const struct source_news *gap) {
    static const struct {
        const char *word, *sentence;
    } reasons[] = {[GAP_SLOW] = {"slow", "the export did not take them fast enough"},
                   [GAP_GONE] = {"gone", "they had left the history"},
                   [GAP_HIDDEN] = {"hidden", "they were overwritten, and some may not have matched"}};
    char line[160];
    snprintf(line, sizeof line, "%s%" PRIu64 " events are missing: %s", gap->at_most ? "at most " : "", gap->count,
             reasons[gap->why].sentence);
    output_note(line);
    return export_missed(&following->exporting->export, gap->count, reasons[gap->why].word);
}

/* Handles one piece of news.  Returns 1 at the end, 0, or -1 with the failure. */
static int take_news(struct following *following) {
    struct source_news news;
    struct strbuf line = {0};
    int result = 0;
    uint64_t now_ms = trace_now_monotonic_ms(), look_ms = now_ms + CONNECT_RETRY_MS;
    switch (stream_next(&following->stream, look_ms < following->flush_ms ? look_ms : following->flush_ms, &news)) {
    case SOURCE_FAILED: return stream_waits_on(&following->stream, following->wait_ms) ? 0 : -1;
    case SOURCE_EVENTS: return give_events(following, news.value);
    case SOURCE_GAP: return give_gap(following, &news);
    case SOURCE_NOTE: output_note(news.text); return 0;
    case SOURCE_AWAY: output_note(away_note); return 0;
    case SOURCE_SETTLED:
        show_stream_settled(&line, &news);
        output_note(strbuf_text(&line));
        strbuf_fini(&line);
        return 0;
    case SOURCE_ENDED: return 1;
    case SOURCE_OUTPUT_GONE: return failure_of_write(&following->exporting->session->failure, "the export", EPIPE);
    default: return result;
    }
}

static int follow_to_the_end(struct following *following) {
    struct export *export = &following->exporting->export;
    int result = 0;
    while (!result && !end_signal) {
        result = take_news(following);
        if (result < 0 || trace_now_monotonic_ms() < following->flush_ms) continue;
        following->flush_ms = WAIT_FOREVER;
        if (export_flush(export)) result = -1;
    }
    if (result < 0) return result;
    push_hurry();
    return export_end(export);
}

int export_follow(struct exporting *exporting) {
    struct session *session = exporting->session;
    struct following following = {
        .exporting = exporting, .wait_ms = option_number(session->options, OPTION_WAIT, WAIT_FOREVER), .flush_ms = WAIT_FOREVER};
    json_t *params = exporting->id ? session_filter_of_new(session, "trace_id", exporting->id) : session_filter_new(session);
    struct stream_wish begin =
        stream_wish_of(session->options, trace_now_monotonic_ms(), params, following.wait_ms ? CONNECT_RETRY_MS : 0);
    push_plan_end(begin.deadline_ms);
    int result = begin_stream(session, &following.stream, session->inquiry.source, begin, away_note);
    if (!result) {
        end_signal_catch(push_hurry); /* completes the output, and still pushes what waits, for a moment */
        if (!exporting->settings.push) source_watch_output(session->inquiry.source, session->output.fd);
        result = export_start(exporting, exporting->settings.push ? -1 : session->output.fd, NULL);
    }
    following.flush_ms = 0; /* titles go out at once */
    if (!result) result = follow_to_the_end(&following);
    stream_fini(&following.stream);
    if (!result && end_signal) raise(end_signal);
    return result;
}
