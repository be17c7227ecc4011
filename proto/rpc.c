/* SPDX-License-Identifier: MIT
 *
 * JSON-RPC 2.0 lines (proto/rpc.h), parsed and written with jansson.
 *
 * Lines come from other programs.  jansson checks that a line is JSON, UTF-8, at most 2048 levels deep and without NUL; we check
 * that it is a request or a reply.  No value is used before its type was checked. */
#include <assert.h>
#include <errno.h>
#include <proto/json_memory.h>
#include <proto/rpc.h>
#include <proto/utf8.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOAD_FLAGS (JSON_DECODE_ANY | JSON_REJECT_DUPLICATES)

/* 16 significant digits print 0.02 as 0.02, and keep every integer that a double can hold; an id is returned in full. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(16))
#define DUMP_ID_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY)

/* Two equal codes in the table would be two equal case labels. */
const char *trace_rpc_code_message(int code) {
    switch (code) {
        // clang-format off
#define TRACE_RPC_ERROR(number, NAME, message) case number: return message;
#include "tbl/rpc_errors.def"
        // clang-format on
    default: return "Error";
    }
}

/* ---- errors ------------------------------------------------------------------------------------------------------------- */

/* Copies text of less than TRACE_RPC_MESSAGE_BYTES bytes.  Invalid UTF-8, for instance in a name that was cut, becomes ?. */
static void copy_message(char *ret_message, const char *text) {
    size_t count = strlen(text), used = 0, bad;
    for (size_t i = 0; i < count;) {
        size_t length = trace_utf8_length(text + i, count - i, &bad);
        if (length == 0) {
            ret_message[used++] = '?';
            i += bad;
        } else {
            memcpy(ret_message + used, text + i, length);
            used += length;
            i += length;
        }
    }
    ret_message[used] = 0;
}

__attribute__((format(printf, 4, 0))) static int vfail(struct trace_rpc_error *ret_error, int code, json_t *data_new,
                                                       const char *reason_format, va_list arguments) {
    char text[TRACE_RPC_MESSAGE_BYTES];
    const char *message = trace_rpc_code_message(code);
    size_t head = strlen(message);
    assert(head + 3 <= sizeof text);
    memcpy(text, message, head + 1);
    if (reason_format) {
        memcpy(text + head, ": ", 3);
        int wanted = vsnprintf(text + head + 2, sizeof text - head - 2, reason_format, arguments);
        if (wanted > 0 && (size_t)wanted >= sizeof text - head - 2) memcpy(text + sizeof text - 4, "...", 4);
    }
    copy_message(ret_error->message, text);
    ret_error->code = code;
    ret_error->data = data_new;
    return -EINVAL;
}

int trace_rpc_fail(struct trace_rpc_error *ret_error, int code, json_t *data_new, const char *reason_format, ...) {
    va_list arguments;
    va_start(arguments, reason_format);
    int result = vfail(ret_error, code, data_new, reason_format, arguments);
    va_end(arguments);
    return result;
}

int trace_rpc_fail_param(struct trace_rpc_error *ret_error, const char *param, const char *reason_format, ...) {
    va_list arguments;
    va_start(arguments, reason_format);
    int result = vfail(ret_error, TRACE_RPC_INVALID_PARAMS, json_pack("{s:s}", "param", param), reason_format, arguments);
    va_end(arguments);
    return result;
}

void trace_rpc_error_fini(struct trace_rpc_error *error) {
    json_decref(error->data);
    *error = (struct trace_rpc_error){0};
}

/* ---- requests ----------------------------------------------------------------------------------------------------------- */

/* Parses any JSON value.  Returns a new reference, or NULL with ret_error filled in. */
static json_t *load_json(const char *text, size_t bytes, struct trace_rpc_error *ret_error) {
    json_error_t error;
    json_t *root = trace_json_loadb(text, bytes, LOAD_FLAGS, &error);
    if (root) return root;
    if (json_error_code(&error) == json_error_out_of_memory) {
        trace_rpc_fail(ret_error, TRACE_RPC_INTERNAL, NULL, "out of memory");
        return NULL;
    }
    trace_rpc_fail(ret_error, TRACE_RPC_PARSE, json_pack("{s:i}", "position", error.position), "%s at byte %d", error.text,
                   error.position);
    return NULL;
}

