/* SPDX-License-Identifier: MIT
 *
 * Every format, with events that contain arbitrary bytes: the output is completely well-formed, and memory does not grow with
 * it. */
#include "../helpers/scratch.h"
#include "../helpers/skip.h"
#include "export.h"
#include "formats.h"
#include "random_events.h"

#include <check.h>
#include <dirent.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS 3000
#define EVENTS_MANY 420000
#define EVENTS_FULL 300000 /* by then all bounded tables are full: otlp has 8,192 open spans with their links */

struct output {
    char directory[SCRATCH_BYTES];
    char *text; /* of the one file */
    size_t bytes;
};

static void remove_output(struct output *output) {
    DIR *stream = opendir(output->directory);
    for (const struct dirent *entry; (entry = readdir(stream));) unlinkat(dirfd(stream), entry->d_name, 0);
    closedir(stream);
    rmdir(output->directory);
    free(output->text);
}

static void read_file(struct output *output, const char *path) {
    FILE *file = fopen(path, "r");
    struct stat status;
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fstat(fileno(file), &status), 0);
    output->bytes = (size_t)status.st_size;
    output->text = malloc(output->bytes + 1);
    ck_assert_uint_eq(fread(output->text, 1, output->bytes, file), output->bytes);
    output->text[output->bytes] = 0;
    fclose(file);
}

