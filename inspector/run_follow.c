/* SPDX-License-Identifier: MIT
 *
 * The live stream.  Every batch of events is written at once, whole lines only; Ctrl-C needs no handler for that reason. */
#include "commands.h"
#include "json_get.h"
#include "limits.h"

#include <string.h>

struct follow {
    struct session *session;
    uint64_t left;        /* events until --count */
    uint64_t deadline_ms; /* of --for, on the client's clock */
    uint64_t names_ms;    /* when the names were asked for */
    bool json;
};

/* Begins again after a lost connection: what the history has was shown before. */
static int subscribe(struct follow *follow, bool again) {
    struct session *session = follow->session;
    json_t *result, *filter = session_filter_new(session);
    uint64_t recent = again ? 0 : option_number(session->options, OPTION_RECENT, 0);
    if (!filter || (recent && json_object_set_new(filter, "recent", json_integer((json_int_t)recent)))) {
        json_decref(filter);
        return session_out_of_memory(session);
    }
    if (session_call(session, "subscribe", filter, &result)) return -1;
    json_decref(result);
    client_watch_output(session->client, session->fd);
    return 0;
}

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

/* Drops the events behind the last that is wanted. */
static void cut(struct follow *follow, json_t *events) {
    while (json_array_size(events) > follow->left) json_array_remove(events, json_array_size(events) - 1);
    follow->left -= json_array_size(events);
}

static int show(struct follow *follow, json_t *params) {
    struct session *session = follow->session;
    json_t *events = json_object_get(params, "events");
    cut(follow, events);
    if (!follow->json) {
        if (learn_new_names(follow, events)) return -1;
        names_see(&session->names, events);
        render_events(&session->text, &session->view, params);
        return session_flush(session);
    }
    if (json_get_count(params, "lost")) {
        json_t *missed = json_pack("{s:I}", "missed", (json_int_t)json_get_count(params, "lost"));
        int result = missed ? session_json(session, missed) : session_out_of_memory(session);
        json_decref(missed);
        if (result) return -1;
    }
    return session_json_lines(session, json_is_array(events) ? events : NULL) ? -1 : session_flush(session);
}

/* Until the end that was asked for: 0; or a failure: -1. */
static int watch(struct follow *follow) {
    struct session *session = follow->session;
    while (follow->left) {
        json_t *params;
        int result = client_next(session->client, "events", follow->deadline_ms, &params, &session->failure);
        if (result <= 0) return result;
        result = show(follow, params);
        json_decref(params);
        if (result) return -1;
    }
    return 0;
}

/* Connects again after traced went away, also when it goes away again at once: one that ends still accepts.  Within --wait, and
 * within what is left of --for.  Returns 1 when connected, 0 when the time of --for is over, -1 on failure. */
static int reconnect(struct follow *follow) {
    struct session *session = follow->session;
    uint64_t wait_ms = option_number(session->options, OPTION_WAIT, 0);
    session_note("traced went away; waiting for it to come back");
    do {
        uint64_t now_ms = client_now_ms(session->client), left_ms = WAIT_FOREVER;
        if (follow->deadline_ms != WAIT_FOREVER) left_ms = follow->deadline_ms > now_ms ? follow->deadline_ms - now_ms : 0;
        client_close(session->client);
        session->client = NULL;
        if (client_open(&session->client, session->path, left_ms < wait_ms ? left_ms : wait_ms, &session->failure))
            return left_ms < wait_ms && session->failure.disconnected ? 0 : -1;
        if (!subscribe(follow, true)) {
            session_note("connected again; events in between are in the history, not here");
            return 1;
        }
        client_pause(session->client, CONNECT_RETRY_MS);
    } while (session->failure.disconnected);
    return -1;
}

int run_follow(struct session *session) {
    const struct options *options = session->options;
    struct follow follow = {.session = session,
                            .left = option_number(options, OPTION_COUNT, UINT64_MAX),
                            .deadline_ms = WAIT_FOREVER,
                            .json = option_given(options, OPTION_JSON)};
    if (!follow.json && session_learn_names(session)) return -1;
    follow.names_ms = client_now_ms(session->client);
    if (option_given(options, OPTION_FOR)) follow.deadline_ms = follow.names_ms + options->numbers[OPTION_FOR];
    if (subscribe(&follow, false)) return -1;
    if (!follow.json) render_events_titles(&session->text, &session->view);
    if (session_flush(session)) return -1;
    for (;;) {
        int result = watch(&follow);
        if (!result || !session->failure.disconnected || !option_given(options, OPTION_WAIT)) return result;
        result = reconnect(&follow);
        if (result <= 0) return result;
    }
}
