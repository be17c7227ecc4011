/* SPDX-License-Identifier: MIT */
#include "live_stream.h"

#include "event_list.h"
#include "json_get.h"
#include "limits.h"

#include <errno.h>
#include <libtrace/clock.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The clock that events have was set, and not slewed, when it moved by more than this against the other one. */
#define CLOCK_STEP_NS 1000000

static int64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Both clocks at once: one read a moment after the other, because something else had to run, would look like a step. */
static int64_t clock_offset_ns(void) {
    struct trace_clock_sample now = trace_clock_read();
    return (int64_t)(now.unix_ns - now.monotonic_ns);
}

uint64_t stream_now_ms(void) { return (uint64_t)now_ns(CLOCK_MONOTONIC) / 1000000; }

int stream_init(struct stream *stream, struct session *session) {
    const struct options *options = session->options;
    bool whole = !(options->given & (OPTION_BIT(KIND) | OPTION_BIT(PEER) | OPTION_BIT(TRACE) | OPTION_BIT(WHERE)));
    *stream = (struct stream){.session = session,
                              .left = option_number(options, OPTION_COUNT, UINT64_MAX),
                              .deadline_ms = WAIT_FOREVER,
                              .json = option_given(options, OPTION_JSON)};
    if (option_given(options, OPTION_FOR)) stream->deadline_ms = stream_now_ms() + options->numbers[OPTION_FOR];
    if (shown_init(&stream->shown, whole, option_number(options, OPTION_RECENT, 0))) return session_out_of_memory(session);
    return 0;
}

void stream_fini(struct stream *stream) { shown_fini(&stream->shown); }

int stream_begin(struct stream *stream, const json_t *nodes_answer) {
    struct session *session = stream->session;
    bool in_history = option_given(session->options, OPTION_RECENT) || option_given(session->options, OPTION_FROM);
    names_learn(&session->names, nodes_answer);
    if (shown_know_logs(&stream->shown, nodes_answer)) return session_out_of_memory(session);
    stream->names_ms = stream_now_ms();
    stream->begin_ns = in_history ? 0 : (uint64_t)now_ns(CLOCK_REALTIME);
    stream->subscribed_ns = UINT64_MAX;
    if (!stream->json) render_events_titles(&session->text, &session->view);
    return session_flush(session);
}

uint64_t stream_resume_ns(const struct stream *stream) {
    int64_t stepped = stream->last_ns ? clock_offset_ns() - stream->clock_ns : 0;
    uint64_t back_ns = FOLLOW_BACK_S * UINT64_C(1000000000), from = stream->last_ns > back_ns ? stream->last_ns - back_ns : 0;
    if (llabs(stepped) < CLOCK_STEP_NS) stepped = 0;
    if (from < stream->begin_ns) from = stream->begin_ns;
    return from + (uint64_t)stepped;
}

int stream_missed(struct stream *stream, uint64_t count, const char *why, const char *sentence) {
    struct session *session = stream->session;
    if (!count) return 0;
    if (!stream->json) {
        render_missed(&session->text, &session->view, count, sentence);
        return 0;
    }
    json_t *missed = json_pack("{s:I, s:s}", "missed", (json_int_t)count, "why", why);
    int result = missed ? session_json(session, missed) : session_out_of_memory(session);
    json_decref(missed);
    return result;
}

/* New nodes appear while we watch: their names are asked for, but not for every event of a node that has none. */
static int learn_new_names(struct stream *stream, const json_t *events) {
    struct session *session = stream->session;
    uint64_t now_ms = stream_now_ms();
    size_t i;
    const json_t *event;
    if (!session->client || now_ms - stream->names_ms < NODES_REFRESH_MS) return 0;
    json_array_foreach(events, i, event) {
        const char *id = json_get_hex(event, "node_id", NODE_DIGITS);
        if (!id || names_knows(&session->names, id)) continue;
        stream->names_ms = now_ms;
        return session_learn_names(session);
    }
    return 0;
}

static void see_time(struct stream *stream, const json_t *event) {
    uint64_t time_ns;
    if (!json_get_time(event, &time_ns)) return;
    if (time_ns >= stream->subscribed_ns) stream->shown.recent = 0;
    if (!stream->begin_ns) stream->begin_ns = time_ns;
    if (time_ns > stream->last_ns) stream->last_ns = time_ns;
}

/* Leaves out what was shown, and what is behind the last that is wanted.  Returns 0 with the events that are missing among them,
 * that no `events_lost` event tells; or -1. */
static int choose(struct stream *stream, json_t *params, uint64_t *ret_missed) {
    json_t *chosen = json_array(), *event;
    size_t i;
    int failed = chosen ? 0 : -ENOMEM;
    *ret_missed = 0;
    json_array_foreach(json_get_array(params, "events"), i, event) {
        struct shown_verdict verdict = {.show = false};
        if (failed || json_array_size(chosen) == stream->left) break;
        see_time(stream, event);
        failed = shown_take(&stream->shown, event, &verdict);
        *ret_missed += verdict.missed;
        if (!verdict.show) continue;
        if (event_is_gap(event)) stream->missed += json_get_count(json_object_get(event, "data"), "count");
        if (!failed) failed = json_array_append(chosen, event);
    }
    stream->clock_ns = clock_offset_ns();
    stream->left -= json_array_size(chosen);
    stream->missed += *ret_missed;
    if (!failed) failed = json_object_set(params, "events", chosen);
    json_decref(chosen);
    return failed ? session_out_of_memory(stream->session) : 0;
}

int stream_show(struct stream *stream, json_t *params) {
    struct session *session = stream->session;
    uint64_t lost = json_get_count(params, "lost"), missed;
    shown_explain(&stream->shown, lost);
    stream->missed += lost;
    if (choose(stream, params, &missed) || stream_missed(stream, missed, "gone", "they had left the history")) return -1;
    const json_t *events = json_get_array(params, "events");
    if (stream->json) {
        if (stream_missed(stream, lost, "slow", NULL) || session_json_lines(session, events)) return -1;
        return session_flush(session);
    }
    bool learned = !learn_new_names(stream, events); /* else what came is shown all the same */
    names_see(&session->names, events);
    render_events(&session->text, &session->view, params);
    return session_flush(session) || !learned ? -1 : 0;
}
