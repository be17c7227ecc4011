/* SPDX-License-Identifier: MIT
 *
 * See subscribe.h; and the methods `subscribe` and `unsubscribe`. */
#include "subscribe.h"
#include "connection.h"
#include "limits.h"
#include "methods.h"

#include <errno.h>
#include <proto/event_json.h>
#include <stdlib.h>
#include <store/answer.h>
#include <store/event_params.h>
#include <store/time_param.h>
#include <store/value.h>
#include <string.h>
#include <urcu.h>

void subscription_destroy(struct subscription *subscription) {
    if (!subscription) return;
    free(subscription->recent);
    event_filter_fini(&subscription->filter);
    free(subscription);
}

size_t subscription_held(const struct subscription *subscription) {
    return subscription->recent_count * sizeof *subscription->recent;
}

/* Room for the end of a notification, its newline included. */
#define NOTIFICATION_TAIL 64

static void begin_notification(struct trace_text *out, int64_t number) {
    trace_rpc_begin_notification(out, "events");
    trace_text_puts(out, "{\"subscription\":");
    value_put_unsigned(out, (uint64_t)number);
    trace_text_puts(out, ",\"events\":[");
}

static void end_notification(struct trace_text *out, uint64_t lost) {
    trace_text_puts(out, "],\"lost\":");
    value_put_unsigned(out, lost);
    trace_text_puts(out, "}");
    trace_rpc_end(out);
    trace_text_puts(out, "\n");
}

/* ---- recent: on a pool thread ------------------------------------------------------------------------------------------- */

/* Finds the newest `count` matching events before the position where the stream goes on: nothing missing between the two, and
 * nothing twice.  Only their places are kept: a client that does not read holds no more than that of 10,000 events. */
static int find_recent(struct store *store, struct subscription *subscription, size_t count) {
    struct history_answer answer;
    uint64_t set[NODES_SET_WORDS];
    struct event_filter filter = subscription->filter; /* the stream's own is not narrowed: names may come to mean more */
    event_filter_prepare(&filter, store, set);
    int error = history_select(store->history, &filter.query, 0, subscription->position, count, true, NULL, &answer);
    if (error) return error;
    subscription->recent_count = answer.count;
    subscription->recent = answer.count ? calloc(answer.count, sizeof *subscription->recent) : NULL;
    for (size_t i = 0; subscription->recent && i < answer.count; i++)
        subscription->recent[i] = answer.hits[answer.count - 1 - i].position;
    history_answer_fini(&answer);
    return subscription->recent_count && !subscription->recent ? -ENOMEM : 0;
}

/* Events looked at under one hold of the RCU read lock. */
#define SKIP_PER_LOCK 4096

/* Where a stream from a time on begins: at the first event in the order of the stream that is not older.  Older ones may
 * follow, and the filter leaves them out; to begin at the oldest event instead would tell as missed what is evicted meanwhile,
 * and was not meant. */
static uint64_t position_from(const struct history *history, uint64_t from_ns) {
    const struct trace_event *event = NULL;
    uint64_t position = 0;
    for (bool found = false; !found;) {
        rcu_read_lock();
        uint64_t begin = history_begin_position(history), end = history_end_position(history);
        if (position < begin) position = begin;
        uint64_t stop = end - position > SKIP_PER_LOCK ? position + SKIP_PER_LOCK : end;
        for (history_source source; position < stop && !found; position += !found) {
            event = history_at(history, position, &source);
            found = event && event->timestamp >= from_ns;
        }
        found |= position == end;
        rcu_read_unlock();
    }
    return position;
}

int methods_subscribe_work(struct call *call) {
    struct event_params params = {0};
    int64_t recent = 0;
    json_t *from = NULL;
    bool with_log = false;
    uint64_t from_ns = 0, now_ns = store_now_ns(call->ask.store);
    const struct trace_rpc_param list[] = {
        EVENT_PARAMS(&params),
        {"recent", TRACE_RPC_INTEGER, .integer = &recent, .min = 0, .max = STORE_EVENTS_MAX},
        {"from", TRACE_RPC_TIME, .json = &from},
        {"log", TRACE_RPC_BOOLEAN, .boolean = &with_log},
    };
    if (trace_rpc_params_read(call->ask.params, list, sizeof list / sizeof *list, &call->ask.error) ||
        time_param_read("from", from, now_ns, &from_ns, &call->ask.error))
        return -1;
    if (from && recent) return trace_rpc_fail_param(&call->ask.error, "from", "from: either this or recent");
    struct subscription *subscription = calloc(1, sizeof *subscription);
    if (!subscription) return trace_rpc_fail(&call->ask.error, TRACE_RPC_INTERNAL, NULL, "out of memory");
    call->subscription = subscription;
    subscription->number = call->subscription_next;
    subscription->with_log = with_log;
    if (event_params_read(call->ask.store, &params, true, now_ns, &subscription->filter, &call->ask.error)) return -1;
    subscription->filter.query.from_ns = from_ns;
    rcu_read_lock();
    subscription->position = history_end_position(call->ask.store->history);
    rcu_read_unlock();
    if (from) subscription->position = position_from(call->ask.store->history, from_ns);
    if (recent && find_recent(call->ask.store, subscription, (size_t)recent))
        return trace_rpc_fail(&call->ask.error, TRACE_RPC_INTERNAL, NULL, "out of memory");
    return 0;
}

/* ---- the loop's thread -------------------------------------------------------------------------------------------------- */