/* malloc's bytes in use, small and large: the limit between these changes as memory is freed. */
static size_t bytes_in_use(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Runs a format over random events.  Returns by how much the bytes that malloc has in use grew from EVENTS_FULL to the end. */
static ptrdiff_t run(const struct export_format *format, int wild, size_t events, struct output *output) {
    struct export_settings settings = {.exported_ns = 1};
    struct failure failure = {.code = EXIT_OK};
    struct random_events random = {.state = 7};
    struct export export;
    size_t full = 0;
    char path[128];
    ck_assert_ptr_nonnull(make_scratch(output->directory));
    snprintf(path, sizeof path, "%s/file", output->directory);
    FILE *file = format->target == EXPORT_DIRECTORY ? NULL : fopen(path, "w");
    int result = export_begin(&export, format, &settings, file ? fileno(file) : -1, file ? NULL : output->directory, &failure);
    for (size_t i = 0; !result && i < events; i++) {
        struct trace_event event;
        uint32_t node, lane;
        random_event(&random, wild, &event, &node, &lane);
        /* Losses are few; `json` keeps them to its end. */
        if (events > EVENTS && event.kind == TRACE_KIND_EVENTS_LOST) event.kind = TRACE_KIND_CUSTOM;
        struct trace_node_id id = random_node_id(node);
        result = export_binary(&export, &id, lane, &event, &random_app);
        if (i + 1 == EVENTS_FULL) full = bytes_in_use();
    }
    ptrdiff_t grown = (ptrdiff_t)(bytes_in_use() - full);
    if (!result) result = export_end(&export);
    ck_assert_msg(!result, "%s: %s", format->name, failure.text);
    ck_assert_uint_eq(export.events, events);
    export_fini(&export);
    if (file) fclose(file);
    if (file) read_file(output, path);
    return grown;
}

/* Is each line, or each record after an RS, or the whole, a JSON text? */
static void expect_json(const struct export_format *format, struct output *output) {
    const char *separator = strstr(format->name, "qlog")                                     ? "\x1e"
                            : strstr(format->name, "ndjson") || strstr(format->name, "otlp") ? "\n"
                                                                                             : "";
    json_error_t error;
    if (!*separator) {
        json_t *json = json_loadb(output->text, output->bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
        ck_assert_msg(json != NULL, "%s: %s at byte %d", format->name, error.text, error.position);
        json_decref(json);
        return;
    }
    for (char *rest = NULL, *record = strtok_r(output->text, separator, &rest); record;
         record = strtok_r(NULL, separator, &rest)) {
        json_t *json = json_loads(record, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
        ck_assert_msg(json != NULL, "%s: %s at byte %d of %s", format->name, error.text, error.position, record);
        json_decref(json);
    }
}

static bool is_json(const struct export_format *format) {
    static const char *const names[] = {"json", "ndjson", "chrome", "qlog", "otlp"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(format->name, names[i])) return true;
    return false;
}

START_TEST(the_output_is_well_formed_for_any_input) {
    for (size_t i = 0; i < export_format_count; i++) {
        struct output output = {.text = NULL};
        run(export_formats[i], _i, EVENTS, &output);
        if (is_json(export_formats[i])) expect_json(export_formats[i], &output);
        remove_output(&output);
    }
}
END_TEST

START_TEST(memory_does_not_grow_with_events) {
    if (SANITIZED) SKIP_TEST("a sanitizer's memory says nothing about ours");
    for (size_t i = 0; i < export_format_count; i++) {
        struct output output = {.text = NULL};
        ptrdiff_t grown = run(export_formats[i], 0, EVENTS_MANY, &output);
        remove_output(&output);
        ck_assert_msg(grown < 1 << 20, "%s: %td bytes more after %d events than after %d", export_formats[i]->name, grown,
                      EVENTS_MANY, EVENTS_FULL);
    }
}
END_TEST

/* Runs a format over two spans of one trace, one after the other, with `between` events in the first. */
static void run_spans(const char *name, unsigned between, struct output *output) {
    struct export_settings settings = {.exported_ns = 1};
    struct failure failure = {.code = EXIT_OK};
    struct export export;
    struct trace_node_id id = random_node_id(0);
    char path[128];
    ck_assert_ptr_nonnull(make_scratch(output->directory));
    snprintf(path, sizeof path, "%s/file", output->directory);
    FILE *file = fopen(path, "w");
    ck_assert(!export_begin(&export, export_find(name, &failure), &settings, fileno(file), NULL, &failure));
    for (unsigned span = 0; span < 2; span++) {
        for (unsigned i = 0; i < between + 2; i++) {
            bool start = i == 0, end = i == between + 1;
            struct trace_event event = {.timestamp = 1000000 + (span * (between + 2) + i) * 10, .trace_id = {{0x5a}}};
            event.kind = start ? TRACE_KIND_APP_START : end ? TRACE_KIND_APP_END : TRACE_KIND_CUSTOM;
            if (start) event.data.app_start = (struct trace_app_start){.span_id = span + 1, .app_id = "DMAP"};
            if (end) event.data.app_end = (struct trace_app_end){.span_id = span + 1, .app_id = "DMAP", .ok = 1};
            ck_assert(!export_binary(&export, &id, 0, &event, NULL));
        }
    }
    ck_assert(!export_end(&export));
    export_fini(&export);
    fclose(file);
    read_file(output, path);
}

START_TEST(spans_that_do_not_overlap_share_a_track) {
    struct output output = {.text = NULL};
    run_spans("chrome", 1, &output);
    ck_assert_ptr_nonnull(strstr(output.text, "\"trace 5a000000\""));
    ck_assert_ptr_null(strstr(output.text, "\"trace 5a000000 (2)\""));
    const char *first = strstr(output.text, "\"ph\":\"B\"");
    ck_assert(first && strstr(first + 1, "\"ph\":\"B\"")); /* each is a slice */
    remove_output(&output);
}
END_TEST

START_TEST(events_beyond_the_most_of_a_span_are_counted) {
    struct output output = {.text = NULL};
    run_spans("otlp", 300, &output);
    ck_assert_ptr_nonnull(strstr(output.text, "\"droppedEventsCount\":44"));
    remove_output(&output);
}
END_TEST

/* A stream may run for weeks: connections open and close, and some spans never end. */
static size_t run_connections(const struct export_format *format, unsigned count, struct output *output) {
    struct export_settings settings = {.exported_ns = 1};
    struct failure failure = {.code = EXIT_OK};
    struct export export;
    struct trace_node_id id = random_node_id(0);
    char path[128];
    ck_assert_ptr_nonnull(make_scratch(output->directory));
    snprintf(path, sizeof path, "%s/file", output->directory);
    FILE *file = fopen(path, "w");
    ck_assert(!export_begin(&export, format, &settings, fileno(file), NULL, &failure));
    for (unsigned i = 0; i < 4 * count; i++) {
        static const uint16_t kinds[] = {TRACE_KIND_CONN_INIT, TRACE_KIND_CONN_ESTABLISHED, TRACE_KIND_APP_START,
                                         TRACE_KIND_CONN_CLOSED};
        struct trace_event event = {.timestamp = 1000000 + i * 10, .kind = kinds[i % 4], .sequence = i};
        memcpy(event.trace_id.bytes, &(uint32_t){i / 4 + 1}, sizeof(uint32_t));
        event.peer_id = random_node_id(1 + i / 4 % 3);
        if (i % 4) event.flags = TRACE_FLAG_HAS_PEER;
        if (i % 4 == 2) event.data.app_start = (struct trace_app_start){.span_id = i + 1, .app_id = "DMAP"};
        ck_assert_msg(!export_binary(&export, &id, 0, &event, NULL), "%s", failure.text);
    }
    size_t in_use = bytes_in_use();
    ck_assert(!export_end(&export));
    export_fini(&export);
    fclose(file);
    read_file(output, path);
    return in_use;
}

START_TEST(memory_grows_neither_with_closed_connections_nor_with_unfinished_spans) {
    if (SANITIZED) SKIP_TEST("a sanitizer's memory says nothing about ours");
    const struct export_format *otlp = export_find("otlp", NULL);
    struct output output = {.text = NULL};
    size_t few = run_connections(otlp, 30000, &output);
    remove_output(&output);
    size_t many = run_connections(otlp, 60000, &output);
    ck_assert_msg(many < few + (1 << 20), "%zu bytes after 30,000, %zu after 60,000", few, many);
    unsigned cut = 0, connections = 0;
    for (const char *at = output.text; (at = strstr(at, "p2ptrace.incomplete")); at++) cut++;
    for (const char *at = output.text; (at = strstr(at, "\"connection with ")); at++) connections++;
    for (const char *at = output.text; (at = strstr(at, "\"connection to ")); at++) connections++;
    ck_assert_uint_eq(cut, 60000); /* still every span is there */
    ck_assert_uint_eq(connections, 60000);
    remove_output(&output);
}
END_TEST

START_TEST(each_format_is_found_by_its_name_and_suggested_for_a_similar_one) {
    struct failure failure;
    for (size_t i = 0; i < export_format_count; i++) {
        const struct export_format *format = export_formats[i];
        char name[32], expected[64];
        ck_assert_ptr_eq(export_find(format->name, &failure), format);
        ck_assert(format->doc && format->event && !format->carried == !format->carries);
        snprintf(name, sizeof name, "%sz", format->name);
        snprintf(expected, sizeof expected, "did you mean %s?", format->name);
        ck_assert_ptr_null(export_find(name, &failure));
        ck_assert_msg(strstr(failure.text, expected) != NULL, "%s", failure.text);
    }
    ck_assert_ptr_null(export_find("a long way off", &failure));
    ck_assert_ptr_nonnull(strstr(failure.text, "json, ndjson"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("formats");
    TCase *tcase = tcase_create("formats");
    tcase_set_timeout(tcase, 240);
    tcase_add_loop_test(tcase, the_output_is_well_formed_for_any_input, 0, 2);
    tcase_add_test(tcase, memory_does_not_grow_with_events);
    tcase_add_test(tcase, memory_grows_neither_with_closed_connections_nor_with_unfinished_spans);
    tcase_add_test(tcase, spans_that_do_not_overlap_share_a_track);
    tcase_add_test(tcase, events_beyond_the_most_of_a_span_are_counted);
    tcase_add_test(tcase, each_format_is_found_by_its_name_and_suggested_for_a_similar_one);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
