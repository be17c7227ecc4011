#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Removes the tracing from C source text, like a person who deletes the trace lines.

What counts as tracing:

    TRACE_NAME(...);       a statement                        deleted, with its semicolon
    TRACE_ONLY(...)        anywhere, also TRACE_APP_ONLY      deleted
    TRACE_IF { ... }       or one statement                   deleted; of `TRACE_IF a else b`, b stays
    TRACE_CONTEXT_BYTES    in an expression                   becomes 0
    TRACE_CONTEXT_DECODE() as in if (... != 0) a else b       deleted, b stays; elsewhere in an expression becomes 0
    #include <p2ptrace/...h>                                  deleted, unless asked to keep it
    #ifdef TRACE ... #else ... #endif                         deleted, the other branch stays (also #ifndef, #if defined)

Line breaks stay, so __LINE__ and assert() do not change.  A statement that is the whole body of an
if, else or loop, or follows a label, becomes an empty statement instead of nothing.

As a program: strip_trace.py [--keep-include] FILE > STRIPPED."""
import re
import sys

TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      | (?P<directive>(?:(?<=\n)|\A)[ \t]*\#(?:\\\n|/\*.*?\*/|[^\n])*)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
      | (?P<space>\s+)
      | (?P<other>.)""",
    re.X | re.S,
)
SWITCH = r"TRACE(?:_APP|_INDEX|_FULL)?"
INCLUDE = re.compile(r"\s*#\s*include\s*[<\"]p2ptrace/\w+\.h[>\"]")
IF_ON = re.compile(rf"\s*#\s*(?:ifdef\s+{SWITCH}\b|if\s+defined\s*\(?\s*{SWITCH}\s*\)?\s*(?:/\*.*)?$)", re.S)
IF_OFF = re.compile(rf"\s*#\s*(?:ifndef\s+{SWITCH}\b|if\s+!\s*defined\s*\(?\s*{SWITCH}\s*\)?\s*(?:/\*.*)?$)", re.S)
IF_ANY = re.compile(r"\s*#\s*if")
ELSE = re.compile(r"\s*#\s*else\b")
ELIF = re.compile(r"\s*#\s*elif\b")
ENDIF = re.compile(r"\s*#\s*endif\b")


class StripError(Exception):
    """This program does not understand the text; the message says where."""


