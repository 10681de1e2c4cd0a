#!/bin/sh
# The Python package: builds its native module and a wheel, installs that in a fresh environment, and runs the tests there.
#
#   tests/python.sh [PROFILE]      Cargo's profile, release unless given
#
# Needs python3 with venv, 3.9 or later. LIBRARY names a native module that has been built already.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
profile=${1:-release}
target=${CARGO_TARGET_DIR:-$root/target}
if [ -z "${LIBRARY:-}" ]; then
    # The engine's features are those of this selection, so that it is not built twice.
    cargo build --profile "$profile" -p agentos-server -p agentos -p agentos-python
    LIBRARY=$target/$profile/libagentos_python.so
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
wheel=$(python3 sdk/python/build_wheel.py "$LIBRARY" "$work/wheels")
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-index "$wheel"
cp -r sdk/python/tests "$work/tests"
cd "$work/tests"
"$work/env/bin/python" -X faulthandler -m unittest -q
