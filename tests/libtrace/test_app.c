/* SPDX-License-Identifier: MIT
 *
 * Application protocols: what can be registered, what a reader gets, and events made from an application's messages. */
#include "ring_fixture.h"

#include <libtrace/clock.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct dmap_data {
    uint8_t hash[32];
    uint32_t size;
};

static const struct trace_app datamap = {
    .app_id = {'D', 'M', 'A', 'P'},
    .name = "DataMap",
    .command_count = 2,
    .field_count = 2,
    .commands = {{1, "STORE_CHUNK"}, {2, "GET_CHUNK"}},
    .fields = {TRACE_APP_FIELD(TRACE_APP_HASH, struct dmap_data, hash),
               TRACE_APP_FIELD(TRACE_APP_UNSIGNED, struct dmap_data, size)},
};

static void expect_app(const struct trace_reader *reader, unsigned index, const struct trace_app *expected) {
    struct trace_app app;
    ck_assert_int_eq(trace_reader_app(reader, index, &app), 0);
    ck_assert_mem_eq(&app, expected, sizeof app);
}

static void expect_no_app(const struct trace_reader *reader, unsigned index) {
    struct trace_app app;
    ck_assert_int_eq(trace_reader_app(reader, index, &app), -ENOENT);
}

/* ---- registration ---------------------------------------------------------------------------------------------------------- */

START_TEST(a_registered_application_is_found_also_after_the_node_is_gone) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    expect_no_app(reader, 0);
    ck_assert_int_eq(trace_log_register_app(log, &datamap), 0);
    trace_log_close(log);
    expect_app(reader, 0, &datamap);
    expect_no_app(reader, 1);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(only_an_identical_description_may_be_registered_again) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    struct trace_app same = datamap, other = datamap;
    ck_assert_int_eq(trace_log_register_app(log, &datamap), 0);
    ck_assert_int_eq(trace_log_register_app(log, &datamap), 0);
    strcpy(same.name + 8, "behind its NUL");
    strcpy(same.commands[1].name + 10, "too");
    same.commands[2].cmd = 3;
    same.fields[2].type = 99;
    same.fields[0].reserved = 1;
    ck_assert_int_eq(trace_log_register_app(log, &same), 0);
    same.command_count = same.field_count = 0; /* up to the first without a name */
    ck_assert_int_eq(trace_log_register_app(log, &same), 0);
    other.commands[0].cmd = 9;
    ck_assert_int_eq(trace_log_register_app(log, &other), -EEXIST);
    other = datamap;
    other.command_count = 1;
    ck_assert_int_eq(trace_log_register_app(log, &other), -EEXIST);
    expect_app(reader, 0, &datamap);
    expect_no_app(reader, 1);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(a_full_table_takes_no_more_and_keeps_what_it_has) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    struct trace_app app = datamap;
    for (int i = 0; i < TRACE_APPS_MAX; i++) {
        app.app_id[0] = (char)(i & 1 ? 'x' : 'y');
        app.app_id[1] = (char)('0' + i);
        ck_assert_int_eq(trace_log_register_app(log, &app), 0);
    }
    ck_assert_int_eq(trace_log_register_app(log, &datamap), -ENOSPC);
    ck_assert_int_eq(trace_log_register_app(log, &app), 0); /* it is there already */
    expect_app(reader, TRACE_APPS_MAX - 1, &app);
    expect_no_app(reader, TRACE_APPS_MAX);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(everything_that_fits_is_accepted) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    struct trace_app app = {.app_id = {'!', '~', '"', '\\'}};
    memset(app.name, 'n', sizeof app.name); /* names to the last byte */
    for (unsigned i = 0; i < TRACE_APP_COMMANDS_MAX; i++) {
        app.commands[i].cmd = (uint16_t)(UINT16_MAX - i);
        memset(app.commands[i].name, (int)(1 + i % 255), sizeof app.commands[i].name);
        app.commands[i].name[0] = (char)('a' + i / 255);
    }
    for (unsigned i = 0; i < TRACE_APP_FIELDS_MAX; i++) {
        app.fields[i] = (struct trace_app_field){.type = TRACE_APP_BYTES, .bytes = TRACE_APP_DATA_BYTES}; /* a union of all */
        memset(app.fields[i].name, 'a' + (int)i, sizeof app.fields[i].name);
    }
    ck_assert_int_eq(trace_log_register_app(log, &app), 0);
    app.command_count = TRACE_APP_COMMANDS_MAX;
    app.field_count = TRACE_APP_FIELDS_MAX;
    expect_app(reader, 0, &app);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(descriptions_take_memory_when_they_are_registered) {
    struct trace_log *log = open_log(64);
    struct stat before, after;
    ck_assert_int_eq(fstatat(shm_dir_fd, trace_log_name(log) + 1, &before, 0), 0);
    ck_assert_int_eq(before.st_blocks * 512, TRACE_SHM_HEADER_BYTES + 64 * 128);
    ck_assert_int_eq(trace_log_register_app(log, &datamap), 0);
    ck_assert_int_eq(fstatat(shm_dir_fd, trace_log_name(log) + 1, &after, 0), 0);
    ck_assert_int_eq(after.st_blocks * 512, TRACE_SHM_HEADER_BYTES + 64 * 128 + 2 * 4096);
    trace_log_close(log);
}
END_TEST

