/* SPDX-License-Identifier: MIT
 *
 * The environment of programs that `trigger --exec` runs: docs/recording.md lists it. */
#ifndef INSPECTOR_TRIGGER_ENVIRONMENT_H
#define INSPECTOR_TRIGGER_ENVIRONMENT_H

#include "names.h"

#include <jansson.h>

/* An object of strings: the event by its fields, P2PTRACE_EVENT_KIND and so on, and P2PTRACE_EVENT, the whole event as JSON.
 * NULL when out of memory. */
json_t *trigger_environment_new(const struct names *names, const json_t *event);

#endif
