/* SPDX-License-Identifier: MIT */
#include "fleet_sql.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fleet_put_format(struct trace_text *out, const char *format, ...) {
    char line[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    trace_text_puts(out, line);
}

void fleet_put_zero(struct trace_text *out, const char *type) {
    if (!strcmp(type, "String"))
        trace_text_puts(out, "''");
    else if (!strncmp(type, "FixedString(", 12))
        fleet_put_format(out, "toFixedString('',%d)", atoi(type + 12));
    else
        fleet_put_format(out, "to%s(0)", type);
}

int fleet_ask(struct clickhouse *server, struct trace_text *sql, struct row_reader *ret_rows, struct failure *failure) {
    struct clickhouse_answer answer;
    trace_text_add(sql, "", 1);
    if (sql->failed) return failure_out_of_memory(failure);
    if (clickhouse_ask(server, sql->data, &answer, failure)) return -1;
    *ret_rows = row_reader_of(answer.bytes, answer.count);
    return 0;
}

int fleet_ask_numbers(struct clickhouse *server, struct trace_text *sql, uint64_t *ret_numbers, size_t count,
                      struct failure *failure) {
    struct row_reader rows;
    if (fleet_ask(server, sql, &rows, failure)) return -1;
    const uint8_t *at = row_read(&rows, count * sizeof *ret_numbers);
    if (!at) return fleet_cut_short(failure);
    memcpy(ret_numbers, at, count * sizeof *ret_numbers);
    return 0;
}

int fleet_cut_short(struct failure *failure) {
    return failure_set(failure, EXIT_FAILED, "the fleet's answer was cut short: ask again");
}
