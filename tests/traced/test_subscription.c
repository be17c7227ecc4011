/* SPDX-License-Identifier: MIT
 *
 * How much of the history a subscription examines with a given amount of work, and what it loses if that is too little.
 * Counted, never timed. */
#include "store_fixture.h"
#include "subscription.h"
#include "subscriptions.h"

#include <stdlib.h>
#include <store/event_params.h>
#include <store/grace.h>

static struct store store;
static uint32_t node;
static uv_loop_t loop;
static struct lanes lanes;
static unsigned under_way, renewals;

static void setup(void) {
    struct node_info info = fixture_node("aaaaaaaaaaaaaaaaaaaaaaa", 0xaa);
    store_enter_thread();
    ck_assert_int_eq(store_init(&store, HISTORY_BYTES_MIN), 0);
    ck_assert_int_eq(store_add_node(&store, &info, NODE_LIVE, &node), 0);
}

static void teardown(void) { store_fini(&store); }

static void append(uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct trace_event event = fixture_event(0);
        ck_assert_int_eq(store_append(&store, node, 0, &event, 1), 0);
    }
}

static struct subscription *subscribe(const char *text) {
    struct subscription *subscription = subscription_create(false);
    struct trace_rpc_error error = {0};
    const struct event_params params = {.expression = text};
    ck_assert_int_eq(event_params_read(&store, &params, true, 1, &subscription->filter, &error), 0);
    event_filter_count(&subscription->filter, &subscription->work);
    subscription->announced = true;
    subscription->position = subscription->live = history_end_position(store.history);
    subscription->kept_before = history_kept_before(store.history, subscription->live);
    return subscription;
}

static void renewed(void *arg) { *(unsigned *)arg += 1; }

static bool renew(struct subscription *subscription) {
    return subscription_renew(subscription, &store, &lanes, &under_way, renewed, &renewals);
}

/* Like a connection when there are new events. */
static void collect(struct subscription *subscription, uint64_t work_max, struct trace_text *out,
                    struct subscription_news *ret_news) {
    ck_assert(renew(subscription));
    subscription_collect(subscription, &store, work_max, out, ret_news);
}

static char *expensive(void) {
    static char text[4096] = "";
    if (!*text) strcat(text, "node ~ *aab");
    while (strlen(text) < 3000) strcat(text, " or node~*aab");
    return text;
}

START_TEST(a_look_ends_with_the_event_that_uses_up_the_work) {
    struct trace_text out = {0};
    struct subscription_news news;
    struct subscription *cheap = subscribe("size > 10000"), *dear = subscribe(expensive());
    uint64_t begin = cheap->position;
    append(5000);
    collect(dear, 1, &out, &news);
    uint64_t one = dear->work.done;
    ck_assert_uint_eq(dear->position, begin + 1);
    ck_assert_uint_ge(one, 20000);
    ck_assert(!news.caught_up);
    ck_assert_uint_eq(out.bytes, 0);
    /* the same work is many events of one and few of the other */
    collect(dear, 200000, &out, &news);
    ck_assert_uint_eq(dear->position, begin + 1 + (200000 + one - 1) / one);
    ck_assert_uint_le(dear->work.done - one, 200000 + one);
    collect(cheap, 200000, &out, &news);
    ck_assert_uint_eq(cheap->position, begin + 5000);
    ck_assert(news.caught_up);
    ck_assert_uint_le(cheap->work.done, 5000 * 20);
    subscription_destroy(cheap);
    subscription_destroy(dear);
    trace_text_fini(&out);
}
END_TEST

