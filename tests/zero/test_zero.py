#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tracing that is compiled out is nothing: the tests, as TAP.

    test_zero.py headers|code|strip SOURCE_ROOT
    test_zero.py examples SOURCE_ROOT CFLAGS SOURCE...

headers  every public header alone, and every_macro.c, compile without a warning with each switch, standard and compiler
code     every_macro.c with tracing off is the same object code as its text without the tracing; and leaks are found
examples the sources of an example with tracing off are the same object code as without the tracing
strip    strip_trace.py removes what it should, and nothing else"""
import concurrent.futures
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import strip_trace
import zero

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
LANGUAGES = {
    "gcc": (["-std=c11"], ["-std=c17"]),
    "clang": (["-std=c11"], ["-std=c17"]),
    "g++": (["-x", "c++", "-std=c++17"],),
    "clang++": (["-x", "c++", "-std=c++17"],),
}
PARTS = ([], ["TRACE"], ["TRACE", "TRACE_APP"], ["TRACE", "TRACE_INDEX"], ["TRACE", "TRACE_APP", "TRACE_INDEX"], ["TRACE_FULL"])
SWITCHES = [a + b for a, b in itertools.product(PARTS, ([], ["TRACE_MINIMAL"]))] + [["TRACE_SAMPLE"], ["TRACE_FULL", "TRACE_SAMPLE"]]
SWITCHES_FEW = [[], ["TRACE_FULL"]]  # for headers that do not ask for switches


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


def syntax(command, text):
    done = subprocess.run(
        [*command, "-fsyntax-only", "-"], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return "" if done.returncode == 0 else f"{' '.join(command)}\n{done.stdout}"


def header_texts(root):
    """What is compiled, by name.  Each header alone and twice, then every_macro.c with what the context's size must be."""
    for top in ("proto/include", "libtrace/include"):
        for name in sorted(os.listdir(os.path.join(root, top, "p2ptrace"))):
            yield f"p2ptrace/{name}", f"#include <p2ptrace/{name}>\n" * 2 + "extern int nothing_else;\n"
    size = "#ifdef TRACE\n{0}(TRACE_CONTEXT_BYTES == 26, \"\");\n#else\n{0}(TRACE_CONTEXT_BYTES == 0, \"\");\n#endif\n"
    yield "every_macro.c", read(os.path.join(root, "tests/zero/every_macro.c")) + size.format("TRACE_STATIC_ASSERT_")


def test_headers(tap, root):
    texts = list(header_texts(root))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for compiler, languages in LANGUAGES.items():
            for language, (name, text) in itertools.product(languages, texts):
                what = f"{name} compiles clean with every switch, {compiler} {language[-1]}"
                if shutil.which(compiler) is None:
                    tap.skip(what, f"{compiler} is not installed")
                    continue
                base = [compiler, *language, *WARNINGS, *include_flags(root)]
                if not compiler.endswith("++"):
                    base += ["-x", "c"]
                switches = SWITCHES if name in ("p2ptrace/trace.h", "p2ptrace/emit.h", "p2ptrace/query.h", "every_macro.c") else SWITCHES_FEW
                commands = [base + [f"-D{s}" for s in chosen] for chosen in switches]
                faults = [f for f in pool.map(lambda command, text=text: syntax(command, text), commands) if f]
                tap.point(not faults, what, "\n".join(faults[:2]))
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
    # type, member, what is wrong with it
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
            why = syntax(base, FIELDS % (kind, member))
            what = f"a member that {fault} is no field" if fault else f"a member is a field: {kind} {member}"
            tap.point(bool(why) == bool(fault), f"{what}, {compiler}", why or "it compiles")


# ---- object code -----------------------------------------------------------------------------------------------------------


def test_examples(tap, root, cflags, *sources):
    """Sources that use the library's plain types (ids) without tracing too: the headers stay, the tracing goes."""
    flags = ["-std=gnu11", "-D_GNU_SOURCE", *include_flags(root), *shlex.split(cflags)]

    def one(case):
        source, compiler, level = case
        try:
            return zero.compare(source, compiler, level, flags, keep_include=True)[1]
        except zero.ZeroError as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for compiler, level in itertools.product(zero.COMPILERS, zero.LEVELS):
            what = f"tracing that is off leaves no byte in {len(sources)} sources of the example, {compiler} {level}"
            if shutil.which(compiler) is None:
                tap.skip(what, f"{compiler} is not installed")
                continue
            faults = pool.map(one, [(source, compiler, level) for source in sources])
            text = "\n".join(f"{os.path.basename(s)}: {f}" for s, f in zip(sources, faults) if f)
            tap.point(not text and len(sources) > 0, what, text)


