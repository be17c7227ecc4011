/* SPDX-License-Identifier: MIT
 *
 * The commands of the inspector.  Help, the manual pages and the shells' completion are made from this table and that of the
 * options (options.def): what a user has to know is said here, once.  commands.h tells the fields. */
#include "command.h"

// clang-format off
#define EVENT_FILTERS (OPTION_BIT(KIND) | OPTION_BIT(NODE) | OPTION_BIT(PEER) | OPTION_BIT(TRACE) | OPTION_BIT(WHERE))
#define TIMES (OPTION_BIT(FROM) | OPTION_BIT(TO))

const struct command command_table[] = {
    {
        .name = "nodes",
        .run = run_nodes,
        .summary = "the nodes that traced knows, and what was lost of them",
        .description = "emitted = indexed + lost for a node that has been read to its end.",
        .examples = {{"inspector nodes", "what is traced here, and was anything lost?"}},
    },
    {
        .name = "peers",
        .options = OPTION_BIT(NODE),
        .run = run_peers,
        .summary = "the peers: rtt, loss, bytes",
        .description = "What all nodes say about each peer, or --node alone.",
        .examples = {{"inspector peers --node alice", "the peers as alice sees them"},
                     {"inspector peers --json | jq -r '[.name, .loss] | @tsv'", "the loss of each peer"}},
    },
    {
        .name = "traces",
        .options = OPTION_BIT(LIMIT) | OPTION_BIT(APP) | OPTION_BIT(KIND) | OPTION_BIT(WHERE) | OPTION_BIT(ORDER) | TIMES,
        .run = run_traces,
        .summary = "traces and how they ended, the newest first",
        .description = "took is the request's own time, from its first start to that span's end; duration ends with the last event, which may be a late "
                       "acknowledgement. --order slowest goes by took.\n"
                       "Only requests, unless --kind connection asks for the traces of connections.\n"
                       "Outcomes: ok, failed, open (a part has not ended), none (no request of an application).\n"
                       "20 traces unless --limit says otherwise.\n"
                       "--where asks about whole traces here: took, duration, age (since the first event), events, nodes, peers, packets_lost, outcome, "
                       "unfinished (open), truncated, app, command, first, last (nodes and peers are counted up to 64); and about their events with any (...), all (...) and "
                       "count(...) > 3, inside of which every filter of events may stand.",
        .examples = {{"inspector traces --limit 5", "the newest five"},
                     {"inspector traces --app DMAP --from -1m", "the requests of one application in the last minute"},
                     {"inspector traces --where 'any packet_lost and took > 50ms and nodes >= 3'", "slow ones that lost packets on their way"},
                     {"inspector traces --where 'unfinished and age > 5s' --order oldest", "what hangs, the longest first"},
                     {"inspector traces --where 'app == DMAP' --order slowest", "the slowest requests of an application"}},
    },
    {
        .name = "trace",
        .args = "ID", .args_min = 1, .args_max = 1,
        .completes = VALUE_TRACE,
        .options = OPTION_BIT(ALL) | OPTION_BIT(GRAPH) | OPTION_BIT(LIMIT) | OPTION_BIT(WHERE) | OPTION_BIT(EXPLAIN),
        .run = run_trace,
        .summary = "one request across its nodes, in time order",
        .description = "ID is the beginning of a trace id. A line tells the time since the trace began, the gap since the event before it, "
                       "the node, its peer (-> to it, <- from it) and the event, indented by hop: > a part of the request begins, < it ends.\n"
                       "Long gaps are marked *; !! marks events that were lost before traced could read them.\n"
                       "With --graph there is a column for each node, as many as fit the terminal: an arrow leaves where a packet was sent and "
                       "arrives where it was received; double arrows are requests and answers. What is lost, repeated, or received before it "
                       "was sent, is told beside it; so is an end whose other end is not known, or could be one of several.\n"
                       "With --graph --json, a line for each message: {\"message\":\"packet\", \"state\", \"from\", \"to\", \"gap\" (ns, below 0 when "
                       "received before sent), \"disorder\", \"repeats\", \"send\", \"receive\", \"lost\"}; the last three are events or null. state is "
                       "matched, duplicate, ambiguous, lost, unreceived or unsent.",
        .examples = {{"inspector trace 5a356ada", "where did the time of this request go?"},
                     {"inspector trace 5a356ada --graph | less -S", "which packet did it wait for? All columns, however many"},
                     {"inspector trace 5a356ada --graph --json | jq -c 'select(.gap > 1e6) | [.from[:8], .to[:8], .gap]'",
                      "messages that took more than a millisecond"}},
    },
    {
        .name = "peer",
        .args = "PEER", .args_min = 1, .args_max = 1,
        .completes = VALUE_PEER,
        .options = OPTION_BIT(LIMIT) | OPTION_BIT(KIND) | OPTION_BIT(NODE) | OPTION_BIT(WHERE) | OPTION_BIT(EXPLAIN) | TIMES,
        .run = run_peer,
        .summary = "one peer, and its latest events",
        .description = "PEER is a name or the beginning of an id. 20 events unless --limit says otherwise.",
        .examples = {{"inspector peer bob --kind packet_lost", "the latest losses towards bob"}},
    },
    {
        .name = "recent",
        .args = "[N]", .args_max = 1,
        .options = EVENT_FILTERS | OPTION_BIT(EXPLAIN) | TIMES,
        .run = run_recent,
        .summary = "the newest N events",
        .description = "N is 20 unless given. The newest comes last.",
        .examples = {{"inspector recent 100 --kind app_start,app_end", "the newest requests, start and end"},
                     {"inspector recent --where 'rtt > 100ms and not peer == bob'", "the newest slow samples, but for those of bob"}},
    },
    {
        .name = "range",
        .args = "FROM TO", .args_min = 2, .args_max = 2,
        .completes = VALUE_TIME,
        .options = EVENT_FILTERS | OPTION_BIT(LIMIT) | OPTION_BIT(EXPLAIN),
        .run = run_range,
        .summary = "the events of a time",
        .description = "FROM is included, TO is not. Times: -5s (before now; units ns us ms s m h), now, 12:00:03.5 (the last such moment), "
                       "2026-01-31 (its first moment), \"2026-01-31 12:00\", 2026-01-31T12:00:00.5: local, with --utc, Z or +01:00 not. "
                       "A whole number is Unix microseconds. Events that leave the history while they are fetched are counted: on stderr, and "
                       "with --json by a last line {\"evicted\":N}.",
        .examples = {{"inspector range -5s now", "the last five seconds"},
                     {"inspector range 12:00:03 12:00:04 --node bob", "one second of one node"}},
    },
    {
        .name = "count",
        .options = EVENT_FILTERS | TIMES | OPTION_BIT(BY) | OPTION_BIT(VALUE) | OPTION_BIT(HIST) | OPTION_BIT(LIMIT) | OPTION_BIT(EXPLAIN),
        .run = run_count,
        .summary = "how many events, by any fields, with rates and percentiles",
        .description = "Fields are those of filters: kind, node, peer, trace, lane, flags, app, command, a field of the data (size, or packet_sent.size), "
                       "or one of an application's own (DMAP.size); time/1s is the second in which an event lies, and any other duration does. "
                       "An event that has not got a field is in the group -.\n"
                       "The largest groups come first, 20 unless --limit says otherwise. A rate is of the time that --from and --to say; without "
                       "them, of that between the first and the last event that was counted.\n"
                       "Percentiles are exact below 256, and above at most 1/128 too high.",
        .examples = {{"inspector count --by peer,kind --from -10s", "what happens with whom"},
                     {"inspector count --kind metrics --by peer --value rtt", "whose round trips are slow"},
                     {"inspector count --hist rtt", "how the round trips are spread"},
                     {"inspector count --kind packet_lost --by time/1s", "losses, second by second"}},
    },
    {
        .name = "follow",
        .options = EVENT_FILTERS | OPTION_BIT(RECENT) | OPTION_BIT(FROM) | OPTION_BIT(COUNT) | OPTION_BIT(FOR),
        .run = run_follow,
        .summary = "events as they come",
        .description = "Ends with Ctrl-C, --count, --for, or when whoever reads its output goes away.\n"
                       "When traced goes away, the stream is taken up again as soon as there is one: what it finds in the rings is shown, "
                       "nothing twice, and what is missing is told. --wait=SECONDS bounds the waiting (then exit code 3); with --wait=0 the "
                       "command ends with traced (exit code 1).\n"
                       "What is missing is told in its place, by events_lost events where a ring was overwritten, and else by a line, with "
                       "--json {\"missed\":N,\"why\":W}. W is \"slow\": this inspector did not read fast enough; \"gone\": the events had left "
                       "the history; \"hidden\": rings were overwritten while traced was away, and which of these events the filter "
                       "would have let through is not known.",
        .examples = {{"inspector follow --kind packet_lost", "losses as they happen"},
                     {"inspector follow --where 'DMAP.size > 1MiB or app_end and not ok'", "big requests of one application, and failed ones"},
                     {"inspector follow --recent 100 --node bob", "what bob has just done, and what it does"},
                     {"inspector follow --for 2s --json | jq -r .kind | sort | uniq -c", "what happens in two seconds, by kind"}},
    },
    {
        .name = "top",
        .options = OPTION_BIT(INTERVAL),
        .run = run_top,
        .summary = "a live view of nodes, peers, links, kinds and traces: which link is bad?",
        .description = "Takes the terminal. Tables that are asked for anew every --interval; rates, loss and rtt with a line of the last minute. A row "
                       "that begins with ! is bad, with * to be noted. Enter goes into a node (its links), a peer or a link (its traces), a kind (its "
                       "newest events), a trace (its timeline), Escape goes back. / filters, < > and s sort, space freezes the screen, ? tells all keys, "
                       "q or Ctrl-C ends it and leaves the terminal as it was. When traced goes away it says so, and goes on when traced comes back.\n"
                       "Rates of links and kinds are counted by traced for each interval; those of nodes and peers are what counters rose between two "
                       "answers, divided by the time between them. Where a count may have fallen, because the oldest events left the history, none is "
                       "computed for that interval.",
        .examples = {{"inspector top", "what is going on, and where is it bad?"},
                     {"inspector top --interval 200ms", "the same, five times a second"}},
    },
    {
        .name = "attach",
        .args = "PID", .args_min = 1, .args_max = 1,
        .completes = VALUE_PID,
        .options = OPTION_BIT(KIND) | OPTION_BIT(PEER) | OPTION_BIT(TRACE) | OPTION_BIT(WHERE) | OPTION_BIT(RECENT) | OPTION_BIT(FROM) | OPTION_BIT(COUNT) | OPTION_BIT(FOR),
        .offline = true,
        .run = run_attach,
        .summary = "one process, followed; also without traced",
        .description = "Finds the logs of the process, and shows its events as they come, all of its nodes. Ends with the process, when all that "
                       "it left was shown, or like follow.\n"
                       "When traced reads the process, its events come from there. Otherwise, or when traced goes away, its ring is read as it "
                       "is, without writing to it: what the ring has, that was not overwritten, and no further back.\n"
                       "Of a process that is dead it shows what its ring still has, or what traced has of it, and ends.\n"
                       "What is missing is told as in follow; \"hidden\" events were overwritten, and may not have matched the filter.",
        .examples = {{"inspector attach $(pidof mynode)", "what is it doing now?"},
                     {"inspector attach 4242 --recent 50 --count 50", "the last that it did"},
                     {"inspector attach 4242 --from 0 --json > all.ndjson", "all that its ring still has, and what comes"}},
    },
    {
        .name = "doctor",
        .args = "[PID]", .args_max = 1,
        .options = OPTION_BIT(ALL),
        .offline = true,
        .run = run_doctor,
        .summary = "why is nothing seen?",
        .description = "Looks at the socket, traced, the directory of the nodes' logs, each log, what was lost, and what is switched off, and tells a "
                       "line for each thing that is wrong: what was found, and what to do, as a command if one does it. With --all also what is in "
                       "order. With PID it also looks whether that process can be traced. Works without traced, and changes nothing.\n"
                       "The exit code is 0 when nothing is wrong, 1 when something is. With --json: {\"check\", \"ok\", \"found\", \"remedy\"}.",
        .examples = {{"inspector doctor", "why is nothing seen?"},
                     {"inspector doctor $(pidof mynode)", "why is nothing seen of this process?"},
                     {"inspector doctor --all", "what was looked at"}},
    },
    {
        .name = "trigger",
        .args = "FILTER", .args_min = 1, .args_max = 1,
        .options = EVENT_FILTERS | OPTION_BIT(BEFORE) | OPTION_BIT(AFTER) | OPTION_BIT(EVERY) | OPTION_BIT(WRITE) | OPTION_BIT(LIMIT) | OPTION_BIT(FOR),
        .run = run_trigger,
        .summary = "wait for a condition, and keep what happened around it",
        .description = "FILTER says which event opens a window: everything from --before it to --after it is kept, of all nodes, or what --where, --node and "
                       "the like let through. Windows are written as JSON lines: first {\"trigger\":{...}} with the event that opened it, then the "
                       "events, then {\"end\":{...}} with how many there are, and were lost, and whether the history began too late for it. Without --write they "
                       "go to the output. With a % in its name each window has a file, with the next number that no file has: nothing is written over. "
                       "A window that cannot be written whole is taken away again, and ends the command.\n"
                       "Events that fit and come within --every after one that opened a window open none; they are counted (suppressed).\n"
                       "Ends with Ctrl-C, after --limit windows, or after --for; when traced is started again it goes on, unless --wait=0. A window that is open "
                       "is kept at the end of --for, as far as it has come, and not at Ctrl-C.",
        .examples = {{"inspector trigger packet_lost --write 'loss-%.ndjson'", "a file for each loss, with the five seconds before it"},
                     {"inspector trigger 'rtt > 100ms and peer == bob' --before 2s --limit 1", "the first slow sample, and how it came to that"},
                     {"inspector trigger 'app_end and not ok' --every 1m --write failed.ndjson", "left to run over night"}},
    },
    {
        .name = "control",
        .options = OPTION_BIT(NODE) | OPTION_BIT(KINDS) | OPTION_BIT(SAMPLE) | OPTION_BIT(RESET),
        .run = run_control,
        .summary = "what the live nodes emit, and change it",
        .description = "Without --kinds, --sample and --reset it changes nothing. Kinds are chosen alone, or traces, or both; what is not "
                       "given stays.\n"
                       "Which traces are kept follows from their ids, so that all nodes keep the same; events without a trace stay. Nodes that "
                       "are started later begin with what their program says. The setting outlives traced.",
        .examples = {{"inspector control --kinds packet_lost,app_start,app_end --sample 1/100", "less of everything, whole traces"},
                     {"inspector control --reset", "everything as it was"}},
    },
    {
        .name = "sql",
        .args = "[STATEMENT]", .args_max = 1,
        .options = OPTION_BIT(EXPLAIN),
        .run = run_sql,
        .summary = "SQL over the live history",
        .description = "Tables: events, traces, peers, nodes, apps, app_commands, app_fields, and one for each application, by its id (DMAP). "
                       "docs/sql.md lists the columns. The dialect is SQLite's; nothing can be written.\n"
                       "Without a statement: a shell with .help, .tables and .schema; or, when stdin is no terminal, the statements there.\n"
                       "Conditions on trace_id, peer_id, peer, node_id, node, kind and timestamp are passed on to traced's indices, those on numbers of "
                       "the data (rtt > 100e6) as a filter, and so are the order of time and LIMIT; --explain tells what was asked for, which index served, and how many events were looked at. "
                       "Besides SQLite's functions there are p50, p90, p95, p99, percentile(x, p), median, ago('5s'), duration(ns) and bytes(n).",
        .examples = {{"inspector sql \"select peer, count(*), p99(rtt) from events where kind = 'metrics' group by peer\"", "rtt by peer"},
                     {"inspector sql --explain \"select count(*) from events where timestamp >= ago('5s')\"", "did the condition reach an index?"},
                     {"inspector sql --json < questions.sql", "statements of a file, an object a row"}},
    },
    {
        .name = "analyze",
        .args = "[WHAT NAME]", .args_max = 2,
        .completes = VALUE_SUBJECT,
        .options = OPTION_BIT(LIMIT) | OPTION_BIT(EXPLAIN) | TIMES,
        .run = run_analyze,
        .summary = "what is wrong, in words, with the events that show it",
        .description = "Most severe first: links and nodes that lose packets, packets late under way, packets given up wrongly, jumps of the "
                       "round-trip time, nodes and links that take most of a request's time, requests and streams that have no end, nodes "
                       "that crashed or fell silent, and events that traced lost. Each is judged against the other links, the time before "
                       "or the rest of the request, and from a number of samples on: docs/analyze.md tells every threshold. Below it there "
                       "are its events and the command to type next.\n"
                       "WHAT is trace, node or peer, and NAME the beginning of an id or a name. It reads the newest 100000 events that matter for "
                       "this, or --limit, of the time given, and says when there were more. "
                       "node and peer choose among the findings; trace reads that trace alone.\n"
                       "Exit code 0 also when something is found. With --json, a line for each finding: {\"finding\", \"severity\", \"node_id\", "
                       "\"peer_id\", \"trace_id\", \"command\", \"count\", \"of\", \"rate\", \"usual_rate\", \"duration\", \"usual_duration\", \"at\", "
                       "\"says\", \"next\", \"evidence\":[...]}; the names of findings are stable.",
        .examples = {{"inspector analyze", "what is wrong here?"},
                     {"inspector analyze --from -1m", "in the last minute"},
                     {"inspector analyze trace 5a356ada", "where does this request lose its time?"},
                     {"inspector analyze --json | jq -r 'select(.severity == \"severe\") | .says'", "for a script"}},
    },
    {
        .name = "stats",
        .run = run_stats,
        .summary = "traced's own counters",
        .examples = {{"inspector stats", "is it well, and has it room?"},
                     {"inspector stats --json | jq .ingest.lost", "what was lost, by cause"}},
    },
    {
        .name = "apps",
        .run = run_apps,
        .summary = "the applications that nodes registered",
        .examples = {{"inspector apps", "whose commands and fields have names"}},
    },
    {
        .name = "rpc",
        .args = "METHOD [PARAMS]", .args_min = 1, .args_max = 2,
        .completes = VALUE_METHOD,
        .run = run_rpc,
        .summary = "any method of the socket",
        .description = "PARAMS is a JSON object.",
        .examples = {{"inspector rpc query '{\"limit\":1}'", "one event as traced sends it"}},
    },
    {
        .name = "export",
        .args = "ID", .args_min = 1, .args_max = 1,
        .completes = VALUE_TRACE,
        .options = OPTION_BIT(OUTPUT) | OPTION_BIT(WHERE) | OPTION_BIT(EXPLAIN),
        .run = run_export,
        .summary = "all events of a trace as one JSON document",
        .description = "The document: {\"export\":1, \"trace_id\", \"exported\", \"traced\", \"events\":[...], \"gaps\":[...], \"lost\", "
                       "\"evicted\", \"nodes\":[...], \"apps\":[...]}. evicted: how many left the history while they were fetched.",
        .examples = {{"inspector export 5a356ada -o slow.json", "to look at it later, or send it to somebody"}},
    },
};

