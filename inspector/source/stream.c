/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include "event_list.h"
#include "json_get.h"

#include <errno.h>
#include <libtrace/clock.h>
#include <proto/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The system time was set, rather than slewed, when it moved by more than this against CLOCK_MONOTONIC. */
#define CLOCK_STEP_NS 1000000

/* Reads both clocks together: reading one a moment after the other could look like a step. */
static int64_t clock_offset_ns(void) {
    struct trace_clock_sample now = trace_clock_read();
    return (int64_t)(now.unix_ns - now.monotonic_ns);
}

/* ---- the beginning ---- */

/* With no filter except by node, a jump in a lane's positions is a loss. */
static bool is_whole(const json_t *params) {
    return !json_object_get(params, "kind") && !json_object_get(params, "peer_id") && !json_object_get(params, "trace_id") &&
           !json_object_get(params, "filter");
}

static int stream_follow(struct stream *stream, json_t *params_new, bool failed, int64_t *ret_number) {
    if (params_new && !failed && !json_object_set_new(params_new, "log", json_true()))
        return source_follow(stream->source, params_new, ret_number, stream->failure);
    json_decref(params_new);
    return failure_out_of_memory(stream->failure);
}

int stream_init(struct stream *stream, struct source *source, const struct stream_wish *wish, json_t **ret_nodes,
                struct failure *failure) {
    bool from_past = wish->recent || json_object_get(wish->params_new, "from");
    bool shipped = source->ops->can & SOURCE_SHIPPED;
    json_t *nodes = NULL, *params;
    *stream = (struct stream){.source = source,
                              .failure = failure,
                              .params = wish->params_new,
                              .left = wish->events_max,
                              .deadline_ms = wish->deadline_ms,
                              .wait_ms = wish->wait_ms,
                              .away.due_ms = WAIT_FOREVER,
                              .note_ms = WAIT_FOREVER,
                              .subscribed_ns = UINT64_MAX,
                              .note = wish->note};
    if (resume_init(&stream->resume, is_whole(stream->params), wish->recent)) return failure_out_of_memory(failure);
    stream->resume.repeats = shipped;
    if (source_ask(source, "nodes", NULL, NULL, &nodes, failure)) return -1;
    *ret_nodes = nodes;
    stream->begin_ns = from_past ? 0 : trace_now_unix_ns();
    params = json_copy(stream->params);
    int failed = resume_know_logs(&stream->resume, nodes);
    if (wish->recent) failed |= json_object_set_new(params, "recent", json_integer((json_int_t)wish->recent));
    if (!stream_follow(stream, params, failed != 0, NULL)) {
        if (!shipped) stream->subscribed_ns = trace_now_unix_ns(); /* else the clocks are those of other machines */
        if (wish->note && !(source->ops->can & SOURCE_PAST)) stream->note_ms = trace_now_monotonic_ms() + CALL_NOTE_MS;
        return 0;
    }
    *ret_nodes = NULL;
    json_decref(nodes);
    return -1;
}

void stream_fini(struct stream *stream) {
    for (unsigned i = 0; i < stream->queued; i++) json_decref(stream->queue[i].news.value);
    resume_fini(&stream->resume);
    json_decref(stream->params);
}

/* ---- what is delivered ---- */

static void queue_add(struct stream *stream, enum source_event event, struct source_news news) {
    stream->queue[stream->queued].event = event;
    stream->queue[stream->queued++].news = news;
}

static enum source_event queue_take(struct stream *stream, struct source_news *ret_news) {
    enum source_event event = stream->queue[0].event;
    *ret_news = stream->queue[0].news;
    memmove(stream->queue, stream->queue + 1, --stream->queued * sizeof *stream->queue);
    return event;
}

static void note_time(struct stream *stream, const json_t *event) {
    uint64_t time_ns;
    if (!json_get_time(event, &time_ns)) return;
    if (time_ns >= stream->subscribed_ns) stream->resume.recent = 0;
    if (!stream->begin_ns) stream->begin_ns = time_ns;
    if (time_ns > stream->last_ns) stream->last_ns = time_ns;
}

/* Queues the events that were not delivered before, up to the number wanted, and ahead of them a gap for those that are missing
 * and that no `events_lost` event reports.  Steals events_new. */
static enum source_event take_events(struct stream *stream, json_t *events_new) {
    json_t *chosen = json_array(), *event;
    uint64_t missed = 0;
    size_t i;
    int failed = chosen ? 0 : -ENOMEM;
    json_array_foreach(events_new, i, event) {
        struct resume_verdict verdict = {.deliver = false};
        if (failed || json_array_size(chosen) == stream->left) break;
        note_time(stream, event);
        failed = resume_accept(&stream->resume, event, &verdict);
        missed += verdict.missed;
        if (!verdict.deliver) continue;
        if (event_is_gap(event)) stream->missed += json_get_count(json_object_get(event, "data"), "count");
        if (!failed) failed = json_array_append(chosen, event);
    }
    stream->clock_ns = clock_offset_ns();
    json_decref(events_new);
    if (failed) {
        json_decref(chosen);
        failure_out_of_memory(stream->failure);
        return SOURCE_FAILED;
    }
    stream->left -= json_array_size(chosen);
    if (json_array_size(chosen)) stream->note_ms = WAIT_FOREVER;
    stream->missed += missed;
    if (missed) queue_add(stream, SOURCE_GAP, (struct source_news){.count = missed, .why = GAP_GONE});
    queue_add(stream, SOURCE_EVENTS, (struct source_news){.value = chosen});
    return SOURCE_EVENTS;
}

