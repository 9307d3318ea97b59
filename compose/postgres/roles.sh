#!/usr/bin/env bash
# Makes the services' login roles in Postgres, or gives them new passwords: docs/operator.md says more. The image of
# Postgres runs it when it makes its database; run it again to change a password.
#
# As whom and where: POSTGRES_USER and POSTGRES_DB in that image, PGHOST, PGUSER, PGPASSWORD, PGDATABASE elsewhere.
# Each password is in APP_API_PASSWORD and so on, or in the file that APP_API_PASSWORD_FILE names. ROLES is what the
# names of the roles begin with, app by default.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

required=(APP_MIGRATE_PASSWORD APP_API_PASSWORD APP_BOT_PASSWORD APP_NOTIFICATION_PASSWORD APP_STATUS_PASSWORD)
missing=()
for name in "${required[@]}" POSTGRES_MONITOR_PASSWORD; do
  file=${name}_FILE
  if [ -n "${!file-}" ]; then
    value=$(<"${!file}")
  else
    value=${!name-}
  fi
  export "$name=$value"
  [ -n "$value" ] || [ "$name" = POSTGRES_MONITOR_PASSWORD ] || missing+=("$name")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "roles: not set: ${missing[*]}" >&2
  exit 1
fi
case ${ROLES:=app} in
  *[!a-z0-9_]*) echo "roles: ROLES may be made of small letters, digits and underscores" >&2; exit 1 ;;
esac
export ROLES
export PGUSER=${PGUSER:-${POSTGRES_USER:-postgres}}
export PGDATABASE=${PGDATABASE:-${POSTGRES_DB:-$PGUSER}}
[ -n "${PGPASSWORD-}" ] || [ -z "${POSTGRES_PASSWORD-}" ] || export PGPASSWORD=$POSTGRES_PASSWORD

# Passwords go by the environment, so that no list of processes shows them, and past the server's log.
psql --no-psqlrc --quiet --output /dev/null --set ON_ERROR_STOP=1 --set VERBOSITY=terse \
  --set sql="$here/sql/roles.sql" <<'SQL'
\getenv prefix ROLES
\getenv migrate APP_MIGRATE_PASSWORD
\getenv api APP_API_PASSWORD
\getenv bot APP_BOT_PASSWORD
\getenv notification APP_NOTIFICATION_PASSWORD
\getenv status APP_STATUS_PASSWORD
\getenv monitor POSTGRES_MONITOR_PASSWORD
select set_config(name, value, false)
from (values ('log_statement', 'none'), ('log_min_duration_statement', '-1'), ('log_min_error_statement', 'panic'),
  ('log_duration', 'off'), ('pg_stat_statements.track', 'none')) as setting (name, value)
where current_setting('is_superuser') = 'on';
select set_config('roles.prefix', :'prefix', false), set_config('passwords.migrate', :'migrate', false),
  set_config('passwords.api', :'api', false), set_config('passwords.bot', :'bot', false),
  set_config('passwords.notification', :'notification', false), set_config('passwords.status', :'status', false),
  set_config('passwords.monitor', :'monitor', false);
\i :sql
SQL
echo "roles: the roles of $ROLES are as they should be in $PGDATABASE"
