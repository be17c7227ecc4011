#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Breaks one line at a time, and prints which tests fail: the tables of docs/security.md.  Prints a Markdown row for each; changes
sources while it runs, and restores them.

    tests/mutations.py BUILD_DIRECTORY [NAME...]     all of them, or the groups and those named
    tests/mutations.py --texts                       whether all that they replace is there, once; changes nothing
    tests/mutations.py --orders BUILD_TSAN [WORD...] each acquire and release, or those whose name has one of the words, made relaxed;
                                                     BUILD_TSAN is what `./dev tsan` builds"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
READER, SLOT, INGEST_RING, ATTACH = "libtrace/ring/reader.c", "libtrace/ring/slot.h", "traced/ingest/ingest_ring.c", "libtrace/ring/attach.c"
ALIASES, PICTURE, STEPS, HOLES = "store/aliases.c", "store/alias_picture.c", "store/clock_steps.c", "libtrace/ring/holes.c"
JSON_MEMORY, IDLE, CLOCKS = "proto/json_memory.c", "inspector/trace/path/path_idle.c", "inspector/source/store/machine_clocks.c"
ORDER, FLEET_CLOCKS = "inspector/source/fleet/fleet_order.c", "inspector/source/fleet/fleet_clocks.c"
FLEET_LOAD, FLEET_KEPT, BATCH_NODES = "inspector/source/fleet/fleet_load.c", "inspector/source/fleet/fleet_kept.c", "inspector/ship/batch_nodes.c"
SHIP, DELIVER, CLICKHOUSE, HTTP = "inspector/ship/ship.c", "inspector/ship/ship_deliver.c", "inspector/fleet/clickhouse.c", "inspector/http/http.c"
BATCH, SCHEMA, TALLY, FILTER_SQL = "inspector/ship/batch.c", "inspector/fleet/fleet_schema.c", "inspector/source/fleet/fleet_tally.c", "proto/filter/filter_sql.c"
STREAM, SERVER, INGEST = "inspector/source/fleet/fleet_stream.c", "traced/serve/server.c", "traced/ingest/ingest.c"

# A test is a program below tests/ of the build directory, or "suite NAME" for one that meson runs.
RING_TESTS = ("libtrace/test_libtrace_ring", "libtrace/test_libtrace_hostile", "libtrace/test_libtrace_attach", "libtrace/test_libtrace_many",
         "libtrace/test_libtrace_log", "stress/stress_emit", "traced/test_traced_ingest")

