/* SPDX-License-Identifier: MIT
 *
 * JSON-RPC lines: which lines are requests, what the writers produce, and what a client accepts. */
#include "run.h"
#include <errno.h>
#include <proto/rpc.h>
#include <stdlib.h>
#include <string.h>

/* ---- helpers ------------------------------------------------------------------------------------------------------------ */

/* Parses one line like traced: the answer to the first wrong request, else "ok", or "-" if no answer is due. */
static char *serve(const char *text, size_t bytes) {
    struct trace_rpc_line line = {0};
    struct trace_rpc_error error = {0};
    struct trace_text out = {0};
    if (trace_rpc_line_parse(&line, text, bytes, &error) != 0) {
        trace_rpc_write_error(&out, NULL, &error);
    } else {
        for (size_t i = 0; i < line.count && out.bytes == 0; i++) {
            struct trace_rpc_request request;
            if (trace_rpc_request_get(&line, i, &request, &error) == 0) continue;
            if (request.notification) {
                trace_text_puts(&out, "-");
            } else {
                trace_rpc_write_error(&out, request.id, &error);
            }
        }
        if (out.bytes == 0) trace_text_puts(&out, "ok");
    }
    ck_assert(!out.failed);
    char *answer = strndup(out.data, out.bytes);
    trace_rpc_line_fini(&line);
    trace_rpc_error_fini(&error);
    trace_text_fini(&out);
    return answer;
}

/* The text that a writer has produced; frees the out. */
static char *take(struct trace_text *out) {
    ck_assert(!out->failed);
    char *text = strndup(out->data, out->bytes);
    trace_text_fini(out);
    return text;
}

#define ck_assert_text(actual, expected)     \
    do {                                     \
        char *actual_ = (actual);            \
        ck_assert_str_eq(actual_, expected); \
        free(actual_);                       \
    } while (0)

/* ---- requests ----------------------------------------------------------------------------------------------------------- */

#define ERROR(id, code, message) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code ",\"message\":\"" message "\"}}"
#define INVALID(id, reason) ERROR(id, "-32600", "Invalid request: " reason)

static const struct {
    const char *line, *answer;
} requests[] = {
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nodes\"}", "ok"},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nodes\"}\n", "ok"},
    {" {\"method\":\"nodes\" , \"params\":{}, \"id\":\"a\",\"jsonrpc\":\"2.0\"}\r\n", "ok"},
    {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"nodes\"}", "ok"},
    {"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"nodes\",\"future\":true}", "ok"},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"nodes\"}", "ok"},
    {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"},{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"b\"}]", "ok"},
    /* not a request */
    {"5", INVALID("null", "a request is an object")},
    {"null", INVALID("null", "a request is an object")},
    {"\"nodes\"", INVALID("null", "a request is an object")},
    {"{}", INVALID("null", "jsonrpc must be \\\"2.0\\\"")},
    {"[]", INVALID("null", "an empty batch")},
    {"[1]", INVALID("null", "a request is an object")},
    {"[[]]", INVALID("null", "a request is an object")},
    {"{\"id\":7,\"method\":\"nodes\"}", INVALID("7", "jsonrpc must be \\\"2.0\\\"")},
    {"{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"nodes\"}", INVALID("7", "jsonrpc must be \\\"2.0\\\"")},
    {"{\"jsonrpc\":2.0,\"id\":7,\"method\":\"nodes\"}", INVALID("7", "jsonrpc must be \\\"2.0\\\"")},
    {"{\"jsonrpc\":\"2.0\",\"id\":7}", INVALID("7", "method must be a string")},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":1}", INVALID("7", "method must be a string")},
    {"{\"jsonrpc\":\"2.0\",\"method\":null}", INVALID("null", "method must be a string")},
    {"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"nodes\"}", INVALID("null", "id must be a string, a number or null")},
    {"{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"nodes\"}", INVALID("null", "id must be a string, a number or null")},
    {"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"nodes\"}", INVALID("null", "id must be a string, a number or null")},
    {"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"nodes\",\"params\":5}", INVALID("\"x\"", "params must be an object")},
    {"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"nodes\",\"params\":null}", INVALID("\"x\"", "params must be an object")},
    {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"},{\"id\":2}]", INVALID("2", "jsonrpc must be \\\"2.0\\\"")},
    /* positional params; the same in a notification is not answered */
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"nodes\",\"params\":[]}",
     ERROR("7", "-32602", "Invalid params: params must be named (an object), not positional")},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"nodes\",\"params\":[1]}", "-"},
};