START_TEST(names_that_are_not_text_are_accepted_unchanged) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    struct trace_app app = datamap;
    strncpy(app.name, "\x1b[31m\xff", sizeof app.name); /* zeroes the rest */
    strncpy(app.commands[0].name, "\xed\xa0\x80", sizeof app.commands[0].name);
    strncpy(app.fields[0].name, "a\nb", sizeof app.fields[0].name);
    ck_assert_int_eq(trace_log_register_app(log, &app), 0);
    expect_app(reader, 0, &app); /* how they are shown: test_event_json.c and test_apps.py */
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

static void break_app(struct trace_app *app, int how) {
    switch (how) {
    case 0: app->app_id[2] = ' '; break;
    case 1: app->app_id[3] = 0; break;
    case 2: app->app_id[0] = (char)0xe4; break;
    case 3: app->name[0] = 0; break;
    case 4: app->command_count = TRACE_APP_COMMANDS_MAX + 1; break;
    case 5: app->field_count = TRACE_APP_FIELDS_MAX + 1; break;
    /* too many, and not counted: the compiler has dropped the rest */
    case 19:
        app->command_count = 0;
        for (unsigned i = 0; i <= TRACE_APP_COMMANDS_MAX; i++) {
            app->commands[i].cmd = (uint16_t)i;
            snprintf(app->commands[i].name, sizeof app->commands[i].name, "C%u", i);
        }
        break;
    case 20:
        app->field_count = 0;
        for (unsigned i = 0; i <= TRACE_APP_FIELDS_MAX; i++) {
            app->fields[i] = (struct trace_app_field){.type = TRACE_APP_BYTES, .bytes = 1};
            snprintf(app->fields[i].name, sizeof app->fields[i].name, "f%u", i);
        }
        break;
    case 6: app->command_count = 3; break; /* the third has no name */
    case 7: app->commands[1].cmd = 1; break;
    case 8: strcpy(app->commands[1].name, "STORE_CHUNK"); break;
    case 9: app->field_count = 3; break;
    case 10: strcpy(app->fields[1].name, "hash"); break;
    case 11: app->fields[1].offset = TRACE_APP_DATA_BYTES - 3; break;
    case 12: app->fields[1].offset = 255; break;
    case 13: app->fields[0].bytes = TRACE_APP_DATA_BYTES + 1; break;
    case 14: app->fields[0].bytes = 0; break;
    case 15: app->fields[1].bytes = 3; break;
    case 16: app->fields[1].bytes = 5; break;
    case 17: app->fields[0].type = 0; break;
    case 18: app->fields[0].type = TRACE_APP_TEXT + 1; break;
    default: ck_abort();
    }
}
enum { BROKEN_COUNT = 21 };

