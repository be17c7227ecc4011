/* SPDX-License-Identifier: MIT
 *
 * Any method of the socket, and its unchanged result. */
#include "commands.h"

#include "json_put.h"

#include <proto/rpc.h>

int run_rpc(struct session *session) {
    const struct options *options = session->options;
    json_t *params = NULL, *result;
    json_error_t error;
    if (options->arg_count > 2) {
        params = json_loads(options->args[2], JSON_REJECT_DUPLICATES, &error);
        if (!params)
            return failure_set(&session->failure, EXIT_USAGE, "the params are not JSON: %s (at byte %d)", error.text,
                               error.position);
        if (!json_is_object(params)) {
            json_decref(params);
            return failure_set(&session->failure, EXIT_USAGE, "the params must be a JSON object, like '{\"limit\":1}'");
        }
    }
    if (session_ask(session, options->args[1], params, &result)) {
        if (session->failure.rpc_code == TRACE_RPC_METHOD_NOT_FOUND) session->failure.code = EXIT_USAGE; /* it was typed */
        return -1;
    }
    if (options_want_data(options)) {
        int failed = output_json(&session->output, result);
        json_decref(result);
        return failed;
    }
    int failed = json_put(&session->output.text, result, JSON_INDENT(2));
    json_decref(result);
    if (failed) return session_out_of_memory(session);
    strbuf_puts(&session->output.text, "\n");
    return 0;
}