START_TEST(a_line_is_a_request_or_gets_an_error_with_the_reason) {
    ck_assert_text(serve(requests[_i].line, strlen(requests[_i].line)), requests[_i].answer);
}
END_TEST

START_TEST(a_request_is_taken_apart) {
    static const char text[] =
        "[{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"query\",\"params\":{\"limit\":5}},"
        "{\"jsonrpc\":\"2.0\",\"method\":\"nodes\"},{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"nodes\"}]";
    struct trace_rpc_line line;
    struct trace_rpc_request request;
    struct trace_rpc_error error = {0};
    ck_assert_int_eq(trace_rpc_line_parse(&line, text, strlen(text), &error), 0);
    ck_assert(line.batch);
    ck_assert_uint_eq(line.count, 3);
    ck_assert_int_eq(trace_rpc_request_get(&line, 0, &request, &error), 0);
    ck_assert_str_eq(json_string_value(request.id), "a");
    ck_assert_str_eq(request.method, "query");
    ck_assert_int_eq(json_integer_value(json_object_get(request.params, "limit")), 5);
    ck_assert(!request.notification);
    ck_assert_int_eq(trace_rpc_request_get(&line, 1, &request, &error), 0);
    ck_assert(request.notification);
    ck_assert_ptr_null(request.id);
    ck_assert_ptr_null(request.params);
    ck_assert_int_eq(trace_rpc_request_get(&line, 2, &request, &error), 0);
    ck_assert(!request.notification);
    ck_assert(json_is_null(request.id));
    ck_assert_int_eq(error.code, 0);
    trace_rpc_line_fini(&line);
}
END_TEST

/* ---- not JSON ----------------------------------------------------------------------------------------------------------- */

#define WITH(literal) literal, sizeof literal - 1

/* position: where the parser found the error. */
static const struct {
    const char *line;
    size_t bytes;
    int position;
} malformed[] = {
    {WITH(""), 0},
    {WITH("   "), 3},
    {WITH("{"), 1},
    {WITH("}"), 1},
    {WITH("{]"), 2},
    {WITH("[1,]"), 4},
    {WITH("{\"a\":}"), 6},
    {WITH("{\"a\" 1}"), 6},
    {WITH("{'a':1}"), 2},
    {WITH("{a:1}"), 2},
    {WITH("nul"), 3},
    {WITH("NaN"), 3},
    {WITH("Infinity"), 8},
    {WITH("01"), 1},
    {WITH("+1"), 1},
    {WITH("1."), 2},
    {WITH("0x10"), 2},
    {WITH("{} {}"), 4},
    {WITH("{}//"), 3},
    {WITH("\"a"), 2},
    {WITH("\"\\x\""), 3},
    {WITH("\"\\ud800\""), 8},
    {WITH("\"\\u0000\""), 8},
    {WITH("\"a\tb\""), 2},
    {WITH("\"a\nb\""), 2},
    {WITH("{\"a\":1,\"a\":2}"), 10},
    {WITH("\0"), 1},
    {WITH("{\"a\0b\":1}"), 3},
    {WITH("{}\0"), 3},
    {WITH("99999999999999999999"), 20},
    {WITH("1e999"), 5},
    {WITH("\"\x80\""), 1},
    {WITH("\"\xc0\xaf\""), 1},
    {WITH("\"\xed\xa0\x80\""), 1},
    {WITH("\"\xf4\x90\x80\x80\""), 1},
    {WITH("\"\xe2\x82\""), 1},
    {WITH("\xef\xbb\xbf{}"), 3},
    {WITH("\xff\xfe"), 0},
};