class Stripper:
    """Tokens as [kind, text]; deleting one keeps its line breaks."""

    def __init__(self, text, keep_include, names=None):
        self.tokens = [[m.lastgroup, m.group()] for m in TOKEN.finditer(text)]
        self.keep_include = keep_include
        self.names = names

    def is_ours(self, name):
        """Is it a name of the library?  Without a list of them, any name that looks like one is."""
        return name in self.names if self.names is not None else re.match(r"(?:TRACE|trace)_", name)

    def line(self, at):
        return 1 + sum(text.count("\n") for _, text in self.tokens[:at])

    def blank(self, first, last, instead=""):
        """Deletes tokens first ... last - 1."""
        for at in range(first, last):
            kept = "\n" * self.tokens[at][1].count("\n")
            self.tokens[at] = ["space", kept]
        if instead:
            self.tokens[first] = ["other", instead + self.tokens[first][1]]

    def significant(self, at, step=1):
        """The next token from `at` on that is code; None at the end."""
        while 0 <= at < len(self.tokens):
            if self.tokens[at][0] not in ("comment", "space", "directive"):
                return at
            at += step
        return None

    def text(self, at):
        return self.tokens[at][1] if at is not None else ""

    def closing(self, at):
        """The token that closes the bracket at `at`."""
        depth = 0
        for i in range(at, len(self.tokens)):
            kind, text = self.tokens[i]
            if kind != "other":
                continue
            depth += text in "([{"
            depth -= text in ")]}"
            if depth == 0:
                return i
        raise StripError(f"line {self.line(at)}: bracket is never closed")

    def statement_end(self, at):
        """The token after the statement that begins at `at`."""
        at = self.significant(at)
        if at is None:
            raise StripError("the text ends within a statement")
        word = self.text(at)
        if word == "{":
            return self.closing(at) + 1
        if word in ("if", "for", "while", "switch"):
            end = self.statement_end(self.closing(self.significant(at + 1)) + 1)
            other = self.significant(end)
            return self.statement_end(other + 1) if word == "if" and self.text(other) == "else" else end
        if word == "do":
            end = self.statement_end(at + 1)
            at = self.closing(self.significant(self.significant(end) + 1))
        while self.text(at) != ";":
            at = self.closing(at) + 1 if self.text(at) in ("(", "[", "{") else at + 1
            if at >= len(self.tokens):
                raise StripError("the text ends within a statement")
        return at + 1

    def must_stay_a_statement(self, before):
        """Would deleting a statement after this token make another one the body of an if, a loop or a label?"""
        return self.text(before) in (")", "else", "do", ":")

    def strip_conditionals(self):
        """Resolves #ifdef TRACE and similar directives as with tracing off."""
        stack = []  # [start of the part to delete or None, is ours, the current branch is the one to delete]
        for at, (kind, text) in enumerate(self.tokens):
            if kind != "directive":
                continue
            if IF_ANY.match(text):
                ours = bool(IF_ON.match(text) or IF_OFF.match(text))
                stack.append([at, ours, bool(IF_ON.match(text))])
            elif (ELSE.match(text) or ELIF.match(text) or ENDIF.match(text)) and not stack:
                raise StripError(f"line {self.line(at)}: no #if before")
            elif ELIF.match(text) and stack[-1][1]:
                raise StripError(f"line {self.line(at)}: #elif in an #if about TRACE")
            elif ELSE.match(text) and stack[-1][1]:
                start, _, goes = stack[-1]
                self.blank(start, at + 1 if goes else start + 1)
                stack[-1] = [at, True, not goes]
            elif ENDIF.match(text):
                start, ours, goes = stack.pop()
                if ours:
                    self.blank(start, at + 1 if goes else start + 1)
                    self.blank(at, at + 1)

    def strip_if(self, at, body):
        end = self.statement_end(body)
        other = self.significant(end)
        if self.text(other) == "else":
            self.blank(at, other + 1)
            return
        before = self.significant(at - 1, -1)
        self.blank(at, end, ";" if self.must_stay_a_statement(before) else "")

    def strip_decode(self, at):
        open_at = self.significant(at - 1, -1)
        if_at = self.significant(open_at - 1, -1)
        end = self.closing(self.significant(at + 1)) + 1
        if self.text(open_at) == "(" and self.text(if_at) == "if":
            close_at = self.closing(open_at)
            if "".join(text for _, text in self.tokens[end:close_at]).split() == ["!=", "0"]:
                self.strip_if(if_at, close_at + 1)
                return
        self.blank(at, end, "0")

    def strip_call(self, at, name):
        open_at = self.significant(at + 1)
        if self.text(open_at) != "(":
            raise StripError(f"line {self.line(at)}: {name} is not called")
        end = self.closing(open_at) + 1
        before = self.significant(at - 1, -1)
        after = self.significant(end)
        if self.text(after) == ";" and (before is None or self.text(before) in (";", "{", "}")):
            end = after + 1
        elif name not in ("TRACE_ONLY", "TRACE_APP_ONLY") and not (self.text(after) == ";" and self.must_stay_a_statement(before)):
            raise StripError(f"line {self.line(at)}: {name} is not a statement")
        self.blank(at, end)

    def strip(self):
        self.strip_conditionals()
        for at, (kind, text) in enumerate(self.tokens):
            kind, text = self.tokens[at]
            if kind == "directive" and INCLUDE.match(text) and not self.keep_include:
                self.blank(at, at + 1)
            elif kind == "directive":
                self.tokens[at][1] = re.sub(r"\bTRACE_CONTEXT_BYTES\b", "0", text)
            elif kind != "name" or not text.startswith("TRACE_") or not self.is_ours(text):
                continue
            elif text == "TRACE_IF":
                self.strip_if(at, at + 1)
            elif text == "TRACE_CONTEXT_BYTES":
                self.tokens[at][1] = "0"
            elif text == "TRACE_CONTEXT_DECODE":
                self.strip_decode(at)
            elif self.text(self.significant(at + 1)) == "(":
                self.strip_call(at, text)
        return "".join(text for _, text in self.tokens)


def strip(text, keep_include=False, names=None):
    """The text without its tracing.  names: those of the library, if the text may have others with the same prefix.  Raises StripError."""
    return Stripper(text, keep_include, names).strip()


def leftovers(text, names=None):
    """Names of the library that are still in the text, in its code or its macros, with their lines."""
    stripper = Stripper(text, True, names)
    return [
        f"line {stripper.line(at)}: {name}"
        for at, (kind, token) in enumerate(stripper.tokens)
        if kind in ("name", "directive")
        for name in re.findall(r"\b(?:TRACE|trace)_\w+", token)
        if stripper.is_ours(name)
    ]


def main():
    arguments = [a for a in sys.argv[1:] if a != "--keep-include"]
    if len(arguments) != 1:
        sys.exit("usage: strip_trace.py [--keep-include] FILE")
    try:
        with open(arguments[0], encoding="utf-8") as file:
            sys.stdout.write(strip(file.read(), "--keep-include" in sys.argv))
    except StripError as error:
        sys.exit(f"{arguments[0]}: {error}")


if __name__ == "__main__":
    main()
