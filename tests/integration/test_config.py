# SPDX-License-Identifier: MIT
"""The configuration: saved filters wherever a filter is allowed, defaults of options, mistakes in a file; and exit codes that say what was
found."""
import json
import os
import pathlib
import unittest

from test_read import TRACE, ReadTest, run


class Configured(ReadTest):
    def setUp(self):
        super().setUp()
        self.record()
        self.stop()
        self.path = pathlib.Path(self.place.directory) / "p2ptrace" / "config"
        self.path.parent.mkdir()

    def write(self, text):
        self.path.write_text(text, encoding="utf-8")

    def of(self, *args):
        return run(self.place, *args, "--read", self.dir)

    def out(self, *args):
        code, out, err = self.of(*args)
        self.assertEqual((code, err), (0, ""), args)
        return out


class Filters(Configured):
    FILE = """
# what I look for
[filters]
slow = rtt > 1ms
ended = app_end or app_start
both = @slow or @ended
big = size > 1000
; traces
several = nodes >= 2
"""

    def test_a_saved_filter_stands_wherever_a_filter_does(self):
        self.write(self.FILE)
        for short, whole in ((["recent", "--where", "@slow"], ["recent", "--where", "rtt > 1ms"]),
                             (["recent", "--where", "@both and not custom"], ["recent", "--where", "((rtt > 1ms) or (app_end or app_start)) and not custom"]),
                             (["recent", "-n", "3", "--where", "not @ended"], ["recent", "-n", "3", "--where", "not (app_end or app_start)"]),
                             (["count", "--by", "kind", "--where=@ended"], ["count", "--by", "kind", "--where=app_end or app_start"]),
                             (["traces", "--where", "@several and any @big"], ["traces", "--where", "nodes >= 2 and any (size > 1000)"]),
                             (["follow", "--filter", "(@slow)"], ["follow", "--where", "rtt > 1ms"]),
                             (["export", "--format", "ndjson", "--where", "@slow"], ["export", "--format", "ndjson", "--where", "rtt > 1ms"]),
                             (["trace", TRACE, "--where", "@ended"], ["trace", TRACE, "--where", "app_end or app_start"])):
            out = self.out(*short)
            self.assertEqual(out, self.out(*whole), short)
            self.assertTrue(out)
        code, out, _ = self.of("trigger", "@slow", "--before", "0s", "--after", "0s")
        self.assertEqual(code, 0)
        self.assertEqual(json.loads(out.splitlines()[0])["trigger"]["condition"], "(rtt > 1ms)")

    def test_the_filters_of_the_documentation_are_of_what_it_uses_them_for(self):
        page = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "config.md").read_text(encoding="utf-8")
        filters = page.split("[filters]\n")[1].split("\n\n")[0]
        self.write("[filters]\n" + filters + "\n")
        for words in (["recent", "--where", "@bad and node == bob"], ["recent", "--where", "@slow"], ["traces", "--where", "@hanging"]):
            self.out(*words)
            self.assertIn(f"inspector {words[0]} --where", page)
        self.assertEqual([line.split(" =")[0] for line in filters.splitlines()], ["slow", "bad", "hanging"])

    def test_an_at_sign_in_a_value_names_no_filter(self):
        self.write(self.FILE)
        for text in ("reason == @slow", 'reason == "@slow"', "reason ~ '*@slow'", "reason != @nothing", "reason == a@slow"):
            self.assertEqual(self.of("recent", "--where", text)[0], 0, text)
            self.assertIn("no event matches", self.out("recent", "--where", text))

    def test_a_wrong_name_suggests_the_right_one(self):
        self.write(self.FILE)
        self.assertEqual(self.of("recent", "--where", "custom or @slwo"),
                         (2, "", f"inspector: there is no saved filter @slwo; did you mean @slow?; {self.path} has them\n"))
        self.path.unlink()
        self.assertIn("there is no saved filter @slow", self.of("recent", "--where", "@slow")[2])

    def test_an_error_is_shown_in_the_user_s_text(self):
        self.write("[filters]\nwrong = szie > 3\n")
        self.assertEqual(self.of("recent", "--where", "custom or @wrong"),
                         (2, "", '  custom or (szie > 3)\n             ^~~~\ninspector: there is no field or kind "szie"; did you mean "size"?\n'))

    def test_a_saved_filter_without_its_sign_is_recognized(self):
        self.write("[filters]\nbad = custom and code > 1\n")
        for where, position in (("bad", 0), ("custom and bad", 11)):
            self.assertEqual(self.of("recent", "--where", where),
                             (2, "", f'  {where}\n  {" " * position}^~~\ninspector: there is no field or kind "bad"; did you mean @bad?\n'))

    def test_a_filter_within_itself_or_too_long_is_reported(self):
        self.write("[filters]\na = @b\nb = not @a\n")
        code, _, err = self.of("recent", "--where", "@a")
        self.assertEqual(code, 2)
        self.assertEqual(err, f"inspector: {self.path}:2: the filter @a contains itself\n")
        self.write("[filters]\n" + "".join(f"f{i} = not @f{i + 1}\n" for i in range(20)) + "f20 = custom\n")
        self.assertEqual(self.of("recent", "--where", "@f0")[2], f"inspector: {self.path}:18: the filter @f16 is within more than 15 others\n")
        self.write("[filters]\nlong = " + " or ".join(["custom"] * 200) + "\n")
        self.assertEqual(self.of("recent", "--where", " or ".join(["@long"] * 20))[2],
                         f"inspector: {self.path}:2: with the filter @long, the whole filter is too long: more than 16384 bytes\n")


