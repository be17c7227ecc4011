/* SPDX-License-Identifier: MIT
 *
 * Frozen: what version 1.0 of the shared library promised.  Never change it; a later version gets a directory of its own. */
// clang-format off
void trace_emit_conn_init(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_conn_init *data, size_t data_bytes);
void trace_emit_conn_established(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_conn_established *data, size_t data_bytes);
void trace_emit_conn_closed(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_conn_closed *data, size_t data_bytes);
void trace_emit_stream_opened(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_stream_opened *data, size_t data_bytes);
void trace_emit_stream_data(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_stream_data *data, size_t data_bytes);
void trace_emit_stream_closed(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_stream_closed *data, size_t data_bytes);
void trace_emit_packet_sent(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_packet_sent *data, size_t data_bytes);
void trace_emit_packet_received(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_packet_received *data, size_t data_bytes);
void trace_emit_packet_lost(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_packet_lost *data, size_t data_bytes);
void trace_emit_metrics(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_metrics *data, size_t data_bytes);
void trace_emit_app_command(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_app_command *data, size_t data_bytes);
void trace_emit_app_start(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_app_start *data, size_t data_bytes);
void trace_emit_app_end(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_app_end *data, size_t data_bytes);
void trace_emit_custom(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
    const struct trace_custom *data, size_t data_bytes);
int trace_shared_log_open(struct trace_log **ret_log, const struct trace_log_options *options, size_t options_bytes, uint32_t lane_events);
int trace_shared_register_app(struct trace_log *log, const char *app_id, const char *name,
    const struct trace_app_command_name *commands, size_t command_count, const struct trace_app_field *fields, size_t field_count);
int trace_shared_wants(const struct trace_log *log, uint16_t kind);
void trace_shared_emit_events(struct trace_log *log, const struct trace_event *events, size_t count);
uint64_t trace_shared_ticks(void);
enum trace_clock_source trace_shared_clock_source(void);
int trace_shared_query_open(struct trace_query **ret_query, struct trace_log *log, uint32_t mode);
int trace_query_json(struct trace_query *query, const struct trace_query_filter *filter,
    int (*write)(void *arg, const char *line, size_t bytes), void *arg);
void trace_query_close(struct trace_query *query);
int trace_query_dump(struct trace_log *log, const struct trace_id *trace_id, int fd);
int trace_query_dump_recent(struct trace_log *log, unsigned limit);
int trace_query_dump_trace(struct trace_log *log, const char *trace_id_digits);
void trace_log_close(struct trace_log *log);
const char *trace_log_name(const struct trace_log *log);
struct trace_node_id trace_node_id_random(void);
struct trace_node_id trace_node_id_from(const void *identity, size_t bytes);
struct trace_context trace_context_new(uint8_t flags);
struct trace_context trace_context_child(const struct trace_context *parent);
void trace_context_encode(uint8_t *out, const struct trace_context *context);
int trace_context_decode(struct trace_context *ret_context, const uint8_t *bytes, size_t count);
int trace_context_to_traceparent(char out[56], const struct trace_context *context);
int trace_context_from_traceparent(struct trace_context *ret_context, const char *text, size_t length);
