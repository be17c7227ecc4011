/* SPDX-License-Identifier: MIT
 *
 * Writes a directory of segments, like traced --record.
 *
 *     make_spool DIR EVENTS SEED [load [BEFORE] | aliases [IDS EVERY]
 *                                | machine NUMBER LEAD_NS DRIFT_PPB [STEP_NS [aliased|restarted|ended]]]
 *
 * One run of a traced: its segments have one instance and are numbered from 0; the last one has the rest.  Events are random,
 * of any kind, with any text (random_events.h).
 *
 *     load      like a busy network: 1000 peers, requests of about 20 packets.  BEFORE: so many events come before
 *               these; such directories follow one another in time, and have traces of their own
 *     aliases   the same, but peers have several ids, and nodes say so: of their peers, each node in its own way and not always
 *               the same; and of themselves, two of them the same.  IDS: how many peers have others (12); one of EVERY
 *               events says so (97)
 *     machine   the events of one of two machines, with packets and messages between them; its clock is ahead by LEAD_NS, gains
 *               DRIFT_PPB ns a second, and is stepped by STEP_NS in the middle, which its traced notices.  Use the same seed for
 *               both
 *               aliased: they know each other only by other ids, which change their owners
 *               ended: two more nodes on it have one event each, in the first and in the last quarter
 *               restarted: after three quarters another run of traced goes on, which knows of no step
 *
 * The same seed gives the same events.  Prints the instance as hex. */
#include "random_events.h"

#include <fcntl.h>
#include <inttypes.h>
#include <proto/event_clock.h>
#include <recording/writer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOAD_PEERS 1000
#define LOAD_TRACE_EVENTS 20
#define LOAD_OPEN_TRACES 64
#define LOAD_APART_NS 2000 /* between events, on average */

static uint64_t state;

static uint32_t rnd(uint32_t below) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % below;
}

static struct trace_id load_trace(uint64_t number) {
    struct trace_id id;
    uint64_t half = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(id.bytes, &half, 8);
    half *= UINT64_C(0xd6e8feb86659fd93);
    memcpy(id.bytes + 8, &half, 8);
    return id;
}

static struct trace_node_id load_peer(uint32_t number) {
    struct trace_node_id id;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t part = (number * 4 + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
        memcpy(id.bytes + 8 * i, &part, 8);
    }
    return id;
}

static uint64_t load_before;

static void load_event(struct random_events *random, struct trace_event *ret_event, uint32_t *ret_node, uint32_t *ret_lane) {
    static uint64_t traces[LOAD_OPEN_TRACES], next;
    static uint64_t packet_num;
    struct trace_event event = {.sequence = random->sequence++, .flags = TRACE_FLAG_HAS_PEER | TRACE_FLAG_SAMPLED};
    uint32_t open = rnd(LOAD_OPEN_TRACES), kind = rnd(100);
    if (!random->now_ns) {
        random->now_ns = UINT64_C(1767225600123456789) + load_before * LOAD_APART_NS;
        next = load_before;
    }
    if (!traces[open] || !rnd(LOAD_TRACE_EVENTS)) traces[open] = ++next;
    random->now_ns += rnd(2 * LOAD_APART_NS);
    event.timestamp = random->now_ns;
    event.trace_id = load_trace(traces[open]);
    event.peer_id = load_peer((uint32_t)(traces[open] * 7 + rnd(3)) % LOAD_PEERS);
    *ret_node = (uint32_t)(traces[open] % RANDOM_NODES);
    *ret_lane = rnd(2);
    if (kind < 40) {
        event.kind = TRACE_KIND_PACKET_SENT;
        event.data.packet_sent = (struct trace_packet_sent){packet_num++, 1200, TRACE_SPACE_1RTT};
    } else if (kind < 80) {
        event.kind = TRACE_KIND_PACKET_RECEIVED;
        event.data.packet_received = (struct trace_packet_received){packet_num++, 1200, TRACE_SPACE_1RTT};
    } else if (kind < 88) {
        event.kind = TRACE_KIND_METRICS;
        event.data.metrics = (struct trace_metrics){20000000 + rnd(5000000), 19000000, 65536 + rnd(65536), rnd(65536)};
    } else if (kind < 90) {
        event.kind = TRACE_KIND_PACKET_LOST;
        event.data.packet_lost = (struct trace_packet_lost){packet_num, TRACE_SPACE_1RTT};
    } else {
        event.kind = kind < 95 ? TRACE_KIND_APP_START : TRACE_KIND_APP_END;
        event.data.app_start = (struct trace_app_start){.span_id = traces[open], .app_id = "DMA", .cmd = 2};
    }
    *ret_event = event;
}

