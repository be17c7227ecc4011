/* SPDX-License-Identifier: MIT
 *
 * The params of a request against what its method expects. */
#include "run.h"
#include <errno.h>
#include <proto/rpc.h>
#include <string.h>

struct wanted {
    const char *trace_id;
    int64_t limit, any;
    bool newest;
    double part;
    json_t *from, *kind, *filter;
};

static int read_params(const char *text, struct wanted *wanted, json_t **ret_params, struct trace_rpc_error *ret_error) {
    const struct trace_rpc_param list[] = {
        {"trace_id", TRACE_RPC_STRING, .string = &wanted->trace_id},
        {"limit", TRACE_RPC_INTEGER, .required = true, .min = 1, .max = 10000, .integer = &wanted->limit},
        {"any", TRACE_RPC_INTEGER, .integer = &wanted->any},
        {"newest", TRACE_RPC_BOOLEAN, .boolean = &wanted->newest},
        {"from", TRACE_RPC_TIME, .json = &wanted->from},
        {"kind", TRACE_RPC_STRINGS, .json = &wanted->kind},
        {"part", TRACE_RPC_SHARE, .real = &wanted->part},
        {"filter", TRACE_RPC_OBJECT, .json = &wanted->filter},
    };
    *ret_params = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (text) ck_assert_ptr_nonnull(*ret_params);
    return trace_rpc_params_read(*ret_params, list, COUNT_OF(list), ret_error);
}

START_TEST(params_that_fit_are_written_where_the_list_says) {
    struct wanted wanted = {.any = 77};
    struct trace_rpc_error error = {0};
    json_t *params;
    ck_assert_int_eq(
        read_params("{\"trace_id\":\"4b\",\"limit\":10000,\"newest\":true,\"part\":0.01,\"from\":\"-5s\",\"kind\":[\"a\",\"b\"],"
                    "\"filter\":{\"x\":1}}",
                    &wanted, &params, &error),
        0);
    ck_assert_str_eq(wanted.trace_id, "4b");
    ck_assert_int_eq(wanted.limit, 10000);
    ck_assert_int_eq(wanted.any, 77);
    ck_assert(wanted.newest);
    ck_assert_double_eq(wanted.part, 0.01);
    ck_assert_str_eq(json_string_value(wanted.from), "-5s");
    ck_assert_uint_eq(json_array_size(wanted.kind), 2);
    ck_assert_uint_eq(json_object_size(wanted.filter), 1);
    ck_assert_int_eq(error.code, 0);
    json_decref(params);
    ck_assert_int_eq(
        read_params("{\"limit\":1,\"part\":1,\"any\":-9223372036854775808,\"newest\":false,\"from\":1.5,\"kind\":\"a\"}", &wanted,
                    &params, &error),
        0);
    ck_assert_int_eq(wanted.limit, 1);
    ck_assert_int_eq(wanted.any, INT64_MIN);
    ck_assert(!wanted.newest);
    ck_assert_double_eq(wanted.part, 1);
    ck_assert(json_is_real(wanted.from));
    ck_assert_str_eq(json_string_value(wanted.kind), "a");
    json_decref(params);
}
END_TEST

START_TEST(a_method_without_params_takes_none_and_an_empty_object) {
    struct trace_rpc_error error = {0};
    json_t *empty = json_object(), *stranger = json_pack("{s:i}", "x", 1);
    ck_assert_int_eq(trace_rpc_params_read(NULL, NULL, 0, &error), 0);
    ck_assert_int_eq(trace_rpc_params_read(empty, NULL, 0, &error), 0);
    ck_assert_int_eq(trace_rpc_params_read(stranger, NULL, 0, &error), -EINVAL);
    ck_assert_str_eq(error.message, "Invalid params: unknown param \"x\"");
    trace_rpc_error_fini(&error);
    json_decref(stranger);
    json_decref(empty);
}
END_TEST

