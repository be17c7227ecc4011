/* SPDX-License-Identifier: MIT
 *
 * Queries of the process's own ring, behaviour by behaviour, each for a query that scans and for one with an index. */
#include "../helpers/skip.h"
#include "ring_fixture.h"

#include <libtrace/clock.h>
#include <p2ptrace/query.h>
#include <proto/event_json.h>
#include <setjmp.h>
#include <sys/wait.h>

#define EVENTS 64

static struct trace_query *open_query(struct trace_log *log, int mode) {
    struct trace_query *query = NULL;
    ck_assert_int_eq(trace__query_open(&query, log, (enum trace_query_mode)mode), 0);
    return query;
}

static struct trace_context context_of(unsigned n) { return (struct trace_context){.trace_id = {{(uint8_t)n}}, .span_id = n}; }

static struct trace_query_answer ask_trace(struct trace_query *query, unsigned n) {
    struct trace_query_answer answer;
    struct trace_context context = context_of(n);
    ck_assert_int_eq(trace_query_trace(query, &context.trace_id, &answer), 0);
    return answer;
}

static struct trace_query_answer ask_all(struct trace_query *query) {
    struct trace_query_answer answer;
    ck_assert_int_eq(trace_query_find(query, NULL, &answer), 0);
    return answer;
}

static void emit_trace(struct trace_log *log, unsigned trace, uint32_t from, uint32_t to) {
    struct trace_context context = context_of(trace);
    for (uint32_t i = from; i < to; i++) TRACE_CUSTOM(log, &context, NULL, 0, i, NULL, 0);
}

/* ---- answers --------------------------------------------------------------------------------------------------------------- */

/* _i: a mode, and which clock. */
START_TEST(an_answer_has_copies_with_unix_times_and_positions) {
    struct trace_log *log;
    struct trace_context context = context_of(7);
    struct trace_node_id peer = id_of(2);
    struct trace_query *query;
    struct trace_query_answer answer;
    uint64_t before, after;
    if (_i / 2 == 1) setenv("P2PTRACE_CLOCK", "monotonic", 1);
    log = open_log(EVENTS);
    emit_trace(log, 1, 0, 70);
    before = trace_clock_read().unix_ns;
    TRACE_PACKET_SENT(log, &context, &peer, 7, 1200, TRACE_SPACE_1RTT);
    after = trace_clock_read().unix_ns;
    query = open_query(log, _i % 2);
    answer = ask_trace(query, 7);
    TRACE_PACKET_LOST(log, &context, &peer, 7, TRACE_SPACE_1RTT); /* the answer is a copy, not the ring */
    ck_assert_uint_eq(answer.count, 1);
    ck_assert_uint_eq(answer.matched, 1);
    ck_assert_uint_eq(answer.events[0].lane, 0);
    ck_assert_uint_eq(answer.events[0].position, 70);
    ck_assert_uint_eq(answer.events[0].event.sequence, 70);
    ck_assert_uint_eq(answer.events[0].event.kind, TRACE_KIND_PACKET_SENT);
    ck_assert_uint_eq(answer.events[0].event.flags, TRACE_FLAG_HAS_PEER);
    ck_assert_mem_eq(&answer.events[0].event.trace_id, &context.trace_id, sizeof context.trace_id);
    ck_assert_mem_eq(&answer.events[0].event.peer_id, &peer, sizeof peer);
    ck_assert_uint_eq(answer.events[0].event.data.packet_sent.packet_num, 7);
    ck_assert_uint_ge(answer.events[0].event.timestamp + 1000000, before); /* the system's clock may be slewed meanwhile */
    ck_assert_uint_le(answer.events[0].event.timestamp, after + 1000000);
    trace_query_close(query);
    trace_log_close(log);
}
END_TEST