int methods_subscribe_finish(struct call *call) {
    struct connection *connection = call->connection;
    struct subscription *subscription = call->subscription;
    if (connection->subscription_count >= LIMIT_SUBSCRIPTIONS) {
        connection->server->counters.limits.subscriptions++;
        return trace_rpc_fail(&call->ask.error, TRACE_RPC_LIMIT, json_pack("{si}", "limit", LIMIT_SUBSCRIPTIONS),
                              "a connection has at most %d subscriptions", LIMIT_SUBSCRIPTIONS);
    }
    call->subscription = NULL; /* the client's from here on */
    struct subscription **last = &connection->subscriptions;
    while (*last) last = &(*last)->next;
    *last = subscription;
    connection->subscription_count++;
    connection->server->subscription_count++;
    connection->subscription_last = subscription->number;
    connection_hold(connection, (ptrdiff_t)subscription_held(subscription));
    return methods_answer(call, json_pack("{sI}", "subscription", (json_int_t)subscription->number));
}

int methods_unsubscribe(struct call *call) {
    int64_t number = 0;
    const struct trace_rpc_param list[] = {
        {"subscription", TRACE_RPC_INTEGER, .required = true, .integer = &number, .min = 1, .max = INT64_MAX}};
    if (trace_rpc_params_read(call->ask.params, list, 1, &call->ask.error)) return -1;
    struct connection *connection = call->connection;
    struct subscription **at = &connection->subscriptions;
    while (*at && (*at)->number != number) at = &(*at)->next;
    if (!*at)
        return trace_rpc_fail(&call->ask.error, TRACE_RPC_NOT_FOUND, json_pack("{ss}", "param", "subscription"),
                              "this connection has no subscription %lld", (long long)number);
    struct subscription *subscription = *at;
    *at = subscription->next;
    connection->subscription_count--;
    connection->server->subscription_count--;
    connection_hold(connection, -(ptrdiff_t)subscription_held(subscription));
    subscription_destroy(subscription);
    return methods_answer(call, json_true());
}

/* The next event: of those that come first, else of the stream.  NULL: there is none now, or it was evicted; then *dropped has
 * grown. */
static const struct trace_event *next_event(struct subscription *subscription, const struct history *history, uint64_t end,
                                            uint64_t *dropped, history_source *ret_source) {
    bool recent = subscription->recent_next < subscription->recent_count;
    if (!recent && subscription->position >= end) return NULL;
    uint64_t position = recent ? subscription->recent[subscription->recent_next] : subscription->position;
    const struct trace_event *event = history_at(history, position, ret_source);
    uint64_t begin = history_begin_position(history);
    if (!event && begin <= position) return NULL; /* not there yet: the next round sees it */
    if (recent)
        subscription->recent_next++;
    else
        subscription->position = event ? position + 1 : begin;
    if (!event) *dropped += recent ? 1 : begin - position;
    return event;
}

/* Looks at up to *examine events and writes those that match, until the notification is full.  Returns how many it wrote. */
static uint32_t collect(struct subscription *subscription, struct store *store, struct trace_text *out, uint32_t *examine,
                        uint64_t *ret_dropped, bool *ret_caught_up) {
    uint32_t written = 0;
    uint64_t dropped = 0;
    rcu_read_lock();
    uint64_t end = history_end_position(store->history);
    while (*examine && written < LIMIT_NOTIFY_EVENTS &&
           out->bytes + TRACE_EVENT_JSON_MAX + NOTIFICATION_TAIL <= LIMIT_NOTIFY_BYTES && !out->failed) {
        history_source source;
        uint64_t dropped_before = dropped;
        const struct trace_event *event = next_event(subscription, store->history, end, &dropped, &source);
        if (!event && dropped == dropped_before) break;
        --*examine;
        if (!event || !event_filter_match(&subscription->filter, store, event, source)) continue;
        size_t before = out->bytes;
        if (written) trace_text_add(out, ",", 1);
        if (answer_event(store, out, event, source, subscription->with_log))
            written++;
        else
            out->bytes = before;
    }
    *ret_caught_up = subscription->recent_next == subscription->recent_count && subscription->position >= end;
    rcu_read_unlock();
    *ret_dropped = dropped;
    return written;
}

/* Those that come first are all sent. */
static void forget_recent(struct subscription *subscription, struct connection *connection) {
    connection_hold(connection, -(ptrdiff_t)subscription_held(subscription));
    free(subscription->recent);
    subscription->recent = NULL;
    subscription->recent_count = subscription->recent_next = 0;
}

bool subscription_pump(struct subscription *subscription, struct connection *connection, uint32_t *budget) {
    struct server *server = connection->server;
    uint32_t share = *budget < LIMIT_PUMP_SUBSCRIPTION ? *budget : LIMIT_PUMP_SUBSCRIPTION, examine = share;
    bool caught_up = false;
    if (!subscription->announced) return false;
    event_filter_refresh(&subscription->filter);
    while (!caught_up && examine && connection_takes_news(connection)) {
        struct trace_text *out = &server->scratch;
        uint64_t dropped;
        trace_text_clear(out);
        begin_notification(out, subscription->number);
        uint32_t written = collect(subscription, &server->service->store, out, &examine, &dropped, &caught_up);
        subscription->lost += dropped;
        server->counters.events_dropped += dropped;
        if (!written && !subscription->lost) continue;
        if (!written && !caught_up) continue; /* the loss is told with the next event, or at the end */
        end_notification(out, subscription->lost);
        subscription->lost = 0;
        server->counters.events_notified += written;
        if (out->failed)
            connection_close(connection); /* out of memory: better no stream than one with holes that it does not tell */
        else
            connection_send(connection, out->data, out->bytes);
    }
    if (subscription->recent && subscription->recent_next == subscription->recent_count) forget_recent(subscription, connection);
    *budget -= share - examine;
    return !caught_up && connection_takes_news(connection);
}
