/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: a recording with wrong contents (recording/recording.h), although its checksums are right.
 *
 * The input's first byte has flags: 1: the recording is compressed; 2: checksums of blocks are left wrong; 4: those of node
 * records; 8: that of the header; 16: the file is cut; 32: it is read together with the intact recording of another run, which
 * has the second half of its events, and 150 more.  Then come changes of four bytes each: part of the frame, place in it (2
 * bytes), new byte.  The frame that is changed has 300 events of 3 nodes.  With bit 16 the second byte says where it is cut, in
 * 256ths.
 *
 * Beyond the sanitizers it checks that answers match their questions, that they are JSON, and that each question ends.
 *
 * fuzz.h says how it runs. */
#include "../helpers/scratch.h"
#include "fuzz.h"
#include "recording_format.h"

#include <proto/rpc.h>
#include <recording/recording.h>
#include <recording/writer.h>
#include <store/ask.h>
#include <store/grace.h>

#define EVENTS 300
#define LATER_FROM 150 /* what the other run has */
#define LATER_TO 450

static struct base {
    char *bytes;
    size_t count;
} bases[2], later;

static struct trace_event make_event(uint32_t i) {
    struct trace_event event = {
        .timestamp = UINT64_C(1700000000000000000) + i * 1000, .sequence = i, .kind = (uint16_t)(1 + i % 14)};
    event.trace_id.bytes[0] = (uint8_t)(1 + i % 5);
    event.peer_id.bytes[3] = (uint8_t)(1 + i % 7);
    event.flags = i % 3 != 0 ? TRACE_FLAG_HAS_PEER : 0;
    return event;
}

/* Of the positions from 20 before its own on, or with a sum's cause of any. */
static struct trace_event make_loss(uint32_t i) {
    struct trace_event event = {
        .timestamp = UINT64_C(1700000000000000000) + i * 1000, .sequence = i - 20, .kind = TRACE_KIND_EVENTS_LOST};
    event.data.events_lost.first = i - 20;
    event.data.events_lost.count = 20;
    event.data.events_lost.cause = (uint8_t)(i % TRACE_LOSS_COUNT);
    return event;
}

/* A complete recording of the events in [from, to). */
static void make_base(struct base *base, bool compress, uint32_t from, uint32_t to) {
    char dir[SCRATCH_BYTES], path[SCRATCH_BYTES + 16];
    struct recording_writer *writer;
    uint32_t nodes[3];
    FILE *file;

    REQUIRE(make_scratch(dir));
    snprintf(path, sizeof path, "%s/base", dir);
    REQUIRE(recording_writer_open(&writer, path, &(struct recording_writer_options){.compress = compress}) == 0);
    for (uint32_t i = 0; i < 3; i++) {
        struct node_info info = {.node_name = "node", .log = i + 1};
        struct trace_app app = {.app_id = {'D', 'M', 'A', 'P'}, .name = "DataMap", .commands = {{2, "GET_CHUNK"}}};
        REQUIRE(store_add_node(recording_writer_store(writer), &info, NODE_UNKNOWN, &nodes[i]) == 0);
        store_add_app(recording_writer_store(writer), nodes[i], &app);
    }
    struct alias said[4] = {{.own = true, .node = 1, .alias_id.bytes = {8}, .time_ns = 1},
                            {.node = 2, .alias_id.bytes = {0, 0, 0, 2}, .peer_id.bytes = {0, 0, 0, 3}, .time_ns = 2},
                            {.node = 2, .alias_id.bytes = {0, 0, 0, 3}, .peer_id.bytes = {0, 0, 0, 2}, .time_ns = 3},
                            {.node = 2, .alias_id.bytes = {0, 0, 0, 2}, .peer_id.bytes = {0, 0, 0, 4}, .time_ns = 4}};
    store_add_aliases(recording_writer_store(writer), said, 4);
    for (uint32_t i = from; i < to; i++) {
        struct trace_event event = from > 0 && i % 30 < 3 ? make_loss(i) : make_event(i);
        REQUIRE(recording_writer_append(writer, nodes[i % 3], i % 2, &event, 1) == 0);
    }
    REQUIRE(recording_writer_close(writer, NULL) == 0);
    file = fopen(path, "rb");
    REQUIRE(file != NULL && fseek(file, 0, SEEK_END) == 0);
    base->count = (size_t)ftell(file);
    base->bytes = malloc(base->count);
    rewind(file);
    REQUIRE(base->bytes != NULL && fread(base->bytes, 1, base->count, file) == base->count);
    fclose(file);
    unlink(path);
    rmdir(dir);
}

