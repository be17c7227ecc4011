/* SPDX-License-Identifier: MIT
 *
 * The rows of `inspector top` about requests: one for each command, with its requests in the last minute of answers.
 *
 * Durations come as histograms, one for each interval.  Percentiles are those of the sum of the histograms, so their error is
 * that of each (docs/protocol.md): never too low, at most 1/128 too high. */
#ifndef INSPECTOR_TOP_REQUESTS_H
#define INSPECTOR_TOP_REQUESTS_H

#include "top_row.h"

const struct top_column *top_requests_columns(unsigned *ret_count);

/* Takes the counts of a command's requests in an interval. before: of a new row, the number of earlier intervals, which had
 * no requests. */
void top_requests_update(struct top_row *row, const json_t *json, unsigned before);

/* Computes the percentiles of all intervals, after the last top_requests_update of an answer. */
void top_requests_measure(struct top_row *rows, size_t count);

/* How many of the requests are in no percentile, because the clock was stepped during them. */
uint64_t top_requests_stepped(const struct top_row *rows, size_t count);

#endif
