/* SPDX-License-Identifier: MIT
 *
 * What the filter language says about mistakes: where they are, why, and what was probably meant; and its limits. */
#include "filter_events.h"
#include "run.h"
#include <errno.h>
#include <proto/event_table.h>
#include <proto/utf8.h>
#include <stdio.h>
#include <stdlib.h>

static const struct trace_filter_name node_names[] = {{{{0xa1, 0x1c, 0xe0}}, "alice", "hill"}, {{{0xb0, 0xb0}}, "bob"}};
static const struct trace_app *const apps[] = {&app_dmap};
static const struct trace_filter_names all_names = {node_names, COUNT_OF(node_names), apps, COUNT_OF(apps), true};
static const struct trace_filter_names open_names = {node_names, COUNT_OF(node_names), apps, COUNT_OF(apps), false};

static int compile(const char *text, size_t bytes, enum trace_filter_mode mode, const struct trace_filter_names *names,
                   struct trace_filter_error *ret_error) {
    struct trace_filter *filter = NULL;
    struct trace_filter_options options = {mode, EVENTS_NOW, names, .typed = true};
    int status = trace_filter_compile(&filter, text, bytes, &options, ret_error);
    if (!status) trace_filter_destroy(filter);
    return status;
}

/* ---- mistakes ----------------------------------------------------------------------------------------------------------- */

