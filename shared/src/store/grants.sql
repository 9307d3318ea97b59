-- What each service may do with each table. `api init` runs this whenever it has migrated, so that the rights are those
-- of this release and no older ones.
--
-- The owner of the schema names the others: app_migrate shares with app_api, app_bot, app_notification and app_status,
-- as far as they exist. An owner of another name does everything alone, and nothing is granted.
do $grants$
declare
  prefix constant text := (
    select substring(pg_get_userbyid(nspowner) from '^(.*_)migrate$') from pg_namespace where nspname = 'public');
  role text;
  own regclass;
  line record;
begin
  -- Two at once would change the same rows of the catalogue.
  perform pg_advisory_xact_lock(hashtext('gamesched.grants'));
  for role in
    select rolname from pg_roles
    where rolname in (prefix || 'api', prefix || 'bot', prefix || 'notification', prefix || 'status')
  loop
    for own in
      select oid::regclass from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') and pg_has_role(relowner, 'usage')
    loop
      execute format('revoke all on %s from %I', own, role);
    end loop;
  end loop;

  -- The relay is a part of every service; who locks a row needs to be allowed to change one column of it.
  for line in
    select * from (values
      ('users', 'api', 'select, insert, update (username, global_name, avatar, updated_at)'),
      ('users', 'bot', 'select, insert, update (username, global_name, avatar, updated_at)'),
      ('users', 'notification', 'select'),

      ('guilds', 'api', 'select'),
      ('guilds', 'bot', 'select, insert, update (name, present, updated_at)'),
      ('guilds', 'notification', 'select'),
      ('guilds', 'status', 'select'),

      ('channels', 'api', 'select'),
      ('channels', 'bot', 'select, insert, update'),
      ('channels', 'notification', 'select'),

      ('images', 'nobody', ''),

      ('templates', 'api', 'select'),
      ('templates', 'bot', 'select, insert'),

      ('games', 'api', 'select, insert, update'),
      ('games', 'bot', 'select, update (version, roster_version)'),
      ('games', 'notification', 'select, update (updated_at)'), -- it locks only
      ('games', 'status', 'select, update'),

      ('participants', 'api', 'select, insert, delete'),
      ('participants', 'bot', 'select, insert, delete'),
      ('participants', 'notification', 'select'),
      ('participants', 'status', 'select'),

      ('scheduled_notifications', 'api', 'select, insert, update'),
      ('scheduled_notifications', 'bot', 'select, insert, update'),
      ('scheduled_notifications', 'notification',
        'select, update (state, attempts, next_attempt_at, last_error, done_at)'),
      ('scheduled_notifications', 'status', 'select, insert, update, delete'),

      ('scheduled_transitions', 'api', 'select, insert, update'),
      ('scheduled_transitions', 'status',
        'select, update (state, attempts, next_attempt_at, last_error, done_at), delete'),

      ('participant_actions', 'nobody', ''),

      -- Who bears a message cannot read it again, and only the bot says what became of it.
      ('deliveries', 'api',
        'select (id, game_id, dedupe_key, recipient, kind, state, unknowns, lease_owner), insert,
         update (state, parked_at, last_error)'),
      ('deliveries', 'bot', 'select, insert, update'),
      ('deliveries', 'notification', 'select (id, dedupe_key), insert'),
      ('deliveries', 'status', 'select (id, state, parked_at, created_at), delete'),

      -- Only the bot claims one, and knows which message shows it.
      ('announcements', 'api',
        'select, insert, update (state, desired_version, changed_at, next_attempt_at, trace_context)'),
      ('announcements', 'bot', 'select, update'),
      ('announcements', 'notification', 'select (game_id, message_id)'),
      ('announcements', 'status',
        'select, update (state, desired_version, changed_at, next_attempt_at, trace_context)'),

      ('outbox', 'api', 'select, insert, update (published_at)'),
      ('outbox', 'bot', 'select, insert, update (published_at, redrive)'),
      ('outbox', 'notification', 'select, insert, update (published_at)'),
      ('outbox', 'status', 'select, insert, update (published_at), delete'),

      ('inbox', 'status', 'select, delete'),

      ('parked', 'bot', 'select, insert, update'),
      ('parked', 'status', 'select (last_at, redriven_at, discarded_at)'),

      ('idempotency_keys', 'api', 'select, insert, update, delete'),
      ('idempotency_keys', 'status', 'select (principal, key, created_at), delete'),

      -- Of what is secret the status daemon sees hashes and when they end, since it deletes what has ended.
      ('sessions', 'api', 'select, insert, update (last_seen_at, ends_at), delete'),
      ('sessions', 'status', 'select (token_sha256, ends_at), delete'),
      ('oauth_states', 'api', 'select, insert, delete'),
      ('oauth_states', 'status', 'select (state_sha256, expires_at), delete'),

      ('shard_leases', 'nobody', ''),
      ('identify_slots', 'nobody', ''),
      ('process_heartbeats', 'status', 'select (instance, seen_at), delete'),
      ('timeline', 'nobody', ''),

      ('backups', 'status', 'select (taken_at)'), -- whoever makes them writes as the owner

      ('audit_log', 'api', 'insert'),
      ('audit_log', 'bot', 'select (game_id, verb, changes, at), insert'),
      ('audit_log', 'status', 'insert')
    ) as line (relation, service, rights)
    where service <> 'nobody' and exists (select from pg_roles where rolname = prefix || service)
  loop
    execute format('grant %s on public.%I to %I', line.rights, line.relation, prefix || line.service);
  end loop;
end $grants$;

with named as (
  select substring(pg_get_userbyid(nspowner) from '^(.*_)migrate$') as prefix
  from pg_namespace where nspname = 'public')
select rolname::text as role from pg_roles, named
where rolname in (prefix || 'api', prefix || 'bot', prefix || 'notification', prefix || 'status') order by rolname;
