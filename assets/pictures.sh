#!/usr/bin/env bash
# Writes the README's pictures anew: the program itself, brought to each moment by its keys in a terminal of its own.
# Needs nothing but cargo; takes some minutes, as the simulated night does.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo test --test end_to_end pictures -- --ignored --nocapture