START_TEST(the_account_balances_over_laps) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_query *query = open_query(log, _i);
    for (uint32_t emitted = 0; emitted < 5 * EVENTS; emitted += 13) {
        struct trace_query_answer answer = ask_trace(query, 1);
        uint64_t held = emitted < EVENTS ? emitted : EVENTS;
        ck_assert_uint_eq(answer.count, held);
        ck_assert_uint_eq(answer.ring.emitted, emitted);
        ck_assert_uint_eq(answer.ring.gone, emitted - held);
        ck_assert_uint_eq(answer.ring.overwritten, 0);
        ck_assert_uint_eq(answer.ring.unfinished, 0);
        for (size_t i = 0; i < answer.count; i++) ck_assert_uint_eq(code_of(&answer.events[i].event), emitted - held + i);
        emit_trace(log, 1, emitted, emitted + 13);
    }
    trace_query_close(query);
    trace_log_close(log);
}
END_TEST

START_TEST(from_is_included_and_to_is_not) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_query *query = open_query(log, _i);
    struct trace_query_answer answer;
    uint64_t times[3];
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t now = trace__monotonic_ns();
        emit_codes(log, i, i + 1);
        while (trace__monotonic_ns() == now) {} /* no two in one nanosecond */
    }
    answer = ask_all(query);
    for (unsigned i = 0; i < 3; i++) times[i] = answer.events[i].event.timestamp;
    ck_assert_int_eq(trace_query_between(query, times[1], times[2], &answer), 0);
    ck_assert_uint_eq(answer.count, 1);
    ck_assert_uint_eq(code_of(&answer.events[0].event), 1);
    ck_assert_int_eq(trace_query_between(query, times[1] + 1, 0, &answer), 0); /* 0: no end */
    ck_assert_uint_eq(answer.count, 1);
    ck_assert_uint_eq(code_of(&answer.events[0].event), 2);
    ck_assert_int_eq(trace_query_between(query, 0, times[0], &answer), 0);
    ck_assert_uint_eq(answer.count, 0);
    ck_assert_int_eq(trace_query_between(query, times[2], times[0], &answer), 0);
    ck_assert_uint_eq(answer.count, 0);
    trace_query_close(query);
    trace_log_close(log);
}
END_TEST

START_TEST(the_common_queries_find_what_their_names_say) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_query *query = open_query(log, _i);
    struct trace_node_id peer = id_of(5), nobody = {{0}};
    struct trace_query_answer answer;
    struct trace_query_counts counts;
    struct trace_id none = {{0}};
    emit_trace(log, 1, 0, 4);
    TRACE_STREAM_OPENED(log, NULL, &peer, 3);
    emit_codes(log, 5, 7);
    ck_assert_int_eq(trace_query_recent(query, 2, &answer), 0);
    ck_assert_uint_eq(answer.count, 2);
    ck_assert_uint_eq(answer.matched, 7);
    ck_assert_uint_eq(code_of(&answer.events[0].event), 5);
    ck_assert_int_eq(trace_query_peer(query, &peer, &answer), 0);
    ck_assert_uint_eq(answer.count, 1);
    ck_assert_uint_eq(answer.events[0].position, 4);
    ck_assert_int_eq(trace_query_peer(query, &nobody, &answer), 0); /* an id of zeros does not mean no id */
    ck_assert_uint_eq(answer.count, 0);
    ck_assert_int_eq(trace_query_trace(query, &none, &answer), 0); /* events of no trace */
    ck_assert_uint_eq(answer.count, 3);
    ck_assert_uint_eq(ask_trace(query, 1).count, 4);
    ck_assert_uint_eq(ask_trace(query, 2).count, 0);
    ck_assert_int_eq(
        trace_query_count(query, &(struct trace_query_filter){.kinds = TRACE_QUERY_KIND(TRACE_KIND_CUSTOM), .limit = 1}, &counts),
        0);
    ck_assert_uint_eq(counts.total, 6);
    ck_assert_uint_eq(counts.by_kind[TRACE_KIND_CUSTOM], 6);
    ck_assert_uint_eq(counts.ring.emitted, 7);
    trace_query_close(query);
    trace_log_close(log);
}
END_TEST

