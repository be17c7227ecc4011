/* SPDX-License-Identifier: MIT
 *
 * The questions of a lookup: who asked whom, and what the answer was.  Pure.
 *
 * A question is a span that names the node it asks, or a span that another node's span caused and waited for.  Without such
 * spans, it is a message to a peer, if messages of its type are answered by messages of another type with the same id. */
#ifndef INSPECTOR_QUESTIONS_H
#define INSPECTOR_QUESTIONS_H

#include "path_edges.h"

enum answer {
    ANSWER_OK,
    ANSWER_FAILED,
    ANSWER_EXPIRED, /* the asker gave up because time ran out */
    ANSWER_NEVER,   /* no answer came, and the asker ended without saying why */
    ANSWER_OPEN     /* no answer yet: the asker still waits */
};

struct question {
    unsigned asker, asked;
    unsigned command; /* its name or type, a number of commands; NO_NUMBER for none */
    enum answer answer;
    uint64_t asked_ns, took_ns; /* took: until the answer came or the question ended; 0 for NEVER and OPEN */
    bool traced;                /* the asked node is traced */
    bool arrived;               /* the asked node has events about it */
    uint64_t work_ns;           /* the duration of the asked node's own span; 0: not known */
    bool untimed;               /* a clock step lies in took_ns, which is not known */
    unsigned sends;             /* of a message: more than 1 means that it was sent again */
};

struct questions {
    struct question *items; /* in the order in which they were asked */
    size_t count, capacity;
};

/* Appends the questions that the spans of one trace ask. */
int questions_of_spans(struct questions *questions, const struct trace_events *events, const struct spans *spans,
                       const struct transports *transports, const bool *traced);

/* Appends the questions that messages ask, except those that a span in `questions` asks already, and sorts all.  Both return
 * 0 or -ENOMEM. */
int questions_of_messages(struct questions *questions, const struct facts *facts, const bool *traced);
void questions_fini(struct questions *questions);

/* "ok", "failed", "expired", "never", "open". */
const char *answer_name(enum answer answer);

#endif
