/* SPDX-License-Identifier: MIT
 *
 * A host without tracing, and its plugins, each a node with its own copy of the library.  They are loaded side by side,
 * unloaded while threads that emitted are still alive, and export only what they intend to. */
#include "plugin_module.h"
#include "ring_fixture.h"

#include <dlfcn.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

struct loaded {
    void *handle;
    const struct plugin *plugin;
};

/* The loader treats the same file as the same library, so each plugin gets its own file. */
static void copy_module(const char *path) {
    struct stat status;
    int from = open(PLUGIN_MODULE, O_RDONLY), to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    ck_assert_int_eq(fstat(from, &status), 0);
    ck_assert_int_eq(sendfile(to, from, NULL, (size_t)status.st_size), status.st_size);
    close(from);
    close(to);
}

static struct loaded load(const char *path, int flags) {
    struct loaded loaded = {.handle = dlopen(path, RTLD_NOW | flags)};
    ck_assert_msg(loaded.handle != NULL, "%s", dlerror());
    loaded.plugin = dlsym(loaded.handle, "plugin");
    ck_assert_ptr_nonnull(loaded.plugin);
    return loaded;
}

static struct loaded load_copy(unsigned number, int flags) {
    char path[128];
    snprintf(path, sizeof path, "%s/plugin-%u.so", shm_dir, number);
    copy_module(path);
    return load(path, flags);
}

static void expect_codes(const char *name, unsigned lane, unsigned first, unsigned count) {
    struct trace_reader *reader = attach(name + 1);
    struct trace_event events[64];
    struct trace_read read;
    trace_reader_read(reader, lane, events, 64, false, 1, &read);
    ck_assert_uint_eq(read.count, count);
    for (unsigned i = 0; i < count; i++) ck_assert_uint_eq(code_of(&events[i]), first + i);
    trace_reader_detach(reader);
}

/* ---- several ------------------------------------------------------------------------------------------------------------- */

#define PLUGINS 64

static const int visibilities[] = {RTLD_LOCAL, RTLD_GLOBAL};

static void *emit_to_all(void *plugins) {
    const struct loaded *loaded = plugins;
    for (unsigned code = 10; code < 20; code++)
        for (unsigned i = 0; i < PLUGINS; i++) loaded[i].plugin->emit(code);
    return NULL;
}

START_TEST(many_plugins_have_a_copy_of_the_library_each) {
    struct loaded loaded[PLUGINS];
    pthread_t thread;
    for (unsigned i = 0; i < PLUGINS; i++) loaded[i] = load_copy(i, visibilities[_i]);
    for (unsigned i = 0; i < PLUGINS; i++) ck_assert_int_eq(loaded[i].plugin->open(i + 1), 0);
    for (unsigned code = 0; code < 5; code++)
        for (unsigned i = 0; i < PLUGINS; i++) loaded[i].plugin->emit(code);
    ck_assert_int_eq(pthread_create(&thread, NULL, emit_to_all, loaded), 0);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < PLUGINS; i++) {
        expect_codes(loaded[i].plugin->name(), 0, 0, 5);
        expect_codes(loaded[i].plugin->name(), 1, 10, 10);
    }
    for (unsigned i = 0; i < PLUGINS; i++) {
        loaded[i].plugin->close();
        ck_assert_int_eq(dlclose(loaded[i].handle), 0);
    }
}
END_TEST

/* ---- unloaded ---------------------------------------------------------------------------------------------------------- */

static pthread_barrier_t emitted, may_end;

static void *emit_and_outlive(void *plugin) {
    ((const struct plugin *)plugin)->emit(7);
    pthread_barrier_wait(&emitted);
    pthread_barrier_wait(&may_end);
    return NULL;
}

