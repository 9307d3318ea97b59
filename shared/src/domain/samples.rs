//! What the tests of the rules start from.

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use uuid::Uuid;

use super::game::{Game, SignupMethod, Status};
use super::ids::{ChannelId, DiscordRole, GameId, GuildId, TemplateId, UserId};

/// 10 May 2026, noon.
pub(crate) fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 5, 10, 12, 0, 0).unwrap()
}

/// That long after noon.
pub(crate) fn noon_plus(minutes: i64) -> DateTime<Utc> {
    noon() + TimeDelta::minutes(minutes)
}

pub(crate) fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

pub(crate) fn role(number: u64) -> DiscordRole {
    DiscordRole::new(number)
}

/// A game made at noon that starts two days later, hosted by user 1.
pub(crate) fn game() -> Game {
    Game {
        id: GameId(Uuid::from_u128(100)),
        guild: GuildId(Uuid::from_u128(200)),
        channel: ChannelId(Uuid::from_u128(300)),
        template: Some(TemplateId(Uuid::from_u128(400))),
        host: user(1),
        title: "Barrow of the Ice King".to_owned(),
        description: Some("Bring dice.".to_owned()),
        location: None,
        signup_instructions: None,
        scheduled_at: noon_plus(2 * 24 * 60),
        expected_duration_minutes: Some(120),
        max_players: 4,
        min_players: None,
        reminder_minutes: vec![60, 15],
        signup_method: SignupMethod::SelfSignup,
        status: Status::Scheduled,
        post_at: None,
        recur_rule: None,
        rewards: None,
        remind_host_rewards: false,
        archive_channel: None,
        archive_delay_seconds: None,
        notify_roles: vec![],
        player_roles: vec![],
        priority_roles: vec![],
        thumbnail: None,
        banner: None,
        cancel_reason: None,
        version: 1,
        roster_version: 1,
        created_at: noon(),
        updated_at: noon(),
    }
}
