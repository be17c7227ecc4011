/* SPDX-License-Identifier: MIT
 *
 * Attributes of OTLP/JSON, as elements of an array.  Each function writes at `out` and returns the end; each element ends with
 * a comma, and the caller removes the last one. */
#ifndef INSPECTOR_OTLP_ATTRIBUTES_H
#define INSPECTOR_OTLP_ATTRIBUTES_H

#include "export_format.h"

/* intValue is signed: a larger number becomes a string of digits. */
char *otlp_put_integer(char *out, const char *key, uint64_t value);
char *otlp_put_boolean(char *out, const char *key, bool value);

/* text: without quotes, escaped. */
char *otlp_put_string(char *out, const char *key, const char *text, size_t bytes);

/* At most 64 bytes of an id, as hex digits. */
char *otlp_put_hex_attribute(char *out, const char *key, const void *id, size_t bytes);

/* Everything in an event except its time, kind, node and trace.  At most TRACE_EVENT_JSON_MAX + 4096 bytes. */
char *otlp_put_attributes(char *out, const struct export_event *event);

#endif