START_TEST(invalid_json_is_a_parse_error_with_its_position) {
    struct trace_rpc_line line = {0};
    struct trace_rpc_error error = {0};
    /* In a block of its exact size, so that a sanitizer detects a read beyond it. */
    char *text = malloc(malformed[_i].bytes + (malformed[_i].bytes == 0));
    memcpy(text, malformed[_i].line, malformed[_i].bytes);
    ck_assert_int_eq(trace_rpc_line_parse(&line, text, malformed[_i].bytes, &error), -EINVAL);
    ck_assert_ptr_null(line.root);
    ck_assert_int_eq(error.code, TRACE_RPC_PARSE);
    ck_assert_int_eq(strncmp(error.message, "Parse error: ", 13), 0);
    const json_t *position = json_object_get(error.data, "position");
    ck_assert(json_is_integer(position));
    ck_assert_msg(json_integer_value(position) == malformed[_i].position, "%s: position %d, not %d: %s", malformed[_i].line,
                  (int)json_integer_value(position), malformed[_i].position, error.message);
    trace_rpc_error_fini(&error);

    /* And its answer is a line of JSON. */
    char *answer = serve(text, malformed[_i].bytes);
    json_t *root = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(root);
    ck_assert(json_is_null(json_object_get(root, "id")));
    ck_assert_ptr_null(strchr(answer, '\n'));
    json_decref(root);
    free(answer);
    free(text);
}
END_TEST

/* Serves a line made of `count` times one text, then a tail. */
static char *serve_repeated(const char *head, const char *text, size_t count, const char *tail) {
    struct trace_text line = {0};
    trace_text_puts(&line, head);
    for (size_t i = 0; i < count; i++) trace_text_puts(&line, text);
    trace_text_puts(&line, tail);
    char *answer = serve(line.data, line.bytes);
    trace_text_fini(&line);
    return answer;
}

START_TEST(deep_nesting_is_refused_without_harm) {
    static const char *const openers[] = {"[", "{\"a\":", "[{\"a\":"};
    for (size_t i = 0; i < COUNT_OF(openers); i++) {
        char *answer = serve_repeated("", openers[i], 65536 / strlen(openers[i]), "");
        ck_assert_ptr_nonnull(strstr(answer, "-32700"));
        free(answer);
    }
    /* Within the parser's limits it is JSON, but not a request. */
    char deep[4096];
    size_t depth = 1000;
    memset(deep, '[', depth);
    memset(deep + depth, ']', depth);
    ck_assert_text(serve(deep, 2 * depth), INVALID("null", "a request is an object"));
}
END_TEST

START_TEST(a_line_has_at_most_65536_bytes) {
    char *line = malloc(TRACE_RPC_LINE_BYTES_MAX + 2);
    static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nodes\"}";
    memset(line, ' ', TRACE_RPC_LINE_BYTES_MAX + 2);
    memcpy(line, request, sizeof request - 1);
    ck_assert_text(serve(line, TRACE_RPC_LINE_BYTES_MAX), "ok");
    line[TRACE_RPC_LINE_BYTES_MAX] = '\n';
    ck_assert_text(serve(line, TRACE_RPC_LINE_BYTES_MAX + 1), "ok");
    line[TRACE_RPC_LINE_BYTES_MAX] = ' ';
    char *answer = serve(line, TRACE_RPC_LINE_BYTES_MAX + 1);
    ck_assert_ptr_nonnull(strstr(answer, "\"code\":-32600,\"message\":\"Invalid request: a line has at most 65536 bytes\""));
    ck_assert_ptr_nonnull(strstr(answer, "\"data\":{\"limit\":65536}"));
    free(answer);
    free(line);
}
END_TEST

START_TEST(a_batch_has_at_most_64_requests) {
    static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nodes\"},";
    static const char last[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nodes\"}]";
    ck_assert_text(serve_repeated("[", request, 63, last), "ok");
    char *answer = serve_repeated("[", request, 64, last);
    ck_assert_ptr_nonnull(strstr(answer, "\"code\":-32600,\"message\":\"Invalid request: a batch has at most 64 requests\""));
    ck_assert_ptr_nonnull(strstr(answer, "\"data\":{\"limit\":64}"));
    free(answer);
}
END_TEST

static uint64_t random_state;

static uint32_t random_below(uint32_t limit) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % limit;
}

