//! Very many members of the demonstration guild, each with a session: a few people cannot fill a roster or watch often
//! enough.

use ::tests::discord::{Member, Setup, User};

use crate::crowd::Crowd;

/// How many there are; a roster holds no more rows.
pub(super) const GUESTS: usize = 1_000;
const FIRST: u64 = 450_000_000_000_000_000;

/// The demonstration's Discord with all of them.
pub(super) fn discord() -> Setup {
    let mut setup = Setup::demo();
    for number in 0..GUESTS as u64 {
        setup.users.push(User::named(FIRST + number, &format!("guest{number}")));
        setup.guilds[0].members.push(Member::plain(FIRST + number));
    }
    setup
}

/// The token of a guest's session.
pub(super) fn session(number: usize) -> String {
    format!("guest-{number}")
}

/// Signs all of them in.
pub(super) async fn sign_in(crowd: &Crowd) {
    crowd
        .world
        .does(format!(
            "insert into users (id, discord_id, username, global_name)
               select gen_random_uuid(), {FIRST} + n, 'guest' || n, 'Guest' || n from generate_series(0, {GUESTS} - 1) as n;
             insert into sessions (token_sha256, user_id, created_at, last_seen_at, ends_at)
               select sha256(('guest-' || n)::bytea), u.id, now(), now(), now() + interval '1 day'
               from generate_series(0, {GUESTS} - 1) as n join users u on u.discord_id = {FIRST} + n;
             analyze users; analyze sessions;"
        ))
        .await;
}

/// Seats the first so many of them in every prepared game, and nobody else.
pub(super) async fn seat(crowd: &Crowd, count: usize) {
    let world = &crowd.world;
    world
        .does(format!(
            "truncate participants, scheduled_notifications, participant_actions, outbox, audit_log;
             set session_replication_role = replica;
             insert into participants (id, game_id, user_id, position_type, position, joined_at)
               select gen_random_uuid(), g.id, u.id, 24000, 32767, now() - interval '1 hour' + interval '1 second' * n
               from games g, generate_series(0, {count} - 1) as n join users u on u.discord_id = {FIRST} + n
               where g.title = 'Prepared';"
        ))
        .await;
    world.does("vacuum analyze participants".to_owned()).await;
}
