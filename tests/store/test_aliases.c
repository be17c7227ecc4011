/* SPDX-License-Identifier: MIT
 *
 * Aliases: which claims of nodes apply, against a straightforward model; the table's limits, and which entries are dropped;
 * and a queue that two threads fill and empty. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/grace.h>
#include <string.h>

#include <store/aliases.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static struct nodes *nodes;
static struct aliases *aliases;
static bool others_look; /* and hold the lock meanwhile */

/* Replaces that of libc.  Only the appending thread tries. */
int pthread_mutex_trylock(pthread_mutex_t *lock) { return others_look ? EBUSY : pthread_mutex_lock(lock); }

static void setup(void) {
    rcu_register_thread();
    ck_assert_int_eq(nodes_create(&nodes, NULL), 0);
    ck_assert_int_eq(aliases_create(&aliases, nodes), 0);
}

static void teardown(void) {
    aliases_destroy(aliases);
    nodes_destroy(nodes);
    rcu_unregister_thread();
}

static struct trace_node_id id_of(uint32_t number) {
    struct trace_node_id id = {{0}};
    memcpy(id.bytes, &number, sizeof number);
    id.bytes[31] = 1;
    return id;
}

/* Nodes have the ids 1000 and up. */
static uint32_t add_node(uint32_t id, uint64_t started_ns) {
    static uint64_t logs;
    struct node_info info = {.node_id = id_of(id), .log = ++logs, .started_unix_ns = started_ns};
    uint32_t index;
    ck_assert_int_eq(nodes_add(nodes, &info, NODE_LIVE, NULL, UINT64_MAX, &index), 0);
    return index;
}

static void end_node(uint32_t index, uint64_t last_ns) {
    atomic_store(&nodes_at(nodes, index)->last_unix_ns, last_ns);
    nodes_end(nodes, index, NODE_EXITED, NULL, 0);
}

/* peer 0: of itself */
static void say(uint32_t node, uint64_t time_ns, uint32_t peer, uint32_t alias) {
    struct trace_event event = {.timestamp = time_ns, .kind = TRACE_KIND_ALIAS, .data.alias.alias_id_bytes = 32};
    struct trace_node_id id = id_of(alias);
    memcpy(event.data.alias.alias_id, id.bytes, sizeof id);
    if (peer) {
        event.flags = TRACE_FLAG_HAS_PEER;
        event.peer_id = id_of(peer);
    }
    aliases_note(aliases, node, &event);
}

static uint32_t number_of(const struct trace_node_id *id) {
    uint32_t number;
    memcpy(&number, id->bytes, sizeof number);
    return number;
}

static uint32_t resolve_in(const struct alias_picture *picture, uint32_t node, uint64_t time_ns, uint32_t id) {
    struct trace_node_id peer_id = id_of(id);
    grace_read_lock();
    uint32_t number = number_of(alias_picture_resolve(picture, node, time_ns, &peer_id));
    grace_read_unlock();
    return number;
}

static uint32_t resolve(uint32_t node, uint64_t time_ns, uint32_t id) {
    struct alias_picture *picture = alias_picture_take(aliases);
    uint32_t number = resolve_in(picture, node, time_ns, id);
    alias_picture_release(picture);
    return number;
}

static struct aliases_stats stats_now(void) {
    struct aliases_stats stats;
    aliases_stats(aliases, &stats);
    return stats;
}

/* ---- whose word counts ---------------------------------------------------------------------------------------------------- */

START_TEST(an_id_without_aliases_is_itself) {
    uint32_t alice = add_node(1000, 10);
    ck_assert_uint_eq(resolve(alice, 20, 7), 7);
    ck_assert_ptr_null(alias_picture_take(aliases));
    say(alice, 20, 0, 8);
    ck_assert_uint_eq(resolve(alice, 20, 7), 7);
}
END_TEST

START_TEST(an_alias_of_a_peer_applies_to_the_claimant_and_to_earlier_events) {
    uint32_t alice = add_node(1000, 10), carol = add_node(1002, 10);
    say(alice, 50, 1001, 7);
    ck_assert_uint_eq(resolve(alice, 60, 7), 1001);
    ck_assert_uint_eq(resolve(alice, 20, 7), 1001);
    ck_assert_uint_eq(resolve(carol, 60, 7), 7);
}
END_TEST

START_TEST(a_node_s_own_alias_applies_to_all_nodes) {
    uint32_t alice = add_node(1000, 10), bob = add_node(1001, 10);
    say(bob, 50, 0, 7);
    ck_assert_uint_eq(resolve(alice, 20, 7), 1001);
    ck_assert_uint_eq(resolve(bob, 20, 7), 1001);
}
END_TEST

START_TEST(chains_of_aliases_are_followed_and_circles_are_not) {
    uint32_t alice = add_node(1000, 10), bob = add_node(1001, 10);
    say(alice, 50, 8, 7);
    say(bob, 50, 0, 8);
    ck_assert_uint_eq(resolve(alice, 60, 7), 1001);
    say(alice, 51, 21, 20);
    say(alice, 52, 22, 21);
    say(alice, 53, 20, 22);
    for (uint32_t id = 20; id < 23; id++) ck_assert_uint_eq(resolve(alice, 60, id), id);
}
END_TEST

