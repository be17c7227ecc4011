/* SPDX-License-Identifier: MIT
 *
 * A shipper's progress for Prometheus: a file for the node exporter's textfile collector. */
#ifndef INSPECTOR_SHIP_METRICS_H
#define INSPECTOR_SHIP_METRICS_H

#include "ship_progress.h"

/* Replaces the file as a whole.  now_ns: Unix time.  Returns 0 or a negative errno. */
int ship_metrics_write(const char *path, const char *host, const struct ship_progress *progress, uint64_t now_ns);

#endif
