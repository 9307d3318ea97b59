# What the scripts have in common; sourced, not run.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
NAME=$(basename "$0")

say() { echo "$NAME: $*" >&2; }
fail() { say "$*"; exit 1; }

# Runs apt-get if that needs no password.
apt() {
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  command -v apt-get >/dev/null && "${root[@]}" true 2>/dev/null ||
    fail "not root, or no apt-get: install $* yourself and start again"
  say "installing $*"
  "${root[@]}" apt-get -qq -o DPkg::Lock::Timeout=120 update
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@" >/dev/null
}

# The compiler that rust-toolchain.toml names comes with the first call of cargo; C is needed by two dependencies.
need_compilers() {
  command -v cargo >/dev/null || [ ! -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ] ||
    export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
  command -v cargo >/dev/null ||
    fail "cargo is missing; install it with: curl -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal"
  command -v cc >/dev/null || apt gcc libc6-dev
}

# Prometheus' tool reads the rules, and its server is asked every panel. The package is only unpacked: nothing starts.
need_prometheus() {
  command -v promtool >/dev/null && command -v prometheus >/dev/null && return
  local tools
  tools=$(realpath -m "${CARGO_TARGET_DIR:-target}/tools/prometheus")
  if [ ! -x "$tools/usr/bin/promtool" ]; then
    say "unpacking the distribution's package prometheus"
    mkdir -p "$tools"
    if ! (cd "$tools" && apt-get -qq download prometheus && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb) 2>/dev/null; then
      say "rules in a real Prometheus: SKIPPED, the package prometheus cannot be had here"
      return
    fi
  fi
  export PATH="$PATH:$tools/usr/bin"
}
