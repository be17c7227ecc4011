/* SPDX-License-Identifier: MIT
 *
 * Collects the names of applications and commands from events in JSON.  A description has more (the fields), but events saved
 * without one keep at least their names. */
#ifndef INSPECTOR_APP_NAMES_H
#define INSPECTOR_APP_NAMES_H

#include <proto/event_parse.h>
#include <store/store.h>

struct app_names { /* of one log; {0} is empty */
    struct trace_app *apps[TRACE_APPS_MAX];
    unsigned count;
};

/* Collects the names of an event, if it has any.  Drops them when out of memory or beyond the limits of a description. */
void app_names_note(struct app_names *names, const struct trace_parsed_event *parsed);

/* Adds the collected names to a node, except for applications that have a description. */
void app_names_add(const struct app_names *names, struct store *store, uint32_t node);

void app_names_fini(struct app_names *names);

#endif