/* Valid lines with some bytes changed, removed or doubled: every answer is JSON. */
START_TEST(a_damaged_line_gets_an_answer_that_is_json) {
    random_state = (uint64_t)_i + 1;
    for (int i = 0; i < 2000; i++) {
        const char *good = requests[random_below(COUNT_OF(requests))].line;
        size_t bytes = strlen(good);
        char *text = malloc(bytes + 16);
        memcpy(text, good, bytes + 1);
        for (uint32_t damage = random_below(4); damage < 4 && bytes > 0; damage++) {
            size_t at = random_below((uint32_t)bytes);
            switch (random_below(3)) {
            case 0: text[at] = (char)random_below(256); break;
            case 1: memmove(text + at, text + at + 1, --bytes - at); break;
            case 2:
                memmove(text + at + 1, text + at, bytes++ - at);
                text[at] = "{}[]\",:\\0\x80"[random_below(10)];
                break;
            }
        }
        char *answer = serve(text, bytes);
        if (strcmp(answer, "ok") != 0 && strcmp(answer, "-") != 0) {
            json_t *root = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
            ck_assert_ptr_nonnull(root);
            json_decref(root);
        }
        free(answer);
        free(text);
    }
}
END_TEST

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

START_TEST(answers_are_written_with_the_id_as_it_came) {
    static const char *const ids[] = {"7", "-9223372036854775808", "\"a\\\"\\n\xc3\xa9\"", "null", "1.5", "0.1", "1e300"};
    static const char *const expected[] = {"7",   "-9223372036854775808", "\"a\\\"\\n\xc3\xa9\"",  "null",
                                           "1.5", "0.10000000000000001",  "1.0000000000000001e300"};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct trace_text out = {0};
        char line[128];
        json_t *id = json_loads(ids[i], JSON_DECODE_ANY, NULL);
        trace_rpc_write_result(&out, id, json_true());
        snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":true}", expected[i]);
        ck_assert_text(take(&out), line);
        json_decref(id);
    }
}
END_TEST

START_TEST(results_notifications_and_requests_have_their_form) {
    struct trace_text out = {0};
    trace_rpc_write_result(&out, NULL, json_pack("{s:[i,i], s:f}", "b", 1, 2, "a", 0.02));
    ck_assert_text(take(&out), "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{\"b\":[1,2],\"a\":0.02}}");
    trace_rpc_begin_notification(&out, "events");
    trace_text_puts(&out, "{}");
    trace_rpc_end(&out);
    ck_assert_text(take(&out), "{\"jsonrpc\":\"2.0\",\"method\":\"events\",\"params\":{}}");
    trace_rpc_write_request(&out, 3, "query", json_pack("{s:f}", "from", 1767225600123456.0));
    ck_assert_text(take(&out), "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"query\",\"params\":{\"from\":1767225600123456.0}}\n");
    trace_rpc_write_request(&out, 4, "nodes", NULL);
    ck_assert_text(take(&out), "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"nodes\"}\n");
}
END_TEST

START_TEST(an_error_has_its_data_or_none) {
    struct trace_rpc_error error = {0};
    struct trace_text out = {0};
    ck_assert_int_eq(trace_rpc_fail(&error, TRACE_RPC_LIMIT, json_pack("{s:i}", "limit", 8), "%d are enough", 8), -EINVAL);
    trace_rpc_write_error(&out, NULL, &error);
    ck_assert_text(take(&out),
                   "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32003,\"message\":\"Limit reached: 8 are enough\","
                   "\"data\":{\"limit\":8}}}");
    trace_rpc_error_fini(&error);
    trace_rpc_fail(&error, TRACE_RPC_INTERNAL, NULL, NULL);
    trace_rpc_write_error(&out, NULL, &error);
    ck_assert_text(take(&out), "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32603,\"message\":\"Internal error\"}}");
    ck_assert_str_eq(trace_rpc_code_message(TRACE_RPC_AMBIGUOUS), "Ambiguous id");
    ck_assert_str_eq(trace_rpc_code_message(5), "Error");
}
END_TEST

