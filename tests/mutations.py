#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Spoils one line of the ring's readers at a time, and says which tests go red: the table of docs/security.md.

    tests/mutations.py BUILD_DIRECTORY     prints a Markdown row for each; changes sources while it runs, and puts them back"""
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
    ("discarded is plausible", READER, "is_plausible(lane, head, reader->now_ns) && discarded >=", "true || discarded >="),
    ("holes are not touched", READER, "    return slot_is_present(reader, index, slot, hole);", "    return true;"),
    ("gaps at a run's end", READER, "if (read->count != 0 && state != SLOT_NOT_YET) break;", ""),
    ("traced: no_lane told once", RING, "    ring->no_lane_told = count;\n", ""),
)


def run(*words):
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def red(build):
    """The tests that fail, by name; a program that crashes is named itself."""
    names = []
    for test in TESTS:
        try:
            done = subprocess.run([build / "tests" / test, "2000000"], capture_output=True, text=True, errors="replace", check=False, timeout=60,
                                  env={"CK_TAP_LOG_FILE_NAME": "-", "CK_VERBOSITY": "silent", "CK_DEFAULT_TIMEOUT": "0", "PATH": "/usr/bin"})
        except subprocess.TimeoutExpired:
            names.append(test.rsplit("/", 1)[1] + " (hangs)")
            continue
        failed = re.findall(r"^not ok \d+ - [^:]*:\w+:(\w+)", done.stdout, re.M)
        if done.returncode and not failed:
            failed = [test.rsplit("/", 1)[1]]
        names += sorted(set(failed))
    return names


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    targets = ["tests/" + test for test in TESTS]
    for name, path, old, new in MUTATIONS:
        file = ROOT / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        try:
            file.write_text(text.replace(old, new, 1), encoding="utf-8")
            made = run("ninja", "-C", build, *targets)
            caught = red(build) if made.returncode == 0 else ["does not compile"]
        finally:
            file.write_text(text, encoding="utf-8")
        shown = ", ".join(f"`{each}`" for each in caught[:3]) + (f" and {len(caught) - 3} more" if len(caught) > 3 else "")
        print(f"| {name} | {shown or 'none'} |", flush=True)


if __name__ == "__main__":
    main()