RING = (
    ("lane:A", READER, "__atomic_load_n(lane_state, __ATOMIC_ACQUIRE)", "__atomic_load_n(lane_state, __ATOMIC_RELAXED)"),
    ("tail:R", READER, "position, __ATOMIC_RELEASE)", "position, __ATOMIC_RELAXED)"),
    ("tail:R, not stored", READER, "if (reader->writable && reader->info.policy == TRACE_DISCARD_NEWEST)", "if (0)"),
    ("read:A", SLOT, "__atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE)", "__atomic_load_n(&slot->sequence, __ATOMIC_RELAXED)"),
    ("read:B, the fence", SLOT, "    __atomic_thread_fence(__ATOMIC_ACQUIRE);", "    ;"),
    ("read:B, the second look", SLOT, "if (__atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) != want) return SLOT_LAPPED;", ""),
    ("commit:R", "libtrace/include/p2ptrace/emit.h", "slot.mark, __ATOMIC_RELEASE)", "slot.mark, __ATOMIC_RELAXED)"),
    ("mark of another lap", SLOT, "if (mark != want) return slot_classify(mark, want);", "if (!mark) return slot_classify(mark, want);"),
    ("valid: kind 0", SLOT, "event->kind != 0 && ", ""),
    ("valid: events_lost of a node", SLOT, "event->kind != TRACE_KIND_EVENTS_LOST && ", ""),
    ("valid: the reserved byte", SLOT, " && event->reserved == 0", ""),
    ("the head is plausible (decide)", READER, "if (!is_plausible(lane, head, now_ns)) return lie;", ""),
    ("the head is plausible (begin)", READER, "if (!is_plausible(lane, head, reader->now_ns)) {", "if (0) {"),
    ("lanes within the object", READER, "index < reader->info.lane_count && max > 0", "max > 0"),
    ("budget of a pass", READER, "read->work <= max && ", ""),
    ("loss counted", READER, "    lane->lost[cause] += count;\n", ""),
    ("loss before attach", READER, "head - reader->info.lane_events, TRACE_LOSS_BEFORE_ATTACH", "0, TRACE_LOSS_BEFORE_ATTACH"),
    ("unfinished counted", READER, "            lane->unfinished++;\n", ""),
    ("taken counted", READER, "    lane->taken += read.count;\n", ""),
    ("discarded is plausible", READER, "discarded <= since_open_ns(reader) + HEAD_SLACK", "discarded != since_open_ns(reader) + HEAD_SLACK"),
    ("holes are not touched", READER, "    return slot_is_present(reader, index, slot, hole);",
     "    (void)slot_is_present(reader, index, slot, hole);\n    return true;"),
    ("gaps at a run's end", READER, "if (read->count != 0 && state != SLOT_NOT_YET) break;", ""),
    ("traced: no_lane reported once", INGEST_RING, "    ring->no_lane_told = count;\n", ""),
)

ALIAS_TABLE = (
    ("a dead node's index", ALIASES, "    if (speaker->log != said->log) drop_all", "    if (0) drop_all"),
    ("the queue's bound", ALIASES, "moved, memory_order_acquire) == QUEUE) {", "moved, memory_order_acquire) == QUEUE + 1) {"),
    ("a full queue is emptied", ALIASES, "        aliases__move(aliases);\n        pthread_mutex_unlock(&aliases->lock);\n    }\n    if (noted", "        pthread_mutex_unlock(&aliases->lock);\n    }\n    if (noted"),
    ("what the queue refused is counted", ALIASES, "        atomic_fetch_add_explicit(&aliases->evicted, 1", "        atomic_fetch_add_explicit(&aliases->evicted, 0"),
    ("evictions counted", ALIASES, "speakers[most].oldest);\n    atomic_fetch_add_explicit(&aliases->evicted, 1", "speakers[most].oldest);\n    atomic_fetch_add_explicit(&aliases->evicted, 0"),
    ("who has most loses", ALIASES, "aliases->speakers[node].count == aliases->most ? node : aliases->speaks[aliases->most];", "node;"),
    ("the most is known", ALIASES, "    if (aliases->most && aliases->speaks[aliases->most] == NONE) aliases->most--;\n", ""),
    ("the oldest goes", ALIASES, "    drop(aliases, aliases->speakers[most].oldest);", "    drop(aliases, aliases->speakers[most].newest);"),
    ("said again is newest", ALIASES, "        unlink_age(aliases, index);\n        link_newest(aliases, index);\n", ""),
    ("a log's id is nobody else's (resolved)", PICTURE, "!alias_picture_has(picture, id) || is_known(picture, id)", "!alias_picture_has(picture, id)"),
    ("a log's id is nobody else's (disputed)", PICTURE, "    if (is_known(picture, &alias->alias_id)) return true;\n", ""),
    ("a log's id is nobody else's (names)", PICTURE, " && !is_known(picture, &alias->alias_id)", ""),
    ("two that run", PICTURE, "        if (runs && best_runs && !same_id(&best->peer_id, &alias->peer_id)) return NULL;\n", ""),
    ("a circle ends at the id itself", PICTURE, "    return peer_id; /* a circle */", "    return id;"),
    ("bound of a chain (peers)", PICTURE, "index != NONE && i < CHAIN_MAX; index", "index != NONE; index"),
    ("bound of a chain (own)", PICTURE, "        if (i == CHAIN_MAX) return NULL; /* too many to examine */\n", ""),
    ("bound of a chain (disputed)", PICTURE, "        if (i == CHAIN_MAX) return true;\n", ""),
    ("bound of the names", PICTURE, "    if (ids->count < ids->max) ids->list[ids->count] = *id;", "    if (ids->count <= ids->max) ids->list[ids->count] = *id;"),
    ("more names than there is room for", PICTURE, "    if (ids->count <= ids->max) ids->count++;", "    if (ids->count < ids->max) ids->count++;"),
    ("what was said before counts", ALIASES, "    if (before != NONE && says_the_same(&aliases->entries[before].said, said)) return before;\n", ""),
    ("at one time", ALIASES, "        if (other->time_ns == said->time_ns && says_the_same(other, said)) return i;\n", ""),
    ("the nearest before", ALIASES, "said->time_ns) {\n            if (before == NONE || other->time_ns >", "said->time_ns) {\n            if (before == NONE || other->time_ns <"),
    ("bound of a chain (said again)", ALIASES, "i != NONE && looked_at < CHAIN_MAX;", "i != NONE;"),
    ("length of an id", ALIASES, "    if (data->alias_id_bytes != sizeof said.alias_id) return;\n", ""),
    ("a change is a new picture", ALIASES, "    aliases->count++;\n    changed(aliases);\n", "    aliases->count++;\n"),
    ("an earlier time is a new picture", ALIASES, "said.time_ns = said->time_ns;\n            changed(aliases);\n", "said.time_ns = said->time_ns;\n"),
    ("a new log is a new picture", PICTURE, "before && before->known_generation == nodes_generation(aliases->nodes)", "before"),
    ("only unchanged parts are shared", PICTURE, "before && !aliases->changed[i]", "before"),
    ("a forgotten node is not shown", PICTURE, "node && node->info.log == said->log ? said : NULL", "node ? said : NULL"),
    ("a reused index has another life", PICTURE, "    if (!node || node->info.log != alias->log) return false;", "    if (!node) return false;"),
    ("a reused index says nothing of peers", PICTURE, " || alias->log != speaker->info.log ||", " ||"),
    ("a picture has its users", PICTURE, "    if (picture) atomic_fetch_add_explicit(&picture->references, 1, memory_order_relaxed);", "    ;"),
)

