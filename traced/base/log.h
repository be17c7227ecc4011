/* SPDX-License-Identifier: MIT
 *
 * The daemon's log: one line each, "time level text", on stderr or in a file.  Callable from any thread: a line is one write.
 * A pipe that nobody reads blocks nothing: lines that do not fit are dropped, and the next line reports their number. */
#ifndef TRACED_LOG_H
#define TRACED_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Set once, before other threads start.  The default is info. */
void log_set_level(enum log_level level);

/* The level of that name ("error", "warning" or "warn", "info", "debug"), or -EINVAL. */
int log_level_by_name(const char *name);

/* From now on lines are appended to this file, which is created with mode 0600 if missing; errors also go to stderr.  `path` is
 * kept, not copied.  Once, before other threads start.  Returns 0 or a negative errno; then the log is unchanged. */
int log_open(const char *path);

/* Reopens the file of log_open by its name, after somebody has moved the old one away.  No line is lost or cut, whatever other
 * threads write meanwhile.  Returns 0 or a negative errno; then the old file stays in use. */
int log_reopen(void);

/* Is there a file to reopen? */
bool log_has_file(void);

/* Control characters in the text are replaced, so that a node's name cannot forge a line. */
void log_say(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
