#!/usr/bin/env bash
# Runs everything that must hold: formatting, lints, all tests. Installs what is missing first, with the system's package
# manager (Debian and Ubuntu; elsewhere it says what is missing and goes on without it).
#
#   bash tests/run.sh            everything
#   bash tests/run.sh --tools    only install the tools
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
tools=${COCKPIT_TEST_TOOLS_DIR:-$root/target/test-tools}
mkdir -p "$tools"

say() { printf '\n== %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif have sudo; then sudo -n "$@"; else return 1; fi; }

# A tool is missing where it is neither on PATH nor, for PostgreSQL's servers, in Debian's own place.
install_packages() {
  local wanted=()
  have git || wanted+=(git)
  have node || wanted+=(nodejs)
  have npm || wanted+=(npm)
  have python3 || wanted+=(python3)
  python3 -c 'import venv, ensurepip' 2>/dev/null || wanted+=(python3-venv)
  have chromium || wanted+=(chromium)
  have psql || wanted+=(postgresql-client)
  have kubectl || wanted+=(kubernetes-client)
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || have initdb || wanted+=(postgresql postgresql-contrib)
  have unzip || wanted+=(unzip)
  have cc || wanted+=(gcc libc6-dev)
  have c++ || wanted+=(g++)
  [ ${#wanted[@]} = 0 ] && return 0
  say "installing ${wanted[*]}"
  if ! have apt-get; then
    echo "no apt-get here: install ${wanted[*]} yourself; tests that need them say so" >&2
    return 0
  fi
  as_root apt-get update -qq || true
  DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null ||
    echo "not everything could be installed; tests that need it say so" >&2
}

# Python and Node packages go into the build directory, never into the user's own.
install_python() {
  [ -x "$tools/venv/bin/aws" ] && [ -x "$tools/venv/bin/moto_server" ] &&
    "$tools/venv/bin/python" -c 'import psycopg' 2>/dev/null && return 0
  say "installing awscli, moto and psycopg"
  python3 -m venv "$tools/venv" &&
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check awscli 'moto[server]' 'psycopg[binary]' ||
    echo "awscli, moto and psycopg could not be installed; tests that need them say so" >&2
}

install_node() {
  [ -d "$tools/node/node_modules/playwright-core" ] && return 0
  say "installing playwright-core"
  mkdir -p "$tools/node"
  npm install --silent --no-fund --no-audit --prefix "$tools/node" playwright-core >/dev/null 2>&1 ||
    echo "playwright-core could not be installed; tests that need it say so" >&2
}

install_nextest() {
  cargo nextest --version >/dev/null 2>&1 && return 0
  say "installing cargo-nextest"
  cargo install --quiet --locked cargo-nextest
}

# Into the build directory, and without optimising: it runs for a second.
install_deny() {
  [ -x "$tools/bin/cargo-deny" ] && return 0
  say "installing cargo-deny"
  CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install --quiet --locked --root "$tools" cargo-deny ||
    echo "cargo-deny could not be installed; what comes in with the dependencies is not looked at" >&2
}

# What comes in with the dependencies. Advisories need the network.
look_at_the_dependencies() {
  [ -x "$tools/bin/cargo-deny" ] || return 0
  local deny=("$tools/bin/cargo-deny" --locked --config .ci/deny.toml)
  "${deny[@]}" check -D unmatched-skip licenses bans sources
  if "${deny[@]}" fetch db 2>/dev/null; then
    "${deny[@]}" check advisories
  else
    echo "the database of advisories cannot be fetched; nobody looked at advisories" >&2
  fi
}

install_packages
install_python
install_node
install_nextest
install_deny
[ "${1:-}" = --tools ] && exit 0

export COCKPIT_TEST_AWS=$tools/venv/bin/aws
export COCKPIT_TEST_MOTO=$tools/venv/bin/moto_server
export COCKPIT_TEST_PYTHON=$tools/venv/bin/python
export AURORA_COCKPIT_PLAYWRIGHT=$tools/node/node_modules/playwright-core
# The tests speak to the site and to servers of their own; nothing of the user's accounts may reach them.
for name in $(compgen -e | grep -E '^(AWS_|KUBE|OP_|PG)' || true); do unset "$name"; done

say "formatting"
cargo fmt --all --check
say "lints"
cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
say "dependencies"
look_at_the_dependencies
say "tests"
cargo nextest run --locked --no-fail-fast
say "documentation examples"
cargo test --locked --doc --quiet
say "hostile input, ${FUZZ_SECONDS:-10} s each; FUZZ_SECONDS=600 for longer"
bash tests/fuzz/run.sh
