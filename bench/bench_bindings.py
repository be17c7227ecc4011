#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What an event costs in other languages, compared with the C macros in the same run.

    bindings/shared   a C program that calls the functions of the shared library
    bindings/rust     the crate, built with --release
    bindings/go       the package; the measured time includes handing over its batches
    bindings/python   the module

ns/event of wall time, alternating; nobody reads the ring.  A language without its compiler is skipped with a message: ./dev setup-bindings.
Run from a build directory, where Meson puts it; options and output as the other benchmarks (bench.h)."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(__file__).resolve().parent.parent
SOURCE = pathlib.Path(json.loads((BUILD / "meson-info/meson-info.json").read_text(encoding="utf-8"))["directories"]["source"])
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "bench"))
from report import Report

CASES = ("shared", "rust", "go", "python")
COUNTS = {"c": 2000000, "shared": 2000000, "rust": 2000000, "go": 2000000, "python": 20000}
LIBRARY = BUILD / "libtrace/shared"
INCLUDES = [f"-I{SOURCE / part}" for part in ("proto", "proto/include", "libtrace/include")]


class Missing(Exception):
    """A compiler is missing."""


def environment(top):
    return {"PATH": "/usr/bin:/bin", "HOME": str(top), "LD_LIBRARY_PATH": str(LIBRARY), "P2PTRACE_LIB_DIR": str(LIBRARY), "GOPROXY": "off",
            "GOFLAGS": "-mod=mod", "PKG_CONFIG_PATH": str(BUILD / "meson-uninstalled"), "P2PTRACE_SHM_DIR": str(top / "shm"), "RUSTC": "/usr/bin/rustc",
            "CARGO_TARGET_DIR": str(top / "target"), "PYTHONPATH": str(SOURCE / "bindings/python"),
            "P2PTRACE_LIBRARY": str(LIBRARY / "libp2ptrace-shared.so.1")}


def run(top, *command, cwd=None):
    done = subprocess.run([str(word) for word in command], env=environment(top), cwd=cwd, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stderr}")
    return done.stdout


def build_c(top, name, *words):
    run(top, "cc", "-O2", *INCLUDES, SOURCE / "bench/bindings/floor.c", *words, "-pthread", "-o", top / name)
    return [top / name]


def build_rust(top):
    if not os.access("/usr/bin/cargo", os.X_OK):
        raise Missing("no cargo")
    (top / "rust/src").mkdir(parents=True)
    (top / "rust/Cargo.toml").write_text('[package]\nname = "emit"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n'
                                         f'p2ptrace = {{ path = "{SOURCE}/bindings/rust", features = ["trace-full"] }}\n', encoding="utf-8")
    (top / "rust/src/main.rs").write_bytes((SOURCE / "bench/bindings/main.rs").read_bytes())
    run(top, "/usr/bin/cargo", "build", "-q", "--offline", "--release", "--manifest-path", top / "rust/Cargo.toml")
    return [top / "target/release/emit"]


def build_go(top):
    if not os.access("/usr/bin/go", os.X_OK):
        raise Missing("no go")
    (top / "main").mkdir()
    (top / "main/go.mod").write_text(f"module emit\n\ngo 1.19\n\nrequire p2ptrace v0.0.0\n\nreplace p2ptrace => {SOURCE}/bindings/go\n", encoding="utf-8")
    (top / "main/main.go").write_bytes((SOURCE / "bench/bindings/main.go").read_bytes())
    run(top, "/usr/bin/go", "build", "-o", top / "emit-go", ".", cwd=top / "main")
    return [top / "emit-go"]


def build(top, case):
    if case == "shared":
        return build_c(top, "shared", "-DSHARED", f"-L{LIBRARY}", "-lp2ptrace-shared")
    if case == "python":
        return ["/usr/bin/python3", SOURCE / "bench/bindings/main.py"]
    return {"rust": build_rust, "go": build_go}[case](top)


def measure(report, top, wanted, quick):
    programs = {"c": build_c(top, "c", BUILD / "libtrace/libp2ptrace.a")}
    for case in wanted:
        try:
            programs[case] = build(top, case)
        except Missing as why:
            print(f"bindings/{case}: {why}: ./dev setup-bindings", file=sys.stderr)
    values = {case: [] for case in programs}
    for _ in range(3 if quick else 15):
        for case, program in programs.items():
            values[case].append(float(run(top, *program, COUNTS[case] // (20 if quick else 1))))
            for ring in (top / "shm").iterdir():
                ring.unlink()
    floor = sorted(values["c"])[len(values["c"]) // 2]
    for case in programs:
        if case != "c":
            report.result(case, values[case], "ns/event", floor)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="bindings, or bindings/CASE; names of other benchmarks are not an error")
    for option in ("--json", "--list", "--quick"):
        parser.add_argument(option, action="store_true")
    args = parser.parse_args()
    if args.list:
        print("\n".join(f"bindings/{case}" for case in CASES))
        return
    wanted = [case for case in CASES if not args.name or "bindings" in args.name or f"bindings/{case}" in args.name]
    if not wanted:
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as top:
        (pathlib.Path(top) / "shm").mkdir()
        measure(Report("bindings", "the macros of C", args.json), pathlib.Path(top), wanted, args.quick)


if __name__ == "__main__":
    main()
