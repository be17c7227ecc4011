#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows which lines of the code under test each fuzz target's corpus reaches: rows of docs/security.md.

    fuzz_coverage.py BUILD_DIRECTORY TARGET...

Counts the inputs of tests/fuzz/corpus_NAME and, if ./dev fuzz ran, of build-fuzz/corpus_NAME.  Use it through ./dev fuzz-coverage."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The code that each target tests.
FILES = {
    "config": ["inspector/options/config.c"],
    "context": ["libtrace/node/context.c"],
    "event": ["proto/event_json.c", "proto/event_parse.c", "inspector/base/event_scan.c", "inspector/base/json_scan.c"],
    "filter": ["proto/filter/"],
    "fleet": ["inspector/fleet/fleet_event.c", "inspector/fleet/row_binary.c"],
    "qlog": ["libtrace/adapters/ngtcp2_qlog.c"],
    "reader": ["libtrace/ring/attach.c", "libtrace/ring/reader.c", "libtrace/ring/present.c"],
    "recording": ["recording/recording.c", "recording/recording_scan.c", "recording/recording_frame.c", "recording/recording_nodes.c",
                  "recording/recording_merge.c", "recording/recording_once.c", "recording/recording_once_losses.c"],
    "rpc": ["proto/rpc.c", "proto/rpc_params.c", "store/ask/", "store/params/"],
    "salvage": ["recording/recording_salvage.c"],
    "saved": ["inspector/source/recording/saved_json.c", "inspector/source/recording/json_pieces.c"],
    "scene": ["tests/helpers/scene.c"],
    "sql": ["inspector/sql/sql_push.c", "inspector/sql/sql_events.c"],
}


def tool(name):
    return shutil.which(name) or shutil.which(name + "-14") or sys.exit(f"fuzz_coverage: {name} does not exist")


def lines_of(build, target):
    program = build / "tests/fuzz" / f"replay_{target}"
    profiles = []
    with tempfile.TemporaryDirectory() as directory:
        for number, corpus in enumerate((ROOT / "tests/fuzz" / f"corpus_{target}", ROOT / "build-fuzz" / f"corpus_{target}")):
            if corpus.is_dir() and any(corpus.iterdir()):
                profile = f"{directory}/{number}.profraw"
                subprocess.run([program, "--whole", corpus], env=os.environ | {"LLVM_PROFILE_FILE": profile}, stdout=subprocess.DEVNULL, check=True)
                profiles.append(profile)
        merged = f"{directory}/all.profdata"
        subprocess.run([tool("llvm-profdata"), "merge", "-o", merged, *profiles], check=True)
        report = subprocess.run([tool("llvm-cov"), "export", "--summary-only", f"--instr-profile={merged}", program], check=True,
                                capture_output=True).stdout
    counted = covered = 0
    for file in json.loads(report)["data"][0]["files"]:
        name = os.path.relpath(os.path.realpath(os.path.join(build, file["filename"])), ROOT)
        if any(name == each or (each.endswith("/") and name.startswith(each)) for each in FILES[target]):
            counted += file["summary"]["lines"]["count"]
            covered += file["summary"]["lines"]["covered"]
    return covered, counted


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    for target in sys.argv[2:]:
        covered, counted = lines_of(build, target)
        print(f"| `{target}` | {', '.join(f'`{name}`' for name in FILES[target])} | {100 * covered / counted:.0f} % of {counted} |", flush=True)


if __name__ == "__main__":
    main()
