/* SPDX-License-Identifier: MIT
 *
 * See subscription.h. */
#include "subscription.h"
#include "traced_limits.h"

#include <errno.h>
#include <proto/event_json.h>
#include <proto/rpc.h>
#include <stdlib.h>
#include <store/answer.h>
#include <store/grace.h>
#include <store/value.h>

/* Room for the end of a notification, its newline included. */
#define NOTIFICATION_TAIL 64

/* Work, in the units of struct history_work: an event that is written. */
#define WORK_WRITE 400

struct subscription *subscription_create(bool with_log) {
    struct subscription *subscription = calloc(1, sizeof *subscription);
    if (!subscription) return NULL;
    subscription->with_log = with_log;
    return subscription;
}

/* ---- a filter is compiled again ------------------------------------------------------------------------------------------ */

struct subscription_renewal {
    struct job job;
    struct subscription *subscription; /* NULL: it was destroyed meanwhile and left its filter here */
    struct event_filter filter;
    uint64_t until; /* the subscription's then */
    struct event_filter_renewal *made;
    unsigned *under_way;
    void (*renewed)(void *arg);
    void *arg;
};

static void renewal_work(struct job *job) {
    struct subscription_renewal *renewal = (struct subscription_renewal *)job;
    store_enter_thread();
    renewal->made = event_filter_renew(&renewal->filter);
}

static void renewal_done(struct job *job, bool ran) {
    struct subscription_renewal *renewal = (struct subscription_renewal *)job;
    struct subscription *subscription = renewal->subscription;
    --*renewal->under_way;
    if (subscription) {
        subscription->renewal = NULL;
        bool known = ran && !event_filter_take(&subscription->filter, renewal->made);
        if (known) subscription->until = renewal->until;
        subscription->renewed = known;
        renewal->renewed(renewal->arg);
    } else {
        if (ran) (void)event_filter_take(&renewal->filter, renewal->made);
        event_filter_fini(&renewal->filter);
    }
    free(renewal);
}

/* Names in the filter mean what they mean now.  Returns whether they do. */
static bool renew_filter(struct subscription *subscription, const struct history *history, struct lanes *lanes,
                         unsigned *under_way, void (*renewed)(void *arg), void *arg) {
    struct event_filter *filter = &subscription->filter;
    if (subscription->renewal) return false;
    if (subscription->renewed) { /* even if others came meanwhile: they may never cease to come */
        subscription->renewed = false;
        return true;
    }
    /* The end comes first: what nodes and aliases precede an event is known before it is examined. */
    uint64_t until = history_end_position(history), work = event_filter_renewal_work(filter);
    if (work <= LIMIT_RENEW_WORK) {
        subscription->work.done += work;
        if (work && event_filter_take(filter, event_filter_renew(filter))) return false;
        subscription->until = until;
        return true;
    }
    struct subscription_renewal *renewal = *under_way < LIMIT_RENEWALS ? calloc(1, sizeof *renewal) : NULL;
    if (!renewal) return false;
    *renewal = (struct subscription_renewal){.job = {.work = renewal_work, .done = renewal_done},
                                             .subscription = subscription,
                                             .filter = *filter,
                                             .until = until,
                                             .under_way = under_way,
                                             .renewed = renewed,
                                             .arg = arg};
    if (lanes_submit(lanes, &renewal->job)) {
        free(renewal);
        return false;
    }
    ++*under_way;
    subscription->renewal = renewal;
    return false;
}

bool subscription_renew(struct subscription *subscription, const struct store *store, struct lanes *lanes, unsigned *under_way,
                        void (*renewed)(void *arg), void *arg) {
    return renew_filter(subscription, store->history, lanes, under_way, renewed, arg) &&
           !alias_picture_renew(store->aliases, &subscription->aliases) && !event_filter_renew_aliases(&subscription->filter);
}

void subscription_destroy(struct subscription *subscription) {
    if (!subscription) return;
    free(subscription->recent);
    alias_picture_release(subscription->aliases);
    if (subscription->renewal)
        subscription->renewal->subscription = NULL; /* which still uses our filter, and will free it */
    else
        event_filter_fini(&subscription->filter);
    free(subscription);
}

size_t subscription_held(const struct subscription *subscription) {
    return subscription->recent_count * sizeof *subscription->recent;
}

size_t subscription_forget_recent(struct subscription *subscription) {
    size_t held = subscription_held(subscription);
    free(subscription->recent);
    subscription->recent = NULL;
    subscription->recent_count = subscription->recent_next = 0;
    return held;
}

/* ---- where it begins ----------------------------------------------------------------------------------------------------- */