START_TEST(an_alias_may_move_to_another_peer) {
    uint32_t alice = add_node(1000, 10);
    say(alice, 50, 1001, 7);
    say(alice, 60, 1002, 7);
    say(alice, 70, 1001, 7);
    const uint32_t expected[][2] = {{40, 1001}, {50, 1001}, {59, 1001}, {60, 1002}, {69, 1002}, {70, 1001}, {90, 1001}};
    for (size_t i = 0; i < COUNT_OF(expected); i++) ck_assert_uint_eq(resolve(alice, expected[i][0], 7), expected[i][1]);
}
END_TEST

START_TEST(the_id_of_a_log_is_no_other_node_s_alias) {
    uint32_t alice = add_node(1000, 10), bob = add_node(1001, 10);
    say(alice, 50, 0, 1001);
    say(alice, 50, 1000, 1001);
    say(alice, 50, 7, 1001);
    ck_assert_uint_eq(resolve(alice, 60, 1001), 1001);
    ck_assert_uint_eq(resolve(bob, 60, 1001), 1001);
    struct alias_picture *picture = alias_picture_take(aliases);
    for (size_t i = 0; i < alias_picture_count(picture); i++) ck_assert(alias_picture_is_disputed(picture, i));
    ck_assert_uint_eq(alias_picture_count(picture), 3);
    alias_picture_release(picture);
}
END_TEST

START_TEST(the_same_holds_if_that_log_comes_later) {
    uint32_t alice = add_node(1000, 10);
    say(alice, 50, 0, 1001);
    ck_assert_uint_eq(resolve(alice, 60, 1001), 1000);
    add_node(1001, 60);
    ck_assert_uint_eq(resolve(alice, 60, 1001), 1001);
}
END_TEST

static bool is_disputed(uint32_t alias) {
    struct alias_picture *picture = alias_picture_take(aliases);
    bool disputed = false;
    grace_read_lock();
    for (size_t i = 0; i < alias_picture_count(picture); i++)
        if (number_of(&alias_picture_at(picture, i)->alias_id) == alias) disputed |= alias_picture_is_disputed(picture, i);
    grace_read_unlock();
    alias_picture_release(picture);
    return disputed;
}

START_TEST(an_id_claimed_by_two_running_nodes_belongs_to_neither) {
    uint32_t alice = add_node(1000, 10), bob = add_node(1001, 10), carol = add_node(1002, 90);
    say(bob, 50, 0, 7);
    ck_assert(!is_disputed(7));
    say(carol, 95, 0, 7);
    ck_assert(is_disputed(7));
    ck_assert_uint_eq(resolve(alice, 100, 7), 7);
    ck_assert_uint_eq(resolve(alice, 80, 7), 1001); /* carol did not run yet */
}
END_TEST

/* carol claims bob's alias while he lives, but has nothing to say; that he is killed later makes it no truer. */
START_TEST(an_id_of_a_node_that_died_quietly_is_not_anothers_while_it_lived) {
    uint32_t alice = add_node(1000, 10), bob = add_node(1001, 10), carol = add_node(1002, 60);
    say(bob, 20, 0, 7);
    say(carol, 70, 0, 7);
    nodes_at(nodes, bob)->last_unix_ns = 50;
    if (_i) nodes_set_ended(nodes_at(nodes, bob), 80, 90);
    end_node(bob, 50);
    ck_assert_int_eq(is_disputed(7), _i);
    const uint32_t expected[][2] = {{30, 1001}, {55, 1001}, {65, _i ? 7 : 1002}, {80, _i ? 7 : 1002}, {85, 1002}, {99, 1002}};
    for (size_t i = 0; i < COUNT_OF(expected); i++) ck_assert_uint_eq(resolve(alice, expected[i][0], 7), expected[i][1]);
}
END_TEST

START_TEST(a_node_restarted_with_another_id_keeps_its_alias) {
    uint32_t alice = add_node(1000, 10), bob = add_node(1001, 10);
    say(bob, 20, 0, 7);
    end_node(bob, 50);
    uint32_t again = add_node(1002, 60);
    say(again, 70, 0, 7);
    ck_assert(!is_disputed(7));
    const uint32_t expected[][2] = {{5, 1001}, {30, 1001}, {50, 1001}, {55, 1001}, {60, 1002}, {99, 1002}};
    for (size_t i = 0; i < COUNT_OF(expected); i++) ck_assert_uint_eq(resolve(alice, expected[i][0], 7), expected[i][1]);
}
END_TEST

START_TEST(two_logs_of_one_node_do_not_dispute) {
    uint32_t alice = add_node(1000, 10), bob = add_node(1001, 10), too = add_node(1001, 10);
    say(bob, 20, 0, 7);
    say(too, 20, 0, 7);
    ck_assert(!is_disputed(7));
    ck_assert_uint_eq(resolve(alice, 30, 7), 1001);
}
END_TEST

