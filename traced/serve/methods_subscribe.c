/* SPDX-License-Identifier: MIT
 *
 * `subscribe` and `unsubscribe`. */
#include "methods.h"
#include "traced_limits.h"

#include <errno.h>
#include <store/event_params.h>
#include <store/grace.h>
#include <store/time_param.h>

static int fail_memory(struct call *call) { return trace_rpc_fail(&call->ask.error, TRACE_RPC_INTERNAL, NULL, "out of memory"); }

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
    if (from && recent) return trace_rpc_fail_param(&call->ask.error, "from", "from and recent exclude each other");
    struct subscription *subscription = call->subscription = subscription_create(with_log);
    if (!subscription) return fail_memory(call);
    subscription->work = call->ask.work;
    if (event_params_read(call->ask.store, &params, true, now_ns, &subscription->filter, &call->ask.error)) return -1;
    event_filter_count(&subscription->filter, &subscription->work);
    subscription->filter.query.from_ns = from_ns;
    grace_read_lock();
    subscription->position = subscription->live = history_end_position(call->ask.store->history);
    subscription->kept_before = history_kept_before(call->ask.store->history, subscription->live);
    grace_read_unlock();
    int error = from ? subscription_begin_at(subscription, call->ask.store, from_ns) : 0;
    if (recent) error = subscription_find_recent(subscription, call->ask.store, (size_t)recent);
    if (error == -ENOMEM) return fail_memory(call);
    subscription->work = (struct history_work){0}; /* from here on it counts for the stream */
    return error;
}

/* Then it examines the whole history. */
bool methods_subscribe_is_long(const struct call *call) {
    return json_object_get(call->ask.params, "recent") || json_object_get(call->ask.params, "from");
}

/* ---- the loop's thread -------------------------------------------------------------------------------------------------- */

int methods_subscribe_finish(struct call *call) {
    struct subscription *subscription = call->subscription;
    if (call->subscriptions->count >= LIMIT_SUBSCRIPTIONS) {
        call->clients->counters.limits.subscriptions++;
        return trace_rpc_fail(&call->ask.error, TRACE_RPC_LIMIT, json_pack("{si}", "limit", LIMIT_SUBSCRIPTIONS),
                              "a connection has at most %d subscriptions", LIMIT_SUBSCRIPTIONS);
    }
    call->subscription = NULL;
    subscriptions_add(call->subscriptions, subscription);
    return ask_answer(&call->ask, json_pack("{sI}", "subscription", (json_int_t)subscription->number));
}

int methods_unsubscribe(struct call *call) {
    int64_t number = 0;
    const struct trace_rpc_param list[] = {
        {"subscription", TRACE_RPC_INTEGER, .required = true, .integer = &number, .min = 1, .max = INT64_MAX}};
    if (trace_rpc_params_read(call->ask.params, list, 1, &call->ask.error)) return -1;
    if (!subscriptions_remove(call->subscriptions, number))
        return trace_rpc_fail(&call->ask.error, TRACE_RPC_NOT_FOUND, json_pack("{ss}", "param", "subscription"),
                              "this connection has no subscription %lld", (long long)number);
    return ask_answer(&call->ask, json_true());
}
