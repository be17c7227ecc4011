/* SPDX-License-Identifier: MIT
 *
 * What events in JSON say of their applications: its name and those of commands.  That is less than a description, which has
 * the fields, too; but events that were saved without descriptions keep their names. */
#ifndef INSPECTOR_APP_NAMES_H
#define INSPECTOR_APP_NAMES_H

#include <proto/event_parse.h>
#include <store/store.h>

struct app_names { /* of one log; {0} is empty */
    struct trace_app *apps[TRACE_APPS_MAX];
    unsigned count;
};

/* Notes the names of an event, if it has any.  Without memory, or beyond the limits of a description, they are forgotten. */
void app_names_note(struct app_names *names, const struct trace_parsed_event *parsed);

/* Adds what was noted to a node, but for applications that it has a description of. */
void app_names_add(const struct app_names *names, struct store *store, uint32_t node);

void app_names_fini(struct app_names *names);

#endif
