/* SPDX-License-Identifier: MIT */
#include "refusal.h"

#include "json_get.h"
#include "json_scan.h"
#include "limits.h"

#include <proto/rpc.h>
#include <stdio.h>
#include <string.h>

/* How many digits distinguish the nodes or peers of a list; 0: it has other texts. */
static unsigned distinguishing(const json_t *list) {
    unsigned digits = ID_DIGITS_MIN;
    size_t i, j;
    const json_t *x, *y;
    json_array_foreach(list, i, x) {
        const char *id = json_string_value(x);
        if (!id || strlen(id) != NODE_DIGITS) return 0;
        json_array_foreach(list, j, y) {
            const char *other = json_string_value(y);
            while (j < i && digits < NODE_DIGITS && !strncmp(id, other, digits)) digits++;
        }
    }
    return digits;
}

/* Appends the candidates for an ambiguous id, or the known methods. */
static void append_list(char *text, size_t size, const json_t *list, const char *before) {
    size_t i;
    const json_t *element;
    unsigned digits = distinguishing(list);
    json_array_foreach(list, i, element) {
        size_t used = strlen(text);
        if (json_is_string(element))
            snprintf(text + used, size - used, "%s%.*s", i ? ", " : before, digits ? (int)digits : (int)size,
                     json_string_value(element));
    }
}

/* Reads what is wrong with a filter, and where; or with a field's name.  False when the error is about something else. */
static bool read_filter_fault(const json_t *data, struct failure *failure) {
    const char *reason = json_get_text(data, "reason"), *suggestion = json_get_text(data, "suggestion"),
               *param = json_get_text(data, "param");
    uint64_t position = json_get_count(data, "position"), length = json_get_count(data, "length");
    bool is_filter = param && !strcmp(param, "filter");
    if (!param || !reason || position > REQUEST_BYTES_MAX || length > REQUEST_BYTES_MAX) return false;
    char named[sizeof failure->text];
    snprintf(named, sizeof named, "%s: %s", param, reason);
    failure_set_filter(failure, position, length, is_filter ? reason : named, suggestion);
    failure->filter.is_wrong = is_filter;
    return true;
}

/* A person needs no class of the error before the sentence that says what is wrong. */
static const char *plain_sentence(int64_t code, const char *message) {
    const char *class = trace_rpc_code_message((int)code);
    size_t bytes = strlen(class);
    bool says_more = !strncmp(message, class, bytes) && message[bytes] == ':' && message[bytes + 1] == ' ' && message[bytes + 2];
    bool drops = code == TRACE_RPC_INVALID_PARAMS || code == TRACE_RPC_NOT_FOUND || code == TRACE_RPC_AMBIGUOUS ||
                 code == TRACE_RPC_METHOD_NOT_FOUND;
    return drops && says_more ? message + bytes + 2 : message;
}

int refusal_read(struct failure *failure, int64_t code, const char *message, const json_t *data) {
    const char *param = json_get_text(data, "param");
    /* Params are what the command line says; but a cursor is ours, and expires. */
    bool is_usage = code == TRACE_RPC_INVALID_PARAMS && !(param && !strcmp(param, "cursor"));
    if (!read_filter_fault(data, failure))
        failure_set(failure, is_usage ? EXIT_USAGE : EXIT_FAILED, "%s", plain_sentence(code, message));
    failure->rpc_code = code;
    snprintf(failure->param, sizeof failure->param, "%s", param ? param : "");
    append_list(failure->text, sizeof failure->text, json_object_get(data, "candidates"), "; it could be ");
    append_list(failure->text, sizeof failure->text, json_object_get(data, "methods"), "; there are ");
    return -1;
}

size_t apart_take(char *text, size_t bytes, const char *const *path, size_t names, struct strbuf *out) {
    struct json_span array;
    if (!json_scan_path(text, bytes, path, names, &array) || *array.text != '[') return bytes;
    strbuf_add(out, array.text, array.bytes);
    char *begin = text + (array.text - text), *behind = begin + array.bytes;
    memcpy(begin, "[]", 2);
    memmove(begin + 2, behind, bytes - (size_t)(behind - text));
    return bytes - array.bytes + 2;
}
