/* SPDX-License-Identifier: MIT */
#include "failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int failure_set(struct failure *failure, enum exit_code code, const char *format, ...) {
    va_list args;
    *failure = (struct failure){.code = code};
    va_start(args, format);
    vsnprintf(failure->text, sizeof failure->text, format, args);
    va_end(args);
    return -1;
}

int failure_set_filter(struct failure *failure, size_t position, size_t length, const char *reason, const char *suggestion) {
    char quoted[256];
    if (suggestion) snprintf(quoted, sizeof quoted, "\"%s\"", suggestion);
    failure_set(failure, EXIT_USAGE, "%s", reason);
    failure->filter.is_wrong = true;
    failure->filter.position = position;
    failure->filter.length = length;
    return failure_suggest(failure, suggestion && *suggestion ? quoted : NULL);
}

int failure_of_write(struct failure *failure, const char *what, int error) {
    failure_set(failure, EXIT_FAILED, "cannot write %s: %s", what,
                error == ETIMEDOUT ? "its reader has stopped reading" : strerror(error)); /* timely_write.h */
    if (error != EPIPE) return -1;
    *failure->text = 0;
    failure->code = EXIT_OK;
    failure->reader_gone = true;
    return -1;
}

int failure_check_text(struct failure *failure, enum exit_code code, const char *name, const char *text, size_t bytes) {
    const char *end = bytes ? memchr(text, 0, bytes) : NULL;
    unsigned line = 1;
    if (!end) return 0;
    for (const char *at = text; at < end; at++) line += *at == '\n';
    return failure_set(failure, code, "%s:%u: there is a NUL byte, so this is not text", name, line);
}

int failure_suggest(struct failure *failure, const char *word) {
    size_t used = strlen(failure->text);
    if (word) snprintf(failure->text + used, sizeof failure->text - used, "; did you mean %s?", word);
    return -1;
}

int failure_out_of_memory(struct failure *failure) { return failure_set(failure, EXIT_FAILED, "out of memory"); }
