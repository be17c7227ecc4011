/* SPDX-License-Identifier: MIT
 *
 * Recordings: written files are read back, intact or damaged. */
#include "../helpers/scratch.h"
#include "history_checks.h"
#include "recording_format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <recording/recording.h>
#include <recording/writer.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/grace.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HISTORY_BYTES ((size_t)120 << 20)

static char dir[SCRATCH_BYTES];
static char path[SCRATCH_BYTES + 16], other_path[SCRATCH_BYTES + 16];
static char reason[RECORDING_REASON_BYTES];

static void begin_files(void) {
    ck_assert_ptr_nonnull(make_scratch(dir));
    snprintf(path, sizeof path, "%s/a.p2rec", dir);
    snprintf(other_path, sizeof other_path, "%s/b.p2rec", dir);
    store_enter_thread();
}

static void end_files(void) {
    DIR *list = opendir(dir);
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        if (entry->d_name[0] != '.') unlinkat(dirfd(list), entry->d_name, 0);
    closedir(list);
    ck_assert_int_eq(rmdir(dir), 0);
}

static struct recording *open_one(const char *name) {
    struct recording *recording = NULL;
    int error = recording_open(&recording, &name, 1, reason);
    ck_assert_msg(error == 0, "%s", error == 0 ? "" : reason);
    return recording;
}

/* ---- writing the model's events ----------------------------------------------------------------------------------------- */

static struct recording_writer *writer_for(const char *name, bool compress, uint32_t nodes) {
    struct recording_writer *writer;
    ck_assert_int_eq(recording_writer_open(&writer, name, &(struct recording_writer_options){.compress = compress}), 0);
    for (uint32_t i = 0; i < nodes; i++) {
        struct node_info info = {.pid = 100 + (int)i, .log = 1000 + i};
        struct trace_app app = {.app_id = {'D', 'M', 'A', 'P'}, .name = "DataMap", .commands = {{2, "GET_CHUNK"}}};
        uint32_t index;
        info.node_id.bytes[0] = (uint8_t)i;
        info.node_id.bytes[1] = (uint8_t)(i >> 8);
        snprintf(info.node_name, sizeof info.node_name, "node %u", i);
        ck_assert_int_eq(store_add_node(recording_writer_store(writer), &info, NODE_UNKNOWN, &index), 0);
        ck_assert_uint_eq(index, i);
        app.commands[0].cmd = (uint16_t)i;
        store_add_app(recording_writer_store(writer), index, &app);
    }
    return writer;
}

/* Events of the model from position `from` on. */
static void write_model(struct recording_writer *writer, uint64_t from, uint64_t to) {
    for (uint64_t i = from; i < to; i++) {
        const struct model_event *item = &model.events[i];
        ck_assert_int_eq(recording_writer_append(writer, history_source_node(item->source), history_source_lane(item->source),
                                                 &item->event, 1),
                         0);
    }
}

static void make_model(const struct workload *load, uint64_t count) {
    checks_begin_with(load, 11, count, HISTORY_BYTES);
    workload_append(&generator, history, &model, count);
    ck_assert_uint_eq(model.begin, 0);
}

static void check_nodes(struct store *store, uint32_t nodes) {
    for (uint32_t i = 0; i < nodes; i++) {
        char name[32];
        const struct node *node = nodes_at(store->nodes, i);
        ck_assert_ptr_nonnull(node);
        snprintf(name, sizeof name, "node %u", i);
        ck_assert_str_eq(node->info.node_name, name);
        ck_assert_int_eq(node->info.pid, 100 + (int)i);
        ck_assert_uint_eq(node->info.log, 1000 + i);
        ck_assert_uint_eq(node->app_count, 1);
        ck_assert_uint_eq(node->apps[0]->commands[0].cmd, i);
    }
    ck_assert_uint_eq(nodes_count(store->nodes), nodes);
}

START_TEST(events_are_read_back_as_written) {
    const struct workload *load = &loads[_i / 2];
    struct history *memory;
    struct recording *recording;
    struct recording_writer *writer = writer_for(path, _i % 2, load->nodes);
    struct recording_writer_stats stats;

    make_model(load, 150000);
    write_model(writer, 0, model.end);
    ck_assert_int_eq(recording_writer_close(writer, &stats), 0);
    ck_assert_uint_eq(stats.written, 150000);
    ck_assert_uint_eq(stats.waiting + stats.lost, 0);
    recording = open_one(path);
    memory = history;
    history = recording_store(recording)->history;
    check_everything(24);
    check_nodes(recording_store(recording), load->nodes);
    ck_assert_uint_eq(recording_problem_count(recording), 0);
    ck_assert_uint_gt(recording_store(recording)->closed_ns, 0);
    recording_close(recording);
    history = memory;
    checks_end();
}
END_TEST