START_TEST(nonsense_is_not_noted) {
    uint32_t alice = add_node(1000, 10);
    struct trace_event event = {.kind = TRACE_KIND_ALIAS, .data.alias = {.alias_id_bytes = 16, .alias_id = {1}}};
    aliases_note(aliases, alice, &event); /* half an id */
    event.data.alias = (struct trace_alias){.alias_id_bytes = 32};
    aliases_note(aliases, alice, &event); /* no id */
    say(alice, 10, 0, 1000);              /* itself */
    say(alice, 10, 7, 7);
    event.data.alias.alias_id[0] = 1;
    event.flags = TRACE_FLAG_HAS_PEER;
    aliases_note(aliases, alice, &event); /* of nobody */
    ck_assert_uint_eq(stats_now().count, 0);
}
END_TEST

/* ---- the model ------------------------------------------------------------------------------------------------------------ */

struct model_said {
    uint32_t node, peer, alias; /* peer 0: of itself */
    uint64_t time_ns;
};
struct model_node {
    uint32_t id;
    uint64_t from_ns, to_ns;
};
static struct model_said model_said[400];
static struct model_node model_nodes[8];
static size_t model_count;

static bool model_has_log(uint32_t id) {
    for (size_t i = 0; i < COUNT_OF(model_nodes); i++)
        if (model_nodes[i].id == id) return true;
    return false;
}

static uint32_t model_of_peer(uint32_t node, uint64_t time_ns, uint32_t id) {
    const struct model_said *last = NULL, *first = NULL;
    for (size_t i = 0; i < model_count; i++) {
        const struct model_said *said = &model_said[i];
        if (said->node != node || !said->peer || said->alias != id) continue;
        if (said->time_ns <= time_ns) last = said;
        if (!first) first = said;
    }
    return last ? last->peer : first ? first->peer : 0;
}

static uint32_t model_of_itself(uint64_t time_ns, uint32_t id) {
    const struct model_node *runs = NULL, *before = NULL, *after = NULL;
    for (size_t i = 0; i < model_count; i++) {
        const struct model_node *node = &model_nodes[model_said[i].node];
        if (model_said[i].peer || model_said[i].alias != id) continue;
        if (node->from_ns <= time_ns && time_ns <= node->to_ns) {
            if (runs && runs->id != node->id) return 0;
            runs = node;
        }
        if (node->from_ns <= time_ns && (!before || node->from_ns > before->from_ns)) before = node;
        if (node->from_ns > time_ns && (!after || node->from_ns < after->from_ns)) after = node;
    }
    return runs ? runs->id : before ? before->id : after ? after->id : 0;
}

static uint32_t model_resolve(uint32_t node, uint64_t time_ns, uint32_t id) {
    uint32_t at = id;
    for (unsigned step = 0; step < 8; step++) {
        uint32_t next;
        if (model_has_log(at)) return at;
        next = model_of_peer(node, time_ns, at);
        if (!next) next = model_of_itself(time_ns, at);
        if (!next) return at;
        at = next;
    }
    return id;
}

static uint64_t random_state;
static uint32_t random_below(uint32_t limit) {
    random_state = random_state * UINT64_C(6364136223846793005) + 1;
    return (uint32_t)(random_state >> 33) % limit;
}

START_TEST(a_picture_agrees_with_the_model) {
    random_state = (uint64_t)_i + 1;
    model_count = 0;
    for (uint32_t i = 0; i < COUNT_OF(model_nodes); i++) {
        /* some ids come twice: a node that was started again; no two start at one time */
        struct model_node node = {1000 + random_below(6), 100 * random_below(8) + i, UINT64_MAX};
        ck_assert_uint_eq(add_node(node.id, node.from_ns), i);
        model_nodes[i] = node;
    }
    for (uint32_t i = 0; i < COUNT_OF(model_nodes); i++) {
        if (random_below(2)) continue;
        model_nodes[i].to_ns = model_nodes[i].from_ns + random_below(400);
        end_node(i, model_nodes[i].to_ns);
    }
    size_t count = 1 + random_below(60);
    for (uint64_t time_ns = 0; model_count < count; time_ns += random_below(30) + 1) {
        struct model_said said = {random_below(COUNT_OF(model_nodes)), 0, 1 + random_below(12), time_ns};
        uint32_t peer = random_below(3);
        if (peer) said.peer = peer == 1 ? 1000 + random_below(7) : 1 + random_below(12);
        if (said.peer == said.alias || (random_below(8) == 0 && (said.alias = 1000 + random_below(7)) == said.peer)) continue;
        if (!said.peer && said.alias == model_nodes[said.node].id) continue;
        say(said.node, said.time_ns, said.peer, said.alias);
        model_said[model_count++] = said;
        if (random_below(4) == 0) alias_picture_release(alias_picture_take(aliases)); /* the next one shares some of it */
    }
    struct alias_picture *picture = alias_picture_take(aliases);
    for (unsigned i = 0; i < 2000; i++) {
        uint32_t node = random_below(COUNT_OF(model_nodes)), id = random_below(3) ? 1 + random_below(13) : 1000 + random_below(8);
        uint64_t time_ns = random_below(2000);
        uint32_t is = resolve_in(picture, node, time_ns, id), expected = model_resolve(node, time_ns, id);
        ck_assert_msg(is == expected, "seed %d: node %u at %u, id %u: %u, not %u", _i, node, (unsigned)time_ns, id, is, expected);
        /* A search for the peer uses that id. */
        struct trace_node_id names[64] = {id_of(is)}, raw = id_of(id);
        size_t name_count = alias_picture_names_of(picture, names, 1, COUNT_OF(names));
        bool found = false;
        for (size_t k = 0; k < name_count; k++) found |= !memcmp(&names[k], &raw, sizeof raw);
        ck_assert_msg(found, "seed %d: %u is not among the names of %u", _i, id, is);
    }
    alias_picture_release(picture);
}
END_TEST

