#!/usr/bin/env bash
# Runs the command as user redis; a bare option or configuration file means redis-server, as in the official image.
set -euo pipefail

case ${1:-} in -* | *.conf) set -- redis-server "$@" ;; esac
[ "$1" = redis-server ] || exec "$@"

# The official image is built with protected mode off; here it is an option, before those that may set it again.
shift
conf=()
case ${1:-} in *.conf) conf=("$1"); shift ;; esac
set -- redis-server "${conf[@]}" --protected-mode no "$@"

if [ "$(id -u)" = 0 ]; then
  chown redis:redis .
  exec setpriv --reuid=redis --regid=redis --init-groups "$@"
fi
exec "$@"
