-- The whole data model. Forward only: a change is a new file.
-- Own ids are UUIDv7 made by the application, Discord ids are bigint, instants are timestamptz.

create table users (
  id uuid primary key,
  discord_id bigint not null unique,
  username text not null,
  global_name text,
  avatar text,
  time_zone text,
  notify_dm boolean not null default true,          -- the master switch
  muted_kinds text[] not null default '{}',         -- kinds of notice this person turned off
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table guilds (
  id uuid primary key,
  discord_id bigint not null unique,
  name text not null,
  present boolean not null default true,
  bot_manager_role_ids bigint[],
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table channels (
  id uuid primary key,
  guild_id uuid not null references guilds on delete cascade,
  discord_id bigint not null unique,
  name text not null,
  kind smallint not null,
  position int not null default 0,
  is_active boolean not null default true,
  missing_permissions text[] not null default '{}', -- empty: announcements can be posted
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index channels_of_guild on channels (guild_id);

create table images (
  id uuid primary key,
  sha256 bytea not null check (octet_length(sha256) = 32),
  media_type text not null check (media_type in ('image/png', 'image/jpeg', 'image/gif', 'image/webp')),
  bytes bytea not null check (octet_length(bytes) <= 16777216),
  unreferenced_at timestamptz,
  created_at timestamptz not null default now(),
  unique (sha256, media_type)
);

create table templates (
  id uuid primary key,
  guild_id uuid not null references guilds on delete cascade,
  name text not null check (char_length(name) between 1 and 100),
  description text check (char_length(description) <= 2000),
  sort_order int not null default 0 check (sort_order >= 0),
  is_default boolean not null default false,
  channel_id uuid not null references channels,
  archive_channel_id uuid references channels,
  archive_delay_seconds int check (archive_delay_seconds between 0 and 2592000),
  notify_role_ids bigint[] not null default '{}',
  allowed_player_role_ids bigint[] not null default '{}',
  allowed_host_role_ids bigint[] not null default '{}',
  signup_priority_role_ids bigint[] not null default '{}' check (cardinality(signup_priority_role_ids) <= 8),
  allowed_signup_methods text[] not null default '{}',
  default_signup_method text,
  max_players int check (max_players between 1 and 100),
  min_players int check (min_players between 1 and 100),
  expected_duration_minutes int check (expected_duration_minutes between 1 and 1440),
  reminder_minutes int[],
  location text check (char_length(location) <= 500),
  signup_instructions text check (char_length(signup_instructions) <= 1000),
  remind_host_rewards boolean not null default false,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (min_players is null or max_players is null or min_players <= max_players),
  -- TE-07: priority roles, the method and the allow-list go together
  check ((cardinality(signup_priority_role_ids) > 0)
         = (default_signup_method is not distinct from 'ROLE_BASED' and allowed_signup_methods = '{ROLE_BASED}'))
);
create index templates_of_guild on templates (guild_id);
create unique index templates_one_default on templates (guild_id) where is_default;

create table games (
  id uuid primary key,
  guild_id uuid not null references guilds on delete cascade,
  channel_id uuid not null references channels,
  template_id uuid references templates on delete set null,
  host_id uuid not null references users,
  title text not null check (char_length(title) between 1 and 200),
  description text check (char_length(description) <= 2000),
  location text check (char_length(location) <= 500),
  signup_instructions text check (char_length(signup_instructions) <= 1000),
  scheduled_at timestamptz not null,
  expected_duration_minutes int check (expected_duration_minutes between 1 and 1440),
  max_players int not null check (max_players between 1 and 100),
  min_players int check (min_players between 1 and 100),
  reminder_minutes int[] not null default '{60,15}' check (cardinality(reminder_minutes) <= 10),
  signup_method text not null
    check (signup_method in ('SELF_SIGNUP', 'HOST_SELECTED', 'HOST_SELECTED_WITH_WAITLIST', 'ROLE_BASED')),
  status text not null default 'SCHEDULED'
    check (status in ('PENDING_CONFIRMATION', 'SCHEDULED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED', 'ARCHIVED')),
  post_at timestamptz,
  recur_rule text check (char_length(recur_rule) <= 200),
  series_id uuid,
  occurrence_key text,
  rewards text check (char_length(rewards) <= 2000),
  remind_host_rewards boolean not null default false,
  archive_channel_id uuid references channels,
  archive_delay_seconds int check (archive_delay_seconds between 0 and 2592000),
  notify_role_ids bigint[] not null default '{}',
  allowed_player_role_ids bigint[] not null default '{}',
  signup_priority_role_ids bigint[] not null default '{}',
  thumbnail_id uuid references images,
  banner_image_id uuid references images,
  cancel_reason text check (char_length(cancel_reason) <= 500),
  version bigint not null default 1,
  roster_version bigint not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  started_at timestamptz,
  completed_at timestamptz,
  unique (series_id, occurrence_key)
);
create index games_of_guild on games (guild_id, scheduled_at, id);
create index games_of_host on games (host_id, scheduled_at, id);

create table participants (
  id uuid primary key,
  game_id uuid not null references games on delete cascade,
  user_id uuid references users,
  placeholder text check (char_length(placeholder) between 1 and 100),
  position_type int not null check (position_type in (8000, 16000, 24000)),
  position int not null check (position between 0 and 32767),
  joined_at timestamptz not null,
  check ((user_id is null) <> (placeholder is null)), -- a user or a placeholder, never both, never neither
  constraint participants_one_row_per_user unique (game_id, user_id)
);
create index participants_of_user on participants (user_id);

create table scheduled_notifications (
  id uuid primary key,
  guild_id uuid not null references guilds on delete cascade,
  game_id uuid not null references games on delete cascade,
  participant_id uuid references participants on delete cascade,
  kind text not null,
  minutes_before int,
  was_at timestamptz,                                                         -- of a move: the start that people know
  actor uuid references users,                                                -- of a move: who made it and is not told
  due_at timestamptz not null,
  for_start_at timestamptz not null,
  state text not null default 'pending' check (state in ('pending', 'done', 'expired', 'failed')),
  attempts int not null default 0,
  next_attempt_at timestamptz not null, -- due_at at birth
  last_error text,
  done_at timestamptz,
  trace_context jsonb not null,
  unique nulls not distinct (game_id, kind, participant_id, minutes_before, for_start_at)
);
create index scheduled_notifications_due on scheduled_notifications (next_attempt_at) where state = 'pending';
create index scheduled_notifications_ended on scheduled_notifications (done_at) where done_at is not null;

create table scheduled_transitions (
  id uuid primary key,
  guild_id uuid not null references guilds on delete cascade,
  game_id uuid not null references games on delete cascade,
  target text not null check (target in ('IN_PROGRESS', 'COMPLETED', 'ARCHIVED', 'CANCELLED', 'POST')),
  due_at timestamptz not null,
  for_start_at timestamptz not null,
  state text not null default 'pending' check (state in ('pending', 'done', 'expired', 'failed')),
  attempts int not null default 0,
  next_attempt_at timestamptz not null,
  last_error text,
  done_at timestamptz,
  trace_context jsonb not null
);
create index scheduled_transitions_due on scheduled_transitions (next_attempt_at) where state = 'pending';
create index scheduled_transitions_ended on scheduled_transitions (done_at) where done_at is not null;
create unique index scheduled_transitions_one_pending on scheduled_transitions (game_id, target) where state = 'pending';

create table participant_actions (
  id uuid primary key,
  guild_id uuid not null references guilds on delete cascade,
  participant_id uuid not null references participants on delete cascade,
  action text not null check (action in ('drop')),
  due_at timestamptz not null,
  for_start_at timestamptz not null,
  state text not null default 'pending' check (state in ('pending', 'done', 'expired', 'failed')),
  attempts int not null default 0,
  next_attempt_at timestamptz not null,
  last_error text,
  done_at timestamptz,
  trace_context jsonb not null
);
create index participant_actions_due on participant_actions (next_attempt_at) where state = 'pending';
create unique index participant_actions_one_pending on participant_actions (participant_id, action) where state = 'pending';

create table deliveries (
  id uuid primary key,
  guild_id uuid not null references guilds on delete cascade,
  game_id uuid references games on delete set null,
  dedupe_key text not null unique,                                            -- kind, game, subject, recipient
  recipient bigint not null,                                                  -- Discord user
  channel_id bigint,                                                          -- the direct-message channel, once known
  kind text not null,
  payload jsonb not null,
  due_at timestamptz not null,                                                -- when it should have been sent
  for_start_at timestamptz,
  nonce text not null unique check (length(nonce) between 8 and 25),
  state text not null default 'pending' check (state in ('pending', 'uncertain', 'sent', 'failed', 'expired')),
  attempts int not null default 0,
  unknowns int not null default 0,
  park_after int not null default 8,
  fence bigint not null default 0,
  lease_owner text,                                                           -- set: in flight
  lease_until timestamptz,
  next_attempt_at timestamptz not null,                                       -- birth: now() + 3 s
  not_after timestamptz not null,
  first_attempt_at timestamptz,
  first_unknown_at timestamptz,
  parked_at timestamptz,                                                      -- a mark, not a state: hidden from claims
  parked_reason text,
  discord_message_id bigint,
  sent_at timestamptz,
  last_code int,
  last_error text,                                                            -- class, or why it expired
  trace_context jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  check ((lease_owner is null) = (lease_until is null))
);
create index deliveries_due on deliveries (next_attempt_at) where state in ('pending', 'uncertain') and parked_at is null;
create index deliveries_of_game on deliveries (game_id);
create index deliveries_parked on deliveries (parked_at) where parked_at is not null;
create index deliveries_ended on deliveries (created_at) where state in ('sent', 'failed', 'expired');

create table announcements (
  game_id uuid primary key references games on delete cascade,
  guild_id uuid not null references guilds on delete cascade,
  channel_id bigint not null,                                                 -- Discord channel
  message_id bigint,
  archive_message_id bigint,
  generation int not null default 0,
  desired_version bigint not null default 1,
  rendered_version bigint not null default 0,
  changed_at timestamptz not null,                                            -- when desired_version was last raised
  state text not null default 'pending'
    check (state in ('deferred', 'pending', 'posted', 'blocked', 'uncertain', 'lost', 'removed')),
  step text check (step in ('archiving', 'removing')),
  attempts int not null default 0,
  fence bigint not null default 0,
  lease_owner text,
  lease_until timestamptz,
  next_attempt_at timestamptz not null,
  first_unknown_at timestamptz,
  parked_at timestamptz,
  last_error text,
  trace_context jsonb not null,
  check ((lease_owner is null) = (lease_until is null))
);
create index announcements_stale on announcements (next_attempt_at)
  where rendered_version < desired_version and parked_at is null and state not in ('deferred', 'lost', 'removed');
create index announcements_parked on announcements (parked_at) where parked_at is not null;
create index announcements_of_message on announcements (message_id);

create table outbox (
  id uuid primary key,                                                        -- the AMQP message id
  routing_key text not null,
  schema_version smallint not null default 1,
  redrive smallint not null default 0,
  payload jsonb not null check (octet_length(payload::text) <= 8192),         -- ids only, no text that a person wrote
  trace_context jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  published_at timestamptz
) with (autovacuum_vacuum_scale_factor = 0.01, fillfactor = 70);
create index outbox_unpublished on outbox (id) where published_at is null;
create index outbox_published on outbox (published_at) where published_at is not null;

create table inbox (
  consumer text not null,
  message_id uuid not null,
  at timestamptz not null default now(),
  primary key (consumer, message_id)
);

create table parked (
  id uuid primary key,
  queue text not null,                                                        -- that refused it, without namespace
  message_key text not null,                                                  -- message id, or sha256:<body> when it has none
  routing_key text not null,                                                  -- that led to the queue
  reason text not null,
  headers jsonb not null,                                                     -- traceparent among them
  body bytea not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  times int not null default 1,
  redriven int not null default 0,
  redriven_at timestamptz,
  discarded_at timestamptz,
  note text,
  unique (queue, message_key)
);
create index parked_waiting on parked (last_at) where discarded_at is null;

create table idempotency_keys (
  principal text not null,
  key text not null,
  guild_id uuid,
  method_path text not null,
  body_sha256 bytea not null,
  work_id uuid not null,                                                      -- the id of what the request makes, in every try
  state text not null check (state in ('running', 'done')),
  status int,
  response bytea,
  locked_until timestamptz,
  created_at timestamptz not null default now(),
  primary key (principal, key)
);

create table sessions (
  token_sha256 bytea primary key check (octet_length(token_sha256) = 32),
  user_id uuid not null references users on delete cascade,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  ends_at timestamptz not null,
  user_agent_family text,
  sealed_discord_tokens bytea
);
create index sessions_of_user on sessions (user_id, created_at);

create table oauth_states (
  state_sha256 bytea primary key,
  cookie_sha256 bytea not null,
  sealed_verifier bytea not null,
  return_to smallint not null,
  expires_at timestamptz not null
);

create table shard_leases (
  shard int primary key, owner text, term bigint not null default 0, until timestamptz,
  session_id text, resume_url text, seq bigint
);
create table identify_slots (bucket int primary key, next_at timestamptz not null);
create table process_heartbeats (
  instance uuid primary key, service text not null, started_at timestamptz not null, seen_at timestamptz not null
);
create table timeline (
  singleton boolean primary key default true check (singleton), wal_timeline text not null,
  reconcile_from timestamptz, reconcile_until timestamptz
);

-- Good ones only: a row is written by the operator's backup job once a test restore of the dump has succeeded.
create table backups (
  taken_at timestamptz primary key check (taken_at <= noted_at),  -- when the dump began: what it holds
  sha256 bytea not null check (octet_length(sha256) = 32),         -- of the dump
  noted_at timestamptz not null default now()
);

create table audit_log (
  id uuid primary key,
  at timestamptz not null default clock_timestamp(),
  guild_id uuid references guilds on delete cascade,
  game_id uuid,
  actor uuid,                                                                 -- null: a part of the system
  face text not null check (face in ('web', 'button', 'command', 'dm_button', 'daemon', 'gateway', 'operator')),
  verb text not null,
  changes jsonb not null default '{}',
  trace_id text
);
create index audit_log_of_game on audit_log (game_id, id);
