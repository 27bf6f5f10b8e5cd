#!/bin/sh
# Makes .venv/bench: an environment that sees all of .venv, and adds what `make bench` compares with.
#
# So .venv stays what its lock says, and goes with it when it is made anew. The versions stand in
# pyproject.toml, group «bench». They are pinned without hashes: PyTorch publishes the same version
# as several builds, with CUDA or for the processor alone, and which one an index offers differs from
# place to place, so one hash would refuse the others. It is installed by pip, as uv passes over
# local folders of wheels and would take the largest build, with CUDA's libraries.
set -eu

here=.venv/bench
wanted=$(.venv/bin/python -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["dependency-groups"]["bench"])')
[ "$(cat "$here/finished" 2>/dev/null || true)" != "$wanted" ] || exit 0

printf 'Installing for the benchmark, once: %s\n' "$wanted"
rm -rf "$here"
.venv/bin/python -m venv --without-pip "$here"
packages='import sysconfig; print(sysconfig.get_path("purelib"))'
.venv/bin/python -c "$packages" >"$("$here/bin/python" -c "$packages")/spotlight.pth"
# shellcheck disable=SC2086  # one argument each
PYTHONDONTWRITEBYTECODE='' .venv/bin/python -m pip --python "$here/bin/python" install \
    --quiet --disable-pip-version-check $wanted
printf '%s\n' "$wanted" >"$here/finished"
