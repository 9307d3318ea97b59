//! Direct messages, each at most once (SE-01 to SE-07).

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};
use shared::amqp::consumer::{Handler, Outcome};
use shared::daemon::Look;
use shared::discord::{Class, Failure};
use shared::domain::ids::{DeliveryId, DiscordChannel};
use shared::domain::letter::Letter as Facts;
use shared::domain::schedule::Notice;
use shared::error::Result;
use shared::events::Event;
use shared::store::deliveries::{self, Claimed, End};
use shared::store::fault;
use shared::telemetry::job::Job;
use shared::telemetry::span::note;
use shared::telemetry::{Attribute, instruments};
use tokio::sync::Notify;
use tracing::error;

use crate::Bot;
use crate::history::{self, Found, Place};
use crate::job;
use crate::lease::{self, AT_ONCE, BATCH, Lease, cause, rows};
use crate::render::letter::{self, Letter};
use crate::{boards, retry};

/// The same nonce finds the first message for this long (L-25).
const NONCE: Duration = Duration::from_secs(90);
/// A limit that opens after minutes, when Discord does not say how many.
const MINUTES: Duration = Duration::from_secs(600);

/// Sends direct messages.
pub(crate) struct Sender {
    bot: Arc<Bot>,
    wake: Arc<Notify>,
}

impl Handler for Sender {
    async fn handle(&self, event: Event) -> Outcome {
        let Event::Delivery { delivery } = event else { return Outcome::Park("undecodable") };
        let lease = Lease::begin();
        match self.claim(delivery).await {
            Ok(Some(turn)) => self.send(turn, lease).await,
            Ok(None) => Outcome::AlreadyDone,
            Err(fault) => self.again(&fault),
        }
    }
}

impl Sender {
    pub(crate) fn new(bot: Arc<Bot>) -> Self {
        Self { bot, wake: Arc::default() }
    }

    /// Wakes the loop that looks: a row has to be tried again sooner than it would look by itself.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Claims what is due by itself: retries, and everything while the broker is away.
    pub(crate) async fn look(&self) -> anyhow::Result<Look> {
        let due = {
            let mut sql = self.bot.app.db.connection().await.map_err(fault)?;
            deliveries::due(&mut sql, BATCH).await.map_err(fault)?
        };
        let (found, full) = (due.len(), rows(due.len()) == BATCH);
        let won = stream::iter(due).map(|row| self.one(row)).buffer_unordered(AT_ONCE);
        let claimed = won.filter(|won| std::future::ready(*won)).count().await;
        let mut sql = self.bot.app.db.connection().await.map_err(fault)?;
        let next_due_in = deliveries::next_due(&mut sql).await.map_err(fault)?;
        Ok(Look { claimed, full: full && claimed > 0, locked: claimed < found, next_due_in })
    }

    /// One due row; false when another replica has it.
    async fn one(&self, row: deliveries::Due) -> bool {
        if self.bot.stop.is_cancelled() {
            return false;
        }
        let lease = Lease::begin();
        let Ok(Some(turn)) = self.claim(row.id).await else { return false };
        let won = Job {
            kind: "delivery".into(),
            id: row.id.to_string(),
            // Told with the turn, for a message as for a claim.
            game: None,
            guild: Some(row.guild.to_string()),
            attempt: turn.attempts,
            due_at: row.due_at,
            lateness: row.lateness,
            cause: row.trace_context,
        };
        won.run(self.send(turn, lease), job::told).await;
        true
    }

    async fn claim(&self, id: DeliveryId) -> anyhow::Result<Option<Claimed>> {
        let mut sql = self.bot.app.db.connection().await.map_err(fault)?;
        deliveries::claim(&mut sql, id, &self.bot.owner).await.map_err(fault)
    }

    /// From a turn that was won to the end of it in the row.
    async fn send(&self, turn: Claimed, lease: Lease) -> Outcome {
        if let Some(game) = turn.game {
            note("gamesched.game.id", game.to_string());
        }
        let end = self.decide(&turn, &lease).await;
        match self.record(&turn, end).await {
            Ok(()) => told(&turn, end),
            // What Discord has it has: the lease ends, and the next owner finds it by nonce or by search.
            Err(fault) => self.again(&fault.into_fault()),
        }
    }

    /// The row could not be read or written: the lease, if it was won, ends by itself.
    fn again(&self, fault: &anyhow::Error) -> Outcome {
        self.wake.notify_one();
        lease::again("a delivery is sent", fault)
    }