/* ---- aliases ---- */

static uint32_t aliased_ids = 12, alias_every = 97;

static struct trace_node_id other_id(uint32_t number) { return load_peer(2 * LOAD_PEERS + number); }

/* Of itself: node 0 and 1 say the same.  Of a peer: another id of it, or an id that is an alias of another one. */
static void say_alias(struct trace_event *event, uint32_t node) {
    struct trace_alias alias = {.alias_id_bytes = TRACE_NODE_ID_BYTES};
    struct trace_node_id id, peer;
    uint32_t number = rnd(aliased_ids);
    bool own = !rnd(3), address = !rnd(4);
    id = other_id(own ? node <= 1 ? 0 : node : number);
    peer = rnd(5) ? load_peer((number + (rnd(4) ? node : 1)) % LOAD_PEERS) : other_id((number + 1) % aliased_ids);
    memcpy(alias.alias_id, id.bytes, sizeof alias.alias_id);
    alias.transport = address ? TRACE_TRANSPORT_UDP : TRACE_TRANSPORT_OTHER;
    snprintf(alias.label, sizeof alias.label, address ? "peer%u.example:4000" : "key %u", number);
    event->kind = TRACE_KIND_ALIAS;
    event->flags = own ? 0 : TRACE_FLAG_HAS_PEER;
    event->peer_id = own ? (struct trace_node_id){{0}} : peer;
    event->trace_id = (struct trace_id){{0}};
    event->data.alias = alias;
}

static void aliased_event(struct random_events *random, struct trace_event *ret_event, uint32_t *ret_node, uint32_t *ret_lane) {
    load_event(random, ret_event, ret_node, ret_lane);
    if (!rnd(alias_every))
        say_alias(ret_event, *ret_node);
    else if (rnd(3))
        ret_event->peer_id = other_id(rnd(aliased_ids));
    else
        ret_event->peer_id = load_peer(rnd(aliased_ids));
}

/* ---- two machines --------------------------------------------------------------------------------------------------------- */

#define MACHINES 2
#define BEGIN_NS UINT64_C(1790000000000000000)
#define APART_NS 2000000 /* between packets, on average */
#define TRAVEL_NS 40000  /* at least */
#define QUEUES_NS 300000

#define ALIASED_IDS 3 /* of a machine, one after the other; only then it is the machine's */
#define ALIASED_NS UINT64_C(5000000000)

struct machine_clock {
    uint32_t number;
    int64_t lead_ns, drift_ppb, step_ns;
    uint64_t step_at_ns;
};

/* Both machines; the events of one of them are written. */
struct two_machines {
    struct machine_clock clock;
    uint32_t sequences[MACHINES];
    uint64_t now_ns, number, trace;
    bool aliased, restarted;
    uint64_t turn;
};

static uint64_t own_time(const struct machine_clock *clock, uint64_t true_ns) {
    int64_t since = (int64_t)(true_ns - BEGIN_NS);
    return true_ns + (uint64_t)(clock->lead_ns + since / 1000 * clock->drift_ppb / 1000000 +
                                (true_ns >= clock->step_at_ns ? clock->step_ns : 0));
}