/* ---- bounds --------------------------------------------------------------------------------------------------------------- */

START_TEST(the_node_with_most_aliases_loses_the_one_not_repeated_for_longest) {
    uint32_t alice = add_node(1000, 10), mallory = add_node(1001, 10);
    say(alice, 10, 0, 1);
    for (uint32_t i = 0; i < ALIASES_MAX; i++) {
        say(mallory, 20, 0, 5000 + i);
        if (i == 5000) say(mallory, 21, 0, 5000); /* repeated: no longer the oldest */
        if (i % 512 == 0) stats_now();
    }
    struct aliases_stats stats = stats_now();
    ck_assert_uint_eq(stats.count, ALIASES_MAX);
    ck_assert_uint_eq(stats.evicted, 1);
    ck_assert_uint_eq(resolve(alice, 30, 1), 1000);
    ck_assert_uint_eq(resolve(alice, 30, 5000), 1001);
    ck_assert_uint_eq(resolve(alice, 30, 5001), 5001); /* gone */
    ck_assert_uint_eq(resolve(alice, 30, 5002), 1001);
    for (uint32_t i = 0; i < 3; i++) say(alice, 40, 0, 100000 + i); /* a node with few aliases always has room */
    ck_assert_uint_eq(resolve(alice, 50, 100000), 1000);
    ck_assert_uint_eq(resolve(alice, 50, 1), 1000);
    ck_assert_uint_eq(stats_now().evicted, 4);
}
END_TEST

/* Then all of the liar's entries are in one chain of the table; the honest node's entry is in another, although the ids
 * differ just as the indices do. */
START_TEST(one_id_is_claimed_for_more_peers_than_the_table_holds) {
    const uint32_t count = 3 * ALIASES_MAX, first = 100000;
    uint32_t liar = add_node(1000, 10), honest = add_node(1001, 10);
    ck_assert_uint_eq(liar ^ honest, 6 ^ 7);
    say(honest, 20, 5, 6);
    for (uint32_t i = 0; i < count; i++) say(liar, 20 + i, first + i, 7);
    ck_assert_uint_eq(stats_now().count, ALIASES_MAX);
    ck_assert_uint_eq(stats_now().evicted, count + 1 - ALIASES_MAX);
    ck_assert_uint_eq(resolve(liar, 20 + count, 7), first + count - 1);
    ck_assert_uint_eq(resolve(honest, 20 + count, 6), 5);
    for (uint32_t i = 0; i < ALIASES_MAX / 2; i++) say(honest, 30 + i, 5, first + i);
    ck_assert_uint_eq(stats_now().count, ALIASES_MAX);
    ck_assert_uint_eq(resolve(liar, 20 + count, 7), first + count - 1);
    ck_assert_uint_eq(resolve(honest, 20 + count, first), 5);
}
END_TEST

/* Many nodes claim the same ids, so that entries are removed from all places of a chain. */
START_TEST(aliases_left_after_evictions_are_found_when_repeated) {
    enum { NODES = 40, IDS = 1000 };
    uint32_t all[NODES], state = 1;
    for (uint32_t i = 0; i < NODES; i++) all[i] = add_node(1000 + i, 10);
    for (uint32_t i = 0; i < 10 * ALIASES_MAX; i++) {
        state = state * 1664525 + 1013904223;
        say(all[state % (1 << 16) % NODES], 20, 0, 5000 + (state >> 16) % IDS);
    }
    struct aliases_stats before = stats_now();
    ck_assert_uint_eq(before.count, ALIASES_MAX);
    ck_assert_uint_gt(before.evicted, ALIASES_MAX);
    struct alias_picture *picture = alias_picture_take(aliases);
    ck_assert_uint_eq(alias_picture_count(picture), ALIASES_MAX);
    for (size_t i = 0; i < ALIASES_MAX; i++) {
        const struct alias *alias = alias_picture_at(picture, i);
        say(alias->node, 30, 0, number_of(&alias->alias_id));
    }
    ck_assert_uint_eq(stats_now().evicted, before.evicted);
    alias_picture_release(picture);
}
END_TEST