CLOCK_STEPS = (
    ("one that is known", STEPS, "        if (is_same(&steps->items[i], step)) return;", "        ;"),
    ("bound of the table", STEPS, "    if (steps->count == CLOCK_STEPS_MAX) {", "    if (steps->count == CLOCK_STEPS_MAX + 1) {"),
    ("older than all", STEPS, "        if (at == 0) return; /* it is the oldest */\n", "        if (at == 0) at = 1;\n"),
    ("order", STEPS, "    while (at > 0 && steps->items[at - 1].after_ns > step->after_ns) at--;", "    ;"),
    ("machines apart", STEPS, " &&\n           !memcmp(a->machine.id, b->machine.id, sizeof a->machine.id)", ""),
)

USERFAULTFD = (
    ("holes are not refused", HOLES, "    return faults >= 0 && ioctl(faults, UFFDIO_REGISTER, &range) == 0;", "    (void)range;\n    return faults >= 0;"),
    ("the kernel is not asked", HOLES, "    if (ioctl(fd, UFFDIO_API, &api) == 0)", "    (void)api;\n    if (0)"),
    ("only the first page", HOLES, ".len = bytes}", ".len = bytes < 4096 ? bytes : 4096}"),
)

PARSES = (
    ("only the grown buffer", JSON_MEMORY, "bytes != 2 * parse.bytes || ", ""),
    ("bound of the reserve", JSON_MEMORY, " || bytes > parse.reserve_bytes - parse.reserve_used) return NULL;", ") return NULL;"),
    ("a reserve of its own", JSON_MEMORY, "    parse.reserve_used += bytes;\n", ""),
    ("size of the reserve", JSON_MEMORY, "size_t reserve_bytes = 8 * bytes + 4096;", "size_t reserve_bytes = 16;"),
    ("what is of the reserve is not freed", JSON_MEMORY, "    if (parse.runs && (uintptr_t)memory - (uintptr_t)parse.reserve < parse.reserve_bytes) return;\n", ""),
    ("no part of the reserve stays", JSON_MEMORY, "    if (parse.was_short) {", "    if (0) {"),
    ("shortness is reported (reserve)", JSON_MEMORY, "        if (on_short) on_short();\n        return out_of_memory", "        return out_of_memory"),
    ("shortness is reported", JSON_MEMORY, "    if (!memory && on_short) on_short();\n", ""),
    ("the error's code", JSON_MEMORY, "    ret_error->text[sizeof ret_error->text - 1] = json_error_out_of_memory; /* where json_error_code looks */\n", ""),
)