START_TEST(a_discard_newest_ring_answers_with_what_it_kept) {
    struct trace_log *log = open_log_with(EVENTS, TRACE_DISCARD_NEWEST);
    struct trace_query *query = open_query(log, _i);
    struct trace_query_answer answer;
    emit_trace(log, 1, 0, 100);
    answer = ask_trace(query, 1);
    ck_assert_uint_eq(answer.count, EVENTS);
    ck_assert_uint_eq(code_of(&answer.events[0].event), 0);
    ck_assert_uint_eq(answer.ring.emitted, EVENTS); /* the others never had a position */
    trace_query_close(query);
    trace_log_close(log);
}
END_TEST

START_TEST(two_queries_of_one_log_do_not_disturb_each_other) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_query *first = open_query(log, _i), *second = open_query(log, 1 - _i);
    struct trace_query_answer answer;
    emit_trace(log, 1, 0, 10);
    answer = ask_trace(first, 1);
    emit_trace(log, 1, 10, 20);
    ck_assert_uint_eq(ask_trace(second, 1).count, 20);
    ck_assert_uint_eq(answer.count, 10);
    ck_assert_uint_eq(code_of(&answer.events[9].event), 9);
    trace_query_close(first);
    trace_query_close(second);
    trace_log_close(log);
}
END_TEST

/* ---- stopped inside an emit ------------------------------------------------------------------------------------------------ */

static const char *const points[] = {"reserved", "marked", "half written", "written", "committed"};
#define POINTS 5

static struct {
    const char *point;
    struct trace_query *query;
    struct trace_log *log;
    unsigned calls;
    struct trace_query_answer answer;
    struct trace_query_event newest;
    int dumped, null_fd;
    jmp_buf leave;
} inside;

static void ask_here(const char *name) {
    if (!inside.point || strcmp(name, inside.point) != 0) return;
    inside.point = NULL;
    inside.calls++;
    inside.answer = ask_trace(inside.query, 1);
    inside.newest = inside.answer.events[inside.answer.count - 1];
    inside.dumped = trace_query_dump(inside.log, NULL, inside.null_fd);
}

/* _i: a mode, a point, and whether the ring is in its first lap: then no older event is in the new one's slot. */
START_TEST(a_question_inside_an_emit_finds_all_events_but_that_one) {
    unsigned emitted = _i / POINTS / 2 ? 3 * EVENTS + 5 : 5;
    bool committed = _i % POINTS == POINTS - 1;
    struct trace_log *log = open_log(EVENTS);
    inside.log = log;
    inside.query = open_query(log, _i / POINTS % 2);
    inside.null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    trace__testpoint = ask_here;
    emit_trace(log, 1, 0, emitted);
    inside.point = points[_i % POINTS];
    emit_trace(log, 1, emitted, emitted + 1);
    ck_assert_uint_eq(inside.calls, 1);
    ck_assert_int_eq(inside.dumped, 0);
    ck_assert_uint_eq(inside.answer.count, (emitted < EVENTS ? emitted : EVENTS - 1) + committed);
    ck_assert_uint_eq(inside.newest.event.data.custom.code, emitted - !committed);
    ck_assert_uint_eq(inside.answer.ring.unfinished, !committed);
    ck_assert_uint_eq(ask_trace(inside.query, 1).count, emitted < EVENTS ? emitted + 1 : EVENTS);
    trace_query_close(inside.query);
    close(inside.null_fd);
    trace_log_close(log);
}
END_TEST

static void leave_here(const char *name) {
    if (!inside.point || strcmp(name, inside.point) != 0) return;
    inside.point = NULL;
    longjmp(inside.leave, 1);
}

