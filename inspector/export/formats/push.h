/* SPDX-License-Identifier: MIT
 *
 * Sends bodies to an OTLP/HTTP receiver, one after the other, from a separate thread.
 *
 *     push_create(&push, &(struct push_wish){.url = "http://localhost:4318"}, &failure)
 *     push_send(push, body, bytes)            waits while PUSH_QUEUE bodies wait
 *     push_finish(push, &result)              waits until all have arrived, or one has failed
 *     push_destroy(push)
 *
 * Bodies are compressed with gzip, unless the receiver refuses that.  If the receiver is busy or away, we retry with the pauses
 * of http_backoff (http.h), up to 16 s; after PUSH_PATIENCE_MS the push fails.  A patient push retries until push_hurry. */
#ifndef INSPECTOR_PUSH_H
#define INSPECTOR_PUSH_H

#include "failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUSH_QUEUE 4
#define PUSH_PATIENCE_MS 60000

struct push;

struct push_result {
    uint64_t bodies;   /* bodies that arrived */
    uint64_t rejected; /* spans that the receiver rejected, although it accepted their body */
    char message[256]; /* its last message about that, printable ASCII; "": none */
};

struct push_wish {
    const char *url; /* of the receiver; without a path /v1/traces is added */
    bool patient;
    void (*note)(const char *line); /* reports problems that a patient push survives; called from its thread.  May be NULL */
};

/* Returns 0, or -1 with the failure. */
int push_create(struct push **ret_push, const struct push_wish *wish, struct failure *failure);

/* Hands over a body, allocated with malloc; the push always frees it.  Returns 0; or -1 when the push has failed: push_finish
 * says why. */
int push_send(struct push *push, char *body, size_t bytes);

/* No more bodies.  Returns 0, or -1 with the failure.  *ret_result is filled in either way. */
int push_finish(struct push *push, struct push_result *ret_result, struct failure *failure);

/* Drops what has not arrived.  NULL is allowed. */
void push_destroy(struct push *push);

/* Makes a waiting push fail.  Signal-safe. */
void push_interrupt(void);

/* From now on a push fails if it has not arrived within PUSH_HURRY_MS, patient or not.  Signal-safe. */
#define PUSH_HURRY_MS 5000
void push_hurry(void);

/* Calls push_hurry at that time, on the clock of trace_now_monotonic_ms(); WAIT_FOREVER: never.  Before push_create. */
void push_plan_end(uint64_t end_ms);

#endif