    /// SE-02 to SE-05: what became of the message.
    async fn decide(&self, turn: &Claimed, lease: &Lease) -> End {
        let over = expired(turn);
        let known = turn.unknowns == 0;
        match (over, known) {
            (Some(end), true) => return end,
            (None, true) if turn.attempts > turn.park_after => return End::Parked("attempts"),
            _ => {}
        }
        let Some(letter) = content(turn, self.bot.app.clock.now(), self.bot.frontend.as_deref()) else {
            return End::Parked("undecodable");
        };
        if self.bot.stop.is_cancelled() {
            return End::Released;
        }
        if !self.bot.breaker.admits(Instant::now()) {
            return End::Wait(retry::trial(), "discord_away");
        }
        if !self.bot.budget.permit(lease.until()).await {
            return End::Released;
        }
        let Some(deadline) = lease.call() else { return End::Released };
        let opened = self.bot.discord.open_dm(turn.recipient, deadline).await;
        self.bot.saw(opened.as_ref().err());
        let channel = match opened {
            Ok(channel) => channel,
            Err(failure) => return open_failed(turn, &failure),
        };
        if !known && (over.is_some() || turn.unknown_for.is_some_and(|unknown| unknown > NONCE)) {
            match self.search(turn, channel, lease).await {
                Ok(Found::At(message)) => return End::Sent(channel, Some(message)),
                Ok(Found::NoProof) => return End::NoProof,
                Ok(Found::NoTime) => return unfinished(turn, None, "no_time"),
                Ok(Found::Absent) if over.is_some() => return over.unwrap_or(End::NoProof),
                Ok(Found::Absent) if turn.attempts > turn.park_after => return End::Parked("attempts"),
                Ok(Found::Absent) => {}
                Err(failure) => return search_failed(turn, &failure),
            }
        }
        self.post(turn, channel, &letter, lease).await
    }

    async fn search(
        &self,
        turn: &Claimed,
        channel: DiscordChannel,
        lease: &Lease,
    ) -> std::result::Result<Found, Failure> {
        let marker = letter::marker(&turn.nonce);
        let place = (Place::Direct, channel);
        let ours = |message: &Value| has_marker(message, &marker);
        history::find(&self.bot.discord, place, turn.first_attempt_at, lease, ours).await
    }

    async fn post(&self, turn: &Claimed, channel: DiscordChannel, letter: &Letter, lease: &Lease) -> End {
        let mut body = letter::render(letter, &turn.nonce);
        body["nonce"] = json!(turn.nonce);
        body["enforce_nonce"] = json!(true);
        let Some(deadline) = lease.call() else { return End::Released };
        let posted = self.bot.discord.create_message(channel, body, deadline).await;
        self.bot.saw(posted.as_ref().err());
        match posted {
            Ok(message) => End::Sent(channel, Some(message)),
            // Refused now, but an earlier try may have arrived before the person closed the door.
            Err(failure) if failure.class == Class::Permanent && turn.unknowns > 0 => {
                match self.search(turn, channel, lease).await {
                    Ok(Found::At(message)) => End::Sent(channel, Some(message)),
                    Ok(Found::Absent) => post_failed(turn, channel, &failure),
                    Ok(Found::NoProof) => End::NoProof,
                    Ok(Found::NoTime) => unfinished(turn, None, "no_time"),
                    Err(failure) => search_failed(turn, &failure),
                }
            }
            Err(failure) => post_failed(turn, channel, &failure),
        }
    }

    async fn record(&self, turn: &Claimed, end: End) -> Result<()> {
        let mut sql = self.bot.app.db.connection().await?;
        let lateness = deliveries::ended(&mut sql, turn, end).await?;
        let (Some(lateness), Some(outcome)) = (lateness, outcome(end)) else {
            self.wake.notify_one();
            if lateness.is_none() {
                instruments::get().fence_lost.add(1, &[Attribute::new("gamesched.source", "delivery")]);
            }
            return Ok(());
        };
        note("gamesched.delivery.outcome", outcome);
        let labels = [
            Attribute::new("gamesched.delivery.kind", turn.kind.clone()),
            Attribute::new("gamesched.delivery.outcome", outcome),
        ];
        instruments::get().delivery_lateness.record(lateness.as_secs_f64(), &labels);
        Ok(())
    }
}

/// Why it is not sent any more, if so.
fn expired(turn: &Claimed) -> Option<End> {
    match (turn.too_late, turn.moved) {
        (true, _) => Some(End::Expired("late")),
        (false, true) => Some(End::Expired("stale")),
        (false, false) => None,
    }
}