START_TEST(events_after_an_unfinished_slot_are_found) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_query *query = open_query(log, _i);
    struct trace_query_answer answer;
    emit_trace(log, 1, 0, 10);
    trace__testpoint = leave_here;
    inside.point = "half written";
    if (setjmp(inside.leave) == 0) emit_trace(log, 1, 10, 11);
    for (uint32_t emitted = 11; emitted < 3 * EVENTS; emitted++) {
        /* The slot is never used again: in the first lap its event is unfinished, later the events that would have used it. */
        unsigned held = emitted < EVENTS ? emitted : EVENTS, lap_start = emitted - held;
        unsigned left = lap_start <= 10 || emitted > EVENTS + 10 ? 1 : 0;
        answer = ask_trace(query, 1);
        ck_assert_uint_eq(answer.ring.unfinished, left);
        ck_assert_uint_eq(answer.count, held - left);
        ck_assert_uint_eq(answer.events[answer.count - 1].position, emitted - 1 - (emitted % EVENTS == 11 ? 1 : 0));
        emit_trace(log, 1, emitted, emitted + 1);
    }
    trace_query_close(query);
    trace_log_close(log);
}
END_TEST

/* ---- whose ring it is ------------------------------------------------------------------------------------------------------ */

START_TEST(a_null_log_has_no_events) {
    struct trace_query *query = (struct trace_query *)&inside; /* is overwritten */
    struct trace_query_counts counts;
    struct trace_query_answer answer;
    struct trace_id id = {{1}};
    ck_assert_int_eq(trace_query_open(&query, NULL), 0);
    ck_assert_ptr_null(query);
    ck_assert_int_eq(trace_query_trace(query, &id, &answer), 0);
    ck_assert_uint_eq(answer.count, 0);
    ck_assert_int_eq(trace_query_count(query, NULL, &counts), 0);
    ck_assert_uint_eq(counts.total, 0);
    ck_assert_int_eq(trace_query_json_file(query, NULL, stderr), 0);
    ck_assert_int_eq(trace_query_dump(NULL, NULL, -1), 0);
    ck_assert_int_eq(trace_query_dump_recent(NULL, 3), 0);
    trace_query_close(query);
}
END_TEST

START_TEST(a_query_outlives_its_log) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_query *query = open_query(log, _i);
    emit_trace(log, 1, 0, 30);
    trace_log_close(log);
    remove_all(shm_dir);
    ck_assert_uint_eq(ask_trace(query, 1).count, 30);
    ck_assert_uint_eq(ask_all(query).count, 30);
    trace_query_close(query);
}
END_TEST

