/* SPDX-License-Identifier: MIT
 *
 * What the ingest writes to the log.  Any process of our user can cause lines about objects and nodes, as many as it likes; so
 * each topic has a number of lines a minute, and a line at the end of the minute counts the others. */
#include "ingest_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    uint32_t lines;   /* in a minute; 0: nobody else can cause them */
    const char *what; /* as in "3 more ... in a minute" */
} topics[INGEST_TOPICS] = {
    [INGEST_ABOUT_US] = {0, NULL},
    [INGEST_ABOUT_REJECTED] = {INGEST_REJECTED_LINES, "objects were rejected"},
    [INGEST_ABOUT_REMOVED] = {INGEST_REJECTED_LINES, "unreadable objects of dead nodes were removed"},
    [INGEST_ABOUT_APPS] = {INGEST_REJECTED_LINES, "invalid descriptions of applications were ignored"},
    [INGEST_ABOUT_ATTACHED] = {INGEST_NODE_LINES, "nodes were attached"},
    [INGEST_ABOUT_ENDED] = {INGEST_NODE_LINES, "nodes exited, or ended without closing their logs"},
};

void ingest_say(struct ingest *ingest, enum ingest_topic topic, enum log_level level, const char *format, ...) {
    char line[256];
    va_list arguments;
    if (topics[topic].lines && ingest->said[topic]++ >= topics[topic].lines) return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    ingest->config.say(ingest->config.arg, level, line);
}

void ingest_say_rest(struct ingest *ingest) {
    for (unsigned topic = 0; topic < INGEST_TOPICS; topic++) {
        uint64_t said = ingest->said[topic];
        ingest->said[topic] = 0;
        if (said > topics[topic].lines)
            ingest_say(ingest, INGEST_ABOUT_US, LOG_LEVEL_WARNING, "%" PRIu64 " more %s in a minute", said - topics[topic].lines,
                       topics[topic].what);
    }
}