static bool is_too_long(int how) { return how == 4 || how == 5 || how == 19 || how == 20; }

START_TEST(a_description_that_breaks_a_rule_is_refused) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    struct trace_app app = datamap;
    break_app(&app, _i);
    ck_assert_int_eq(trace_log_register_app(log, &app), is_too_long(_i) ? -E2BIG : -EINVAL);
    ck_assert_int_eq(trace_log_register_app(NULL, &app),
                     is_too_long(_i) ? -E2BIG : -EINVAL); /* mistakes are reported even without a log */
    expect_no_app(reader, 0);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(without_a_log_and_in_a_forked_child_nothing_is_registered_and_that_is_fine) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    int status;
    pid_t child;
    ck_assert_int_eq(trace_log_register_app(NULL, &datamap), 0);
    if ((child = fork()) == 0) _exit(trace_log_register_app(log, &datamap) == 0 ? 0 : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    expect_no_app(reader, 0);
    ck_assert_int_eq(trace_log_register_app(log, &datamap), 0);
    expect_app(reader, 0, &datamap);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

/* ---- with a reader ------------------------------------------------------------------------------------------------------ */

/* Each description is full of one letter, so a torn one is detected. */
static struct trace_app app_of_letter(char letter) {
    struct trace_app app = {.command_count = 1, .field_count = 1};
    memset(app.app_id, letter, sizeof app.app_id);
    memset(app.name, letter, sizeof app.name);
    memset(app.commands[0].name, letter, sizeof app.commands[0].name);
    app.fields[0] = (struct trace_app_field){.type = TRACE_APP_BYTES, .bytes = TRACE_APP_DATA_BYTES};
    memset(app.fields[0].name, letter, sizeof app.fields[0].name);
    return app;
}

static void *register_letters(void *log) {
    for (int i = 0; i < TRACE_APPS_MAX; i++) {
        struct trace_app app = app_of_letter((char)('0' + i));
        if (trace_log_register_app(log, &app) != 0) return log;
    }
    return NULL;
}

START_TEST(a_reader_takes_whole_descriptions_while_they_are_registered) {
    for (int round = 0; round < 100; round++) {
        struct trace_log *log = open_log(64);
        struct trace_reader *reader = attach_log(log);
        pthread_t thread;
        void *failed;
        ck_assert_int_eq(pthread_create(&thread, NULL, register_letters, log), 0);
        for (unsigned i = 0; i < TRACE_APPS_MAX;) {
            struct trace_app app, expected = app_of_letter((char)('0' + i));
            int result = trace_reader_app(reader, i, &app);
            if (result == -ENOENT) continue;
            ck_assert_int_eq(result, 0);
            ck_assert_mem_eq(&app, &expected, sizeof app);
            i++;
        }
        ck_assert_int_eq(pthread_join(thread, &failed), 0);
        ck_assert_ptr_null(failed);
        trace_reader_detach(reader);
        trace_log_close(log);
    }
}
END_TEST

/* Overwrites the first description of the ring, like a node of another version or a broken one. */
static void overwrite_app(const struct trace_log *log, const struct trace_app *app) {
    int fd = openat(shm_dir_fd, trace_log_name(log) + 1, O_RDWR);
    void *base = mmap(NULL, TRACE_SHM_LANES_OFFSET, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(base, MAP_FAILED);
    memcpy((char *)base + TRACE_SHM_HEADER_BYTES, app, sizeof *app);
    munmap(base, TRACE_SHM_LANES_OFFSET);
    close(fd);
}

START_TEST(a_reader_takes_what_a_newer_node_describes_and_nothing_out_of_bounds) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    struct trace_app app;
    ck_assert_int_eq(trace_log_register_app(log, &datamap), 0);
    for (int how = 0; how < BROKEN_COUNT; how++) {
        bool out_of_bounds = how == 4 || how == 5 || (how >= 11 && how <= 13);
        struct trace_app broken = datamap;
        break_app(&broken, how);
        overwrite_app(log, &broken);
        ck_assert_int_eq(trace_reader_app(reader, 0, &app), out_of_bounds ? -EBADMSG : 0);
    }
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(a_field_is_the_member_of_a_struct) {
    struct data {
        uint8_t kind;
        uint16_t port;
        uint64_t offset;
        struct {
            char key[9];
        } inner;
    };
    const struct trace_app_field fields[] = {
        TRACE_APP_FIELD(TRACE_APP_UNSIGNED, struct data, kind), TRACE_APP_FIELD(TRACE_APP_UNSIGNED, struct data, port),
        TRACE_APP_FIELD(TRACE_APP_UNSIGNED, struct data, offset), TRACE_APP_FIELD(TRACE_APP_TEXT, struct data, inner.key)};
    static const struct trace_app_field expected[] = {{"kind", TRACE_APP_UNSIGNED, 0, 1, 0},
                                                      {"port", TRACE_APP_UNSIGNED, 2, 2, 0},
                                                      {"offset", TRACE_APP_UNSIGNED, 8, 8, 0},
                                                      {"inner.key", TRACE_APP_TEXT, 16, 9, 0}};
    ck_assert_mem_eq(fields, expected, sizeof expected);
}
END_TEST

/* ---- messages ------------------------------------------------------------------------------------------------------------- */

/* An application's message, and how its functions were called. */
struct message {
    const char *text;
    size_t claimed; /* what to_trace_data returns */
    bool wanted;
    struct trace_log *log; /* to_trace_data itself emits an event to it */
    unsigned asked, encoded;
    bool out_was_zero;
};

static size_t to_trace_data(uint8_t out[TRACE_APP_DATA_BYTES], uint16_t cmd, const void *message_given) {
    static const uint8_t zero[TRACE_APP_DATA_BYTES];
    struct message *message = (struct message *)(uintptr_t)message_given;
    ck_assert_uint_eq(cmd, 2);
    message->encoded++;
    message->out_was_zero = memcmp(out, zero, sizeof zero) == 0;
    memcpy(out, message->text, strlen(message->text));
    TRACE_CUSTOM(message->log, NULL, NULL, 0, 77, NULL, 0);
    return message->claimed;
}

static bool should_trace(uint16_t cmd, const void *message_given) {
    struct message *message = (struct message *)(uintptr_t)message_given;
    ck_assert_uint_eq(cmd, 2);
    message->asked++;
    return message->wanted;
}

static const struct trace_app_protocol protocol = {
    .description = {.app_id = {'D', 'M', 'A', 'P'}, .name = "DataMap"},
    .to_trace_data = to_trace_data,
    .should_trace = should_trace,
};

static struct trace_log *message_log;
static struct trace_reader *message_reader;

static void setup_messages(void) {
    setup_shm_dir();
    message_log = open_log(64);
    message_reader = attach_log(message_log);
}

static void teardown_messages(void) {
    trace_reader_detach(message_reader);
    trace_log_close(message_log);
    teardown_shm_dir();
}

/* Reads what is there; returns the number of events. */
static uint32_t take(struct trace_event *events, uint32_t max) {
    struct trace_read read;
    trace_reader_read(message_reader, 0, events, max, false, trace__monotonic_ns(), &read);
    ck_assert_uint_eq(read.lost, 0);
    return read.count;
}

/* Positions of the lane that were reserved. */
static uint64_t reserved(void) {
    struct trace_lane_count count;
    trace_reader_count(message_reader, 0, &count);
    return count.emitted;
}

START_TEST(a_message_becomes_a_command_with_the_bytes_that_the_application_made) {
    struct trace_context context = trace_context_new(TRACE_FLAG_SAMPLED);
    struct trace_node_id peer = id_of(5);
    struct message message = {.text = "thirteen more", .claimed = 8, .wanted = true};
    struct trace_event event;
    TRACE_APP_MESSAGE(message_log, &context, &peer, &protocol, 2, &message);
    ck_assert_uint_eq(take(&event, 1), 1);
    ck_assert_uint_eq(event.kind, TRACE_KIND_APP_COMMAND);
    ck_assert_uint_eq(event.flags, TRACE_FLAG_SAMPLED | TRACE_FLAG_HAS_PEER);
    ck_assert_mem_eq(&event.trace_id, &context.trace_id, sizeof event.trace_id);
    ck_assert_mem_eq(&event.peer_id, &peer, sizeof peer);
    ck_assert_mem_eq(event.data.app_command.app_id, "DMAP", 4);
    ck_assert_uint_eq(event.data.app_command.cmd, 2);
    ck_assert_uint_eq(event.data.app_command.data_bytes, 8);
    /* Bytes beyond the returned count are not recorded. */
    ck_assert_mem_eq(event.data.app_command.data, "thirteen\0\0\0\0\0", 13);
    ck_assert(message.out_was_zero);
}
END_TEST

START_TEST(a_size_beyond_the_data_bytes_means_all_of_them) {
    struct message message = {.text = "x", .claimed = TRACE_APP_DATA_BYTES + 1, .wanted = true};
    struct trace_event event;
    uint8_t expected[TRACE_APP_DATA_BYTES] = {'x'};
    TRACE_APP_MESSAGE(message_log, NULL, NULL, &protocol, 2, &message);
    ck_assert_uint_eq(take(&event, 1), 1);
    ck_assert_uint_eq(event.data.app_command.data_bytes, TRACE_APP_DATA_BYTES);
    ck_assert_mem_eq(event.data.app_command.data, expected, sizeof expected);
}
END_TEST

START_TEST(an_unwanted_message_leaves_nothing_in_the_ring) {
    struct message message = {.text = "secret", .claimed = 6};
    struct trace_context context = trace_context_new(TRACE_FLAG_DEBUG); /* overrules sampling, not the application */
    TRACE_APP_MESSAGE(message_log, &context, NULL, &protocol, 2, &message);
    ck_assert_uint_eq(message.asked, 1);
    ck_assert_uint_eq(message.encoded, 0);
    ck_assert_uint_eq(reserved(), 0);
}
END_TEST

START_TEST(a_protocol_without_functions_traces_every_message_and_no_data) {
    static const struct trace_app_protocol plain = {.description = {.app_id = {'P', 'L', 'A', 'N'}}};
    struct trace_event event;
    TRACE_APP_MESSAGE(message_log, NULL, NULL, &plain, 9, NULL);
    ck_assert_uint_eq(take(&event, 1), 1);
    ck_assert_mem_eq(event.data.app_command.app_id, "PLAN", 4);
    ck_assert_uint_eq(event.data.app_command.cmd, 9);
    ck_assert_uint_eq(event.data.app_command.data_bytes, 0);
}
END_TEST

START_TEST(the_application_is_not_called_for_a_masked_kind) {
    struct message message = {.text = "", .wanted = true};
    unsigned evaluated = 0;
    trace_reader_set_control(message_reader, TRACE_CONTROL_ALL & ~TRACE_CONTROL_KIND_BIT(TRACE_KIND_APP_COMMAND));
    TRACE_APP_MESSAGE(message_log, NULL, NULL, &protocol, 2, (evaluated++, &message));
    TRACE_APP_MESSAGE((struct trace_log *)NULL, NULL, NULL, &protocol, 2, (evaluated++, &message));
    ck_assert_uint_eq(evaluated, 0);
    ck_assert_uint_eq(message.asked + message.encoded, 0);
    trace_reader_set_control(message_reader, TRACE_CONTROL_ALL);
    TRACE_APP_MESSAGE(message_log, NULL, NULL, &protocol, 2, (evaluated++, &message));
    ck_assert_uint_eq(evaluated, 1);
    ck_assert_uint_eq(reserved(), 1);
}
END_TEST

START_TEST(the_application_is_not_called_for_an_unsampled_trace) {
    struct message message = {.text = "", .wanted = true};
    struct trace_context context = trace_context_new(TRACE_FLAG_SAMPLED);
    struct trace_event event;
    trace_reader_set_control(message_reader, UINT32_MAX); /* all kinds, and no trace */
    TRACE_APP_MESSAGE(message_log, &context, NULL, &protocol, 2, &message);
    ck_assert_uint_eq(message.asked + message.encoded, 0);
    context.flags |= TRACE_FLAG_DEBUG;
    TRACE_APP_MESSAGE(message_log, &context, NULL, &protocol, 2, &message);
    ck_assert_uint_eq(message.asked, 1);
    ck_assert_uint_eq(take(&event, 1), 1);
    ck_assert_uint_eq(event.flags, TRACE_FLAG_SAMPLED | TRACE_FLAG_DEBUG);
}
END_TEST

START_TEST(the_application_may_emit_while_it_makes_the_data) {
    struct message message = {.text = "outer", .claimed = 5, .wanted = true, .log = message_log};
    struct trace_event events[2];
    TRACE_APP_MESSAGE(message_log, NULL, NULL, &protocol, 2, &message);
    ck_assert_uint_eq(take(events, 2), 2);
    ck_assert_uint_eq(code_of(&events[0]), 77);
    ck_assert_mem_eq(events[1].data.app_command.data, "outer", 6);
    ck_assert_uint_le(events[0].timestamp, events[1].timestamp);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("app");
    TCase *tcase = tcase_create("registration");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_registered_application_is_found_also_after_the_node_is_gone);
    tcase_add_test(tcase, only_an_identical_description_may_be_registered_again);
    tcase_add_test(tcase, a_full_table_takes_no_more_and_keeps_what_it_has);
    tcase_add_test(tcase, everything_that_fits_is_accepted);
    tcase_add_test(tcase, descriptions_take_memory_when_they_are_registered);
    tcase_add_test(tcase, names_that_are_not_text_are_accepted_unchanged);
    tcase_add_loop_test(tcase, a_description_that_breaks_a_rule_is_refused, 0, BROKEN_COUNT);
    tcase_add_test(tcase, without_a_log_and_in_a_forked_child_nothing_is_registered_and_that_is_fine);
    tcase_add_test(tcase, a_reader_takes_whole_descriptions_while_they_are_registered);
    tcase_add_test(tcase, a_reader_takes_what_a_newer_node_describes_and_nothing_out_of_bounds);
    tcase_add_test(tcase, a_field_is_the_member_of_a_struct);
    suite_add_tcase(suite, tcase);

    tcase = tcase_create("messages");
    tcase_add_checked_fixture(tcase, setup_messages, teardown_messages);
    tcase_add_test(tcase, a_message_becomes_a_command_with_the_bytes_that_the_application_made);
    tcase_add_test(tcase, a_size_beyond_the_data_bytes_means_all_of_them);
    tcase_add_test(tcase, an_unwanted_message_leaves_nothing_in_the_ring);
    tcase_add_test(tcase, a_protocol_without_functions_traces_every_message_and_no_data);
    tcase_add_test(tcase, the_application_is_not_called_for_a_masked_kind);
    tcase_add_test(tcase, the_application_is_not_called_for_an_unsampled_trace);
    tcase_add_test(tcase, the_application_may_emit_while_it_makes_the_data);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