int trace_rpc_line_parse(struct trace_rpc_line *ret_line, const char *text, size_t bytes, struct trace_rpc_error *ret_error) {
    if (bytes != 0 && text[bytes - 1] == '\n') bytes--;
    if (bytes > TRACE_RPC_LINE_BYTES_MAX)
        return trace_rpc_fail(ret_error, TRACE_RPC_INVALID_REQUEST, json_pack("{s:i}", "limit", TRACE_RPC_LINE_BYTES_MAX),
                              "a line has at most %d bytes", TRACE_RPC_LINE_BYTES_MAX);

    json_t *root = load_json(text, bytes, ret_error);
    if (!root) return -EINVAL;
    bool batch = json_is_array(root);
    size_t count = batch ? json_array_size(root) : 1;
    int result = 0;
    if (count == 0) {
        result = trace_rpc_fail(ret_error, TRACE_RPC_INVALID_REQUEST, NULL, "an empty batch");
    } else if (count > TRACE_RPC_BATCH_MAX) {
        result = trace_rpc_fail(ret_error, TRACE_RPC_INVALID_REQUEST, json_pack("{s:i}", "limit", TRACE_RPC_BATCH_MAX),
                                "a batch has at most %d requests", TRACE_RPC_BATCH_MAX);
    }
    if (result != 0) {
        json_decref(root);
        return result;
    }
    *ret_line = (struct trace_rpc_line){.root = root, .batch = batch, .count = count};
    return 0;
}

void trace_rpc_line_fini(struct trace_rpc_line *line) {
    json_decref(line->root);
    *line = (struct trace_rpc_line){0};
}

static bool is_request_id(const json_t *id) { return json_is_string(id) || json_is_number(id) || json_is_null(id); }

static bool is_version_2(const json_t *object) {
    const char *version = json_string_value(json_object_get(object, "jsonrpc"));
    return version && strcmp(version, "2.0") == 0;
}