class Options(Configured):
    def test_defaults_and_which_comes_first(self):
        self.write("[options]\nlimit = 3\nno-header\n[options recent]\nlimit = 2\n[options traces]\nformat = csv\nfields = outcome\n")
        self.assertEqual(len(self.out("recent").splitlines()), 2)
        self.assertEqual(len(self.out("range", "0", "now").splitlines()), 3)
        self.assertEqual(len(self.out("recent", "-n", "5").splitlines()), 5)
        self.assertEqual(len(self.out("recent", "--no-header=no").splitlines()), 3)
        self.assertEqual(self.out("traces"), "open\nok\n")
        self.assertEqual([json.loads(line) for line in self.out("traces", "--json").splitlines()], [{"outcome": "open"}, {"outcome": "ok"}])
        self.assertNotEqual(self.out("stats"), "")

    def test_a_filter_that_is_a_default_is_quoted_when_nothing_is_left(self):
        self.write("[options recent]\nkind = conn_init\n")
        self.assertIn("no event matches --kind conn_init", self.out("recent"))

    def test_an_error_names_file_and_line(self):
        for text, line, told in (("[options]\nlimt = 3\n", 2, "there is no option limt; did you mean limit?"), ("\n\n[filtres]\n", 3, "did you mean filters?"),
                                 ("[options]\nlimit = many\n", 2, "a whole number"), ("[options]\nlimit\n", 2, "limit needs a value"),
                                 ("limit = 3\n", 1, "before the first section"), ("[options nodse]\n", 1, "there is no command nodse"),
                                 ("[filters]\na b = c\n", 2, "a filter's name consists of"), ("[filters]\na =\n", 2, "the filter a is empty"),
                                 ("[filters]\na = b\na = c\n", 3, "there already is a filter a"), ("[options]\nreset\n", 2, "only for the command line"),
                                 ("[options]\nexec = rm\n", 2, "only for the command line"), ("[options\n", 1, "a section is"),
                                 ("[options]\n\nutc\0\nlimt = 3\n", 3, "there is a NUL byte"), ("[options]\nutc = maybe\n", 2, "yes or no"), ("[options]\ncolor = pnk\n", 2, "auto, always or never")):
            with self.subTest(text=text):
                self.write(text)
                code, out, err = self.of("nodes")
                self.assertEqual((code, out), (2, ""))
                self.assertTrue(err.startswith(f"inspector: {self.path}:{line}: "), err)
                self.assertIn(told, err)

    def test_a_file_that_others_may_write_is_refused(self):
        self.write("[options]\nno-header\n")
        for mode in (0o666, 0o602, 0o620):
            self.path.chmod(mode)
            code, out, err = self.of("nodes")
            self.assertEqual((code, out), (2, ""))
            self.assertIn(f"{self.path}: others may write to it", err)
        self.path.chmod(0o600)
        self.assertEqual(self.of("nodes")[0], 0)

    @unittest.skipUnless(os.geteuid() == 0, "only root can give files away")
    def test_a_file_of_another_user_is_refused(self):
        self.write("[options]\nno-header\n")
        os.chown(self.path, 12345, 12345)
        self.assertEqual(self.of("nodes"), (2, "", f"inspector: {self.path}: belongs to another user, and is not read\n"))

    def test_help_needs_no_configuration_and_the_path_can_be_chosen(self):
        self.write("[nonsense\n")
        self.assertEqual(run(self.place, "help")[0], 0)
        self.assertEqual(run(self.place, "--version")[0], 0)
        self.place.environment["P2PTRACE_CONFIG"] = ""
        self.assertEqual(self.of("nodes")[0], 0)
        self.place.environment["P2PTRACE_CONFIG"] = str(self.path)
        self.assertEqual(self.of("nodes")[0], 2)
        self.path.unlink()
        self.path.mkdir()
        self.assertIn("not a regular file", self.of("nodes")[2])

    def test_the_effective_configuration_is_shown(self):
        self.write("[filters]\nslow = rtt > 1ms\n[options recent]\nlimit = 2\n")
        code, out, err = run(self.place, "config", "--json")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual([json.loads(line) for line in out.splitlines()],
                         [{"kind": "filter", "command": None, "name": "@slow", "value": "rtt > 1ms", "line": 2, "problem": None, "wrong": False},
                          {"kind": "option", "command": "recent", "name": "--limit", "value": "2", "line": 4, "problem": None, "wrong": False}])
        self.assertIn(str(self.path), run(self.place, "config")[1])
        self.path.unlink()
        self.assertEqual(run(self.place, "config")[1], f"nothing is configured: there is no {self.path}\n")

    def test_config_finds_every_wrong_filter(self):
        self.write("[filters]\nslow = rtt > 100\nright = rtt > 1ms\nhanging = unfinished and age > 5s\nloop = @loop\nmiss = @rihgt\nof = field nonsense\n"
                   "misspelled = rrt > 1ms\nnobody = node == nobody and @right\nlater = NEXT.size > 1\n[options recent]\nwhere = @slow\n")
        wrong = {2: 'rtt needs a unit: ns, us, ms, s, m or h; did you mean "100ms"?', 5: f"{self.path}:5: the filter @loop contains itself",
                 6: f"there is no saved filter @rihgt; did you mean @right?; {self.path} has them", 7: None, 8: 'there is no field or kind "rrt"; did you mean "rtt"?',
                 12: 'rtt needs a unit: ns, us, ms, s, m or h; did you mean "100ms"?'}
        names = {9: 'no node is called "nobody", and it is not the beginning of an id', 10: None}  # which only traced can know
        for live in (False, True):
            if live:
                self.start()
            code, out, err = run(self.place, "config", "--json")
            self.assertEqual((code, err), (2, f"inspector: 6 filters of {self.path} are wrong\n"))
            rows = {row["line"]: row for row in map(json.loads, out.splitlines())}
            self.assertEqual([line for line, row in rows.items() if row["wrong"]], list(wrong))
            self.assertEqual([line for line, row in rows.items() if row["problem"] and not row["wrong"]], list(names) if live else [])
            for line, problem in (wrong | (names if live else {})).items():
                if problem:
                    self.assertEqual(rows[line]["problem"], problem)
            text = run(self.place, "config")[1]
            self.assertIn(f"line 2: @slow is wrong: {wrong[2]}\n", text)
            self.assertIn(f"line 12: --where is wrong: {wrong[12]}\n", text)
            self.assertEqual(f"line 9: @nobody cannot be used now: {names[9]}\n" in text, live)
        self.assertEqual(self.of("recent", "-n", "1", "--where", "@right")[0], 0)  # the wrong ones are not in its way