/* A packet leaves one machine and arrives at the other; every fifth is a message.  Sometimes one end reports something else. */
static void next_packet(struct two_machines *two, struct trace_event events[MACHINES], uint64_t times[MACHINES]) {
    uint32_t from = rnd(MACHINES), to = 1 - from;
    two->now_ns += TRAVEL_NS + QUEUES_NS + rnd(2 * APART_NS);
    if (!rnd(LOAD_TRACE_EVENTS)) two->trace++;
    memset(events, 0, MACHINES * sizeof *events);
    times[from] = two->now_ns;
    times[to] = two->now_ns + TRAVEL_NS + (rnd(4) ? rnd(QUEUES_NS) : 0);
    for (uint32_t i = 0; i < MACHINES; i++) {
        events[i].flags = TRACE_FLAG_HAS_PEER | TRACE_FLAG_SAMPLED;
        /* Some traces belong to only one machine: by their own times they have another order. */
        events[i].trace_id = load_trace(two->trace + (two->trace % 5 ? 0 : 1000000 * i));
        events[i].peer_id = random_node_id(1 - i);
        events[i].sequence = two->sequences[i]++;
    }
    two->number++;
    if (two->number % 5) {
        events[from].kind = TRACE_KIND_PACKET_SENT;
        events[from].data.packet_sent = (struct trace_packet_sent){two->number, 1200, TRACE_SPACE_1RTT};
        events[to].kind = TRACE_KIND_PACKET_RECEIVED;
        events[to].data.packet_received = (struct trace_packet_received){two->number, 1200, TRACE_SPACE_1RTT};
    } else {
        events[from].kind = TRACE_KIND_MESSAGE_SENT;
        events[from].data.message_sent.message_id = two->number;
        events[to].kind = TRACE_KIND_MESSAGE_RECEIVED;
        events[to].data.message_received.message_id = two->number;
    }
    if (two->number % 7 < 2) { /* both ends of a request */
        events[from].kind = two->number % 7 ? TRACE_KIND_APP_START : TRACE_KIND_APP_END;
        events[from].data.app_start = (struct trace_app_start){.span_id = two->trace, .app_id = "DMA", .cmd = 2};
    } else if (two->number % 11 == 0) {
        events[to].kind = TRACE_KIND_METRICS;
        events[to].data.metrics = (struct trace_metrics){20000000 + rnd(5000000), 19000000, 65536, rnd(65536)};
    }
}

/* What a machine calls the other one in a turn. */
static struct trace_node_id machine_alias(uint32_t number, uint64_t turn) {
    return other_id(ALIASED_IDS * number + (uint32_t)(turn % ALIASED_IDS));
}

/* At the beginning of a turn: two events, one after the other, instead of packets. */
static void say_turn(const struct two_machines *two, uint64_t turn, bool begins, struct trace_event *event) {
    struct trace_alias alias = {.alias_id_bytes = TRACE_NODE_ID_BYTES, .transport = TRACE_TRANSPORT_UDP, .label = "other:4000"};
    uint32_t number = two->clock.number;
    struct trace_node_id id = machine_alias(number, begins ? turn : turn + ALIASED_IDS - 1);
    memcpy(alias.alias_id, id.bytes, sizeof alias.alias_id);
    event->kind = TRACE_KIND_ALIAS;
    event->flags = TRACE_FLAG_HAS_PEER;
    event->peer_id = begins ? random_node_id(1 - number) : load_peer(7);
    event->trace_id = (struct trace_id){{0}};
    event->data.alias = alias;
}

