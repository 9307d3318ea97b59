-- The login roles of one installation: run by the server's administrator in the installation's database, before
-- `api init`, and again to change a password. What a role may do with which table is not decided here but with the
-- schema, in shared/src/store/grants.sql. `compose/postgres/roles.sh` is the usual way in.
--
-- It is told by settings of the session: `roles.prefix`, what the names begin with (app), and a password each in
-- `passwords.migrate`, `passwords.api` and so on. A role without a password is neither made nor changed.
do $roles$
declare
  prefix constant text := coalesce(nullif(current_setting('roles.prefix', true), ''), 'app');
  owner constant text := prefix || '_migrate';
  wanted record;
  secret text;
  stray text;
begin
  if current_setting('is_superuser') = 'on' then
    -- An error would be logged with the statement that failed, and the statements below hold passwords.
    perform set_config('log_error_verbosity', 'terse', true), set_config('pg_stat_statements.track', 'none', true);
  end if;
  perform set_config('password_encryption', 'scram-sha-256', true);

  -- So many connections have two processes of each service, four of the api; together they must fit into the server's
  -- max_connections.
  for wanted in
    select service, connections,
      case when service = 'monitor' and prefix = 'app' then service else prefix || '_' || service end as role
    from (values ('migrate', 5), ('api', 64), ('bot', 26), ('notification', 14), ('status', 18), ('monitor', 5))
      as line (service, connections)
  loop
    secret := nullif(current_setting('passwords.' || wanted.service, true), '');
    continue when secret is null;
    if not exists (select from pg_roles where rolname = wanted.role) then
      execute format('create role %I login nosuperuser nocreatedb nocreaterole nobypassrls noreplication
                      connection limit %s', wanted.role, wanted.connections);
    end if;
    -- Who made it by hand, or gave it more since, made a mistake.
    if exists (select from pg_roles where rolname = wanted.role
               and (rolsuper or rolcreatedb or rolcreaterole or rolbypassrls or rolreplication or not rolcanlogin)) then
      execute format('alter role %I login nosuperuser nocreatedb nocreaterole nobypassrls noreplication', wanted.role);
    end if;
    execute format('alter role %I password %L', wanted.role, secret);
    -- As the services set them for themselves (shared/src/store/mod.rs); these are for whoever else uses the role.
    execute format('alter role %I set statement_timeout = ''5s''', wanted.role);
    execute format('alter role %I set lock_timeout = ''5s''', wanted.role);
    execute format('alter role %I set idle_in_transaction_session_timeout = ''10s''', wanted.role);
    execute format('alter role %I set search_path = public, pg_temp', wanted.role);
    execute format('grant connect on database %I to %I', current_database(), wanted.role);
    if wanted.service = 'monitor' then
      execute format('grant pg_monitor to %I', wanted.role);
    elsif wanted.service <> 'migrate' then
      execute format('grant usage on schema public to %I', wanted.role);
    end if;
  end loop;

  if not exists (select from pg_roles where rolname = owner) then
    return;
  end if;
  -- An administrator who is no superuser has to be able to do what the owner can.
  if current_setting('is_superuser') = 'off' then
    execute format('grant %I to current_user', owner);
  end if;
  execute format('revoke all on database %I from public', current_database());
  revoke all on schema public from public;
  execute format('alter schema public owner to %I', owner);
  -- What a single user made before there were roles; extensions keep what is theirs.
  for stray in
    select format('alter table %s owner to %I', c.oid::regclass, owner)
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
      and c.relowner <> (select oid from pg_roles where rolname = owner)
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
  loop
    execute stray;
  end loop;
end $roles$;