START_TEST(the_queue_is_emptied_although_nobody_reads) {
    uint32_t alice = add_node(1000, 10);
    for (uint32_t i = 0; i < 5000; i++) say(alice, 20, 0, 5000 + i);
    struct aliases_stats stats = stats_now();
    ck_assert_uint_eq(stats.count, 5000);
    ck_assert_uint_eq(stats.evicted, 0);
}
END_TEST

START_TEST(what_a_full_queue_refuses_is_counted_and_changes_nothing) {
    enum { FULL = 1024, MORE = 10 };
    uint32_t alice = add_node(1000, 10);
    others_look = true;
    for (uint32_t i = 0; i < FULL + MORE; i++) say(alice, 20, 0, 5000 + i);
    others_look = false;
    struct aliases_stats stats = stats_now();
    ck_assert_uint_eq(stats.count, FULL);
    ck_assert_uint_eq(stats.evicted, MORE);
    ck_assert_uint_eq(resolve(alice, 20, 5000), 1000);
    ck_assert_uint_eq(resolve(alice, 20, 5000 + FULL), 5000 + FULL);
}
END_TEST

START_TEST(a_repeated_alias_takes_no_room) {
    uint32_t alice = add_node(1000, 10);
    for (uint32_t i = 0; i < 20000; i++) say(alice, 20 + i, i % 2 ? 0 : 1001, 1 + i % 7);
    ck_assert_uint_eq(stats_now().count, 14);
    ck_assert_uint_eq(stats_now().evicted, 0);
    uint64_t generation = aliases_generation(aliases);
    say(alice, 50000, 0, 2);
    stats_now();
    ck_assert_uint_eq(aliases_generation(aliases), generation);
}
END_TEST

/* How many of a picture's aliases are shown. */
static size_t shown_in(const struct alias_picture *picture) {
    size_t shown = 0;
    for (size_t i = 0; i < alias_picture_count(picture); i++) shown += alias_picture_at(picture, i) != NULL;
    return shown;
}

START_TEST(a_reused_index_inherits_nothing) {
    uint32_t alice = add_node(1000, 10);
    while (nodes_count(nodes) < NODES_KEPT) add_node(2000, 10);
    uint32_t bob = 5;
    say(bob, 20, 0, 7);
    say(bob, 20, 3000, 9);
    ck_assert_uint_eq(resolve(alice, 30, 7), 2000);
    ck_assert_uint_eq(resolve(bob, 30, 9), 3000);
    end_node(bob, 30);
    ck_assert_uint_eq(add_node(1001, 40), bob);
    ck_assert_uint_eq(resolve(alice, 50, 7), 7);
    ck_assert_uint_eq(resolve(bob, 50, 9), 9);
    say(bob, 50, 0, 8);
    ck_assert_uint_eq(stats_now().count, 1);
    ck_assert_uint_eq(resolve(alice, 50, 8), 1001);
}
END_TEST

START_TEST(an_old_picture_ignores_a_node_that_reuses_an_index) {
    uint32_t alice = add_node(1000, 10);
    while (nodes_count(nodes) < NODES_KEPT) add_node(2000, 10);
    uint32_t bob = 5;
    say(bob, 20, 0, 7);
    struct alias_picture *before = alias_picture_take(aliases);
    ck_assert_uint_eq(resolve_in(before, alice, 50, 7), 2000);
    ck_assert_uint_eq(shown_in(before), 1);
    end_node(bob, 30);
    ck_assert_uint_eq(add_node(1001, 40), bob);
    ck_assert_uint_eq(resolve_in(before, alice, 50, 7), 7);
    ck_assert_uint_eq(shown_in(before), 0);
    alias_picture_release(before);
}
END_TEST

START_TEST(a_claim_repeated_for_an_earlier_time_counts_from_then) {
    uint32_t alice = add_node(1000, 10);
    say(alice, 40, 1002, 7);
    say(alice, 50, 1001, 7);
    ck_assert_uint_eq(resolve(alice, 45, 7), 1002);
    say(alice, 42, 1001, 7);
    ck_assert_uint_eq(resolve(alice, 45, 7), 1001);
}
END_TEST

/* A recording has it beside the events, and as an event; so has another recording. */
START_TEST(what_is_known_may_be_said_again) {
    static const uint32_t peers[] = {1001, 1002, 1001};
    uint32_t alice = add_node(1000, 10), bob = add_node(1001, 10);
    for (unsigned round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < COUNT_OF(peers); i++) say(alice, 50 + 10 * i, peers[i], 7);
        say(bob, 40, 0, 8);
        ck_assert_uint_eq(stats_now().count, 4);
        for (uint32_t i = 0; i < COUNT_OF(peers); i++) {
            ck_assert_uint_eq(resolve(alice, 50 + 10 * i, 7), peers[i]);
            ck_assert_uint_eq(resolve(alice, 59 + 10 * i, 7), peers[i]);
        }
    }
    for (uint32_t i = 0; i < 6; i++) say(alice, 50, 1001 + i % 2, 9); /* at one time */
    ck_assert_uint_eq(stats_now().count, 6);
    say(alice, 65, 1002, 7); /* repeated, but this one comes late */
    ck_assert_uint_eq(stats_now().count, 6);
    ck_assert_uint_eq(resolve(alice, 75, 7), 1001);
}
END_TEST