static void machine_event(struct two_machines *two, struct trace_event *ret_event) {
    struct trace_event events[MACHINES];
    uint64_t times[MACHINES];
    next_packet(two, events, times);
    *ret_event = events[two->clock.number];
    ret_event->timestamp = own_time(&two->clock, times[two->clock.number]);
    if (two->clock.step_ns && !two->restarted && times[two->clock.number] >= two->clock.step_at_ns)
        trace_event_set_clock_steps(ret_event, 1);
    if (!two->aliased) return;
    uint64_t turn = (two->now_ns - BEGIN_NS) / ALIASED_NS + 1;
    bool other = !rnd(50); /* an id that is somebody else's now */
    ret_event->peer_id = machine_alias(two->clock.number, other ? turn + 1 : turn);
    bool begins = two->turn + 1 < 2 * turn;
    if (two->turn == 2 * turn) return;
    two->turn = begins ? 2 * turn - 1 : 2 * turn;
    say_turn(two, turn, begins, ret_event);
}

static void write_segment(struct recording_maker *maker, struct store *store, const char *dir, uint64_t number) {
    char path[4096];
    uint64_t bytes;
    snprintf(path, sizeof path, "%s/p2ptrace-%016" PRIx64 "-%010" PRIu64 ".p2rec", dir, recording_maker_instance(maker), number);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || recording_maker_take(maker, store, number) || recording_maker_write(maker, fd, 0, &bytes)) {
        perror(path);
        exit(1);
    }
    close(fd);
}

/* Now and then two events of one lane have the same time, kind and peer; and traced reports losses of several causes at one
 * position. */
static void repeat_event(uint64_t i, const struct trace_event *last, struct trace_event *event) {
    uint32_t sequence = event->sequence;
    if (i % 16 != 0 || i == 0) return;
    *event = *last;
    event->sequence = sequence;
    if (last->kind != TRACE_KIND_EVENTS_LOST) return;
    event->sequence = last->sequence;
    event->data.events_lost.cause = (uint8_t)((last->data.events_lost.cause + 1) % TRACE_LOSS_COUNT);
}

static void list_step(struct store *store, const struct machine_clock *clock) {
    struct clock_step step = {
        .before_ns = own_time(clock, clock->step_at_ns - 1) + 1, .after_ns = own_time(clock, clock->step_at_ns), .number = 1};
    memcpy(step.machine.id, nodes_at(store->nodes, 0)->info.machine.id, sizeof step.machine.id);
    if (clock->step_ns) clock_steps_add(nodes_clock_steps(store->nodes), &step);
}

static struct store *make_machine(uint64_t seed, uint32_t number) {
    struct store *store;
    uint32_t node;
    struct node_info info = {
        .node_id = random_node_id(number), .log = 1000 * seed + number, .pid = (int)(100 + number), .started_unix_ns = BEGIN_NS};
    snprintf(info.node_name, sizeof info.node_name, "node%" PRIu32, number);
    snprintf(info.machine.name, sizeof info.machine.name, "host%" PRIu32, number);
    memset(info.machine.id, (int)(number + 1), sizeof info.machine.id);
    if (store_create(&store, HISTORY_BYTES_MIN) || store_add_node(store, &info, NODE_LIVE, &node)) exit(1);
    return store;
}

/* An event of a node that has no other, at the time of this one.  It began just before. */
static void add_short(struct store *store, uint64_t seed, uint32_t number, const char *name, const struct trace_event *like) {
    struct trace_event event = {.kind = TRACE_KIND_METRICS, .timestamp = like->timestamp, .flags = TRACE_FLAG_SAMPLED};
    struct node_info info = nodes_at(store->nodes, 0)->info;
    uint32_t node;
    trace_event_set_clock_steps(&event, trace_event_clock_steps(like));
    info.node_id = random_node_id(number);
    info.log = 1000 * seed + number;
    info.started_unix_ns = event.timestamp - 1000;
    snprintf(info.node_name, sizeof info.node_name, "%s", name);
    if (store_add_node(store, &info, NODE_LIVE, &node) || store_append(store, node, 0, &event, 1)) exit(1);
}

