#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests that tracing that is compiled out leaves nothing; prints TAP.

    test_zero.py GROUP SOURCE_ROOT BUILD_ROOT LIBRARY

headers  every public header alone, and every_*.c, compile without a warning with each switch, standard and compiler
code     every_*.c with tracing off gives the same object code as its text without the tracing; and leaks are found
calls    with tracing off nothing is evaluated and nothing allocated; with tracing on the same count detects it
examples the sources of all examples with tracing off give the same object code as without the tracing
strip    strip_trace.py removes what it should, and nothing else"""
import concurrent.futures
import glob
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import strip_trace
import zero

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
LANGUAGES = {
    "gcc": (["-std=gnu99"], ["-std=c11"], ["-std=c17"]),
    "clang": (["-std=gnu99"], ["-std=c11"], ["-std=c17"]),
    "g++": (["-x", "c++", "-std=c++11"], ["-x", "c++", "-std=c++17"]),
    "clang++": (["-x", "c++", "-std=c++11"], ["-x", "c++", "-std=c++17"]),
}
PARTS = ([], ["TRACE"], ["TRACE", "TRACE_APP"], ["TRACE", "TRACE_INDEX"], ["TRACE", "TRACE_APP", "TRACE_INDEX"], ["TRACE_FULL"])
# All combinations of the switches, sensible or not; and values of -DTRACE_SAMPLE.
ALL_SWITCHES = ("TRACE", "TRACE_APP", "TRACE_INDEX", "TRACE_FULL", "TRACE_MINIMAL", "TRACE_SAMPLE=100")
SWITCHES = [list(c) for n in range(len(ALL_SWITCHES) + 1) for c in itertools.combinations(ALL_SWITCHES, n)]
SWITCHES += [["TRACE_FULL", s] for s in ("TRACE_SAMPLE", "TRACE_SAMPLE=0", "TRACE_SAMPLE=1", "TRACE_SAMPLE=4294967295")]
SWITCHES_FEW = [[], ["TRACE_FULL"]]  # for headers without switches of their own
ASKS_FOR_SWITCHES = re.compile(r"^#\s*(?:if|elif).*\bTRACE(?:_APP|_INDEX|_FULL|_MINIMAL|_SAMPLE)?\b", re.M)


class Tap:
    """Numbers the points and prints the plan at the end."""

    def __init__(self):
        self.points = 0

    def point(self, good, name, why=""):
        self.points += 1
        print(f"{'ok' if good else 'not ok'} {self.points} - {name}")
        for line in "" if good else why.splitlines():
            print(f"# {line}")

    def skip(self, name, why):
        self.points += 1
        print(f"ok {self.points} - {name} # SKIP {why}")

    def end(self):
        print(f"1..{self.points}", flush=True)


def include_flags(root):
    return [f"-I{os.path.join(root, d)}" for d in ("proto/include", "proto", "libtrace/include")]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


# ---- headers ---------------------------------------------------------------------------------------------------------------


def accepts(command, text):
    """Does the compiler accept the text without a message?  Returns its output."""
    done = subprocess.run([*command, "-"], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return "" if done.returncode == 0 and not done.stdout else f"{' '.join(command)}\n{done.stdout}"


def public_headers(root):
    """Each header that is installed, with its text."""
    for top in ("proto/include", "libtrace/include"):
        for name in sorted(os.listdir(os.path.join(root, top, "p2ptrace"))):
            yield f"p2ptrace/{name}", read(os.path.join(root, top, "p2ptrace", name))


def every_source(root):
    """The programs that use every macro: every_macro.c, and one for each further library."""
    return sorted(glob.glob(os.path.join(root, "tests/zero/every_*.c")))


# The effects of the switches, for the compiler to check.
DECIDED = """
#if defined(TRACE) || defined(TRACE_FULL)
TRACE_STATIC_ASSERT_(TRACE_CONTEXT_BYTES == 26, "");
#else
TRACE_STATIC_ASSERT_(TRACE_CONTEXT_BYTES == 0, "");
#endif
#ifdef TRACE_MINIMAL
TRACE_STATIC_ASSERT_(TRACE_LANE_EVENTS == 4096, "");
#else
TRACE_STATIC_ASSERT_(TRACE_LANE_EVENTS == 65536, "");
#endif
#if defined(TRACE_SAMPLE) && TRACE_SAMPLE > 1
TRACE_STATIC_ASSERT_(TRACE_CONTROL_SAMPLE(TRACE_CONTROL_AT_OPEN) + UINT64_C(1) == (UINT64_C(1) << 32) / TRACE_SAMPLE, "");
TRACE_STATIC_ASSERT_((uint32_t)TRACE_CONTROL_AT_OPEN == UINT32_MAX, "");
#else
TRACE_STATIC_ASSERT_(TRACE_CONTROL_AT_OPEN == TRACE_CONTROL_ALL, "");
#endif
"""


def header_texts(root):
    """What is compiled, by name, and with which switches.  Each header alone and twice; then the programs, every_macro.c with
    every choice of switches."""
    for name, text in public_headers(root):
        switches = PARTS if ASKS_FOR_SWITCHES.search(text) else SWITCHES_FEW
        yield name, f"#include <{name}>\n" * 2 + "extern int nothing_else;\n", switches
    for source in every_source(root):
        name = os.path.basename(source)
        yield name, read(source) + DECIDED, SWITCHES if name == "every_macro.c" else PARTS


def clean(tap, pool, what, commands, text):
    faults = [f for f in pool.map(lambda command: accepts(command, text), commands) if f]
    tap.point(not faults and commands, what, "\n".join(faults[:2]))


def test_headers(tap, root):
    texts = list(header_texts(root))
    source = dict(text[:2] for text in texts)["every_macro.c"]
    off = [chosen for chosen in SWITCHES if not {"TRACE", "TRACE_FULL"} & set(chosen)]
    unused = ["-Wunused", "-Wunused-parameter", "-Wunused-const-variable", "-o", os.devnull, "-c"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for compiler, languages in LANGUAGES.items():
            if shutil.which(compiler) is None:
                tap.skip(f"headers compile clean, {compiler}", f"{compiler} is not installed")
                continue
            for language in languages:
                base = [compiler, *(() if compiler.endswith("++") else ("-x", "c")), *language, *WARNINGS, *include_flags(root)]
                for name, text, switches in texts:
                    commands = [[*base, *(f"-D{s}" for s in chosen), "-fsyntax-only"] for chosen in switches]
                    clean(tap, pool, f"{name} compiles clean with its switches, {compiler} {language[-1]}", commands, text)
                for level, choices in (("-O0", off), ("-O2", PARTS)):
                    commands = [[*base, level, *unused, *(f"-D{s}" for s in chosen)] for chosen in choices]
                    clean(tap, pool, f"nothing becomes unused when parts of tracing are off, {compiler} {language[-1]} {level}", commands, source)
        for wrong in ("-1", "4294967296"):
            refused = accepts(["gcc", "-x", "c", f"-DTRACE_SAMPLE={wrong}", *include_flags(root), "-fsyntax-only"],
                              "#include <p2ptrace/trace.h>\n")
            tap.point(refused, f"TRACE_SAMPLE={wrong} is refused")
    test_fields(tap, root)


FIELDS = """
#include <p2ptrace/app.h>
struct data {
    uint8_t three[3], nineteen_characters, twenty__characters__;
    uint64_t number;
    uint8_t beyond[27];
};
extern const struct trace_app_field fields[1];
const struct trace_app_field fields[1] = {TRACE_APP_FIELD(%s, struct data, %s)};
"""
FIELD_CASES = (
    # type, member, fault
    ("TRACE_APP_BYTES", "three", None),
    ("TRACE_APP_UNSIGNED", "number", None),
    ("TRACE_APP_UNSIGNED", "three", "is no number"),
    ("TRACE_APP_BYTES", "beyond", "ends behind the data bytes"),
    ("TRACE_APP_BYTES", "nineteen_characters", None),
    ("TRACE_APP_BYTES", "twenty__characters__", "has too long a name"),
)


def test_fields(tap, root):
    """TRACE_APP_FIELD refuses what registration would refuse."""
    for compiler, languages in LANGUAGES.items():
        if shutil.which(compiler) is None:
            tap.skip(f"fields of structs, {compiler}", f"{compiler} is not installed")
            continue
        base = [compiler, *languages[0], *WARNINGS, *include_flags(root)] + ([] if compiler.endswith("++") else ["-x", "c"])
        for kind, member, fault in FIELD_CASES:
            why = accepts([*base, "-fsyntax-only"], FIELDS % (kind, member))
            what = f"a member that {fault} is no field" if fault else f"a member is a field: {kind} {member}"
            tap.point(bool(why) == bool(fault), f"{what}, {compiler}", why or "it compiles")


# ---- object code -----------------------------------------------------------------------------------------------------------


def test_examples(tap, root, build):
    """Keeps the headers, because their plain types (ids) are used without tracing, too; removes the tracing."""
    found = list(zero.examples(build))
    tap.point({"minimal", "quic_node"} <= {name for name, _ in found}, "the build's examples are found", str([n for n, _ in found]))

    def one(case):
        (source, flags), compiler, level = case
        try:
            fault = zero.compare(source, compiler, level, flags, keep_include=True)[1]
        except zero.ZeroError as error:
            fault = str(error)
        return f"{os.path.basename(source)}: {fault}" if fault else ""

    def warns(case):
        (source, flags), compiler, chosen = case
        switches = [f"-D{s}" for s in chosen]
        return accepts([compiler, "-x", "c", *WARNINGS, *flags, f"-I{os.path.dirname(source)}", *switches, "-fsyntax-only"], read(source))

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (name, sources), compiler in itertools.product(found, zero.COMPILERS):
            if shutil.which(compiler) is None:
                tap.skip(f"tracing that is off leaves no byte in {name}, {compiler}", f"{compiler} is not installed")
                continue
            for level in zero.LEVELS:
                faults = [f for f in pool.map(one, [(source, compiler, level) for source in sources]) if f]
                what = f"tracing that is off leaves no byte in the {len(sources)} source(s) of {name}, {compiler} {level}"
                tap.point(not faults and sources, what, "\n".join(faults))
            faults = [f for f in pool.map(warns, itertools.product(sources, [compiler], PARTS)) if f]
            tap.point(not faults, f"{name} compiles clean with every part of tracing, {compiler}", "\n".join(faults[:2]))


def test_every_macro_is_used(tap, root):
    """Every macro of the headers that the switches change."""
    text = "".join(text for _, text in public_headers(root) if ASKS_FOR_SWITCHES.search(text))
    macros = set(re.findall(r"^#define (TRACE_(?:[A-Z0-9]+_)*[A-Z0-9]+)(?:\(| if)", text, re.M)) | {"TRACE_CONTEXT_BYTES"}
    used = set(re.findall(r"\bTRACE_\w+", "".join(map(read, every_source(root)))))
    tap.point(len(macros) > 15, "the macros of the headers are found", f"only {sorted(macros)}")
    tap.point(macros <= used, "every_*.c use every macro that the switches change", f"missing: {sorted(macros - used)}")


def variants(root):
    """The compilers that every_macro.c is compared with, as C and as C++: name, compiler, flags."""
    for compiler in zero.compilers():
        yield f"{compiler}", compiler, ["-std=gnu11", *include_flags(root)]
        yield f"{compiler} as C++", compiler, ["-x", "c++", "-std=c++17", *include_flags(root)]


def kinds_of_table(root):
    """The name of each kind of events.def, and its fields as (type, name, unit)."""
    table = read(os.path.join(root, "proto/tbl/events.def"))
    for part in re.split(r"^TRACE_KIND\(", table, flags=re.M)[1:]:
        name = re.match(r"\d+, \w+, (\w+),", part).group(1)
        yield name, re.findall(r"TRACE_FIELD\((\w+),\s*(\w+),\s*\d+,\s*([\w-]+),", part)


def expected_parameters(fields):
    """The parameters of a kind's macro after log, context and peer: the fields of the table, with their units."""
    for kind, name, unit in fields:
        if name == "span_id":
            continue  # comes from the context
        if name in ("linked_span_id", "linked_trace_id"):
            yield from ["linked"] if name == "linked_span_id" else []  # both come from one context
            continue
        yield name if unit == "-" or name in ("offset", "length", "size") else f"{name}_{unit}"
        if kind == "payload" and name != "alias_id":  # an id has all of its bytes
            yield f"{name}_bytes"


