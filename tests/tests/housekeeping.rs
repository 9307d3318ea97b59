//! What is kept no longer goes, and what is still owed stays.

use shared::store::Db;
use shared::store::purge::{BATCH, Old, found, purge};
use tests::world::World;

/// One old row and one that must stay in every table, and more old outbox rows than one statement deletes.
const ROWS: &str = "
    insert into users (id, discord_id, username) values (gen_random_uuid(), 1, 'ada');
    insert into guilds (id, discord_id, name) values (gen_random_uuid(), 1, 'Tavern');
    insert into channels (id, guild_id, discord_id, name, kind) select gen_random_uuid(), id, 1, 'games', 0 from guilds;
    insert into games (id, guild_id, channel_id, host_id, title, scheduled_at, max_players, signup_method, created_at,
        updated_at)
      select gen_random_uuid(), g.id, c.id, u.id, 'Dune', now(), 1, 'SELF_SIGNUP', now(), now()
      from guilds g, channels c, users u;
    insert into outbox (id, routing_key, payload, trace_context, published_at)
      select gen_random_uuid(), 'key', '{}', '{}', case when number > 0 then now() - interval '4 days' end
      from generate_series(0, 5001) as number;
    insert into inbox (consumer, message_id, at)
      select 'bot', gen_random_uuid(), now() - age from (values (interval '15 days'), (interval '1 day')) as row (age);
    insert into deliveries (id, guild_id, dedupe_key, recipient, kind, payload, due_at, nonce, state, next_attempt_at,
        not_after, trace_context, created_at)
      select gen_random_uuid(), g.id, state, 1, 'joined', '{}', now(), 'nonce ' || state, state, now(), now(), '{}',
        now() - interval '91 days'
      from guilds g, (values ('sent'), ('pending')) as row (state);
    insert into deliveries (id, guild_id, dedupe_key, recipient, kind, payload, due_at, nonce, state, next_attempt_at,
        not_after, trace_context, created_at, parked_at)
      select gen_random_uuid(), id, 'parked', 1, 'joined', '{}', now(), 'nonce parked', 'failed', now(), now(), '{}',
        now() - interval '91 days', now() from guilds;
    insert into scheduled_notifications (id, guild_id, game_id, kind, due_at, for_start_at, next_attempt_at,
        trace_context, state, done_at)
      select gen_random_uuid(), guild_id, id, state, now(), now(), now(), '{}', state, done_at
      from games, (values ('done', now() - interval '31 days'), ('pending', null)) as row (state, done_at);
    insert into scheduled_transitions (id, guild_id, game_id, target, due_at, for_start_at, next_attempt_at,
        trace_context, state, done_at)
      select gen_random_uuid(), guild_id, id, 'POST', now(), now(), now(), '{}', state, done_at
      from games, (values ('done', now() - interval '31 days'), ('pending', null)) as row (state, done_at);
    insert into idempotency_keys (principal, key, method_path, body_sha256, work_id, state, created_at)
      select 'ada', age::text, 'POST /', '', gen_random_uuid(), 'done', now() - age
      from (values (interval '3 days'), (interval '1 hour')) as row (age);
    insert into oauth_states (state_sha256, cookie_sha256, sealed_verifier, return_to, expires_at)
      select age::text::bytea, '', '', 0, now() - age from (values (interval '1 s'), (interval '-1 hour')) as row (age);
    insert into sessions (token_sha256, user_id, created_at, last_seen_at, ends_at)
      select sha256(age::text::bytea), id, now(), now(), now() - age
      from users, (values (interval '1 s'), (interval '-1 hour')) as row (age);
    insert into process_heartbeats (instance, service, started_at, seen_at)
      select gen_random_uuid(), 'bot', now(), now() - age
      from (values (interval '2 hours'), (interval '1 s')) as row (age);";

#[tokio::test(flavor = "multi_thread")]
async fn op_04_what_is_kept_no_longer_goes_in_batches_and_what_is_owed_stays() {
    let world = World::empty().await.expect("a world can be made");
    let mut sql = world.sql().await.expect("Postgres answers");
    sqlx::raw_sql(ROWS).execute(&mut sql).await.expect("the rows can be made");
    let db = Db::open(&world.database, "tests", 1).expect("a database");
    let mut sql = db.connection().await.expect("Postgres answers");

    // Of every table one, and of the outbox a batch.
    assert_eq!(found(&mut sql).await.expect("it looks"), BATCH.cast_signed() + 8);
    assert_eq!(purge(&mut sql, Old::Outbox).await.expect("it purges"), BATCH);
    for old in Old::ALL {
        assert_eq!(purge(&mut sql, old).await.expect("it purges"), 1, "{old:?}");
        assert_eq!(purge(&mut sql, old).await.expect("it purges"), 0, "{old:?}");
    }
    assert_eq!(found(&mut sql).await.expect("it looks"), 0);
}
