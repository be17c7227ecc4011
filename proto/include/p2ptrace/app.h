/* SPDX-License-Identifier: MIT
 *
 * The description of an application protocol: what its commands are called, and how the 42 data bytes of its app_command
 * events are laid out.  A node registers it once (p2ptrace/trace.h); it then lies in the ring's header, so that traced and
 * the inspector name and decode the events of any application without knowing it, also when the node is dead.
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
 * What a description must be, or its registration is refused:
 *   - there are at most 256 commands and 16 fields;
 *   - the app_id is 4 printable ASCII characters, none of them a space;
 *   - the application, each command and each field has a name; no two commands have the same number or name, and no two
 *     fields the same name;
 *   - each field lies within the data bytes, has a type of this version and at least one byte; TRACE_APP_UNSIGNED has 1, 2, 4
 *     or 8.  Fields may overlap: that is a union, the same bytes shown in two ways.
 *
 * What the others show:
 *   - a command that no description names: by its number.  That is never an error;
 *   - an application that was not registered: its four characters, the command's number, the data bytes as hex;
 *   - a field that the event's data bytes do not reach: not at all;
 *   - a name that is no UTF-8: with U+FFFD where it is not.  Control characters are escaped in JSON, and the inspector does
 *     not let them through to a terminal;
 *   - a field of a type that they do not know, from a node that is newer: as hex.
 *
 * Descriptions belong to their node: two nodes may describe the same app_id differently, and the events of each are shown by
 * its own. */
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
    uint16_t command_count; /* 0: those up to the first that has no name; so it is for fields */
    uint16_t field_count;
    /* One more than may be used: a list that is too long has it set, and is refused.  Without it C would cut the list, with a
     * warning, and nobody could see that. */
    struct trace_app_command_name commands[TRACE_APP_COMMANDS_MAX + 1];
    struct trace_app_field fields[TRACE_APP_FIELDS_MAX + 1];
};

TRACE_STATIC_ASSERT_(sizeof(struct trace_app) == 32 + 24 * 257 + 24 * 17, "an app description has no holes");

/* The initialiser of a field that is a member of the struct that lies in the data bytes: its name, offset and size are the
 * member's. Does not compile when the member reaches beyond the data bytes, when its name is too long, or when a
 * TRACE_APP_UNSIGNED has another size than a number. */
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
