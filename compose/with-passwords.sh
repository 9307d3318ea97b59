#!/bin/sh
# Writes a file whose ${NAMES} are passwords from the environment, then runs the command; the result belongs into
# /dev/shm, which is this container's memory and everybody's to write: with-passwords.sh TEMPLATE RESULT COMMAND...
set -eu
umask 077
template=$1 result=$2
shift 2

for name in $(grep -o '\${[A-Z_]*}' "$template" | sort -u | tr -d '${}'); do
  eval "value=\${$name:-}"
  # They also stand in URLs.
  case $value in
    '' | *[!A-Za-z0-9._~-]*)
      echo "$name must be set, to letters, digits and . _ ~ - only" >&2
      exit 1
      ;;
  esac
  echo "s/\${$name}/$value/g"
done > "$result.sed" # a file, since everybody can read arguments
sed -f "$result.sed" "$template" > "$result"
rm "$result.sed"
exec "$@"
