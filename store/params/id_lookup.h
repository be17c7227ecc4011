/* SPDX-License-Identifier: MIT
 *
 * Ids as clients write them: whole, by an unambiguous prefix, and of nodes also by name.  Any thread that RCU knows; not the
 * loop's, for the history is searched. */
#ifndef TRACED_IDS_H
#define TRACED_IDS_H

#include "service.h"
#include <jansson.h>
#include <proto/rpc.h>

/* Each finds the one id that `text` means.  unknown_ok: a whole id need not be known.  Returns 0; or -EINVAL with ret_error:
 * TRACE_RPC_INVALID_PARAMS for what is not hex (traces), TRACE_RPC_NOT_FOUND, or TRACE_RPC_AMBIGUOUS with data.candidates.
 * `param` is the name in the message. */
int ids_find_trace(const struct service *service, const char *param, const char *text, bool unknown_ok, struct trace_id *ret_id,
                   struct trace_rpc_error *ret_error);
int ids_find_peer(const struct service *service, const char *param, const char *text, bool unknown_ok,
                  struct trace_node_id *ret_id, struct trace_rpc_error *ret_error);
int ids_find_node(const struct service *service, const char *param, const char *text, bool unknown_ok,
                  struct trace_node_id *ret_id, struct trace_rpc_error *ret_error);

/* False for the zero id that an object has which was rejected before its header could be believed. */
bool ids_is_known(const struct trace_node_id *id);

/* The node table's indices that are logs of this node: a bit set of NODES_MAX bits. */
#define IDS_NODE_SET_WORDS (NODES_MAX / 64)
void ids_node_set(const struct service *service, const struct trace_node_id *id, uint64_t set[IDS_NODE_SET_WORDS]);
/* Those that are logs of nodes with this name.  Returns whether there are any. */
bool ids_node_set_of_name(const struct service *service, const char *name, uint64_t set[IDS_NODE_SET_WORDS]);

/* Names of nodes by id, for answers that show many: sorted once, then searched. */
struct ids_names {
    struct ids_name {
        struct trace_node_id id;
        uint32_t index;
        char name[TRACE_NODE_NAME_BYTES + 1];
    } * names;
    size_t count;
};
int ids_names_init(struct ids_names *names, const struct service *service);
void ids_names_fini(struct ids_names *names);
/* The name of the node's newest log, or NULL. */
const char *ids_names_find(const struct ids_names *names, const struct trace_node_id *id);

#endif
