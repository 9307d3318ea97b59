#!/usr/bin/env bash
# Runs the broker as user rabbitmq; RABBITMQ_DEFAULT_USER, _PASS and _VHOST are read by the broker itself.
set -euo pipefail

# Erlang reserves a table entry for each descriptor it may open: an engine's unlimited would cost gigabytes.
[ "$(ulimit -n)" != unlimited ] && [ "$(ulimit -n)" -le 65536 ] || ulimit -n 65536

if [ "$1" = rabbitmq-server ] && [ "$(id -u)" = 0 ]; then
  chown rabbitmq:rabbitmq "$HOME"
  exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$@"
fi
exec "$@"