/* ^ and $ mark the place, and are removed from the text. */
static const struct {
    const char *text, *reason, *suggestion;
} mistakes[] = {
    /* names */
    {"^rrt$ > 5ms", "there is no field or kind \"rrt\"", "rtt"},
    {"^packet_lots$", "there is no field or kind \"packet_lots\"", "packet_lost"},
    {"^Packet_Lost$", "there is no field or kind \"Packet_Lost\"", "packet_lost"},
    {"^lost$", "there is no field or kind \"lost\"", "packet_lost"},
    {"fin and ^szie$ > 1", "there is no field or kind \"szie\"", "size"},
    {"^xyzzy$ == 1", "there is no field or kind \"xyzzy\"", ""},
    {"^x$ == 1", "there is no field or kind \"x\"", ""},
    {"metrics.^rrt$ > 5ms", "metrics has no field \"rrt\"", "rtt"},
    {"metrics.^size$ > 5", "metrics has no field \"size\"", ""},
    {"data.^szie$ > 5", "data of no kind has no field", "size"},
    {"^metrisc$.rtt > 5ms", "there is no kind or application \"metrisc\"", "metrics"},
    {"^DMAQ$.size > 5", "there is no kind or application \"DMAQ\"", "DMAP"},
    {"DMAP.^sise$ > 5", "DMAP has no field \"sise\"", "size"},
    {"'DataMap.^sise$' > 5", "DataMap has no field \"sise\"", "size"},
    {"fields.^sise$ > 5", "what any application registered has no field \"sise\"", "size"},
    {"^duration$ > 5ms", "\"duration\" is a field of traces; this asks about events", ""},
    {"^packet_lost$ == 1", "\"packet_lost\" is a test by itself", ""},
    {"^sampled$ == 1", "\"sampled\" is a test by itself", ""},
    {"^rtt$", "\"rtt\" must be compared with something", ""},
    /* values */
    {"kind == ^packet_lots$", "kind is never \"packet_lots\"", "packet_lost"},
    {"space == ^1rt$", "space is never \"1rt\"", "1rtt"},
    {"cause == ^overwriten$", "cause is never \"overwriten\"", "overwritten"},
    {"flags == ^sampeld$", "flags is never \"sampeld\"", "sampled"},
    {"node == ^alcie$", "no node is called \"alcie\"", "alice"},
    {"host == ^hil$", "no node runs on a host \"hil\"", "hill"},
    {"peer in {bob, ^alcie$}", "no node is called \"alcie\"", "alice"},
    {"app == ^DataMop$", "no node has registered an application \"DataMop\"", "DataMap"},
    {"command == ^GET_CHUNKS$", "no node has registered a command \"GET_CHUNKS\"", "GET_CHUNK"},
    {"fin == ^yes$", "fin is true or false", ""},
    {"trace == ^xyz$", "trace is the first 1 to 32 hex digits of an id", ""},
    {"span_id == ^12345678901234567$", "span_id is the first 1 to 16 hex digits of an id", ""},
    {"endpoint == ^1.2.3$", "endpoint is an address", ""},
    {"endpoint == ^1.2.3.4:65536$", "endpoint is an address", ""},
    {"endpoint == ^[::1$", "endpoint is an address", ""},
    {"data == ^abc$", "data is up to 44 bytes as hex digits", ""},
    {"app_id == ^DMAPP$", "app_id has at most 4 bytes", ""},
    {"size == ^null$", "size is never null", ""},
    {"node == ^null$", "node is never null", ""},
    /* numbers */
    {"rtt > ^50$", "rtt needs a unit: ns, us, ms, s, m or h", "50ms"},
    {"rtt != ^1.5$", "rtt needs a unit", "1.5ms"},
    {"rtt > ^9999$", "rtt needs a unit", "9999ms"},
    {"rtt > ^0x10$", "rtt needs a unit", ""},
    {"min_rtt in {0, 1ms..^2$}", "min_rtt needs a unit", "2ms"},
    {"data.rtt > ^'7'$", "data.rtt needs a unit", "7ms"},
    {"rtt > 5^MiB$", "rtt is a time, in ns us ms s m h, not a size", ""},
    {"size > 5^ms$", "size is a size, in B KiB MiB GiB kB MB GB, not a time", ""},
    {"size > 5^%$", "size is a size, in B KiB MiB GiB kB MB GB, not a share", ""},
    {"code > 5^ms$", "code is a number without a unit, not a time", ""},
    {"packet_num > 5^KiB$", "packet_num is a number without a unit, not a size", ""},
    {"DMAP.size > 5^%$", "size is a number, not a share", ""},
    {"rtt > 5^sec$", "there is no unit \"sec\": rtt is a time, in ns us ms s m h", ""},
    {"rtt > 5^mss$", "there is no unit \"mss\"", "ms"},
    {"size > 5^kb$", "there is no unit \"kb\"", "kB"},
    {"size > 5^mib$", "there is no unit \"mib\"", "MiB"},
    {"DMAP.size > 5^Mib$", "there is no unit \"Mib\"", "MiB"},
    {"size > ^-5$", "size is never negative", ""},
    {"size > ^many$", "size is a size, in B KiB MiB GiB kB MB GB, not \"many\"", ""},
    {"size > ^1.5$", "without a unit size is a whole number", ""},
    {"size > ^1.2.3$", "size is a size, in B KiB MiB GiB kB MB GB, not \"1.2.3\"", ""},
    {"size > ^.5KiB$", "size is a size, in B KiB MiB GiB kB MB GB, not \".5KiB\"", ""},
    {"code > ^18446744073709551616$", "this number does not fit into 64 bits", ""},
    {"code > ^0x10000000000000000$", "this number does not fit into 64 bits", ""},
    {"code > ^0x$", "code is a number without a unit, not \"0x\"", ""},
    {"rtt > ^5124095.6h$", "this number does not fit into 64 bits", ""},
    {"rtt > ^99999999999999h$", "this number does not fit into 64 bits", ""},
    {"time > ^-5$", "a relative time needs a unit", ""},
    {"time > ^-5MB$", "a relative time needs a unit", ""},
    {"time > ^5s$", "a time is Unix microseconds", ""},
    {"time > ^2026-02-30T00:00:00Z$", "there is no such day", ""},
    {"time > ^99999999999999999999$", "the time is after 2553", ""},
    /* operators */
    {"kind ^<$ packet_lost", "kind has no order: use ==, !=, in or ~", ""},
    {"fin ^>$ true", "fin has no order: use ==, !=, in", ""},
    {"size ^~$ 5", "~ compares text, but size is not text: use ==, !=, in, or < <= > >=", ""},
    {"fin ^~$ t*", "~ compares text, but fin is not text: use ==, !=, in", ""},
    {"kind in {packet_lost^..$packet_sent}", "kind has no order, and therefore no ranges", ""},
    {"size in {^5$..2}", "this range ends before it begins", ""},
    {"size ^=$ 5", "\"=\" is written \"==\" here", "=="},
    {"fin ^&&$ sent", "\"&&\" is written \"and\" here", "and"},
    {"fin ^||$ sent", "\"||\" is written \"or\" here", "or"},
    {"^!$fin", "\"!\" is written \"not\" here", "not"},
    {"fin ^AND$ sent", "`and` or `or` is missing before \"AND\"", "and"},
    {"fin ^sent$", "`and` or `or` is missing before \"sent\"", ""},
    /* form */
    {"^$", "the filter is empty", ""},
    {"  ^$", "the filter is empty", ""},
    {"size > ^$", "a value for size is missing before the end", ""},
    {"size > ^)$", "a value for size is missing before \")\"", ""},
    {"size in ^5$", "`in` needs a set", ""},
    {"size in ^{$5, 6", "this { is not closed", ""},
    {"size in {5 ^6$}", "\",\" or \"}\" is missing before 6", ""},
    {"size in {^}$", "a value for size is missing before \"}\"", ""},
    {"fin and ^$", "a test is missing before the end", ""},
    {"fin and ^or$ sent", "a test is missing before `or`", ""},
    {"^and$ fin", "a test is missing before `and`", ""},
    {"not ^$", "a test is missing before the end", ""},
    {"^($fin", "this ( is not closed", ""},
    {"(fin ^}$", "`and`, `or` or \")\" is missing before \"}\"", ""},
    {"fin^)$", "no ( is open", ""},
    {"fin ^{$", "`and` or `or` is missing before \"{\"", ""},
    {"^==$ 5", "a test is missing before a comparison", ""},
    {"reason == ^'abc$", "this quote is not closed", ""},
    {"fin ^#$", "\"#\" means nothing here", ""},
    {"fin ^\1$", "a control character", ""},
};