START_TEST(a_query_in_a_forked_child_fails_because_the_ring_is_its_parents) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_query *query = open_query(log, _i), *other = query;
    struct trace_query_answer answer = {.count = 99};
    int status;
    pid_t child;
    emit_trace(log, 1, 0, 3);
    child = fork();
    if (child == 0) {
        bool good = trace_query_find(query, NULL, &answer) == -ECHILD && answer.count == 99 &&
                    trace__query_open(&other, log, (enum trace_query_mode)_i) == -ECHILD && other == query &&
                    trace_query_dump(log, NULL, STDERR_FILENO) == -ECHILD;
        trace_query_close(query);
        _exit(good ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(ask_trace(query, 1).count, 3);
    trace_query_close(query);
    trace_log_close(log);
}
END_TEST

static size_t address_space_pages(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    ck_assert_int_eq(fscanf(file, "%zu", &pages), 1);
    fclose(file);
    return pages;
}

START_TEST(a_closed_query_frees_everything) {
    struct trace_log *log = open_log(65536);
    struct trace_query *query;
    size_t before, opened, indexed;
    emit_trace(log, 1, 0, 70000);
    before = address_space_pages();
    query = open_query(log, _i);
    opened = address_space_pages();
    ck_assert_uint_eq(ask_trace(query, 2).count, 0);
    indexed = address_space_pages();
    ck_assert_uint_eq((indexed - opened) * 4096, _i == TRACE_QUERY_INDEXED ? 12 * 65536 : 0); /* as the header says */
    ck_assert_uint_eq(ask_all(query).count, 65536);
    trace_query_close(query);
    ck_assert_uint_eq(address_space_pages(), before);
    trace_log_close(log);
}
END_TEST

/* ---- JSON ------------------------------------------------------------------------------------------------------------------ */

static const struct trace_app demo_app = {
    .app_id = {'D', 'M', 'A', 'P'},
    .name = "DataMap",
    .command_count = 1,
    .commands = {{2, "GET_CHUNK"}},
    .field_count = 1,
    .fields = {{"size", TRACE_APP_UNSIGNED, 0, 4, 0}},
};

static void emit_some_kinds(struct trace_log *log) {
    static const struct trace_app other = {.app_id = {'O', 'T', 'H', 'R'}, .name = "Other"};
    struct trace_context context = context_of(1);
    struct trace_node_id peer = id_of(2);
    uint32_t size = 4711;
    ck_assert_int_eq(trace_log_register_app(log, &other), 0);
    ck_assert_int_eq(trace_log_register_app(log, &demo_app), 0);
    TRACE_APP_START(log, &context, NULL, 0, "DMAP", 2);
    TRACE_APP_COMMAND(log, &context, &peer, "DMAP", 2, &size, sizeof size);
    TRACE_APP_COMMAND(log, &context, &peer, "ELSE", 2, &size, sizeof size);
    TRACE_CONN_CLOSED(log, NULL, &peer, 5, 1, "\"bye\"\n\x7f\xc2\x9b");
    trace__commit(trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, 777));
    TRACE_APP_END(log, &context, NULL, "DMAP", 2, 1);
}
#define SOME_KINDS 6

struct lines {
    char text[SOME_KINDS * TRACE_EVENT_JSON_MAX];
    size_t bytes;
    int count, stop_at;
};

static int take_line(void *arg, const char *line, size_t bytes) {
    struct lines *lines = arg;
    if (bytes > sizeof lines->text - lines->bytes) return -ENOSPC; /* no assertion: nothing_calls_malloc */
    memcpy(lines->text + lines->bytes, line, bytes);
    lines->bytes += bytes;
    return ++lines->count == lines->stop_at ? 42 : 0;
}

/* What traced would answer: the event as its reader sees it, with the application that the ring describes. */
static size_t expected_lines(const struct trace_log *log, const struct trace_query_answer *answer, char *out) {
    struct trace_reader *reader = attach_log(log);
    struct trace_node_id node = id_of(1);
    struct trace_event events[SOME_KINDS];
    struct trace_read read;
    char *end = out;
    trace_reader_read(reader, 0, events, SOME_KINDS, false, 1, &read);
    ck_assert_uint_eq(read.count, SOME_KINDS);
    for (unsigned i = 0; i < SOME_KINDS; i++) {
        struct trace_event_origin origin = {.node_id = &node, .lane = 0, .app = &demo_app};
        events[i].timestamp = answer->events[i].event.timestamp;
        end = trace_event_json(end, &events[i], &origin);
        *end++ = '\n';
    }
    trace_reader_detach(reader);
    return (size_t)(end - out);
}

START_TEST(json_is_the_same_as_traced_s) {
    static struct lines lines, expected;
    struct trace_log *log = open_log(EVENTS);
    struct trace_query *query = open_query(log, _i);
    struct trace_query_answer answer;
    FILE *file = tmpfile();
    emit_some_kinds(log);
    answer = ask_all(query);
    expected.bytes = expected_lines(log, &answer, expected.text);
    ck_assert_int_eq(trace_query_json(query, NULL, take_line, &lines), 0);
    ck_assert_int_eq(lines.count, SOME_KINDS);
    ck_assert_uint_eq(lines.bytes, expected.bytes);
    ck_assert_mem_eq(lines.text, expected.text, lines.bytes);
    ck_assert_ptr_nonnull(memmem(lines.text, lines.bytes, "\"command\":\"GET_CHUNK\"", 21));

    ck_assert_int_eq(trace_query_json_file(query, NULL, file), 0);
    rewind(file);
    ck_assert_uint_eq(fread(lines.text, 1, sizeof lines.text, file), expected.bytes);
    ck_assert_mem_eq(lines.text, expected.text, expected.bytes);
    fclose(file);
    trace_query_close(query);
    trace_log_close(log);
}
END_TEST

