#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every example of docs/protocol.md, sent to a real traced; its answers have exactly the members that the document shows.

    test_protocol_examples.py DOCUMENT ERRORS      the table of error codes

An example is a block of the document that begins with ```rpc.  In it `-->` goes to traced and `<--` comes from it, over one connection, in this
order; lines that begin with a space continue the previous one, and "(N times)" at the end of a line repeats it.  `rpc` may be followed by options of traced,
or by "short of memory".  In an answer:

    …           any value; among members: there are others; among elements: any number of elements
    "64 hex"    that many hex digits
    "Text: …"   text that begins like this
    null        null, or the value shown elsewhere; a value that the document never shows as null must not be null
    [a, b]      some elements, each like one of these
    otherwise   the same type; for `id` and `code` the same value

In a request "cursor":"…" is the cursor of the previous answer."""
import fcntl
import json
import os
import pathlib
import re
import resource
import sys
import unittest

from harness import Place, hex_id, until

DOCUMENT, ERRORS = (pathlib.Path(arg).read_text(encoding="utf-8") for arg in sys.argv[1:3])
MORE = "…"
SHORT_OF_MEMORY = ("short", "of", "memory")
TRACE, OTHER = "5a356ada19ccbe5b96af9d11fc6e3b64", "5a" + "77" * 15
ALICE, BOB = hex_id(0xAA), hex_id(0xBB)


def examples():
    """(line of the document, options of traced, [(direction, text)])"""
    for box in re.finditer(r"^```rpc(.*)\n((?:.*\n)*?)```$", DOCUMENT, re.MULTILINE):
        lines = []
        for line in box.group(2).splitlines():
            if line[:1] == " ":
                lines[-1] += line.strip()
            else:
                lines.append(line)
        steps = []
        for line in lines:
            arrow, text, times = re.fullmatch(r"(-->|<--) (.*?)(?: \((\d+) times\))?", line).groups()
            steps += [(arrow, text)] * int(times or 1)
        yield DOCUMENT.count("\n", 0, box.start()) + 1, tuple(box.group(1).split()), steps


def shape(text):
    """An answer in the document: JSON, once each … is in quotes."""
    text = re.sub(r'("(?:[^"\\]|\\.)*")|…', lambda match: match.group(1) or f'"{MORE}"', text)
    text = re.sub(r'(?<=[{,])"…"(?=[,}])', f'"{MORE}":0', text)
    return json.loads(text)


class Mismatch(Exception):
    pass


def compare(told, got, place="answer"):
    """Raises Mismatch unless the answer is as documented."""
    def check(condition, what):
        if not condition:
            raise Mismatch(f"{place}: {what}; documented {json.dumps(told, ensure_ascii=False)[:200]}, got {json.dumps(got)[:200]}")

    if told is None or told == MORE:
        return
    if isinstance(told, dict):
        check(isinstance(got, dict), "no object")
        names = set(told) - {MORE}
        check(names <= set(got), f"without {sorted(names - set(got))}")
        check(MORE in told or names == set(got), f"with {sorted(set(got) - names)}, which the document does not show")
        for name in names:
            compare(told[name], got[name], f"{place}.{name}")
            check(name not in ("id", "code") or told[name] == got[name] or told[name] == "64 hex", f"another {name}")
    elif isinstance(told, list):
        check(isinstance(got, list), "no array")
        shapes = [one for one in told if one != MORE]
        check(bool(got) == bool(told) or not shapes, "empty, or not")
        check(MORE in told or not shapes or len(got) >= len(shapes), "too few")
        for index, one in enumerate(got if shapes and MORE not in told else got[:len(shapes)]):
            compare_to_one(shapes, one, f"{place}[{index}]")
        for one in shapes:
            compare_to_one([one], next((g for g in got if fits(one, g)), got[0] if got else None), f"{place}[]")
    elif isinstance(told, str):
        check(isinstance(got, str), "no text")
        digits = re.fullmatch(r"(\d+) hex", told)
        check(not digits or re.fullmatch(rf"[0-9a-f]{{{digits.group(1)}}}", got), "no id")
        check(not told.endswith(MORE) or got.startswith(told[:-1]), "another beginning")
    else:
        check(isinstance(got, float if isinstance(told, float) else type(told)) and not isinstance(got, bool) ^ isinstance(told, bool),
              "another type")


def fits(told, got):
    try:
        compare(told, got)
        return True
    except Mismatch:
        return False


def compare_to_one(shapes, got, place):
    if not any(fits(one, got) for one in shapes):
        compare(shapes[0], got, place)


class Examples(unittest.TestCase):
    def stage(self, options):
        """A traced with everything that the examples mention."""
        place = Place()
        self.addCleanup(place.close)
        bogus = self.enterContext(open(os.path.join(place.directory, "p2ptrace.0.1.bogus"), "wb"))
        bogus.write(b"\0" * 4096)
        bogus.flush()
        fcntl.lockf(bogus, fcntl.LOCK_EX)  # its node lives: otherwise traced removes it after a while
        alice = place.node("alice", ALICE)
        alice.do("app")
        alice.do("packets", 10, TRACE, BOB)
        alice.do("metrics", 1532000, 1200000, BOB)
        alice.do("start", TRACE, "a1", "0", 2)
        alice.do("command", TRACE, "a1", 2, "chunk-77")
        alice.do("end", TRACE, "a1", 2, 1)
        alice.do("packets", 1, OTHER)
        alice.do("address", BOB, "192.0.2.7:4001")
        bob = place.node("bob", BOB)
        bob.do("app")
        bob.do("packets", 1, TRACE, ALICE)
        place.environment["MALLOC_ARENA_MAX"] = "1"  # otherwise each thread reserves memory
        place.start(*(() if options == SHORT_OF_MEMORY else options))
        client = place.connect()
        place.settle(client, 17)
        until(lambda: any(node["state"] == "rejected" for node in client.call("nodes")["nodes"]), "the object that is not a ring to be rejected")
        return place

    def run_example(self, place, options, steps):
        connection, cursor = place.connect(), None
        if options == SHORT_OF_MEMORY:
            connection.call("control")  # now it has what it needs for the first request of a connection
            _, most = resource.prlimit(place.traced.pid, resource.RLIMIT_DATA)
            resource.prlimit(place.traced.pid, resource.RLIMIT_DATA, (1 << 20, most))
        for direction, text in steps:
            if direction == "-->":
                connection.send_raw(text.replace('"cursor":"…"', f'"cursor":"{cursor}"').encode() + b"\n")
                continue
            answer = connection.read_line()
            compare(shape(text), answer)
            cursor = answer["result"].get("cursor") if isinstance(answer, dict) and isinstance(answer.get("result"), dict) else None
        self.assertEqual(connection.notifications, [])

    def test_every_example_is_answered_as_the_document_says(self):
        stages, count = {}, 0
        for line, options, steps in examples():
            if options == SHORT_OF_MEMORY and os.environ.get("SANITIZED"):
                continue  # its allocator does not fail
            if options not in stages:
                stages[options] = self.stage(options)
            place = stages[options]
            count += 1
            with self.subTest(line=line):
                try:
                    self.run_example(place, options, steps)
                except Mismatch as mismatch:
                    self.fail(f"docs/protocol.md:{line}: {mismatch}")
        self.assertGreater(count, 10)

    def test_every_method_has_an_example(self):
        place = Place()
        self.addCleanup(place.close)
        place.start()
        methods = place.connect().call("hello")["methods"]
        asked = [json.loads(text)["method"] for _, _, steps in examples() for arrow, text in steps
                 if arrow == "-->" and re.match(r'\{.*"method":"', text)]
        self.assertEqual(set(asked) - {"tracez"}, set(methods))
        headings = re.findall(r"^### ([a-z_, ]+)$", DOCUMENT.split("## Methods")[1], re.MULTILINE)
        self.assertEqual(sorted(name for heading in headings for name in heading.split(", ")), sorted(methods))

    def test_the_table_of_errors_matches_the_program_and_each_has_an_example(self):
        table = re.findall(r"TRACE_RPC_ERROR\((-\d+), \w+, +\"([^\"]*)\"\)", ERRORS)
        self.assertGreater(len(table), 5)
        self.assertEqual(re.findall(r"^\| (-\d+) \| ([^|]*) \|", DOCUMENT, re.MULTILINE), table)
        answers = re.findall(r'"code":(-\d+),"message":"([^"…]*?): ', DOCUMENT)
        self.assertEqual(set(answers), set(table))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
