/* SPDX-License-Identifier: MIT
 *
 * Statements for the server of a fleet. */
#ifndef INSPECTOR_FLEET_SQL_H
#define INSPECTOR_FLEET_SQL_H

#include "clickhouse.h"

#include <proto/text.h>

/* Appends at most 1023 bytes; trace_text_puts has no limit. */
void fleet_put_format(struct trace_text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The zero of a column's type. */
void fleet_put_zero(struct trace_text *out, const char *type);

/* Asks; `sql` ends with a NUL then.  Returns 0, or -1 with the failure. */
int fleet_ask(struct clickhouse *server, struct trace_text *sql, struct row_reader *ret_rows, struct failure *failure);

/* Asks for numbers, of one row.  Returns 0, or -1 with the failure. */
int fleet_ask_numbers(struct clickhouse *server, struct trace_text *sql, uint64_t *ret_numbers, size_t count,
                      struct failure *failure);

/* The failure for rows that end too early.  Returns -1. */
int fleet_cut_short(struct failure *failure);

#endif
