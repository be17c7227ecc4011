/* SPDX-License-Identifier: MIT
 *
 * The live stream.  Ctrl-C needs no handler, for nothing is kept back.
 *
 * When traced goes away the stream is taken up again from the next one, which reads the rings from their oldest event: it is asked
 * for what is not much older than the last event shown, what was shown is left out (resume.h), and what is missing is told. */
#include "commands.h"
#include "json_get.h"
#include "limits.h"
#include "live_stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

struct follow {
    struct session *session;
    struct stream stream;
    struct {
        uint64_t since_ms;       /* when traced went away */
        uint64_t due_ms;         /* when to tell what that cost; WAIT_FOREVER: it was told */
        uint64_t missed;         /* the stream's, until then */
        uint64_t hidden;         /* and since then, as far as our filter hides them */
        json_int_t subscription; /* for those; 0: none */
        char connected[48];
    } away;
};

/* ---- subscribing ---- */

static int subscribe_with(struct session *session, json_t *params, bool failed, json_int_t *ret_number) {
    json_t *result;
    if (!params || failed || json_object_set_new(params, "log", json_true())) {
        json_decref(params);
        return session_out_of_memory(session);
    }
    if (session_call(session, "subscribe", params, &result)) return -1;
    if (ret_number) *ret_number = (json_int_t)json_get_count(result, "subscription");
    json_decref(result);
    client_watch_output(session->client, session->fd);
    return 0;
}

static int subscribe(struct follow *follow) {
    struct session *session = follow->session;
    uint64_t recent = option_number(session->options, OPTION_RECENT, 0);
    struct timespec now;
    json_t *params, *nodes;
    if (session_call(session, "nodes", NULL, &nodes)) return -1;
    int result = stream_begin(&follow->stream, nodes);
    json_decref(nodes);
    if (result) return -1;
    params = session_filter_new(session);
    result = recent ? json_object_set_new(params, "recent", json_integer((json_int_t)recent)) : 0;
    if (subscribe_with(session, params, result != 0, NULL)) return -1;
    clock_gettime(CLOCK_REALTIME, &now);
    follow->stream.subscribed_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    return 0;
}

/* Again.  A filter hides the losses: they have a stream of their own until they are told. */
static int subscribe_again(struct follow *follow) {
    struct session *session = follow->session;
    const char *node = session->options->texts[OPTION_NODE];
    json_int_t from_us = (json_int_t)(stream_resume_ns(&follow->stream) / 1000);
    json_t *params = session_filter_new(session);
    follow->away.subscription = 0;
    if (subscribe_with(session, params, json_object_set_new(params, "from", json_integer(from_us)) != 0, NULL)) return -1;
    if (follow->stream.shown.whole) return 0;
    params = json_pack("{s:s, s:I}", "kind", "events_lost", "from", from_us);
    return subscribe_with(session, params, node && json_object_set_new(params, "node_id", json_string(node)),
                          &follow->away.subscription);
}

/* ---- after traced was away ---- */

/* Losses of the rings, of a stream whose filter hides them: some of these events may not have matched. */
static int count_hidden(struct follow *follow, json_t *params) {
    size_t i;
    json_t *event;
    json_array_foreach(json_get_array(params, "events"), i, event) {
        uint64_t count;
        if (shown_count_hidden(&follow->stream.shown, event, &count)) return session_out_of_memory(follow->session);
        follow->away.hidden += count;
    }
    return 0;
}

/* Says what the time without traced has cost, as far as it is known. */
static int tell_away(struct follow *follow) {
    struct session *session = follow->session;
    bool hides = follow->away.subscription != 0;
    uint64_t missed = follow->stream.missed - follow->away.missed + follow->away.hidden;
    char line[160];
    json_t *result;
    follow->away.due_ms = WAIT_FOREVER;
    if (hides) {
        json_t *params = json_pack("{s:I}", "subscription", follow->away.subscription);
        if (session_call(session, "unsubscribe", params, &result)) return -1;
        json_decref(result);
        if (stream_missed(&follow->stream, follow->away.hidden, STREAM_HIDDEN) || session_flush(session)) return -1;
    }
    if (missed)
        snprintf(line, sizeof line, "%s; missed%s %" PRIu64 " event%s", follow->away.connected, hides ? " at most" : "", missed,
                 missed == 1 ? "" : "s");
    else
        snprintf(line, sizeof line, "%s; missed nothing", follow->away.connected);
    session_note(line);
    return 0;
}

