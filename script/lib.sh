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
  command -v cc >/dev/null && command -v make >/dev/null || apt gcc libc6-dev make
}

# The Debian mirror that this machine itself uses: both formats of apt's sources.
mirror() {
  local found
  found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed -nE 's/^(deb (\[[^]]*\] )?|URIs: *)(https?:[^ ]*\/debian)\/?( .*)?$/\3/p' | head -n 1)
  echo "${found:-http://deb.debian.org/debian}"
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

# Compose v2 in COMPOSE: Docker's plugin, or the program of Debian 13's package, which needs nothing else.
need_compose() {
  if docker compose version >/dev/null 2>&1; then COMPOSE=(docker compose); return; fi
  COMPOSE=("$(realpath -m "${CARGO_TARGET_DIR:-target}/tools/docker-compose")")
  [ -x "${COMPOSE[0]}" ] || fetch_compose "${COMPOSE[0]}"
}

# Into the file $1.
fetch_compose() {
  local mirror place path sum
  mirror=$(mirror)
  command -v dpkg-deb >/dev/null && place=$(mktemp -d) && chmod 755 "$place" || return 1
  say "fetching Docker Compose from Debian 13"
  /usr/lib/apt/apt-helper -qq download-file "$mirror/dists/trixie/main/binary-$(dpkg --print-architecture)/Packages.xz" \
    "$place/Packages.xz" >/dev/null 2>&1 &&
    read -r path sum < <(xz -dc "$place/Packages.xz" | awk '
      /^Package: /{ours = $2 == "docker-compose"}
      ours && /^Filename: /{path = $2}
      ours && /^SHA256: /{print path, $2; exit}') &&
    /usr/lib/apt/apt-helper -qq download-file "$mirror/$path" "$place/compose.deb" "SHA256:$sum" >/dev/null 2>&1 &&
    dpkg-deb -x "$place/compose.deb" "$place/files" &&
    install -D "$place/files/usr/libexec/docker/cli-plugins/docker-compose" "$1"
  local code=$?
  rm -rf "$place"
  return $code
}
