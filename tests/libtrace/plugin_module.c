/* SPDX-License-Identifier: MIT
 *
 * A plugin that is a node, with its own copy of the library, for test_plugin.c. */
#include "plugin_module.h"

#include <p2ptrace/trace.h>

static struct trace_log *log_;

static int open_node(unsigned number) {
    struct trace_log_options options = {.node_id = {{(uint8_t)number, (uint8_t)(number >> 8), 0xee}}, .node_name = "plugin"};
    return trace__log_open(&log_, &options, 64);
}

static void emit(unsigned code) {
    struct trace_context context = trace_context_new(TRACE_FLAG_SAMPLED);
    TRACE_CUSTOM(log_, &context, NULL, 0, code, NULL, 0);
}

static const char *name(void) { return trace_log_name(log_); }

static void close_node(void) {
    trace_log_close(log_);
    log_ = NULL;
}

const struct plugin plugin = {open_node, emit, name, close_node};
