//! Games and participants as the web client reads them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::domain::game::{SignupMethod, Status};
use shared::domain::ids::{ChannelId, DiscordUser, GameId, GuildId, ImageId, ParticipantId, UserId};
use shared::domain::roster::{Class, Row, UNPLACED, Who};
use shared::store::games::GameView;
use shared::store::people::Person;
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::Words;
use crate::access::Access;

/// A person or a plain name on a roster.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Participant {
    id: Uuid,
    #[schema(value_type = Uuid)]
    game_session_id: GameId,
    #[schema(value_type = Option<Uuid>)]
    user_id: Option<UserId>,
    discord_id: Option<String>,
    display_name: Option<String>,
    avatar_url: Option<String>,
    joined_at: DateTime<Utc>,
    position_type: i32,
    position: i32,
}

/// A game.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct GameResponse {
    #[schema(value_type = Uuid)]
    id: GameId,
    #[schema(value_type = Uuid)]
    guild_id: GuildId,
    #[schema(value_type = Uuid)]
    channel_id: ChannelId,
    title: String,
    description: Option<String>,
    signup_instructions: Option<String>,
    scheduled_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    #[serde(rename = "where")]
    location: Option<String>,
    where_display: Option<String>,
    max_players: Option<i32>,
    min_players: Option<i32>,
    guild_name: Option<String>,
    channel_name: Option<String>,
    message_id: Option<String>,
    post_at: Option<DateTime<Utc>>,
    host: Participant,
    reminder_minutes: Option<Vec<i32>>,
    expected_duration_minutes: Option<i32>,
    notify_role_ids: Option<Vec<String>>,
    status: &'static str,
    display_status: &'static str,
    signup_method: &'static str,
    participant_count: usize,
    participants: Vec<Participant>,
    confirmed_participants: Vec<Participant>,
    waitlist_participants: Vec<Participant>,
    has_thumbnail: bool,
    has_image: bool,
    #[schema(value_type = Option<Uuid>)]
    thumbnail_id: Option<ImageId>,
    #[schema(value_type = Option<Uuid>)]
    banner_image_id: Option<ImageId>,
    can_manage: bool,
    can_join: bool,
    rewards: Option<String>,
    remind_host_rewards: bool,
    #[schema(value_type = Option<Uuid>)]
    archive_channel_id: Option<ChannelId>,
    recur_rule: Option<String>,
    cancel_reason: Option<String>,
}

/// A page of games.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GameList {
    pub(super) games: Vec<GameResponse>,
    pub(super) total: i64,
    pub(super) limit: i64,
    pub(super) offset: i64,
}

/// The game as one caller sees it.
#[expect(clippy::too_many_lines, reason = "one line a field")]
pub(super) fn game(view: &GameView, access: &Access, words: &Words, now: DateTime<Utc>) -> GameResponse {
    let game = &view.game;
    let roster = view.roster();
    let rows = |rows: &[Row]| rows.iter().map(|row| row_of(view, row, words)).collect::<Vec<_>>();
    let location = game.location.as_deref();
    let render = |text: &Option<String>| text.as_deref().map(|text| words.render(text));
    GameResponse {
        id: game.id,
        guild_id: game.guild,
        channel_id: game.channel,
        title: words.render(&game.title),
        description: render(&game.description),
        signup_instructions: render(&game.signup_instructions),
        scheduled_at: game.scheduled_at,
        created_at: game.created_at,
        updated_at: game.updated_at,
        where_display: location.filter(|text| text.contains("<#")).map(|text| words.render(text)),
        location: game.location.clone(),
        max_players: Some(game.max_players),
        min_players: game.min_players,
        guild_name: Some(view.guild_name.clone()),
        channel_name: Some(view.channel_name.clone()),
        message_id: view.message.map(|message| message.to_string()),
        post_at: game.post_at,
        host: host(view, words),
        reminder_minutes: Some(game.reminder_minutes.clone()),
        expected_duration_minutes: game.expected_duration_minutes,
        notify_role_ids: Some(game.notify_roles.iter().map(ToString::to_string).collect()),
        status: status(game.status),
        display_status: game.status.as_str(),
        signup_method: game.signup_method.as_str(),
        participant_count: roster.confirmed().len(),
        participants: rows(roster.rows()),
        confirmed_participants: rows(roster.confirmed()),
        waitlist_participants: rows(roster.waiting()),
        has_thumbnail: game.thumbnail.is_some(),
        has_image: game.banner.is_some(),
        thumbnail_id: game.thumbnail,
        banner_image_id: game.banner,
        can_manage: access.runs(view),
        can_join: can_join(view, access, now),
        rewards: game.rewards.clone(),
        remind_host_rewards: game.remind_host_rewards,
        archive_channel_id: game.archive_channel,
        recur_rule: game.recur_rule.clone(),
        cancel_reason: game.cancel_reason.clone(),
    }
}

/// The client knows no waiting for the host's word as a state, only as what is shown.
fn status(status: Status) -> &'static str {
    match status {
        Status::PendingConfirmation | Status::Scheduled => Status::Scheduled.as_str(),
        Status::InProgress | Status::Completed | Status::Cancelled | Status::Archived => status.as_str(),
    }
}

fn can_join(view: &GameView, access: &Access, now: DateTime<Utc>) -> bool {
    let plays = view.rows.iter().any(|(row, _)| row.who.user() == Some(access.member.user));
    let by_oneself = view.game.signup_method != SignupMethod::HostSelected;
    !plays && by_oneself && view.game.is_open(now) && access.may_join(view)
}

fn host(view: &GameView, words: &Words) -> Participant {
    Participant {
        id: view.host.id.0,
        game_session_id: view.game.id,
        user_id: Some(view.host.id),
        discord_id: Some(view.host.discord.to_string()),
        display_name: Some(words.name(&view.host)),
        avatar_url: avatar(&view.host),
        joined_at: view.game.created_at,
        position_type: Class::SelfAdded.number(),
        position: UNPLACED,
    }
}

fn row_of(view: &GameView, row: &Row, words: &Words) -> Participant {
    let person = view.rows.iter().find(|(known, _)| known.id == row.id).and_then(|(_, person)| person.as_ref());
    participant(view.game.id, row, person, person.map(|person| words.name(person)))
}

/// A row with the name that is shown for it.
pub(super) fn participant(game: GameId, row: &Row, person: Option<&Person>, name: Option<String>) -> Participant {
    let ParticipantId(id) = row.id;
    let placeholder = match &row.who {
        Who::User(_) => None,
        Who::Placeholder(name) => Some(name.clone()),
    };
    Participant {
        id,
        game_session_id: game,
        user_id: row.who.user(),
        discord_id: person.map(|person| person.discord.to_string()),
        display_name: placeholder.or(name),
        avatar_url: person.and_then(avatar),
        joined_at: row.joined_at,
        position_type: row.class.number(),
        position: row.position,
    }
}

fn avatar(person: &Person) -> Option<String> {
    let hash = person.avatar.as_ref()?;
    Some(format!("https://cdn.discordapp.com/avatars/{}/{hash}.png?size=64", person.discord))
}

/// Everybody whose name a game shows.
pub(super) fn people(view: &GameView) -> impl Iterator<Item = DiscordUser> + '_ {
    let players = view.rows.iter().filter_map(|(_, person)| person.as_ref());
    players.chain([&view.host]).map(|person| person.discord)
}
