/* SPDX-License-Identifier: MIT
 *
 * How a request ends: with a result, or with an error that several methods share. */
#include "ask_methods.h"

#include <errno.h>

int ask_fail(struct ask *ask, int error) {
    if (error == -E2BIG || error == -ECANCELED) return error;
    return ask_fail_memory(ask);
}

int ask_fail_memory(struct ask *ask) { return trace_rpc_fail(&ask->error, TRACE_RPC_INTERNAL, NULL, "out of memory"); }

int ask_fail_too_long(struct ask *ask) {
    size_t limit = ask->out->bytes_max;
    if (!limit) return ask_fail_memory(ask);
    return trace_rpc_fail(&ask->error, TRACE_RPC_LIMIT, json_pack("{sI}", "limit", (json_int_t)limit),
                          "the answer is longer than %zu bytes", limit);
}

int ask_answer(struct ask *ask, json_t *result_new) {
    if (!result_new) return ask_fail_memory(ask);
    trace_rpc_write_json(ask->out, result_new);
    json_decref(result_new);
    return 0;
}
