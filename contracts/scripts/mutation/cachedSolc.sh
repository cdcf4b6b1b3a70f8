#!/bin/sh
# The compiler of the copies that mutants are tried in: it answers the same question once. forge asks for its version at
# each start, and for the interfaces of all sources at each one with a filter, which would take longer than the tests do.
set -eu
mkdir -p "$SOLC_ANSWERS"
question=$(mktemp)
trap 'rm -f "$question"' EXIT
[ "$1" = --version ] || cat > "$question"
answer="$SOLC_ANSWERS/$(sha256sum < "$question" | cut -c 1-64)"
if [ ! -f "$answer" ]; then
  "$(dirname "$0")/solc.mjs" "$@" < "$question" > "$answer.$$"
  mv "$answer.$$" "$answer"
fi
cat "$answer"
