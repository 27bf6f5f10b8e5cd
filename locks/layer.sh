#!/bin/sh
# Makes .venv/GROUP: an environment on top of .venv, with what the group of pyproject.toml lists.
#
#   sh locks/layer.sh bench     PyTorch, which `make bench` compares
#   sh locks/layer.sh cluster   Ray, on which `make test-services` trains
#
# So .venv stays as its lock says, and a new .venv also renews this one. The versions have no hashes:
# PyTorch publishes each one as several builds, with CUDA or for the CPU alone, and indexes differ in
# which one they offer. pip installs them, because uv ignores local folders of wheels and would take
# the largest build, with CUDA's libraries.
set -eu

group=$1
here=.venv/$group
wanted=$(.venv/bin/python -c '
import sys, tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["dependency-groups"][sys.argv[1]])' "$group")
[ "$(cat "$here/finished" 2>/dev/null || true)" != "$wanted" ] || exit 0

printf 'Installing (only once): %s\n' "$wanted"
rm -rf "$here"
.venv/bin/python -m venv --without-pip "$here"
packages='import sysconfig; print(sysconfig.get_path("purelib"))'
.venv/bin/python -c "$packages" >"$("$here/bin/python" -c "$packages")/spotlight.pth"
# shellcheck disable=SC2086  # one argument each
PYTHONDONTWRITEBYTECODE='' .venv/bin/python -m pip --python "$here/bin/python" install \
    --quiet --disable-pip-version-check $wanted
printf '%s\n' "$wanted" >"$here/finished"
