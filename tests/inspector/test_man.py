#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The inspector's manual pages contain everything that its help does, and a formatter finds no fault with them, or with
traced's page.

    test_man.py INSPECTOR TRACED_PAGE DIRECTORY"""
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

INSPECTOR, TRACED_PAGE = sys.argv[1:3]
PAGES = {page.name: str(page) for page in pathlib.Path(sys.argv[3]).iterdir()}


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def commands():
    """The names, from the lines of help."""
    return re.findall(r"^  ([a-z]\S*)", output(INSPECTOR, "help").split("options of")[0], re.MULTILINE)


def words(text):
    return " ".join(text.split())


def shown(page):
    """The page as a reader sees it, its lines joined: a word that was broken at its hyphen is whole again."""
    text = re.sub(r".\x08", "", output("mandoc", "-Tutf8", "-Owidth=1000", PAGES[page]))
    return words(text.replace("\u2010", "-"))


def topics():
    return dict(re.findall(r"^  ([a-z-]+) +(.*)$", output(INSPECTOR, "help").split("topics of")[1], re.MULTILINE))


class Topics(unittest.TestCase):
    """`inspector help TOPIC` shows the documents themselves."""

    DOCS = pathlib.Path(__file__).resolve().parent.parent.parent / "docs"
    FILES = {"findings": "analyze", "recordings": "recording", "sql-columns": "sql"}

    def test_each_page_has_every_word_of_its_document_and_no_markup(self):
        self.assertLessEqual({"filter", "time", "config"}, set(topics()))
        for topic in topics():
            shown = output(INSPECTOR, "help", topic)
            source = (self.DOCS / (self.FILES.get(topic, topic) + ".md")).read_text(encoding="utf-8")
            self.assertFalse(re.search(r"(?m)^```|\*\*|\]\(|^#+ ", shown), topic)
            plain = re.sub(r"(?m)^```.*$|^<!--.*-->$|^\|[-| :]*\|$|^#+ ", "", source)
            plain = re.sub(r"\]\([^)]*\)|\*\*|`", "", plain)
            told = set(re.findall(r"[A-Za-z0-9_]{3,}", plain)) - set(re.findall(r"[A-Za-z0-9_]{3,}", shown))
            self.assertEqual({word for word in told if word.upper() not in shown}, set(), topic)

    def test_each_is_listed_by_the_heading_of_its_document(self):
        for topic, title in topics().items():
            source = (self.DOCS / (self.FILES.get(topic, topic) + ".md")).read_text(encoding="utf-8")
            self.assertEqual(title, re.search(r"(?m)^# (.*)$", source)[1].replace("`", ""), topic)

    def test_lines_are_short_unless_they_are_examples(self):
        for topic in topics():
            for line in output(INSPECTOR, "help", topic).splitlines():
                if not line.startswith("    "):
                    self.assertLessEqual(len(line), 100 + max(map(len, line.split()), default=0), line)

    def test_a_page_is_in_the_program(self):
        for name in commands():
            if name != "help":
                with open(PAGES[f"inspector-{name}.1"], encoding="utf-8") as page:
                    self.assertEqual(output(INSPECTOR, "help", "--man", name), page.read())
        with open(PAGES["inspector.1"], encoding="utf-8") as page:
            self.assertEqual(output(INSPECTOR, "help", "--man"), page.read())

    def test_a_reader_that_goes_is_not_a_failure(self):
        with subprocess.Popen([INSPECTOR, "help", "filter"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.close()
            self.assertEqual((process.stderr.read(), process.wait(60)), (b"", 0))


class Man(unittest.TestCase):
    def test_there_is_a_page_for_each_command_and_one_for_all(self):
        names = [name for name in commands() if name != "help"]
        self.assertGreater(len(names), 10)
        self.assertEqual(sorted(PAGES), sorted(["inspector.1"] + [f"inspector-{name}.1" for name in names]))

    @unittest.skipUnless(shutil.which("mandoc"), "no mandoc")
    def test_no_page_has_anything_that_mandoc_would_complain_of(self):
        for page in [TRACED_PAGE, *PAGES.values()]:
            done = subprocess.run(["mandoc", "-Tlint", "-Wall", page], stdout=subprocess.PIPE, text=True, check=False)
            # Nobody would keep a date up to date; and nobody edits the lines of a generated page.
            fine = 'missing date, using "": TH' if page == TRACED_PAGE else 'missing date, using "": TH|line longer than 80 bytes'
            self.assertEqual([line for line in done.stdout.splitlines() if not re.search(fine, line)], [])

    @unittest.skipUnless(shutil.which("mandoc"), "no mandoc")
    def test_each_page_says_all_that_help_says(self):
        for name in [name for name in commands() if name != "help"]:
            page = shown(f"inspector-{name}.1")
            usage, told = output(INSPECTOR, "help", name).split("\n", 1)
            self.assertIn(usage.removeprefix("usage: "), page)
            told, _, examples = told.split("\n\nCONFIGURATION")[0].partition("\nexamples:\n")
            self.assertTrue(examples, f"{name} has no example")
            for part in re.split(r"\n\n(?:options of every command:|formats:|fields:)?|\n(?=  --)", told):
                tag = re.fullmatch(r"  (--\S+(?: [A-Z]\S*)?)\s+(.*)", part)
                self.assertIn(f"{tag.group(1)} {tag.group(2)}" if tag else words(part), page)
            for line in examples.splitlines():
                self.assertIn(words(line), page)

    @unittest.skipUnless(shutil.which("mandoc"), "no mandoc")
    def test_the_page_of_all_has_each_command_and_all_that_is_common(self):
        page = shown("inspector.1")
        for line in output(INSPECTOR, "help").splitlines():
            tag = re.fullmatch(r"  (\S+(?: [A-Z\[]\S*)*)\s+(.*)", line)
            if tag and not tag.group(1).startswith("help"):
                self.assertIn(f"{tag.group(1)} {tag.group(2)}", page)
        for name in commands():
            self.assertTrue(name == "help" or f"inspector-{name}(1)" in page, name)
        for title in "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO", "P2PTRACE_SOCKET", "XDG_RUNTIME_DIR", "NO_COLOR":
            self.assertIn(title, page)


class Names(unittest.TestCase):
    def test_the_name_of_a_command_elsewhere_is_answered_with_ours(self):
        for word, ours in {"tail": "follow", "failed": "traces --where 'outcome == failed'", "slowest": "traces --order slowest",
                           "graph": "trace ID --graph", "why": "analyze", "version": "--version"}.items():
            done = subprocess.run([INSPECTOR, word], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout, done.stderr),
                             (2, "", f"inspector: there is no command {word}; try inspector {ours}\n"))
            self.assertIn(ours.split()[0], commands() + ["--version"])

    def test_a_typo_is_answered_with_a_suggestion(self):
        done = subprocess.run([INSPECTOR, "tracse"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (2, "inspector: there is no command tracse; did you mean traces?\n"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
