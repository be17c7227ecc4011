/* SPDX-License-Identifier: MIT */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

int failure_set(struct failure *failure, enum exit_code code, const char *format, ...) {
    va_list args;
    *failure = (struct failure){.code = code};
    va_start(args, format);
    vsnprintf(failure->text, sizeof failure->text, format, args);
    va_end(args);
    return -1;
}

int failure_out_of_memory(struct failure *failure) { return failure_set(failure, EXIT_FAILED, "out of memory"); }
