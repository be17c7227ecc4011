/* SPDX-License-Identifier: MIT
 *
 * Resolves ids as people write them: in full, by an unambiguous prefix, and nodes also by name.  Returns what it found;
 * id_param.h turns that into RPC errors.  Any registered RCU thread.  Searches the history: not for traced's loop. */
#ifndef STORE_ID_LOOKUP_H
#define STORE_ID_LOOKUP_H

#include <store/limits.h>
#include <store/nodes_past.h>
#include <store/store.h>

enum id_lookup_outcome {
    ID_LOOKUP_FOUND,     /* it means the first of the ids */
    ID_LOOKUP_NOT_FOUND, /* no id has the prefix */
    ID_LOOKUP_AMBIGUOUS, /* several match */
    ID_LOOKUP_NOT_HEX,   /* not hex digits; for a node or peer, not a node's name either */
};

struct id_lookup {
    enum id_lookup_outcome outcome;
    size_t count; /* ids that match; the first STORE_CANDIDATES_MAX of them follow */
    union {
        struct trace_id trace_ids[STORE_CANDIDATES_MAX];
        struct trace_node_id node_ids[STORE_CANDIDATES_MAX];
    };
};

/* Each finds the one id that `text` means.  unknown_ok: a full id is found even if the store does not know it.  A peer is a
 * node that may have no log here. */
void id_lookup_trace(const struct store *store, const char *text, bool unknown_ok, struct id_lookup *ret_lookup);
void id_lookup_peer(const struct store *store, const char *text, bool unknown_ok, struct id_lookup *ret_lookup);
void id_lookup_node(const struct store *store, const char *text, bool unknown_ok, struct id_lookup *ret_lookup);

/* Is this a name that nodes with different ids have had?  As a condition on events it means all of them (id_lookup_logs_of_name);
 * false for a text that is a whole id or an address. */
bool id_lookup_is_shared_name(const struct store *store, const char *text);

/* The node table indices of the logs of this node: a bit set of NODES_MAX bits. */
void id_lookup_logs(const struct store *store, const struct trace_node_id *id, uint64_t set[NODES_SET_WORDS]);
/* Those of the logs of nodes with this name.  Returns whether there are any. */
bool id_lookup_logs_of_name(const struct store *store, const char *name, uint64_t set[NODES_SET_WORDS]);

/* Names of nodes by id, for answers that show many: sorted once, then searched. */
struct id_lookup_names {
    struct id_lookup_name {
        struct trace_node_id id;
        uint32_t index;
        uint64_t last_ns; /* of its newest event; 0: none */
        char name[TRACE_NODE_NAME_BYTES + 1];
    } * names;
    size_t count;
};
/* past: what the nodes were then; NULL: now.  Returns 0 or -ENOMEM. */
int id_lookup_names_init(struct id_lookup_names *names, const struct store *store, const struct nodes_past *past);
void id_lookup_names_fini(struct id_lookup_names *names);
/* The name of the node's newest log, or NULL. */
const char *id_lookup_names_find(const struct id_lookup_names *names, const struct trace_node_id *id);
/* When any of its logs had its newest event; 0: none has. */
uint64_t id_lookup_names_last(const struct id_lookup_names *names, const struct trace_node_id *id);

#endif