static struct store *make_store(uint64_t seed) {
    struct store *store;
    static const char *const hosts[] = {"hill", "hill", "", "valley", "valley.example"};
    if (store_create(&store, HISTORY_BYTES_MIN)) exit(1);
    for (uint32_t i = 0; i < RANDOM_NODES; i++) {
        struct node_info info = {
            .node_id = random_node_id(i), .log = 1000 * seed + i, .pid = (int)(100 + i), .started_unix_ns = 5};
        uint32_t node;
        snprintf(info.node_name, sizeof info.node_name, "node%" PRIu32, i);
        snprintf(info.machine.name, sizeof info.machine.name, "%s", hosts[i % (sizeof hosts / sizeof *hosts)]);
        if (store_add_node(store, &info, NODE_LIVE, &node) || node != i) exit(1);
        store_add_app(store, node, &random_app);
    }
    return store;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    const char *dir = argv[1];
    uint64_t events = strtoull(argv[2], NULL, 10), written = 0;
    struct random_events random = {.state = strtoull(argv[3], NULL, 10)};
    struct recording_maker *maker;
    struct two_machines two = {.now_ns = BEGIN_NS, .aliased = argc > 9 && !strcmp(argv[9], "aliased")};
    bool machine = argc > 7 && !strcmp(argv[4], "machine"), load = argc >= 5 && !strcmp(argv[4], "load"),
         aliases = argc >= 5 && !strcmp(argv[4], "aliases");
    if (machine)
        two.clock = (struct machine_clock){(uint32_t)strtoul(argv[5], NULL, 10) % MACHINES, strtoll(argv[6], NULL, 10),
                                           strtoll(argv[7], NULL, 10), argc > 8 ? strtoll(argv[8], NULL, 10) : 0,
                                           BEGIN_NS + events / 2 * (TRAVEL_NS + QUEUES_NS + APART_NS)};
    if (load && argc > 5) load_before = strtoull(argv[5], NULL, 10);
    if (aliases && argc > 6) {
        aliased_ids = (uint32_t)strtoul(argv[5], NULL, 10);
        alias_every = (uint32_t)strtoul(argv[6], NULL, 10);
    }
    struct store *store = machine ? make_machine(random.state, two.clock.number) : make_store(random.state);
    struct trace_event event = {0}, last;
    uint32_t node = 0, lane = 0;
    if (machine) list_step(store, &two.clock);
    state = random.state;
    if (recording_maker_create(&maker, false)) return 1;
    bool restarts = argc > 9 && !strcmp(argv[9], "restarted"), ends = argc > 9 && !strcmp(argv[9], "ended");
    for (uint64_t i = 0; i < events; i++) {
        if (restarts && i == events / 4 * 3) {
            two.restarted = true;
            if (i % HISTORY_SEGMENT_EVENTS) write_segment(maker, store, dir, written);
            recording_maker_destroy(maker);
            store_destroy(store);
            store = make_machine(random.state, two.clock.number);
            written = 0;
            if (recording_maker_create(&maker, false)) return 1;
        }
        uint32_t node_before = node, lane_before = lane;
        last = event;
        if (machine) {
            machine_event(&two, &event);
        } else if (aliases) {
            aliased_event(&random, &event, &node, &lane);
        } else if (load) {
            load_event(&random, &event, &node, &lane);
        } else {
            random_event(&random, 1, &event, &node, &lane);
            repeat_event(i, &last, &event);
            if (i % 16 == 0) node = node_before, lane = lane_before;
        }
        if (store_append(store, node, lane, &event, 1)) return 1;
        if (ends && i == events / 4) add_short(store, random.state, MACHINES + two.clock.number, "early", &event);
        if (ends && i == events / 4 * 3) add_short(store, random.state, 2 * MACHINES + two.clock.number, "late", &event);
        if ((i + 1) % HISTORY_SEGMENT_EVENTS == 0 || i + 1 == events) write_segment(maker, store, dir, written++);
    }
    printf("%016" PRIx64 "\n", recording_maker_instance(maker));
    recording_maker_destroy(maker);
    store_destroy(store);
    return 0;
}