int trace_rpc_request_get(const struct trace_rpc_line *line, size_t index, struct trace_rpc_request *ret_request,
                          struct trace_rpc_error *ret_error) {
    assert(index < line->count);
    const json_t *root = line->batch ? json_array_get(line->root, index) : line->root;
    *ret_request = (struct trace_rpc_request){0};
    if (!json_is_object(root)) return trace_rpc_fail(ret_error, TRACE_RPC_INVALID_REQUEST, NULL, "a request is an object");

    json_t *id = json_object_get(root, "id");
    if (id && !is_request_id(id))
        return trace_rpc_fail(ret_error, TRACE_RPC_INVALID_REQUEST, NULL, "id must be a string, a number or null");
    ret_request->id = id;
    if (!is_version_2(root)) return trace_rpc_fail(ret_error, TRACE_RPC_INVALID_REQUEST, NULL, "jsonrpc must be \"2.0\"");
    const char *method = json_string_value(json_object_get(root, "method"));
    if (!method) return trace_rpc_fail(ret_error, TRACE_RPC_INVALID_REQUEST, NULL, "method must be a string");
    json_t *params = json_object_get(root, "params");
    if (params && !json_is_object(params) && !json_is_array(params))
        return trace_rpc_fail(ret_error, TRACE_RPC_INVALID_REQUEST, NULL, "params must be an object");

    /* It is a request.  Without an id it is a notification, which is not answered, whether it is valid or not. */
    ret_request->notification = !id;
    ret_request->method = method;
    if (json_is_array(params))
        return trace_rpc_fail(ret_error, TRACE_RPC_INVALID_PARAMS, NULL, "params must be named (an object), not positional");
    ret_request->params = params;
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

static int add_chunk(const char *data, size_t bytes, void *argument) {
    struct trace_text *out = argument;
    trace_text_add(out, data, bytes);
    return out->failed ? -1 : 0;
}

static void dump_json(struct trace_text *out, const json_t *value, size_t flags) {
    if (!value || json_dump_callback(value, add_chunk, out, flags) != 0) out->failed = true;
}

void trace_rpc_write_json(struct trace_text *out, const json_t *value) { dump_json(out, value, DUMP_FLAGS); }

static void write_string(struct trace_text *out, const char *text) {
    json_t *string = json_string(text);
    dump_json(out, string, DUMP_FLAGS);
    json_decref(string);
}

/* {"jsonrpc":"2.0","id":7,"NAME":   of an answer. */
static void begin_answer(struct trace_text *out, const json_t *id, const char *name) {
    trace_text_puts(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    if (id) {
        dump_json(out, id, DUMP_ID_FLAGS);
    } else {
        trace_text_puts(out, "null");
    }
    trace_text_puts(out, ",\"");
    trace_text_puts(out, name);
    trace_text_puts(out, "\":");
}

void trace_rpc_begin_result(struct trace_text *out, const json_t *id) { begin_answer(out, id, "result"); }

void trace_rpc_begin_notification(struct trace_text *out, const char *method) {
    trace_text_puts(out, "{\"jsonrpc\":\"2.0\",\"method\":");
    write_string(out, method);
    trace_text_puts(out, ",\"params\":");
}

void trace_rpc_end(struct trace_text *out) { trace_text_puts(out, "}"); }

void trace_rpc_write_result(struct trace_text *out, const json_t *id, json_t *result_new) {
    if (!result_new) {
        struct trace_rpc_error error;
        trace_rpc_fail(&error, TRACE_RPC_INTERNAL, NULL, "the result could not be written");
        trace_rpc_write_error(out, id, &error);
        return;
    }
    trace_rpc_begin_result(out, id);
    trace_rpc_write_json(out, result_new);
    trace_rpc_end(out);
    json_decref(result_new);
}

void trace_rpc_write_error(struct trace_text *out, const json_t *id, const struct trace_rpc_error *error) {
    json_t *value = json_pack("{s:i, s:s, s:O*}", "code", error->code, "message", error->message, "data", error->data);
    begin_answer(out, id, "error");
    trace_rpc_write_json(out, value);
    trace_rpc_end(out);
    json_decref(value);
}

void trace_rpc_write_request(struct trace_text *out, int64_t id, const char *method, json_t *params_new) {
    json_t *request =
        json_pack("{s:s, s:I, s:s, s:O*}", "jsonrpc", "2.0", "id", (json_int_t)id, "method", method, "params", params_new);
    trace_rpc_write_json(out, request);
    trace_text_puts(out, "\n");
    json_decref(request);
    json_decref(params_new);
}

/* ---- replies ------------------------------------------------------------------------------------------------------------ */

/* Parses an error response.  Returns NULL, or the reason why it is not one. */
static const char *read_error(struct trace_rpc_reply *reply, const json_t *error) {
    const json_t *code = json_object_get(error, "code");
    const char *message = json_string_value(json_object_get(error, "message"));
    if (!json_is_integer(code)) return "error.code is not an integer";
    if (!message) return "error.message is not a string";
    reply->kind = TRACE_RPC_REPLY_ERROR;
    reply->code = json_integer_value(code);
    reply->message = message;
    reply->data = json_object_get(error, "data");
    return NULL;
}

/* Parses a line from the server.  Returns NULL, or the reason why it is not one. */
static const char *read_reply(struct trace_rpc_reply *reply, json_t *root) {
    if (!json_is_object(root)) return "not an object";
    if (!is_version_2(root)) return "jsonrpc is not \"2.0\"";
    json_t *id = json_object_get(root, "id");
    json_t *method = json_object_get(root, "method");
    json_t *result = json_object_get(root, "result");
    json_t *error = json_object_get(root, "error");
    reply->root = root;
    if (method) {
        json_t *params = json_object_get(root, "params");
        if (!json_is_string(method)) return "method is not a string";
        if (id || result || error) return "neither a reply nor a notification";
        if (params && !json_is_object(params)) return "params is not an object";
        reply->kind = TRACE_RPC_REPLY_NOTIFICATION;
        reply->method = json_string_value(method);
        reply->params = params;
        return NULL;
    }
    if (!id || !is_request_id(id)) return "no id";
    if ((!result) == (!error)) return "either result or error is expected, not both or neither";
    reply->id = id;
    if (error) return read_error(reply, error);
    reply->kind = TRACE_RPC_REPLY_RESULT;
    reply->result = result;
    return NULL;
}

int trace_rpc_reply_parse(struct trace_rpc_reply *ret_reply, const char *text, size_t bytes, struct trace_rpc_error *ret_error) {
    json_t *root = load_json(text, bytes, ret_error);
    if (!root) return -EINVAL;
    struct trace_rpc_reply reply = {0};
    const char *fault = read_reply(&reply, root);
    if (fault) {
        json_decref(root);
        return trace_rpc_fail(ret_error, TRACE_RPC_INVALID_REQUEST, NULL, "%s", fault);
    }
    *ret_reply = reply;
    return 0;
}

void trace_rpc_reply_fini(struct trace_rpc_reply *reply) {
    json_decref(reply->root);
    *reply = (struct trace_rpc_reply){0};
}
