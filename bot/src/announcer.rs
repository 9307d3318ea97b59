//! Announcements converge: whatever happened to a game, Discord shows its newest state (DI-36).

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};
use shared::amqp::consumer::{Handler, Outcome};
use shared::daemon::Look;
use shared::discord::{Class, Failure};
use shared::domain::ids::{DiscordMessage, GameId};
use shared::error::{self, Result};
use shared::events::Event;
use shared::store::announcements::{self, Claimed, End, Rendered};
use shared::store::{Sql, fault, games};
use shared::telemetry::job::Job;
use shared::telemetry::span::note;
use shared::telemetry::{Attribute, instruments};
use tokio::sync::Notify;
use tracing::{error, info, warn};

use crate::Bot;
use crate::budget::Channels;
use crate::history::{self, Found, Place};
use crate::job;
use crate::lease::{self, AT_ONCE, BATCH, Lease, cause, rows};
use crate::render::board::{self, Occasion};
use crate::{boards, retry};

/// The same nonce finds the first post for this long (L-25).
const NONCE: Duration = Duration::from_secs(90);
/// A right that is missing is asked about again after this.
const BLOCKED: Duration = Duration::from_secs(600);
/// An announcement whose edits are limited takes one in this time.
const LIMITED: Duration = Duration::from_secs(15);

/// Shows announcements.
pub(crate) struct Announcer {
    bot: Arc<Bot>,
    channels: Channels,
    wake: Arc<Notify>,
}

/// How one call went.
enum Shown {
    /// The message shows the state.
    At(DiscordMessage),
    /// It does not, and this is what the row says.
    Not(End),
    /// The game is gone and its row with it.
    Gone,
}

impl Handler for Announcer {
    async fn handle(&self, event: Event) -> Outcome {
        let Event::Game { game, .. } = event else { return Outcome::Park("undecodable") };
        let lease = Lease::begin();
        match self.claim(game).await {
            Ok(Some(turn)) => self.converge(turn, lease).await,
            // Another turn has it and shows this change too, or it is shown already.
            Ok(None) => Outcome::Coalesced,
            Err(fault) => self.again(&fault),
        }
    }
}

impl Announcer {
    pub(crate) fn new(bot: Arc<Bot>) -> Self {
        Self { bot, channels: Channels::default(), wake: Arc::default() }
    }

    /// Wakes the loop that looks: a row has to be tried again sooner than it would look by itself.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Claims what is due by itself: retries, and everything while the broker is away.
    pub(crate) async fn look(&self) -> anyhow::Result<Look> {
        self.channels.tidy(Instant::now());
        let due = {
            let mut sql = self.bot.app.db.connection().await.map_err(fault)?;
            announcements::stale(&mut sql, BATCH).await.map_err(fault)?
        };
        let full = rows(due.len()) == BATCH;
        let found = due.len();
        let won = stream::iter(due).map(|row| self.one(row)).buffer_unordered(AT_ONCE);
        let claimed = won.filter(|won| std::future::ready(*won)).count().await;
        let mut sql = self.bot.app.db.connection().await.map_err(fault)?;
        let next_due_in = announcements::next_due(&mut sql).await.map_err(fault)?;
        Ok(Look { claimed, full: full && claimed > 0, locked: claimed < found, next_due_in })
    }

    /// One due row; false when another replica has it.
    async fn one(&self, row: announcements::Stale) -> bool {
        if self.bot.stop.is_cancelled() {
            return false;
        }
        let lease = Lease::begin();
        let Ok(Some(turn)) = self.claim(row.game).await else { return false };
        let won = Job {
            kind: "announcement".into(),
            id: row.game.to_string(),
            game: Some(row.game.to_string()),
            guild: Some(row.guild.to_string()),
            attempt: turn.attempts,
            due_at: row.due_at,
            lateness: row.lateness,
            cause: row.trace_context,
        };
        won.run(self.converge(turn, lease), job::told).await;
        true
    }

    async fn claim(&self, game: GameId) -> anyhow::Result<Option<Claimed>> {
        let mut sql = self.bot.app.db.connection().await.map_err(fault)?;
        announcements::claim(&mut sql, game, &self.bot.owner).await.map_err(fault)
    }

    /// Shows the newest state, and goes on while the game changes meanwhile (DI-36).
    async fn converge(&self, turn: Claimed, first: Lease) -> Outcome {
        let mut turn = turn;
        let outcome = self.turns(&mut turn, first).await;
        note("gamesched.announcement.version", turn.desired_version);
        outcome
    }

    /// Turn after turn; `turn` is the last one.
    async fn turns(&self, turn: &mut Claimed, first: Lease) -> Outcome {
        let mut further: Option<Lease> = None;
        loop {
            match self.turn(turn, further.as_ref().unwrap_or(&first)).await {
                Ok(Some(rendered)) if rendered.behind => {}
                Ok(Some(_)) => return Outcome::Done,
                Ok(None) => return Outcome::Coalesced,
                Err(Ended::Later(cause)) => return Outcome::Later(cause.into()),
                Err(Ended::Parked) => return Outcome::Done,
                Err(Ended::Fault(fault)) => return self.again(&fault.into_fault()),
            }
            if !first.leaves_time() {
                // The row says that it is behind; the loop that looks takes it from here.
                self.wake.notify_one();
                return Outcome::Done;
            }
            further = Some(Lease::begin());
            match self.claim(turn.game).await {
                Ok(Some(next)) => *turn = next,
                Ok(None) => return Outcome::Done,
                Err(fault) => return self.again(&fault),
            }
        }
    }

