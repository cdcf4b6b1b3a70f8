#!/usr/bin/env bash
# Funds a tenant, quotes, locks, runs a chat and an embedding, settles, and prints a verified invoice.
# Starts its own stack unless one is running (`make up`), and stops what it started.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -e node_modules/.installed ] && [ -d contracts/out/forge/CreditVault.sol ] || make --no-print-directory contracts
exec node --import tsx scripts/demo/main.ts "$@"