START_TEST(a_message_is_utf8_and_fits_whatever_its_reason_is) {
    struct trace_rpc_error error = {0};
    trace_rpc_fail(&error, TRACE_RPC_NOT_FOUND, NULL, "%s", "a\xff\xc3\xa9\xe2\x82");
    ck_assert_str_eq(error.message, "Not found: a?\xc3\xa9?");
    char reason[1000];
    for (size_t length = 200; length < 300; length++) {
        memset(reason, 'x', sizeof reason);
        reason[length] = 0;
        trace_rpc_fail(&error, TRACE_RPC_NOT_FOUND, NULL, "%s", reason);
        size_t bytes = strlen(error.message);
        ck_assert_uint_eq(bytes, length + 11 < TRACE_RPC_MESSAGE_BYTES ? length + 11 : TRACE_RPC_MESSAGE_BYTES - 1);
        ck_assert_int_eq(strcmp(error.message + bytes - 3, "...") == 0, length + 11 >= TRACE_RPC_MESSAGE_BYTES);
    }
    for (size_t i = 0; i + 4 < sizeof reason; i += 4) memcpy(reason + i, "\xf0\x9f\x98\x80", 5);
    for (size_t shift = 0; shift < 4; shift++) {
        struct trace_text out = {0};
        trace_rpc_fail(&error, TRACE_RPC_NOT_FOUND, NULL, "%.*s%s", (int)shift, "xxxx", reason);
        trace_rpc_write_error(&out, NULL, &error);
        ck_assert(!out.failed);
        trace_text_fini(&out);
    }
}
END_TEST

START_TEST(a_result_that_could_not_be_made_is_an_internal_error) {
    struct trace_text out = {0};
    trace_rpc_write_result(&out, NULL, NULL);
    ck_assert_text(take(&out), ERROR("null", "-32603", "Internal error: the result could not be written"));
}
END_TEST

START_TEST(an_answer_beyond_the_limit_of_its_text_fails) {
    struct trace_text out = {.bytes_max = 64};
    trace_rpc_write_result(&out, NULL, json_pack("s", "0123456789012345678901234567890123456789"));
    ck_assert(out.failed);
    ck_assert_uint_le(out.bytes, 64);
    trace_text_fini(&out);
}
END_TEST

/* ---- replies ------------------------------------------------------------------------------------------------------------ */

START_TEST(replies_are_taken_apart) {
    struct trace_rpc_reply reply;
    struct trace_rpc_error error = {0};
    static const char result[] = "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":null,\"future\":1}\n";
    ck_assert_int_eq(trace_rpc_reply_parse(&reply, result, strlen(result), &error), 0);
    ck_assert_int_eq(reply.kind, TRACE_RPC_REPLY_RESULT);
    ck_assert_int_eq(json_integer_value(reply.id), 3);
    ck_assert(json_is_null(reply.result));
    trace_rpc_reply_fini(&reply);

    static const char failure[] =
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32601,\"message\":\"no\",\"data\":{\"a\":1}}}";
    ck_assert_int_eq(trace_rpc_reply_parse(&reply, failure, strlen(failure), &error), 0);
    ck_assert_int_eq(reply.kind, TRACE_RPC_REPLY_ERROR);
    ck_assert(json_is_null(reply.id));
    ck_assert_int_eq(reply.code, TRACE_RPC_METHOD_NOT_FOUND);
    ck_assert_str_eq(reply.message, "no");
    ck_assert_uint_eq(json_object_size(reply.data), 1);
    trace_rpc_reply_fini(&reply);

    static const char notification[] = "{\"jsonrpc\":\"2.0\",\"method\":\"events\",\"params\":{\"lost\":0}}";
    ck_assert_int_eq(trace_rpc_reply_parse(&reply, notification, strlen(notification), &error), 0);
    ck_assert_int_eq(reply.kind, TRACE_RPC_REPLY_NOTIFICATION);
    ck_assert_str_eq(reply.method, "events");
    ck_assert_uint_eq(json_object_size(reply.params), 1);
    trace_rpc_reply_fini(&reply);
    trace_rpc_reply_fini(&reply);
    ck_assert_int_eq(error.code, 0);
}
END_TEST

static const char *const not_replies[] = {
    "",
    "[]",
    "5",
    "{}",
    "{\"jsonrpc\":\"2.0\"}",
    "{\"id\":1,\"result\":1}",
    "{\"jsonrpc\":\"2.0\",\"result\":1}",
    "{\"jsonrpc\":\"2.0\",\"id\":[],\"result\":1}",
    "{\"jsonrpc\":\"2.0\",\"id\":1}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1,\"error\":{\"code\":1,\"message\":\"\"}}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":null}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":\"no\"}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":\"1\",\"message\":\"\"}}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1}}",
    "{\"jsonrpc\":\"2.0\",\"method\":1}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events\"}",
    "{\"jsonrpc\":\"2.0\",\"method\":\"events\",\"result\":1}",
    "{\"jsonrpc\":\"2.0\",\"method\":\"events\",\"params\":[]}",
};

