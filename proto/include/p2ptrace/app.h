/* SPDX-License-Identifier: MIT
 *
 * The description of an application protocol: the names of its commands, and the layout of the 42 data bytes of its app_command
 * events.  A node registers it once (p2ptrace/trace.h).  From then on it is in the ring, so that traced and the inspector
 * can name and decode the events of applications they know nothing about, even after the node has died.
 *
 * Fixed sizes, no pointers: the struct is its own shared-memory form.  Text is NUL-padded and may fill its array.
 *
 *     struct dmap_data {                          // what the data bytes are
 *         uint8_t hash[32];
 *         uint32_t size;
 *     };
 *     static const struct trace_app dmap = {
 *         .app_id = {'D', 'M', 'A', 'P'},
 *         .name = "DataMap",
 *         .commands = {{1, "STORE_CHUNK"}, {2, "GET_CHUNK"}},
 *         .fields = {TRACE_APP_FIELD(TRACE_APP_HASH, struct dmap_data, hash),
 *                    TRACE_APP_FIELD(TRACE_APP_UNSIGNED, struct dmap_data, size)},
 *     };
 *
 * Rules for a description.  One that breaks them is not registered.
 *   - At most 256 commands and 16 fields.
 *   - The app_id is 4 printable ASCII characters other than space.
 *   - The application, each command and each field has a name.  No two commands have the same number or name, and no two
 *     fields have the same name.
 *   - Each field lies within the data bytes, has a type of this version and at least one byte; a TRACE_APP_UNSIGNED has 1, 2, 4
 *     or 8.  Fields may overlap, which makes a union: the same bytes are shown in two ways.
 *
 * How traced and the inspector show
 *   - a command that the description does not name: by its number.  This is never an error;
 *   - an application that was not registered: by its four characters, the command's number, and the data bytes as hex;
 *   - a field that lies beyond the event's data bytes: not at all;
 *   - a name that is not valid UTF-8: with U+FFFD for the invalid bytes.  JSON escapes control characters, and the inspector
 *     never writes them to a terminal;
 *   - a field whose type they do not know, because the node is newer: as hex.
 *
 * A description belongs to its node.  Two nodes may describe the same app_id differently; each node's events are shown by its
 * own description. */
#ifndef P2PTRACE_APP_H
#define P2PTRACE_APP_H

#include <p2ptrace/event.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRACE_APP_NAME_BYTES 24
#define TRACE_APP_COMMANDS_MAX 256
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
    uint16_t command_count; /* 0: count the entries up to the first without a name */
    uint16_t field_count;   /* likewise */
    /* One entry more than may be used, to detect a list that is too long.  Without it the compiler would cut the list with no
     * more than a warning, and registration could not notice. */
    struct trace_app_command_name commands[TRACE_APP_COMMANDS_MAX + 1];
    struct trace_app_field fields[TRACE_APP_FIELDS_MAX + 1];
};

TRACE_STATIC_ASSERT_(sizeof(struct trace_app) == 32 + 24 * 257 + 24 * 17, "an app description has no holes");

/* Initialises a field from a member of the struct that the data bytes hold: name, offset and size are the member's.  Does not
 * compile if the member extends beyond the data bytes, if its name is too long, or if a TRACE_APP_UNSIGNED does not have the
 * size of a number. */
#define TRACE_APP_FIELD(type, object, member)                                                                  \
    {                                                                                                          \
#member, type, (uint8_t)(offsetof(object, member) + 0 * TRACE_APP_FIELD_CHECK_(type, object, member)), \
            (uint8_t)sizeof(((object *)0)->member), 0                                                          \
    }
#define TRACE_APP_FIELD_CHECK_(type, object, member)                                                         \
    sizeof(char[offsetof(object, member) + sizeof(((object *)0)->member) <= TRACE_APP_DATA_BYTES &&          \
                        sizeof(#member) <= sizeof(((struct trace_app_field *)0)->name) &&                    \
                        ((type) != TRACE_APP_UNSIGNED || TRACE_APP_IS_WIDTH_(sizeof(((object *)0)->member))) \
                    ? 1                                                                                      \
                    : -1])
#define TRACE_APP_IS_WIDTH_(bytes) ((bytes) == 1 || (bytes) == 2 || (bytes) == 4 || (bytes) == 8)

#ifdef __cplusplus
}
#endif

#endif