/* A node cannot make the table take longer by claiming one id for many; then a claim said again may take room again. */
START_TEST(at_most_64_claims_are_compared_with_a_new_one) {
    uint32_t alice = add_node(1000, 10);
    for (uint32_t i = 0; i < 100; i++) say(alice, 20 + i, 2000 + i, 7);
    say(alice, 20 + 50, 2000 + 50, 7);
    ck_assert_uint_eq(stats_now().count, 100);
    say(alice, 20, 2000, 7);
    ck_assert_uint_eq(stats_now().count, 101);
}
END_TEST

START_TEST(what_a_node_said_is_listed_as_it_was_repeated) {
    static const uint32_t expected[] = {8, 9, 7};
    struct alias list[4];
    uint32_t alice = add_node(1000, 10), bob = add_node(1001, 10);
    for (uint32_t id = 7; id < 10; id++) say(alice, 20 + id, id == 8 ? 1001 : 0, id);
    say(alice, 50, 0, 7);
    ck_assert_uint_eq(aliases_said_by(aliases, alice, list, COUNT_OF(list)), 3);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(number_of(&list[i].alias_id), expected[i]);
        ck_assert_uint_eq(list[i].time_ns, 20 + expected[i]);
        ck_assert_uint_eq(list[i].own, expected[i] != 8);
        ck_assert_uint_eq(number_of(&list[i].peer_id), expected[i] == 8 ? 1001 : 1000);
    }
    ck_assert_uint_eq(aliases_said_by(aliases, alice, list, 2), 2);
    ck_assert_uint_eq(aliases_said_by(aliases, bob, list, 4), 0);
    ck_assert_uint_eq(aliases_said_by(aliases, NODES_MAX, list, 4), 0);
}
END_TEST

/* All that resolves an id, whatever the log was called where it was said. */
START_TEST(aliases_without_their_events_are_as_good) {
    uint32_t alice = add_node(1000, 10), bob = add_node(1001, 10);
    struct alias own = {.alias_id = id_of(7), .peer_id = id_of(66), .node = bob, .own = true, .time_ns = 20};
    struct alias of_peer = {.alias_id = id_of(8), .peer_id = id_of(1001), .node = alice, .time_ns = 20};
    aliases_add(aliases, &own);
    aliases_add(aliases, &of_peer);
    ck_assert_uint_eq(resolve(alice, 30, 7), 1001);
    ck_assert_uint_eq(resolve(alice, 30, 8), 1001);
    ck_assert_uint_eq(resolve(bob, 30, 8), 8);
    own.node = 77; /* no node */
    of_peer.peer_id = (struct trace_node_id){{0}};
    of_peer.alias_id = id_of(9);
    aliases_add(aliases, &own);
    aliases_add(aliases, &of_peer);
    of_peer.peer_id = of_peer.alias_id;
    aliases_add(aliases, &of_peer);
    of_peer.alias_id = (struct trace_node_id){{0}};
    aliases_add(aliases, &of_peer);
    ck_assert_uint_eq(stats_now().count, 2);
}
END_TEST

START_TEST(no_more_names_are_listed_than_there_is_room_for) {
    struct trace_node_id names[3] = {id_of(1000)};
    uint32_t alice = add_node(1000, 10);
    for (uint32_t i = 0; i < 3; i++) say(alice, 20, 0, 7 + i);
    struct alias_picture *picture = alias_picture_take(aliases);
    ck_assert_uint_eq(alias_picture_names_of(picture, names, 1, 2), 3);
    ck_assert_uint_eq(number_of(&names[1]), 7);
    ck_assert_uint_eq(number_of(&names[2]), 0);
    alias_picture_release(picture);
}
END_TEST

START_TEST(the_id_of_a_log_is_no_name_of_another_node) {
    struct trace_node_id names[3] = {id_of(1000)};
    uint32_t alice = add_node(1000, 10);
    add_node(1001, 10);
    say(alice, 20, 0, 1001);
    say(alice, 20, 0, 7);
    struct alias_picture *picture = alias_picture_take(aliases);
    ck_assert_uint_eq(alias_picture_names_of(picture, names, 1, 3), 2);
    ck_assert_uint_eq(number_of(&names[1]), 7);
    alias_picture_release(picture);
}
END_TEST

/* Nobody can make looking up an id cost more than 64 steps: then a node's older claims about a peer do not count, and an id that
 * more than 64 nodes claim belongs to nobody. */
START_TEST(at_most_64_claims_of_one_id_are_examined) {
    enum { LOOKED_AT = 64, SAID = 100 };
    uint32_t alice = add_node(1000, 10), index = 0;
    for (uint32_t i = 0; i < SAID; i++) say(alice, 20 + i, 2000 + i, 7);
    ck_assert_uint_eq(resolve(alice, 10, 7), 2000 + SAID - LOOKED_AT);
    for (uint32_t i = 0; i < SAID; i++) {
        index = add_node(3000 + i, 100 * i);
        say(index, 100 * i, 0, 9);
        end_node(index, 100 * i + 50);
        uint32_t found = resolve(alice, 100 * i + 10, 9);
        ck_assert_uint_eq(found, i < LOOKED_AT ? 3000 + i : 9);
    }
    struct alias_picture *picture = alias_picture_take(aliases);
    size_t first = SAID; /* claims about peers come first */
    ck_assert(alias_picture_at(picture, first)->own);
    ck_assert(alias_picture_is_disputed(picture, first));
    ck_assert_uint_eq(alias_picture_count(picture), 2 * SAID);
    alias_picture_release(picture);
}
END_TEST

