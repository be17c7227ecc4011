#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""inspector --fleet: a fleet with real ClickHouse servers gives the same answers as --read with the same recordings.

INSPECTOR, MAKE_SPOOL and FILTER_SQL name the programs."""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from clickhouse import LIBCHDB, PASSWORD, Servers, rows_of, run, why_not, with_server, with_shards, with_users  # noqa: E402
from random_filters import Filters  # noqa: E402
from rounds import Rounds  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import without_source  # noqa: E402

SEGMENT = 65536
FILTERS = 1000
COUNTS = 60
FEW_EVENTS = 20000
RANDOM_EVENTS = 70000
LOAD_EVENTS = 230000  # `query` loads windows of 100000, questions about whole traces parts of 200000
ALIAS_EVENTS = 20000
MANY_ALIASES = (400, 3), (5000, 3)  # ids, and how often they are named: many change their owner several times; many in all


@unittest.skipIf(why_not(), why_not())
class FleetSource(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        root = pathlib.Path(cls.temporary.name)
        cls.servers = Servers(root / "servers", shards=2)
        cls.addClassCleanup(cls.servers.close)
        cls.random, cls.load, cls.aliases = root / "random", root / "load", root / "aliases"
        cls.random_url, cls.aliases_url = cls.servers.create("random")[0], cls.servers.create("aliases")[0]
        cls.load_url = f"{cls.servers[0].url}/load"
        cls.made(cls.load_url)
        for server in cls.servers:
            server.sql("SYSTEM STOP MERGES")  # rows that were sent twice stay duplicated
        cls.spool(cls.random, RANDOM_EVENTS, 1)
        cls.spool(cls.load, LOAD_EVENTS, 7, "load")
        cls.spool(cls.aliases, ALIAS_EVENTS, 5, "aliases")
        for number in range(2):  # the same rows again, with a separate place
            cls.shipped(cls.random, cls.random_url, f"random{number}")
        cls.shipped(cls.load, cls.load_url, "load")
        cls.shipped(cls.aliases, cls.aliases_url, "aliases")

    @classmethod
    def made(cls, *words):
        done = run("fleet", "init", *words)
        assert done.returncode == 0, done

    @classmethod
    def spool(cls, directory, events, *words):
        directory.mkdir()
        subprocess.run([os.environ["MAKE_SPOOL"], str(directory), str(events), *map(str, words)], stdout=subprocess.DEVNULL, check=True)

    @classmethod
    def shipped(cls, directory, url, place):
        done = run("ship", "--from", directory, "--to", url, "--host", "alpha", "--once", "--place", pathlib.Path(cls.temporary.name) / f"{place}.place")
        assert done.returncode == 0, done

    def assert_same(self, directory, url, *words, in_order=True):
        """Two events with the same position in a lane have no defined order, and some random ones do."""
        with self.subTest(words=words):
            recorded, fleet = run("--read", directory, *words), run("--fleet", url, *words)
            self.assertEqual((fleet.returncode, without_source(fleet.stderr)), (recorded.returncode, without_source(recorded.stderr)))
            one, other = (without_source(done.stdout).splitlines() for done in (recorded, fleet))
            if not in_order:
                one, other = sorted(one), sorted(other)
            self.assertEqual(len(one), len(other))
            for line, same in zip(one, other):
                self.assertEqual(same, line)

    def facts(self, directory):
        recent = rows_of(run("--read", directory, "recent", "500", "--json"))
        traces = rows_of(run("--read", directory, "traces", "--json", "--limit", "3"))
        peers = rows_of(run("--read", directory, "peers", "--json", "--limit", "3"))
        return traces[1]["trace_id"], peers[1]["peer_id"], str(recent[0]["timestamp"]), str(recent[-1]["timestamp"])

    # ---- filters

    def test_filters_choose_the_same_rows_as_in_memory(self):
        directory = pathlib.Path(self.temporary.name) / "few"
        self.spool(directory, FEW_EVENTS, 3)
        self.made(f"{self.servers[0].url}/few")
        self.shipped(directory, f"{self.servers[0].url}/few", "few")
        exported = run("export", "--read", directory, "--format", "ndjson").stdout.splitlines()
        events = [event for event in map(json.loads, exported) if "data" in event]
        filters = Filters(2, events)
        texts = [filters.tree(number % 4).replace("\n", " ") for number in range(FILTERS)]
        done = subprocess.run([os.environ["FILTER_SQL"], str(directory)], input="\n".join(texts).encode() + b"\n", stdout=subprocess.PIPE,
                              check=True).stdout.decode(errors="replace").split("\n")[:-1]
        self.assertEqual(len(done), FILTERS)
        tried = found = 0
        for text, line in zip(texts, done):
            if line.startswith("invalid"):
                continue
            *sums, sql = line.split(" ", 4)
            with self.subTest(text):
                rows = self.servers[0].sql("SELECT count(), sum(sequence), sum(time_ns % 1000003), sum((sequence + 1) * (lane + 1) * (kind_id + 1) "
                                           f"% 1000003) FROM few.events WHERE {sql}")
                self.assertEqual(rows, [sums])
            tried += 1
            found += sums[0] not in ("0", str(FEW_EVENTS))
        self.assertGreater(tried, FILTERS * 8 // 10)
        self.assertGreater(found, FILTERS // 2)

    # ---- answers

    def test_tables_agree_with_the_recordings(self):
        for directory, url in (self.random, self.random_url), (self.load, self.load_url):
            for words in (["peers"], ["peers", "--node", "node1"], ["traces"], ["traces", "--limit", "3"], ["traces", "--order", "oldest"],
                          ["traces", "--order", "slowest"], ["traces", "--kind", "connection"], ["traces", "--where", "any packet_lost and events > 30"],
                          ["requests"], ["requests", "--by", "node,command"], ["requests", "--where", "any packet_lost"], ["count"],
                          ["count", "--by", "kind,node"], ["count", "--by", "peer", "--value", "rtt"], ["count", "--value", "took", "--by", "command"],
                          ["count", "--where", "size > 100 and not node == node2", "--by", "kind"], ["analyze"]):
                self.assert_same(directory, url, *words, "--json")

    def test_random_counts_are_those_of_the_recordings(self):
        """ClickHouse groups, and the store counts the groups."""
        chance = random.Random(5)
        fields = ["kind", "node", "peer", "trace", "flags", "lane", "kind_id", "time/1s", "time/10ms", "space", "size", "command", "app", "cause", "transport",
                  "ok", "reason", "endpoint", "category", "data", "alias_id", "updates", "rtt", "sequence"]
        values = ["rtt", "size", "cwnd", "packet_num", "offset", "count", "in_flight", "kind_id", "code", "took", "min_rtt", "lane"]
        filters = ["kind == metrics", "size > 100", "not node == node2", "rtt > 5ms", "peer == node1", "kind ~ 'p*'", "time >= -1ms", "time < -1ms and any"]
        for _ in range(COUNTS):
            directory, url = chance.choice([(self.random, self.random_url), (self.load, self.load_url)])
            words = ["count", "--json"]
            for share, more in ((0.8, ["--by", ",".join(chance.sample(fields, chance.choice([1, 1, 2, 3])))]), (0.6, ["--value", chance.choice(values)]),
                                (0.4, ["--where", chance.choice(filters)]), (0.3, ["--node", chance.choice(["node0", "node1"])]),
                                (0.2, ["--kind", chance.choice(["metrics", "packet_sent", "events_lost"])]), (0.3, ["--since", f"-{chance.choice([100, 5000])}us"]),
                                (0.2, ["--to", f"-{chance.choice([10, 1000])}us"])):
                words += more if chance.random() < share else []
            if "--value" in words and chance.random() < 0.4:
                words += ["--hist"]
            self.assert_same(directory, url, *words)

    # ---- who is who

    def test_aliases_are_followed_as_in_recordings(self):
        peers = rows_of(run("--read", self.aliases, "peers", "--json"))
        said = [alias for peer in peers for alias in peer["aliases"]]
        self.assertGreater(len(said), 20)
        self.assertEqual({alias["disputed"] for alias in said}, {False})
        address = next(alias["label"] for alias in said if alias["address"])
        own = next(alias["id"] for row in rows_of(run("--read", self.aliases, "nodes", "--json")) for alias in row["aliases"] if not alias["disputed"])
        several = [alias["id"] for alias in said if sum(one["id"] == alias["id"] for one in said) > 3]
        self.assertTrue(several)
        for words in (["peers"], ["peers", "--node", "node3"], ["recent", "300"], ["traces", "--limit", "40"], ["requests", "--by", "node"], ["analyze"],
                      ["count", "--by", "peer"], ["count", "--by", "peer,node", "--value", "rtt"], ["count", "--by", "peer,time/10ms"],
                      ["recent", "40", "--peer", address], ["count", "--where", f'peer == "{address}"', "--by", "peer,kind"],
                      ["count", "--where", 'peer ~ "a*"'], ["count", "--where", 'peer == null'], ["count", "--by", "node", "--where", f"node == {own}"],
                      ["count", "--node", own[:12]], ["traces", "--where", f'any peer == "{address}"', "--limit", "30"],
                      ["traces", "--where", f"any peer == {several[0]}", "--limit", "5"]):
            self.assert_same(self.aliases, self.aliases_url, *words, "--json")
        for peer in {several[0], said[0]["id"], peers[0]["peer_id"], peers[-1]["peer_id"], own}:
            for words in (["peer", peer], ["peer", peer[:10]], ["count", "--peer", peer, "--by", "peer,kind"], ["count", "--where", f"peer == {peer}", "--by", "peer"],
                          ["count", "--where", f"not peer == {peer[:9]} and not kind == metrics"], ["count", "--peer", peer[:12], "--value", "rtt", "--by", "node"]):
                self.assert_same(self.aliases, self.aliases_url, *words, "--json")
        self.assert_same(self.aliases, self.aliases_url, "export", "--format", "ndjson")
        self.assertIn('"peer_as"', run("--fleet", self.aliases_url, "recent", "300", "--json").stdout)

    def test_any_number_of_aliases_can_be_followed(self):
        login = pathlib.Path(self.temporary.name) / "aliases-login"
        login.write_text(f"reader:{PASSWORD}\n")
        login.chmod(0o600)
        for ids, every in MANY_ALIASES:
            directory, name = pathlib.Path(self.temporary.name) / f"aliases{ids}", f"aliases{ids}"
            url = self.servers.create(name)[0]
            self.spool(directory, ALIAS_EVENTS, 5, "aliases", ids, every)
            self.shipped(directory, url, name)
            peers = rows_of(run("--read", directory, "peers", "--json"))
            said = [alias for peer in peers for alias in peer["aliases"]]
            self.assertGreater(len({alias["id"] for alias in said}), ids // 2)
            for words in (["peers"], ["peers", "--node", "node3"], ["count", "--by", "peer"], ["count", "--by", "peer,node,time/10ms", "--value", "rtt"],
                          ["count", "--where", 'peer ~ "a*"']):
                self.assert_same(directory, url, *words, "--json")
            for peer in said[0]["id"], peers[0]["peer_id"]:
                for words in (["peer", peer], ["count", "--where", f"peer == {peer}", "--by", "peer,kind"], ["recent", "500", "--where", f"peer == {peer}"]):
                    self.assert_same(directory, url, *words, "--json")
                recent = rows_of(run("--read", directory, "recent", "20", "--where", f"peer == {peer}", "--json"))
                followed = rows_of(run("--fleet", url, "follow", "--recent", "20", "--limit", len(recent), "--where", f"peer == {peer}", "--json"))
                key = lambda event: (event["node_id"], event["lane"], event["sequence"])  # noqa: E731
                self.assertEqual(sorted(map(key, followed)), sorted(map(key, recent)))
            self.assertEqual(run("--fleet", url, "--login", login, "peers", "--json").stdout, run("--read", directory, "peers", "--json").stdout)

    def test_aliases_that_stand_beside_the_events_are_followed(self):
        """Their events are in recordings that were removed.  Of two runs, each knows some."""
        runs = []
        for seed in 5, 6:
            runs.append(pathlib.Path(self.temporary.name) / f"beside{seed}")
            self.spool(runs[-1], 2 * SEGMENT + 5000, seed, "aliases", 400, 30)
            for file in sorted(runs[-1].glob("*.p2rec"))[:-1]:
                file.unlink()
        both = pathlib.Path(self.temporary.name) / "beside"
        both.mkdir()
        for directory in runs:
            for file in directory.glob("*.p2rec"):
                (both / file.name).symlink_to(file)
        for name, directory in ("beside0", runs[0]), ("beside1", both):
            url = self.servers.create(name)[0]
            self.shipped(directory, url, name)
            peers = rows_of(run("--read", directory, "peers", "--json"))
            known = {alias["id"] for peer in peers for alias in peer["aliases"]}
            said = {id_ for id_, in self.servers[0].sql(f"SELECT DISTINCT lower(hex(alias_id)) FROM {name}.events WHERE kind = 'alias'")}
            self.assertGreater(len(known - said), 50)
            for words in ["peers"], ["recent", "300"], ["traces", "--limit", "40"], ["analyze"], ["count", "--by", "peer,node,time/10ms", "--value", "rtt"]:
                self.assert_same(directory, url, *words, "--json")
            aliases = [[row["aliases"] for row in rows_of(run(*source, "nodes", "--json"))] for source in (["--read", directory], ["--fleet", url])]
            self.assertEqual(aliases[0], aliases[1])
            peer = sorted(known - said)[0]
            trace = rows_of(run("--read", directory, "traces", "--json", "--limit", "3"))[0]["trace_id"]
            for words in ["peer", peer], ["recent", "40", "--peer", peer], ["count", "--where", f"peer == {peer}", "--by", "peer,kind"], ["trace", trace]:
                self.assert_same(directory, url, *words, "--json")
            who = [json.loads(run(*source, "rpc", "who").stdout) for source in (["--read", directory], ["--fleet", url])]
            self.assertGreater(len(who[0]["who"]), 1000)
            self.assertEqual(who[0], who[1])
            self.assert_a_copy_says_the_same(name, directory, url, known - said)

    def assert_a_copy_says_the_same(self, name, directory, url, beside):
        """What `record` saves of a fleet, compared with the recordings.  beside: ids of which no event says whose they are."""
        copy = pathlib.Path(self.temporary.name) / f"{name}.p2rec"
        done = run("--fleet", url, "record", "-o", copy, "--recent", "300", "--limit", "300")
        self.assertEqual(done.returncode, 0, done)
        recorded, copied = (rows_of(run("--read", path, "recent", "300", "--json")) for path in (directory, copy))
        self.assertEqual(len(copied), 300)
        self.assertEqual(copied, recorded)
        aliases = {alias["id"] for peer in rows_of(run("--read", copy, "peers", "--json")) for alias in peer["aliases"]}
        self.assertTrue(beside & aliases)

    def test_as_many_peers_are_shown_as_of_a_recording(self):
        directory, url = pathlib.Path(self.temporary.name) / "peers", f"{self.servers[0].url}/peers"
        self.spool(directory, 3 * ALIAS_EVENTS, 5, "aliases", 20000, 1000000)
        self.made(url)
        self.shipped(directory, url, "peers")
        last = []
        for source in ["--read", directory], ["--fleet", url]:
            done = run(*source, "peers")
            self.assertEqual((done.returncode, done.stderr), (0, ""), source)
            last.append(done.stdout.splitlines()[-1])
        self.assertRegex(last[0], r"^\d+ more peers, with fewer events each, are not shown$")
        self.assertEqual(last[0], last[1])
        self.assert_same(directory, url, "peers", "--json")

    # ---- round trips

    def test_a_command_asks_in_few_rounds(self):
        """Opening a fleet is one, with as many connections, which are used again.  Where there are many events, two more find the newest."""
        trace = self.facts(self.load)[0]
        for words, sizes in ((["nodes"], [7]), (["recent"], [7, 1, 1, 1]), (["trace", trace], [7, 1, 3]), (["trace", trace[:8]], [7, 1, 1, 3]),
                             (["peers"], [7, 1, 1, 1]), (["count"], [7, 1, 1, 1, 1])):
            with self.subTest(words=words), Rounds(self.servers[0].http, sizes) as rounds:
                done = run("--fleet", f"{rounds.address}/load", *words)
                self.assertEqual((done.returncode, rounds.sizes, rounds.connections), (0, sizes, 7), done.stderr)
        with Rounds(self.servers[0].http, [7, 1]) as rounds:
            self.assertEqual((run("--fleet", f"{rounds.address}/aliases", "recent").returncode, rounds.sizes), (0, [7, 1]))

    def test_every_answer_says_what_never_came(self):
        """As with --read, and by the same round of questions."""
        directory, url = pathlib.Path(self.temporary.name) / "gone", f"{self.servers[0].url}/gone"
        self.spool(directory, 3 * SEGMENT, 5, "load")
        sorted(directory.glob("*.p2rec"))[1].unlink()
        self.made(url)
        self.shipped(directory, url, "gone")
        trace, peer, since, until = self.facts(directory)
        sentence = f"inspector: up to {SEGMENT} events of host alpha are missing in this fleet, all after 20"
        for words in (["nodes"], ["count"], ["traces"], ["trace", trace], ["recent", "3"], ["peers"], ["peer", peer], ["requests"], ["analyze"],
                      ["export"], ["apps"], ["range", since, until], ["sql"], ["follow", "--for", "1ms"]):
            with self.subTest(words):
                done = run("--fleet", url, *words, *(["SELECT 1"] if words == ["sql"] else []))
                self.assertTrue(done.stderr.startswith(sentence), done.stderr)
                self.assertEqual(done.stderr.count("missing in this fleet"), 1)
                self.assertIn(": 1 segment was gone before it was shipped\n", done.stderr)

    # ---- sums

    def test_an_event_that_came_twice_counts_once(self):
        """By a second delivery, by two runs of traced, and by a shipper of which nobody knows how often it tried."""
        url = f"{self.servers[0].url}/twice"
        self.made(url)
        again = pathlib.Path(self.temporary.name) / "again"
        again.mkdir()
        for file in sorted(self.load.glob("*.p2rec"))[1:3]:
            (again / file.name).symlink_to(file)
        words = ["count", "--by", "kind", "--json"], ["peers", "--json"], ["count", "--by", "peer", "--value", "rtt", "--json"]
        for directory, place in (self.load, "twice0"), (again, "twice1"):
            self.shipped(directory, url, place)
            for each in words:
                self.assert_same(self.load, url, *each)
        self.assertGreater(self.servers[0].number("SELECT count() FROM twice.events"), LOAD_EVENTS)
        twice = self.servers[0].number("SELECT count() FROM (SELECT segment FROM twice.deliveries GROUP BY instance, segment HAVING count() > 1)")
        self.assertEqual(twice, 2)
        columns = ", ".join(f"`{name}`" for name, in self.servers[0].sql(
            "SELECT name FROM system.columns WHERE database = 'twice' AND table = 'events_local' AND default_kind = ''"))
        first, last = self.servers[0].sql("SELECT min(time_ns), max(time_ns) FROM twice.events WHERE segment = 0")[0]
        self.servers[0].sql(f"INSERT INTO twice.events_local ({columns}) SELECT {columns.replace('`instance`', 'instance + 1')} FROM twice.events "
                            "WHERE segment = 0")
        self.servers[0].sql("INSERT INTO twice.deliveries_local SELECT instance + 1, segment, 7, machine, first_ns, last_ns FROM twice.deliveries "
                            "WHERE segment = 0")
        for each in words:
            self.assert_same(self.load, url, *each)
        self.assertLess(int(first), int(last))

    def test_nodes_say_on_which_host_they_are(self):
        recorded = rows_of(run("--read", self.random, "nodes", "--json"))
        fleet = rows_of(run("--fleet", self.random_url, "nodes", "--json"))
        self.assertEqual(fleet, [{**row, "host": "alpha"} for row in recorded])

    def test_machines_are_distinguished_in_filters_and_tables(self):
        urls = self.servers.create("hosts")
        url = urls[0]
        sizes = {"alpha": 4000, "beta": 1500}
        for seed, (host, events) in enumerate(sizes.items(), 20):
            directory = pathlib.Path(self.temporary.name) / host
            self.spool(directory, events, seed, "load")
            done = run("ship", "--from", directory, "--to", urls[seed % 2], "--host", host, "--once")
            self.assertEqual(done.returncode, 0, done)
        counted = rows_of(run("--fleet", url, "count", "--by", "host", "--json"))[0]["rows"]
        self.assertEqual({row["group"]["host"]: row["count"] for row in counted}, sizes)
        for text, events in (("host == beta", 1500), ("host != beta", 4000), ("not host ~ 'a*'", 1500), ("host == null", 0), ("host in {alpha, beta}", 5500)):
            self.assertEqual(rows_of(run("--fleet", url, "count", "--where", text, "--json"))[0]["events"], events, text)
            exported = run("--fleet", url, "range", "2000-01-01", "2100-01-01", "--where", text, "--json").stdout.splitlines()
            self.assertEqual(len(exported), events, text)
        nodes = run("--fleet", url, "nodes", "--fields", "name,host", "--json")
        self.assertEqual({row["host"] for row in rows_of(nodes)}, set(sizes))
        for words in ["nodes"], ["peers", "--limit", "3"], ["traces", "--limit", "3"]:
            self.assertIn("host", run("--fleet", url, *words).stdout.splitlines()[0], words)
        done = run("--fleet", url, "recent", "3", "--where", "host == betta")
        self.assertEqual(done.returncode, 2)
        self.assertIn('did you mean "beta"', done.stderr)
        self.assertEqual(rows_of(run("--fleet", url, "sql", "SELECT host, toUInt32(count()) AS n FROM events GROUP BY host ORDER BY host", "--json")),
                         [{"host": host, "n": events} for host, events in sizes.items()])

    def test_questions_about_a_trace_or_a_peer(self):
        for directory, url, in_order in (self.random, self.random_url, False), (self.load, self.load_url, True):
            trace, peer, since, until = self.facts(directory)
            for words in (["trace", trace], ["trace", trace[:14]], ["analyze", "trace", trace], ["count", "--trace", trace, "--by", "kind"],
                          ["peer", peer], ["peer", peer[:10]], ["peer", peer, "--kind", "packet_sent"], ["count", "--peer", peer, "--by", "kind"],
                          ["count", "--since", since, "--by", "kind"], ["count", "--since", since, "--until", until, "--value", "size"],
                          ["requests", "--since", since], ["traces", "--since", since], ["range", since, until],
                          ["range", since, until, "--kind", "packet_sent"], ["range", since, until, "--peer", peer], ["analyze", "peer", peer]):
                self.assert_same(directory, url, *words, "--json", in_order=in_order)
        trace = self.facts(self.load)[0]
        self.assert_same(self.load, self.load_url, "trace", trace, "--graph", "--utc")

    def test_events_come_page_by_page_over_windows(self):
        self.assert_same(self.random, self.random_url, "recent", "5000", "--json", in_order=False)
        for words in (["recent", "20"], ["recent", "120000"], ["recent", "50", "--kind", "metrics"], ["recent", "3000", "--where", "size > 100"]):
            self.assert_same(self.load, self.load_url, *words, "--json")
        self.assert_same(self.load, self.load_url, "export", "--format", "ndjson")

    @with_server
    def test_the_newest_events_are_found_without_reading_all(self):
        """Where the first recordings looked at have too few that match, more are searched, at last all."""
        reads = lambda: self.servers[0].number("SELECT value FROM system.events WHERE event = 'ReadCompressedBytes'")  # noqa: E731
        for words in (["recent"], ["recent", "200"], ["recent", "30", "--kind", "packet_lost"], ["recent", "40000", "--kind", "metrics"],
                      ["recent", "9", "--where", "kind == app_start and span_id == 0x1"], ["recent", "9", "--until", "-100ms"],
                      ["range", "-300ms", "--limit", "50"], ["recent", "9", "--kind", "conn_reset"]):
            self.assert_same(self.load, self.load_url, *words, "--json")
        begin = reads()
        self.assertEqual(run("--fleet", self.load_url, "recent").returncode, 0)
        newest = reads() - begin
        self.assertEqual(run("--fleet", self.load_url, "recent", "120000").returncode, 0)
        everything = reads() - begin - newest
        self.assertLess(newest, everything / 4)

    def test_sql_is_the_servers_own_and_changes_nothing(self):
        login = pathlib.Path(self.temporary.name) / "sql"
        login.write_text(f"reader:{PASSWORD}\n")
        login.chmod(0o600)
        counted = {row["group"]["kind"]: row["count"] for row in rows_of(run("--read", self.load, "count", "--by", "kind", "--json"))[0]["rows"]}
        for words in [], ["--login", login]:
            done = run("--fleet", self.load_url, *words, "sql", "SELECT kind, toUInt32(count()) AS n FROM events GROUP BY kind; ", "--json")
            self.assertEqual({row["kind"]: row["n"] for row in rows_of(done)}, counted, done)
            for statement in "DROP TABLE events", "INSERT INTO hosts (host) VALUES ('x')", "ALTER TABLE events_local DROP PARTITION 20260101":
                done = run("--fleet", self.load_url, *words, "sql", statement)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn("only reads", done.stderr)
        done = run("--fleet", self.load_url, "sql", "SELECT nope FROM events")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("nope", done.stderr)
        self.assertEqual(rows_of(run("--fleet", self.load_url, "count", "--json"))[0]["events"], LOAD_EVENTS)

    def test_sql_prints_the_same_bytes_as_of_a_recording(self):
        """Their texts and numbers are random.  Numbers above 2^63 are exact only here."""
        final = {"--read": "", "--fleet": " FINAL"}
        for words in ["--json"], ["--format", "csv"], ["--format", "tsv"]:
            def rows(*source):
                statement = "SELECT kind, trace_id, peer_id, lane, sequence, code, reason FROM events" + final[source[0]] + " WHERE kind = 'conn_closed' AND code < 9000000000000000000"
                done = subprocess.run([os.environ["INSPECTOR"], *source, "sql", statement, *words], capture_output=True, check=True)
                return done.stdout.split(b"\n")
            recorded, fleet = rows("--read", self.random), rows("--fleet", self.random_url)
            with self.subTest(words):
                self.assertEqual(len(recorded), len(fleet))
                if words != ["--json"]:
                    self.assertEqual(recorded[0], fleet[0])
                for line, same in zip(sorted(recorded), sorted(fleet)):
                    self.assertEqual(same, line)

    # ---- errors

    def test_errors_are_reported_as_usual(self):
        for words in (["trace", "zz"], ["trace", "0123456789"], ["peer", "ffff"], ["recent", "10", "--where", "sise > 3"],
                      ["recent", "10", "--node", "nobody"], ["recent", "10", "--peer", "nobody"], ["traces", "--where", "nodez > 1"],
                      ["count", "--by", "nothing"]):
            self.assert_same(self.load, self.load_url, *words, "--json")
        done = run("--fleet", self.random_url, "trace", "5a", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertIn('20 ids match "5a"', done.stderr)

    def test_a_peer_is_known_even_if_no_event_matches(self):
        trace, known, since, _ = self.facts(self.load)
        other = next(peer["peer_id"] for peer in rows_of(run("--read", self.load, "peers", "--json"))
                     if not rows_of(run("--read", self.load, "count", "--trace", trace, "--peer", peer["peer_id"], "--json"))[0]["events"])
        for peer in known, known[:8], other, "ffff":
            for words in ([], ["--since", "-1us"], ["--kind", "unknown"], ["--where", "size > 99999999"], ["--trace", trace],
                          ["--by", "size", "--value", "size", "--kind", "custom"], ["--by", "sequence", "--since", since, "--until", since]):
                self.assert_same(self.load, self.load_url, "count", "--peer", peer, *words, "--json")

    def test_impossible_questions_name_a_remedy(self):
        free = self.servers[0].http
        login = pathlib.Path(self.temporary.name) / "login"
        login.write_text("reader:wrong\n")
        login.chmod(0o600)
        for words, code, sentence in ((["--fleet", "http://127.0.0.1:1/d"], 3, "no server answers"),
                                      (["--fleet", f"http://127.0.0.1:{free}/nowhere"], 1, "inspector fleet init"),
                                      (["--fleet", f"http://127.0.0.1:{free}"], 2, "the database is missing"),
                                      *([] if LIBCHDB else [(["--fleet", self.load_url, "--login", login], 1, "--login FILE")]),
                                      (["--fleet", self.load_url, "--read", self.load], 2, "exclude each other")):
            done = run(*words, "nodes")
            self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
            self.assertIn(sentence, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1)
        for words in (["trigger", "packet_lost"], ["control"]):
            done = run("--fleet", self.load_url, *words)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("fleet", done.stderr)

    @with_users
    def test_a_user_who_may_only_read_can_ask(self):
        login = pathlib.Path(self.temporary.name) / "reader"
        login.write_text(f"reader:{PASSWORD}\n")
        login.chmod(0o600)
        done = run("--fleet", self.load_url, "--login", login, "recent", "3", "--json")
        self.assertEqual((done.returncode, done.stderr, len(rows_of(done))), (0, "", 3))

    @with_shards
    def test_a_shard_that_is_down_makes_every_question_fail(self):
        trace, peer, since, until = self.facts(self.random)
        self.servers[1].kill()
        try:
            for words in (["nodes"], ["peers"], ["traces"], ["trace", trace], ["peer", peer], ["recent", "5"], ["range", since, until], ["count"]):
                done = run("--fleet", self.random_url, *words)
                self.assertEqual((done.returncode, done.stdout), (1, ""), words)
                self.assertIn("a shard of the cluster does not answer", done.stderr)
        finally:
            self.servers[1].start()
        self.assert_same(self.random, self.random_url, "count", "--json")

    @with_server
    def test_an_answer_that_may_be_incomplete_is_refused(self):
        users = self.servers[0].directory / "users.xml"
        text = users.read_text()
        self.servers[0].kill()
        users.write_text(text.replace("<default></default>", "<default><skip_unavailable_shards>1</skip_unavailable_shards></default>", 1))
        self.servers[0].start()
        try:
            done = run("--fleet", self.random_url, "count")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("skip_unavailable_shards", done.stderr)
        finally:
            self.servers[0].kill()
            users.write_text(text)
            self.servers[0].start()


if __name__ == "__main__":
    unittest.main()