/* ---- damage --------------------------------------------------------------------------------------------------------------- */

/* Two segments of the model and a partial one: the start of most tests. */
#define EVENTS 140000

static void write_file(bool compress) {
    struct recording_writer *writer = writer_for(path, compress, 5);
    make_model(&loads[0], EVENTS);
    write_model(writer, 0, model.end);
    ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
}

static uint64_t file_bytes(const char *name) {
    struct stat status;
    ck_assert_int_eq(stat(name, &status), 0);
    return (uint64_t)status.st_size;
}

static struct recording_header header_at(uint64_t offset) {
    struct recording_header header;
    int fd = open(path, O_RDONLY);
    ck_assert_int_eq(pread(fd, &header, sizeof header, (off_t)offset), sizeof header);
    close(fd);
    return header;
}

static void overwrite(uint64_t offset, const void *bytes, size_t count) {
    int fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, bytes, count, (off_t)offset), (ssize_t)count);
    close(fd);
}

/* Changes one bit. */
static void flip(uint64_t offset) {
    unsigned char byte;
    int fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 0x10;
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

static size_t all_events(struct recording *recording) {
    struct history_query query = {0};
    struct history_answer answer;
    size_t count;
    ck_assert_int_eq(history_select(recording_store(recording)->history, &query, 0, UINT64_MAX, LIMIT_ALL, false, NULL, &answer),
                     0);
    count = answer.count;
    for (size_t i = 0; i < count; i++) { /* all of them are genuine, each once; earlier segments may be missing */
        bool known = false;
        if (i > 0) quick_assert(history_compare(&answer.hits[i - 1], &answer.hits[i]) < 0);
        for (uint64_t at = answer.hits[i].position; at < model.end && !known; at += HISTORY_SEGMENT_EVENTS)
            known = memcmp((const char *)&answer.hits[i].event, (const char *)&model.events[at].event,
                           sizeof answer.hits[i].event) == 0;
        quick_assert(known);
    }
    history_answer_fini(&answer);
    return count;
}

/* Asks all possible questions; they only have to be answered. */
static void ask_all(struct recording *recording) {
    struct history *read = recording_store(recording)->history;
    struct history_query query = {.by_trace = true, .trace_id = model.events[7].event.trace_id};
    struct history_trace *traces = NULL;
    struct history_peer *peers = NULL;
    struct history_answer answer;
    struct history_stats stats;
    struct trace_id ids[4];
    size_t count;
    ck_assert_int_eq(history_select(read, &query, 0, UINT64_MAX, 1000, true, NULL, &answer), 0);
    history_answer_fini(&answer);
    (void)history_find_traces(read, query.trace_id.bytes, 5, ids, 4);
    ck_assert_int_eq(history_traces(read, &(struct history_traces_query){.limit = 50}, &traces, &count, NULL), 0);
    free(traces);
    ck_assert_int_eq(history_peers(read, NULL, 0, &peers, &count), 0);
    free(peers);
    history_stats(read, &stats);
}

/* Whatever was lost was reported.  unknown: events of segments that the file does not mention. */
static void check_damaged(uint64_t unknown) {
    const char *name = path;
    struct recording *recording;
    size_t read;
    if (recording_open(&recording, &name, 1, reason) < 0) {
        ck_assert_uint_gt(strlen(reason), 10);
        return;
    }
    ask_all(recording);
    read = all_events(recording);
    recording_verify(recording);
    if (read + unknown < EVENTS) ck_assert_uint_gt(recording_problem_count(recording), 0);
    if (unknown != UINT64_MAX) ck_assert_uint_le(EVENTS - read, recording_events_lost(recording) + unknown);
    recording_close(recording);
}

START_TEST(a_file_cut_at_any_block_is_read_up_to_there) {
    bool compress = _i == 1;
    uint64_t whole, first, second;
    write_file(compress);
    whole = file_bytes(path);
    first = header_at(0).frame_bytes;
    second = first + header_at(first).frame_bytes;
    for (uint64_t cut = whole; cut > 0; cut = cut > 65536 * 5 ? cut - 65536 * 5 + cut % 7 : cut / 2) {
        const char *name = path;
        struct recording *recording;
        ck_assert_int_eq(truncate(path, (off_t)cut), 0);
        check_damaged(cut <= first ? EVENTS - HISTORY_SEGMENT_EVENTS : cut <= second ? EVENTS - 2 * HISTORY_SEGMENT_EVENTS : 0);
        if (cut < first || recording_open(&recording, &name, 1, reason) < 0) continue;
        ck_assert_uint_ge(all_events(recording), HISTORY_SEGMENT_EVENTS); /* the first segment is whole */
        recording_close(recording);
    }
    checks_end();
}
END_TEST

/* The nodes are before the events: a file that ends between them has none of what its header counts. */
START_TEST(a_file_cut_before_its_events_is_refused) {
    const char *name = path;
    struct recording *recording;
    write_file(_i == 1);
    struct recording_header header = header_at(0);
    ck_assert_uint_gt(header.events, 0);
    for (uint64_t cut = RECORDING_ALIGN; cut > 64; cut /= 2) {
        ck_assert_int_eq(truncate(path, (off_t)(cut + RECORDING_ALIGN)), 0);
        ck_assert_int_lt(recording_open(&recording, &name, 1, reason), 0);
        ck_assert_ptr_nonnull(strstr(reason, "nothing in it can be read"));
        ck_assert_ptr_nonnull(strstr(reason, " bytes before its segment does ("));
    }
    checks_end();
}
END_TEST

START_TEST(events_that_were_cut_off_are_not_counted) {
    const char *name = path;
    struct recording *recording;
    struct history_stats stats;
    write_file(false);
    struct recording_header header = header_at(0);
    ck_assert_int_eq(truncate(path, (off_t)(header.frame_bytes - header.frame_bytes / 3)), 0);
    ck_assert_int_eq(recording_open(&recording, &name, 1, reason), 0);
    ck_assert_int_eq(history_stats(recording_store(recording)->history, &stats), 0);
    uint64_t readable = recording_events(recording);
    ck_assert_uint_eq(readable, all_events(recording));
    ck_assert_uint_eq(readable + recording_events_lost(recording), header.events);
    recording_close(recording);
    checks_end();
}
END_TEST

START_TEST(a_flipped_bit_is_found_wherever_it_is) {
    uint64_t whole;
    write_file(_i == 1);
    whole = file_bytes(path);
    for (unsigned i = 0; i < 60; i++) {
        struct recording_header header;
        uint64_t at = i < 20 ? i * 211 : generator_below(&generator, whole);
        flip(at);
        check_damaged(i < 20 ? UINT64_MAX : 0); /* without a header, their number is unknown */
        flip(at);
        header = header_at(0);
        ck_assert_uint_eq(header.number, 0);
    }
    check_damaged(0);
    checks_end();
}
END_TEST

START_TEST(a_damaged_header_costs_its_segment_alone) {
    struct recording *recording;
    uint64_t second;
    write_file(false);
    second = header_at(0).frame_bytes;
    flip(second + 100);
    recording = open_one(path);
    ck_assert_uint_eq(recording_problem_count(recording), 2); /* it, and the gap */
    ck_assert_uint_eq(recording_problem(recording, 0)->offset, second);
    ck_assert_ptr_nonnull(strstr(recording_problem(recording, 0)->text, "header"));
    struct history_stats stats;
    history_stats(recording_store(recording)->history, &stats);
    ck_assert_uint_eq(stats.events, EVENTS - HISTORY_SEGMENT_EVENTS);
    recording_close(recording);
    checks_end();
}
END_TEST

/* ---- refused files ------------------------------------------------------------------------------------------------------ */

START_TEST(unreadable_files_are_refused_with_a_sentence) {
    static const struct {
        size_t offset;
        uint32_t value;
        const char *reason;
    } cases[] = {
        {offsetof(struct recording_header, version), 3,
         "was written by a newer p2ptrace: its format is 3, and this one reads up to 2"},
        {offsetof(struct recording_header, version), 0, "has an unknown format: 0"},
        {offsetof(struct recording_header, byte_order), 0x04030201, "was written on a machine with another byte order"},
        {offsetof(struct recording_header, event_bytes), 256, "has events of 256 bytes, and this p2ptrace has 128"},
        {offsetof(struct recording_header, magic), 0x464c457f, "is not a recording"},
    };
    struct recording_writer *writer = writer_for(path, false, 1);
    const char *name = path;
    struct recording *recording;
    char expected[200];
    make_model(&loads[5], 10);
    for (unsigned i = 0; i < 10; i++) ck_assert_int_eq(recording_writer_append(writer, 0, 0, &model.events[i].event, 1), 0);
    ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
    overwrite(cases[_i].offset, &cases[_i].value, sizeof cases[_i].value);
    ck_assert_int_lt(recording_open(&recording, &name, 1, reason), 0);
    snprintf(expected, sizeof expected, "%s %s", path, cases[_i].reason);
    ck_assert_str_eq(reason, expected);
    checks_end();
}
END_TEST

START_TEST(empty_and_missing_files_are_refused) {
    const char *names[] = {path, dir, "/dev/null", "/proc/nonexistent/x"};
    struct recording *recording;
    close(open(path, O_WRONLY | O_CREAT, 0600));
    ck_assert_int_lt(recording_open(&recording, &names[0], 1, reason), 0);
    ck_assert_ptr_nonnull(strstr(reason, "is empty"));
    ck_assert_int_lt(recording_open(&recording, &names[1], 1, reason), 0); /* with the empty file alone */
    unlink(path);
    ck_assert_int_lt(recording_open(&recording, &names[1], 1, reason), 0);
    ck_assert_ptr_nonnull(strstr(reason, "has no recordings"));
    ck_assert_int_lt(recording_open(&recording, &names[2], 1, reason), 0);
    ck_assert_ptr_nonnull(strstr(reason, "not a file"));
    ck_assert_int_lt(recording_open(&recording, &names[3], 1, reason), 0);
    ck_assert_ptr_nonnull(strstr(reason, "does not exist"));
}
END_TEST

/* ---- several as one ------------------------------------------------------------------------------------------------------ */

START_TEST(the_steps_of_clocks_are_kept_once) {
    const struct clock_step step = {
        .machine = {.id = {1, 2, 3}}, .before_ns = 9000, .after_ns = 5000, .number = 7, .slept = true};
    struct clock_step list[CLOCK_STEPS_MAX];
    struct recording *recording;
    struct recording_writer *writer = writer_for(path, _i, 5);

    make_model(&loads[0], EVENTS); /* several segments: each has the list */
    clock_steps_add(nodes_clock_steps(recording_writer_store(writer)->nodes), &step);
    write_model(writer, 0, model.end);
    ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
    recording = open_one(path);
    ck_assert_uint_eq(clock_steps_copy(nodes_clock_steps(recording_store(recording)->nodes), list), 1);
    ck_assert_uint_eq(list[0].before_ns, 9000);
    ck_assert_uint_eq(list[0].after_ns, 5000);
    ck_assert_uint_eq(list[0].number, 7);
    ck_assert(list[0].slept);
    ck_assert_int_eq(memcmp(list[0].machine.id, step.machine.id, sizeof step.machine.id), 0);
    recording_close(recording);
    checks_end();
}
END_TEST

/* ---- who is who ---------------------------------------------------------------------------------------------------------- */

static struct trace_node_id numbered_id(uint8_t number) { return (struct trace_node_id){{number, 0, 9}}; }

/* Node 1 says that it has this id, too, and node 0 that a peer has the next one; moved: later another peer. */
static void tell_who(struct store *store, uint8_t number, bool moved) {
    struct alias list[] = {
        {.alias_id = numbered_id(number), .own = true, .node = 1, .time_ns = 50, .label = "own"},
        {.alias_id = numbered_id(number + 1), .peer_id = numbered_id(101), .node = 0, .time_ns = 60, .transport = 1},
        {.alias_id = numbered_id(number + 1), .peer_id = numbered_id(102), .node = 0, .time_ns = 70}};
    store_add_aliases(store, list, moved ? 3 : 2);
}

static uint8_t stands_for(struct store *store, uint32_t node, uint64_t time_ns, uint8_t number) {
    struct alias_picture *picture = alias_picture_take(store->aliases);
    struct trace_node_id id = numbered_id(number);
    grace_read_lock();
    const struct trace_node_id *is = alias_picture_resolve(picture, node, time_ns, &id);
    uint8_t found = is->bytes[2] ? is->bytes[0] : 200 + is->bytes[0]; /* 200 and up: nodes */
    grace_read_unlock();
    alias_picture_release(picture);
    return found;
}

static void check_who(const char *name, uint8_t number, bool moved) {
    struct recording *recording = open_one(name);
    struct store *store = recording_store(recording);
    ck_assert_uint_eq(stands_for(store, 0, 10, number), 201);
    ck_assert_uint_eq(stands_for(store, 4, 10, number), 201);
    ck_assert_uint_eq(stands_for(store, 0, 65, number + 1), 101);
    ck_assert_uint_eq(stands_for(store, 0, 75, number + 1), moved ? 102 : 101);
    ck_assert_uint_eq(stands_for(store, 4, 65, number + 1), number + 1);
    ck_assert_uint_eq(recording_problem_count(recording), 0);
    recording_close(recording);
}

static uint32_t version_of(const char *name) {
    struct recording_header header;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(pread(fd, &header, sizeof header, 0), sizeof header);
    close(fd);
    return header.version;
}

/* Whenever it was said: before the first event, or after the last, which fills a segment. */
START_TEST(who_is_who_stands_beside_the_events) {
    struct recording_writer *writer = writer_for(path, _i % 2, 5);
    make_model(&loads[0], EVENTS);
    if (_i < 2) tell_who(recording_writer_store(writer), 10, true);
    write_model(writer, 0, HISTORY_SEGMENT_EVENTS);
    if (_i >= 2) tell_who(recording_writer_store(writer), 10, true);
    ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
    ck_assert_uint_eq(version_of(path), 2);
    check_who(path, 10, true);
    checks_end();
}
END_TEST

/* With and without aliases; of a node that is live, whose last event is all that is known, that was killed, and that closed its
 * log.  The next node's record begins behind it. */
START_TEST(when_logs_ended_stands_beside_the_events) {
    struct recording_writer *writer = writer_for(path, false, 5);
    struct store *store = recording_writer_store(writer);
    make_model(&loads[0], 1000);
    if (_i) tell_who(store, 10, true);
    write_model(writer, 0, model.end);
    for (uint32_t i = 1; i < 4; i++) {
        uint64_t last_ns = nodes_at(store->nodes, i)->last_unix_ns;
        if (i == 2) nodes_set_ended(nodes_at(store->nodes, i), last_ns + 10, last_ns + 20);
        if (i == 3) nodes_set_closed(nodes_at(store->nodes, i), last_ns + 5, last_ns + 20);
        store_end_node(store, i, i == 3 ? NODE_EXITED : NODE_CRASHED);
    }
    ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
    ck_assert_uint_eq(version_of(path), _i ? 2 : 1);
    struct recording *recording = open_one(path);
    const struct nodes *nodes = recording_store(recording)->nodes;
    for (uint32_t i = 0; i < 5; i++) {
        const struct node *node = nodes_at(nodes, i);
        uint64_t last_ns = node->last_unix_ns;
        ck_assert_uint_eq(node->ended_after_ns, i == 2 ? last_ns + 10 : i == 3 ? last_ns + 5 : 0);
        ck_assert_uint_eq(node->ended_by_ns, i == 2 ? last_ns + 20 : i == 3 ? last_ns + 5 : 0);
    }
    check_nodes(recording_store(recording), 5);
    recording_close(recording);
    if (_i) check_who(path, 10, true);
    checks_end();
}
END_TEST

START_TEST(a_recording_without_aliases_is_as_older_programs_read_it) {
    write_file(false);
    ck_assert_uint_eq(version_of(path), 1);
    checks_end();
}
END_TEST

START_TEST(who_is_who_is_still_there_when_it_is_compressed_later) {
    struct recording_writer *writer = writer_for(path, false, 5);
    struct recording_maker *maker;
    uint64_t bytes;
    make_model(&loads[0], 1000);
    tell_who(recording_writer_store(writer), 10, true);
    write_model(writer, 0, model.end);
    ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
    ck_assert_int_eq(recording_maker_create(&maker, false), 0);
    int from = open(path, O_RDONLY | O_CLOEXEC), to = open(other_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_eq(recording_maker_recompress(maker, from, to, &bytes), 0);
    close(from);
    close(to);
    recording_maker_destroy(maker);
    ck_assert_uint_eq(version_of(other_path), 2);
    check_who(other_path, 10, true);
    checks_end();
}
END_TEST

/* A traced that was started later did not see what the one before it saw.  Both are right, in either order. */
START_TEST(of_several_writers_each_adds_what_it_knows) {
    const char *names[2] = {path, other_path};
    struct recording *recording;
    make_model(&loads[0], 1000);
    for (unsigned i = 0; i < 2; i++) {
        struct recording_writer *writer = writer_for(names[i], false, 5);
        tell_who(recording_writer_store(writer), 10 + 10 * (uint8_t)i, i == 0);
        write_model(writer, 500 * i, 500 * i + 500);
        ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        const char *read[2] = {names[i], names[!i]};
        ck_assert_int_eq(recording_open(&recording, read, 2, reason), 0);
        struct store *store = recording_store(recording);
        ck_assert_uint_eq(stands_for(store, 4, 10, 10), 201);
        ck_assert_uint_eq(stands_for(store, 0, 75, 11), 102);
        ck_assert_uint_eq(stands_for(store, 4, 10, 20), 201);
        ck_assert_uint_eq(stands_for(store, 0, 75, 21), 101);
        struct aliases_stats stats;
        aliases_stats(store->aliases, &stats);
        ck_assert_uint_eq(stats.count, 5);
        recording_close(recording);
    }
    checks_end();
}
END_TEST

/* A full table is read as it was, although one node has all of it: more than a record had in the first format. */
START_TEST(all_aliases_of_a_full_table_are_read) {
    static struct alias list[ALIASES_MAX];
    struct recording_writer *writer = writer_for(path, false, 1);
    struct recording *recording;
    struct aliases_stats stats;
    make_model(&loads[0], 100);
    for (uint32_t i = 0; i < ALIASES_MAX; i++) {
        list[i] = (struct alias){.own = i % 2, .peer_id = numbered_id(100), .node = 0, .time_ns = i};
        memcpy(list[i].alias_id.bytes + 4, &i, sizeof i);
        list[i].alias_id.bytes[31] = 1;
    }
    store_add_aliases(recording_writer_store(writer), list, ALIASES_MAX);
    for (uint64_t i = 0; i < 100; i++) ck_assert_int_eq(recording_writer_append(writer, 0, 0, &model.events[i].event, 1), 0);
    ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
    recording = open_one(path);
    aliases_stats(recording_store(recording)->aliases, &stats);
    ck_assert_uint_eq(stats.count, ALIASES_MAX);
    ck_assert_uint_eq(stats.evicted, 0);
    ck_assert_uint_eq(recording_problem_count(recording), 0);
    recording_close(recording);
    checks_end();
}
END_TEST

START_TEST(several_are_read_as_one_and_logs_are_united) {
    const char *names[] = {other_path, path, path};
    struct recording *recording;
    struct recording_writer *writer;
    struct history_stats stats;
    uint32_t index, found = 0;
    struct node_info info = {.node_name = "other", .log = 5, .pid = 9};

    make_model(&loads[0], 1000);
    writer = writer_for(path, false, 5);
    write_model(writer, 0, 600);
    ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
    ck_assert_int_eq(recording_writer_open(&writer, other_path, NULL), 0);
    ck_assert_int_eq(store_add_node(recording_writer_store(writer), &info, NODE_UNKNOWN, &index), 0);
    for (uint64_t i = 600; i < 1000; i++)
        ck_assert_int_eq(recording_writer_append(writer, index, 1, &model.events[i].event, 1), 0);
    ck_assert_int_eq(recording_writer_close(writer, NULL), 0);

    ck_assert_int_eq(recording_open(&recording, names, 3, reason), 0);
    ck_assert_uint_eq(recording_problem_count(recording), 0);
    history_stats(recording_store(recording)->history, &stats);
    ck_assert_uint_eq(stats.events, 1000);
    for (uint32_t i = 0; i < nodes_count(recording_store(recording)->nodes); i++) {
        const struct node *node = nodes_at(recording_store(recording)->nodes, i);
        uint64_t set[NODES_SET_WORDS] = {0};
        struct history_query query = {.by_node = true, .node_set = set, .node_set_bits = NODES_MAX};
        if (!node || strcmp(node->info.node_name, "other") != 0) continue;
        found++;
        set[i / 64] = UINT64_C(1) << i % 64;
        ck_assert_uint_eq(history_count(recording_store(recording)->history, &query, 0, UINT64_MAX, false, NULL), 400);
    }
    ck_assert_uint_eq(found, 1);
    recording_close(recording);
    checks_end();
}
END_TEST

/* ---- several runs that recorded the same events ------------------------------------------------------------------------- */

/* The model's events in [from, to), as another run would record them. */
static void write_run(const char *name, bool compress, uint32_t nodes, uint64_t from, uint64_t to) {
    struct recording_writer *writer = writer_for(name, compress, nodes);
    write_model(writer, from, to);
    ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
}

static struct recording *open_both(void) {
    const char *names[2] = {path, other_path};
    struct recording *recording = NULL;
    int error = recording_open(&recording, names, 2, reason);
    ck_assert_msg(error == 0, "%s", error == 0 ? "" : reason);
    return recording;
}

/* The second begins in the middle of the first.  All answers are those of one recording.  Of the workloads, these have times that
 * put the first run first. */
static const unsigned runs_loads[] = {0, 1, 4, 5, 6};
#define RUNS_LOADS ((int)(sizeof runs_loads / sizeof runs_loads[0]))

START_TEST(an_event_that_two_runs_recorded_counts_once) {
    const struct workload *load = &loads[runs_loads[_i / 2]];
    struct history *memory;
    struct recording *recording;

    make_model(load, 150000);
    write_run(path, _i % 2, load->nodes, 0, 2 * HISTORY_SEGMENT_EVENTS);
    write_run(other_path, _i % 2, load->nodes, 100000, 150000);
    recording = open_both();
    memory = history;
    history = recording_store(recording)->history;
    check_everything(24);
    check_nodes(recording_store(recording), load->nodes);
    ck_assert_uint_eq(recording_problem_count(recording), 0);
    ck_assert_uint_eq(recording_events(recording), 150000);
    recording_close(recording);
    history = memory;
    checks_end();
}
END_TEST

/* Each run has its own mapping of ticks to times; nothing else may differ. */
START_TEST(only_what_its_node_wrote_says_that_an_event_is_the_same) {
    const char *names[2] = {path, other_path};
    for (unsigned change = 0; change < 5; change++) {
        struct recording *recording;
        for (unsigned run = 0; run < 2; run++) {
            struct recording_writer *writer = writer_for(names[run], false, 2);
            struct trace_event event = {.timestamp = 1000000, .sequence = 7, .kind = TRACE_KIND_PACKET_SENT};
            uint32_t node = 1, lane = 1;
            if (run == 1 && change == 0) event.timestamp += 3600, event.reserved = 5;
            if (run == 1 && change == 1) event.data.packet_sent.size = 1;
            if (run == 1 && change == 2) event.sequence = 8;
            if (run == 1 && change == 3) lane = 2;
            if (run == 1 && change == 4) node = 0;
            ck_assert_int_eq(recording_writer_append(writer, node, lane, &event, 1), 0);
            ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
        }
        recording = open_both();
        ck_assert_uint_eq(recording_events(recording), change == 0 ? 1 : 2);
        recording_close(recording);
        unlink(path);
        unlink(other_path);
    }
}
END_TEST

/* One block is damaged: in the first run, of events that the second has, too; in the second run, of such events, and of
 * others. */
START_TEST(damage_costs_no_event_that_another_run_has) {
    struct recording_parts parts;
    struct recording_header header;
    struct recording *recording;

    make_model(&loads[0], 3000);
    if (_i == 0) write_run(path, false, 5, 1000, 3000);
    write_run(other_path, false, 5, 500, 2000);
    if (_i > 0) write_run(path, false, 5, 1000, 3000);
    header = header_at(0);
    recording__parts(&header, &parts);
    flip(parts.blocks + 2000 * sizeof(history_source) + (_i < 2 ? 700 : 1500) * sizeof(struct trace_event));
    recording = open_both();
    recording_verify(recording);
    ck_assert_uint_gt(recording_problem_count(recording), 0);
    ck_assert_uint_gt(recording_events_lost(recording), 0);
    ck_assert_uint_eq(recording_events(recording), 2500 - (_i < 2 ? 0 : recording_events_lost(recording)));
    recording_close(recording);
    checks_end();
}
END_TEST

START_TEST(a_file_is_continued) {
    struct recording_writer *writer;
    struct recording *recording;
    make_model(&loads[0], 1000);
    writer = writer_for(path, false, 5);
    write_model(writer, 0, 600);
    ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
    ck_assert_int_eq(recording_writer_open(&writer, path, NULL), -EEXIST);
    ck_assert_int_eq(recording_writer_open(&writer, path, &(struct recording_writer_options){.append = true}), 0);
    struct node_info info = {.node_name = "late"};
    uint32_t index;
    ck_assert_int_eq(store_add_node(recording_writer_store(writer), &info, NODE_UNKNOWN, &index), 0);
    ck_assert_int_eq(recording_writer_append(writer, index, 0, &model.events[0].event, 1), 0);
    ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
    recording = open_one(path);
    struct history_stats stats;
    history_stats(recording_store(recording)->history, &stats);
    ck_assert_uint_eq(stats.segments, 2);
    ck_assert_uint_eq(stats.events, 601);
    recording_close(recording);
    checks_end();
}
END_TEST

/* ---- kills and full disks
 * ---------------------------------------------------------------------------------------------------- */

/* A child writes endlessly and is killed meanwhile: everything complete is read. */
START_TEST(a_kill_costs_the_unfinished_segment) {
    make_model(&loads[0], EVENTS);
    for (unsigned round = 0; round < 6; round++) {
        struct recording *recording;
        const char *name = path;
        uint64_t wanted = UINT64_C(1000000) + round * 9000001;
        struct stat status = {0};
        pid_t child;
        unlink(path);
        child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            struct recording_writer *writer = writer_for(path, round % 2, 5);
            for (;;)
                for (uint64_t i = 0; i < model.end; i++)
                    if (recording_writer_append(writer, history_source_node(model.events[i].source), 0, &model.events[i].event,
                                                1))
                        _exit(1);
        }
        while ((uint64_t)status.st_size < wanted / (round % 2 ? 4 : 1))
            if (stat(path, &status) != 0) status.st_size = 0;
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        if (recording_open(&recording, &name, 1, reason) < 0) continue; /* not one segment was complete */
        recording_verify(recording);
        ck_assert_uint_eq(recording_events_lost(recording), 0);
        ck_assert_uint_le(recording_problem_count(recording), 1); /* the rest of the file is not a segment */
        ck_assert_uint_eq(history_end_position(recording_store(recording)->history) % HISTORY_SEGMENT_EVENTS, 0);
        recording_close(recording);
    }
    checks_end();
}
END_TEST

START_TEST(a_full_disk_costs_whole_segments_and_is_reported) {
    struct rlimit limit = {15 << 20, 15 << 20};
    struct recording_writer_stats stats;
    struct recording_writer *writer = writer_for(path, false, 5);
    struct recording *recording;
    unsigned failures = 0;
    make_model(&loads[0], EVENTS);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (uint64_t i = 0; i < model.end; i++) {
        const struct model_event *item = &model.events[i];
        int error = recording_writer_append(writer, history_source_node(item->source), 0, &item->event, 1);
        if (error < 0) ck_assert_int_eq(error, -EFBIG);
        failures += error < 0;
    }
    ck_assert_uint_eq(failures, 1); /* the second of two segments; the rest fits again */
    ck_assert_int_eq(recording_writer_close(writer, &stats), 0);
    ck_assert_uint_eq(stats.lost, HISTORY_SEGMENT_EVENTS);
    ck_assert_uint_eq(stats.written, EVENTS - HISTORY_SEGMENT_EVENTS);
    recording = open_one(path);
    recording_verify(recording);
    ck_assert_uint_eq(recording_problem_count(recording), 1);
    ck_assert_str_eq(recording_problem(recording, 0)->text, "segments 1 to 1 before this one are missing");
    recording_close(recording);
    checks_end();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("recording");
    TCase *tcase = tcase_create("files");

    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, begin_files, end_files);
    tcase_add_loop_test(tcase, events_are_read_back_as_written, 0, 2 * LOADS);
    tcase_add_loop_test(tcase, a_file_cut_at_any_block_is_read_up_to_there, 0, 2);
    tcase_add_loop_test(tcase, a_file_cut_before_its_events_is_refused, 0, 2);
    tcase_add_test(tcase, events_that_were_cut_off_are_not_counted);
    tcase_add_loop_test(tcase, a_flipped_bit_is_found_wherever_it_is, 0, 2);
    tcase_add_test(tcase, a_damaged_header_costs_its_segment_alone);
    tcase_add_loop_test(tcase, unreadable_files_are_refused_with_a_sentence, 0, 5);
    tcase_add_test(tcase, empty_and_missing_files_are_refused);
    tcase_add_loop_test(tcase, the_steps_of_clocks_are_kept_once, 0, 2);
    tcase_add_loop_test(tcase, who_is_who_stands_beside_the_events, 0, 4);
    tcase_add_loop_test(tcase, when_logs_ended_stands_beside_the_events, 0, 2);
    tcase_add_test(tcase, a_recording_without_aliases_is_as_older_programs_read_it);
    tcase_add_test(tcase, who_is_who_is_still_there_when_it_is_compressed_later);
    tcase_add_test(tcase, of_several_writers_each_adds_what_it_knows);
    tcase_add_test(tcase, all_aliases_of_a_full_table_are_read);
    tcase_add_test(tcase, several_are_read_as_one_and_logs_are_united);
    tcase_add_loop_test(tcase, an_event_that_two_runs_recorded_counts_once, 0, 2 * RUNS_LOADS);
    tcase_add_test(tcase, only_what_its_node_wrote_says_that_an_event_is_the_same);
    tcase_add_loop_test(tcase, damage_costs_no_event_that_another_run_has, 0, 3);
    tcase_add_test(tcase, a_file_is_continued);
    tcase_add_test(tcase, a_kill_costs_the_unfinished_segment);
    tcase_add_test(tcase, a_full_disk_costs_whole_segments_and_is_reported);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
