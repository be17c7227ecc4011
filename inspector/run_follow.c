/* SPDX-License-Identifier: MIT
 *
 * The live stream.  Every batch of events is written at once, whole lines only; Ctrl-C needs no handler for that reason.
 *
 * When traced goes away the stream is taken up again from the next one, which reads the rings from their oldest event: it is asked
 * for what is not much older than the last event shown, what was shown is left out (shown.h), and what is missing is told. */
#include "commands.h"
#include "events.h"
#include "json_get.h"
#include "limits.h"
#include "shown.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The clock that events have was set, and not slewed, when it moved by more than this against the other one. */
#define CLOCK_STEP_NS 1000000

struct follow {
    struct session *session;
    struct shown shown;
    uint64_t left;          /* events until --count */
    uint64_t deadline_ms;   /* of --for, on the client's clock */
    uint64_t names_ms;      /* when the names were asked for */
    uint64_t begin_ns;      /* Unix time: nothing before it is meant; 0: the first event will say */
    uint64_t subscribed_ns; /* events from then on do not belong to --recent */
    uint64_t last_ns;       /* of the newest event shown, */
    int64_t clock_ns;       /* and CLOCK_REALTIME - CLOCK_MONOTONIC then */
    bool json;
    struct {
        uint64_t since_ms;       /* when traced went away */
        uint64_t due_ms;         /* when to tell what that cost; WAIT_FOREVER: it was told */
        uint64_t missed;         /* since then */
        json_int_t subscription; /* for the losses that our filter hides; 0: none */
        char connected[48];
    } away;
};

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t clock_offset_ns(void) { return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC); }

/* ---- subscribing ---- */

/* Where to take the stream up again.  The new traced has events of the same moment at another time when the clock was set meanwhile. */
static uint64_t resume_ns(const struct follow *follow) {
    int64_t stepped = follow->last_ns ? clock_offset_ns() - follow->clock_ns : 0;
    if (llabs(stepped) < CLOCK_STEP_NS) stepped = 0;
    uint64_t back_ns = FOLLOW_BACK_S * UINT64_C(1000000000), from = follow->last_ns > back_ns ? follow->last_ns - back_ns : 0;
    if (from < follow->begin_ns) from = follow->begin_ns;
    return from + (uint64_t)stepped;
}

static int subscribe_with(struct follow *follow, json_t *params, bool failed, json_int_t *ret_number) {
    struct session *session = follow->session;
    json_t *result;
    if (!params || failed || json_object_set_new(params, "log", json_true())) {
        json_decref(params);
        return session_out_of_memory(session);
    }
    if (session_call(session, "subscribe", params, &result)) return -1;
    if (ret_number) *ret_number = (json_int_t)json_get_count(result, "subscription");
    json_decref(result);
    return 0;
}

static int subscribe(struct follow *follow) {
    struct session *session = follow->session;
    uint64_t recent = option_number(session->options, OPTION_RECENT, 0);
    bool in_history = recent || option_given(session->options, OPTION_FROM), failed = false;
    json_t *params, *nodes;
    if (session_call(session, "nodes", NULL, &nodes)) return -1;
    names_learn(&session->names, nodes);
    failed = shown_know_logs(&follow->shown, nodes) != 0;
    json_decref(nodes);
    follow->names_ms = client_now_ms(session->client);
    params = session_filter_new(session);
    if (recent) failed |= json_object_set_new(params, "recent", json_integer((json_int_t)recent)) != 0;
    follow->begin_ns = in_history ? 0 : (uint64_t)clock_ns(CLOCK_REALTIME);
    if (subscribe_with(follow, params, failed, NULL)) return -1;
    follow->subscribed_ns = (uint64_t)clock_ns(CLOCK_REALTIME);
    client_watch_output(session->client, session->fd);
    return 0;
}

/* Again.  A filter hides the losses: they have a stream of their own until they are told. */
static int subscribe_again(struct follow *follow) {
    struct session *session = follow->session;
    const char *node = session->options->texts[OPTION_NODE];
    json_int_t from_us = (json_int_t)(resume_ns(follow) / 1000);
    json_t *params = session_filter_new(session);
    follow->away.subscription = 0;
    if (subscribe_with(follow, params, json_object_set_new(params, "from", json_integer(from_us)) != 0, NULL)) return -1;
    client_watch_output(session->client, session->fd);
    if (follow->shown.whole) return 0;
    params = json_pack("{s:s, s:I}", "kind", "events_lost", "from", from_us);
    return subscribe_with(follow, params, node && json_object_set_new(params, "node_id", json_string(node)),
                          &follow->away.subscription);
}