def test_every_kind_has_a_macro(tap, root):
    """Only events_lost, which no node may write, has no macro."""
    header = read(os.path.join(root, "libtrace/include/p2ptrace/trace.h"))
    macros = dict(re.findall(r"^#define TRACE_(\w+)\(log, context, peer, ([\w, ]+)\)", header, re.M))
    kinds = dict(kinds_of_table(root))
    tap.point(len(kinds) > 10 and "EVENTS_LOST" in kinds, "the kinds of events.def are found", f"only {sorted(kinds)}")
    for name, fields in kinds.items():
        if name == "EVENTS_LOST":
            tap.point(name not in macros, "events_lost has no macro")
            continue
        expected = list(expected_parameters(fields))
        got = macros.get(name, "no such macro").split(", ")
        tap.point(got == expected, f"TRACE_{name} takes the fields of its kind", f"expected {expected}\n     got {got}")


def test_same_code(tap, root, source):
    for compiler in set(zero.COMPILERS) - set(zero.compilers()):
        tap.skip(f"tracing that is off leaves no byte, {compiler}", f"{compiler} is not installed")
    for (name, compiler, flags), level in itertools.product(variants(root), zero.LEVELS):
        _, fault = zero.compare(source, compiler, level, flags)
        tap.point(not fault, f"tracing that is off leaves no byte in {os.path.basename(source)}, {name} {level}", fault)


