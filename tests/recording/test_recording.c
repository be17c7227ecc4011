/* SPDX-License-Identifier: MIT
 *
 * Recordings: what is written is read again, whole or damaged. */
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
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urcu.h>

#define HISTORY_BYTES ((size_t)120 << 20)

static char dir[] = "/tmp/test_recording.XXXXXX";
static char path[64], other_path[64];
static char reason[RECORDING_REASON_BYTES];

static void begin_files(void) {
    strcpy(dir, "/tmp/test_recording.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
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

/* ---- writing what the model has --------------------------------------------------------------------------------------------- */

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
        ck_assert_uint_eq(node->apps[0].commands[0].cmd, i);
    }
    ck_assert_uint_eq(nodes_count(store->nodes), nodes);
}

START_TEST(what_is_written_is_read_again) {
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

int main(void) {
    Suite *suite = suite_create("recording");
    TCase *tcase = tcase_create("files");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, begin_files, end_files);
    tcase_add_loop_test(tcase, what_is_written_is_read_again, 0, 2 * LOADS);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