/* Puts one byte into a part of the frame. */
static void change(char *frame, size_t count, const struct recording_header *header, const uint8_t what[4]) {
    struct recording_parts parts;
    uint64_t from, to;

    recording__parts(header, &parts);
    const uint64_t places[] = {0, 232, parts.roster, parts.records, parts.table, parts.blocks, count};
    from = places[what[0] % 6];
    to = places[what[0] % 6 + 1];
    if (to <= from) to = from + 1;
    frame[from + (what[1] | (uint64_t)what[2] << 8) * (to - from > 65536 ? (to - from) / 65536 : 1) % (to - from)] =
        (char)what[3];
}

/* Corrects the checksums.  It uses the sizes from before the change, because the header may claim data that
 * does not exist. */
static void seal(char *frame, const struct recording_header *before, uint8_t flags) {
    struct recording_header *header = (struct recording_header *)frame;
    struct recording_parts parts;
    struct recording_roster *roster;
    struct recording_block *table;
    uint64_t at;

    recording__parts(before, &parts);
    roster = (struct recording_roster *)(frame + parts.roster);
    table = (struct recording_block *)(frame + parts.table);
    at = parts.records;
    for (uint32_t i = 0; i < before->node_count && (flags & 4) == 0; i++) {
        uint64_t bytes = roster[i].record_bytes;
        if (bytes > parts.table - at) break;
        roster[i].checksum = recording__checksum(frame + at, bytes);
        at += bytes;
    }
    at = parts.blocks;
    for (uint32_t i = 0; i < before->block_count && (flags & 2) == 0; i++) {
        if (table[i].stored_bytes > before->frame_bytes - at) break;
        table[i].checksum = recording__checksum(frame + at, table[i].stored_bytes);
        at += table[i].stored_bytes;
    }
    header->roster_checksum = recording__checksum(roster, before->node_count * sizeof *roster);
    header->blocks_checksum = recording__checksum(table, before->block_count * sizeof *table);
    if ((flags & 8) == 0) header->checksum = recording__checksum(header, offsetof(struct recording_header, checksum));
}

static void select_all(struct history *history, const struct history_query *query, bool newest_first) {
    struct history_answer answer;
    REQUIRE(history_select(history, query, 0, UINT64_MAX, 500, newest_first, NULL, &answer) == 0);
    for (size_t i = 0; i < answer.count; i++) {
        REQUIRE(history_match(query, &answer.hits[i].event, answer.hits[i].source));
        REQUIRE(history_source_node(answer.hits[i].source) < HISTORY_NODES_MAX);
        if (i > 0) REQUIRE((history_compare(&answer.hits[i - 1], &answer.hits[i]) < 0) == !newest_first);
    }
    history_answer_fini(&answer);
}

static void ask_who(const struct store *store) {
    struct alias_picture *picture = alias_picture_take(store->aliases);
    struct trace_node_id ids[8] = {{{0, 0, 0, 2}}};
    grace_read_lock();
    for (size_t i = 0; i < alias_picture_count(picture); i++) {
        const struct alias *alias = alias_picture_at(picture, i);
        if (!alias) continue;
        REQUIRE(nodes_at(store->nodes, alias->node) != NULL && alias_picture_has(picture, &alias->alias_id));
        (void)alias_picture_resolve(picture, alias->node, alias->time_ns, &alias->alias_id);
        (void)alias_picture_is_disputed(picture, i);
    }
    (void)alias_picture_resolve(picture, 2, 5, &ids[0]);
    (void)alias_picture_names_of(picture, ids, 1, 8);
    grace_read_unlock();
    alias_picture_release(picture);
}