/* Losses in the rings that our filter hides: perhaps not all of these events would have matched.  Steals events_new. */
static enum source_event take_hidden(struct stream *stream, json_t *events_new) {
    size_t i;
    json_t *event;
    int failed = 0;
    json_array_foreach(events_new, i, event) {
        uint64_t count = 0;
        failed |= resume_count_hidden(&stream->resume, event, &count);
        stream->away.hidden += count;
    }
    json_decref(events_new);
    if (!failed) return SOURCE_EVENTS;
    failure_out_of_memory(stream->failure);
    return SOURCE_FAILED;
}

static enum source_event take_gap(struct stream *stream, const struct source_news *news) {
    if (news->why == GAP_SLOW) resume_explain(&stream->resume, news->count);
    if (news->why != GAP_HIDDEN) stream->missed += news->count;
    struct source_news gap = *news;
    gap.at_most = news->why == GAP_SLOW && !stream->resume.whole; /* traced did not ask the filter about them */
    queue_add(stream, SOURCE_GAP, gap);
    return SOURCE_GAP;
}

/* ---- while the source is away ---- */

int stream_lost(struct stream *stream) {
    if (!stream->failure->disconnected || !stream->wait_ms) return -1;
    if (!stream->away.any) {
        stream->away.any = true;
        stream->away.missed = stream->missed;
        stream->away.hidden = 0;
        stream->away.since_ms = trace_now_monotonic_ms();
        resume_start_hidden(&stream->resume);
    }
    stream->away.is = true;
    stream->away.last_ms = trace_now_monotonic_ms();
    stream->away.due_ms = WAIT_FOREVER;
    queue_add(stream, SOURCE_AWAY, (struct source_news){0});
    return 0;
}

/* The time to resume from.  If the system time was set meanwhile, events of the same moment have another time. */
static uint64_t resume_ns(const struct stream *stream) {
    int64_t stepped = stream->last_ns ? clock_offset_ns() - stream->clock_ns : 0;
    uint64_t back_ns = FOLLOW_BACK_S * UINT64_C(1000000000), from = stream->last_ns > back_ns ? stream->last_ns - back_ns : 0;
    if (llabs(stepped) < CLOCK_STEP_NS) stepped = 0;
    if (from < stream->begin_ns) from = stream->begin_ns;
    return from + (uint64_t)stepped;
}

static int follow_again(struct stream *stream) {
    json_t *params = json_copy(stream->params), *node = json_object_get(stream->params, "node_id");
    json_int_t from_us = (json_int_t)(resume_ns(stream) / 1000);
    stream->away.number = 0;
    if (stream_follow(stream, params, json_object_set_new(params, "from", json_integer(from_us)) != 0, NULL)) return -1;
    if (stream->resume.whole || !(stream->source->ops->can & SOURCE_STREAMS)) return 0;
    params = json_pack("{s:s, s:I}", "kind", "events_lost", "from", from_us);
    return stream_follow(stream, params, node && json_object_set(params, "node_id", node), &stream->away.number);
}

int stream_end(struct stream *stream) {
    const char *title = stream->source->title;
    int stopped = (int)source_stopped(stream->source);
    if (stream->away.is)
        return failure_set(stream->failure, EXIT_NOT_THERE,
                           "%s did not come back before the end of --for: what happened since it went away is missing", title);
    if (stopped)
        return failure_set(stream->failure, EXIT_NOT_THERE,
                           "%s (process %d) is stopped until `kill -CONT %d`: what happened since it stopped is missing", title,
                           stopped, stopped);
    return 0;
}

uint64_t stream_wait_ms(const struct stream *stream) {
    uint64_t now_ms = trace_now_monotonic_ms(), left_ms = WAIT_FOREVER;
    if (stream->deadline_ms != WAIT_FOREVER) left_ms = stream->deadline_ms > now_ms ? stream->deadline_ms - now_ms : 0;
    return left_ms < stream->wait_ms ? left_ms : stream->wait_ms;
}

bool stream_waits_on(const struct stream *stream, uint64_t patience_ms) {
    return stream->away.is && stream->failure->disconnected && trace_now_monotonic_ms() - stream->away.last_ms < patience_ms;
}