LEAKS = {
    # name: (the text in trace.h, the text in the leaking copy)
    "an event whose log is still evaluated": (
        "#define TRACE_EMIT_(own, ...) TRACE_MENTION_ own",
        "void leak(const void *);\n#define TRACE_EMIT_(own, name, NAME, log, ...) leak(&side_effects)",
    ),
    "an event that leaves a string": (
        "#define TRACE_APP_EMIT_(...) TRACE_EMIT_(__VA_ARGS__)",
        "#define TRACE_APP_EMIT_(...) do { static const char text[] __attribute__((used)) = \"p2ptrace\"; } while (0)",
    ),
    "a TRACE_IF that is decided at run time": (
        "#define TRACE_IF if (0)",
        "extern int trace_on;\n#define TRACE_IF if (trace_on)",
    ),
    "a TRACE_ONLY that keeps its text": (
        "#define TRACE_ONLY(...)\n",
        "#define TRACE_ONLY(...) __VA_ARGS__\n",
    ),
    "a context that is still encoded": (
        "#define TRACE_CONTEXT_ENCODE(out, context) TRACE_MENTION_(out)",
        "#define TRACE_CONTEXT_ENCODE(out, context) (*(out) = 0)",
    ),
    "a context that is still looked for": (
        "#define TRACE_CONTEXT_DECODE(ret_context, bytes, count) (TRACE_MENTION_(bytes, count), 0)",
        "#define TRACE_CONTEXT_DECODE(ret_context, bytes, count) (*(bytes))",
    ),
    "a message that is still evaluated": (
        "TRACE_EMIT_((cmd, message), app_message,",
        "(void)(cmd); TRACE_EMIT_((cmd, message), app_message,",
    ),
    "an application's text that is kept": (
        "#define TRACE_APP_ONLY(...)\n",
        "#define TRACE_APP_ONLY(...) __VA_ARGS__\n",
    ),
    "values of the program that are evaluated": (
        "((void)(0 && trace__mention(0, __VA_ARGS__)))",
        "((void)(0, __VA_ARGS__))",
    ),
    "a context that takes room on the wire": (
        "#define TRACE_CONTEXT_BYTES 0",
        "#define TRACE_CONTEXT_BYTES 26",
    ),
}


