/* SPDX-License-Identifier: MIT
 *
 * The connection to traced, as blocking calls.  Its libuv loop runs only during a call, and reads only then: a slow reader of our
 * output slows down the socket instead of filling our memory.  Use from one thread. */
#ifndef INSPECTOR_CLIENT_H
#define INSPECTOR_CLIENT_H

#include "failure.h"
#include "strbuf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct client;

/* Connects to a traced of this user or of root; at a path other than the default ones, also to one that serves a group that this
 * user is in; root connects to anyone's.  While no traced is there, retries for wait_ms (0: tries once; WAIT_FOREVER).  Returns
 * 0 or -1. */
int client_open(struct client **ret_client, const char *path, uint64_t wait_ms, struct failure *failure);
void client_close(struct client *client);

/* Asks and waits for the answer.  Steals params_new, which may be NULL; the caller owns *ret_result.  Returns 0 or -1. */
int client_call(struct client *client, const char *method, json_t *params_new, json_t **ret_result, struct failure *failure);

/* The same, but appends a long array of the result to *text unparsed, and leaves an empty array in the result.  A member that is
 * not an array stays. */
int client_call_apart(struct client *client, const char *method, json_t *params_new, const char *array, struct strbuf *text,
                      json_t **ret_result, struct failure *failure);

/* Sets how long client_call waits for an answer, and sending for room in the socket; CALL_TIMEOUT_MS by default. */
void client_limit_calls(struct client *client, uint64_t timeout_ms);

/* From now on calls fail if they have no answer at end_ms (client_now_ms; WAIT_FOREVER), or CALL_GRACE_MS after they began if
 * that is later: a traced that is stopped does not keep a program beyond its end. */
void client_end_calls(struct client *client, uint64_t end_ms);

/* From now on `note` gets a line for the user when a call has waited for CALL_NOTE_MS, once a connection: if traced is stopped,
 * or, with `slow`, in any case.  NULL: calls wait in silence. */
void client_note_waits(struct client *client, void (*note)(const char *text), bool slow);

/* The server's process if it is stopped (process_state.h), or 0. */
pid_t client_stopped_server(const struct client *client);

/* Ends the connection, so that a call in progress fails at once.  Async-signal-safe. */
void client_interrupt(const struct client *client);

/* Waits for the next notification until deadline_ms (client_now_ms; WAIT_FOREVER).  Returns 1 with its params, which the caller
 * owns; 0 after the deadline, even if more are there, or when the output is gone (client_watch_output); -1 on failure.
 * Notifications that arrived before the answer to a call are returned even after the deadline. */
int client_next(struct client *client, const char *method, uint64_t deadline_ms, json_t **ret_params, struct failure *failure);

/* Watches the pipe that we write to, so that client_next does not wait for events that nobody will read. */
void client_watch_output(struct client *client, int fd);
bool client_output_gone(const struct client *client);

/* ---- for a command that also reads the keyboard; do not mix with the two above ---- */

/* Makes client_wait return when fd is readable.  At most INPUTS_MAX descriptors. */
int client_watch_input(struct client *client, int fd, struct failure *failure);

/* Asks without waiting; client_wait returns the answer with the number *ret_id.  Returns 0 or -1. */
int client_send(struct client *client, const char *method, json_t *params_new, int64_t *ret_id, struct failure *failure);

enum client_event {
    CLIENT_LOST = -1, /* the connection is lost, with the failure; until client_reconnect no more answers come */
    CLIENT_TIME,      /* deadline_ms passed */
    CLIENT_INPUT,     /* a watched descriptor is readable */
    CLIENT_ANSWER,    /* the result of request *ret_id, owned by the caller; NULL with the failure if it was refused */
};

/* Waits for whichever comes first.  Skips notifications. */
enum client_event client_wait(struct client *client, uint64_t deadline_ms, int64_t *ret_id, json_t **ret_result,
                              struct failure *failure);

/* Connects again, like client_open; forgets earlier requests.  Returns 0 or -1. */
int client_reconnect(struct client *client, uint64_t wait_ms, struct failure *failure);

/* The clock of deadlines, in milliseconds; the same for every client. */
uint64_t client_now_ms(struct client *client);

/* Sleeps for ms. */
void client_pause(struct client *client, uint64_t ms);

#endif
