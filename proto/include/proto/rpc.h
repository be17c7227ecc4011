/* SPDX-License-Identifier: MIT
 *
 * JSON-RPC 2.0 lines, for the server and for the client.  docs/protocol.md is the reference for the socket.
 *
 * Server, for each line:
 *
 *     trace_rpc_line_parse(&line, text, bytes, &error)        error: answer it with id NULL
 *     for each i < line.count:
 *         trace_rpc_request_get(&line, i, &request, &error)   error: answer it with request.id, unless request.notification
 *         trace_rpc_params_read(request.params, ...)          likewise
 *         trace_rpc_write_result / trace_rpc_write_error      nothing for a notification
 *     trace_rpc_line_fini(&line)
 *
 * The answers of a batch (line.batch) are put between [ and ], with commas, by the caller; who writes a line ends it with "\n".
 * Client: trace_rpc_write_request, then trace_rpc_reply_parse for each line that comes.
 *
 * Ownership as jansson names it: what ends in _new is stolen (also on failure), everything else is borrowed.  No threads, no I/O.
 */
#ifndef PROTO_RPC_H
#define PROTO_RPC_H

#include <jansson.h>
#include <proto/text.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_RPC_PROTOCOL 1
#define TRACE_RPC_LINE_BYTES_MAX 65536 /* of a request; answers may be longer */
#define TRACE_RPC_BATCH_MAX 64
#define TRACE_RPC_MESSAGE_BYTES 256

enum trace_rpc_code {
#define TRACE_RPC_ERROR(code, NAME, message) TRACE_RPC_##NAME = (code),
#include "tbl/rpc_errors.def"
};

/* The message that JSON-RPC or tbl/rpc_errors.def has for a code; "Error" for others. */
const char *trace_rpc_code_message(int code);

/* ---- errors ------------------------------------------------------------------------------------------------------------- */

/* What is wrong with a request.  Zeroed: nothing.  The owner calls trace_rpc_error_fini before it uses it again. */
struct trace_rpc_error {
    int code;                              /* enum trace_rpc_code, 0 for none */
    char message[TRACE_RPC_MESSAGE_BYTES]; /* "Invalid params: ..." */
    json_t *data;                          /* an object of its own, or NULL */
};

/* Fills in an error: the code's own message, and the reason after it unless it is NULL.  data_new may be NULL.
 * Returns -EINVAL always, so that a method can `return trace_rpc_fail(...)`. */
int trace_rpc_fail(struct trace_rpc_error *ret_error, int code, json_t *data_new, const char *reason_format, ...)
    __attribute__((format(printf, 4, 5)));
void trace_rpc_error_fini(struct trace_rpc_error *error);

/* ---- requests: the server ----------------------------------------------------------------------------------------------- */

/* One line: a request, or a batch of them. */
struct trace_rpc_line {
    json_t *root;
    bool batch;
    size_t count; /* 1 if it is not a batch */
};

/* Parses a line, with or without its newline.  Not JSON is TRACE_RPC_PARSE with data.position; an empty batch, or one of more
 * than TRACE_RPC_BATCH_MAX, is TRACE_RPC_INVALID_REQUEST.  A name twice in one object is not JSON to us, nor is a NUL in a
 * string. Returns 0, or -EINVAL with ret_error filled in and ret_line untouched. */
int trace_rpc_line_parse(struct trace_rpc_line *ret_line, const char *text, size_t bytes, struct trace_rpc_error *ret_error);
void trace_rpc_line_fini(struct trace_rpc_line *line);

struct trace_rpc_request {
    json_t *id;         /* a string, a number or null, borrowed from the line; NULL without a usable one */
    bool notification;  /* it has no id: never answer it */
    const char *method; /* borrowed from the line */
    json_t *params;     /* an object, borrowed from the line; NULL when absent */
};

/* Checks one request of a line.  Returns 0; or -EINVAL with ret_error filled in: TRACE_RPC_INVALID_REQUEST when it is not a
 * request, TRACE_RPC_INVALID_PARAMS for positional params.  id and notification of ret_request are set on failure too, for the
 * answer. */