/* Takes the marks out. */
static size_t unmark(const char *marked, char *text, size_t *ret_length) {
    size_t position = 0, bytes = 0;
    for (; *marked; marked++) {
        if (*marked == '^')
            position = bytes;
        else if (*marked == '$')
            *ret_length = bytes - position;
        else
            text[bytes++] = *marked;
    }
    text[bytes] = 0;
    return position;
}

START_TEST(a_mistake_is_reported_with_position_reason_and_suggestion) {
    char text[200];
    size_t length = 0, position = unmark(mistakes[_i].text, text, &length);
    struct trace_filter_error error = {0};
    ck_assert_int_eq(compile(text, strlen(text), TRACE_FILTER_EVENTS, &all_names, &error), -EINVAL);
    ck_assert_msg(error.position == position && error.length == length, "%s: at %zu, %zu bytes: %s", text, error.position,
                  error.length, error.reason);
    ck_assert_msg(strstr(error.reason, mistakes[_i].reason) != NULL, "%s: %s", text, error.reason);
    ck_assert_msg(!strcmp(error.suggestion, mistakes[_i].suggestion), "%s: %s: \"%s\"", text, error.reason, error.suggestion);
}
END_TEST

/* The suggestion replaces the place; then that place is correct. */
START_TEST(applying_a_suggestion_removes_the_error) {
    char text[200], mended[300];
    size_t length = 0, position = unmark(mistakes[_i].text, text, &length);
    struct trace_filter_error error = {0};
    if (!mistakes[_i].suggestion[0]) return;
    snprintf(mended, sizeof mended, "%.*s%s %s", (int)position, text, mistakes[_i].suggestion, text + position + length);
    if (text[position + length] == '.' || text[position + length] == '\'')
        snprintf(mended, sizeof mended, "%.*s%s%s", (int)position, text, mistakes[_i].suggestion, text + position + length);
    int status = compile(mended, strlen(mended), TRACE_FILTER_EVENTS, &all_names, &error);
    ck_assert_msg(status == 0 || !strstr(error.reason, "there is no field") || error.position > position, "%s: %s", mended,
                  error.reason);
    ck_assert_msg(status == 0 || !strcmp(mistakes[_i].suggestion, "packet_lost"), "%s: %s", mended, error.reason);
}
END_TEST

