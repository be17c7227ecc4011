/* SPDX-License-Identifier: MIT
 *
 * The questions of a lookup: who asked whom, and what came back.  Pure.
 *
 * A question is a span that names whom it asks; or a span that another node's span caused and waited for; or, where neither is
 * there, a message to a peer, if messages of its type are answered by messages of the same id and of another type. */
#ifndef INSPECTOR_QUESTIONS_H
#define INSPECTOR_QUESTIONS_H

#include "path_edges.h"

enum answer {
    ANSWER_OK,
    ANSWER_FAILED,
    ANSWER_EXPIRED, /* who asked gave it up, for time ran out */
    ANSWER_NEVER,   /* none came, and who asked has ended without saying more */
    ANSWER_OPEN     /* none yet: who asked goes on */
};

struct question {
    unsigned asker, asked;
    unsigned command; /* its name or type, a number of commands; NO_NUMBER for none */
    enum answer answer;
    uint64_t asked_ns, took_ns; /* took: until the answer came, or the end; 0 for NEVER and OPEN */
    bool traced;                /* whom it asks is traced */
    bool arrived;               /* the asked node has something of it */
    uint64_t work_ns;           /* what the asked node's own span took; 0: not known */
    bool untimed;               /* a step of the clock lies in took_ns, which is not known */
    unsigned sends;             /* of a message: more than 1, it was sent again */
};

struct questions {
    struct question *items; /* by when they were asked */
    size_t count, capacity;
};

/* Appends those of the spans of one trace. */
int questions_of_spans(struct questions *questions, const struct trace_events *events, const struct spans *spans,
                       const struct transports *transports, const bool *traced);

/* Appends those of messages that no span of `questions` has already, and sorts all.  Both: 0 or -ENOMEM. */
int questions_of_messages(struct questions *questions, const struct facts *facts, const bool *traced);
void questions_fini(struct questions *questions);

/* "ok", "failed", "expired", "never", "open". */
const char *answer_name(enum answer answer);

#endif