START_TEST(an_export_ends_when_its_receiver_stops_it_or_the_stream_is_full) {
    static struct lines lines = {.stop_at = 2};
    struct trace_log *log = open_log(EVENTS);
    struct trace_query *query = open_query(log, _i);
    FILE *full = fopen("/dev/full", "w");
    emit_some_kinds(log);
    ck_assert_int_eq(trace_query_json(query, &(struct trace_query_filter){.limit = 4}, take_line, &lines), 42);
    ck_assert_int_eq(lines.count, 2);
    ck_assert_int_eq(trace_query_json_file(query, NULL, full), -EIO);
    fclose(full);
    trace_query_close(query);
    trace_log_close(log);
}
END_TEST

/* ---- timelines ------------------------------------------------------------------------------------------------------------- */

static char text[1 << 16];

/* The contents of the file, as one string. */
static const char *read_text(int fd) {
    ssize_t bytes = pread(fd, text, sizeof text - 1, 0);
    ck_assert_int_ge(bytes, 0);
    text[bytes] = 0;
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    lseek(fd, 0, SEEK_SET);
    return text;
}

static int temporary_fd(void) {
    char path[80];
    int fd;
    snprintf(path, sizeof path, "%s/text.XXXXXX", shm_dir);
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    return fd;
}

/* Compares line by line; '#' stands for any run of digits, spaces, signs, '-', ':' and '.'. */
static void expect_text(const char *got, const char *expected) {
    const char *at = got;
    for (const char *e = expected; *e != 0; e++) {
        if (*e == '#') {
            at += strspn(at, "0123456789 +-:.");
        } else {
            ck_assert_msg(*at == *e, "got\n%s\nwhich differs at\n%s", got, at);
            at++;
        }
    }
    ck_assert_str_eq(at, "");
}

START_TEST(a_timeline_prints_each_event_on_a_line) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_context context = context_of(1);
    int fd = temporary_fd();
    emit_some_kinds(log);
    ck_assert_int_eq(trace_query_dump(log, NULL, fd), 0);
    expect_text(read_text(fd),
                "alice: all: 6 of 6 events; the ring: 6 emitted, 0 overwritten, 0 unfinished\n#UTC\n"
                "#ms  lane 0   010000000000  -         app_start span_id=\"0000000000000001\" parent_id=\"0000000000000000\" "
                "app_id=\"DMAP\" cmd=2 app=\"DataMap\" command=\"GET_CHUNK\"\n"
                "#ms  lane 0   010000000000  02000000  app_command app_id=\"DMAP\" cmd=2 data=\"67120000\" app=\"DataMap\" "
                "command=\"GET_CHUNK\" size=4711\n"
                "#ms  lane 0   010000000000  02000000  app_command app_id=\"ELSE\" cmd=2 data=\"67120000\"\n"
                "#ms  lane 0   -             02000000  conn_closed code=5 by_remote=true reason=\"\\\"bye\\\"\\n??\"\n"
                "#ms  lane 0   -             -         unknown kind_id=777 bytes=\"#\"\n"
                "#ms  lane 0   010000000000  -         app_end span_id=\"0000000000000001\" app_id=\"DMAP\" cmd=2 ok=true "
                "app=\"DataMap\" command=\"GET_CHUNK\"\n");
    ck_assert_int_eq(trace_query_dump(log, &context.trace_id, fd), 0);
    read_text(fd);
    ck_assert_ptr_nonnull(strstr(text, "alice: trace 01000000000000000000000000000000: 4 of 4 events;"));
    ck_assert_ptr_null(strstr(text, "conn_closed"));
    ck_assert_int_eq(trace_query_dump(log, NULL, -1), -EBADF);
    trace_log_close(log);
}
END_TEST

