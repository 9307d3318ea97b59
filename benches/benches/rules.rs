//! Cost of the pure rules: a full roster, a full announcement.

use std::hint::black_box;

use bot::render::Shown;
use bot::render::board::{Board, Host, Occasion, render};
use chrono::{DateTime, Utc};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use shared::domain::game::{SignupMethod, Status};
use shared::domain::ids::{DiscordGuild, DiscordUser, GameId, UserId};
use shared::domain::roster::{Changes, Roster};
use uuid::Uuid;

const NOON: DateTime<Utc> = DateTime::from_timestamp(1_778_414_400, 0).expect("a date within the calendar");

fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

/// 100 who play and 100 who wait.
fn roster() -> Roster {
    let mut roster = Roster::new(SignupMethod::SelfSignup, 100, vec![]);
    for number in 0..200 {
        roster.join(user(number), &[], &[], NOON).expect("a game that takes everybody");
    }
    roster
}

fn shown(from: u64) -> Vec<Shown> {
    (from..from + 100).map(|number| Shown::Mention(DiscordUser::new(100_000_000_000_000_000 + number))).collect()
}

fn board() -> Board {
    Board {
        game: GameId(Uuid::from_u128(1)),
        guild: DiscordGuild::new(77),
        host: Host { user: DiscordUser::new(1), name: "Dee".to_owned(), avatar_url: None },
        title: "Barrow of the Ice King".to_owned(),
        description: Some("It is cold. ".repeat(160)),
        location: Some("<#123456789012345678>".to_owned()),
        scheduled_at: NOON,
        expected_duration_minutes: Some(150),
        max_players: 100,
        min_players: None,
        signup_method: SignupMethod::SelfSignup,
        status: Status::Scheduled,
        cancel_reason: None,
        rewards: None,
        notify_roles: vec![],
        confirmed: shown(0),
        waiting: shown(100),
        page_url: Some("https://play.example/games/1".to_owned()),
        calendar_url: Some("https://play.example/download-calendar/1".to_owned()),
        thumbnail_url: None,
        banner_url: None,
    }
}

fn rosters(criterion: &mut Criterion) {
    let full = roster();
    let rows: Vec<_> = full.rows().iter().rev().cloned().collect();
    criterion.bench_function("roster: put 200 rows in order", |bench| {
        bench.iter_batched(
            || rows.clone(),
            |rows| Roster::new(SignupMethod::SelfSignup, 100, rows),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("roster: join as number 201", |bench| {
        bench.iter_batched_ref(
            || full.clone(),
            |roster| roster.join(user(1000), &[], &[], NOON),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("roster: leave a seat and see who moves up", |bench| {
        bench.iter_batched_ref(
            || full.clone(),
            |roster| {
                roster.leave(user(50));
                Changes::between(&full, roster)
            },
            BatchSize::SmallInput,
        );
    });
}

fn boards(criterion: &mut Criterion) {
    let board = board();
    criterion.bench_function("board: render 100 seated and 100 waiting", |bench| {
        bench.iter(|| render(black_box(&board), Occasion::Edit));
    });
}

criterion_group!(rules, rosters, boards);
criterion_main!(rules);
