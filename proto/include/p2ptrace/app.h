/* SPDX-License-Identifier: MIT
 *
 * The description of an application protocol: what its commands are called, and how the 42 data bytes of its app_command
 * events are laid out.  A node registers it once (p2ptrace/trace.h); it then lies in the ring's header, so that traced and
 * the inspector name and decode the events of any application without knowing it, also when the node is dead.
 *
 * Fixed sizes, no pointers: the struct is its own shared-memory form.  Text is NUL-padded and may fill its array. */
#ifndef P2PTRACE_APP_H
#define P2PTRACE_APP_H

#include <p2ptrace/event.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRACE_APP_NAME_BYTES 24
#define TRACE_APP_COMMANDS_MAX 32
#define TRACE_APP_FIELDS_MAX 16

/* How the bytes of a field are shown.  Numbers are in the machine's byte order. */
enum trace_app_type {
    TRACE_APP_UNSIGNED = 1, /* 1, 2, 4 or 8 bytes */
    TRACE_APP_BYTES = 2,    /* shown as hex */
    TRACE_APP_HASH = 3,     /* shown as hex, shortened like an id */
    TRACE_APP_TEXT = 4,     /* NUL-padded UTF-8 */
};

struct trace_app_command_name {
    uint16_t cmd;
    char name[TRACE_APP_NAME_BYTES - 2];
};

struct trace_app_field {
    char name[TRACE_APP_NAME_BYTES - 4];
    uint8_t type;   /* enum trace_app_type */
    uint8_t offset; /* in the data bytes */
    uint8_t bytes;
    uint8_t reserved; /* zero */
};

struct trace_app {
    char app_id[4];
    char name[TRACE_APP_NAME_BYTES];
    uint16_t command_count;
    uint16_t field_count;
    struct trace_app_command_name commands[TRACE_APP_COMMANDS_MAX];
    struct trace_app_field fields[TRACE_APP_FIELDS_MAX];
};

TRACE_STATIC_ASSERT_(sizeof(struct trace_app) == 32 + 24 * 32 + 24 * 16, "an app description has no holes");

#ifdef __cplusplus
}
#endif

#endif