START_TEST(a_picture_stays_as_it_is) {
    uint32_t alice = add_node(1000, 10);
    say(alice, 20, 0, 7);
    struct alias_picture *before = alias_picture_take(aliases), *same = alias_picture_take(aliases), *after = before;
    ck_assert_ptr_eq(before, same);
    say(alice, 30, 0, 8);
    same = alias_picture_take(aliases);
    ck_assert_ptr_ne(before, same);
    ck_assert_uint_eq(resolve_in(before, alice, 40, 8), 8);
    ck_assert_int_eq(alias_picture_renew(aliases, &after), 0);
    ck_assert_ptr_eq(after, same);
    ck_assert_int_eq(alias_picture_renew(aliases, &after), 0);
    ck_assert_ptr_eq(after, same);
    ck_assert_uint_eq(resolve_in(before, alice, 40, 7), 1000);
    alias_picture_release(before);
    alias_picture_release(same);
    alias_picture_release(after);
}
END_TEST

static int compare_aliases(const void *a, const void *b) {
    const struct alias *x = a, *y = b;
    int order = memcmp(&x->alias_id, &y->alias_id, sizeof x->alias_id);
    return order ? order : (x->node > y->node) - (x->node < y->node);
}

/* Lists all aliases of a picture, sorted, and checks that it resolves each of them. */
static size_t list_aliases(const struct alias_picture *picture, struct alias *list) {
    size_t count = 0;
    grace_read_lock();
    for (size_t i = 0; i < alias_picture_count(picture); i++) {
        const struct alias *alias = alias_picture_at(picture, i);
        if (!alias) continue;
        ck_assert(alias_picture_has(picture, &alias->alias_id));
        ck_assert_int_eq(memcmp(alias_picture_resolve(picture, alias->node, alias->time_ns, &alias->alias_id), &alias->peer_id,
                                sizeof alias->peer_id),
                         0);
        list[count++] = *alias;
    }
    grace_read_unlock();
    qsort(list, count, sizeof *list, compare_aliases);
    return count;
}

/* A picture that shares parts with earlier ones equals one made from the whole table.  Aliases are added and evicted all over the
 * table. */
START_TEST(a_picture_that_shares_is_whole) {
    enum { NODES = 40, SAYS = 5 * ALIASES_MAX };
    static struct alias shared[ALIASES_MAX], whole[ALIASES_MAX];
    uint32_t all[NODES], random = (uint32_t)_i + 1;
    struct aliases *seldom, *often = aliases;
    ck_assert_int_eq(aliases_create(&seldom, nodes), 0);
    for (uint32_t i = 0; i < NODES; i++) all[i] = add_node(1000 + i, 10);
    struct alias_picture *first = NULL;
    for (uint32_t i = 0; i < SAYS; i++) {
        random = random * 1664525 + 1013904223;
        uint32_t node = all[(random >> 8) % NODES], alias = 5000 + (random >> 16) % 900;
        for (unsigned k = 0; k < 2; k++) {
            aliases = k ? seldom : often;
            say(node, 20 + i, 3000 + alias, alias);
        }
        aliases = often;
        if (i % 7 == 0) alias_picture_release(alias_picture_take(often));
        if (i == 50) first = alias_picture_take(often);
    }
    struct alias_picture *last = alias_picture_take(often), *other = alias_picture_take(seldom);
    size_t count = list_aliases(last, shared);
    ck_assert_uint_eq(count, stats_now().count);
    ck_assert_uint_eq(list_aliases(other, whole), count);
    ck_assert_int_eq(memcmp(shared, whole, count * sizeof *shared), 0);
    ck_assert_uint_eq(list_aliases(first, shared), 51); /* as it was, though most of it is gone */
    alias_picture_release(first);
    alias_picture_release(last);
    alias_picture_release(other);
    aliases_destroy(seldom);
}
END_TEST

/* ---- two threads ---------------------------------------------------------------------------------------------------------- */

#define SAID 200000U
static _Atomic uint32_t last_said;

static void *read_along(void *arg) {
    uint32_t alice = *(uint32_t *)arg, last = 0;
    rcu_register_thread();
    while (last < SAID) {
        last = atomic_load_explicit(&last_said, memory_order_acquire);
        struct alias_picture *picture = alias_picture_take(aliases);
        /* Aliases noted before are there, unless counted as evicted. */
        if (last && resolve_in(picture, alice, 30, 100 + last % 1000) != 1000) ck_assert_uint_gt(stats_now().evicted, 0);
        grace_read_lock();
        for (size_t i = 0; i < alias_picture_count(picture); i++)
            ck_assert_uint_eq(alias_picture_at(picture, i)->alias_id.bytes[31], 1);
        grace_read_unlock();
        alias_picture_release(picture);
    }
    rcu_unregister_thread();
    return NULL;
}

