//! Sending again and discarding: each thing in a transaction of its own, at a pace, and told line by line.

use std::io::Write;
use std::time::Duration;

use shared::error::Error;
use shared::faults;
use shared::store::parked::{self, Item};
use shared::store::redrive::{self, Done, Order};
use shared::store::{Db, fault};
use shared::telemetry::operator::{self, Told};
use shared::telemetry::span;
use tokio_util::sync::CancellationToken;

use super::{Chosen, words};

/// What is done to what was chosen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verb {
    Redrive { rate: f64, force: bool },
    Discard,
}

/// What became of all that was chosen.
#[derive(Debug, Default)]
struct Tally {
    done: i64,
    refused: usize,
    fault: Option<anyhow::Error>,
}

/// Does it; whether everything that was asked for could be done.
pub(super) async fn act(
    db: &Db,
    chosen: &Chosen,
    verb: Verb,
    stop: &CancellationToken,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    // Outside the span of the command, which is given its links when it starts.
    let items = span::silent(found(db, chosen)).await?;
    let (wanted, mut refused) = sorted(chosen, verb, items, out)?;
    if chosen.dry_run {
        for item in &wanted {
            writeln!(out, "would {} {}", verb.word(), words::line(item))?;
        }
    }
    let orders: &[Item] = if chosen.dry_run { &[] } else { &wanted };
    let causes = orders.iter().map(|item| &item.cause);
    let told = |tally: &Tally| Told {
        redriven: if matches!(verb, Verb::Redrive { .. }) { tally.done } else { 0 },
        fault: tally.fault.as_ref().map(faults::class),
    };
    let tally = operator::command(verb.name(), causes, all(db, orders, chosen, verb, stop, out), told).await;
    if let Some(fault) = tally.fault {
        return Err(fault);
    }
    refused += tally.refused;
    writeln!(out, "{} {}, {refused} refused", tally.done, verb.past())?;
    Ok(refused == 0)
}

async fn found(db: &Db, chosen: &Chosen) -> anyhow::Result<Vec<Item>> {
    let mut sql = db.connection().await.map_err(fault)?;
    parked::find(&mut sql, &chosen.which.filter(&chosen.ids)).await.map_err(Error::into_fault)
}

/// What may be done now, and how many may not: each of those is told.
fn sorted(chosen: &Chosen, verb: Verb, items: Vec<Item>, out: &mut impl Write) -> anyhow::Result<(Vec<Item>, usize)> {
    let mut refused = 0;
    for id in chosen.ids.iter().filter(|id| items.iter().all(|item| item.id != **id)) {
        writeln!(out, "refused {id}: nothing is parked as this")?;
        refused += 1;
    }
    let mut wanted = Vec::new();
    for item in items {
        match verb.objection(&item) {
            Some(objection) => {
                writeln!(out, "refused {}: {objection}", words::line(&item))?;
                refused += 1;
            }
            None => wanted.push(item),
        }
    }
    Ok((wanted, refused))
}

/// One after the other, until a fault or the end of patience.
async fn all(
    db: &Db,
    items: &[Item],
    chosen: &Chosen,
    verb: Verb,
    stop: &CancellationToken,
    out: &mut impl Write,
) -> Tally {
    let mut tally = Tally::default();
    for (number, item) in items.iter().enumerate() {
        if number > 0 && !verb.paced(stop).await {
            break;
        }
        let told = match one(db, item, chosen, verb).await {
            Ok(Done::Yes) => {
                tally.done += 1;
                writeln!(out, "{} {}", verb.past(), words::line(item))
            }
            Ok(Done::Meanwhile) => {
                tally.refused += 1;
                writeln!(out, "refused {}: it has changed meanwhile", words::line(item))
            }
            Ok(Done::Never(why)) => {
                tally.refused += 1;
                writeln!(out, "refused {}: {why}", words::line(item))
            }
            Err(fault) => {
                tally.fault = Some(fault);
                break;
            }
        };
        if let Err(closed) = told {
            tally.fault = Some(closed.into());
            break;
        }
    }
    tally
}

/// One thing, all of it or nothing.
async fn one(db: &Db, item: &Item, chosen: &Chosen, verb: Verb) -> anyhow::Result<Done> {
    let note = chosen.note.as_deref();
    let mut tx = db.begin().await.map_err(fault)?;
    let done = match verb {
        Verb::Redrive { force, .. } => redrive::redrive(&mut tx, item, Order { note, force }).await,
        Verb::Discard => redrive::discard(&mut tx, item, Order { note, force: false }).await,
    };
    let done = done.map_err(Error::into_fault)?;
    match done {
        Done::Yes => tx.commit().await.map_err(fault)?,
        Done::Meanwhile | Done::Never(_) => tx.rollback().await.map_err(fault)?,
    }
    Ok(done)
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Redrive { .. } => "parked redrive",
            Self::Discard => "parked discard",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Redrive { .. } => "redrive",
            Self::Discard => "discard",
        }
    }

    fn past(self) -> &'static str {
        match self {
            Self::Redrive { .. } => "redriven",
            Self::Discard => "discarded",
        }
    }

    /// Why it should not be done, unless it is insisted on.
    fn objection(self, item: &Item) -> Option<&'static str> {
        match self {
            Self::Redrive { force: false, .. } if item.recent => {
                Some("it was sent again less than 10 minutes ago; --force does it all the same")
            }
            Self::Redrive { force: false, .. } if item.old => Some(
                "it has been parked for more than 13 days, and may have been done since; --force does it all the same",
            ),
            Self::Redrive { .. } | Self::Discard => None,
        }
    }

    /// Waits for the turn of the next one; false when the operator has had enough.
    async fn paced(self, stop: &CancellationToken) -> bool {
        let pause = match self {
            Self::Redrive { rate, .. } => Duration::from_secs_f64(1.0 / rate),
            Self::Discard => Duration::ZERO,
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}
