/* SPDX-License-Identifier: MIT
 *
 * A filter's text (proto/filter.h, docs/filter.md) compiled against what a store knows: its nodes' names and applications. */
#ifndef STORE_EXPRESSION_H
#define STORE_EXPRESSION_H

#include <proto/field.h>
#include <proto/filter.h>
#include <proto/rpc.h>
#include <store/store.h>

struct expression {
    const struct store *store;
    struct trace_filter *filter;
    struct alias_picture *aliases; /* or NULL: who is who, for expression_match */
    uint64_t now_ns;               /* what relative times count back from */
    uint64_t generation;           /* of the node table and of the aliases when it was compiled */
    bool complete;
    uint64_t *work; /* or NULL: where expression_match adds what it took */
    char text[];    /* NUL-terminated */
};

/* Compiles text.  complete: a node, application, command or field that is not known is an error, else it may still come.
 * Returns 0; -EINVAL with ret_error: TRACE_RPC_INVALID_PARAMS with data.param, data.position and data.length (in bytes of the
 * text), data.reason and, if there is one, data.suggestion.  Allocates; any thread that RCU knows. */
int expression_create(struct expression **ret_expression, const struct store *store, const char *param, const char *text,
                      enum trace_filter_mode mode, bool complete, uint64_t now_ns, struct trace_rpc_error *ret_error);
void expression_destroy(struct expression *expression);

/* Finds a field (proto/field.h) among what is known.  Returns as expression_create; end with trace_field_destroy. */
int expression_find_field(const struct store *store, const char *param, const char *text, struct trace_field **ret_field,
                          struct trace_rpc_error *ret_error);

/* About what compiling it again takes, in units of struct history_work, when it uses names and nodes have come since; else 0. */
uint64_t expression_renewal_work(const struct expression *expression);

/* Compiles it again, and changes nothing.  NULL: memory is short, or the names fit too many nodes.  *ret_generation: of the node
 * table before that.  Any thread. */
struct trace_filter *expression_compile_again(const struct expression *expression, uint64_t *ret_generation);

/* Has it mean from now on what was compiled again; NULL: what it meant before, until another node comes.  Not while another
 * thread asks it. */
void expression_take(struct expression *expression, struct trace_filter *filter_new, uint64_t generation);

/* What trace_filter_match, trace_filter_tally_add and trace_field_read have to know of an event besides.  aliases: may be NULL.
 * uses: TRACE_FILTER_USES_ bits, the rest is left out.  Inside rcu_read_lock(), and valid there. */
void expression_origin(const struct store *store, const struct alias_picture *aliases, unsigned uses,
                       const struct trace_event *event, history_source source, struct trace_filter_origin *ret_origin);

/* Knows from now on who is who as the store does now.  What the names in it mean stays until it is compiled again. */
void expression_renew_aliases(struct expression *expression);

/* What the names in it mean (trace_filter_names_hash), for one that is made anew from the same text to be held against; 0 for
 * NULL. */
uint64_t expression_names(const struct expression *expression);

/* Does an event match?  Of an expression for events; as history_query.test.  Inside rcu_read_lock(). */
bool expression_match(const void *expression, const struct trace_event *event, history_source source);

/* Narrows a query to what the expression can let through: kinds, times, the one trace or peer of the history that it can be;
 * and takes the nodes that it cannot be from `set`.  Returns whether it says anything about nodes.  Searches the history. */
bool expression_narrow(const struct expression *expression, struct history_query *query, uint64_t set[NODES_SET_WORDS]);

#endif
