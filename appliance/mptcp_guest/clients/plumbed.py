"""Run a program with a file as its input, one as its output, and secrets in its environment.

    @own plumbed [--in FILE] [--out FILE] [--secret NAME=FILE] -- PROGRAM WORD...

A secret's file is read here: words of a command are seen by everybody on the machine.
"""

import argparse
import os
import sys
from pathlib import Path


def main(*words: str) -> None:
    """Become that program.

    Raises:
        OSError: A file or the program is not there.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--in", dest="source")
    parser.add_argument("--out")
    parser.add_argument("--secret", action="append", default=[])
    cut = words.index("--")
    wanted, program = parser.parse_args(words[:cut]), words[cut + 1 :]
    for secret in wanted.secret:
        name, _, path = secret.partition("=")
        os.environ[name] = Path(path).read_text()
    if wanted.source:
        os.dup2(os.open(wanted.source, os.O_RDONLY), sys.stdin.fileno())
    if wanted.out:
        os.dup2(os.open(wanted.out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 1)
    os.execvp(program[0], program)  # noqa: S606 - a list, as every command of an exchange


if __name__ == "__main__":
    main(*sys.argv[1:])