const char *const exit_table[EXIT_CODES] = {
    [EXIT_OK] = "done",
    [EXIT_FAILED] = "refused by traced, not found, or the connection or the output was lost",
    [EXIT_USAGE] = "the command line makes no sense",
    [EXIT_NOT_THERE] = "no traced is there",
};

const char program_description[] =
    "inspector asks the traced of this user what the nodes on this machine did, and shows what it says: tables and timelines for people, "
    "with --json one object a line for scripts. Each command asks once and ends, but for those that follow what happens; these end with "
    "Ctrl-C, at once.\n"
    "Nodes, peers and traces are named by any beginning of their id that is not ambiguous; nodes and peers by the name of the node, too.\n"
    "Times are local, or UTC with --utc: -5s (before now; units ns us ms s m h), now, 12:00:03.5 (the last such moment), 2026-01-31, "
    "\"2026-01-31 12:00\", 2026-01-31T12:00:00.5; with a Z behind them they are UTC in any case. A whole number is Unix microseconds.\n"
    "Into a pipe there go whole lines only, without colours; what nodes wrote is shown with control characters made harmless.";

const struct command_example program_examples[] = {
    {"inspector traces", "the newest requests; the first column is what the next one takes"},
    {"inspector trace 5a356ada", "where did the time of this one go?"},
    {"inspector follow --kind packet_lost", "losses as they happen"},
    {"inspector peers --json | jq -r '[.name, .loss] | @tsv'", "for a script"},
    {0},
};
// clang-format on

const size_t command_count = sizeof command_table / sizeof *command_table;