/* ---- showing ---- */

/* New nodes appear while we watch: their names are asked for, but not for every event of a node that has none. */
static int learn_new_names(struct follow *follow, const json_t *events) {
    struct session *session = follow->session;
    uint64_t now_ms = client_now_ms(session->client);
    size_t i;
    const json_t *event;
    if (now_ms - follow->names_ms < NODES_REFRESH_MS) return 0;
    json_array_foreach(events, i, event) {
        const char *id = json_get_hex(event, "node_id", NODE_DIGITS);
        if (!id || names_knows(&session->names, id)) continue;
        follow->names_ms = now_ms;
        return session_learn_names(session);
    }
    return 0;
}

static void see_time(struct follow *follow, const json_t *event) {
    uint64_t time_ns;
    if (!json_get_time(event, &time_ns)) return;
    if (time_ns >= follow->subscribed_ns) follow->shown.recent = 0;
    if (!follow->begin_ns) follow->begin_ns = time_ns;
    if (time_ns > follow->last_ns) follow->last_ns = time_ns;
}

/* Leaves out what was shown, and what is behind the last that is wanted.  Returns 0 with the events that are missing among them,
 * that no `events_lost` event tells. */
static int choose(struct follow *follow, json_t *params, uint64_t *ret_missed) {
    json_t *chosen = json_array(), *event;
    size_t i;
    int failed = chosen ? 0 : -ENOMEM;
    *ret_missed = 0;
    json_array_foreach(json_get_array(params, "events"), i, event) {
        struct shown_verdict verdict = {.show = false};
        if (failed || json_array_size(chosen) == follow->left) break;
        see_time(follow, event);
        failed = shown_take(&follow->shown, event, &verdict);
        *ret_missed += verdict.missed;
        if (!verdict.show) continue;
        if (event_is_gap(event)) follow->away.missed += json_get_count(json_object_get(event, "data"), "count");
        if (!failed) failed = json_array_append(chosen, event);
    }
    follow->clock_ns = clock_offset_ns();
    follow->left -= json_array_size(chosen);
    follow->away.missed += *ret_missed;
    if (!failed) failed = json_object_set(params, "events", chosen);
    json_decref(chosen);
    return failed ? session_out_of_memory(follow->session) : 0;
}

/* Tells, in its place, that events are missing. */
static int put_missed(struct follow *follow, uint64_t count, const char *why, const char *sentence) {
    struct session *session = follow->session;
    if (!count) return 0;
    if (!follow->json) {
        render_missed(&session->text, &session->view, count, sentence);
        return 0;
    }
    json_t *missed = json_pack("{s:I, s:s}", "missed", (json_int_t)count, "why", why);
    int result = missed ? session_json(session, missed) : session_out_of_memory(session);
    json_decref(missed);
    return result;
}

static int show(struct follow *follow, json_t *params) {
    struct session *session = follow->session;
    uint64_t lost = json_get_count(params, "lost"), missed;
    shown_explain(&follow->shown, lost);
    follow->away.missed += lost;
    if (choose(follow, params, &missed) || put_missed(follow, missed, "gone", "they had left the history")) return -1;
    const json_t *events = json_get_array(params, "events");
    if (follow->json) {
        if (put_missed(follow, lost, "slow", NULL) || session_json_lines(session, events)) return -1;
        return session_flush(session);
    }
    if (learn_new_names(follow, events)) return -1;
    names_see(&session->names, events);
    render_events(&session->text, &session->view, params);
    return session_flush(session);
}

/* ---- after traced was away ---- */

/* Losses of the rings, of a stream whose filter hides them: some of these events may not have matched. */
static int count_hidden(struct follow *follow, json_t *params) {
    size_t i;
    json_t *event;
    json_array_foreach(json_get_array(params, "events"), i, event) {
        uint64_t count;
        if (shown_count_hidden(&follow->shown, event, &count)) return session_out_of_memory(follow->session);
        follow->away.missed += count;
    }
    return 0;
}

