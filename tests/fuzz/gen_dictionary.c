/* SPDX-License-Identifier: MIT
 *
 * Writes a dictionary for libFuzzer: the words of the event table, of the filter language and of requests.
 *
 *     gen_dictionary > FILE */
#include <proto/event_table.h>
#include <stdio.h>

static void put(const char *word) { printf("\"%s\"\n", word); }

static void put_member(const char *word) { printf("\"\\\"%s\\\":\"\n", word); }

static void put_all(const char *(*name)(unsigned)) {
    for (unsigned i = 0; i < 256; i++)
        if (name(i)) put(name(i));
}

int main(void) {
    static const char *const members[] = {
        "jsonrpc",     "method",    "params", "id",      "result",  "error",    "code",    "message",  "data",
        "events",      "gaps",      "nodes",  "apps",    "node_id", "trace_id", "peer_id", "sequence", "timestamp",
        "lane",        "flags",     "kind",   "kind_id", "log",     "app",      "command", "commands", "fields",
        "lane_events", "name",      "filter", "limit",   "order",   "from",     "to",      "cursor",   "group_by",
        "value",       "histogram", "total",  "explain", "missed",  "evicted",  "trigger", "end"};
    static const char *const words[] = {"2.0",
                                        "hello",
                                        "stats",
                                        "query",
                                        "count",
                                        "traces",
                                        "peers",
                                        "requests",
                                        "asc",
                                        "desc",
                                        "slowest",
                                        "newest",
                                        "time.1s",
                                        "and",
                                        "or",
                                        "not",
                                        "any",
                                        "==",
                                        "!=",
                                        "<=",
                                        ">=",
                                        "~",
                                        "*",
                                        "took",
                                        "node",
                                        "peer",
                                        "app",
                                        "ok",
                                        "true",
                                        "false",
                                        "null",
                                        "between",
                                        "like",
                                        "glob",
                                        "is",
                                        "in",
                                        "exists",
                                        "select",
                                        "-5s",
                                        "1h",
                                        "0x",
                                        "192.0.2.1:443",
                                        "[2001:db8::1]:443",
                                        "18446744073709551615",
                                        "9223372036854775808",
                                        "\\\\u0000",
                                        "\\xef\\xbf\\xbd",
                                        "0000000000000000",
                                        "00-",
                                        "-01"};
    unsigned kind_count;
    const struct trace_kind_info *kinds = trace_kind_table(&kind_count);
    for (unsigned i = 0; i < kind_count; i++) {
        put(kinds[i].name);
        for (unsigned f = 0; f < kinds[i].field_count; f++) {
            put(kinds[i].fields[f].name);
            put_member(kinds[i].fields[f].name);
        }
    }
    put_all(trace_flag_name);
    put_all(trace_space_name);
    put_all(trace_loss_name);
    put_all(trace_transport_name);
    for (unsigned i = 0; i < sizeof members / sizeof *members; i++) put_member(members[i]);
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) put(words[i]);
    return 0;
}
