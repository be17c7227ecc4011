/* SPDX-License-Identifier: MIT
 *
 * The methods of the socket that are traced's own: `hello`, `stats`, `subscribe`, `unsubscribe`, `control` (docs/protocol.md,
 * "Methods").  The store has the others (store/ask.h).
 *
 * A method has up to two halves.  `work` runs on a pool thread, so that walks of the history or the node table do not delay the
 * loop; it sees the service and the call, but not the clients.  `finish` runs after it on the loop's thread, for counters and
 * subscriptions.  A half appends the result to call->ask.out; or it fills in call->ask.error and returns a negative number, and
 * then the next half does not run. */
#ifndef TRACED_METHODS_H
#define TRACED_METHODS_H

#include "subscriptions.h"
#include <store/ask.h>

struct call {
    struct ask ask; /* all that a method of the store sees */
    struct service *service;
    struct clients *clients;             /* for `finish` */
    struct subscriptions *subscriptions; /* of the connection that asks; for `finish` */
    struct subscription *subscription;   /* subscribe: created by `work`, taken by `finish` */
    json_t *history;                     /* stats: likewise */
};

struct method {
    const char *name;
    int (*work)(struct call *call);
    int (*finish)(struct call *call);
    bool (*is_long)(const struct call *call); /* may `work` take seconds?  NULL: never */
};

/* NULL if traced itself has no method of this name. */
const struct method *methods_find(const char *name);
/* An array of all names, the store's included. */
json_t *methods_names(void);

/* The halves, by file. */
int methods_hello(struct call *call);            /* methods.c, finish */
int methods_stats_work(struct call *call);       /* methods_stats.c */
int methods_stats_finish(struct call *call);     /* methods_stats.c */
int methods_control(struct call *call);          /* methods_control.c, work */
int methods_subscribe_work(struct call *call);   /* methods_subscribe.c */
int methods_subscribe_finish(struct call *call); /* methods_subscribe.c */
bool methods_subscribe_is_long(const struct call *call);
int methods_unsubscribe(struct call *call); /* methods_subscribe.c, finish */

#endif
