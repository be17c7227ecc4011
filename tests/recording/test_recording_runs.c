/* SPDX-License-Identifier: MIT
 *
 * Many recordings that are read as one, as an adversary would make them: what they cost, and what cannot be made equal. */
#include "../helpers/scratch.h"
#include "recording_format.h"

#include <check.h>
#include <errno.h>
#include <recording/recording.h>
#include <recording/writer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define RUNS_MAX 48

static char dir[SCRATCH_BYTES], paths[RUNS_MAX][SCRATCH_BYTES + 16];
static const char *names[RUNS_MAX];
static char reason[RECORDING_REASON_BYTES];

/* ---- reads of files are counted, and one fails ------------------------------------------------------------------------- */

static unsigned reads, fails_at;
ssize_t __real_pread64(int fd, void *buffer, size_t count, off_t offset);
ssize_t __wrap_pread64(int fd, void *buffer, size_t count, off_t offset);

ssize_t __wrap_pread64(int fd, void *buffer, size_t count, off_t offset) {
    if (++reads == fails_at) return errno = EIO, -1;
    return __real_pread64(fd, buffer, count, offset);
}

/* ---- files ------------------------------------------------------------------------------------------------------------- */

static void begin_files(void) {
    ck_assert_ptr_nonnull(make_scratch(dir));
    for (unsigned i = 0; i < RUNS_MAX; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%02u.p2rec", dir, i);
        names[i] = paths[i];
    }
}

static void end_files(void) {
    for (unsigned i = 0; i < RUNS_MAX; i++) unlink(paths[i]);
    ck_assert_int_eq(rmdir(dir), 0);
}

static void add_node(struct recording_writer *writer, uint64_t log) {
    struct node_info info = {.node_name = "alice", .log = log};
    uint32_t index;
    ck_assert_int_eq(store_add_node(recording_writer_store(writer), &info, NODE_UNKNOWN, &index), 0);
}

static struct recording *open_runs(unsigned count) {
    struct recording *recording = NULL;
    int error;
    reads = 0;
    error = recording_open(&recording, names, count, reason);
    ck_assert_msg(error == 0, "%s", error == 0 ? "" : reason);
    return recording;
}

/* ---- what many runs cost ----------------------------------------------------------------------------------------------- */

/* Each run has the ring of the run before again, and `step` new events. */
static void write_sliding(unsigned run, uint32_t step) {
    struct recording_writer *writer;
    ck_assert_int_eq(recording_writer_open(&writer, names[run], NULL), 0);
    add_node(writer, 7);
    for (uint32_t i = run * step; i < run * step + 1000; i++) {
        struct trace_event event = {.timestamp = 1000000 + i, .sequence = i / 2, .kind = TRACE_KIND_PACKET_SENT};
        ck_assert_int_eq(recording_writer_append(writer, 0, i % 2, &event, 1), 0);
    }
    ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
}

/* A traced that is started again and again reads the same rings each time. */
START_TEST(reads_of_many_runs_grow_with_their_number) {
    const uint32_t step = _i == 0 ? 0 : 100;
    unsigned half, whole;

    for (unsigned run = 0; run < RUNS_MAX; run++) write_sliding(run, step);
    recording_close(open_runs(RUNS_MAX / 2));
    half = reads;
    struct recording *recording = open_runs(RUNS_MAX);
    whole = reads;
    ck_assert_uint_eq(recording_events(recording), 1000 + (RUNS_MAX - 1) * step);
    ck_assert_uint_eq(recording_problem_count(recording), 0);
    ck_assert_msg(whole <= 2 * half + half / 4, "%u runs: %u reads, %u runs: %u", RUNS_MAX / 2, half, RUNS_MAX, whole);
    recording_close(recording);
}
END_TEST

/* A read that fails while runs are compared, and not again, does not make their events count twice in silence. */
START_TEST(a_read_that_fails_once_is_reported) {
    unsigned all;
    write_sliding(0, 100);
    write_sliding(1, 100);
    recording_close(open_runs(2));
    all = reads;
    for (fails_at = 1; fails_at <= all; fails_at++) {
        struct recording *recording = NULL;
        reads = 0;
        reason[0] = 0;
        if (recording_open(&recording, names, 2, reason) < 0) {
            ck_assert_uint_ne(reason[0], 0);
            continue;
        }
        if (recording_problem_count(recording) == 0) ck_assert_msg(recording_events(recording) == 1100, "read %u", fails_at);
        recording_close(recording);
    }
    fails_at = 0;
}
END_TEST

/* ---- a directory of other things --------------------------------------------------------------------------------------- */