/* Connects again after traced went away, also when it goes away again at once: one that ends still accepts.  For ever, or within --wait;
 * and within what is left of --for.  Returns 1 when connected, 0 when the time of --for is over, -1 on failure. */
static int reconnect(struct follow *follow) {
    struct session *session = follow->session;
    uint64_t wait_ms = option_number(session->options, OPTION_WAIT, WAIT_FOREVER), deadline_ms = follow->stream.deadline_ms;
    if (follow->away.due_ms == WAIT_FOREVER) {
        follow->away.missed = follow->stream.missed;
        follow->away.hidden = 0;
        shown_begin_hidden(&follow->stream.shown);
        follow->away.since_ms = stream_now_ms();
    }
    session_note("traced went away; waiting for it to come back");
    do {
        uint64_t now_ms = stream_now_ms(), left_ms = WAIT_FOREVER;
        if (deadline_ms != WAIT_FOREVER) left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
        client_close(session->client);
        session->client = NULL;
        if (client_open(&session->client, session->path, left_ms < wait_ms ? left_ms : wait_ms, &session->failure))
            return left_ms < wait_ms && session->failure.disconnected ? 0 : -1;
        shown_next_stream(&follow->stream.shown);
        if (!subscribe_again(follow)) {
            now_ms = stream_now_ms();
            snprintf(follow->away.connected, sizeof follow->away.connected, "connected again after %.1f s",
                     (double)(now_ms - follow->away.since_ms) / 1e3);
            follow->away.due_ms = now_ms + FOLLOW_TOLD_MS;
            return 1;
        }
        client_pause(session->client, CONNECT_RETRY_MS);
    } while (session->failure.disconnected);
    return -1;
}

/* ---- the whole ---- */

static int take(struct follow *follow, json_t *params) {
    json_int_t subscription = json_integer_value(json_object_get(params, "subscription"));
    bool hidden = follow->away.subscription && subscription == follow->away.subscription;
    return hidden ? count_hidden(follow, params) : stream_show(&follow->stream, params);
}

/* Until the end that was asked for: 0; or a failure: -1. */
static int watch(struct follow *follow) {
    struct session *session = follow->session;
    const struct stream *stream = &follow->stream;
    while (stream->left) {
        json_t *params;
        uint64_t until_ms = follow->away.due_ms < stream->deadline_ms ? follow->away.due_ms : stream->deadline_ms;
        int result = client_next(session->client, "events", until_ms, &params, &session->failure);
        if (result < 0) return -1;
        if (result == 0 && (until_ms == stream->deadline_ms || client_output_gone(session->client))) return 0;
        if (result > 0) {
            result = take(follow, params);
            json_decref(params);
            if (result) return -1;
        }
        if (stream_now_ms() >= follow->away.due_ms && tell_away(follow)) return -1;
    }
    return 0;
}

static int follow_from_here(struct follow *follow) {
    struct session *session = follow->session;
    bool end_with_traced = option_given(session->options, OPTION_WAIT) && !session->options->numbers[OPTION_WAIT];
    int result = subscribe(follow);
    if (!result) result = watch(follow);
    while (result && session->failure.disconnected && session->client && !end_with_traced) {
        result = reconnect(follow);
        if (result <= 0) return result;
        result = watch(follow);
    }
    return result;
}

int run_follow(struct session *session) {
    struct follow follow = {.session = session, .away = {.due_ms = WAIT_FOREVER}};
    if (stream_init(&follow.stream, session)) return -1;
    int result = follow_from_here(&follow);
    stream_fini(&follow.stream);
    return result;
}
