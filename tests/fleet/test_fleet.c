/* SPDX-License-Identifier: MIT
 *
 * The parts of fleets that need no server: rows, columns, places, spools, logins. */
#include "../helpers/scratch.h"
#include "batch.h"
#include "batch_nodes.h"
#include "clickhouse.h"
#include "fleet_clocks.h"
#include "fleet_order.h"
#include "login_file.h"
#include "place.h"
#include "random_events.h"
#include "ship_metrics.h"
#include "spool.h"

#include <check.h>
#include <fcntl.h>
#include <proto/event_clock.h>
#include <proto/event_json.h>
#include <proto/event_table.h>
#include <proto/filter_sql.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[SCRATCH_BYTES], path[SCRATCH_BYTES + 16];
static struct failure failure;

static void setup(void) {
    ck_assert_ptr_nonnull(make_scratch(dir));
    snprintf(path, sizeof path, "%s/file", dir);
    umask(022);
}

static void teardown(void) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static void put(const char *text, size_t bytes, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_eq(write(fd, text, bytes), (ssize_t)bytes);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

static size_t get(char *out, size_t room) {
    int fd = open(path, O_RDONLY);
    ssize_t bytes = read(fd, out, room);
    ck_assert_int_ge(bytes, 0);
    close(fd);
    return (size_t)bytes;
}

/* ---- rows ---- */

static void json_of(char *out, const struct trace_event *event, const struct trace_node_id *node_id, uint32_t lane) {
    *trace_event_json(out, event, &(struct trace_event_origin){node_id, lane, NULL}) = 0;
}

START_TEST(an_event_comes_back_from_its_row) {
    static char one[TRACE_EVENT_JSON_MAX + 1], other[TRACE_EVENT_JSON_MAX + 1];
    struct random_events random = {.state = (uint64_t)_i};
    struct row_writer rows = {0};
    for (unsigned i = 0; i < 20000; i++) {
        struct trace_event event;
        struct fleet_event back;
        struct fleet_origin origin;
        uint32_t node, lane;
        random_event(&random, 1, &event, &node, &lane);
        if (i % 7 == 0) event.timestamp = UINT64_MAX - i;
        trace_event_set_clock_steps(&event, i % 5);
        struct trace_node_id node_id = random_node_id(node);
        fleet_origin_make(&origin, &node_id, 77 + node, "alpha", 5, 6);
        row_writer_clear(&rows);
        row_writer_end(&rows, fleet_event_put(row_writer_begin(&rows, FLEET_EVENT_BYTES_MAX), &origin, (uint8_t)lane, &event));
        struct row_reader reader = row_reader_of(rows.bytes, rows.count);
        ck_assert_int_eq(fleet_event_read(&reader, &back), 0);
        ck_assert(!row_reader_more(&reader) && !reader.failed);
        json_of(one, &event, &node_id, lane);
        json_of(other, &back.event, &back.node_id, back.lane);
        ck_assert_str_eq(one, other);
        ck_assert_uint_eq(back.log_id, 77 + node);
        ck_assert_str_eq(back.host, "alpha");
    }
    row_writer_fini(&rows);
}
END_TEST

static size_t bytes_of_column(const char *type, const uint8_t *at) {
    unsigned bits;
    if (!strcmp(type, "String")) return 1 + (size_t)*at; /* of fewer than 128 bytes */
    if (sscanf(type, "UInt%u", &bits) == 1) return bits / 8;
    ck_assert_int_eq(sscanf(type, "FixedString(%u)", &bits), 1);
    return bits;
}

START_TEST(a_row_with_only_the_columns_of_its_kinds_is_the_same_event) {
    struct random_events random = {.state = 11};
    struct fleet_origin origin;
    uint8_t row[FLEET_EVENT_BYTES_MAX], part[FLEET_EVENT_BYTES_MAX];
    size_t count;
    const struct fleet_column *columns = fleet_event_columns(&count);
    fleet_origin_make(&origin, &(struct trace_node_id){{1}}, 2, "alpha", 3, 4);
    for (unsigned i = 0; i < 5000; i++) {
        struct trace_event event;
        struct fleet_event whole, back;
        uint32_t node, lane;
        random_event(&random, 1, &event, &node, &lane);
        if (i % 9 == 0) event.kind = i % 2 ? 62 : 300; /* newer than this program */
        bool newer = event.kind >= 62;
        uint64_t other = FLEET_KIND(event.kind == TRACE_KIND_ALIAS ? TRACE_KIND_METRICS : TRACE_KIND_ALIAS);
        uint64_t kinds = (newer ? FLEET_KIND_NEWER : FLEET_KIND(event.kind)) | (i % 3 ? other : 0);
        const uint8_t *end = fleet_event_put(row, &origin, (uint8_t)lane, &event), *at = row;
        uint8_t *to = part;
        for (size_t c = 0; c < count && !columns[c].alias; c++) {
            size_t bytes = bytes_of_column(columns[c].type, at);
            if (fleet_event_has_column(kinds, columns[c].name)) to = row_put(to, at, bytes);
            at += bytes;
        }
        ck_assert_ptr_eq(at, end);
        ck_assert_int_lt(to - part, end - row);
        struct row_reader reader = row_reader_of(row, (size_t)(end - row)), partial = row_reader_of(part, (size_t)(to - part));
        ck_assert_int_eq(fleet_event_read(&reader, &whole), 0);
        ck_assert_int_eq(fleet_event_read_of(&partial, kinds, &back), 0);
        ck_assert(!row_reader_more(&partial) && !partial.failed);
        ck_assert_mem_eq(&back, &whole, sizeof whole);
        struct row_reader wrong = row_reader_of(row, (size_t)(end - row));
        ck_assert_int_ne(fleet_event_read_of(&wrong, other, &back), 0);
    }
}
END_TEST

START_TEST(a_long_host_is_cut_to_its_bound) {
    char host[FLEET_HOST_BYTES_MAX + 3];
    struct trace_event event = {.kind = TRACE_KIND_CUSTOM};
    struct fleet_event back;
    struct fleet_origin origin;
    uint8_t row[FLEET_EVENT_BYTES_MAX];
    for (size_t bytes = FLEET_HOST_BYTES_MAX - 1; bytes < sizeof host; bytes++) {
        memset(host, 'h', bytes);
        host[bytes] = 0;
        fleet_origin_make(&origin, &(struct trace_node_id){{1}}, 2, host, 3, 4);
        struct row_reader reader = row_reader_of(row, (size_t)(fleet_event_put(row, &origin, 0, &event) - row));
        ck_assert_int_eq(fleet_event_read(&reader, &back), 0);
        ck_assert_uint_eq(strlen(back.host), bytes < FLEET_HOST_BYTES_MAX ? bytes : FLEET_HOST_BYTES_MAX);
    }
}
END_TEST

START_TEST(a_row_cut_anywhere_is_refused) {
    struct random_events random = {.state = 5};
    struct fleet_origin origin;
    struct row_writer rows = {0};
    fleet_origin_make(&origin, &(struct trace_node_id){{1}}, 2, "h", 3, 4);
    for (unsigned i = 0; i < 200; i++) {
        struct trace_event event;
        uint32_t node, lane;
        random_event(&random, 1, &event, &node, &lane);
        row_writer_clear(&rows);
        row_writer_end(&rows, fleet_event_put(row_writer_begin(&rows, FLEET_EVENT_BYTES_MAX), &origin, 0, &event));
        for (size_t bytes = 0; bytes < rows.count; bytes++) {
            uint8_t *copy = malloc(bytes + 1); /* so that the sanitizer detects a read beyond it */
            struct fleet_event back;
            memcpy(copy, rows.bytes, bytes);
            struct row_reader reader = row_reader_of(copy, bytes);
            ck_assert_int_ne(fleet_event_read(&reader, &back), 0);
            free(copy);
        }
    }
    row_writer_fini(&rows);
}
END_TEST

START_TEST(rows_of_noise_are_refused_or_read_within_their_bounds) {
    uint64_t state = (uint64_t)_i + 1;
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t *noise = malloc(400);
        struct fleet_event back;
        for (unsigned b = 0; b < 400; b++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            noise[b] = (uint8_t)(state >> 56) % (b % 3 ? 256 : 20);
        }
        struct row_reader reader = row_reader_of(noise, 400);
        (void)fleet_event_read(&reader, &back);
        free(noise);
    }
}
END_TEST