START_TEST(a_timeline_begins_with_the_date) {
    struct trace_log *log = open_log(EVENTS);
    int fd = temporary_fd();
    time_t before = time(NULL), got;
    struct tm date = {0};
    emit_codes(log, 0, 1);
    ck_assert_int_eq(trace_query_dump(log, NULL, fd), 0);
    ck_assert_ptr_nonnull(strptime(strchr(read_text(fd), '\n') + 1, "%Y-%m-%d %H:%M:%S", &date));
    got = timegm(&date);
    ck_assert(got >= before - 1 && got <= time(NULL) + 1);
    trace_log_close(log);
}
END_TEST

START_TEST(timelines_for_debuggers_go_to_stderr) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_context context = context_of(0xab);
    int fd = temporary_fd(), stderr_fd = dup(STDERR_FILENO), results[4];
    emit_trace(log, 0xab, 0, 3);
    emit_trace(log, 0xac, 3, 6);
    dup2(fd, STDERR_FILENO);
    results[0] = trace_query_dump_recent(log, 2);
    results[1] = trace_query_dump_trace(log, "aB0");
    results[2] = trace_query_dump_trace(log, "hello");
    results[3] = trace_query_dump_trace(log, "000000000000000000000000000000000");
    TRACE_DUMP(log, &context);
    dup2(stderr_fd, STDERR_FILENO);
    close(stderr_fd);
    expect_text(
        read_text(fd),
        "alice: the newest: 2 of 6 events; the ring: 6 emitted, 0 overwritten, 0 unfinished\n#UTC\n"
        "#ms  lane 0   ac0000000000  -         custom category=0 code=4 data=\"\"\n"
        "#ms  lane 0   ac0000000000  -         custom category=0 code=5 data=\"\"\n"
        "alice: traces aB0...: 3 of 3 events; the ring: 6 emitted, 0 overwritten, 0 unfinished\n#UTC\n"
        "#ms  lane 0   ab0000000000  -         custom category=0 code=0 data=\"\"\n"
        "#ms  lane 0   ab0000000000  -         custom category=0 code=1 data=\"\"\n"
        "#ms  lane 0   ab0000000000  -         custom category=0 code=2 data=\"\"\n"
        "alice: trace ab000000000000000000000000000000: 3 of 3 events; the ring: 6 emitted, 0 overwritten, 0 unfinished\n#UTC\n"
        "#ms  lane 0   ab0000000000  -         custom category=0 code=0 data=\"\"\n"
        "#ms  lane 0   ab0000000000  -         custom category=0 code=1 data=\"\"\n"
        "#ms  lane 0   ab0000000000  -         custom category=0 code=2 data=\"\"\n");
    ck_assert_int_eq(results[0], 0);
    ck_assert_int_eq(results[1], 0);
    ck_assert_int_eq(results[2], -EINVAL);
    ck_assert_int_eq(results[3], -EINVAL);
    trace_log_close(log);
}
END_TEST

START_TEST(a_long_timeline_is_written_whole) {
    struct trace_log *log = open_log(4096);
    int fd = temporary_fd(), lines = 0;
    FILE *file;
    emit_trace(log, 1, 0, 5000);
    ck_assert_int_eq(trace_query_dump(log, NULL, fd), 0);
    lseek(fd, 0, SEEK_SET);
    file = fdopen(fd, "r");
    while (fgets(text, sizeof text, file) != NULL) {
        unsigned code;
        const char *at = strstr(text, "code=");
        if (!at) continue;
        ck_assert_int_eq(sscanf(at, "code=%u", &code), 1);
        ck_assert_uint_eq(code, 5000 - 4096 + lines++);
    }
    ck_assert_int_eq(lines, 4096);
    fclose(file);
    trace_log_close(log);
}
END_TEST

