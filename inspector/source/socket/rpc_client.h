/* SPDX-License-Identifier: MIT
 *
 * The connection to traced, as calls that wait.  Inside is a libuv loop that runs only while something is waited for: what is not
 * waited for is not read, so that a slow reader of ours slows the socket and not our memory.  One thread. */
#ifndef INSPECTOR_CLIENT_H
#define INSPECTOR_CLIENT_H

#include "failure.h"
#include "strbuf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct client;

/* Connects to a traced of this user or of root, or at a path that is none of the default ones, to one that serves a group that
 * this user is in (root: anyone's).  While nobody is there it tries again for wait_ms (0: once; WAIT_FOREVER).  Returns 0 or
 * -1. */
int client_open(struct client **ret_client, const char *path, uint64_t wait_ms, struct failure *failure);
void client_close(struct client *client);

/* Asks, and waits for the answer.  params_new is stolen and may be NULL.  *ret_result is the caller's.  Returns 0 or -1. */
int client_call(struct client *client, const char *method, json_t *params_new, json_t **ret_result, struct failure *failure);

/* The same, but for an array in the result with very many elements: its text is appended to *text as it came, and the result
 * has an empty one in its place.  What is no array there stays. */
int client_call_apart(struct client *client, const char *method, json_t *params_new, const char *array, struct strbuf *text,
                      json_t **ret_result, struct failure *failure);

/* From now on client_call waits for an answer so long, and not CALL_TIMEOUT_MS. */
void client_limit_calls(struct client *client, uint64_t timeout_ms);

/* Ends the connection, so that whoever waits for an answer is told at once that it was lost.  Signal-safe; calls nothing back. */
void client_interrupt(const struct client *client);

/* Waits for the next notification until deadline_ms (client_now_ms; WAIT_FOREVER).  Returns 1 with its params (the caller's) in
 * *ret_params; 0 when the time is over, also while more come, or the output is gone (client_watch_output); -1 on failure. */
int client_next(struct client *client, const char *method, uint64_t deadline_ms, json_t **ret_params, struct failure *failure);

/* Looks out for the end of a pipe that we write to, so that client_next does not wait for events that nobody wants. */
void client_watch_output(struct client *client, int fd);
bool client_output_gone(const struct client *client);

/* ---- for a program that has also a keyboard to look after: not mixed with the two above ---- */

/* Looks out for input on a descriptor too: client_wait ends when there is some.  At most INPUTS_MAX. */
int client_watch_input(struct client *client, int fd, struct failure *failure);

/* Asks, and does not wait: the answer comes out of client_wait, with *ret_id as its number.  Returns 0 or -1. */
int client_send(struct client *client, const char *method, json_t *params_new, int64_t *ret_id, struct failure *failure);

enum client_event {
    CLIENT_LOST = -1, /* the connection; failure says why.  Until client_reconnect there are no more answers, but all else */
    CLIENT_TIME,      /* deadline_ms has come */
    CLIENT_INPUT,     /* a watched descriptor can be read */
    CLIENT_ANSWER,    /* the result, the caller's, of request *ret_id; NULL when it was refused, and failure says why */
};

/* Waits for whichever comes first.  Notifications are passed over. */
enum client_event client_wait(struct client *client, uint64_t deadline_ms, int64_t *ret_id, json_t **ret_result,
                              struct failure *failure);

/* Connects again, as client_open does; what was asked before is forgotten.  Returns 0 or -1. */
int client_reconnect(struct client *client, uint64_t wait_ms, struct failure *failure);

/* A clock for deadlines, in milliseconds: the system's, the same for every client. */
uint64_t client_now_ms(struct client *client);

/* Waits so long, whatever comes. */
void client_pause(struct client *client, uint64_t ms);

#endif
