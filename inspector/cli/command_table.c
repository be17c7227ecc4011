/* SPDX-License-Identifier: MIT
 *
 * The commands of the inspector.  Help, the manual pages and shell completion are generated from this table and
 * that of the options (options.def): what commands do is documented nowhere else.  command.h describes the fields. */
#include "command.h"

// clang-format off
#define EVENT_FILTERS (OPTION_BIT(KIND) | OPTION_BIT(NODE) | OPTION_BIT(PEER) | OPTION_BIT(TRACE) | OPTION_BIT(WHERE))
#define TIMES (OPTION_BIT(SINCE) | OPTION_BIT(UNTIL))
#define ROWS (OPTION_BIT(FORMAT) | OPTION_BIT(FIELDS))

const struct command command_table[] = {
    {
        .name = "nodes",
        .options = OPTION_BIT(EXIT_CODE) | ROWS | OPTION_BIT(LIMIT),
        .list = &node_list,
        .paged = true,
        .run = run_nodes,
        .summary = "the nodes that traced knows, and how many of their events were lost",
        .description = "emitted = indexed + lost once traced has read everything of a node. State: live; exited (it closed its log); crashed (it ended without: it crashed, was killed, or called _exit); "
                       "rejected; unknown. ended is when traced noticed the end; in a recording, \"not by 12:00:03\" is a node that still lived when that was written, and nobody knows whether it has ended since.",
        .examples = {{"inspector nodes", "what is traced here, and was anything lost?"}},
    },
    {
        .name = "peers",
        .options = OPTION_BIT(EXIT_CODE) | ROWS | OPTION_BIT(LIMIT) | OPTION_BIT(NODE),
        .meanings = {{OPTION_NODE, {"node", "NODE", VALUE_NODE, "as this node sees them: its name, or the beginning of its id"}}},
        .list = &peer_list,
        .paged = true,
        .run = run_peers,
        .summary = "the peers: rtt, loss, bytes",
        .description = "What all nodes report about each peer, or only --node. heard ago is the age of the last sign of life: something received from the peer, or an event of its own. "
                       "The newest event (--fields last) may be something that was sent to it in vain.\n"
                       "loss is the share of all packets sent to the peer that were declared lost, acknowledgements included. analyze counts what the other end did not receive, if that is traced, and otherwise leaves out small packets, which mostly only acknowledge: its share of the same link may differ.",
        .examples = {{"inspector peers --node alice", "the peers as alice sees them"},
                     {"inspector peers --json | jq -r '[.name, .loss] | @tsv'", "the loss of each peer"}},
    },
    {
        .name = "traces",
        .options = OPTION_BIT(EXIT_CODE) | ROWS | OPTION_BIT(NODE) | OPTION_BIT(PEER) | OPTION_BIT(LIMIT) | OPTION_BIT(APP) | OPTION_BIT(KIND) | OPTION_BIT(WHERE) | OPTION_BIT(ORDER) | OPTION_BIT(SPENT) | TIMES,
        .meanings = {{OPTION_KIND, {"kind", "KIND", VALUE_TEXT, "request, which is the default, or connection"}},
                     {OPTION_NODE, {"node", "NODE", VALUE_NODE, "only traces with an event of this node: its name, or the beginning of its id"}},
                     {OPTION_PEER, {"peer", "PEER", VALUE_PEER, "only traces with an event with this peer: its name, or the beginning of its id"}},
                     {OPTION_WHERE, {"where", "FILTER", VALUE_FILTER, "only traces that match: 'took > 50ms and any packet_lost', or @NAME of the config (inspector help filter)"}},
                     {OPTION_SINCE, {"since", "TIME", VALUE_TIME, "only traces with an event since TIME: -5s, 12:00:03.5, 2026-01-31, '2026-01-31 12:00', Unix microseconds"}}},
        .list = &trace_list,
        .paged = true,
        .run = run_traces,
        .summary = "traces and how they ended, the newest first",
        .description = "took is the request's own time, from its first start to that span's end; duration ends with the last event, which may be a late "
                       "acknowledgement. --order slowest sorts by took.\n"
                       "Shows only requests; --kind connection shows the others: connections, and messages without a request.\n"
                       "Outcomes: ok, failed, expired (it timed out), open (a part has not ended), none (no request of an application).\n"
                       "Shows 20 traces, unless --limit is given.\n"
                       "--spent adds where most of each trace's time went, as in trace ID: bob 96 %, - if it is not known; as data, the field time. It asks for the events of every trace "
                       "that it shows, one trace at a time.\n"
                       "Here --where tests whole traces: took, duration, age (since the first event), events, nodes, peers, packets_lost, outcome, "
                       "unfinished (open), truncated, app, command, first, last (nodes and peers are counted up to 64); and their events, with any (...), all (...) and "
                       "count(...) > 3, which may contain any filter of events.",
        .examples = {{"inspector traces --limit 5", "the newest five"},
                     {"inspector traces --app DMAP --since -1m", "the requests of one application in the last minute"},
                     {"inspector traces --where 'any packet_lost and took > 50ms and nodes >= 3'", "slow ones that lost packets"},
                     {"inspector traces --where 'unfinished and age > 5s' --order oldest", "hanging requests, the longest first"},
                     {"inspector traces --where 'app == DMAP' --order slowest", "the slowest requests of an application"},
                     {"inspector traces --order slowest --spent", "whose fault is it, mostly?"}},
    },
    {
        .name = "requests",
        .options = OPTION_BIT(EXIT_CODE) | ROWS | OPTION_BIT(LIMIT) | OPTION_BIT(APP) | OPTION_BIT(BY) | OPTION_BIT(WHERE) | TIMES,
        .meanings = {{OPTION_BY, {"by", "FIELD[,...]", VALUE_FIELDS, "group by these: command, node, time/1s"}},
                     {OPTION_WHERE, {"where", "FILTER", VALUE_FILTER, "only traces that match: 'took > 50ms and any packet_lost', or @NAME of the config (inspector help filter)"}},
                     {OPTION_APP, {"app", "APP", VALUE_APP, "only requests of this application id: DMAP"}}},
        .paged = true,
        .run = run_requests,
        .summary = "requests by command: rate, failures, how long they took, the slowest",
        .description = "One row per command, or by any of command, node and time (--by command,node,time/1s). The node is the one that began the request.\n"
                       "requests is how many ended; per s, the same per second; bad, the share that failed or expired; open, how many have not ended. p50, p90 and p99 are "
                       "percentiles of took, exact below 256 ns, and at most 1/128 too high above; slowest is the trace that took longest.\n"
                       "A request belongs to the moment when it ended, or began if it is still open. --since and --until choose by that moment, and rates are over the chosen period: by "
                       "default, from the first request to the last. Requests whose beginning is not in the history are counted separately.\n"
                       "--where tests whole traces, as in traces. With --json, a line for each row, and a last line {\"rootless\", \"ungrouped\", \"lost\", \"took_stepped\"} if "
                       "something is in no row.",
        .examples = {{"inspector requests", "which command is slow, and which fails?"},
                     {"inspector requests --by node,command --since -1m", "at which node, in the last minute"},
                     {"inspector requests --by time/1s --where 'command == GET_CHUNK'", "one command, second by second"},
                     {"inspector requests --json | jq -r '[.group.command, .count, .took.p99/1e6] | @tsv'", "for a script"}},
    },
    {
        .name = "trace",
        .args = "ID", .args_min = 1, .args_max = 1,
        .completes = VALUE_TRACE,
        .options = ROWS | TIMES | OPTION_BIT(ALL) | OPTION_BIT(GRAPH) | OPTION_BIT(SUMMARY) | OPTION_BIT(LIMIT) | OPTION_BIT(WHERE) | OPTION_BIT(EXPLAIN),
        .list = &event_list,
        .paged = true, .headed = true,
        .run = run_trace,
        .summary = "one request across its nodes, in time order",
        .description = "ID is the beginning of a trace id. Each line shows the time since the trace began, the gap since the previous event, "
                       "the node, its peer (-> to it, <- from it) and the event, indented by hop: > begins a part of the request, < ends it.\n"
                       "* marks long gaps; ~ a duration with a step of the clock in it, which is at least that long; ? an unknown duration, between two clocks that cannot be compared; !! marks events that were lost before traced could read them.\n"
                       "--graph draws a column for each node, as many as fit the terminal: an arrow leaves where a packet was sent and "
                       "arrives where it was received; double arrows are requests and answers. Notes mark packets that were lost, repeated, or "
                       "received before they were sent, and ends whose other end is unknown or ambiguous.\n"
                       "With --json, a line for each event; --summary adds a last line {\"trace\", \"outcome\", \"first\", \"last\", \"duration\", \"duration_stepped\", \"took\", \"took_stepped\", "
                       "\"events\", \"events_missing\", \"packets_lost\", \"nodes\", \"more\", \"time\":[{\"place\", \"node_id\", \"peer_id\", \"duration\"}], \"problems\":[{\"problem\", \"node_id\", \"at\", \"says\"}]} about the whole.\n"
                       "With --graph --json, one line per message: {\"message\":\"packet\", \"state\", \"from\", \"to\", \"gap\" (ns, below 0 when "
                       "received before sent), \"disorder\", \"repeats\", \"send\", \"receive\", \"lost\"}; the last three are events or null. state is "
                       "matched, duplicate, ambiguous, lost, unreceived or unsent.",
        .examples = {{"inspector trace 5a356ada", "where did the time of this request go?"},
                     {"inspector trace 5a356ada --graph | less -S", "which packet did it wait for? With all columns"},
                     {"inspector trace 5a356ada --graph --json | jq -c 'select(.gap > 1e6) | [.from[:8], .to[:8], .gap]'",
                      "messages that took longer than a millisecond"}},
    },
    {
        .name = "diff",
        .args = "ID ID", .args_min = 2, .args_max = 2,
        .completes = VALUE_TRACE,
        .options = ROWS | OPTION_BIT(NODE) | OPTION_BIT(PEER),
        .meanings = {{OPTION_NODE, {"node", "NODE", VALUE_NODE, "only the steps of this node, and the time there"}},
                     {OPTION_PEER, {"peer", "PEER", VALUE_PEER, "only the steps with this peer"}}},
        .list = &diff_list,
        .paged = true, .headed = true,
        .run = run_diff,
        .summary = "two traces: what one did that the other did not, and where their times diverged",
        .description = "Each ID is the beginning of a trace id; a is the first, b the second. Steps are parts of a request that begin or end, commands, messages, streams, and lost packets. The steps "
                       "of each node are aligned in order: equal steps first, then steps that did the same but ended differently. The times diverged most where b took much longer or shorter than a from one common step to another that came later in both; in parentheses, how long each took. Each wait is reported once, at the step that waited longest. "
                       "The table says where each request spent its time, as in trace. --node and --peer choose what is shown: the steps of that node, or with that peer, and the time there.\n"
                       "With --json, lines {\"diff\":\"traces\", \"a\", \"b\"}, {\"diff\":\"only\", \"in\", \"node_id\", \"peer_id\", \"step\", \"at\"}, "
                       "{\"diff\":\"otherwise\", \"node_id\", \"peer_id\", \"step\", \"step_b\"}, {\"diff\":\"parted\", \"node_id\", \"peer_id\", \"step\", \"a\", \"b\", \"by\"} and {\"diff\":\"place\", \"place\", \"node_id\", \"peer_id\", \"a\", "
                       "\"b\"}; \"at\" is ns since the request began, and \"a\", \"b\" and \"by\" are durations. csv and tsv have a column for each of these names.",
        .examples = {{"inspector diff 5a356ada 02d9c411", "the slow one and one that was not"},
                     {"inspector diff 5a356ada 02d9c411 --node carol", "what carol did differently"},
                     {"inspector diff 5a356ada 02d9c411 --json | jq -c 'select(.diff == \"only\")'", "what only one of them did"}},
    },
    {
        .name = "spread",
        .args = "TRACE|KEY", .args_min = 1, .args_max = 1,
        .completes = VALUE_TRACE,
        .options = TIMES | OPTION_BIT(LIMIT) | OPTION_BIT(WHERE),
        .paged = true,
        .headed = true,
        .run = run_spread,
        .summary = "how one thing spread through the network: reach, hops, duplicates, who was late; and the questions of a lookup",
        .description = "TRACE is the beginning of a trace id; linked traces are read, too. KEY is FIELD=VALUE, with any field of filters: message_id=1734205 shows the "
                       "messages with that id, in any trace; a field of an application, DMAP.hash=9f86, shows all traces with that value. A number that begins no trace is a message id.\n"
                       "It uses messages if the program traces any, otherwise spans. held is how long a node had it before it forwarded it; link, its one-way delay; dup, how often a node got what it already had. "
                       "redundancy is the number of duplicates per node reached: 0 for a tree.\n"
                       "A node is late when one step took at least half of its time, and three times as long as other such steps; the sentence names the step.\n"
                       "Questions are spans that name the peer they ask, or messages answered by a message with the same id and another type. An answer is ok, failed, expired (the asker gave up), never "
                       "(the asker ended without one), or open.\n"
                       "With --json, one object: docs/spread.md.",
        .examples = {{"inspector spread 5a356ada", "who got it, and who was late?"},
                     {"inspector spread 5a356ada --json | jq -r '.questions[] | [.asked_id, .answer] | @tsv'", "the answers of a lookup, for a script"}},
    },
    {
        .name = "peer",
        .args = "PEER", .args_min = 1, .args_max = 1,
        .completes = VALUE_PEER,
        .options = ROWS | OPTION_BIT(LIMIT) | OPTION_BIT(KIND) | OPTION_BIT(NODE) | OPTION_BIT(WHERE) | OPTION_BIT(EXPLAIN) | TIMES,
        .list = &event_list,
        .paged = true, .headed = true,
        .run = run_peer,
        .summary = "one peer, and its latest events",
        .description = "PEER is a name or the beginning of an id. Shows 20 events, unless --limit is given.",
        .examples = {{"inspector peer bob --kind packet_lost", "the latest packets lost on the way to bob"}},
    },
    {
        .name = "recent",
        .args = "[N]", .args_max = 1,
        .options = OPTION_BIT(EXIT_CODE) | ROWS | OPTION_BIT(LIMIT) | EVENT_FILTERS | OPTION_BIT(EXPLAIN) | TIMES,
        .list = &event_list,
        .paged = true,
        .run = run_recent,
        .summary = "the newest N events",
        .description = "Shows 20 events, unless N or -n is given; the newest comes last. With --exit-code: 0 if there is an event, 4 if there is none, 5 if there is none but events are missing.",
        .examples = {{"inspector recent -n 100 --kind app_start,app_end", "the newest requests, start and end"},
                     {"inspector recent --where 'rtt > 100ms and not peer == bob'", "the newest slow samples, except those of bob"}},
    },
    {
        .name = "range",
        .args = "[FROM [TO]]", .args_max = 2,
        .completes = VALUE_TIME,
        .options = OPTION_BIT(EXIT_CODE) | ROWS | TIMES | EVENT_FILTERS | OPTION_BIT(LIMIT) | OPTION_BIT(EXPLAIN),
        .list = &event_list,
        .paged = true,
        .run = run_range,
        .summary = "the events of a period",
        .description = "FROM is included, TO is not; they can also be given as --since and --until. Without TO, until now. Times: -5s (before now; units ns us ms s m h), now, 12:00:03.5 (the last such moment), "
                       "2026-01-31 (its first moment), \"2026-01-31 12:00\", 2026-01-31T12:00:00.5; local, unless --utc, Z or +01:00 is given. "
                       "A whole number is Unix microseconds. Events evicted from the history while they are fetched are counted: on stderr, and "
                       "with --json in a last line {\"evicted\":N}.",
        .examples = {{"inspector range -5s now", "the last five seconds"},
                     {"inspector range 12:00:03 12:00:04 --node bob", "one second of one node"}},
    },
    {
        .name = "count",
        .options = OPTION_BIT(EXIT_CODE) | ROWS | EVENT_FILTERS | TIMES | OPTION_BIT(BY) | OPTION_BIT(VALUE) | OPTION_BIT(HIST) | OPTION_BIT(LIMIT) | OPTION_BIT(EXPLAIN),
        .paged = true,
        .run = run_count,
        .summary = "how many events, by any fields, with rates and percentiles",
        .description = "Fields are the same as in filters: kind, node, peer, trace, lane, flags, app, command, a field of the data (size, or packet_sent.size), "
                       "or one of an application's own (DMAP.size); time/1s is the second of an event, and any other duration works. "
                       "Events without the field are in group -.\n"
                       "The largest groups come first, 20 unless --limit says otherwise. Rates cover the time from --since to --until; without "
                       "them, from the first to the last counted event; by time/1s, each row's own second.\n"
                       "With --value, values is how many of the events have that number. --value took measures requests: of the "
                       "event that ends a request, how long it took.\n"
                       "Percentiles are exact below 256, and at most 1/128 too high above.",
        .examples = {{"inspector count --by peer,kind --since -10s", "what happens, with which peer"},
                     {"inspector count --kind metrics --by peer --value rtt", "whose round trips are slow"},
                     {"inspector count --hist rtt", "the distribution of round trips"},
                     {"inspector count --kind app_end --by node,command --value took", "how long requests took, by node and command"},
                     {"inspector count --where 'packet_lost and not probe' --by time/1s", "losses, second by second"}},
    },
    {
        .name = "follow",
        .options = ROWS | EVENT_FILTERS | OPTION_BIT(SPEED) | OPTION_BIT(RECENT) | OPTION_BIT(SINCE) | OPTION_BIT(LIMIT) | OPTION_BIT(FOR),
        .list = &event_list,
        .run = run_follow,
        .summary = "events as they happen",
        .description = "Ends with Ctrl-C, --limit, --for, or when the reader of its output goes away.\n"
                       "When traced goes away, the stream resumes with the next traced: it shows the events that traced "
                       "finds in the rings, without repeating any, and reports what is missing. --wait=SECONDS limits the waiting (then exit "
                       "code 3); with --wait=0 the command ends with traced (exit code 1). If --for ends while traced is away or stopped, the command says so, with exit code 3.\n"
                       "Missing events are reported in their place: by events_lost events where a ring was overwritten, otherwise by a line, with "
                       "--json {\"missed\":N,\"why\":W}. W is \"slow\": this inspector read too slowly, and with a filter \"at_most\":true is added, because nobody tested it on them; \"gone\": the events had left "
                       "the history; \"hidden\": rings were overwritten while traced was away, and it is unknown which of these events would "
                       "have matched the filter.\n"
                       "With --fleet it asks once a second what has been shipped, and shows each event once, no matter how late it comes; with a filter, "
                       "events that never came are \"hidden\".\n"
                       "With --read it shows the recording's events and ends; --speed plays them at their own pace, or faster or slower.",
        .examples = {{"inspector follow --kind packet_lost", "losses as they happen"},
                     {"inspector follow --read today.p2rec --speed 10x --kind app_start,app_end", "a recording, ten times as fast"},
                     {"inspector follow --where 'DMAP.size > 1MiB or app_end and not ok'", "large requests of one application, and failed ones"},
                     {"inspector follow --recent 100 --node bob", "what bob just did, and what it does next"},
                     {"inspector follow --for 2s --json | jq -r .kind | sort | uniq -c", "what happens in two seconds, by kind"}},
    },
    {
        .name = "top",
        .options = OPTION_BIT(INTERVAL),
        .run = run_top,
        .summary = "a live view of requests, nodes, peers, links, kinds and traces: what is slow, what fails, which link is bad?",
        .description = "Fills the terminal with tables, refreshed every --interval; rates, loss, rtt and took have a graph of the last minute, which for requests, links and "
                       "kinds begins with what traced remembers. It begins with requests by command: per second, failed, p50, p99; without requests, with links. ! marks a row "
                       "with a problem, * one worth a look. Enter opens a request (its traces), a node (its links), a peer or a link (its traces), a kind (its "
                       "newest events) or a trace (its timeline; d draws it as a diagram, / n N search it, and its times stay when it is scrolled sideways); Escape goes back. "
                       "/ filters, < > and s sort, space freezes the screen, ? lists all keys, "
                       "q or Ctrl-C quits and restores the terminal. When traced goes away, top says so, and resumes when traced comes back.\n"
                       "With --read there is a position, shown as a time: [ and ] move it by an interval, { and } by 60, ( and ) to the beginning and the end, p plays. "
                       "Everything is as it was known then: a request that ended later is open, and a node that ended later is live. Rates of nodes and peers are averages up to then, of a node since it began; those in the head are of the whole recording.\n"
                       "traced counts the rates of requests, links and kinds for each interval; the other numbers of requests cover the last 60 intervals, percentiles at most 1/128 too high. Rates of nodes and peers are the increase of counters between two "
                       "answers, divided by the time between them. If a count may have fallen because old events were evicted, no rate is shown "
                       "for that interval. The column heard of a peer is the age of the last sign of life: something received from it, or an event of its own. If something was sent to a peer for 10 intervals, and nothing received from it, its rtt and loss are -, and * marks it.",
        .examples = {{"inspector top", "what is going on, and where is the problem?"},
                     {"inspector top --interval 200ms", "the same, five times a second"},
                     {"inspector top --read today.p2rec", "what happened then; [ and ] move through it"}},
    },
    {
        .name = "attach",
        .args = "PID", .args_min = 1, .args_max = 1,
        .completes = VALUE_PID,
        .options = ROWS | OPTION_BIT(TIMEOUT) | OPTION_BIT(KIND) | OPTION_BIT(PEER) | OPTION_BIT(TRACE) | OPTION_BIT(WHERE) | OPTION_BIT(RECENT) | OPTION_BIT(SINCE) | OPTION_BIT(LIMIT) | OPTION_BIT(FOR),
        .offline = true,
        .list = &event_list,
        .run = run_attach,
        .summary = "follow one process, even without traced",
        .description = "Finds the logs of the process and shows the events of all its nodes as they happen. Ends when the process has ended and all its "
                       "events were shown, or like follow.\n"
                       "If traced reads the process, the events come from traced. Otherwise, or when traced goes away or does not answer, attach reads the process's ring "
                       "directly, without writing to it; the ring has only what was not overwritten yet.\n"
                       "For a dead process it shows what its ring or traced still has, and ends.\n"
                       "Missing events are reported as in follow; \"hidden\" events were overwritten, and may not have matched the filter.",
        .examples = {{"inspector attach $(pidof mynode)", "what is it doing now?"},
                     {"inspector attach 4242 --recent 50 -n 50", "the last things it did"},
                     {"inspector attach 4242 --since 0 --json > all.ndjson", "everything its ring still has, and what follows"}},
    },
    {
        .name = "record",
        .options = EVENT_FILTERS | OPTION_BIT(RECENT) | OPTION_BIT(SINCE) | OPTION_BIT(LIMIT) | OPTION_BIT(FOR) | OPTION_BIT(OUTPUT),
        .run = run_record,
        .summary = "save events in a file that --read opens again",
        .description = "Writes the events as they come, with their nodes and applications, to the new file -o FILE; with --since or --recent it "
                       "begins in the past. Ends with Ctrl-C, --limit or --for, and reports how many events it saved, and how many it missed. "
                       "An existing file is never overwritten.\n"
                       "Events are written in segments of 65536. Ctrl-C, SIGTERM and the end of --for lose nothing, unless traced does "
                       "not answer then, which is reported; if record is killed otherwise, the last segment is lost. If the disk is full, record says so and continues; the exit code is then 1.\n"
                       "With --read it saves a part of a recording, or of exported JSON. traced --record DIR records everything, all the time.",
        .examples = {{"inspector record -o today.p2rec --since -1m --for 5m", "the last minute and the next five"},
                     {"inspector record -o losses.p2rec --kind packet_lost -n 1000", "a thousand losses"},
                     {"inspector record -r all.p2rec -o bob.p2rec --node bob", "a part of another recording"},
                     {"inspector traces --read today.p2rec", "look at it later"}},
    },
    {
        .name = "salvage",
        .options = ROWS | OPTION_BIT(OUTPUT),
        .offline = true,
        .run = run_salvage,
        .summary = "save what nodes left in their rings, even without traced",
        .description = "Reads the rings of all nodes of this user, running or not, and writes what they still have to the new file "
                       "-o FILE. It needs no traced, and changes no ring. Shows a line for each ring: how many events it had, and how many "
                       "of its events were overwritten before.\n"
                       "With --json: {\"object\", \"name\", \"state\", \"events\", \"lost\", \"reason\"}; reason says why a ring was not read.",
        .examples = {{"inspector salvage -o crash.p2rec", "after a crash, before anything is restarted"},
                     {"inspector recent --read crash.p2rec", "the last things that happened"}},
    },
    {
        .name = "ship",
        .options = ROWS | OPTION_BIT(SINCE) | OPTION_BIT(UNTIL) | OPTION_BIT(LOGIN) | OPTION_BIT(CA) | OPTION_BIT(HOST) | OPTION_BIT(PLACE) | OPTION_BIT(KEEP) |
                   OPTION_BIT(GZIP) | OPTION_BIT(METRICS) | OPTION_BIT(ONCE) | OPTION_BIT(CHECK),
        .meanings = {{OPTION_WAIT, {"wait", "[=SECONDS]", VALUE_SECONDS, "how long to try to reach the server: forever, or SECONDS; with --once 60"}},
                     {OPTION_SINCE, {"from", "DIR", VALUE_FILE, "the directory of traced --record"}},
                     {OPTION_UNTIL, {"to", "URL", VALUE_TEXT, "the fleet: http://HOST:8123/DATABASE, or https"}}},
        .offline = true,
        .run = run_ship,
        .summary = "send what traced --record wrote to a fleet on ClickHouse",
        .description = "Reads the sealed recordings in --from DIR, and inserts their events, nodes and applications into the fleet at --to URL "
                       "(created by inspector fleet init; docs/fleet.md). It runs until SIGTERM, scans the directory every second, and records its progress: "
                       "after an outage or a kill it resumes there, and nothing is lost or counted twice. It never talks to traced or "
                       "to a node.\n"
                       "A recording is sealed when it has 65536 events, or when traced ends; until then its events wait.\n"
                       "Recordings that are damaged, or were removed before they were shipped, are reported, and recorded in the fleet.\n"
                       "--check and --once show its progress. With --json: {\"segments\", \"events\", \"lost_segments\", \"lost_events\", "
                       "\"waiting_segments\", \"waiting_bytes\", \"waiting_since\", \"newest\", ...}.",
        .examples = {{"inspector ship --from /var/tmp/p2p --to http://db1:8123/p2ptrace --check", "would it work?"},
                     {"inspector ship --from /var/tmp/p2p --to http://db1:8123/p2ptrace", "as long as the machine runs"},
                     {"inspector ship --from /var/tmp/p2p --to https://db1:8443/p2ptrace --login ~/.fleet --once", "ship what is there, then end"}},
    },
    {
        .name = "fleet",
        .args = "ACTION URL...", .args_min = 2, .args_max = ARGS_MAX - 1,
        .completes = VALUE_ACTION,
        .options = ROWS | OPTION_BIT(LOGIN) | OPTION_BIT(CA) | OPTION_BIT(CLUSTER) | OPTION_BIT(ON_CLUSTER) | OPTION_BIT(REPLICATED) | OPTION_BIT(DRY_RUN),
        .offline = true,
        .run = run_fleet,
        .summary = "create, examine, or update the tables of a fleet on ClickHouse",
        .description = "ACTION is init, status or migrate. URL is http://HOST:8123/DATABASE, or https, of one server; several are the shards and replicas of one cluster.\n"
                       "init creates the database and its tables, and keeps what exists. Without --cluster it is a single server. With --cluster and "
                       "a new URL, the tables that ask all servers are created again; no rows are touched.\n"
                       "status shows the servers, the machines that ship to them with their progress, and what was lost. With --json, an object for each "
                       "server and each machine.\n"
                       "migrate adds what an older fleet lacks.",
        .examples = {{"inspector fleet init http://localhost:8123/p2ptrace", "one server"},
                     {"inspector fleet init --cluster main http://db1:8123/p2ptrace http://db2:8123/p2ptrace", "two shards"},
                     {"inspector fleet init --cluster main --on-cluster --replicated http://db1:8123/p2ptrace", "with replicas"},
                     {"inspector fleet status http://localhost:8123/p2ptrace", "which machines ship, and how far are they?"}},
    },
    {
        .name = "doctor",
        .args = "[PID]", .args_max = 1,
        .options = ROWS | OPTION_BIT(TIMEOUT) | OPTION_BIT(ALL),
        .offline = true,
        .paged = true,
        .run = run_doctor,
        .summary = "why do I see nothing?",
        .description = "Checks the socket, traced, the directory of the nodes' logs, each log, lost events, and disabled kinds. For each problem it "
                       "prints a line: what it found, and what to do, as a command if possible. --all also shows what is fine. "
                       "With PID it also checks whether that process can be traced; without it, it finds processes of yours that nodes are connected to over UDP and that have no log. "
                       "Works without traced, and changes nothing.\n"
                       "The exit code is 0 if nothing is wrong and events arrive, 1 if something is wrong, 5 if it cannot tell because no event has arrived for 30 s. "
                       "With --json: {\"check\", \"ok\", \"found\", \"remedy\"}; ok is null where it cannot tell.",
        .examples = {{"inspector doctor", "why do I see nothing?"},
                     {"inspector doctor $(pidof mynode)", "why do I see nothing of this process?"},
                     {"inspector doctor --all", "everything that was checked"}},
    },
    {
        .name = "trigger",
        .args = "FILTER", .args_min = 1, .args_max = 1,
        .options = EVENT_FILTERS | ROWS | OPTION_BIT(BEFORE) | OPTION_BIT(AFTER) | OPTION_BIT(EVERY) | OPTION_BIT(EXEC) | OPTION_BIT(OUTPUT) | OPTION_BIT(LIMIT) | OPTION_BIT(FOR),
        .meanings = {{OPTION_LIMIT, {"limit", "N", VALUE_COUNT, "end after N windows (-n N)"}}},
        .takes_filter = true, .completes = VALUE_FILTER,
        .list = &event_list,
        .run = run_trigger,
        .summary = "wait for a condition, and save what happened around it",
        .description = "An event that matches FILTER opens a window: everything from --before to --after it is saved, of all nodes, or only what matches --where, --node "
                       "and the like. Windows are written as JSON lines: first {\"trigger\":{...}} with the event that opened it, then the "
                       "events, then {\"end\":{...}} with their number, how many were lost, and whether the history began too late, and the rows of its nodes, from which --read takes their names. Without -o they "
                       "go to the output. With a % in the name, each window gets its own file, with the next free number: nothing is overwritten. "
                       "A window that cannot be written completely is removed, and ends the command. A name that ends in .p2rec makes recordings of the same events; --read opens both. Without --format a name that ends in .csv or .tsv chooses that; any other is JSON lines. "
                       "With --format csv or tsv a window is only its events; the line that reports it has the counts. --fields chooses fields of the events.\n"
                       "Matching events within --every of an event that opened a window do not open another; they are counted (suppressed).\n"
                       "Ends with Ctrl-C, after --limit windows, or after --for; resumes when traced is restarted, unless --wait=0. At the end of --for "
                       "an open window is saved as far as it got; if traced does not answer then, trigger says that the window is not saved, and fails. On Ctrl-C an open window is not saved.\n"
                       "--exec runs a program for each window, once it is saved: words separated by blanks, quotes keep blanks, no shell. The event is in its "
                       "environment (P2PTRACE_EVENT_KIND, P2PTRACE_EVENT_NODE, P2PTRACE_EVENT_DATA_SIZE; P2PTRACE_EVENT is all of it as JSON), and the window "
                       "(P2PTRACE_WINDOW_FILE). While 4 are running, further windows are saved without a run, and that is reported.",
        .examples = {{"inspector trigger 'app_end and not ok' -o 'failed-%.ndjson' --exec 'notify-send failed'", "tell me when a request fails"},
                     {"inspector trigger packet_lost -o 'loss-%.ndjson'", "a file for each loss, with the five seconds before it"},
                     {"inspector trigger 'rtt > 100ms and peer == bob' --before 2s --limit 1", "the first slow sample, and what led to it"},
                     {"inspector trigger 'app_end and not ok' --every 1m -o failed.ndjson", "for an overnight run"}},
    },
    {
        .name = "control",
        .options = ROWS | OPTION_BIT(NODE) | OPTION_BIT(KIND) | OPTION_BIT(SAMPLE) | OPTION_BIT(RESET),
        .meanings = {{OPTION_NODE, {"node", "NODE", VALUE_NODE, "only this node: its name, or the beginning of its id"}},
                     {OPTION_KIND, {"kind", "K[,K...]", VALUE_KINDS, "emit only these kinds: packet_lost,app_start; or all, or none"}}},
        .list = &control_list,
        .paged = true,
        .changes = true,
        .run = run_control,
        .summary = "show or change what live nodes emit",
        .description = "Without --kind, --sample and --reset it changes nothing. --kind lists the only kinds to emit; it can also be all or none. You can set kinds, traces, or both; what you do not set does "
                       "not change.\n"
                       "The choice of traces depends only on their ids, so all nodes keep the same ones; events without a trace are always kept. Nodes that "
                       "start later use their program's settings. The setting survives a restart of traced.",
        .examples = {{"inspector control --kind packet_lost,app_start,app_end --sample 1/100", "fewer events, but complete traces"},
                     {"inspector control --reset", "back to the programs' settings"}},
    },
    {
        .name = "sql",
        .args = "[STATEMENT]", .args_max = 1,
        .options = OPTION_BIT(FORMAT) | OPTION_BIT(EXPLAIN),
        .paged = true,
        .run = run_sql,
        .summary = "SQL over the history, a recording, or a fleet",
        .description = "Tables: events, traces, waits, peers, nodes, apps, app_commands, app_fields, and one for each application, named by its id (DMAP). "
                       "waits is where the time of a trace went, and needs its trace_id: join it with traces. "
                       "docs/sql.md lists the columns. The dialect is SQLite's; the tables are read-only. A statement names its columns itself, so there is no --fields.\n"
                       "Without a statement it starts a shell with .help, .tables and .schema, or reads statements from stdin if that is not a terminal.\n"
                       "traced's indices serve conditions on trace_id, peer_id, peer, node_id, node, kind and timestamp; conditions on numbers of "
                       "the data (rtt > 100e6) become a filter; time order and LIMIT are passed on too. --explain reports the requests to traced, which index was used, and how many events were examined. "
                       "Besides SQLite's functions there are p50, p90, p95, p99, percentile(x, p), median, ago('5s'), duration(ns) and bytes(n).\n"
                       "With --fleet, ClickHouse runs the statement, in its own dialect, over the tables of docs/fleet.md; it only reads.",
        .examples = {{"inspector sql \"select peer, p99(rtt) from events where kind = 'metrics' group by peer\"", "rtt by peer"},
                     {"inspector sql \"select w.place, w.node, sum(w.duration) from traces t join waits w on w.trace_id = t.trace_id where t.took > 50000000 group by 1, 2 order by 3 desc\"", "where does the time of slow requests go?"},
                     {"inspector sql --explain \"select count(*) from events where timestamp >= ago('5s')\"", "did the condition use an index?"},
                     {"inspector sql --json < questions.sql", "statements from a file, one object per row"}},
    },
    {
        .name = "analyze",
        .args = "[WHAT NAME]", .args_max = 2,
        .completes = VALUE_SUBJECT,
        .options = OPTION_BIT(EXIT_CODE) | ROWS | OPTION_BIT(SUMMARY) | OPTION_BIT(LIMIT) | OPTION_BIT(EXPLAIN) | TIMES,
        .meanings = {{OPTION_LIMIT, {"limit", "N", VALUE_COUNT, "read at most the newest N events (-n N); default 100000"}}},
        .list = &finding_list,
        .paged = true, .headed = true,
        .finds_faults = true,
        .run = run_analyze,
        .summary = "what is wrong, in words, with the events that show it",
        .description = "Most severe first: links and nodes that lose packets, packets delayed on the way, packets wrongly declared lost, jumps of the "
                       "round-trip time, nodes and links that take most of a request's time, requests and streams that never end, nodes "
                       "that ended without closing their log or fell silent, and lost events. Each is compared with the other links, with the time before, "
                       "or with the rest of the request, if there are enough samples: docs/analyze.md lists the thresholds. Each finding comes with "
                       "its events, and with the command to type next.\n"
                       "WHAT is trace, node or peer, and NAME the beginning of an id or a name. It reads the newest 100000 events of the period, or --limit, of the kinds that "
                       "the analysis needs, and says if there were more. "
                       "node and peer choose among the findings; trace reads only that trace.\n"
                       "The exit code is 0 even if something is found; with --exit-code it is 4 if something is found, 0 if nothing is, and 5 if there was too little to judge, or most requests began before the period or ended after it. With --json, a line for each finding: {\"finding\", \"severity\", \"node_id\", "
                       "\"peer_id\", \"trace_id\", \"command\", \"count\", \"of\", \"rate\", \"usual_rate\", \"duration\", \"usual_duration\", \"at\", "
                       "\"says\", \"next\", \"evidence\":[...]}; the names of findings are stable. --summary adds a last line with what was judged: {\"analyzed\":\"events\", \"about\", \"findings\", \"events\", \"first\", \"last\", "
                       "\"cut\", \"clock_steps\", \"requests\", \"requests_whole\", \"requests_cut\", \"links\", \"links_judged\", \"paths\", \"paths_judged\", \"nodes\", \"events_missing\"}.",
        .examples = {{"inspector analyze", "what is wrong here?"},
                     {"inspector analyze --since -1m", "in the last minute"},
                     {"inspector analyze trace 5a356ada", "where does this request lose its time?"},
                     {"inspector analyze --json | jq -r 'select(.severity == \"severe\") | .says'", "for a script"}},
    },
    {
        .name = "stats",
        .options = ROWS,
        .list = &stats_list,
        .paged = true, .headed = true,
        .run = run_stats,
        .summary = "traced's own counters",
        .description = "With --json they are one tree; csv and tsv have a line for each counter, named by the path to it: ingest.lost.overwritten.",
        .examples = {{"inspector stats", "is it healthy, and does it have room?"},
                     {"inspector stats --json | jq .ingest.lost", "what was lost, by cause"},
                     {"inspector stats --format tsv | grep ^history", "how full is the history?"}},
    },
    {
        .name = "apps",
        .options = ROWS,
        .list = &app_list,
        .paged = true,
        .run = run_apps,
        .summary = "the applications that nodes registered",
        .examples = {{"inspector apps", "which commands and fields have names"}},
    },
    {
        .name = "config",
        .options = ROWS,
        .list = &config_list,
        .paged = true,
        .offline = true,
        .run = run_config,
        .summary = "the configuration in use: saved filters, defaults of options",
        .description = "Shows the entries of the configuration file, what is wrong with its filters, and its place. inspector help config describes the file. "
                       "A filter is wrong if no command can use it; the exit code is then 2. With a running traced it also says which filters name a field or a node that traced does not know now.",
        .examples = {{"inspector config", "what does @slow mean here, is it right, and which defaults are in use?"}},
    },
    {
        .name = "rpc",
        .args = "METHOD [PARAMS]", .args_min = 1, .args_max = 2,
        .completes = VALUE_METHOD,
        .paged = true,
        .run = run_rpc,
        .summary = "any method of the socket",
        .description = "PARAMS is a JSON object.",
        .examples = {{"inspector rpc query '{\"limit\":1}'", "one event as traced sends it"}},
    },
    {
        .name = "export",
        .args = "[ID]", .args_max = 1,
        .completes = VALUE_TRACE,
        .options = OPTION_BIT(FORMAT) | OPTION_BIT(OUTPUT) | OPTION_BIT(FIELDS) | OPTION_BIT(PUSH) | OPTION_BIT(QLOG_NAMES) | OPTION_BIT(KIND) |
                   OPTION_BIT(NODE) | OPTION_BIT(PEER) | OPTION_BIT(SINCE) | OPTION_BIT(UNTIL) | OPTION_BIT(WHERE) | OPTION_BIT(EXPLAIN) |
                   OPTION_BIT(LIMIT) | OPTION_BIT(KEYLOG) | OPTION_BIT(FOLLOW) | OPTION_BIT(RECENT) | OPTION_BIT(FOR),
        .own_format = true,
        .run = run_export,
        .summary = "events for other tools: all of a trace, or all that match",
        .description = "Writes every event of the trace ID, or without ID every matching event of the history, in time order. "
                       "The formats are json, ndjson, csv, tsv, chrome, perfetto, qlog, otlp, ctf, shiviz, parquet and pcapng; inspector help exports says "
                       "how each field is written, and what each format cannot express.\n"
                       "Without --format the ending of -o FILE chooses: .csv, .tsv, .json, .ndjson, .pcapng, .parquet, .sqlog and .pftrace; any other is json.\n"
                       "With -o the file is written completely or not at all. Some formats are several files, in a new directory. Losses "
                       "are part of the output, and counted on stderr. --limit N exports the first N events.\n"
                       "With --follow it exports events as they happen, from now on or from --since or --recent, until Ctrl-C, --limit or "
                       "--for. When traced goes away, it waits for the next one like follow. Missing events are reported on stderr, and in ndjson also in their place. "
                       "With --push (inspector export --follow --push http://localhost:4318) it waits without limit for a receiver that is away; events that traced drops meanwhile are counted.",
        .examples = {{"inspector export 5a356ada -o slow.json", "one request, to look at later or to send to somebody"},
                     {"inspector export --format csv --fields time,node,rtt,cwnd --kind metrics -o path.csv", "for a spreadsheet"},
                     {"inspector export --follow --for 2s --kind metrics", "metrics as they happen, for two seconds"}},
    },
};