START_TEST(counts_are_written_in_seven_bits_each) {
    static const uint64_t counts[] = {0, 1, 127, 128, 16383, 16384, UINT64_MAX};
    struct row_writer rows = {0};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        row_writer_clear(&rows);
        row_write_count(&rows, counts[i]);
        struct row_reader reader = row_reader_of(rows.bytes, rows.count);
        ck_assert_uint_eq(row_read_count(&reader), counts[i]);
        ck_assert(!reader.failed && !row_reader_more(&reader));
    }
    row_writer_fini(&rows);
}
END_TEST

/* ---- columns ---- */

static const struct fleet_column *column_of(const char *name) {
    size_t count;
    const struct fleet_column *columns = fleet_event_columns(&count);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(columns[i].name, name)) return &columns[i];
    return NULL;
}

START_TEST(each_field_has_a_column_that_holds_it) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned f = 0; f < kinds[i].field_count; f++) {
            const struct trace_field_info *field = &kinds[i].fields[f];
            const struct fleet_column *column = column_of(field->name);
            ck_assert_ptr_nonnull(column);
            ck_assert_ptr_null(column->alias);
            unsigned bits = field->type == TRACE_TYPE_u64 || field->type == TRACE_TYPE_id64 ? 64
                            : field->type == TRACE_TYPE_u32                                 ? 32
                            : field->type == TRACE_TYPE_u16                                 ? 16
                                                                                            : 0;
            if (bits) ck_assert_uint_ge((unsigned)atoi(column->type + 4), bits);
        }
    }
}
END_TEST

