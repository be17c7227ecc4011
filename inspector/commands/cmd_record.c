/* SPDX-License-Identifier: MIT
 *
 * The commands that write recordings: of a stream, and of what nodes left behind. */
#include "commands.h"

#include "end_signal.h"
#include "event_writer.h"
#include "explanation.h"
#include "json_get.h"
#include "limits.h"
#include "salvage.h"
#include "show_stream.h"

#include <inttypes.h>
#include <proto/clock.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- the stream ---- */

static const char record_away[] = "traced went away; waiting for it to come back";

struct record {
    struct session *session;
    struct event_writer *writer;
    struct stream stream;
    uint64_t missed;   /* events that never came */
    uint64_t names_ms; /* when we last asked for nodes */
    uint64_t wait_ms;  /* how long traced may be away */
    uint64_t until_ms; /* the end of --for, which is an end as Ctrl-C is; WAIT_FOREVER: none, or the source is the past */
    bool silent;       /* once it was ended, traced did not answer */
    bool reported;     /* we reported that the file cannot be written */
    uint64_t end_ns;   /* when Ctrl-C or --for ended it, Unix time; 0: not yet */
    unsigned quiet;    /* answers since the last event, once it was ended */
};

static int learn_nodes(struct record *record) {
    record->names_ms = trace_now_monotonic_ms();
    return explanation_learn(record->session, record->writer);
}

static int record_events(struct record *record, json_t *events_new) {
    struct session *session = record->session;
    size_t i;
    const json_t *event;
    int result = 0;
    json_array_foreach(events_new, i, event) {
        bool asks = !event_writer_knows(record->writer, event) && trace_now_monotonic_ms() - record->names_ms >= NODES_REFRESH_MS;
        if (asks && learn_nodes(record)) (void)stream_lost(&record->stream); /* we have the events, and ask again later */
        result = event_writer_add(record->writer, event, &session->failure);
        if (result) break;
    }
    json_decref(events_new);
    int error = event_writer_error(record->writer);
    if (!error || record->reported) return result;
    record->reported = true;
    char text[256];
    snprintf(text, sizeof text, "cannot write the recording: %s; events are lost, and recording continues", strerror(-error));
    output_note(text);
    return result;
}

/* Are all of these events later than the end by more than traced needs to drain a lane?  Then the nodes emit without a
 * pause, and all events before the end have arrived. */
static bool is_past_end(const struct record *record, const json_t *events) {
    uint64_t time_ns, last_ns = record->end_ns + RECORD_LATER_MS * UINT64_C(1000000);
    size_t i;
    const json_t *event;
    json_array_foreach(events, i, event) {
        if (json_get_time(event, &time_ns) && time_ns <= last_ns) return false;
    }
    return true;
}

/* Does the recording have everything that traced had at the end, however slow traced is?  An answer arrives after
 * the events that traced sent before it: if no event comes between two answers, there are no more. */
static bool is_whole(struct record *record) {
    if (record->quiet == 2) return true;
    record->quiet++;
    record->silent = learn_nodes(record) && stream_lost(&record->stream);
    return record->silent;
}

/* Until when to wait for the next event, before checking something else. */
static uint64_t check_ms(const struct record *record) {
    uint64_t now_ms = trace_now_monotonic_ms(), next_ms = now_ms + CONNECT_RETRY_MS;
    if (record->end_ns) return record->quiet ? now_ms : now_ms + RECORD_QUIET_MS;
    return next_ms < record->until_ms ? next_ms : record->until_ms;
}