class ExitCodes(Configured):
    def test_searches_say_whether_something_was_found(self):
        for args in (["nodes"], ["peers"], ["traces"], ["requests"], ["recent"], ["range", "0", "now"], ["count"]):
            self.assertEqual(self.of(*args, "--exit-code")[0], 0, args)
        for args in (["traces", "--kind", "connection"], ["requests", "--where", "took > 1h"], ["recent", "--kind", "conn_init"], ["range", "0", "1970-01-02"], ["count", "--kind", "conn_init"],
                     ["recent", "--kind", "conn_init", "--json"]):
            self.assertEqual(self.of(*args, "--exit-code")[0], 4, args)
            self.assertEqual(self.of(*args)[0], 0, args)
        self.assertEqual(self.of("recent", "--kind", "nonsense", "--exit-code")[0], 2)

    def saved(self, *rows):
        path = pathlib.Path(self.place.directory) / "some.ndjson"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    @staticmethod
    def event(sequence, kind, data, **more):
        return {"timestamp": 1767225600000000 + sequence, "ns": 0, "node_id": "aa" * 32, "peer_id": "bb" * 32, "trace_id": TRACE, "sequence": sequence,
                "lane": 0, "kind": kind, "flags": [], "data": data} | more

    def test_analyze_says_whether_something_is_wrong(self):
        few = self.saved(self.event(1, "packet_sent", {"packet_num": 1, "size": 1200, "space": "1rtt"}))
        self.assertEqual(run(self.place, "analyze", "-r", few, "--exit-code")[0], 5)
        self.assertEqual(run(self.place, "analyze", "-r", few)[0], 0)
        span = {"app_id": "DMAP", "cmd": 1, "span_id": "01" * 8}
        good = self.saved(self.event(1, "app_start", span | {"parent_id": "00" * 8}, peer_id=None), self.event(9, "app_end", span | {"ok": True}, peer_id=None))
        code, out, _ = run(self.place, "analyze", "-r", good, "--exit-code")
        self.assertEqual(code, 0, out)
        bad = self.saved(self.event(1, "events_lost", {"count": 5, "first": 0, "cause": "overwritten"}, peer_id=None, trace_id=None),
                          self.event(6, "packet_sent", {"packet_num": 1, "size": 1200, "space": "1rtt"}))
        code, out, _ = run(self.place, "analyze", "-r", bad, "--exit-code")
        self.assertEqual(code, 4, out)

    def test_nothing_where_events_are_missing_is_not_judged(self):
        bad = self.saved(self.event(1, "packet_sent", {"packet_num": 1, "size": 1200, "space": "1rtt"}),
                          self.event(9, "events_lost", {"count": 5, "first": 1, "cause": "overwritten"}, peer_id=None, trace_id=None))
        self.assertEqual(run(self.place, "count", "--kind", "custom", "-r", bad, "--exit-code")[0], 5)
        self.assertEqual(run(self.place, "count", "--kind", "packet_sent", "-r", bad, "--exit-code")[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