int trace_rpc_request_get(const struct trace_rpc_line *line, size_t index, struct trace_rpc_request *ret_request,
                          struct trace_rpc_error *ret_error);

/* ---- params: what a method expects ------------------------------------------------------------------------------------ */

enum trace_rpc_type {
    TRACE_RPC_STRING,  /* const char *, borrowed; not empty */
    TRACE_RPC_INTEGER, /* int64_t, min to max */
    TRACE_RPC_BOOLEAN, /* bool */
    TRACE_RPC_SHARE,   /* double: above 0, at most 1 */
    TRACE_RPC_TIME,    /* json_t *: a number or a string */
    TRACE_RPC_STRINGS, /* json_t *: a string, or an array of 1 or more strings */
    TRACE_RPC_OBJECT,  /* json_t *: an object */
};

/* One param: its name, its type, and where its value goes.
 *     {"limit", TRACE_RPC_INTEGER, .integer = &limit, .min = 1, .max = 10000} */
struct trace_rpc_param {
    const char *name;
    enum trace_rpc_type type;
    bool required;
    int64_t min, max; /* TRACE_RPC_INTEGER; both 0: any */
    const char **string;
    int64_t *integer;
    bool *boolean;
    double *real;  /* TRACE_RPC_SHARE */
    json_t **json; /* TRACE_RPC_TIME, TRACE_RPC_STRINGS, TRACE_RPC_OBJECT: borrowed from params */
};

/* Reads params (NULL: none) into where the list says; what is absent stays as it is.  An unknown name, a wrong type, a value out
 * of range and a missing required param are TRACE_RPC_INVALID_PARAMS with data.param; then nothing has been written but
 * ret_error. Returns 0 or -EINVAL. */
int trace_rpc_params_read(json_t *params, const struct trace_rpc_param *list, size_t count, struct trace_rpc_error *ret_error);

/* The error for a param whose type is right and whose value is not: TRACE_RPC_INVALID_PARAMS with data.param.  Returns -EINVAL.
 */
int trace_rpc_fail_param(struct trace_rpc_error *ret_error, const char *param, const char *reason_format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

/* Adds any JSON value, compact.  An allocation failure, or a NULL value, shows as out->failed. */
void trace_rpc_write_json(struct trace_text *out, const json_t *value);

/* A whole answer.  id NULL is written as null.  A NULL result_new (an allocation failed) becomes an internal error. */
void trace_rpc_write_result(struct trace_text *out, const json_t *id, json_t *result_new);
void trace_rpc_write_error(struct trace_text *out, const json_t *id, const struct trace_rpc_error *error);

/* An answer or a notification whose value the caller writes itself (events): begin, the value, end. */
void trace_rpc_begin_result(struct trace_text *out, const json_t *id);
void trace_rpc_begin_notification(struct trace_text *out, const char *method);
void trace_rpc_end(struct trace_text *out);

/* A request of the client, with its newline.  params_new may be NULL. */
void trace_rpc_write_request(struct trace_text *out, int64_t id, const char *method, json_t *params_new);

/* ---- replies: the client ------------------------------------------------------------------------------------------------ */

enum trace_rpc_reply_kind { TRACE_RPC_REPLY_RESULT, TRACE_RPC_REPLY_ERROR, TRACE_RPC_REPLY_NOTIFICATION };

struct trace_rpc_reply {
    enum trace_rpc_reply_kind kind;
    json_t *root;        /* owned; everything else is borrowed from it */
    json_t *id;          /* RESULT, ERROR */
    json_t *result;      /* RESULT */
    int64_t code;        /* ERROR */
    const char *message; /* ERROR */
    json_t *data;        /* ERROR; NULL when absent */
    const char *method;  /* NOTIFICATION */
    json_t *params;      /* NOTIFICATION: an object; NULL when absent */
};

/* Parses a line from the server, with or without its newline.  Returns 0; -EINVAL when it is not a reply or notification, with
 * the reason in ret_error->message and ret_reply untouched. */
int trace_rpc_reply_parse(struct trace_rpc_reply *ret_reply, const char *text, size_t bytes, struct trace_rpc_error *ret_error);
void trace_rpc_reply_fini(struct trace_rpc_reply *reply);

#endif