START_TEST(aliases_are_noted_while_others_read_them) {
    uint32_t alice = add_node(1000, 10);
    pthread_t threads[2];
    atomic_store(&last_said, 0);
    for (unsigned i = 0; i < 2; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, read_along, &alice), 0);
    for (uint32_t i = 1; i <= SAID; i++) {
        say(alice, 20, 0, 100 + i % 1000);
        atomic_store_explicit(&last_said, i, memory_order_release);
    }
    for (unsigned i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    ck_assert_uint_le(stats_now().count, 1000);
}
END_TEST

#define QUEUE 1024U /* places in it (aliases_internal.h) */
static atomic_bool has_moved;

static void *move_all(void *arg) {
    (void)arg;
    rcu_register_thread();
    alias_picture_release(alias_picture_take(aliases));
    atomic_store_explicit(&has_moved, true, memory_order_relaxed); /* relaxed: so that nothing but moved:R orders it */
    rcu_unregister_thread();
    return NULL;
}

/* For the thread sanitizer: the queue is filled, another thread moves it, and it is filled again without taking the lock. */
START_TEST(places_in_the_queue_are_written_after_they_were_read) {
    uint32_t alice = add_node(1000, 10);
    pthread_t thread;
    atomic_store(&has_moved, false);
    for (uint32_t i = 0; i < QUEUE; i++) say(alice, 20, 0, 2000 + i % 1000);
    ck_assert_int_eq(pthread_create(&thread, NULL, move_all, NULL), 0);
    while (!atomic_load_explicit(&has_moved, memory_order_relaxed)) sched_yield();
    for (uint32_t i = 0; i < QUEUE; i++) say(alice, 30, 0, 2000 + i % 1000);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(stats_now().evicted, 0);
    ck_assert_uint_eq(stats_now().count, 1000);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("aliases");
    TCase *tcase = tcase_create("aliases");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_id_without_aliases_is_itself);
    tcase_add_test(tcase, an_alias_of_a_peer_applies_to_the_claimant_and_to_earlier_events);
    tcase_add_test(tcase, a_node_s_own_alias_applies_to_all_nodes);
    tcase_add_test(tcase, chains_of_aliases_are_followed_and_circles_are_not);
    tcase_add_test(tcase, an_alias_may_move_to_another_peer);
    tcase_add_test(tcase, the_id_of_a_log_is_no_other_node_s_alias);
    tcase_add_test(tcase, the_same_holds_if_that_log_comes_later);
    tcase_add_test(tcase, an_id_claimed_by_two_running_nodes_belongs_to_neither);
    tcase_add_loop_test(tcase, an_id_of_a_node_that_died_quietly_is_not_anothers_while_it_lived, 0, 2);
    tcase_add_test(tcase, a_node_restarted_with_another_id_keeps_its_alias);
    tcase_add_test(tcase, two_logs_of_one_node_do_not_dispute);
    tcase_add_test(tcase, nonsense_is_not_noted);
    tcase_add_loop_test(tcase, a_picture_agrees_with_the_model, 0, 100);
    tcase_add_test(tcase, the_node_with_most_aliases_loses_the_one_not_repeated_for_longest);
    tcase_add_test(tcase, one_id_is_claimed_for_more_peers_than_the_table_holds);
    tcase_add_test(tcase, aliases_left_after_evictions_are_found_when_repeated);
    tcase_add_test(tcase, the_queue_is_emptied_although_nobody_reads);
    tcase_add_test(tcase, what_a_full_queue_refuses_is_counted_and_changes_nothing);
    tcase_add_test(tcase, a_repeated_alias_takes_no_room);
    tcase_add_test(tcase, a_reused_index_inherits_nothing);
    tcase_add_test(tcase, an_old_picture_ignores_a_node_that_reuses_an_index);
    tcase_add_test(tcase, a_claim_repeated_for_an_earlier_time_counts_from_then);
    tcase_add_test(tcase, what_is_known_may_be_said_again);
    tcase_add_test(tcase, at_most_64_claims_are_compared_with_a_new_one);
    tcase_add_test(tcase, what_a_node_said_is_listed_as_it_was_repeated);
    tcase_add_test(tcase, aliases_without_their_events_are_as_good);
    tcase_add_test(tcase, no_more_names_are_listed_than_there_is_room_for);
    tcase_add_test(tcase, the_id_of_a_log_is_no_name_of_another_node);
    tcase_add_test(tcase, at_most_64_claims_of_one_id_are_examined);
    tcase_add_test(tcase, a_picture_stays_as_it_is);
    tcase_add_loop_test(tcase, a_picture_that_shares_is_whole, 0, 3);
    tcase_add_test(tcase, aliases_are_noted_while_others_read_them);
    tcase_add_test(tcase, places_in_the_queue_are_written_after_they_were_read);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