# What a header may leave in every object that includes it: the bytes are the same with and without the tracing, but the names reveal it.
LEAKS_OF_HEADERS = {
    "a header that refers to the library": "extern int trace_version;\nstatic int *keep __attribute__((used)) = &trace_version;\n",
    "a header that calls the library": "void trace_log_start(void);\n__attribute__((constructor)) static void on(void) { trace_log_start(); }\n",
    "a header that defines a symbol": "int trace_is_here;\n",
    "a header that leaves a string": "static const char text[] __attribute__((used)) = \"p2ptrace 0.1\";\n",
}


def leaking_header(top, leaking):
    """Writes a trace.h that comes before the real one; returns the flags."""
    os.makedirs(os.path.join(top, "p2ptrace"), exist_ok=True)
    with open(os.path.join(top, "p2ptrace/trace.h"), "w", encoding="utf-8") as file:
        file.write(leaking)
    return ["-w", "-std=gnu11", f"-I{top}"]


def missed_leaks(source, flags, keep_include):
    return [
        f"{compiler} {level}"
        for compiler, level in itertools.product(zero.compilers(), zero.LEVELS)
        if not zero.compare(source, compiler, level, flags, keep_include)[1]
    ]


def test_leaks_are_found(tap, root, source):
    """Would the comparison find a leak in the header?"""
    header = read(os.path.join(root, "libtrace/include/p2ptrace/trace.h"))
    texts = {name: (header.replace(*leak) if leak[0] in header else None, False) for name, leak in LEAKS.items()}
    texts |= {name: (header + leak, True) for name, leak in LEAKS_OF_HEADERS.items()}
    for name, (leaking, keep_include) in texts.items():
        if leaking is None:
            tap.point(False, f"the comparison finds {name}", "trace.h no longer has the line that this leak replaces")
            continue
        with tempfile.TemporaryDirectory() as top:
            flags = [*leaking_header(top, leaking), *include_flags(root)]
            missed = missed_leaks(source, flags, keep_include)
        tap.point(not missed, f"the comparison finds {name}", f"not with {', '.join(missed)}")