/* ---- without malloc -------------------------------------------------------------------------------------------------------- */

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
static unsigned malloc_calls;

/* Replaces that of the C library, also for the C library's own calls. */
void *malloc(size_t bytes) {
    extern void *__libc_malloc(size_t bytes);
    malloc_calls++;
    return __libc_malloc(bytes);
}

START_TEST(nothing_calls_malloc) {
    struct trace_log *log = open_log(4096);
    struct trace_query *query = NULL;
    struct trace_query_answer answer = {.count = 0};
    struct trace_context context = context_of(1);
    static struct lines lines;
    unsigned before;
    int fd = temporary_fd();
    emit_trace(log, 1, 0, 5000);
    free(malloc(1));
    ck_assert_uint_gt(malloc_calls, 0);
    before = malloc_calls;
    /* no assertions here: they call it */
    (void)trace__query_open(&query, log, (enum trace_query_mode)_i);
    (void)trace_query_trace(query, &context.trace_id, &answer);
    (void)trace_query_find(query, NULL, &answer);
    (void)trace_query_json(query, &(struct trace_query_filter){.limit = 3}, take_line, &lines);
    (void)trace_query_dump(log, NULL, fd);
    trace_query_close(query);
    before = malloc_calls - before;
    ck_assert_uint_eq(before, 0);
    ck_assert_uint_eq(answer.count, 4096);
    ck_assert_int_eq(lines.count, 3);
    close(fd);
    trace_log_close(log);
}
END_TEST
#else
START_TEST(nothing_calls_malloc) { SKIP_TEST("this build has a malloc of its own"); }
END_TEST
#endif

int main(void) {
    Suite *suite = suite_create("query");
    TCase *tcase = tcase_create("query");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, an_answer_has_copies_with_unix_times_and_positions, 0, 4);
    tcase_add_loop_test(tcase, the_account_balances_over_laps, 0, 2);
    tcase_add_loop_test(tcase, from_is_included_and_to_is_not, 0, 2);
    tcase_add_loop_test(tcase, the_common_queries_find_what_their_names_say, 0, 2);
    tcase_add_loop_test(tcase, a_discard_newest_ring_answers_with_what_it_kept, 0, 2);
    tcase_add_loop_test(tcase, two_queries_of_one_log_do_not_disturb_each_other, 0, 2);
    tcase_add_loop_test(tcase, a_question_inside_an_emit_finds_all_events_but_that_one, 0, 4 * POINTS);
    tcase_add_loop_test(tcase, events_after_an_unfinished_slot_are_found, 0, 2);
    tcase_add_test(tcase, a_null_log_has_no_events);
    tcase_add_loop_test(tcase, a_query_outlives_its_log, 0, 2);
    tcase_add_loop_test(tcase, a_query_in_a_forked_child_fails_because_the_ring_is_its_parents, 0, 2);
    tcase_add_loop_test(tcase, a_closed_query_frees_everything, 0, 2);
    tcase_add_loop_test(tcase, json_is_the_same_as_traced_s, 0, 2);
    tcase_add_loop_test(tcase, an_export_ends_when_its_receiver_stops_it_or_the_stream_is_full, 0, 2);
    tcase_add_test(tcase, a_timeline_prints_each_event_on_a_line);
    tcase_add_test(tcase, a_timeline_begins_with_the_date);
    tcase_add_test(tcase, timelines_for_debuggers_go_to_stderr);
    tcase_add_test(tcase, a_long_timeline_is_written_whole);
    tcase_add_loop_test(tcase, nothing_calls_malloc, 0, 2);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
