#!/bin/sh
# Compiles a crate of this workspace so that libFuzzer sees which way the code went. Cargo calls it in rustc's place where
# RUSTC_WORKSPACE_WRAPPER names it: the dependencies stay as the tests have them, and no nightly compiler is needed.
rustc=$1
shift
case " $* " in *" --crate-name build_script_build "*) exec "$rustc" "$@" ;; esac
exec "$rustc" "$@" --cfg fuzzing -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