/* Both get the same share of each round; one is too expensive for it. */
START_TEST(only_the_expensive_one_loses_and_says_how_many) {
    struct trace_text out = {0};
    struct subscription_news news;
    struct subscription *cheap = subscribe("size > 10000"),
                        *dear = subscribe("node ~ *aab or node ~ *aac or node ~ *aad or node ~ *aae");
    uint64_t dropped = 0, begin = cheap->position;
    for (unsigned round = 0; round < 1000; round++) {
        append(500);
        collect(cheap, 100000, &out, &news);
        ck_assert_uint_eq(news.dropped, 0);
        ck_assert(news.caught_up);
        collect(dear, 100000, &out, &news);
        dropped += news.dropped;
    }
    ck_assert_uint_gt(dropped, 100000);
    ck_assert_uint_eq(dear->lost, dropped); /* not reported yet: nothing matched, and it is behind */
    while (!news.caught_up) collect(dear, 1000000000, &out, &news);
    char *lost = strstr(out.data, "\"lost\":");
    out.data[out.bytes - 1] = 0;
    ck_assert_ptr_nonnull(lost);
    ck_assert_uint_ge(strtoull(lost + strlen("\"lost\":"), NULL, 10), dropped);
    ck_assert_uint_eq(dear->lost, 0);
    ck_assert_uint_eq(dear->position, begin + 500000);
    subscription_destroy(cheap);
    subscription_destroy(dear);
    trace_text_fini(&out);
}
END_TEST

/* Events that the history keeps for a quiet node are appended again at its end, but are not delivered again; nor are they
 * missed. */
static uint64_t follow(struct subscription *subscription, bool to_the_end) {
    struct trace_text out = {0};
    struct subscription_news news = {0};
    uint64_t events = 0;
    do {
        collect(subscription, 100000, &out, &news);
        events += news.events + news.dropped;
    } while (to_the_end && !news.caught_up);
    trace_text_fini(&out);
    return events;
}

START_TEST(kept_events_are_neither_repeated_nor_lost) {
    struct subscription *quick = subscribe("lane == 0"), *slow = subscribe("lane == 0");
    struct node_info info = fixture_node("quiet", 0xbb);
    uint32_t quiet;
    uint64_t appended = 0, quick_seen = 0, slow_seen = 0;
    ck_assert_int_eq(store_add_node(&store, &info, NODE_LIVE, &quiet), 0);
    for (unsigned round = 0; round < 1000; round++) {
        struct trace_event event = fixture_event(0);
        for (unsigned i = 0; i < 10; i++) ck_assert_int_eq(store_append(&store, quiet, 0, &event, 1), 0);
        append(500);
        appended += 510;
        quick_seen += follow(quick, true);
        if (round % 400 == 399) slow_seen += follow(slow, false); /* it misses whole segments, with what is kept in them */
    }
    struct history_stats stats;
    history_stats(store.history, &stats);
    ck_assert_uint_gt(stats.kept, 5000);
    ck_assert_uint_eq(quick_seen, appended);
    ck_assert_uint_lt(slow_seen, appended);
    ck_assert_uint_eq(slow_seen + follow(slow, true), appended); /* delivered or lost, each once */
    subscription_destroy(quick);
    subscription_destroy(slow);
}
END_TEST

/* ---- names that later mean more ----------------------------------------------------------------------------------------- */

static void add_nodes(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        struct node_info info = fixture_node("late", (uint8_t)i);
        info.node_id.bytes[1] = 1;
        ck_assert_int_eq(store_add_node(&store, &info, NODE_LIVE, &node), 0);
    }
}

static char *long_names(void) {
    static char text[4096] = "peer == late";
    while (strlen(text) < 3000) strcat(text, " or peer == lost");
    return text;
}

