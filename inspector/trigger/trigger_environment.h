/* SPDX-License-Identifier: MIT
 *
 * What `trigger --exec` tells the program: docs/recording.md lists it. */
#ifndef INSPECTOR_TRIGGER_ENVIRONMENT_H
#define INSPECTOR_TRIGGER_ENVIRONMENT_H

#include "names.h"

#include <jansson.h>

/* An object of strings: the event by its fields, P2PTRACE_EVENT_KIND and so on, and P2PTRACE_EVENT, all of it as JSON.  NULL
 * without memory. */
json_t *trigger_environment_new(const struct names *names, const json_t *event);

#endif
