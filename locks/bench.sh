#!/bin/sh
# Makes .venv/bench: an environment on top of .venv with PyTorch, which `make bench` compares.
#
# So .venv stays as its lock says, and a new .venv also renews this one. The version is in
# pyproject.toml, group "bench". It has no hash: PyTorch publishes each version as several
# builds, with CUDA or for the CPU alone, and indexes differ in which one they offer. pip installs
# it, because uv ignores local folders of wheels and would take the largest build, with CUDA's
# libraries.
set -eu

here=.venv/bench
wanted=$(.venv/bin/python -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["dependency-groups"]["bench"])')
[ "$(cat "$here/finished" 2>/dev/null || true)" != "$wanted" ] || exit 0

printf 'Installing for the benchmark (only once): %s\n' "$wanted"
rm -rf "$here"
.venv/bin/python -m venv --without-pip "$here"
packages='import sysconfig; print(sysconfig.get_path("purelib"))'
.venv/bin/python -c "$packages" >"$("$here/bin/python" -c "$packages")/spotlight.pth"
# shellcheck disable=SC2086  # one argument each
PYTHONDONTWRITEBYTECODE='' .venv/bin/python -m pip --python "$here/bin/python" install \
    --quiet --disable-pip-version-check $wanted
printf '%s\n' "$wanted" >"$here/finished"