START_TEST(names_are_looked_up_again_on_the_pool_when_that_takes_long) {
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    lanes_init(&lanes, &loop);
    struct subscription *quick = subscribe("peer == late"), *slow = subscribe(long_names()), *gone = subscribe(long_names());
    ck_assert(renew(quick) && renew(slow)); /* nothing has arrived */
    add_nodes(200);
    ck_assert(renew(quick));
    ck_assert_uint_eq(event_filter_renewal_work(&quick->filter), 0);
    ck_assert(!renew(gone)); /* on its way */
    ck_assert(!renew(slow)); /* one at a time */
    ck_assert_uint_eq(under_way, 1);
    ck_assert_ptr_null(slow->renewal);
    subscription_destroy(gone); /* with its filter on the pool */
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(under_way, 0);
    ck_assert_uint_eq(renewals, 0);
    ck_assert(!renew(slow));
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(renewals, 1);
    ck_assert(renew(slow));
    struct trace_event event = fixture_event(0);
    event.peer_id = fixture_node("late", 7).node_id;
    event.peer_id.bytes[1] = 1;
    grace_read_lock();
    ck_assert(event_filter_match(&slow->filter, &store, &event, history_source_make(node, 0)));
    grace_read_unlock();
    subscription_destroy(quick);
    subscription_destroy(slow);
    lanes_fini(&lanes);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

/* A node whose peer aa... also has the id cc..., and one packet to each of them. */
static void tell_alias(void) {
    struct trace_event alias = fixture_event(0), packets[2] = {fixture_event(0), fixture_event(2)};
    alias.kind = TRACE_KIND_ALIAS;
    alias.data.alias = (struct trace_alias){.alias_id_bytes = TRACE_NODE_ID_BYTES, .alias_id = {0xcc}};
    packets[0].peer_id = (struct trace_node_id){.bytes = {0xcc}};
    ck_assert_int_eq(store_append(&store, node, 0, &alias, 1), 0);
    ck_assert_int_eq(store_append(&store, node, 0, packets, 2), 0);
}

#define ALIAS "cc00000000000000000000000000000000000000000000000000000000000000"
#define NUMBER_OF_PACKETS 2

START_TEST(events_that_come_with_an_alias_are_the_peer_s) {
    struct trace_text out = {0};
    struct subscription_news news;
    struct subscription *stream = subscribe("packet_sent and peer == " ALIAS),
                        *early = subscribe("packet_sent and peer == " ALIAS);
    ck_assert(renew(early)); /* and then both arrive together, before it looks */
    tell_alias();
    collect(stream, 1000000, &out, &news);
    ck_assert_uint_eq(news.events, NUMBER_OF_PACKETS);
    subscription_collect(early, &store, 1000000, &out, &news);
    ck_assert_uint_eq(news.events, 0);
    ck_assert(news.caught_up);
    collect(early, 1000000, &out, &news);
    ck_assert_uint_eq(news.events, NUMBER_OF_PACKETS);
    subscription_destroy(stream);
    subscription_destroy(early);
    trace_text_fini(&out);
}
END_TEST

static unsigned until_no_memory; /* the allocation that fails; 0: none */

static bool fails(void) { return until_no_memory && !--until_no_memory; }

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);

void *__wrap_calloc(size_t count, size_t bytes) { return fails() ? NULL : __real_calloc(count, bytes); }
void *__wrap_malloc(size_t bytes) { return fails() ? NULL : __real_malloc(bytes); }

/* Otherwise an id would be nobody's, and the event would be missing from the stream of its peer. */
START_TEST(without_memory_for_who_is_who_a_stream_waits) {
    static const char *const texts[] = {"packet_sent", "packet_sent and peer == bob", ("packet_sent and peer == " ALIAS)};
    struct trace_text out = {0};
    struct subscription_news news;
    struct subscription *stream = subscribe(texts[_i]);
    struct node_info bob = fixture_node("bob", 0xbb);
    uint32_t index;
    unsigned waits = 0;
    bob.node_id = fixture_event(0).peer_id;
    ck_assert_int_eq(store_add_node(&store, &bob, NODE_LIVE, &index), 0);
    tell_alias();
    collect(stream, 1000000, &out, &news);
    for (unsigned nth = 1, left = 0; !left; nth++) {
        struct trace_event alias = fixture_event(0), packet = fixture_event(0);
        alias.kind = TRACE_KIND_ALIAS;
        alias.data.alias = (struct trace_alias){.alias_id_bytes = TRACE_NODE_ID_BYTES, .alias_id = {0xcc, (uint8_t)nth}};
        packet.kind = TRACE_KIND_PACKET_SENT;
        packet.peer_id = (struct trace_node_id){.bytes = {0xcc, (uint8_t)nth}};
        ck_assert_int_eq(store_append(&store, node, 0, &alias, 1), 0);
        ck_assert_int_eq(store_append(&store, node, 0, &packet, 1), 0);
        until_no_memory = nth;
        bool ready = renew(stream);
        left = until_no_memory; /* so many were not needed */
        until_no_memory = 0;
        waits += !ready;
        if (!ready) ck_assert(renew(stream));
        subscription_collect(stream, &store, 1000000, &out, &news);
        ck_assert_msg(news.events == 1 && strstr(out.data, "\"peer_as\":\"cc"), "allocation %u: %s", nth,
                      out.bytes ? out.data : "nothing");
    }
    ck_assert_uint_gt(waits, 2);
    subscription_destroy(stream);
    trace_text_fini(&out);
}
END_TEST