START_TEST(an_invalid_reply_is_refused_with_a_reason) {
    struct trace_rpc_reply reply = {.kind = TRACE_RPC_REPLY_NOTIFICATION};
    struct trace_rpc_error error = {0};
    ck_assert_int_eq(trace_rpc_reply_parse(&reply, not_replies[_i], strlen(not_replies[_i]), &error), -EINVAL);
    ck_assert_int_ne(error.code, 0);
    ck_assert_int_ne(error.message[0], 0);
    ck_assert_ptr_null(reply.root);
    trace_rpc_error_fini(&error);
}
END_TEST

START_TEST(client_and_server_accept_what_the_other_writes) {
    struct trace_text out = {0};
    struct trace_rpc_line line;
    struct trace_rpc_request request;
    struct trace_rpc_reply reply;
    struct trace_rpc_error error = {0};
    trace_rpc_write_request(&out, INT64_MAX, "query", json_pack("{s:s}", "trace_id", "4b"));
    ck_assert_int_eq(trace_rpc_line_parse(&line, out.data, out.bytes, &error), 0);
    ck_assert_int_eq(trace_rpc_request_get(&line, 0, &request, &error), 0);
    ck_assert_str_eq(request.method, "query");
    trace_text_clear(&out);
    trace_rpc_fail(&error, TRACE_RPC_AMBIGUOUS, json_pack("{s:[s]}", "candidates", "4b"), "two");
    trace_rpc_write_error(&out, request.id, &error);
    trace_rpc_error_fini(&error);
    ck_assert_int_eq(trace_rpc_reply_parse(&reply, out.data, out.bytes, &error), 0);
    ck_assert_int_eq(reply.code, TRACE_RPC_AMBIGUOUS);
    ck_assert_int_eq(json_integer_value(reply.id), INT64_MAX);
    trace_rpc_reply_fini(&reply);
    trace_rpc_line_fini(&line);
    trace_text_fini(&out);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rpc");
    TCase *request = tcase_create("requests");
    tcase_add_loop_test(request, a_line_is_a_request_or_gets_an_error_with_the_reason, 0, COUNT_OF(requests));
    tcase_add_test(request, a_request_is_taken_apart);
    suite_add_tcase(suite, request);
    TCase *hostile = tcase_create("hostile");
    tcase_set_timeout(hostile, 60);
    tcase_add_loop_test(hostile, invalid_json_is_a_parse_error_with_its_position, 0, COUNT_OF(malformed));
    tcase_add_test(hostile, deep_nesting_is_refused_without_harm);
    tcase_add_test(hostile, a_line_has_at_most_65536_bytes);
    tcase_add_test(hostile, a_batch_has_at_most_64_requests);
    tcase_add_loop_test(hostile, a_damaged_line_gets_an_answer_that_is_json, 0, 5);
    suite_add_tcase(suite, hostile);
    TCase *writing = tcase_create("writing");
    tcase_add_test(writing, answers_are_written_with_the_id_as_it_came);
    tcase_add_test(writing, results_notifications_and_requests_have_their_form);
    tcase_add_test(writing, an_error_has_its_data_or_none);
    tcase_add_test(writing, a_message_is_utf8_and_fits_whatever_its_reason_is);
    tcase_add_test(writing, a_result_that_could_not_be_made_is_an_internal_error);
    tcase_add_test(writing, an_answer_beyond_the_limit_of_its_text_fails);
    suite_add_tcase(suite, writing);
    TCase *replies = tcase_create("replies");
    tcase_add_test(replies, replies_are_taken_apart);
    tcase_add_loop_test(replies, an_invalid_reply_is_refused_with_a_reason, 0, COUNT_OF(not_replies));
    tcase_add_test(replies, client_and_server_accept_what_the_other_writes);
    suite_add_tcase(suite, replies);
    return run_suite(suite);
}
