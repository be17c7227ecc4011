/* SPDX-License-Identifier: MIT
 *
 * The callbacks that carry user_data: between ngtcp2 and the user. */
#ifndef TRACE_ADAPTERS_NGTCP2_CALLBACKS_H
#define TRACE_ADAPTERS_NGTCP2_CALLBACKS_H

struct trace_ngtcp2;

/* Replaces the functions of trace->callbacks, and the hooks of trace->settings, by ours. */
void trace_ngtcp2__take_callbacks(struct trace_ngtcp2 *trace);

#endif