static const struct {
    const char *params, *param, *reason;
} wrong_params[] = {
    {NULL, "limit", "limit is missing"},
    {"{}", "limit", "limit is missing"},
    {"{\"limit\":1,\"Limit\":2}", "Limit", "unknown param \"Limit\""},
    {"{\"limit\":1,\"\":2}", "", "unknown param \"\""},
    {"{\"nodeid\":\"x\"}", "nodeid", "unknown param \"nodeid\""},
    {"{\"limit\":0}", "limit", "limit must be an integer from 1 to 10000"},
    {"{\"limit\":10001}", "limit", "limit must be an integer from 1 to 10000"},
    {"{\"limit\":-1}", "limit", "limit must be an integer from 1 to 10000"},
    {"{\"limit\":5.0}", "limit", "limit must be an integer from 1 to 10000"},
    {"{\"limit\":\"5\"}", "limit", "limit must be an integer from 1 to 10000"},
    {"{\"limit\":null}", "limit", "limit must be an integer from 1 to 10000"},
    {"{\"limit\":1,\"any\":true}", "any", "any must be an integer"},
    {"{\"limit\":1,\"any\":1e3}", "any", "any must be an integer"},
    {"{\"limit\":1,\"trace_id\":5}", "trace_id", "trace_id must be a string that is not empty"},
    {"{\"limit\":1,\"trace_id\":\"\"}", "trace_id", "trace_id must be a string that is not empty"},
    {"{\"limit\":1,\"trace_id\":null}", "trace_id", "trace_id must be a string that is not empty"},
    {"{\"limit\":1,\"newest\":1}", "newest", "newest must be true or false"},
    {"{\"limit\":1,\"newest\":\"true\"}", "newest", "newest must be true or false"},
    {"{\"limit\":1,\"part\":0}", "part", "part must be a number above 0 and at most 1"},
    {"{\"limit\":1,\"part\":1.001}", "part", "part must be a number above 0 and at most 1"},
    {"{\"limit\":1,\"part\":-1}", "part", "part must be a number above 0 and at most 1"},
    {"{\"limit\":1,\"part\":\"1/2\"}", "part", "part must be a number above 0 and at most 1"},
    {"{\"limit\":1,\"part\":null}", "part", "part must be a number above 0 and at most 1"},
    {"{\"limit\":1,\"from\":true}", "from", "from must be a number or a string"},
    {"{\"limit\":1,\"from\":{}}", "from", "from must be a number or a string"},
    {"{\"limit\":1,\"from\":\"\"}", "from", "from must be a number or a string"},
    {"{\"limit\":1,\"kind\":[]}", "kind", "kind must be a string or an array of strings"},
    {"{\"limit\":1,\"kind\":[\"a\",1]}", "kind", "kind must be a string or an array of strings"},
    {"{\"limit\":1,\"kind\":7}", "kind", "kind must be a string or an array of strings"},
    {"{\"limit\":1,\"filter\":[]}", "filter", "filter must be an object"},
    {"{\"limit\":1,\"filter\":\"x\"}", "filter", "filter must be an object"},
};

START_TEST(a_param_that_does_not_fit_is_named_and_nothing_is_written) {
    struct wanted wanted, before;
    memset(&wanted, 0x5a, sizeof wanted);
    before = wanted;
    struct trace_rpc_error error = {0};
    json_t *params;
    ck_assert_int_eq(read_params(wrong_params[_i].params, &wanted, &params, &error), -EINVAL);
    ck_assert_int_eq(error.code, TRACE_RPC_INVALID_PARAMS);
    ck_assert_str_eq(error.message + strlen("Invalid params: "), wrong_params[_i].reason);
    ck_assert_str_eq(json_string_value(json_object_get(error.data, "param")), wrong_params[_i].param);
    ck_assert_mem_eq(&wanted, &before, sizeof wanted);
    trace_rpc_error_fini(&error);
    json_decref(params);
}
END_TEST

START_TEST(the_error_for_an_unknown_param_lists_the_known_ones) {
    struct wanted wanted = {0};
    struct trace_rpc_error error = {0};
    json_t *params;
    ck_assert_int_eq(read_params("{\"x\":1}", &wanted, &params, &error), -EINVAL);
    const json_t *names = json_object_get(error.data, "params");
    ck_assert_uint_eq(json_array_size(names), 8);
    ck_assert_str_eq(json_string_value(json_array_get(names, 0)), "trace_id");
    trace_rpc_error_fini(&error);
    json_decref(params);
}
END_TEST

START_TEST(a_long_unknown_name_is_cut_between_characters_in_the_message_only) {
    struct trace_rpc_error error = {0};
    char name[201] = "a"; /* then 2-byte characters: a cut at 64 would be inside one */
    for (int i = 1; i < 199; i++) name[i] = i % 2 ? '\xc3' : '\xa9';
    json_t *params = json_pack("{s:i}", name, 1);
    ck_assert_int_eq(trace_rpc_params_read(params, NULL, 0, &error), -EINVAL);
    ck_assert_str_eq(json_string_value(json_object_get(error.data, "param")), name);
    ck_assert_uint_eq(strlen(error.message), strlen("Invalid params: unknown param \"\"") + 63);
    struct trace_text out = {0};
    trace_rpc_write_error(&out, NULL, &error);
    ck_assert(!out.failed);
    trace_text_fini(&out);
    trace_rpc_error_fini(&error);
    json_decref(params);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rpc_params");
    TCase *params = tcase_create("params");
    tcase_add_test(params, params_that_fit_are_written_where_the_list_says);
    tcase_add_test(params, a_method_without_params_takes_none_and_an_empty_object);
    tcase_add_loop_test(params, a_param_that_does_not_fit_is_named_and_nothing_is_written, 0, COUNT_OF(wrong_params));
    tcase_add_test(params, the_error_for_an_unknown_param_lists_the_known_ones);
    tcase_add_test(params, a_long_unknown_name_is_cut_between_characters_in_the_message_only);
    suite_add_tcase(suite, params);
    return run_suite(suite);
}