def test_core_has_no_application(tap, root, source):
    """With TRACE and without TRACE_APP: the core's events, and none of the application's."""
    for compiler, level in itertools.product(zero.COMPILERS, zero.LEVELS):
        what = f"TRACE alone leaves nothing of application events, {compiler} {level}"
        if shutil.which(compiler) is None:
            tap.skip(what, f"{compiler} is not installed")
            continue
        with tempfile.TemporaryDirectory() as top:
            name = zero.write_pair(source, top)
            flags = ["-std=gnu11", *include_flags(root)]
            core, full = (zero.compile_object(compiler, level, flags + more, f"{top}/on", name) for more in (["-DTRACE"], ["-DTRACE_FULL"]))
        words = (b"trace_log_register_app", b"trace__emit_app_message", b"every macro's protocol", b"DMAP")
        kept = [word.decode() for word in words if word in core]
        unseen = [word.decode() for word in words if word not in full]
        tap.point(not kept and b"trace__begin" in core, what, f"kept: {kept}")
        tap.point(not unseen, f"and TRACE_FULL has it all, {compiler} {level}", f"not found: {unseen}")


def test_code(tap, root):
    source = os.path.join(root, "tests/zero/every_macro.c")
    test_every_macro_is_used(tap, root)
    test_every_kind_has_a_macro(tap, root)
    test_core_has_no_application(tap, root, source)
    for each in every_source(root):
        test_same_code(tap, root, each)
    test_leaks_are_found(tap, root, source)


# ---- behaviour ----------------------------------------------------------------------------------------------------------------


def run_every_macro(root, compiler, flags, library=()):
    """Runs every_macro.c with its calls counted: exit status (0: no argument was evaluated), and how many calls asked for memory."""
    zero_dir = os.path.join(root, "tests/zero")
    counted = re.findall(r"^COUNT\([^,]*, (\w+),", read(os.path.join(zero_dir, "count_calls.c")), re.M)
    sources = [os.path.join(zero_dir, name) for name in ("every_macro.c", "count_calls.c")]
    with tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"]) as top:
        program = os.path.join(top, "program")
        wraps = [f"-Wl,--wrap={name}" for name in counted]
        command = [compiler, "-std=gnu11", "-DZERO_MAIN", *flags, *include_flags(root), *sources, *library, "-pthread", *wraps, "-o", program]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise zero.ZeroError(done.stdout)
        done = subprocess.run([program], stdout=subprocess.PIPE, text=True, env=dict(os.environ, P2PTRACE_SHM_DIR=top))
        rings = [name for name in os.listdir(top) if name.startswith("p2ptrace.")]
        return done.returncode, int(done.stdout.split()[0]), len(rings)


def test_calls(tap, root, library):
    header = read(os.path.join(root, "libtrace/include/p2ptrace/trace.h"))
    for compiler in zero.COMPILERS:
        if shutil.which(compiler) is None:
            tap.skip(f"nothing is done, {compiler}", f"{compiler} is not installed")
            continue
        got = run_every_macro(root, compiler, [])
        tap.point(got[0] == 0, f"with tracing off no argument is evaluated and no library is needed, {compiler}", str(got))
        tap.point(got[1:] == (0, 0), f"with tracing off nothing is allocated and no ring made, {compiler}", str(got))
        got = run_every_macro(root, compiler, ["-DTRACE_FULL"], [library])
        tap.point(got[0] == 1, f"with tracing on the same program evaluates its arguments, {compiler}", str(got))
        tap.point(got[1] > 2 and got[2] == 1, f"with tracing on the same count sees the log being made, {compiler}", str(got))
        with tempfile.TemporaryDirectory() as top:
            leak = LEAKS["values of the program that are evaluated"]
            flags = leaking_header(top, header.replace(*leak))
            got = run_every_macro(root, compiler, flags)
        tap.point(got[0] == 1, f"arguments that are evaluated with tracing off are noticed, {compiler}", str(got))