/// What the message says; none when nobody can read what was stored.
fn content(turn: &Claimed, now: chrono::DateTime<chrono::Utc>, frontend: Option<&str>) -> Option<Letter> {
    let notice: Notice = turn.kind.parse().ok()?;
    let facts: Facts = serde_json::from_value(turn.payload.clone()).ok()?;
    let due_at = now - turn.lateness;
    Some(Letter::of(notice, &facts, boards::page(frontend, facts.game), notice.late_mark(due_at, now)))
}

fn has_marker(message: &Value, marker: &str) -> bool {
    let embeds = message["embeds"].as_array().into_iter().flatten();
    let mut footers = embeds.filter_map(|embed| embed["footer"]["text"].as_str());
    footers.any(|footer| footer.ends_with(marker))
}

/// What a failed post means: it may have arrived.
fn post_failed(turn: &Claimed, channel: DiscordChannel, failure: &Failure) -> End {
    match failure.class {
        Class::Done => End::Sent(channel, None),
        Class::Unknown => End::Uncertain(retry::soon(), cause(failure)),
        _ => certain(turn, failure),
    }
}

/// A channel that could not be opened: nothing was said.
fn open_failed(turn: &Claimed, failure: &Failure) -> End {
    match failure.class {
        Class::Permanent if turn.unknowns > 0 => End::NoProof,
        _ => certain(turn, failure),
    }
}

/// A search says nothing: it stays as unknown as it was.
fn search_failed(turn: &Claimed, failure: &Failure) -> End {
    match failure.class {
        Class::Permanent | Class::Poison => End::NoProof,
        _ => unfinished(turn, failure.retry_after, cause(failure)),
    }
}

/// A search that did not come to its end is begun anew, while there are tries.
fn unfinished(turn: &Claimed, wait: Option<Duration>, cause: &'static str) -> End {
    if turn.attempts > turn.park_after {
        return End::NoProof;
    }
    End::Retry(wait.map_or_else(|| retry::back_off(turn.attempts), retry::told), cause)
}

/// What certainly did not happen.
fn certain(turn: &Claimed, failure: &Failure) -> End {
    match failure.class {
        Class::Wait => End::Wait(retry::told(failure.retry_after.unwrap_or(Duration::from_secs(5))), cause(failure)),
        Class::WaitLong => End::Wait(retry::told(failure.retry_after.unwrap_or(MINUTES)), cause(failure)),
        Class::Permanent => End::Failed(failure.code.and_then(|code| i32::try_from(code).ok()).unwrap_or_default()),
        Class::Credential => End::Wait(retry::trial(), cause(failure)),
        Class::Poison => End::Parked("poison"),
        Class::Done | Class::Retry | Class::Unknown => End::Retry(retry::back_off(turn.attempts), cause(failure)),
    }
}

/// The word for an end that is one; none while it goes on.
fn outcome(end: End) -> Option<&'static str> {
    match end {
        End::Sent(..) => Some("sent"),
        End::Failed(_) => Some("refused"),
        End::Expired(_) => Some("expired"),
        End::Parked(_) => Some("failed"),
        End::NoProof => Some("uncertain"),
        End::Retry(..) | End::Wait(..) | End::Uncertain(..) | End::Released => None,
    }
}

/// What the message that brought the delivery is told.
fn told(turn: &Claimed, end: End) -> Outcome {
    let id = turn.id;
    match end {
        End::Sent(..) | End::Failed(_) | End::Expired(_) => Outcome::Done,
        End::Retry(_, cause) | End::Wait(_, cause) | End::Uncertain(_, cause) => Outcome::Later(cause.into()),
        End::Released => Outcome::Later("released".into()),
        End::Parked(reason) => {
            parked(reason);
            error!(gamesched.delivery.id = %id, "delivery {id} is parked: {reason}");
            Outcome::Done
        }
        End::NoProof => {
            parked("no_proof");
            error!(gamesched.delivery.id = %id, "delivery {id} may have arrived and nothing proves it: a person decides");
            Outcome::Done
        }
    }
}

fn parked(reason: &'static str) {
    let labels = [Attribute::new("gamesched.source", "delivery"), Attribute::new("gamesched.parked.reason", reason)];
    instruments::get().parked_added.add(1, &labels);
}

#[cfg(test)]
#[path = "deliveries_tests.rs"]
mod tests;