START_TEST(a_name_that_may_still_appear_is_not_an_error) {
    static const char *const texts[] = {"node == carol",  "peer in {bob, carol}", "LATE.size > 5",   "'Late App.size' > 5",
                                        "app == LateApp", "command == LATE",      "fields.late == 5"};
    struct trace_filter_error error;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        ck_assert_msg(compile(texts[i], strlen(texts[i]), TRACE_FILTER_EVENTS, NULL, &error) == 0, "%s: %s", texts[i],
                      error.reason);
        if (i < 6)
            ck_assert_msg(compile(texts[i], strlen(texts[i]), TRACE_FILTER_EVENTS, &open_names, &error) == 0, "%s: %s", texts[i],
                          error.reason);
        ck_assert_msg(compile(texts[i], strlen(texts[i]), TRACE_FILTER_EVENTS, &all_names, &error) == -EINVAL, "%s", texts[i]);
    }
    /* A word that is one slip away from a name of ours counts as a slip. */
    ck_assert_int_eq(compile("metrisc.rtt > 0", 15, TRACE_FILTER_EVENTS, NULL, &error), -EINVAL);
    /* A name that a node has registered is not corrected. */
    ck_assert_int_eq(compile("DMAP.late > 5", 13, TRACE_FILTER_EVENTS, &open_names, &error), -EINVAL);
}
END_TEST

/* A node chooses its application's name, which may be anything. */
START_TEST(an_error_is_one_line_of_utf8_for_any_names) {
    static const struct trace_app hostile = {
        .app_id = {'E', 'V', 'I', 'L'}, .name = "a\033[31m\xff", .command_count = 1, .commands = {{1, "GE\nT\xc3"}}};
    static const struct trace_app *const list[] = {&hostile};
    static const struct trace_filter_names names = {NULL, 0, list, 1, true};
    static const char *const texts[] = {"command == 'GE\nX\xc3'", "app == 'a\033[31m\xfe'", "'a\033[31m\xff.x' > 5",
                                        "reason == \xff\xff\xff ~"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct trace_filter_error error;
        ck_assert_int_eq(compile(texts[i], strlen(texts[i]), TRACE_FILTER_EVENTS, &names, &error), -EINVAL);
        const char *both[] = {error.reason, error.suggestion};
        for (size_t k = 0; k < 2; k++) {
            size_t left = strlen(both[k]), bad;
            for (const char *c = both[k]; left;) {
                size_t length = trace_utf8_length(c, left, &bad);
                ck_assert_msg(length != 0 && (unsigned char)*c >= 0x20, "%s: %s", texts[i], both[k]);
                c += length;
                left -= length;
            }
        }
    }
}
END_TEST

/* ---- limits ------------------------------------------------------------------------------------------------------------- */

static char *repeat(const char *piece, unsigned count, const char *between) {
    char *text = calloc(count, strlen(piece) + strlen(between) + 1), *end = text;
    for (unsigned i = 0; i < count; i++) end += sprintf(end, "%s%s", i ? between : "", piece);
    return text;
}

START_TEST(length_depth_and_number_are_limited) {
    static const struct {
        const char *piece, *between, *tail;
        unsigned fits;
    } limits[] = {{"(", "", "fin", 63}, {"not ", "", "fin", 63}, {"fin", " or ", "", 256}, {"fin", " and ", "", 256}};
    struct trace_filter_error error;
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        for (unsigned more = 0; more < 2; more++) {
            char *text = repeat(limits[i].piece, limits[i].fits + more, limits[i].between), *whole;
            char *close = repeat(")", limits[i].piece[0] == '(' ? limits[i].fits + more : 0, "");
            ck_assert_int_gt(asprintf(&whole, "%s%s%s", text, limits[i].tail, close), 0);
            ck_assert_msg(compile(whole, strlen(whole), TRACE_FILTER_EVENTS, NULL, &error) == (more ? -EINVAL : 0), "%.40s: %u",
                          whole, more);
            free(text);
            free(close);
            free(whole);
        }
    }
    char *spaces = repeat(" ", TRACE_FILTER_TEXT_MAX - 3, "");
    char *whole;
    ck_assert_int_gt(asprintf(&whole, "fin%s ", spaces), 0);
    ck_assert_int_eq(compile(whole, TRACE_FILTER_TEXT_MAX, TRACE_FILTER_EVENTS, NULL, &error), 0);
    ck_assert_int_eq(compile(whole, TRACE_FILTER_TEXT_MAX + 1, TRACE_FILTER_EVENTS, NULL, &error), -EINVAL);
    ck_assert_uint_eq(error.position, TRACE_FILTER_TEXT_MAX);
    free(spaces);
    free(whole);
}
END_TEST