/* Says what the time without traced has cost, as far as it is known. */
static int tell_away(struct follow *follow) {
    struct session *session = follow->session;
    bool hidden = follow->away.subscription != 0;
    char line[160];
    json_t *result;
    follow->away.due_ms = WAIT_FOREVER;
    if (hidden) {
        json_t *params = json_pack("{s:I}", "subscription", follow->away.subscription);
        if (session_call(session, "unsubscribe", params, &result)) return -1;
        json_decref(result);
        if (put_missed(follow, follow->away.missed, "hidden", "some of them may not have matched") || session_flush(session))
            return -1;
    }
    if (follow->away.missed)
        snprintf(line, sizeof line, "%s; missed%s %" PRIu64 " event%s", follow->away.connected, hidden ? " at most" : "",
                 follow->away.missed, follow->away.missed == 1 ? "" : "s");
    else
        snprintf(line, sizeof line, "%s; missed nothing", follow->away.connected);
    session_note(line);
    return 0;
}

/* Connects again after traced went away, also when it goes away again at once: one that ends still accepts.  For ever, or within --wait;
 * and within what is left of --for.  Returns 1 when connected, 0 when the time of --for is over, -1 on failure. */
static int reconnect(struct follow *follow) {
    struct session *session = follow->session;
    uint64_t wait_ms = option_number(session->options, OPTION_WAIT, WAIT_FOREVER);
    if (follow->away.due_ms == WAIT_FOREVER) {
        follow->away.missed = 0;
        follow->away.since_ms = client_now_ms(session->client);
    }
    session_note("traced went away; waiting for it to come back");
    do {
        uint64_t now_ms = client_now_ms(session->client), left_ms = WAIT_FOREVER;
        if (follow->deadline_ms != WAIT_FOREVER) left_ms = follow->deadline_ms > now_ms ? follow->deadline_ms - now_ms : 0;
        client_close(session->client);
        session->client = NULL;
        if (client_open(&session->client, session->path, left_ms < wait_ms ? left_ms : wait_ms, &session->failure))
            return left_ms < wait_ms && session->failure.disconnected ? 0 : -1;
        shown_next_stream(&follow->shown);
        if (!subscribe_again(follow)) {
            now_ms = client_now_ms(session->client);
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

/* Until the end that was asked for: 0; or a failure: -1. */
static int watch(struct follow *follow) {
    struct session *session = follow->session;
    while (follow->left) {
        json_t *params;
        uint64_t until_ms = follow->away.due_ms < follow->deadline_ms ? follow->away.due_ms : follow->deadline_ms;
        int result = client_next(session->client, "events", until_ms, &params, &session->failure);
        if (result < 0) return -1;
        if (result == 0 && (until_ms == follow->deadline_ms || client_output_gone(session->client))) return 0;
        if (result > 0) {
            bool hidden = follow->away.subscription &&
                          json_integer_value(json_object_get(params, "subscription")) == follow->away.subscription;
            result = hidden ? count_hidden(follow, params) : show(follow, params);
            json_decref(params);
            if (result) return -1;
        }
        if (client_now_ms(session->client) >= follow->away.due_ms && tell_away(follow)) return -1;
    }
    return 0;
}

static int follow_from_here(struct follow *follow) {
    struct session *session = follow->session;
    bool end_with_traced = option_given(session->options, OPTION_WAIT) && !session->options->numbers[OPTION_WAIT];
    int result = subscribe(follow);
    if (!result && !follow->json) render_events_titles(&session->text, &session->view);
    if (!result) result = session_flush(session);
    if (!result) result = watch(follow);
    while (result && session->failure.disconnected && session->client && !end_with_traced) {
        result = reconnect(follow);
        if (result <= 0) return result;
        result = watch(follow);
    }
    return result;
}

int run_follow(struct session *session) {
    const struct options *options = session->options;
    bool whole = !options->texts[OPTION_KIND] && !options->texts[OPTION_PEER] && !options->texts[OPTION_TRACE];
    struct follow follow = {.session = session,
                            .left = option_number(options, OPTION_COUNT, UINT64_MAX),
                            .deadline_ms = WAIT_FOREVER,
                            .json = option_given(options, OPTION_JSON),
                            .away = {.due_ms = WAIT_FOREVER}};
    if (option_given(options, OPTION_FOR)) follow.deadline_ms = client_now_ms(session->client) + options->numbers[OPTION_FOR];
    if (shown_init(&follow.shown, whole, option_number(options, OPTION_RECENT, 0))) return session_out_of_memory(session);
    int result = follow_from_here(&follow);
    shown_fini(&follow.shown);
    return result;
}