/* A node that emits a new alias after each look-up of the names does not delay a stream. */
START_TEST(a_stream_goes_on_while_aliases_keep_coming) {
    struct trace_text out = {0};
    struct subscription_news news;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    lanes_init(&lanes, &loop);
    struct subscription *stream = subscribe(long_names());
    uint64_t begin = stream->position, events = 0;
    add_nodes(200);
    for (unsigned round = 0; round < 10; round++) {
        struct trace_event alias = fixture_event(round), packet = fixture_event(round);
        alias.kind = TRACE_KIND_ALIAS;
        alias.data.alias = (struct trace_alias){.alias_id_bytes = TRACE_NODE_ID_BYTES, .alias_id = {0xcc, (uint8_t)round}};
        packet.peer_id = fixture_node("late", 7).node_id;
        packet.peer_id.bytes[1] = 1;
        packet.kind = TRACE_KIND_PACKET_SENT;
        ck_assert_int_eq(store_append(&store, node, 0, &packet, 1), 0);
        ck_assert_int_eq(store_append(&store, node, 0, &alias, 1), 0);
        ck_assert(!renew(stream));
        alias.data.alias.alias_id[2] = 1;
        ck_assert_int_eq(store_append(&store, node, 0, &alias, 1), 0);
        uv_run(&loop, UV_RUN_DEFAULT);
        collect(stream, 10000000, &out, &news);
        events += news.events;
        ck_assert_uint_ge(stream->position, begin + 3 * round + 2);
    }
    ck_assert_uint_eq(events, 10);
    subscription_destroy(stream);
    trace_text_fini(&out);
    lanes_fini(&lanes);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

START_TEST(the_memory_of_recent_events_is_returned_once) {
    struct clients clients = {0};
    struct subscriptions subscriptions = {.clients = &clients};
    struct subscription *first = subscribe(NULL), *second = subscribe(NULL);
    append(100);
    first->position = second->position = history_end_position(store.history);
    ck_assert_int_eq(subscription_find_recent(first, &store, 30), 0);
    ck_assert_int_eq(subscription_find_recent(second, &store, 100), 0);
    subscriptions_add(&subscriptions, first);
    subscriptions_add(&subscriptions, second);
    ck_assert_int_eq(first->number, 1);
    ck_assert_int_eq(second->number, 2);
    ck_assert_uint_eq(clients.subscription_count, 2);
    ck_assert_uint_eq(clients.held_bytes, 130 * sizeof *first->recent);
    ck_assert_uint_eq(subscriptions.held_bytes, clients.held_bytes);
    ck_assert(!subscriptions_remove(&subscriptions, 3));
    ck_assert(subscriptions_remove(&subscriptions, 1));
    ck_assert_uint_eq(clients.held_bytes, 100 * sizeof *second->recent);
    /* The connection closes because the notification with the last of them cannot be sent. */
    subscriptions_close(&subscriptions);
    ck_assert_uint_eq(clients.held_bytes, 0);
    subscriptions_release_recent(&subscriptions, second);
    ck_assert_uint_eq(clients.held_bytes, 0);
    ck_assert_uint_eq(clients.subscription_count, 0);
    subscriptions_fini(&subscriptions);
    ck_assert_ptr_null(subscriptions.first);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("subscription");
    TCase *tcase = tcase_create("work");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_look_ends_with_the_event_that_uses_up_the_work);
    tcase_add_test(tcase, only_the_expensive_one_loses_and_says_how_many);
    tcase_add_test(tcase, kept_events_are_neither_repeated_nor_lost);
    tcase_add_test(tcase, the_memory_of_recent_events_is_returned_once);
    tcase_add_test(tcase, names_are_looked_up_again_on_the_pool_when_that_takes_long);
    tcase_add_test(tcase, events_that_come_with_an_alias_are_the_peer_s);
    tcase_add_loop_test(tcase, without_memory_for_who_is_who_a_stream_waits, 0, 3);
    tcase_add_test(tcase, a_stream_goes_on_while_aliases_keep_coming);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