    /// The row could not be read or written: the lease, if it was won, ends by itself.
    fn again(&self, fault: &anyhow::Error) -> Outcome {
        self.wake.notify_one();
        lease::again("an announcement is shown", fault)
    }

    /// One turn: read, render, call, record. None when a newer turn has the row, or the game is gone.
    async fn turn(&self, turn: &Claimed, lease: &Lease) -> std::result::Result<Option<Rendered>, Ended> {
        let shown = match self.channels.turn(turn.channel, lease.until()).await {
            Some(_turn) if !self.bot.stop.is_cancelled() => self.show(turn, lease).await?,
            _ => Shown::Not(End::Released),
        };
        match shown {
            Shown::At(message) => Ok(self.record(turn, message).await?),
            Shown::Gone => Ok(None),
            Shown::Not(end) => Err(self.end(turn, end).await?),
        }
    }

    async fn show(&self, turn: &Claimed, lease: &Lease) -> Result<Shown> {
        let view = {
            let mut sql = self.bot.app.db.connection().await?;
            games::view(&mut sql, turn.game).await?
        };
        let Some(view) = view else { return Ok(Shown::Gone) };
        if !self.bot.breaker.admits(Instant::now()) {
            return Ok(Shown::Not(End::Retry(retry::trial(), "discord_away")));
        }
        if !self.bot.budget.permit(lease.until()).await {
            return Ok(Shown::Not(End::Released));
        }
        let board = boards::board(&view, self.bot.frontend.as_deref());
        Ok(match turn.message {
            Some(message) => self.edit(turn, lease, message, board::render(&board, Occasion::Edit)).await,
            None => self.post(turn, lease, &board).await,
        })
    }

    async fn edit(&self, turn: &Claimed, lease: &Lease, message: DiscordMessage, body: Value) -> Shown {
        let Some(deadline) = lease.call() else { return Shown::Not(End::Released) };
        let edited = self.bot.discord.edit_message(turn.channel, message, body, deadline).await;
        self.bot.saw(edited.as_ref().err());
        match edited {
            Ok(()) => Shown::At(message),
            Err(failure) => Shown::Not(edit_failed(&failure, turn.attempts)),
        }
    }

    /// The first post: its nonce makes it one for 90 s, after that the channel is searched (DI-35).
    async fn post(&self, turn: &Claimed, lease: &Lease, board: &board::Board) -> Shown {
        if turn.unknown_for.is_some_and(|unknown| unknown > NONCE) {
            match self.search(turn, lease).await {
                Ok(Found::At(message)) => {
                    return self.edit(turn, lease, message, board::render(board, Occasion::Edit)).await;
                }
                Ok(Found::Absent) => {}
                Ok(Found::NoProof) => return Shown::Not(End::Parked("no_proof")),
                Ok(Found::NoTime) => return Shown::Not(End::Uncertain(retry::back_off(2), "no_time")),
                Err(failure) => return Shown::Not(search_failed(&failure)),
            }
        }
        let mut body = board::render(board, Occasion::First);
        body["nonce"] = json!(announcements::nonce(turn.game, turn.generation));
        body["enforce_nonce"] = json!(true);
        let Some(deadline) = lease.call() else { return Shown::Not(End::Released) };
        let posted = self.bot.discord.create_message(turn.channel, body, deadline).await;
        self.bot.saw(posted.as_ref().err());
        match posted {
            Ok(message) => Shown::At(message),
            Err(failure) => Shown::Not(post_failed(&failure, turn.attempts)),
        }
    }

    /// Looks for the game's button in the channel, from where its outcome became unknown.
    async fn search(&self, turn: &Claimed, lease: &Lease) -> std::result::Result<Found, Failure> {
        let join = board::join_id(turn.game);
        let since = turn.first_unknown_at.unwrap_or(turn.changed_at);
        let place = (Place::Guild, turn.channel);
        history::find(&self.bot.discord, place, since, lease, |message| has_button(message, &join)).await
    }

    async fn record(&self, turn: &Claimed, message: DiscordMessage) -> Result<Option<Rendered>> {
        let mut sql = self.bot.app.db.connection().await?;
        let rendered = announcements::rendered(&mut sql, turn, message).await?;
        match rendered {
            Some(rendered) => {
                let labels = [Attribute::new("gamesched.outcome", "done")];
                instruments::get().announcement_freshness.record(rendered.freshness.as_secs_f64(), &labels);
            }
            None => self.lost(&mut sql, turn).await?,
        }
        Ok(rendered)
    }

