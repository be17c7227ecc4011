/* SPDX-License-Identifier: MIT
 *
 * Shared by the libtrace tests: a directory for shared-memory objects, logs in it, and reading them to the end. */
#ifndef TESTS_RING_FIXTURE_H
#define TESTS_RING_FIXTURE_H

#include "../helpers/scratch.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libtrace/reader.h>
#include <p2ptrace/trace.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char shm_dir[SCRATCH_BYTES];
static int shm_dir_fd = -1;

static inline void remove_all(const char *dir) {
    DIR *d = opendir(dir);
    struct dirent *entry;
    while (d != NULL && (entry = readdir(d)) != NULL) unlinkat(dirfd(d), entry->d_name, 0);
    if (d) closedir(d);
    rmdir(dir);
}

static inline void setup_shm_dir(void) {
    ck_assert_ptr_nonnull(make_shm_scratch(shm_dir));
    setenv("P2PTRACE_SHM_DIR", shm_dir, 1);
    shm_dir_fd = open(shm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(shm_dir_fd, 0);
}

static inline void teardown_shm_dir(void) {
    close(shm_dir_fd);
    remove_all(shm_dir);
}

static inline struct trace_node_id id_of(unsigned n) {
    struct trace_node_id id = {{0}};
    id.bytes[0] = (uint8_t)n;
    id.bytes[1] = (uint8_t)(n >> 8);
    id.bytes[31] = 0xee;
    return id;
}

static inline struct trace_log *open_log_with(uint32_t lane_events, enum trace_policy policy) {
    struct trace_log *log = NULL;
    struct trace_log_options options = {.node_id = id_of(1), .node_name = "alice", .policy = policy};
    ck_assert_int_eq(trace__log_open(&log, &options, lane_events), 0);
    return log;
}

static inline struct trace_log *open_log(uint32_t lane_events) { return open_log_with(lane_events, TRACE_OVERWRITE_OLDEST); }

static inline struct trace_reader *attach(const char *name) {
    struct trace_reader *reader = NULL;
    enum trace_attach_fault fault;
    ck_assert_int_eq(trace_reader_attach(&reader, shm_dir_fd, name, geteuid(), TRACE_READER_CONTROL, &fault), 0);
    return reader;
}

static inline struct trace_reader *attach_log(const struct trace_log *log) { return attach(trace_log_name(log) + 1); }

/* The code of a custom event; the tests number their events with it. */
static inline uint32_t code_of(const struct trace_event *event) {
    ck_assert_uint_eq(event->kind, TRACE_KIND_CUSTOM);
    return event->data.custom.code;
}

static inline void emit_codes(struct trace_log *log, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) TRACE_CUSTOM(log, NULL, NULL, 0, i, NULL, 0);
}

static inline void run_suite_or_exit(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    int failed;
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    exit(failed == 0 ? 0 : 1);
}

#endif