/* With the log closed before, and with it still open. */
START_TEST(a_thread_that_emitted_ends_after_the_plugin_was_unloaded) {
    enum { THREADS = 8 };
    struct loaded loaded = load_copy(0, RTLD_LOCAL);
    pthread_t threads[THREADS];
    pthread_barrier_init(&emitted, NULL, THREADS + 1);
    pthread_barrier_init(&may_end, NULL, THREADS + 1);
    ck_assert_int_eq(loaded.plugin->open(1), 0);
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, emit_and_outlive, (void *)(uintptr_t)loaded.plugin), 0);
    pthread_barrier_wait(&emitted);
    if (_i == 0) loaded.plugin->close();
    ck_assert_int_eq(dlclose(loaded.handle), 0);
    ck_assert_ptr_null(dlopen("plugin-0.so", RTLD_NOW | RTLD_NOLOAD)); /* it has really gone */
    pthread_barrier_wait(&may_end);
    for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}
END_TEST

/* In the order in which the loader reuses thread-local storage: any number of times; in another order: as often as there is
 * room for the one word of each. */
static const struct order {
    unsigned times;
    bool last_first;
} orders[] = {{300, true}, {30, false}};

START_TEST(a_plugin_is_loaded_and_unloaded_over_and_over) {
    const struct order *order = &orders[_i];
    struct loaded stays = load_copy(0, RTLD_LOCAL);
    ck_assert_int_eq(stays.plugin->open(1000), 0);
    for (unsigned i = 1; i <= order->times; i++) {
        struct loaded pass[2] = {load_copy(1, RTLD_LOCAL), load_copy(2, RTLD_LOCAL)};
        for (unsigned k = 0; k < 2; k++) {
            ck_assert_int_eq(pass[k].plugin->open(i), 0);
            pass[k].plugin->emit(1);
            expect_codes(pass[k].plugin->name(), 0, 1, 1);
        }
        for (unsigned k = 0; k < 2; k++) {
            struct loaded *goes = &pass[order->last_first ? 1 - k : k];
            goes->plugin->close();
            ck_assert_int_eq(dlclose(goes->handle), 0);
        }
        stays.plugin->emit(1);
    }
    stays.plugin->close();
    dlclose(stays.handle);
}
END_TEST

/* ---- what others see --------------------------------------------------------------------------------------------------- */

/* How many symbols of ours are in the dynamic table of a program or library. */
static unsigned count_visible(const char *path) {
    char line[512];
    unsigned ours = 0, all = 0;
    FILE *nm;
    snprintf(line, sizeof line, "nm -D --defined-only '%s'", path);
    nm = popen(line, "r");
    ck_assert_ptr_nonnull(nm);
    while (fgets(line, sizeof line, nm) != NULL) {
        char symbol[256];
        if (sscanf(line, "%*s %*s %255s", symbol) != 1) continue;
        all++;
        ours += strncmp(symbol, "trace_", 6) == 0 || strncmp(symbol, "log__", 5) == 0 || strncmp(symbol, "object__", 8) == 0 ||
                strncmp(symbol, "query__", 7) == 0;
    }
    ck_assert_int_eq(pclose(nm), 0);
    ck_assert_uint_gt(all, 0); /* there is a table, and nm can read it */
    return ours;
}

START_TEST(a_plugin_shows_no_symbol_of_the_library) { ck_assert_uint_eq(count_visible(PLUGIN_MODULE), 0); }
END_TEST

START_TEST(a_program_that_exports_all_it_has_shows_no_symbol_of_the_library) {
    char path[256];
    ssize_t bytes = readlink("/proc/self/exe", path, sizeof path - 1);
    ck_assert_int_gt(bytes, 0);
    path[bytes] = 0;
    trace_log_close(open_log(64)); /* the library is linked */
    ck_assert_uint_eq(count_visible(path), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("plugin");
    TCase *tcase = tcase_create("plugin");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, many_plugins_have_a_copy_of_the_library_each, 0, 2);
    tcase_add_loop_test(tcase, a_thread_that_emitted_ends_after_the_plugin_was_unloaded, 0, 2);
    tcase_add_loop_test(tcase, a_plugin_is_loaded_and_unloaded_over_and_over, 0, sizeof orders / sizeof *orders);
    tcase_add_test(tcase, a_plugin_shows_no_symbol_of_the_library);
    tcase_add_test(tcase, a_program_that_exports_all_it_has_shows_no_symbol_of_the_library);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