START_TEST(a_set_of_as_many_values_as_fit_the_text_is_compiled) {
    struct trace_filter_error error;
    char *values = repeat("1", 2000, ","), *whole;
    ck_assert_int_gt(asprintf(&whole, "code in {%s}", values), 0);
    ck_assert_msg(compile(whole, strlen(whole), TRACE_FILTER_EVENTS, NULL, &error) == 0, "%s", error.reason);
    free(whole);
    ck_assert_int_gt(asprintf(&whole, "time in {%s}", values), 0); /* of every kind: the code is too long */
    int status = compile(whole, strlen(whole), TRACE_FILTER_EVENTS, NULL, &error);
    ck_assert_msg(status == 0 || (status == -EINVAL && strstr(error.reason, "simpler")), "%d", status);
    free(values);
    free(whole);
}
END_TEST

START_TEST(bytes_behind_the_text_are_not_read) {
    struct trace_filter_error error;
    ck_assert_int_eq(compile("fin and", 3, TRACE_FILTER_EVENTS, NULL, &error), 0);
    ck_assert_int_eq(compile("size > 55ms", 9, TRACE_FILTER_EVENTS, NULL, &error), 0);
    ck_assert_int_eq(compile("size == 5=", 9, TRACE_FILTER_EVENTS, NULL, &error), 0);
    ck_assert_int_eq(compile("fin\0and", 7, TRACE_FILTER_EVENTS, NULL, &error), -EINVAL);
    ck_assert_int_eq(compile("reason == 'a\0b'", 15, TRACE_FILTER_EVENTS, NULL, &error), -EINVAL);
    ck_assert_uint_eq(error.position, 12);
}
END_TEST

/* ---- the table ---------------------------------------------------------------------------------------------------------- */

/* Numbers of any width are read alike. */
static enum trace_type reads_as(enum trace_type type) { return type < TRACE_TYPE_u64 ? TRACE_TYPE_u64 : type; }

/* A value is read once for all kinds that have the field, and a bare word means one thing. */
START_TEST(names_in_the_table_mean_one_thing_each) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (unsigned k = 0; k < count; k++) {
        ck_assert_uint_lt(kinds[k].id, 63);
        for (unsigned i = 0; i < kinds[k].field_count; i++) {
            const struct trace_field_info *field = &kinds[k].fields[i];
            ck_assert_uint_eq(trace_kind_by_name(field->name), 0);
            for (unsigned bit = 0; bit < 8; bit++)
                ck_assert(!trace_flag_name(bit) ||
                          (strcmp(trace_flag_name(bit), field->name) != 0 && !trace_kind_by_name(trace_flag_name(bit))));
            for (unsigned l = 0; l < count; l++) {
                for (unsigned j = 0; j < kinds[l].field_count; j++) {
                    const struct trace_field_info *other = &kinds[l].fields[j];
                    if (strcmp(field->name, other->name) != 0) continue;
                    ck_assert_msg(reads_as(field->type) == reads_as(other->type) && !strcmp(field->unit, other->unit),
                                  "%s of %s and %s", field->name, kinds[k].name, kinds[l].name);
                }
            }
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("filter_errors");
    TCase *tcase = tcase_create("errors");
    tcase_add_loop_test(tcase, a_mistake_is_reported_with_position_reason_and_suggestion, 0, COUNT_OF(mistakes));
    tcase_add_loop_test(tcase, applying_a_suggestion_removes_the_error, 0, COUNT_OF(mistakes));
    tcase_add_test(tcase, a_name_that_may_still_appear_is_not_an_error);
    tcase_add_test(tcase, an_error_is_one_line_of_utf8_for_any_names);
    tcase_add_test(tcase, length_depth_and_number_are_limited);
    tcase_add_test(tcase, a_set_of_as_many_values_as_fit_the_text_is_compiled);
    tcase_add_test(tcase, bytes_behind_the_text_are_not_read);
    tcase_add_test(tcase, names_in_the_table_mean_one_thing_each);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