/* As in traced: what a file says about its nodes becomes JSON. */
static void ask_method(struct store *store, const char *method) {
    struct trace_text text = {0};
    struct trace_rpc_error error = {0};
    if (store_ask(store, method, NULL, &text, &error) == 0) {
        json_t *value = json_loadb(text.data, text.bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
        REQUIRE(!text.failed && value != NULL);
        json_decref(value);
    } else {
        REQUIRE(error.code != 0 && error.message[0] != 0);
        trace_rpc_error_fini(&error);
    }
    trace_text_fini(&text);
}

static void ask(struct recording *recording) {
    static const char *const methods[] = {"nodes", "apps", "who"};
    struct store *store = recording_store(recording);
    struct trace_event like = make_event(8);
    uint64_t set[NODES_SET_WORDS] = {2};
    struct history_trace *traces = NULL;
    struct history_peer *peers = NULL;
    struct history_stats stats;
    struct trace_node_id peer_ids[4];
    struct trace_id ids[4];
    size_t count, total;

    select_all(store->history, &(struct history_query){.by_trace = true, .trace_id = like.trace_id}, false);
    select_all(store->history, &(struct history_query){.by_peer = true, .peer_id = like.peer_id}, true);
    select_all(store->history, &(struct history_query){.kinds = 0x80}, false);
    select_all(store->history, &(struct history_query){.by_node = true, .node_set = set, .node_set_bits = NODES_MAX}, true);
    (void)history_count(store->history, &(struct history_query){.from_ns = like.timestamp}, 0, UINT64_MAX, false, NULL);
    (void)history_find_traces(store->history, like.trace_id.bytes, 2, ids, 4);
    (void)history_find_traces(store->history, like.trace_id.bytes, 32, ids, 4);
    (void)history_find_peers(store->history, like.peer_id.bytes, 3, peer_ids, 4);
    REQUIRE(history_traces(store->history,
                           &(struct history_traces_query){.limit = 10, .app_id = "DMAP", .order = HISTORY_TRACES_SLOWEST},
                           &traces, &count, &total) == 0);
    free(traces);
    REQUIRE(history_peers(store->history, NULL, 0, &peers, &count) == 0);
    free(peers);
    REQUIRE(history_peers(store->history, set, NODES_MAX, &peers, &count) == 0);
    free(peers);
    history_stats(store->history, &stats);
    ask_who(store);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) ask_method(store, methods[i]);
    recording_verify(recording);
    for (uint32_t i = 0; i < nodes_count(store->nodes); i++) {
        const struct node *node = nodes_at(store->nodes, i);
        if (!node) continue;
        REQUIRE(memchr(node->info.node_name, 0, sizeof node->info.node_name) != NULL);
        REQUIRE(node->app_count <= TRACE_APPS_MAX && node->info.lane_count <= TRACE_LANES_MAX);
    }
}

/* Two files at most. */
static void read_files(const int *fds, size_t count) {
    struct recording *recording;
    char reason[RECORDING_REASON_BYTES], paths[2][32];
    const char *names[2] = {paths[0], paths[1]};

    for (size_t i = 0; i < count; i++) snprintf(paths[i], sizeof paths[i], "/proc/self/fd/%d", fds[i]);
    reason[0] = 0;
    if (recording_open(&recording, names, count, reason) == 0) {
        ask(recording);
        recording_close(recording);
    } else {
        REQUIRE(reason[0] != 0);
    }
}

static int write_file(const char *bytes, size_t count) {
    int fd = memfd_create("recording", MFD_CLOEXEC);
    REQUIRE(fd >= 0 && write(fd, bytes, count) == (ssize_t)count);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    uint8_t flags = bytes > 0 ? data[0] : 0;
    struct base *base = &bases[flags & 1];
    struct recording_header before;
    size_t count;
    char *frame;
    int fds[2];

    if (!base->bytes) make_base(base, (flags & 1) != 0, 0, EVENTS);
    if (!later.bytes) make_base(&later, false, LATER_FROM, LATER_TO);
    count = base->count;
    frame = malloc(count);
    REQUIRE(frame != NULL);
    memcpy(frame, base->bytes, count);
    memcpy(&before, frame, sizeof before);
    for (size_t at = (flags & 16) != 0 ? 2 : 1; at + 4 <= bytes; at += 4) change(frame, count, &before, data + at);
    seal(frame, &before, flags);
    if ((flags & 16) != 0 && bytes > 1) count = count * data[1] / 256;
    fds[0] = write_file(frame, count);
    fds[1] = (flags & 32) != 0 ? write_file(later.bytes, later.count) : -1;
    free(frame);
    read_files(fds, (flags & 32) != 0 ? 2 : 1);
    close(fds[0]);
    if (fds[1] >= 0) close(fds[1]);
    return 0;
}