PATH_IDLE = (
    ("a millisecond at least", IDLE, "return idled && ret_idle->to_ns >= ret_idle->from_ns + IDLE_NS_MIN;", "return idled;"),
    ("no idling while a packet is missing", IDLE, "walk->directions[i].missing || ", ""),
    ("no idling while stream bytes are in flight", IDLE, "walk->directions[i].stream_sent > walk->directions[i].stream_received", "0"),
    ("a repetition is not a second one missing", IDLE, "    if (sent->repeat && direction->missing) direction->missing--;\n", ""),
    ("what is lost is missing", IDLE, "    direction->missing += !arrived;\n", ""),
    ("before the request", IDLE, ".from_ns = greatest(walk->busy_until_ns, walk->from_ns),", ".from_ns = walk->busy_until_ns,"),
    ("who answers at once", IDLE, "    if (answers) {", "    if (answers && 0) {"),
    ("who answers late", IDLE, " &&\n                   sent->time_ns - signal->received_ns <= (sent->time_ns - idle.from_ns) / AT_ONCE_PART;", ";"),
    ("a signal is no data", IDLE, "    if (transport_is_small(sent, UINT64_MAX)) {", "    if (0) {"),
    ("the earlier of both directions", IDLE, "direction->sent[direction->next_sent].position < first", "direction->sent[direction->next_sent].position > first"),
)

MACHINE_CLOCKS = (
    ("one id on two machines", CLOCKS, "        slot->machine = SEVERAL;", "        slot->machine = machine;"),
    ("packets within a machine", CLOCKS, "slot->machine != machine && slot->machine", "(slot->machine != machine || 1) && slot->machine"),
    ("peers of no known machine", CLOCKS, " && slot->machine != CLOCKS_NOBODY;", ";"),
    ("one machine has no estimate", CLOCKS, "    if (clocks->machine_count < 2)", "    if (clocks->machine_count < 1)"),
    ("the log decides between machines", CLOCKS, "!memcmp(&member->id, &id, sizeof id) && member->log == strtoull(log, NULL, 16)", "!memcmp(&member->id, &id, sizeof id)"),
    ("order of machines", CLOCKS, "int order = strcmp(a->name, b->name);", "int order = strcmp(b->name, a->name);"),
    ("without both directions no lead is reported", CLOCKS, "bool known = lead.known || lead.is_reference;", "bool known = true;"),
)

FLEET_STREAM = (
    ("rows that are there twice", STREAM, "if (looked && fleet_load_same(&last, next)) continue;", "if (0 && looked && fleet_load_same(&last, next)) continue;"),
    ("an event's lane orders it", STREAM, "        if (i && !by_lane(&all[i - 1], &all[i]) && all[i - 1].due_ns > all[i].due_ns) all[i].due_ns = all[i - 1].due_ns;\n", ""),
    ("a loss comes first", STREAM, "return losses ? losses : a->index", "return losses && 0 ? losses : a->index"),
    ("what does not come is counted", STREAM, "        stream->lost += missing;\n", ""),
    ("removed segments are counted", STREAM, "stream->lost += arrivals->all[i].lost_max;", ";"),
    ("only the newest", STREAM, "first = newest && count > newest ?", "first = newest && count > newest && 0 ?"),
)

