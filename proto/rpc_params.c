/* SPDX-License-Identifier: MIT
 *
 * Checks the params of a request against those that its method expects (proto/rpc.h).
 *
 * Two passes: everything is checked before anything is written, so that a method never runs with half of its params. */
#include <inttypes.h>
#include <proto/rpc.h>
#include <proto/utf8.h>
#include <string.h>

/* How many bytes of an unknown name are quoted in the message; data.param has the whole name. */
#define NAME_SHOWN_BYTES 64

static const struct trace_rpc_param *find_param(const struct trace_rpc_param *list, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0) return &list[i];
    return NULL;
}

static bool is_any_integer(const struct trace_rpc_param *param) { return param->min == 0 && param->max == 0; }

static bool is_strings(const json_t *value) {
    if (json_is_string(value)) return true;
    if (!json_is_array(value) || json_array_size(value) == 0) return false;
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i))) return false;
    return true;
}

static bool param_fits(const struct trace_rpc_param *param, const json_t *value) {
    switch (param->type) {
    case TRACE_RPC_STRING: return json_string_length(value) != 0;
    case TRACE_RPC_INTEGER: {
        json_int_t integer = json_integer_value(value);
        return json_is_integer(value) && (is_any_integer(param) || (integer >= param->min && integer <= param->max));
    }
    case TRACE_RPC_BOOLEAN: return json_is_boolean(value);
    case TRACE_RPC_SHARE: return json_number_value(value) > 0 && json_number_value(value) <= 1;
    case TRACE_RPC_TIME: return json_is_number(value) || json_string_length(value) != 0;
    case TRACE_RPC_STRINGS: return is_strings(value);
    case TRACE_RPC_OBJECT: return json_is_object(value);
    }
    return false;
}

static int param_type_failed(struct trace_rpc_error *ret_error, const struct trace_rpc_param *param) {
    static const char *const expected[] = {
        [TRACE_RPC_STRING] = "a string that is not empty",
        [TRACE_RPC_INTEGER] = "an integer",
        [TRACE_RPC_BOOLEAN] = "true or false",
        [TRACE_RPC_SHARE] = "a number above 0 and at most 1",
        [TRACE_RPC_TIME] = "a number or a string",
        [TRACE_RPC_STRINGS] = "a string or an array of strings",
        [TRACE_RPC_OBJECT] = "an object",
    };
    if (param->type == TRACE_RPC_INTEGER && !is_any_integer(param))
        return trace_rpc_fail_param(ret_error, param->name, "%s must be an integer from %" PRId64 " to %" PRId64, param->name,
                                    param->min, param->max);
    return trace_rpc_fail_param(ret_error, param->name, "%s must be %s", param->name, expected[param->type]);
}

/* Names the unknown param, and lists in data.params the names that exist. */
static int param_unknown_failed(struct trace_rpc_error *ret_error, const char *name, const struct trace_rpc_param *list,
                                size_t count) {
    size_t shown = trace_utf8_cut(name, strlen(name), NAME_SHOWN_BYTES);
    json_t *names = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(names, json_string(list[i].name));
    return trace_rpc_fail(ret_error, TRACE_RPC_INVALID_PARAMS, json_pack("{s:s, s:o}", "param", name, "params", names),
                          "unknown param \"%.*s\"", (int)shown, name);
}

static void store_param(const struct trace_rpc_param *param, json_t *value) {
    switch (param->type) {
    case TRACE_RPC_STRING: *param->string = json_string_value(value); return;
    case TRACE_RPC_INTEGER: *param->integer = json_integer_value(value); return;
    case TRACE_RPC_BOOLEAN: *param->boolean = json_is_true(value); return;
    case TRACE_RPC_SHARE: *param->real = json_number_value(value); return;
    case TRACE_RPC_TIME:
    case TRACE_RPC_STRINGS:
    case TRACE_RPC_OBJECT: *param->json = value; return;
    }
}

int trace_rpc_params_read(json_t *params, const struct trace_rpc_param *list, size_t count, struct trace_rpc_error *ret_error) {
    const char *name;
    json_t *value;
    json_object_foreach(params, name, value) {
        const struct trace_rpc_param *param = find_param(list, count, name);
        if (!param) return param_unknown_failed(ret_error, name, list, count);
        if (!param_fits(param, value)) return param_type_failed(ret_error, param);
    }
    for (size_t i = 0; i < count; i++)
        if (list[i].required && !json_object_get(params, list[i].name))
            return trace_rpc_fail_param(ret_error, list[i].name, "%s is missing", list[i].name);

    json_object_foreach(params, name, value) store_param(find_param(list, count, name), value);
    return 0;
}