START_TEST(no_table_has_a_column_twice) {
    size_t count;
    const struct fleet_table *tables = fleet_tables(&count);
    for (size_t i = 0; i < count; i++)
        for (size_t a = 0; a < tables[i].column_count; a++)
            for (size_t b = 0; b < a; b++) ck_assert_str_ne(tables[i].columns[a].name, tables[i].columns[b].name);
}
END_TEST

/* ---- places ---- */

static const struct place sample = {
    .fleet = "0123456789abcdef0123456789abcdef",
    .shipper = "00000000000000aa",
    .shard = 2,
    .sending = {UINT64_MAX, 7, 3},
    .segments = 10,
    .events = 655360,
    .lost_segments = 1,
    .lost_events = 5,
    .instances = {{UINT64_MAX, 7, 123456789}, {1, 0, 0}},
    .instance_count = 2,
};

static void same_place(const struct place *a, const struct place *b) { ck_assert_mem_eq(a, b, sizeof *a); }

START_TEST(a_place_is_read_as_it_was_saved) {
    struct place back, empty = {.shipper = "0000000000000001"};
    ck_assert_int_eq(place_save(&sample, path, &failure), 0);
    ck_assert_int_eq(place_read(&back, path, &failure), 0);
    same_place(&sample, &back);
    ck_assert_int_eq(place_save(&empty, path, &failure), 0);
    ck_assert_int_eq(place_read(&back, path, &failure), 0);
    same_place(&empty, &back);
}
END_TEST

START_TEST(entries_of_a_place_are_found_added_and_forgotten) {
    static struct place place;
    memset(&place, 0, sizeof place);
    ck_assert_ptr_null(place_find(&place, 5));
    place_forget(&place, 5);
    for (uint64_t i = 1; i <= PLACE_INSTANCES_MAX; i++) place_need(&place, i)->next = 100 + i;
    ck_assert_ptr_null(place_need(&place, PLACE_INSTANCES_MAX + 1));
    ck_assert_uint_eq(place_need(&place, 5)->next, 105);
    ck_assert_uint_eq(place.instance_count, PLACE_INSTANCES_MAX);
    place_forget(&place, 5);
    place_forget(&place, PLACE_INSTANCES_MAX);
    place_forget(&place, 1);
    ck_assert_uint_eq(place.instance_count, PLACE_INSTANCES_MAX - 3);
    for (uint64_t i = 0; i <= PLACE_INSTANCES_MAX; i++) {
        const struct place_instance *entry = place_find(&place, i);
        bool gone = i <= 1 || i == 5 || i == PLACE_INSTANCES_MAX;
        ck_assert_int_eq(entry != NULL, !gone);
        if (entry) ck_assert_uint_eq(entry->next, 100 + i);
    }
}
END_TEST

START_TEST(a_place_with_any_byte_changed_or_missing_is_refused) {
    char text[4096];
    struct place back;
    ck_assert_int_eq(place_save(&sample, path, &failure), 0);
    size_t bytes = get(text, sizeof text);
    for (size_t i = 0; i < bytes; i++) {
        put(text, i, 0600);
        ck_assert_int_ne(place_read(&back, path, &failure), 0);
        text[i] ^= 1;
        put(text, bytes, 0600);
        ck_assert_msg(place_read(&back, path, &failure) != 0, "byte %zu", i);
        text[i] ^= 1;
    }
}
END_TEST