FLEET_STEPS = (
    ("a clock that was set back", ORDER, "return line ? (*line)->back_ns : 0;", "return line ? 0 * (*line)->back_ns : 0;"),
    ("lines of a traced are apart", ORDER, "return order ? order : a->number - b->number;", "return order;"),
    ("a later traced goes on", ORDER, "result = add_line(lines, &runs[i], 0, back_ns);", "result = add_line(lines, &runs[i], 0, 0);"),
    ("each step back counts", ORDER, "                back_ns += by_ns;", "                back_ns = by_ns;"),
    ("only so many", ORDER, "            if (by_ns && skipped)", "            if (by_ns && skipped && 0)"),
    ("as a formula", FLEET_CLOCKS, "result = put_formulas(out, clocks, machine, line->back_ns);", "result = put_formulas(out, clocks, machine, 0);"),
    ("a step is a reason to estimate", FLEET_CLOCKS, " &&\n                clocks.step_count == known->step_count;", ";"),
    ("known clocks have no steps", FLEET_LOAD, "if (fleet_clocks_correct(&context->clocks, log)) trace", "if (0 && fleet_clocks_correct(&context->clocks, log)) trace"),
    ("a row with another number is the same", FLEET_LOAD, "    trace_event_set_clock_steps(&b, 0);\n", ""),
    ("the latest time is now", FLEET_KEPT, "if (run->last_ns > newest_ns &&", "if (0 && run->last_ns > newest_ns &&"),
    ("a log ends on its clock", FLEET_CLOCKS, "ends[i].last ? ends[i].last : UINT64_MAX", "UINT64_MAX"),
    ("a log begins on its clock", FLEET_CLOCKS, "clocks_time(clocks->clocks, machine, ends[i].first,", "clocks_time(clocks->clocks, machine, 0,"),
    ("sent once", BATCH_NODES, " || hash == batch->steps_seen", ""),
    ("sent again", BATCH_NODES, "    batch->steps_seen = 0;\n", ""),
)

