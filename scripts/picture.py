#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the picture of the README: runs the nodes of the demonstration, and draws a terminal with two commands as SVG.

    scripts/picture.py [--build DIRECTORY] [-o docs/picture.svg]

It draws only what the inspector wrote.  The script waits for a request that lost a packet on its way and whose
diagram is small enough.  Times and ids differ from run to run.  Needs python3-pyte, as the tests do."""
import argparse
import html
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests/inspector"))

import demo as demonstration  # pylint: disable=wrong-import-position
from screen import Screen, Terminal

COLUMNS = 112
ROWS_MIN, ROWS_MAX = 20, 34  # of the diagram
LOAD_SECONDS = 8
FONT = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
SIZE, CELL, LINE = 13, 7.8, 18  # the font's size, and a cell's width and height
MARGIN, BAR, GAP = 18, 36, 22  # around the text, the window's title, between two windows

# A dark window, readable on a light page and on a dark one.
BACKGROUND, BORDER, TITLE_BAR, TITLE = "#10151d", "#38414f", "#1a212c", "#9aa5b5"
COLORS = {"default": "#d9e0ea", "black": "#5c6675", "red": "#ff7b72", "green": "#7ee787", "brown": "#e3b341", "blue": "#79b8ff",
          "magenta": "#d2a8ff", "cyan": "#56d4dd", "white": "#f0f4fa"}
DIM, PROMPT = "#8592a3", "#7ee787"


class DimTerminal(Terminal):
    """pyte has no dim text: italics, which nothing else uses, stand for it here."""

    def select_graphic_rendition(self, *attributes, **how):
        super().select_graphic_rendition(*(3 if attribute == 2 else attribute for attribute in attributes), **how)


# ---- one character ---------------------------------------------------------------------------------------------------------


def stroke(x1, y1, x2, y2, width, color, dash=""):
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{color}" stroke-width="{width}"{dash}/>'


def box(char, x, y, color):
    """Draws a box-drawing character from its name ('HEAVY DOWN AND HORIZONTAL'), so that lines meet with any font."""
    name = unicodedata.name(char).removeprefix("BOX DRAWINGS ")
    mid_x, mid_y, width = x + CELL / 2, y + LINE / 2, 2.6 if "HEAVY" in name else 1.2
    dash = ' stroke-dasharray="2 2.5"' if "DASH" in name else ""
    ends = {"UP": (mid_x, y), "DOWN": (mid_x, y + LINE), "LEFT": (x, mid_y), "RIGHT": (x + CELL, mid_y)}
    parts = []
    for direction, (to_x, to_y) in ends.items():
        across = direction in ("LEFT", "RIGHT")
        if direction not in name.split() and ("HORIZONTAL" if across else "VERTICAL") not in name.split():
            continue
        double = "DOUBLE" in name and across
        for shift in (-1.8, 1.8) if double else (0,):
            overlap = 0 if "DASH" in name else width / 2 * (1 if (to_x, to_y) < (mid_x, mid_y) else -1)
            from_x, from_y = (mid_x + overlap, mid_y) if across else (mid_x, mid_y + overlap)
            parts.append(stroke(from_x, from_y + shift, to_x, to_y + shift, 1.2 if double else width, color, dash))
    return "".join(parts)


def shape(char, x, y, color):
    """The SVG of a character that is drawn; "" for one that is text."""
    mid_x, mid_y = x + CELL / 2, y + LINE / 2
    if "\u2500" <= char <= "\u257f":
        return box(char, x, y, color)
    if "\u2581" <= char <= "\u2588":  # an eighth, two eighths, ... of a bar
        height = (ord(char) - 0x2580) / 8 * (LINE - 5)
        return f'<rect x="{x + .4:.1f}" y="{y + LINE - 3 - height:.1f}" width="{CELL - .8:.1f}" height="{height:.1f}" fill="{color}"/>'
    if char in "●•":
        return f'<circle cx="{mid_x:.1f}" cy="{mid_y:.1f}" r="{3.4 if char == "●" else 2.1}" fill="{color}"/>'
    if char in "►◄▷◁":
        tip, back = (x + CELL, x + .8) if char in "►▷" else (x, x + CELL - .8)
        fill = f'fill="{color}"' if char in "►◄" else f'fill="none" stroke="{color}"'
        return f'<path d="M{back:.1f} {mid_y - 4:.1f}L{tip:.1f} {mid_y:.1f}L{back:.1f} {mid_y + 4:.1f}Z" {fill}/>'
    if char == "✕":
        return stroke(mid_x - 3.5, mid_y - 3.5, mid_x + 3.5, mid_y + 3.5, 2.2, color) + stroke(
            mid_x + 3.5, mid_y - 3.5, mid_x - 3.5, mid_y + 3.5, 2.2, color)
    if char == "▒":
        return f'<rect x="{x:.1f}" y="{y:.1f}" width="{CELL}" height="{LINE}" fill="{color}" fill-opacity=".4"/>'
    return ""


# ---- one window ------------------------------------------------------------------------------------------------------------


def color_of(cell):
    if cell.italics:
        return DIM
    return COLORS.get(cell.fg.removeprefix("bright"), f"#{cell.fg}" if re.fullmatch("[0-9a-f]{6}", cell.fg) else COLORS["default"])


def draw_text(text, x, y, color, bold):
    """A stretch of text, as wide as its cells with any font."""
    weight = ' font-weight="600"' if bold else ""
    return (f'<text x="{x:.1f}" y="{y + LINE - 5:.1f}" fill="{color}"{weight} textLength="{len(text) * CELL:.1f}">'
            f"{html.escape(text)}</text>")


def draw_row(row, columns, x, y):
    """Yields stretches of cells with the same style; they neither begin nor end with spaces."""
    parts, run, run_at, look = [], "", 0, None
    chosen = [at for at in range(columns) if row[at].reverse]
    if chosen:
        left, width = x + chosen[0] * CELL, (chosen[-1] - chosen[0] + 1) * CELL
        parts.append(f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="{LINE}" fill="{COLORS["default"]}" fill-opacity=".16"/>')

    def flush():
        stripped = run.rstrip()
        if stripped:
            parts.append(draw_text(stripped, x + run_at * CELL, y, *look))

    for at in range(columns):
        cell = row[at]
        left = x + at * CELL
        color = color_of(cell)
        drawn = shape(cell.data, left, y, color)
        new_look = (color, cell.bold)
        if drawn or new_look != look or (cell.data == " " and (not run or run.endswith(" "))):
            flush()
            run, look = "", new_look
        if drawn:
            parts.append(drawn)
        elif cell.data != " " or run:
            if not run:
                run_at = at
            run += cell.data
    flush()
    return "".join(parts)


def draw_window(screen, rows, title, y):
    """Returns the drawing and its height."""
    width, height = COLUMNS * CELL + 2 * MARGIN, BAR + len(rows) * LINE + MARGIN
    parts = [f'<g transform="translate(0 {y})">',
             f'<rect x=".5" y=".5" width="{width - 1:.1f}" height="{height - 1}" rx="9" fill="{BACKGROUND}" stroke="{BORDER}"/>',
             f'<path d="M1 {BAR - 8}V10A9 9 0 0 1 10 1H{width - 10:.1f}A9 9 0 0 1 {width - 1:.1f} 10V{BAR - 8}Z" fill="{TITLE_BAR}"/>']
    parts += [f'<circle cx="{18 + 18 * i}" cy="14.5" r="5" fill="{color}"/>' for i, color in enumerate(("#ff5f57", "#febc2e", "#28c840"))]
    parts.append(f'<text x="80" y="19" fill="{PROMPT}">$</text><text x="94" y="19" fill="{TITLE}">{html.escape(title)}</text>')
    for i, row in enumerate(rows):
        parts.append(draw_row(screen.terminal.buffer[row], COLUMNS, MARGIN, BAR + i * LINE))
    parts.append("</g>")
    return "".join(parts), height


def draw(windows):
    """windows: (screen, rows, title)."""
    body, y = [], 0
    for screen, rows, title in windows:
        text, height = draw_window(screen, rows, title, y)
        body.append(text)
        y += height + GAP
    width, height = COLUMNS * CELL + 2 * MARGIN, y - GAP
    alt = "; ".join(title for _, _, title in windows)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" role="img" '
            f'aria-label="{html.escape(alt)}" font-family="{html.escape(FONT)}" font-size="{SIZE}" fill="none" xml:space="preserve">\n'
            f"<!-- SPDX-License-Identifier: MIT.  Made by scripts/picture.py -->\n" + "\n".join(body) + "\n</svg>\n")


# ---- what is shown ---------------------------------------------------------------------------------------------------------


class Picture(demonstration.Demo):
    def load(self, stop):
        """Sends requests over two and three hops, until it is stopped."""
        alice, bob, carol = (self.nodes[name] for name in ("alice", "bob", "carol"))
        try:
            while not stop.is_set():
                for node, put in (bob, "put 2 900"), (alice, "put 3 900"), (carol, "put 1 4000"):
                    stored = node.ask(put, demonstration.STORED, show=False)
                    node.ask(f"get {stored.group(1)}", demonstration.GOT, show=False)
        except demonstration.DemoError as error:
            sys.exit(f"picture: {error}")

    def open(self, *arguments, lines):
        screen = Screen([self.path("inspector/inspector"), *arguments], self.environment, lines, COLUMNS)
        terminal = DimTerminal(COLUMNS, lines)
        screen.terminal = terminal
        screen.stream.attach(terminal)
        return screen

    def top_links(self):
        """`top`, on its page of links, with some seconds of their history."""
        screen = self.open("top", lines=15)
        screen.wait("[0 requests]")
        screen.send("3")
        screen.wait("alice")
        end = time.monotonic() + LOAD_SECONDS
        while time.monotonic() < end:
            screen.read(0.1)
        screen.wait(lambda s: "[3 links]" in s.text and "!" in s.text and s.lines[14].startswith("?"))
        return screen

    def graph(self, trace):
        screen = self.open("trace", trace[:12], "--graph", lines=80)
        while screen.process.poll() is None or screen.read(0):
            screen.read(0.02)
        return screen

    def lossy_traces(self):
        """Requests of three nodes or more that waited for a lost packet, those with the fewest events first."""
        command = [self.path("inspector/inspector"), "traces", "--json", "--limit", "2000", "--where",
                   "any packet_lost and nodes >= 3 and duration > 5ms and command == GET_CHUNK and outcome == ok"]
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, text=True, check=True)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return [row["trace_id"] for row in sorted(rows, key=lambda row: row["events"])]

    def find_graph(self):
        for trace in self.lossy_traces():
            screen = self.graph(trace)
            rows = [i for i, line in enumerate(screen.lines) if line]
            shown = "\n".join(screen.lines)
            if ROWS_MIN <= len(rows) <= ROWS_MAX and "✕" in shown and "1 lost" in shown and "not seen" not in shown:
                return screen, range(rows[0], rows[-1] + 1), f"inspector trace {trace[:12]} --graph"
        raise demonstration.DemoError("no request lost a packet in a way that fits the picture; try again")

    def take(self):
        self.start_traced()
        self.start_nodes()
        stop = threading.Event()
        load = threading.Thread(target=self.load, args=(stop,), daemon=True)
        load.start()
        top = self.top_links()
        stop.set()
        load.join()
        self.settle()
        rows = [i for i, line in enumerate(top.lines) if line]
        return draw([(top, rows, "inspector top"), self.find_graph()])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(TOP / "build"), help="the build directory")
    parser.add_argument("-o", "--output", default=str(TOP / "docs/picture.svg"))
    args = parser.parse_args()
    demonstration.tell = lambda text="": None
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shm:  # no other nodes of this user in the picture
        os.environ["P2PTRACE_SHM_DIR"] = shm
        picture = Picture(os.path.abspath(args.build))
        try:
            text = picture.take()
        except demonstration.DemoError as error:
            sys.exit(f"picture: {error}")
        finally:
            picture.close()
    pathlib.Path(args.output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
