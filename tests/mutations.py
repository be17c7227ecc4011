#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Spoils one line at a time, and says which tests go red: the tables of docs/security.md.  Prints a Markdown row for each; changes
sources while it runs, and puts them back.

    tests/mutations.py BUILD_DIRECTORY [NAME...]     lines of the ring's readers, or those named
    tests/mutations.py --orders BUILD_TSAN [WORD...] each acquire and release, or those whose name has one of the words, made relaxed;
                                                     BUILD_TSAN is what `./dev tsan` builds"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
READER, SLOT, RING, ATTACH = "libtrace/ring/reader.c", "libtrace/ring/slot.h", "traced/ingest/ingest_ring.c", "libtrace/ring/attach.c"
TESTS = ("libtrace/test_libtrace_ring", "libtrace/test_libtrace_hostile", "libtrace/test_libtrace_attach", "libtrace/test_libtrace_many",
         "libtrace/test_libtrace_log", "stress/stress_emit", "traced/test_traced_ingest")

MUTATIONS = (
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
    ("traced: no_lane told once", RING, "    ring->no_lane_told = count;\n", ""),
)

# Where acquires and releases are, and the tests that run there under the thread sanitizer.
ORDERS = {
    "libtrace": ("libtrace/test_libtrace_ordering", "libtrace/test_libtrace_log", "libtrace/test_libtrace_app", "libtrace/test_libtrace_query"),
    "store": ("store/test_store_nodes", "store/test_store_history_stress", "store/test_store_page", "store/test_store_keep"),
    "traced": ("traced/test_traced_ingest", "recording/test_recording"),
}
WEAKER = {"__ATOMIC_RELEASE": "__ATOMIC_RELAXED", "__ATOMIC_ACQUIRE": "__ATOMIC_RELAXED",
          "memory_order_release": "memory_order_relaxed", "memory_order_acquire": "memory_order_relaxed"}


def run(*words):
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


def red(build, tests, wrapper=()):
    """The tests that fail, by name; a program that crashes is named itself."""
    names = []
    for test in tests:
        try:
            done = subprocess.run([*wrapper, build / "tests" / test, "2000000"], capture_output=True, text=True, errors="replace", check=False,
                                  timeout=400, env={"CK_TAP_LOG_FILE_NAME": "-", "CK_VERBOSITY": "silent", "CK_DEFAULT_TIMEOUT": "0",
                                                   "TSAN_OPTIONS": "halt_on_error=1:handle_sigbus=0", "PATH": "/usr/bin"})
        except subprocess.TimeoutExpired:
            names.append(test.rsplit("/", 1)[1] + " (hangs)")
            continue
        failed = re.findall(r"^not ok \d+ - [^:]*:\w+:(\w+)", done.stdout, re.M)
        if done.returncode and not failed:
            failed = [test.rsplit("/", 1)[1]]
        names += sorted(set(failed))
    return names


def build_and_run(build, tests, wrapper):
    made = run("ninja", "-C", build, *("tests/" + test for test in tests))
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


def main():
    if sys.argv[1] == "--orders":
        mutate_orders(pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:])
        return
    build = pathlib.Path(sys.argv[1]).resolve()
    check_green(build, TESTS)
    for name, path, old, new in MUTATIONS:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        if len(sys.argv) == 2 or name in sys.argv[2:]:
            mutate(build, TESTS, name, path, text.replace(old, new, 1))


if __name__ == "__main__":
    main()
