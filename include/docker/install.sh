#!/bin/sh
# Installs one lock into /opt/venv, every package checked by its hash, without the libraries' own tests and C headers
# (110 MB of the task image), and compiles the rest: the root file system is read-only when it runs.
set -eu
lock=$1
/opt/uv/bin/uv pip sync --quiet --python /opt/venv/bin/python --require-hashes "$lock"
rm -f /opt/venv/.lock  # uv's, writable for everybody
cd "$(/opt/venv/bin/python -c 'import site; print(site.getsitepackages()[0])')"
find . -type d -name tests -prune -exec rm -rf {} +
rm -rf numpy/_core/include pyarrow/include
# 16 packages a process, for handing out file after file (compileall -j) takes as long again.
find . -mindepth 1 -maxdepth 1 -print0 | xargs -0 -n 16 -P "$(getconf _NPROCESSORS_ONLN)" \
    /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash
