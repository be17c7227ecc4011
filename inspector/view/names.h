/* SPDX-License-Identifier: MIT
 *
 * What ids are called: the node's name if known, or else as many digits as distinguish the ids of this answer. */
#ifndef INSPECTOR_NAMES_H
#define INSPECTOR_NAMES_H

#include "strbuf.h"

#include <jansson.h>
#include <stdbool.h>

/* A set of ids, and how many digits distinguish them. */
struct id_set {
    char **ids; /* sorted */
    size_t count;
    size_t capacity;
    unsigned digits;
};

struct names {
    struct id_set nodes;  /* node and peer ids seen */
    struct id_set traces; /* trace ids seen */
    json_t *by_id;        /* node id: name */
    json_t *by_name;      /* name: the node id that has it, or null when several have */
    json_t *by_log;       /* node id and log, of ids that several live logs share: name */
    json_t *shared;       /* node id that several live logs share: all their names */
    json_t *ranks;        /* node id: its number, in the order they were learned */
    json_t *hosts;        /* node id: the machine that it runs on */
    json_t *machines;     /* host: true, of all nodes */
    json_t *answer;       /* the newest answer to `nodes`: all logs, and steps of clocks; NULL: none came */
    unsigned columns;     /* of the widest name known, ID_DIGITS_MIN at least */
};

int names_init(struct names *names); /* 0 or -ENOMEM */
void names_fini(struct names *names);

/* Learns the names in an answer to `nodes`. */
void names_learn(struct names *names, const json_t *nodes_answer);

/* Adds every id in a value, so that ids are shortened without ambiguity.  Walks objects and arrays. */
void names_see(struct names *names, const json_t *value);

/* 1 when a node's name is known. */
int names_knows(const struct names *names, const char *node_id);

/* A number that stays with a node, for instance for its colour; 0 for one without a name. */
unsigned names_rank(const struct names *names, const char *node_id);

/* Appends the name of a node or peer, escaped; "bob/3fa2b1c0" when several nodes are called bob; or else its shortened id.  "-"
 * for NULL. */
void names_node(struct strbuf *out, const struct names *names, const char *node_id);

/* Appends the name of an event's node.  If live logs share its id, this is the name of its own log, if the event says which. */
void names_event_node(struct strbuf *out, const struct names *names, const json_t *event);

/* The machine that a node runs on, or NULL. */
const char *names_host(const struct names *names, const char *node_id);

/* Do nodes run on several machines? */
bool names_hosts_differ(const struct names *names);

/* Is this the id of a peer of which only an address is known?  node_id: NODE_DIGITS hex digits. */
int names_is_address(const char *node_id);

/* Appends a shortened id, or the address if it is the id of one. */
void names_short_node(struct strbuf *out, const struct names *names, const char *node_id);
void names_short_trace(struct strbuf *out, const struct names *names, const char *trace_id);

#endif