/* What is no recording keeps no descriptor from those that are, and nothing waits for it. */
START_TEST(a_directory_of_junk_is_read_beside_it) {
    const struct recording_header header = {.magic = RECORDING_MAGIC,
                                            .version = RECORDING_VERSION,
                                            .byte_order = RECORDING_BYTE_ORDER,
                                            .event_bytes = TRACE_EVENT_BYTES};
    const struct rlimit limit = {24, 24};
    const char *name = dir;
    struct recording *recording = NULL;
    for (unsigned i = 0; i < RUNS_MAX - 1; i++) {
        if (i % 6 == 0) ck_assert_int_eq(mkfifo(paths[i], 0600), 0);
        if (i % 6 == 1) ck_assert_int_eq(symlink("/dev/zero", paths[i]), 0);
        if (i % 6 == 2) ck_assert_int_eq(symlink(paths[i], paths[i]), 0);
        if (i % 6 < 3) continue;
        FILE *file = fopen(paths[i], "w");
        ck_assert_ptr_nonnull(file);
        if (i % 6 == 4) fwrite(&header, sizeof header, 1, file);
        for (unsigned k = 0; k < 3000 && i % 6 > 3; k++) fputs("junk", file);
        fclose(file);
    }
    write_sliding(RUNS_MAX - 1, 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_msg(recording_open(&recording, &name, 1, reason) == 0, "%s", reason);
    ck_assert_uint_eq(recording_events(recording), 1000);
    ck_assert_uint_gt(recording_problem_count(recording), 0);
    for (size_t i = 0; i < recording_problem_count(recording); i++)
        ck_assert_msg(strstr(recording_problem(recording, i)->path, ".p2rec"), "%s", recording_problem(recording, i)->text);
    recording_close(recording);
}
END_TEST

/* ---- what cannot be made equal ----------------------------------------------------------------------------------------- */

/* XXH3 multiplies pairs of words, each combined with a constant: where that makes one of them 0, the other one does not count.
 * A node knows the constants; what else is combined with them, it must not know. */
START_TEST(events_with_one_checksum_are_not_the_same) {
    static const uint8_t constant[8] = {0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e}; /* at 80 of XXH3's secret */
    struct recording *recording;
    uint64_t checksums[2];

    for (unsigned run = 0; run < 2; run++) {
        struct trace_event event = {.timestamp = 1000000, .sequence = 7, .kind = TRACE_KIND_CUSTOM};
        struct recording_writer *writer;
        memcpy((char *)&event + 80, constant, sizeof constant);
        ((char *)&event)[88] = (char)(1 + run);
        checksums[run] = recording__checksum(&event, sizeof event);
        ck_assert_int_eq(recording_writer_open(&writer, names[run], NULL), 0);
        add_node(writer, 7);
        ck_assert_int_eq(recording_writer_append(writer, 0, 0, &event, 1), 0);
        ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
    }
    ck_assert_uint_eq(checksums[0], checksums[1]);
    recording = open_runs(2);
    ck_assert_uint_eq(recording_events(recording), 2);
    recording_close(recording);
}
END_TEST

/* ---- more logs than the table of nodes has room for --------------------------------------------------------------------- */

START_TEST(logs_beyond_the_table_are_one_unknown_node) {
    struct recording *recording;
    unsigned known = 0, unknown = 0;

    for (unsigned run = 0; run < 2; run++) {
        struct recording_writer *writer;
        ck_assert_int_eq(recording_writer_open(&writer, names[run], NULL), 0);
        for (uint32_t i = 0; i < 3000; i++) {
            struct trace_event event = {.timestamp = 1000000 + i, .sequence = i, .kind = TRACE_KIND_PACKET_SENT};
            add_node(writer, 1 + run * 3000 + i);
            ck_assert_int_eq(recording_writer_append(writer, i, 0, &event, 1), 0);
        }
        ck_assert_int_eq(recording_writer_close(writer, NULL), 0);
    }
    recording = open_runs(2);
    ck_assert_uint_eq(recording_events(recording), 6000);
    ck_assert_uint_gt(recording_problem_count(recording), 0);
    ck_assert_ptr_nonnull(strstr(recording_problem(recording, 0)->text, "there are more than 4095 logs"));
    for (uint32_t i = 0; i < nodes_count(recording_store(recording)->nodes); i++) {
        const struct node *node = nodes_at(recording_store(recording)->nodes, i);
        known += node && !strcmp(node->info.node_name, "alice");
        unknown += node && !strcmp(node->info.node_name, "unknown");
    }
    ck_assert_uint_eq(known, 4095);
    ck_assert_uint_eq(unknown, 1);
    recording_close(recording);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("recording_runs");
    TCase *tcase = tcase_create("runs");

    tcase_set_timeout(tcase, 200);
    tcase_add_checked_fixture(tcase, begin_files, end_files);
    tcase_add_loop_test(tcase, reads_of_many_runs_grow_with_their_number, 0, 2);
    tcase_add_test(tcase, a_read_that_fails_once_is_reported);
    tcase_add_test(tcase, a_directory_of_junk_is_read_beside_it);
    tcase_add_test(tcase, events_with_one_checksum_are_not_the_same);
    tcase_add_test(tcase, logs_beyond_the_table_are_one_unknown_node);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