FLEET_SHIP = (
    ("steps are sent last", DELIVER, "&batch->rare_rows}};", "&batch->rare_rows}, {\"clock_steps\", &batch->nodes.steps}};"),
    ("each attempt is announced", DELIVER, "outcome = announced ? announce(", "outcome = announced && 0 ? announce("),
    ("curl adds no attempt", DELIVER, "announced != NULL, &answer", "false, &answer"),
    ("one that refuses is not asked again", DELIVER, "if (!outcome || outcome == CLICKHOUSE_REFUSED || outcome == CLICKHOUSE_STOPPED) return outcome;", "if (!outcome || outcome == CLICKHOUSE_STOPPED) return outcome;"),
    ("a page is no answer", CLICKHOUSE, "        if (answer->is_page) return", "        if (0) return"),
    ("an insert has no answer", CLICKHOUSE, "if (!outcome && ret_answer->count) return", "if (0) return"),
    ("errors of libraries", CLICKHOUSE, "\"Poco::Exception. Code: \", ", ""),
    ("an answer is no error", CLICKHOUSE, "answer->outcome == HTTP_ARRIVED ? 0 : code_of(answer)", "code_of(answer)"),
    ("a busy server", HTTP, "status == 429 || ", ""),
    ("a version is a number", SCHEMA, "    if (!isdigit((unsigned char)*schema->server_version))\n", "    if (0)\n"),
    ("only what was shipped is removed", SHIP, "!entry || segment->number >= entry->next) continue;", "!entry || segment->number > entry->next) continue;"),
    ("the oldest is removed", SHIP, "segment->written_ns < oldest->written_ns) oldest = segment;\n        }", "segment->written_ns > oldest->written_ns) oldest = segment;\n        }"),
    ("no more is removed", SHIP, "while (bytes > ship->options.keep_bytes)", "while (bytes)"),
    ("another fleet", SHIP, "if (strcmp(place->fleet, schema->id) != 0)", "if (0)"),
    ("another shard", SHIP, "place->shard != schema->shard && is_in_doubt(ship)", "0"),
    ("the same batch again", SHIP, "return ship->place.sending.count ? ship->place.sending.count : SHIP_BATCH_SEGMENTS;", "return SHIP_BATCH_SEGMENTS;"),
    ("what was on its way is first", SHIP, "        if (segment && ship->place.sending.count && ship->place.sending.instance == entry->instance) return segment;\n", ""),
    ("a gap is a loss", SHIP, "    if (number > next) add_gap(", "    if (number > next && 0) add_gap("),
    ("a first run has no gap", SHIP, "entry->next = ship->first_run ? segment->number : 0;", "entry->next = 0;"),
    ("room for other runs", SHIP, "place->instance_count > PLACE_INSTANCES_MAX - 64", "0"),
    ("a place that was not saved", SHIP, "    if (save_place(ship, failure)) {\n        batch_nodes_forget", "    if (save_place(ship, failure) && 0) {\n        batch_nodes_forget"),
    ("months apart", BATCH, "if (group->number == number) return group;", "return group;"),
    ("nothing stays for the next batch", BATCH, "        row_writer_clear(&batch->groups[0].clock_rows);\n", ""),
    ("whose recording it is", BATCH, "if (segment.instance != instance || segment.number", "if (segment.number"),
)

FLEET_ANSWERS = (
    ("a peer that may not exist", TALLY, "(tally->limits->by_id || tally->scope->peer.digits)", "tally->limits->by_id"),
    ("a peer of whom nothing matches", FLEET_KEPT, "if (!result && scope) result = fleet_load_witness(", "if (!result && scope && 0) result = fleet_load_witness("),
    ("the beginning of a range", FILTER_SQL, "\"(%s >= %\" PRIu64 \" AND %s <= %\" PRIu64 \")\"", "\"(%s > %\" PRIu64 \" AND %s <= %\" PRIu64 \")\""),
    ("the end of a range", FILTER_SQL, "\"(%s >= %\" PRIu64 \" AND %s <= %\" PRIu64 \")\"", "\"(%s >= %\" PRIu64 \" AND %s < %\" PRIu64 \")\""),
    ("the nanosecond of a time", FILTER_SQL, "\" >= %\" PRIu64 \" AND \", low", "\" > %\" PRIu64 \" AND \", low"),
    ("digits of an id", FILTER_SQL, "memset(greatest, 0xff, sizeof greatest);", "memset(greatest, 0xf0, sizeof greatest);"),
    ("a glob's one character", FILTER_SQL, "\"..(?:[89AB].)*\"", "\"..\""),
    ("an empty list", FILTER_SQL, "list->any ? \")\" : \"0\"", "list->any ? \")\" : \"1\""),
    ("a log of a node", FILTER_SQL, "        if (!all) continue;\n        if (!any_node)", "        if (!any_node)"),
)

