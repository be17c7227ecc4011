/* SPDX-License-Identifier: MIT
 *
 * The daemon's log: one line each on stderr, "time level text".  Callable from any thread: a line is one write. */
#ifndef TRACED_LOG_H
#define TRACED_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Set once, before other threads start.  The default is info. */
void log_set_level(enum log_level level);

/* The level of that name ("error", "warning", "info", "debug"), or -EINVAL. */
int log_level_by_name(const char *name);

/* Control characters in the text are replaced, so that a node's name cannot forge a line. */
void log_say(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
