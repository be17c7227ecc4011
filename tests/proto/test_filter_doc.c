/* SPDX-License-Identifier: MIT
 *
 * docs/filter.md: its list of fields agrees with the table of events, and its examples are valid filters.
 *
 *     test_filter_doc FILTER.MD
 *
 * FILTER_DOC_UPDATE=1 in the environment rewrites the list instead. */
#include "filter_events.h"
#include "run.h"
#include <proto/event_table.h>
#include <stdio.h>
#include <stdlib.h>

#define BEGIN "|---|---|---|\n"
#define HEAD "<!-- fields: a test compares these lines with the table of events -->\n| field | of | takes |\n" BEGIN
#define END "<!-- end of fields -->"

static const char *path;

static char *read_all(void) {
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 20);
    ck_assert_msg(file != NULL, "%s", path);
    ck_assert_uint_gt(fread(text, 1, (1 << 20) - 1, file), 0);
    fclose(file);
    return text;
}

static const char *takes(const struct trace_field_info *field) {
    switch (field->type) {
    case TRACE_TYPE_bool: return "alone, or `true`, `false`";
    case TRACE_TYPE_id64: return "the beginning of a 64-bit id, `0`";
    case TRACE_TYPE_space: return "a packet number space, as in `docs/events.md`";
    case TRACE_TYPE_transport: return "a transport, as in `docs/events.md`";
    case TRACE_TYPE_loss: return "a cause, as in `docs/events.md`";
    case TRACE_TYPE_endpoint: return "an endpoint, `null`";
    case TRACE_TYPE_code4:
    case TRACE_TYPE_text: return "text";
    case TRACE_TYPE_payload: return "bytes";
    default: return !strcmp(field->unit, "ns") ? "a duration" : !strcmp(field->unit, "bytes") ? "a size" : "a number";
    }
}

/* A line for each name, in the order of the table, with the kinds that have it. */
static char *list_fields(void) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    char *list = calloc(1, 1 << 16), *out = list;
    for (unsigned k = 0; k < count; k++) {
        for (unsigned i = 0; i < kinds[k].field_count; i++) {
            const struct trace_field_info *field = &kinds[k].fields[i];
            char line[64];
            snprintf(line, sizeof line, "| `%s` |", field->name);
            if (strstr(list, line)) continue;
            out += sprintf(out, "%s", line);
            const char *between = " ";
            for (unsigned l = k; l < count; l++) {
                for (unsigned j = 0; j < kinds[l].field_count; j++) {
                    if (strcmp(kinds[l].fields[j].name, field->name) != 0) continue;
                    out += sprintf(out, "%s`%s`", between, kinds[l].name);
                    between = ", ";
                }
            }
            out += sprintf(out, " | %s |\n", takes(field));
        }
    }
    return list;
}

START_TEST(the_document_lists_the_fields_of_the_table) {
    char *text = read_all(), *list = list_fields();
    char *begin = strstr(text, HEAD), *end = strstr(text, END);
    ck_assert_msg(begin != NULL && end != NULL, "the marks are missing");
    begin += strlen(HEAD);
    if (getenv("FILTER_DOC_UPDATE")) {
        FILE *file = fopen(path, "w");
        ck_assert_int_gt(fprintf(file, "%.*s%s%s", (int)(begin - text), text, list, end), 0);
        fclose(file);
    } else {
        *end = 0;
        ck_assert_str_eq(begin, list);
    }
    free(text);
    free(list);
}
END_TEST

static void check(const char *filter_text, size_t bytes, enum trace_filter_mode mode) {
    struct trace_filter *filter;
    struct trace_filter_error error;
    struct trace_filter_options options = {mode, EVENTS_NOW, NULL};
    int status = trace_filter_compile(&filter, filter_text, bytes, &options, &error);
    ck_assert_msg(status == 0, "%.*s: at %zu: %s", (int)bytes, filter_text, error.position, error.reason);
    trace_filter_destroy(filter);
}

/* `field == value` in the text. */
static unsigned check_inline(const char *line) {
    unsigned checked = 0;
    for (const char *begin = line; (begin = strchr(begin, '`')) && strchr(begin + 1, '`');) { /* pairs of backticks */
        size_t bytes = strcspn(begin + 1, "`");
        char piece[200];
        snprintf(piece, sizeof piece, "%.*s", (int)bytes, begin + 1);
        begin += bytes + 2;
        const char *space = strchr(piece, ' ');
        if (!space || space == piece || !strchr("=!<>~", space[1])) continue;
        check(piece, strlen(piece), TRACE_FILTER_EVENTS);
        checked++;
    }
    return checked;
}

/* Examples are indented by four: commands with --where '...', and bare ones of whole traces. */
START_TEST(every_example_in_the_document_is_a_filter) {
    char *text = read_all();
    unsigned commands = 0, traces = 0, inlines = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        const char *where = strstr(line, "--where '");
        if (!strncmp(line, "    inspector ", 14) && where) {
            where += strlen("--where '");
            check(where, strcspn(where, "'"), TRACE_FILTER_EVENTS);
            commands++;
        } else if (!strncmp(line, "    any", 7) || !strncmp(line, "    unfinished", 14) || !strncmp(line, "    count(", 10)) {
            check(line, strlen(line), TRACE_FILTER_TRACES);
            traces++;
        } else if (!traces) { /* after them the text is about traces */
            inlines += check_inline(line);
        }
    }
    ck_assert_uint_ge(commands, 3);
    ck_assert_uint_ge(traces, 3);
    ck_assert_uint_ge(inlines, 7);
    free(text);
}
END_TEST

/* Each field of the table accepts its values under each of its names. */
START_TEST(every_field_of_every_kind_can_be_used_by_each_of_its_names) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (unsigned k = 0; k < count; k++) {
        for (unsigned i = 0; i < kinds[k].field_count; i++) {
            const struct trace_field_info *field = &kinds[k].fields[i];
            const char *value = field->type == TRACE_TYPE_bool        ? "true"
                                : field->type == TRACE_TYPE_space     ? "1rtt"
                                : field->type == TRACE_TYPE_loss      ? "overwritten"
                                : field->type == TRACE_TYPE_transport ? "udp"
                                : field->type == TRACE_TYPE_endpoint  ? "::1"
                                : field->type == TRACE_TYPE_payload   ? "00"
                                                                      : "0";
            const char *before[] = {"", "data.", kinds[k].name};
            for (unsigned n = 0; n < 3; n++) {
                char text[200];
                int bytes = snprintf(text, sizeof text, "%s%s%s == %s", before[n], n == 2 ? "." : "", field->name, value);
                check(text, (size_t)bytes, TRACE_FILTER_EVENTS);
            }
        }
    }
}
END_TEST

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    path = argv[1];
    Suite *suite = suite_create("filter_doc");
    TCase *tcase = tcase_create("doc");
    tcase_add_test(tcase, the_document_lists_the_fields_of_the_table);
    tcase_add_test(tcase, every_example_in_the_document_is_a_filter);
    tcase_add_test(tcase, every_field_of_every_kind_can_be_used_by_each_of_its_names);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
