/* SPDX-License-Identifier: MIT
 *
 * A log takes the memory that docs/memory.md says: compares its table with the kernel's account of a real log. */
#include "../helpers/skip.h"
#include "ring_fixture.h"

#include <sys/stat.h>

#define ROWS 8
#define THREADS_MAX 20

/* In KiB. */
struct row {
    bool minimal;
    unsigned threads;
    unsigned long address_space, shm, resident;
};

static struct row rows[ROWS];

static void read_table(void) {
    char line[512], switches[64];
    unsigned count = 0;
    FILE *file = fopen(MEMORY_MD, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        struct row row;
        if (sscanf(line, "| %63s | %u | %lu | %lu | %lu |", switches, &row.threads, &row.address_space, &row.shm,
                   &row.resident) != 5)
            continue;
        ck_assert_uint_lt(count, ROWS);
        ck_assert(strcmp(switches, "default") == 0 || strcmp(switches, "`TRACE_MINIMAL`") == 0);
        row.minimal = switches[0] == '`';
        rows[count++] = row;
    }
    fclose(file);
    ck_assert_uint_eq(count, ROWS);
}

static void setup(void) {
    setup_shm_dir();
    read_table();
}

/* Size and Rss of the mappings of an object. */
static void measure_mapping(const char *name, unsigned long *ret_size, unsigned long *ret_resident) {
    char line[512];
    unsigned long kib;
    bool ours = false;
    FILE *file = fopen("/proc/self/smaps", "r");
    ck_assert_ptr_nonnull(file);
    *ret_size = *ret_resident = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2) ours = strstr(line, name) != NULL; /* the first line of a mapping */
        if (ours && sscanf(line, "Size: %lu", &kib) == 1) *ret_size += kib;
        if (ours && sscanf(line, "Rss: %lu", &kib) == 1) *ret_resident += kib;
    }
    fclose(file);
}

static pthread_barrier_t all_have_emitted, all_is_measured;

static void *emit_and_stay(void *log) {
    emit_codes(log, 0, 1);
    pthread_barrier_wait(&all_have_emitted);
    pthread_barrier_wait(&all_is_measured);
    return NULL;
}

START_TEST(a_log_uses_the_memory_that_the_table_states) {
    const struct row *row = &rows[_i];
    struct trace_log *log;
    struct stat status;
    pthread_t threads[THREADS_MAX];
    unsigned long size, resident;
    ck_assert_uint_le(row->threads, THREADS_MAX);
    const char *no_room = scratch_lacks(shm_dir, row->shm + 1024);
    if (no_room) SKIP_TEST(no_room);
    log = open_log(row->minimal ? TRACE_LANE_EVENTS_MINIMAL : TRACE_LANE_EVENTS_FULL);
    pthread_barrier_init(&all_have_emitted, NULL, row->threads);
    pthread_barrier_init(&all_is_measured, NULL, row->threads);
    for (unsigned i = 1; i < row->threads; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, emit_and_stay, log), 0);
    emit_codes(log, 0, 1);
    pthread_barrier_wait(&all_have_emitted);
    measure_mapping(trace_log_name(log) + 1, &size, &resident);
    pthread_barrier_wait(&all_is_measured);
    for (unsigned i = 1; i < row->threads; i++) pthread_join(threads[i], NULL);
    ck_assert_int_eq(fstatat(shm_dir_fd, trace_log_name(log) + 1, &status, 0), 0);
    ck_assert_uint_eq(size, row->address_space);
    ck_assert_uint_eq((unsigned long)status.st_size / 1024, row->address_space);
    ck_assert_uint_eq((unsigned long)status.st_blocks / 2, row->shm);
    ck_assert_uint_eq(resident, row->resident);
    trace_log_close(log);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");
    tcase_add_checked_fixture(tcase, setup, teardown_shm_dir);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_log_uses_the_memory_that_the_table_states, 0, ROWS);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