# ---- the stripper ----------------------------------------------------------------------------------------------------------

STRIPPED = (
    # name, text, without tracing
    ("a statement goes with its semicolon", "a(); TRACE_X(b, \"(;\", ')'); c();", "a();  c();"),
    ("the body of an if becomes empty", "if (a) TRACE_X(b); c();", "if (a) ; c();"),
    ("the body of an else becomes empty", "if (a) b(); else TRACE_X(c); d();", "if (a) b(); else ; d();"),
    ("a labelled statement becomes empty", "end: TRACE_X(a); }", "end: ; }"),
    ("line breaks stay", "TRACE_X(a,\n  b);\nc();", "\n\nc();"),
    ("a member goes", "struct s { int a; TRACE_ONLY(int b; int c;) int d; };", "struct s { int a;  int d; };"),
    ("an argument goes", "f(a TRACE_ONLY(, b));", "f(a );"),
    ("a block goes", "TRACE_IF { a(); { b(); } } c();", " c();"),
    ("a statement goes", "TRACE_IF if (a) b(); else c(); d();", " d();"),
    ("a loop goes", "TRACE_IF do { a(); } while (b); c();", " c();"),
    ("an else stays", "TRACE_IF { a(); } else { b(); }", " { b(); }"),
    ("the body of a loop becomes empty", "while (a) TRACE_IF { b(); } c();", "while (a) ; c();"),
    ("the context's size becomes 0", "char a[4 + TRACE_CONTEXT_BYTES];", "char a[4 + 0];"),
    ("an application's text goes", "TRACE_APP_ONLY(static int a;) b();", " b();"),
    ("the decoding of a context goes with what it guards", "a(); if (TRACE_CONTEXT_DECODE(&b, c, d) != 0) return -1; e();", "a();  e();"),
    ("and its else stays", "if (TRACE_CONTEXT_DECODE(&b) != 0) { a(); } else b();", " b();"),
    ("in an expression it becomes 0", "if (a || TRACE_CONTEXT_DECODE(b, (c)) != 0) d();", "if (a || 0 != 0) d();"),
    ("comments and strings stay", "/* TRACE_X(a); */ a(\"TRACE_X(b);\");", "/* TRACE_X(a); */ a(\"TRACE_X(b);\");"),
    ("the include goes", "#include <p2ptrace/trace.h>\na;", "\na;"),
    ("an ifdef goes", "#ifdef TRACE\na;\n#else\nb;\n#endif\nc;", "\n\n\nb;\n\nc;"),
    ("an ifndef stays", "#ifndef TRACE\na;\n#if X\n#endif\n#else\nb;\n#endif\nc;", "\na;\n#if X\n#endif\n\n\n\nc;"),
    ("a defined() goes", "#if defined(TRACE_APP)\na;\n#endif\nb;", "\n\n\nb;"),
    ("another ifdef stays", "#ifdef TRACES\na;\n#else\nb;\n#endif", "#ifdef TRACES\na;\n#else\nb;\n#endif"),
)
REFUSED = (
    ("a value", "a = TRACE_X(b);"),
    ("a bracket that is never closed", "TRACE_X(a; b();"),
    ("a name that is not called", "a = TRACE_SPACE + b;"),
)


def test_strip(tap):
    for name, text, expected in STRIPPED:
        try:
            got = strip_trace.strip(text)
        except strip_trace.StripError as error:
            got = f"refused: {error}"
        tap.point(got == expected, f"strip: {name}", f"expected {expected!r}\n     got {got!r}")
    for name, text in REFUSED:
        try:
            got = strip_trace.strip(text)
            bad = not strip_trace.leftovers(got)
        except strip_trace.StripError:
            bad = False
        tap.point(not bad, f"strip: {name} is refused or left to be seen", text)


def main():
    tap = Tap()
    group, root, build, library = sys.argv[1], *map(os.path.abspath, sys.argv[2:5])
    {
        "headers": lambda: test_headers(tap, root),
        "code": lambda: test_code(tap, root),
        "calls": lambda: test_calls(tap, root, library),
        "examples": lambda: test_examples(tap, root, build),
        "strip": lambda: test_strip(tap),
    }[group]()
    tap.end()


if __name__ == "__main__":
    main()
