/* SPDX-License-Identifier: MIT
 *
 * Bodies to an OTLP/HTTP receiver, one after the other, from a thread of their own.
 *
 *     push_create(&push, &(struct push_wish){.url = "http://localhost:4318"}, &failure)
 *     push_send(push, body, bytes)            waits while PUSH_QUEUE bodies wait
 *     push_finish(push, &result)              waits until all have arrived, or one never will
 *     push_destroy(push)
 *
 * Bodies are compressed with gzip, unless the receiver refuses that.  A receiver that is busy, or away, is tried again: after
 * as long as its Retry-After says, else after half a second, one, two, up to 16; for PUSH_PATIENCE_MS, then the push has
 * failed.  A patient one goes on until it is told to end (push_hurry). */
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
    uint64_t bodies;   /* that arrived */
    uint64_t retries;  /* attempts that were made again */
    uint64_t rejected; /* spans that the receiver did not take, though it took their body */
    char message[256]; /* its last word on that, printable ASCII; "" for none */
};

struct push_wish {
    const char *url; /* of the receiver; without a path /v1/traces is added */
    bool patient;
    void (*note)(const char *line); /* what a patient one meets, and does not fail of; from its thread.  NULL: nobody wants it */
};

/* Returns 0, or -1 with the failure. */
int push_create(struct push **ret_push, const struct push_wish *wish, struct failure *failure);

/* Hands a body over: allocated with malloc, and freed by the push in any case.  Returns 0; or -1 when the push has failed:
 * push_finish says why. */
int push_send(struct push *push, char *body, size_t bytes);

/* No more bodies.  Returns 0, or -1 with the failure.  *ret_result is filled in either way. */
int push_finish(struct push *push, struct push_result *ret_result, struct failure *failure);

/* Gives up what has not arrived.  NULL is allowed. */
void push_destroy(struct push *push);

/* Makes a waiting push fail.  Signal-safe. */
void push_interrupt(void);

/* From now on a push is given up that has not arrived within PUSH_HURRY_MS, patient or not.  Signal-safe. */
#define PUSH_HURRY_MS 5000
void push_hurry(void);

#endif