YIELD = (
    ("subscriptions yield", SERVER, "bool behind = is_behind(clients), ", "bool behind = is_behind(clients) && 0, "),
    ("a share for each pass", SERVER, "woken ? LIMIT_BEHIND_WORK : 0", "woken || 1 ? LIMIT_BEHIND_WORK : 0"),
    ("one share for each pass", SERVER, "    clients->woken = false;\n", ""),
    ("there is a share", SERVER, "    server->clients.woken = true;\n", ""),
    ("the loop sleeps", SERVER, "(clients->news.first && !behind)", "clients->news.first"),
    ("it goes on afterwards", SERVER, "        uv_idle_start(&clients->again, clients->run_turns);\n", "        ;\n"),
    ("a ring that waits for its node", INGEST_RING, "work + (more ? ring", "work + (1 || more ? ring"),
    ("a dead node's ring", INGEST_RING, "ring->end == NODE_LIVE && unread", "unread"),
    ("what was read counts", INGEST_RING, "unread = work +", "unread = 0 * work +"),
    ("what was not read counts", INGEST_RING, "work + (more ? ring", "work + (0 && more ? ring"),
    ("it lasts", INGEST, "is = ingest->now_ns < ingest->calm_ns", "is = ingest->now_ns + INGEST_CALM_NS == ingest->calm_ns"),
    ("each pass wakes", INGEST, "ingest->changed |= was || is", "ingest->changed |= was && !is"),
    ("its end wakes", INGEST, "ingest->changed |= was || is", "ingest->changed |= (was && 0) || is"),
)

# Name: the tests that run for it, and the lines.
MUTATIONS = {
    "ring": (RING_TESTS, RING),
    "aliases": (("store/test_store_aliases",), ALIAS_TABLE),
    "clock_steps": (("store/test_store_nodes", "recording/test_recording", "suite clock_steps"), CLOCK_STEPS),
    "userfaultfd": (("libtrace/test_libtrace_hostile",), USERFAULTFD),
    "json_memory": (("proto/test_json_memory",), PARSES),
    "path_idle": (("inspector/test_path_idle",), PATH_IDLE),
    "machine_clocks": (("inspector/test_machine_clocks",), MACHINE_CLOCKS),
    "yield": (("traced/test_traced_server", "traced/test_traced_ingest"), YIELD),
    "fleet_steps": (("fleet/test_fleet", "suite fleet_steps", "suite fleet_clocks", "suite fleet_follow"), FLEET_STEPS),
    "fleet_ship": (("suite fleet_answers",), FLEET_SHIP),
    "fleet_answers": (("suite fleet_source",), FLEET_ANSWERS),
    "fleet_stream": (("suite fleet_follow", "suite fleet_clocks"), FLEET_STREAM),
}

# Where acquires and releases are, and the tests that run there under the thread sanitizer.
ORDERS = {
    "libtrace": ("libtrace/test_libtrace_ordering", "libtrace/test_libtrace_log", "libtrace/test_libtrace_app", "libtrace/test_libtrace_query"),
    "store": ("store/test_store_nodes", "store/test_store_aliases", "store/test_store_history_stress", "store/test_store_page", "store/test_store_keep"),
    "traced": ("traced/test_traced_ingest", "recording/test_recording"),
}
WEAKER = {"__ATOMIC_RELEASE": "__ATOMIC_RELAXED", "__ATOMIC_ACQUIRE": "__ATOMIC_RELAXED",
          "memory_order_release": "memory_order_relaxed", "memory_order_acquire": "memory_order_relaxed"}


def run(*words):
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


def red_in_suite(build, name):
    done = run("meson", "test", "-C", build, "--no-rebuild", "--verbose", name)
    failed = re.findall(r"^not ok \d+ - [^ ]*?(\w+)(?: \(|$)", done.stdout, re.M)
    return sorted(set(failed)) or ([name] if done.returncode else [])