/* Reopens the source.  It can go away again at once, because a traced that is shutting down still accepts connections. */
static enum source_event come_back(struct stream *stream, struct source_news *ret_news) {
    for (;;) {
        uint64_t wait_ms = stream_wait_ms(stream);
        if (source_reopen(stream->source, wait_ms, stream->failure)) {
            if (wait_ms < stream->wait_ms && stream->failure->disconnected) (void)stream_end(stream);
            return SOURCE_FAILED;
        }
        if (!(stream->source->ops->can & SOURCE_SHIPPED)) resume_next_stream(&stream->resume); /* else it is still the same */
        if (!follow_again(stream)) break;
        if (!stream->failure->disconnected) return SOURCE_FAILED;
        if (source_pause(stream->source, CONNECT_RETRY_MS)) return SOURCE_OUTPUT_GONE;
    }
    stream->away.is = false;
    stream->away.back_ms = trace_now_monotonic_ms();
    stream->away.due_ms = stream->away.back_ms + FOLLOW_SETTLE_MS;
    ret_news->away_ms = stream->away.back_ms - stream->away.since_ms;
    return SOURCE_RESTARTED;
}

/* Counts what was lost while the source was away, as far as that is known now. */
static enum source_event settle_away(struct stream *stream) {
    bool hides = stream->away.number != 0;
    uint64_t hidden = stream->away.hidden;
    if (hides) {
        json_t *result, *params = json_pack("{s:I}", "subscription", (json_int_t)stream->away.number);
        if (source_ask(stream->source, "unsubscribe", params, NULL, &result, stream->failure)) return SOURCE_FAILED;
        json_decref(result);
    }
    queue_add(stream, SOURCE_SETTLED,
              (struct source_news){.count = stream->missed - stream->away.missed + hidden,
                                   .at_most = hides,
                                   .away_ms = stream->away.back_ms - stream->away.since_ms});
    if (hidden) queue_add(stream, SOURCE_GAP, (struct source_news){.count = hidden, .why = GAP_HIDDEN});
    stream->away = (struct stream_away){.due_ms = WAIT_FOREVER, .number = stream->away.number};
    return SOURCE_SETTLED;
}

/* ---- the stream ---- */

/* Tells the user, once, why nothing happens. */
static void note_quiet(struct stream *stream) {
    char text[320];
    int stopped = (int)source_stopped(stream->source);
    if (stopped)
        snprintf(text, sizeof text, "%s (process %d) is stopped, and sends nothing until `kill -CONT %d` (Ctrl-C ends the wait)",
                 stream->source->title, stopped, stopped);
    else
        snprintf(text, sizeof text, "no matching event yet; waiting for one (Ctrl-C ends the wait)");
    stream->note_ms = WAIT_FOREVER;
    stream->note(text);
}

/* Waits for the source and queues what comes.  Returns what happened: FAILED, an event that is now in the queue, or one that is
 * not the stream's own, with *ret_news. */
static enum source_event stream_wait(struct stream *stream, uint64_t deadline_ms, struct source_news *ret_news) {
    uint64_t until_ms = deadline_ms < stream->deadline_ms ? deadline_ms : stream->deadline_ms;
    struct source_news news;
    if (stream->away.due_ms < until_ms) until_ms = stream->away.due_ms;
    if (stream->note_ms < until_ms) until_ms = stream->note_ms;
    enum source_event event = source_next(stream->source, until_ms, &news, stream->failure);
    bool hidden = stream->away.number && news.number == stream->away.number;
    switch (event) {
    case SOURCE_EVENTS:
        if (news.in_order) stream->resume.recent = 0;
        return hidden ? take_hidden(stream, news.value) : take_events(stream, news.value);
    case SOURCE_GAP: return hidden ? event : take_gap(stream, &news);
    default: *ret_news = news; return event;
    }
}

enum source_event stream_next(struct stream *stream, uint64_t deadline_ms, struct source_news *ret_news) {
    for (;;) {
        enum source_event event = SOURCE_TIME;
        if (stream->queued) return queue_take(stream, ret_news);
        if (!stream->left) return SOURCE_ENDED;
        if (stream->away.is) return come_back(stream, ret_news);
        if (stream->looked && trace_now_monotonic_ms() >= stream->deadline_ms) { /* also under load */
            if (!stream->away.any) return stream_end(stream) ? SOURCE_FAILED : SOURCE_ENDED;
            stream->away.due_ms = 0; /* what it missed is reported before it ends */
        }
        if (trace_now_monotonic_ms() >= stream->away.due_ms)
            event = settle_away(stream);
        else
            event = stream_wait(stream, deadline_ms, ret_news);
        stream->looked |= event != SOURCE_NOTE; /* a note is about the events that follow it */
        uint64_t now_ms = trace_now_monotonic_ms();
        if (stream->queued) continue;
        if (event == SOURCE_TIME && now_ms >= stream->note_ms) note_quiet(stream);
        if (event == SOURCE_FAILED && stream_lost(stream)) return event;
        if (event == SOURCE_TIME && (now_ms < deadline_ms || now_ms >= stream->deadline_ms)) continue;
        if (event == SOURCE_TIME || event == SOURCE_NOTE || event == SOURCE_ENDED || event == SOURCE_OUTPUT_GONE) return event;
    }
}