int subscription_find_recent(struct subscription *subscription, struct store *store, size_t count) {
    struct history_answer answer;
    uint64_t set[NODES_SET_WORDS];
    struct event_filter filter =
        subscription->filter; /* the stream's own is not narrowed, because names may match more nodes later */
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

/* Older ones may follow, and the filter drops them.  Starting at the oldest event instead would report irrelevant events as
 * missed if they are evicted meanwhile. */
int subscription_begin_at(struct subscription *subscription, const struct store *store, uint64_t from_ns) {
    const struct history *history = store->history;
    uint64_t position = 0;
    int error = 0;
    for (bool found = false; !found && !error;) {
        grace_read_lock();
        uint64_t begin = history_begin_position(history), end = history_end_position(history);
        if (position < begin) position = begin;
        uint64_t stop = end - position > SKIP_PER_LOCK ? position + SKIP_PER_LOCK : end;
        subscription->work.done += (stop - position) * HISTORY_WORK_EVENT;
        for (struct history_item item; position < stop && !found; position += !found)
            found = history_at(history, position, &item) && item.event->timestamp >= from_ns;
        found |= position == end;
        grace_read_unlock();
        error = history_work_check(&subscription->work);
    }
    subscription->position = position;
    return error;
}

/* ---- notifications -------------------------------------------------------------------------------------------------------- */

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

/* Moves to where the history begins now.  Returns how many events of the stream were missed. */
static uint64_t skip_evicted(struct subscription *subscription, const struct history *history) {
    uint64_t begin = history_begin_position(history), missed = begin - subscription->position;
    if (begin > subscription->live) {
        uint64_t kept_before = history_kept_before(history, begin);
        missed -= kept_before - subscription->kept_before;
        subscription->kept_before = kept_before;
    }
    subscription->position = begin;
    return missed;
}

/* Takes one step: to the next of the `recent` events, or else of the stream.  item->event becomes NULL if that has been evicted,
 * which is counted in *dropped, or already came at an earlier position.  Returns false if there is no step to take now. */
static bool next_event(struct subscription *subscription, const struct history *history, uint64_t end, uint64_t *dropped,
                       struct history_item *item) {
    bool recent = subscription->recent_next < subscription->recent_count;
    if (!recent && subscription->position >= end) return false;
    uint64_t position = recent ? subscription->recent[subscription->recent_next] : subscription->position;
    bool found = history_at(history, position, item), evicted = history_begin_position(history) > position;
    if (!found && !evicted) return false; /* not there yet: the next round will see it */
    if (!found) {
        item->event = NULL;
        *dropped += recent ? 1 : skip_evicted(subscription, history);
    } else if (!recent) {
        subscription->position++;
        if (item->kept && position >= subscription->live) {
            item->event = NULL;
            subscription->kept_before++;
        }
    }
    if (recent) subscription->recent_next++;
    return true;
}

/* Writes the events that match, until the notification is full or the work is done. */
static void write_matches(struct subscription *subscription, struct store *store, uint64_t work_max, struct trace_text *out,
                          struct subscription_news *news) {
    struct history_work *work = &subscription->work;
    uint64_t work_end = work->done + work_max;
    grace_read_lock();
    uint64_t end = subscription->until;
    while (work->done < work_end && news->events < LIMIT_NOTIFY_EVENTS &&
           out->bytes + TRACE_EVENT_JSON_MAX + NOTIFICATION_TAIL <= LIMIT_NOTIFY_BYTES && !out->failed) {
        struct history_item item;
        if (!next_event(subscription, store->history, end, &news->dropped, &item)) break;
        work->done += HISTORY_WORK_EVENT;
        if (!item.event || !event_filter_match(&subscription->filter, store, item.event, item.source)) continue;
        work->done += WORK_WRITE;
        news->events +=
            answer_event(store, subscription->aliases, out, item.event, item.source, subscription->with_log, news->events != 0);
    }
    news->caught_up = subscription->recent_next == subscription->recent_count && subscription->position >= end;
    grace_read_unlock();
}

void subscription_collect(struct subscription *subscription, struct store *store, uint64_t work_max, struct trace_text *out,
                          struct subscription_news *ret_news) {
    struct subscription_news news = {0};
    trace_text_clear(out);
    begin_notification(out, subscription->number);
    write_matches(subscription, store, work_max, out, &news);
    subscription->lost += news.dropped;
    /* A loss is reported with the next event, or when there is none. */
    if (news.events || (news.caught_up && subscription->lost)) {
        end_notification(out, subscription->lost);
        subscription->lost = 0;
        subscription->work.done += LIMIT_SEND_WORK;
    } else if (!out->failed) {
        trace_text_clear(out);
    }
    *ret_news = news;
}