def red(build, tests, wrapper=()):
    """The tests that fail, by name; a program that crashes is named itself."""
    names = []
    for test in tests:
        if test.startswith("suite "):
            names += red_in_suite(build, test.removeprefix("suite "))
            continue
        try:
            done = subprocess.run([*wrapper, build / "tests" / test, "2000000"], capture_output=True, text=True, errors="replace", check=False,
                                  timeout=400, env={"CK_TAP_LOG_FILE_NAME": "-", "CK_VERBOSITY": "silent", "CK_DEFAULT_TIMEOUT": "0",
                                                   "TSAN_OPTIONS": "halt_on_error=1:handle_sigbus=0", "PATH": "/usr/bin"})
        except subprocess.TimeoutExpired:
            names.append(test.rsplit("/", 1)[1] + " (hangs)")
            continue
        failed = re.findall(r"^not ok \d+ - [^:]*:[^:]*:(\w+)", done.stdout, re.M)
        if done.returncode and not failed:
            failed = [test.rsplit("/", 1)[1]]
        names += sorted(set(failed))
    return names


def build_and_run(build, tests, wrapper):
    programs = [each for each in tests if not each.startswith("suite ")]
    made = run("ninja", "-C", build, *(() if len(programs) < len(tests) else ("tests/" + each for each in programs)))
    return red(build, tests, wrapper) if made.returncode == 0 else ["does not compile"]


def check_green(build, tests, wrapper=()):
    before = build_and_run(build, tests, wrapper)
    if before:  # a test that fails anyway would count as having caught it
        sys.exit(f"red without a mutation: {', '.join(before)}")


def mutate(build, tests, name, path, spoiled, wrapper=()):
    file = ROOT / path
    text = file.read_text(encoding="utf-8")
    try:
        file.write_text(spoiled, encoding="utf-8")
        caught = build_and_run(build, tests, wrapper)
    finally:
        file.write_text(text, encoding="utf-8")
    shown = ", ".join(f"`{each}`" for each in caught[:3]) + (f" and {len(caught) - 3} more" if len(caught) > 3 else "")
    print(f"| {name} | {shown or 'none'} |", flush=True)


def label_of(lines, number):
    """The ordering label beside a line, or the function that the line is in."""
    for near in (number, number - 1, number - 2, number + 1):
        if found := re.search(r"\b[a-z]+:[RA]\b", lines[near]):
            return found[0]
    for before in range(number, -1, -1):
        if found := re.match(r"[a-z].*?(\w+)\(", lines[before]):
            return found[1]
    return "?"


def mutate_orders(build, words):
    setarch = ("setarch", "-R")
    for folder, tests in ORDERS.items():
        found = []
        for file in sorted((ROOT / folder).rglob("*.[ch]")):
            text = file.read_text(encoding="utf-8")
            lines, path = text.splitlines(), file.relative_to(ROOT)
            for match in re.finditer("|".join(WEAKER), text):
                number = text.count("\n", 0, match.start())
                name = f"{label_of(lines, number)} ({path}:{number + 1})"
                if "fence" not in lines[number] and (not words or any(word in name for word in words)):
                    found.append((name, path, text[:match.start()] + WEAKER[match[0]] + text[match.end():]))
        if found:
            check_green(build, tests, setarch)
        for name, path, spoiled in found:
            mutate(build, tests, name, path, spoiled, setarch)


def check_texts():
    wrong = [f"{group}, {name}: {path} does not have this text once: {old!r}" for group, (_, mutations) in MUTATIONS.items()
             for name, path, old, _ in mutations if (ROOT / path).read_text(encoding="utf-8").count(old) != 1]
    print("1..1", "not ok 1 - texts" if wrong else "ok 1 - texts", *("# " + each for each in wrong), sep="\n")


def main():
    if sys.argv[1] == "--texts":
        check_texts()
        return
    if sys.argv[1] == "--orders":
        mutate_orders(pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:])
        return
    build, wanted = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    for group, (tests, mutations) in MUTATIONS.items():
        chosen = [each for each in mutations if not wanted or group in wanted or each[0] in wanted]
        if chosen:
            check_green(build, tests)
        for name, path, old, new in chosen:
            text = (ROOT / path).read_text(encoding="utf-8")
            assert text.count(old) == 1, f"{path} does not have this text once: {old!r}"
            mutate(build, tests, name, path, text.replace(old, new, 1))


if __name__ == "__main__":
    main()
