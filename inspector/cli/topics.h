/* SPDX-License-Identifier: MIT
 *
 * The documents that `inspector help TOPIC` shows: files of docs/, compiled into the program. */
#ifndef INSPECTOR_TOPICS_H
#define INSPECTOR_TOPICS_H

#include "strbuf.h"

#include <stddef.h>
#include <stdio.h>

struct topic {
    const char *name;
    const char *title;
    const char *text; /* Markdown */
};

extern const struct topic topics[];
extern const size_t topic_count;

/* The topic of that name, or NULL. */
const struct topic *find_topic(const char *name);

/* Appends its title, without marks. */
void topic_title(struct strbuf *out, const struct topic *topic);

/* Writes a topic as text, in lines of at most that many columns. */
void help_topic(FILE *out, const struct topic *topic, unsigned columns);

#endif