/* Nobody should remove it. */
START_TEST(a_place_that_cannot_be_read_is_not_called_damaged) {
    struct place back;
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_ne(place_read(&back, path, &failure), 0);
    ck_assert_ptr_nonnull(strstr(failure.text, "cannot be read: Is a directory"));
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(a_place_that_cannot_be_saved_stays_unchanged) {
    struct place back, other = sample;
    char beside[96];
    other.events++;
    ck_assert_int_eq(place_save(&sample, path, &failure), 0);
    snprintf(beside, sizeof beside, "%s.new", path);
    ck_assert_int_eq(mkdir(beside, 0700), 0); /* the file beside it cannot be opened */
    ck_assert_int_ne(place_save(&other, path, &failure), 0);
    ck_assert_ptr_nonnull(strstr(failure.text, "--place"));
    ck_assert_int_eq(place_read(&back, path, &failure), 0);
    same_place(&sample, &back);
}
END_TEST

START_TEST(a_place_serves_one_at_a_time) {
    int first = place_lock(path, &failure);
    ck_assert_int_ge(first, 0);
    ck_assert_int_lt(place_lock(path, &failure), 0);
    ck_assert_ptr_nonnull(strstr(failure.text, "another inspector ship"));
    close(first);
    int second = place_lock(path, &failure);
    ck_assert_int_ge(second, 0);
    close(second);
}
END_TEST

/* ---- spools ---- */

static void touch(const char *name) {
    char file[160];
    snprintf(file, sizeof file, "%s/%s", dir, name);
    int fd = open(file, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

START_TEST(only_segments_of_traced_are_of_the_spool) {
    struct spool spool = {0};
    touch("p2ptrace-00000000000000ff-0000000010.p2rec");
    touch("p2ptrace-00000000000000ff-0000000009.p2rec");
    touch("p2ptrace-0000000000000001-0000000000.p2rec");
    touch("p2ptrace-00000000000000ff-0000000011.p2rec.part");
    touch("p2ptrace-00000000000000FF-0000000012.p2rec");
    touch("p2ptrace-00000000000000ff-13.p2rec");
    touch("mine.p2rec");
    ck_assert_int_eq(spool_scan(&spool, dir, &failure), 0);
    ck_assert_uint_eq(spool.count, 3);
    ck_assert_uint_eq(spool.segments[0].instance, 1);
    ck_assert_uint_eq(spool.segments[1].number, 9);
    ck_assert_ptr_eq(spool_find(&spool, 0xff, 0), &spool.segments[1]);
    ck_assert_ptr_eq(spool_find(&spool, 0xff, 10), &spool.segments[2]);
    ck_assert_ptr_null(spool_find(&spool, 0xff, 11));
    ck_assert_ptr_null(spool_find(&spool, 2, 0));
    spool_fini(&spool);
}
END_TEST

/* ---- logins ---- */

START_TEST(a_password_comes_from_a_file_that_nobody_else_can_read) {
    static const struct {
        const char *text;
        mode_t mode;
        const char *says; /* NULL: accepted */
    } cases[] = {
        {"writer:correct horse\n", 0600, NULL}, {"writer:a:b", 0400, NULL},        {"writer:\r\n", 0600, NULL},
        {"writer:x\n", 0640, "chmod 600"},      {"writer:x\n", 0604, "chmod 600"}, {"writer\n", 0600, "user:password"},
        {":x\n", 0600, "user:password"},        {"", 0600, "user:password"},       {"a:b\nc:d\n", 0600, "more than one line"},
    };
    struct login login;
    put(cases[_i].text, strlen(cases[_i].text), cases[_i].mode);
    int result = login_file_read(&login, path, &failure);
    if (cases[_i].says) {
        ck_assert_int_ne(result, 0);
        ck_assert_msg(strstr(failure.text, cases[_i].says), "%s", failure.text);
        return;
    }
    ck_assert_int_eq(result, 0);
    ck_assert_str_eq(login.user, "writer");
    put("writer:a\0b\n", 11, 0600);
    ck_assert_int_ne(login_file_read(&login, path, &failure), 0);
    ck_assert_msg(strstr(failure.text, ":1: there is a NUL byte"), "%s", failure.text);
    if (_i == 0) ck_assert_str_eq(login.password, "correct horse");
    if (_i == 1) ck_assert_str_eq(login.password, "a:b");
    if (_i == 2) ck_assert_str_eq(login.password, "");
}
END_TEST

/* ---- URLs ---- */

#define LONG "a-host-that-has-a-name-of-sixty-four-bytes-which-is-longer-than-"

static const struct {
    const char *url, *address; /* NULL: refused */
    bool local;
} urls[] = {
    {"http://db1:8123/p2ptrace", "http://db1:8123", false},
    {"http://db1/p2ptrace", "http://db1:8123", false},
    {"https://[::1]/x", "https://[::1]:8123", true},
    {"https://[::1]:8443/x", "https://[::1]:8443", true},
    {"http://localhost/x", "http://localhost:8123", true},
    {"http://127.0.0.1:1/x", "http://127.0.0.1:1", true},
    {"http://localhost.example/x", "http://localhost.example:8123", false},
    {"db1:8123/p2ptrace", NULL, false},
    {"http://db1:8123", NULL, false},
    {"http://db1:8123/", NULL, false},
    {"http:///x", NULL, false},
    {"http://db1/x`y", NULL, false},
    {"http://db1/x/y", NULL, false},
    {"http://user:secret@db1/x", NULL, false},
    {"ftp://db1/x", NULL, false},
    {"http://a b/x", NULL, false},
    {"http://" LONG LONG LONG LONG LONG LONG LONG LONG "/x", NULL, false},
    {"http://", NULL, false},
    {"https://", NULL, false},
    {"http:/", NULL, false},
    {"h", NULL, false},
    {"", NULL, false},
};

START_TEST(a_url_names_a_server_and_a_database) {
    struct clickhouse *server;
    char *url = strdup(urls[_i].url); /* on the heap, where the address sanitizer detects each byte read beyond its end */
    ck_assert_ptr_nonnull(url);
    int result = clickhouse_open(&server, url, &(struct clickhouse_settings){0}, &failure);
    free(url);
    if (!urls[_i].address) {
        ck_assert_int_ne(result, 0);
        ck_assert_int_eq(failure.code, EXIT_USAGE);
        ck_assert_ptr_null(strstr(failure.text, "secret"));
        return;
    }
    ck_assert_msg(result == 0, "%s", failure.text);
    ck_assert_str_eq(clickhouse_address(server), urls[_i].address);
    ck_assert_int_eq(clickhouse_is_local(server), urls[_i].local);
    clickhouse_close(server);
}
END_TEST

/* ---- the index ---- */

START_TEST(the_index_has_the_first_and_last_time_of_each_trace_and_peer) {
    struct trace_index index = {0};
    struct row_writer rows = {0};
    struct trace_event event = {.trace_id = {{1}}, .flags = TRACE_FLAG_HAS_PEER};
    for (unsigned i = 0; i < 60000; i++) {
        memcpy(event.trace_id.bytes, &(uint32_t){1 + i % 20000}, 4);
        event.peer_id.bytes[0] = (uint8_t)(i % 2);
        event.timestamp = 1000000 - i;
        ck_assert_int_eq(trace_index_add(&index, &event), 0);
    }
    ck_assert_int_eq(trace_index_add(&index, &(struct trace_event){.timestamp = 5}), 0); /* of no trace */
    ck_assert_uint_eq(index.count, 20000);
    for (unsigned i = 0; i < index.count; i++) {
        ck_assert_uint_eq(index.spans[i].last_ns, 1000000 - i);
        ck_assert_uint_eq(index.spans[i].first_ns, 1000000 - i - 40000);
    }
    trace_index_write(&index, &rows);
    ck_assert_uint_eq(rows.count, 20000 * 64);
    trace_index_clear(&index);
    ck_assert_int_eq(trace_index_add(&index, &event), 0);
    ck_assert_uint_eq(index.count, 1);
    row_writer_fini(&rows);
    trace_index_fini(&index);
}
END_TEST

/* ---- metrics ---- */

START_TEST(metrics_are_replaced_as_a_whole) {
    char text[8192];
    struct ship_progress progress = {.events = 12, .waiting_segments = 3, .waiting_since_ns = 1000000000, .up = true};
    put("old", 3, 0644);
    ck_assert_int_eq(ship_metrics_write(path, "al\"pha\\", &progress, 3500000000), 0);
    text[get(text, sizeof text - 1)] = 0;
    ck_assert_ptr_nonnull(strstr(text, "\np2ptrace_ship_events_total{host=\"al\\\"pha\\\\\"} 12\n"));
    ck_assert_ptr_nonnull(strstr(text, "\np2ptrace_ship_waiting_seconds{host=\"al\\\"pha\\\\\"} 2.5\n"));
    ck_assert_ptr_nonnull(strstr(text, "\np2ptrace_ship_up{"));
    ck_assert_int_eq(strncmp(text, "# HELP ", 7), 0);
}
END_TEST

/* ---- filters ---- */

/* Of names that look like ids, and of descriptions that only a hostile ring has. */
static const struct {
    const char *filter, *has, *has_not; /* parts of its SQL; NULL: none */
} filters[] = {
    {"node == beef", "unhex('1111", "unhex('beef"},
    {"peer == beef", "unhex('1111", "unhex('beef"},
    {"TEST.key == 5", "length(data) >= 16 AND length(data) < 24 AND (reinterpretAsUInt64(substring(data,9,8))",
     "substring(data,1,8)"},
    {"TEST.key == 5", "length(data) >= 24 AND (", "substring(data,33,"},
    {"TEST.key2 == 5", "substring(data,1,8)", "substring(data,9,8)"},
    {"TEST.key < 0", "length(data)", "reinterpretAsUInt64"},
    {"TEST.word < 5", "kind = 'app_command'", "substring"},
    {"TEST.far == 5", "kind = 'app_command'", "substring"},
    {"Second.second == 5", "kind = 'app_command'", "substring"},
    {"command == ONE", "cmd IN (1)", "cmd IN (1,1)"},
    {"command == OTHER", "kind IN", "cmd IN"},
    {"app_id == TES", "toStringCutToZero(`app_id`)", NULL},
};

START_TEST(a_filter_as_sql_means_names_and_the_first_of_each) {
    static const struct trace_app apps[] = {
        {.app_id = "TEST",
         .name = "Test",
         .command_count = 3,
         .field_count = 6,
         .commands = {{1, "ONE"}, {1, "OTHER"}, {2, "TWO"}},
         .fields = {{"key2", TRACE_APP_UNSIGNED, 0, 8},
                    {"key", TRACE_APP_UNSIGNED, 16, 8},
                    {"key", TRACE_APP_UNSIGNED, 32, 8},
                    {"key", TRACE_APP_UNSIGNED, 8, 8},
                    {"word", TRACE_APP_TEXT, 0, 8},
                    {"far", TRACE_APP_UNSIGNED, 40, 8}}},
        {.app_id = "TEST", .name = "Second", .field_count = 1, .fields = {{"second", TRACE_APP_UNSIGNED, 0, 8}}}};
    static const struct trace_app *const list[] = {&apps[0], &apps[1]};
    struct trace_filter_sql_log log = {.log_id = 1, .name = "beef", .apps = list, .app_count = 2};
    struct trace_filter_error error = {0};
    struct trace_filter *filter;
    struct trace_text sql = {0};
    memset(log.node_id.bytes, 0x11, sizeof log.node_id.bytes);
    const struct trace_filter_name name = {log.node_id, "beef", ""};
    const struct trace_filter_names names = {&name, 1, (const struct trace_app **)(uintptr_t)list, 2, true};
    const struct trace_filter_options options = {.names = &names};
    const char *text = filters[_i].filter;
    ck_assert_msg(trace_filter_compile(&filter, text, strlen(text), &options, &error) == 0, "%s", text);
    trace_filter_sql(filter, &log, 1, "time_ns", "peer_id", &sql);
    trace_text_add(&sql, "", 1);
    ck_assert_msg(strstr(sql.data, filters[_i].has) != NULL, "%s: %s", text, sql.data);
    if (filters[_i].has_not) ck_assert_msg(!strstr(sql.data, filters[_i].has_not), "%s: %s", text, sql.data);
    trace_text_fini(&sql);
    trace_filter_destroy(filter);
}
END_TEST

/* ---- steps of clocks ---- */

static struct fleet_step step_of(uint64_t instance, uint8_t number, uint64_t before_ns, uint64_t after_ns) {
    return (struct fleet_step){{.before_ns = before_ns, .after_ns = after_ns, .number = number}, instance};
}

static struct fleet_order order_of(const struct fleet_run *runs, size_t run_count, struct fleet_step *steps, size_t step_count) {
    struct fleet_order order = {.run_count = run_count};
    const struct fleet_logs logs = {.steps = steps, .step_count = step_count};
    order.runs = malloc(run_count * sizeof *runs);
    memcpy(order.runs, runs, run_count * sizeof *runs);
    ck_assert_int_eq(fleet_order_make(&order, &logs), 0);
    return order;
}

#define SECOND UINT64_C(1000000000)

START_TEST(events_after_a_step_back_are_later_by_it) {
    const struct fleet_run runs[] = {
        {{0}, 9, 1, 2}, {{1}, 7, 100 * SECOND, 0}, {{1}, 3, 200 * SECOND, 0}, {{2}, 5, 50 * SECOND, 0}};
    struct fleet_step steps[] = {step_of(7, 2, 130 * SECOND, 127 * SECOND),
                                 step_of(7, 1, 120 * SECOND, 115 * SECOND),
                                 step_of(7, 3, 140 * SECOND, 240 * SECOND),
                                 step_of(3, 1, 290 * SECOND, 288 * SECOND),
                                 step_of(9, 1, 20, 10),
                                 step_of(4, 1, 20, 10)};
    struct fleet_order order = order_of(runs, 4, steps, 6);
    ck_assert_uint_eq(fleet_order_back(&order, 7, 0), 0);
    ck_assert_uint_ge(fleet_order_back(&order, 7, 1), 5 * SECOND);
    ck_assert_uint_ge(fleet_order_back(&order, 7, 2), fleet_order_back(&order, 7, 1) + 3 * SECOND);
    ck_assert_uint_eq(fleet_order_back(&order, 7, 3), fleet_order_back(&order, 7, 2)); /* forward */
    ck_assert_uint_eq(fleet_order_back(&order, 3, 0), fleet_order_back(&order, 7, 3)); /* the next traced of that machine */
    ck_assert_uint_ge(fleet_order_back(&order, 3, 1), fleet_order_back(&order, 3, 0) + 2 * SECOND);
    ck_assert_uint_eq(fleet_order_back(&order, 5, 0), 0); /* another machine */
    ck_assert_uint_eq(fleet_order_back(&order, 9, 1), 0); /* one that is not known */
    ck_assert_uint_eq(fleet_order_back(&order, 4, 1), 0); /* a traced of which nothing has arrived */
    for (size_t i = 1; i < order.line_count; i++) ck_assert_uint_le(order.lines[i - 1].back_ns, order.lines[i].back_ns);
    fleet_order_fini(&order);
}
END_TEST

START_TEST(only_the_newest_steps_back_of_a_machine_count) {
    const struct fleet_run runs[] = {{{1}, 7, 100 * SECOND, 0}, {{1}, 8, 150 * SECOND, 0}};
    struct fleet_step steps[FLEET_STEPS_BACK_MAX + 2];
    for (uint8_t i = 0; i < FLEET_STEPS_BACK_MAX + 2; i++)
        steps[i] = step_of(i < 5 ? 7 : 8, (uint8_t)(i < 5 ? i + 1 : i - 4), 20, 10);
    struct fleet_order order = order_of(runs, 2, steps, FLEET_STEPS_BACK_MAX + 2);
    ck_assert_uint_eq(fleet_order_back(&order, 7, 1), 0);
    ck_assert_uint_eq(fleet_order_back(&order, 7, 2), 0);
    ck_assert_uint_gt(fleet_order_back(&order, 7, 3), 0);
    uint64_t last_ns = 0;
    unsigned shown = 0;
    for (size_t i = 0; i < order.line_count; last_ns = order.lines[i++].back_ns) shown += order.lines[i].back_ns != last_ns;
    ck_assert_uint_eq(shown, FLEET_STEPS_BACK_MAX);
    fleet_order_fini(&order);
}
END_TEST

START_TEST(each_line_is_found_and_no_other) {
    enum { RUNS = 60, STEPS = 3 * RUNS };
    struct fleet_run runs[RUNS];
    struct fleet_step steps[STEPS];
    uint64_t state = (uint64_t)_i;
    for (unsigned i = 0; i < RUNS; i++) /* of 7 machines; instances are in no order, and every other number is one */
        runs[i] = (struct fleet_run){{(uint8_t)(1 + i / 9)}, 2 * ((i * 37 + (uint64_t)_i) % RUNS), i * SECOND, 0};
    for (unsigned i = 0; i < STEPS; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        steps[i] = step_of(2 * (i % RUNS), (uint8_t)(3 - i / RUNS), 20 * SECOND, (15 + state / UINT32_MAX % 9) * SECOND);
    }
    struct fleet_order order = order_of(runs, RUNS, steps, STEPS);
    ck_assert_uint_gt(order.line_count, RUNS);
    unsigned found = 0;
    for (uint64_t instance = 0; instance < 2 * RUNS + 2; instance++) {
        for (uint8_t number = 0; number < 5; number++) {
            uint64_t back_ns = 0;
            for (size_t i = 0; i < order.line_count; i++)
                if (order.lines[i].instance == instance && order.lines[i].number == number) back_ns = order.lines[i].back_ns;
            ck_assert_uint_eq(fleet_order_back(&order, instance, number), back_ns);
            found += back_ns != 0;
        }
    }
    ck_assert_uint_eq(found, order.line_count);
    fleet_order_fini(&order);
}
END_TEST

START_TEST(a_new_step_is_a_reason_to_estimate_at_once) {
    struct fleet_log all[2] = {{.info = {.log = 1}}, {.info = {.log = 2}}};
    struct fleet_step step = step_of(7, 1, 20, 10);
    struct fleet_logs logs = {.all = all, .count = 2, .steps = &step};
    struct fleet_clocks known, next;
    struct clock_ends none = {.max = 10};
    bool estimate;
    for (uint8_t i = 0; i < 2; i++) memset(all[i].info.machine.id, i + 1, sizeof all[i].info.machine.id);
    ck_assert_int_eq(fleet_clocks_open(&known, &logs, &(struct fleet_clocks){0}, &estimate, &failure), 0);
    ck_assert(estimate);
    ck_assert_int_eq(machine_clocks_estimate(known.machines, &none), 0);
    known.clocks = machine_clocks_estimated(known.machines);
    known.stepped_ms = 0; /* long ago: nothing is due */
    for (logs.step_count = 0; logs.step_count < 2; logs.step_count++) {
        ck_assert_int_eq(fleet_clocks_open(&next, &logs, &known, &estimate, &failure), 0);
        ck_assert_int_eq(estimate, logs.step_count != 0);
        fleet_clocks_fini(&next);
    }
    known.clocks = NULL;
    fleet_clocks_fini(&known);
    clock_ends_fini(&none);
}
END_TEST

static size_t steps_written(struct batch_nodes *batch, struct nodes *nodes) {
    batch_nodes_clear(batch);
    batch_nodes_add_steps(batch, "alpha", nodes, 7);
    ck_assert(!batch_nodes_failed(batch));
    return batch->steps.count;
}

START_TEST(steps_are_sent_when_there_are_more_or_a_batch_did_not_arrive) {
    struct batch_nodes batch;
    struct store *store;
    ck_assert_int_eq(batch_nodes_init(&batch), 0);
    ck_assert_int_eq(store_create(&store, HISTORY_BYTES_MIN), 0);
    ck_assert_uint_eq(steps_written(&batch, store->nodes), 0);
    clock_steps_add(nodes_clock_steps(store->nodes), &(struct clock_step){.before_ns = 20, .after_ns = 10, .number = 1});
    size_t one = steps_written(&batch, store->nodes);
    ck_assert_uint_gt(one, 0);
    ck_assert_uint_eq(steps_written(&batch, store->nodes), 0);
    batch_nodes_forget(&batch);
    ck_assert_uint_eq(steps_written(&batch, store->nodes), one);
    clock_steps_add(nodes_clock_steps(store->nodes), &(struct clock_step){.before_ns = 30, .after_ns = 40, .number = 2});
    ck_assert_uint_eq(steps_written(&batch, store->nodes), 2 * one);
    batch_nodes_fini(&batch);
    store_destroy(store);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fleet");
    TCase *cases = tcase_create("fleet");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, an_event_comes_back_from_its_row, 0, 4);
    tcase_add_test(cases, a_long_host_is_cut_to_its_bound);
    tcase_add_test(cases, a_row_with_only_the_columns_of_its_kinds_is_the_same_event);
    tcase_add_test(cases, a_row_cut_anywhere_is_refused);
    tcase_add_loop_test(cases, rows_of_noise_are_refused_or_read_within_their_bounds, 0, 4);
    tcase_add_test(cases, counts_are_written_in_seven_bits_each);
    tcase_add_test(cases, each_field_has_a_column_that_holds_it);
    tcase_add_test(cases, no_table_has_a_column_twice);
    tcase_add_test(cases, a_place_is_read_as_it_was_saved);
    tcase_add_test(cases, entries_of_a_place_are_found_added_and_forgotten);
    tcase_add_test(cases, a_place_with_any_byte_changed_or_missing_is_refused);
    tcase_add_test(cases, a_place_that_cannot_be_read_is_not_called_damaged);
    tcase_add_test(cases, a_place_that_cannot_be_saved_stays_unchanged);
    tcase_add_test(cases, a_place_serves_one_at_a_time);
    tcase_add_test(cases, only_segments_of_traced_are_of_the_spool);
    tcase_add_loop_test(cases, a_password_comes_from_a_file_that_nobody_else_can_read, 0, 9);
    tcase_add_loop_test(cases, a_url_names_a_server_and_a_database, 0, sizeof urls / sizeof *urls);
    tcase_add_test(cases, the_index_has_the_first_and_last_time_of_each_trace_and_peer);
    tcase_add_test(cases, metrics_are_replaced_as_a_whole);
    tcase_add_loop_test(cases, a_filter_as_sql_means_names_and_the_first_of_each, 0, sizeof filters / sizeof *filters);
    tcase_add_test(cases, events_after_a_step_back_are_later_by_it);
    tcase_add_test(cases, only_the_newest_steps_back_of_a_machine_count);
    tcase_add_loop_test(cases, each_line_is_found_and_no_other, 0, 20);
    tcase_add_test(cases, a_new_step_is_a_reason_to_estimate_at_once);
    tcase_add_test(cases, steps_are_sent_when_there_are_more_or_a_batch_did_not_arrive);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
