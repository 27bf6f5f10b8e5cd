#!/bin/sh
# Installs exactly what locks/dev.txt pins into .venv. `make setup` runs it from the project's root.
#
# A finished installation records what it was made from, and is skipped while that is unchanged.
# A changed lock is installed over the old environment. A moved project, another Python or an
# incomplete installation gets a new environment, since its scripts contain its path.
set -eu

supported='3.11 3.12 3.13'
finished=.venv/finished

fail() {
    printf 'error: %s\n  → %s\n' "$1" "$2" >&2
    exit 1
}

version() { # of the interpreter $1; fails where it does not run
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

find_python() { # sets `python`: $PYTHON, or the first supported one on PATH
    found=
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3.11 python3.12 python3.13 python3 python
    fi
    for name; do
        if ! is=$(version "$name"); then
            [ -z "${PYTHON:-}" ] || found=" $name does not run"
            continue
        fi
        case " $supported " in
        *" $is "*)
            # the base of an active environment, which may be the one that is about to be replaced
            python=$("$name" -c 'import sys; print(sys._base_executable)')
            return
            ;;
        esac
        found="$found${found:+,} $name is $is"
    done
    fail "Spotlight runs on Python 3.11, 3.12 or 3.13. Found:${found:- no Python}." \
        'Install one of them, or name it: make setup PYTHON=/path/to/python3.11'
}

environment() { # the location of .venv and its Python version
    pwd -P
    version .venv/bin/python || echo 'no Python'
}

locks() {
    cat locks/installer.txt locks/dev.txt | cksum
}

make_environment() {
    find_python
    printf 'Creating .venv with Python %s (%s)\n' "$(version "$python")" "$python"
    rm -rf .venv
    "$python" -m venv .venv || fail "$python could not create a virtual environment." \
        "Fix the error above; on Debian and Ubuntu: apt install python$(version "$python")-venv"
}

# DVC's index of files holds pickles, and DVC would let every user of the machine write there.
for part in . studies/length; do
    mkdir -p "$part/.spotlight/dvc"
    chmod 700 "$part/.spotlight/dvc"
done

record=$(cat "$finished" 2>/dev/null || true)
if [ -n "${PYTHON:-}" ] && [ "$(version "$PYTHON")" != "$(version .venv/bin/python)" ]; then
    record=
fi
case $record in
"$(environment)
$(locks)") exit 0 ;;
"$(environment)
"*) ;; # only the locks changed
*) make_environment ;;
esac
rm -f "$finished"

printf 'Installing %s packages, each verified by its hash\n' \
    "$(grep -c '^[a-z0-9].*==' locks/dev.txt)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --require-hashes -r locks/installer.txt
# Without bytecode, `import tensorflow` would take 15 seconds longer each time.
UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180} PYTHONDONTWRITEBYTECODE='' \
    .venv/bin/python -m uv pip sync --quiet --python .venv/bin/python \
    --require-hashes --build-constraints locks/dev.txt --compile-bytecode locks/dev.txt

{
    environment
    locks
} >"$finished.new"
mv "$finished.new" "$finished"