def test_every_macro_is_used(tap, root):
    header = read(os.path.join(root, "libtrace/include/p2ptrace/trace.h"))
    macros = set(re.findall(r"^#define (TRACE_(?:[A-Z]+_)*[A-Z]+)(?:\(| if)", header, re.M)) | {"TRACE_CONTEXT_BYTES"}
    used = set(re.findall(r"\bTRACE_\w+", read(os.path.join(root, "tests/zero/every_macro.c"))))
    tap.point(len(macros) > 15, "the macros of trace.h are found", f"only {sorted(macros)}")
    tap.point(macros <= used, "every_macro.c uses every macro of trace.h", f"missing: {sorted(macros - used)}")


def kinds_of_table(root):
    """Of each kind of events.def: its name, and the fields as (type, name, unit)."""
    table = read(os.path.join(root, "proto/tbl/events.def"))
    for part in re.split(r"^TRACE_KIND\(", table, flags=re.M)[1:]:
        name = re.match(r"\d+, \w+, (\w+),", part).group(1)
        yield name, re.findall(r"TRACE_FIELD\((\w+),\s*(\w+),\s*\d+,\s*([\w-]+),", part)


def expected_parameters(fields):
    """What a kind's macro takes behind log, context and peer: the fields of the table, with their units."""
    for kind, name, unit in fields:
        if name == "span_id":
            continue  # the context's
        yield name if unit == "-" or name in ("offset", "length", "size") else f"{name}_{unit}"
        if kind == "payload":
            yield f"{name}_bytes"


def test_every_kind_has_a_macro(tap, root):
    """Nothing but events_lost, which no node may write, is left out."""
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
    for compiler, level in itertools.product(zero.COMPILERS, zero.LEVELS):
        what = f"tracing that is off leaves no byte in {os.path.basename(source)}, {compiler} {level}"
        if shutil.which(compiler) is None:
            tap.skip(what, f"{compiler} is not installed")
            continue
        _, fault = zero.compare(source, compiler, level, ["-std=gnu11", *include_flags(root)])
        tap.point(not fault, what, fault)


LEAKS = {
    # name: (what stands in trace.h, what stands there in the leaking one)
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
    "a context that takes room on the wire": (
        "#define TRACE_CONTEXT_BYTES 0",
        "#define TRACE_CONTEXT_BYTES 26",
    ),
}


def test_leaks_are_found(tap, root, source):
    """Were the header to leak, would the comparison say so?"""
    header = read(os.path.join(root, "libtrace/include/p2ptrace/trace.h"))
    for name, (whole, leaking) in LEAKS.items():
        if whole not in header:
            tap.point(False, f"the comparison finds {name}", "trace.h no longer has the line that this leak replaces")
            continue
        with tempfile.TemporaryDirectory() as top:
            os.makedirs(os.path.join(top, "p2ptrace"))
            with open(os.path.join(top, "p2ptrace/trace.h"), "w", encoding="utf-8") as file:
                file.write(header.replace(whole, leaking))
            flags = ["-w", "-std=gnu11", f"-I{top}", *include_flags(root)]
            missed = [
                f"{compiler} {level}"
                for compiler, level in itertools.product(zero.compilers(), zero.LEVELS)
                if not zero.compare(source, compiler, level, flags)[1]
            ]
        tap.point(not missed, f"the comparison finds {name}", f"not with {', '.join(missed)}")


def test_arguments_are_not_evaluated(tap, root, source):
    """Runs the file with tracing off, linked with nothing: it counts what the arguments would have done."""
    for compiler in zero.COMPILERS:
        what = f"arguments are not evaluated and no library is needed, {compiler}"
        if shutil.which(compiler) is None:
            tap.skip(what, f"{compiler} is not installed")
            continue
        with tempfile.TemporaryDirectory() as top:
            program = os.path.join(top, "program")
            command = [compiler, "-std=gnu11", "-DZERO_MAIN", *include_flags(root), source, "-o", program]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0:
                tap.point(False, what, done.stdout)
                continue
            code = subprocess.run([program]).returncode
            tap.point(code == 0, what, f"exit status {code}")


def test_core_has_no_application(tap, root, source):
    """With TRACE and without TRACE_APP: the events of the core, and nothing of the application's."""
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
    test_same_code(tap, root, source)
    test_leaks_are_found(tap, root, source)
    test_arguments_are_not_evaluated(tap, root, source)


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


def test_strip(tap, _root):
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
    groups = {"headers": test_headers, "code": test_code, "examples": test_examples, "strip": test_strip}
    groups[sys.argv[1]](tap, os.path.abspath(sys.argv[2]), *sys.argv[3:])
    tap.end()


if __name__ == "__main__":
    main()