static int record_stream(struct record *record) {
    for (;;) {
        struct source_news news;
        int result = 0;
        bool over = end_signal || trace_now_monotonic_ms() >= record->until_ms;
        if (over && !record->end_ns) record->end_ns = trace_now_unix_ns();
        if (record->end_ns && record->stream.away.is) return end_signal ? 0 : stream_end(&record->stream);
        switch (stream_next(&record->stream, check_ms(record), &news)) {
        case SOURCE_TIME:
            if (record->end_ns && is_whole(record)) return end_signal ? 0 : stream_end(&record->stream);
            break;
        case SOURCE_FAILED:
            if (!stream_waits_on(&record->stream, record->wait_ms)) return -1;
            break;
        case SOURCE_EVENTS: {
            record->quiet = 0;
            bool past_end = record->end_ns && is_past_end(record, news.value);
            result = record_events(record, news.value);
            if (past_end) return result;
            break;
        }
        case SOURCE_GAP: record->missed += news.count; break;
        case SOURCE_NOTE: output_note(news.text); break;
        case SOURCE_AWAY: output_note(record_away); break;
        case SOURCE_ENDED: return 0;
        default: break;
        }
        if (result) return -1;
    }
}

/* ---- the whole ---- */

static int show_end(const struct record *record, const char *path, const struct event_writer_stats *stats) {
    struct session *session = record->session;
    struct strbuf *out = &session->output.text;
    if (options_want_data(session->options)) {
        json_t *line = json_pack("{s:s, s:I, s:I, s:I}", "file", path, "events", (json_int_t)stats->events, "missed",
                                 (json_int_t)record->missed, "bytes", (json_int_t)stats->bytes);
        int result = line ? output_json(&session->output, line) : session_out_of_memory(session);
        json_decref(line);
        return result;
    }
    text_count(out, stats->events, "event");
    if (record->missed) strbuf_printf(out, ", %" PRIu64 " missed", record->missed);
    strbuf_puts(out, stats->events ? " in " : ", so there is no ");
    text_untrusted(out, path, strlen(path), NOTE_COLUMNS_MAX);
    if (stats->events) {
        strbuf_puts(out, ", ");
        text_bytes(out, stats->bytes);
    }
    strbuf_puts(out, "\n");
    return 0;
}

static int begin_record(struct record *record) {
    struct session *session = record->session;
    struct stream_wish begin = stream_wish_of(session->options, trace_now_monotonic_ms(), session_filter_new(session),
                                              record->wait_ms ? CONNECT_RETRY_MS : 0);
    if (!(session->inquiry.source->ops->can & SOURCE_PAST)) {
        record->until_ms = begin.deadline_ms;
        begin.deadline_ms = WAIT_FOREVER;
    }
    return begin_stream(session, &record->stream, session->inquiry.source, begin, record_away);
}

/* Creates the file once there is something to record; a recording without events leaves no file. */
static int record_to(struct record *record, const char *path) {
    struct session *session = record->session;
    struct event_writer_stats stats;
    struct failure failure, closing;
    end_signal_catch(NULL); /* the open segment must be written */
    if (event_writer_open(&record->writer, path, &session->failure)) return -1;
    int result = learn_nodes(record) && stream_lost(&record->stream) ? -1 : record_stream(record);
    failure = session->failure;
    if (!record->stream.away.is && (record->silent || learn_nodes(record)) && !result) /* newer counters and states */
        output_note("traced does not answer: the recording may lack the newest events");
    session->failure = failure;
    int failed = event_writer_close(record->writer, &stats, &closing);
    if (!stats.bytes) (void)unlink(path);
    if (failed && !result) session->failure = closing;
    return result || failed ? -1 : show_end(record, path, &stats);
}

int run_record(struct session *session) {
    const char *path = option_output(session->options);
    struct record record = {
        .session = session, .wait_ms = option_number(session->options, OPTION_WAIT, WAIT_FOREVER), .until_ms = WAIT_FOREVER};
    if (!path) return failure_set(&session->failure, EXIT_USAGE, "record needs a file to write to: -o FILE");
    int result = begin_record(&record);
    if (!result) result = record_to(&record, path);
    stream_fini(&record.stream);
    return result;
}

int run_salvage(struct session *session) {
    const char *path = option_output(session->options);
    if (!path) return failure_set(&session->failure, EXIT_USAGE, "salvage needs a file to write to: -o FILE");
    return salvage_rings(session, path);
}
