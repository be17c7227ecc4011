#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the documents that `inspector help TOPIC` shows as C: the files in docs are the only source.

    embed_topics.py OUT NAME=FILE..."""
import json
import pathlib
import sys

HEAD = """/* SPDX-License-Identifier: MIT */
/* Made by inspector/cli/embed_topics.py. */
#include "topics.h"

const struct topic topics[] = {
"""


def main():
    out, documents = sys.argv[1], [argument.split("=", 1) for argument in sys.argv[2:]]
    parts = [HEAD]
    for name, path in documents:
        text = pathlib.Path(path).read_bytes()
        title = next(line[2:] for line in text.decode().splitlines() if line.startswith("# "))
        data = ",".join(str(byte - 256 if byte > 127 else byte) for byte in text + b"\0")
        parts.append(f"    {{{json.dumps(name)}, {json.dumps(title)}, (const char[]){{{data}}}}},\n")
    parts.append("};\n\nconst size_t topic_count = sizeof topics / sizeof *topics;\n")
    pathlib.Path(out).write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
