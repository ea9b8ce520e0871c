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
    result = pathlib.Path(arguments["--result"])
    say("10:00 on standard output")
    sys.stderr.write("10:00 on standard error \x1b[31m\n")
    if "child" in told:
        subprocess.Popen(["sleep", "600"])
    for number in range(told.get("seconds", 0) * 2):
        say(f"line {number}")
        time.sleep(0.5)
    if "eat" in told:
        eaten = bytearray(told["eat"] * 2**20)
        eaten[::4096] = b"x" * len(eaten[::4096])
    for path in told.get("write", []):
        try:
            pathlib.Path(path).write_text("x")
            say(f"wrote {path}")
        except OSError as error:
            say(f"could not write {path}: {error.strerror}")
    if "env" in told:
        say(json.dumps(dict(os.environ)))
    code = told.get("code", 0)
    if "result" in told:
        answer = told["result"]
    else:
        answer = json.dumps({"exit_code": code, "summary": {"played": True}, "error": "a: b; do c" if code else ""})
    if answer is not None:
        result.parent.mkdir(exist_ok=True)
        result.unlink(missing_ok=True)
        result.write_text(answer) if not told.get("link") else result.symlink_to("/etc/passwd")
    sys.exit(code)


main()
