/* SPDX-License-Identifier: MIT
 *
 * Finds what ids mean that people write: whole, by an unambiguous prefix, and nodes also by name.  Says what it found;
 * id_param.h makes errors of it for those who speak RPC.  Any thread that RCU knows.  Searches the history: not for traced's
 * loop. */
#ifndef STORE_ID_LOOKUP_H
#define STORE_ID_LOOKUP_H

#include <store/limits.h>
#include <store/store.h>

enum id_lookup_outcome {
    ID_LOOKUP_FOUND,     /* the first of the ids is meant */
    ID_LOOKUP_NOT_FOUND, /* no id begins so */
    ID_LOOKUP_AMBIGUOUS, /* several fit */
    ID_LOOKUP_NOT_HEX,   /* it is no prefix of an id; and of a node or peer, no node's name either */
};

struct id_lookup {
    enum id_lookup_outcome outcome;
    size_t count; /* ids that fit; the first STORE_CANDIDATES_MAX of them follow */
    union {
        struct trace_id trace_ids[STORE_CANDIDATES_MAX];
        struct trace_node_id node_ids[STORE_CANDIDATES_MAX];
    };
};

/* Each finds the one id that `text` means.  unknown_ok: a whole id is found even when the store does not know it.  A peer is a
 * node that may have no log here. */
void id_lookup_trace(const struct store *store, const char *text, bool unknown_ok, struct id_lookup *ret_lookup);
void id_lookup_peer(const struct store *store, const char *text, bool unknown_ok, struct id_lookup *ret_lookup);
void id_lookup_node(const struct store *store, const char *text, bool unknown_ok, struct id_lookup *ret_lookup);

/* The node table's indices that are logs of this node: a bit set of NODES_MAX bits. */
void id_lookup_logs(const struct store *store, const struct trace_node_id *id, uint64_t set[NODES_SET_WORDS]);
/* Those that are logs of nodes with this name.  Returns whether there are any. */
bool id_lookup_logs_of_name(const struct store *store, const char *name, uint64_t set[NODES_SET_WORDS]);

/* Names of nodes by id, for answers that show many: sorted once, then searched. */
struct id_lookup_names {
    struct id_lookup_name {
        struct trace_node_id id;
        uint32_t index;
        char name[TRACE_NODE_NAME_BYTES + 1];
    } * names;
    size_t count;
};
/* Returns 0 or -ENOMEM. */
int id_lookup_names_init(struct id_lookup_names *names, const struct store *store);
void id_lookup_names_fini(struct id_lookup_names *names);
/* The name of the node's newest log, or NULL. */
const char *id_lookup_names_find(const struct id_lookup_names *names, const struct trace_node_id *id);

#endif
