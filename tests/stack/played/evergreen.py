#!/usr/bin/env python3
"""Plays a stage: `--params` says what it does and how it ends."""

import json
import os
import pathlib
import subprocess
import sys
import time


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    arguments = dict(zip(sys.argv[3::2], sys.argv[4::2], strict=True))
    told = json.loads(arguments["--params"])
    say("10:00 on standard output")
    sys.stderr.write("10:00 on standard error \x1b[31m\n")
    if "child" in told:
        subprocess.Popen(["sleep", "600"])
    for number in range(told.get("seconds", 0) * 2):
        say(f"line {number}")
        time.sleep(0.5)
    strain(told)
    code = told.get("code", 0)
    usual = json.dumps({"exit_code": code, "summary": {"played": True}, "error": "a: b; do c" if code else ""})
    answer(pathlib.Path(arguments["--result"]), told.get("result", usual), "link" in told)
    sys.exit(code)


def strain(told: dict) -> None:
    eaten = bytearray(told.get("eat", 0) * 2**20)
    eaten[::4096] = b"x" * len(eaten[::4096])
    for path in told.get("write", []):
        try:
            pathlib.Path(path).write_text("x")
            say(f"wrote {path}")
        except OSError as error:
            say(f"could not write {path}: {error.strerror}")
    for number in range(told.get("processes", 0)):
        try:
            subprocess.Popen(["sleep", "600"])
        except OSError as error:
            say(f"could not start process {number}: {error.strerror}")
            break
    if "env" in told:
        say(json.dumps(dict(os.environ)))


def answer(path: pathlib.Path, text: str | None, link: bool) -> None:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    if link:
        path.symlink_to("/etc/passwd")
    elif text is not None:
        path.write_text(text)


main()