const char *const exit_table[EXIT_CODES] = {
    [EXIT_OK] = "success",
    [EXIT_FAILED] = "refused by traced, not found, or connection or output lost",
    [EXIT_USAGE] = "invalid command line",
    [EXIT_NOT_THERE] = "no traced is running, or it is stopped",
    [EXIT_OTHERWISE] = "with --exit-code: analyze found something; another command found nothing",
    [EXIT_UNJUDGED] = "not enough to judge: with --exit-code nothing was found, but events are missing or too few; doctor: no events arrive",
};

const char program_description[] =
    "inspector asks this user's traced what the nodes on this machine did, and shows the answer: tables and timelines for people, "
    "with --json one object per line for scripts. Most commands ask once and end; those that follow events end with "
    "Ctrl-C.\n"
    "With --pid, a command asks the rings of one process instead of traced, even if the process is dead.\n"
    "With --read (-r), it asks recordings: files or directories that traced --record, record, salvage, trigger or export wrote, several as one. "
    "Answers are the same as live; relative times count back from the recording's end. Damage is reported on stderr, and the rest is read.\n"
    "With --fleet, it asks a ClickHouse to which machines ship (docs/fleet.md): what has arrived there so far; relative times count back from the newest event.\n"
    "Name nodes, peers and traces by any unambiguous beginning of their id, nodes and peers also by the node's name.\n"
    "Times are local, or UTC with --utc: -5s (before now; units ns us ms s m h), now, 12:00:03.5 (the last such moment), 2026-01-31, "
    "\"2026-01-31 12:00\", 2026-01-31T12:00:00.5; a time that ends in Z is always UTC. A whole number is Unix microseconds.\n"
    "A pipe gets complete lines only, without colours; control characters in text from nodes are escaped. If the reader of its output goes away, the inspector "
    "ends silently, with exit code 0; export, unless it follows events, with 1.";

const struct command_example program_examples[] = {
    {"inspector traces", "the newest requests; the next command takes an id from the first column"},
    {"inspector trace 5a356ada", "where did the time of this request go?"},
    {"inspector follow --kind packet_lost", "losses as they happen"},
    {"inspector peers --json | jq -r '[.name, .loss] | @tsv'", "for a script"},
    {"inspector --read /var/tmp/p2p traces --since '2026-01-31 12:00'", "what traced recorded"},
    {"inspector --fleet http://db1:8123/p2ptrace trace 5a356ada", "a request over many machines"},
    {0},
};
// clang-format on

const size_t command_count = sizeof command_table / sizeof *command_table;