    async fn end(&self, turn: &Claimed, end: End) -> Result<Ended> {
        let mut sql = self.bot.app.db.connection().await?;
        if !announcements::ended(&mut sql, turn, end).await? {
            self.lost(&mut sql, turn).await?;
        }
        drop(sql);
        self.wake.notify_one();
        Ok(self.told(turn, end))
    }

    /// A newer turn has the row, and what this one asked of Discord may have come after the newer turn's call: the
    /// board is wanted once more, so that it shows the newest state whoever was last.
    async fn lost(&self, sql: &mut Sql, turn: &Claimed) -> Result<()> {
        instruments::get().fence_lost.add(1, &[Attribute::new("gamesched.source", "announcement")]);
        announcements::want(sql, turn.game).await?;
        self.wake.notify_one();
        Ok(())
    }

    fn told(&self, turn: &Claimed, end: End) -> Ended {
        let game = turn.game;
        match end {
            End::Retry(_, cause) | End::Uncertain(_, cause) => Ended::Later(cause),
            End::Released => Ended::Later("released"),
            End::Blocked(_, cause) => {
                warn!(gamesched.game.id = %game, "a right is missing to announce game {game}");
                Ended::Later(cause)
            }
            End::Lost => {
                info!(gamesched.game.id = %game, "the announcement of game {game} was deleted");
                Ended::Parked
            }
            End::Parked(reason) => {
                let labels = [
                    Attribute::new("gamesched.source", "announcement"),
                    Attribute::new("gamesched.parked.reason", reason),
                ];
                instruments::get().parked_added.add(1, &labels);
                error!(gamesched.game.id = %game, "the announcement of game {game} is parked: {reason}");
                Ended::Parked
            }
        }
    }
}

/// How a turn ended that showed nothing.
enum Ended {
    Later(&'static str),
    Parked,
    Fault(error::Error),
}

impl From<error::Error> for Ended {
    fn from(fault: error::Error) -> Self {
        Self::Fault(fault)
    }
}

fn has_button(message: &Value, custom_id: &str) -> bool {
    let rows = message["components"].as_array().into_iter().flatten();
    rows.flat_map(|row| row["components"].as_array().into_iter().flatten())
        .any(|button| button["custom_id"] == custom_id)
}

/// What a failed edit means: repeating it does no harm.
fn edit_failed(failure: &Failure, attempts: i32) -> End {
    match (failure.class, failure.code) {
        (_, Some(10_008)) | (Class::Done, _) => End::Lost,
        (Class::Unknown, _) => End::Retry(retry::back_off(attempts), cause(failure)),
        _ => certain(failure, attempts),
    }
}

/// What a failed post means: it may exist.
fn post_failed(failure: &Failure, attempts: i32) -> End {
    match failure.class {
        Class::Done => End::Lost,
        Class::Unknown => End::Uncertain(retry::soon(), cause(failure)),
        _ => certain(failure, attempts),
    }
}

/// A search changes nothing: it is still unknown whether the post exists.
fn search_failed(failure: &Failure) -> End {
    match failure.class {
        Class::Permanent => End::Blocked(BLOCKED, cause(failure)),
        _ => End::Uncertain(failure.retry_after.map_or_else(|| retry::back_off(2), retry::told), cause(failure)),
    }
}

/// What certainly did not happen.
fn certain(failure: &Failure, attempts: i32) -> End {
    match failure.class {
        Class::Wait => End::Retry(retry::told(failure.retry_after.unwrap_or(LIMITED)), cause(failure)),
        Class::WaitLong => End::Retry(retry::told(failure.retry_after.unwrap_or(BLOCKED)), cause(failure)),
        Class::Permanent => End::Blocked(BLOCKED, cause(failure)),
        Class::Credential => End::Retry(retry::trial(), cause(failure)),
        Class::Poison => End::Parked("poison"),
        Class::Done | Class::Retry | Class::Unknown => End::Retry(retry::back_off(attempts), cause(failure)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(class: Class, code: Option<u64>) -> Failure {
        Failure { class, status: Some(500), code, retry_after: None }
    }

    #[test]
    fn an_edit_repeats_and_a_post_is_uncertain_when_the_answer_was_lost() {
        let unknown = failure(Class::Unknown, None);
        assert!(matches!(edit_failed(&unknown, 1), End::Retry(_, "500")));
        assert!(matches!(post_failed(&unknown, 1), End::Uncertain(..)));
    }

    #[test]
    fn a_deleted_post_is_lost_and_a_missing_right_blocks() {
        assert!(matches!(edit_failed(&failure(Class::Permanent, Some(10_008)), 1), End::Lost));
        assert!(matches!(edit_failed(&failure(Class::Permanent, Some(50_013)), 1), End::Blocked(BLOCKED, _)));
        assert!(matches!(post_failed(&failure(Class::Permanent, Some(50_001)), 1), End::Blocked(BLOCKED, _)));
    }

    #[test]
    fn the_post_of_a_game_is_known_by_its_button() {
        let message = json!({ "components": [{ "type": 1, "components": [{ "custom_id": "join_game_7" }] }] });
        assert!(has_button(&message, "join_game_7"));
        assert!(!has_button(&message, "join_game_8") && !has_button(&json!({}), "join_game_7"));
    }
}
