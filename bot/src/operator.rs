//! `bot parked`: what waits for a person is listed, shown, sent again or discarded (OP-05).

mod act;
mod words;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use secrecy::{ExposeSecret as _, SecretString};
use shared::store::parked::{self, Filter};
use shared::store::{Db, fault};
use shared::telemetry::operator::{self, Told};
use shared::{error, faults};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Lists, shows, sends again or discards what waits for a person; only DATABASE_URL is needed
#[derive(Debug, Subcommand)]
pub enum Parked {
    /// Lists what is parked, the longest waiting first.
    List(Which),
    /// Shows what is known of one: headers and body of a message, the state of a row.
    Show {
        /// Its id, as `list` shows it.
        id: Uuid,
    },
    /// Sends again: a message under its own id, a row as if it had never been tried. Mend the cause first.
    ///
    /// Refuses what was sent again less than 10 minutes ago or has been parked for more than 13 days.
    Redrive {
        #[expect(missing_docs, reason = "described where they are defined")]
        #[command(flatten)]
        chosen: Chosen,
        /// So many in a second at most.
        #[arg(long, value_name = "NUMBER/s", default_value = "20/s", value_parser = words::rate)]
        rate: f64,
        /// Send again what is refused otherwise.
        #[arg(long)]
        force: bool,
    },
    /// Gives up: it is not parked any more, and nothing will be done about it.
    Discard {
        #[expect(missing_docs, reason = "described where they are defined")]
        #[command(flatten)]
        chosen: Chosen,
    },
}

/// Which parked things are meant.
#[derive(Args, Debug)]
pub struct Which {
    /// Whose work is done by the consumer of this queue.
    #[arg(long, value_parser = ["bot.announcements", "bot.deliveries"])]
    queue: Option<String>,
    /// For this reason.
    #[arg(long, value_parser = ["undecodable", "unknown_version", "rejected", "attempts", "poison", "no_proof"])]
    reason: Option<String>,
    /// Parked within this time, such as 90s, 15m, 2h or 3d.
    #[arg(long, value_name = "TIME", value_parser = words::duration)]
    since: Option<Duration>,
    /// At most so many, the longest waiting first.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// What something is to be done to, and why.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("some").args(["ids", "queue", "reason", "since", "all"]).required(true).multiple(true))]
pub struct Chosen {
    /// These, by the ids that `list` shows.
    #[arg(value_name = "ID")]
    ids: Vec<Uuid>,
    #[command(flatten)]
    which: Which,
    /// Everything, up to the limit.
    #[arg(long)]
    all: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Why, for whoever reads the audit.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Which {
    fn filter(&self, ids: &[Uuid]) -> Filter {
        Filter {
            ids: ids.to_vec(),
            queue: self.queue.clone(),
            reason: self.reason.clone(),
            since: self.since,
            discarded: false,
            limit: i64::from(self.limit),
        }
    }
}

/// Does what was asked for. The exit code is 1 when something asked for by its id is not there, or is refused.
///
/// # Errors
/// When the database is away or stdout is closed.
pub async fn run(database: SecretString, command: Parked, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let db = Db::open(database.expose_secret(), "bot", 2)?;
    let mut out = std::io::stdout();
    let well = match command {
        Parked::List(which) => told("parked list", list(&db, &which, &mut out)).await?,
        Parked::Show { id } => told("parked show", show(&db, id, &mut out)).await?,
        Parked::Redrive { chosen, rate, force } => {
            act::act(&db, &chosen, act::Verb::Redrive { rate, force }, &stop, &mut out).await?
        }
        Parked::Discard { chosen } => act::act(&db, &chosen, act::Verb::Discard, &stop, &mut out).await?,
    };
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A command that changes nothing, in its trace.
async fn told(name: &'static str, work: impl Future<Output = anyhow::Result<bool>>) -> anyhow::Result<bool> {
    let mark = |done: &anyhow::Result<bool>| Told { redriven: 0, fault: done.as_ref().err().map(faults::class) };
    operator::command(name, [], work, mark).await
}

async fn list(db: &Db, which: &Which, out: &mut impl Write) -> anyhow::Result<bool> {
    let filter = which.filter(&[]);
    let items = {
        let mut sql = db.connection().await.map_err(fault)?;
        parked::find(&mut sql, &filter).await.map_err(error::Error::into_fault)?
    };
    if items.is_empty() {
        writeln!(out, "nothing is parked")?;
        return Ok(true);
    }
    out.write_all(words::table(&items).as_bytes())?;
    let more = i64::try_from(items.len()).is_ok_and(|shown| shown == filter.limit);
    writeln!(out, "{} parked{}", items.len(), if more { ", perhaps more: see --limit" } else { "" })?;
    Ok(true)
}

async fn show(db: &Db, id: Uuid, out: &mut impl Write) -> anyhow::Result<bool> {
    let mut sql = db.connection().await.map_err(fault)?;
    let filter = Filter { ids: vec![id], discarded: true, limit: 1, ..Filter::default() };
    let found = parked::find(&mut sql, &filter).await.map_err(error::Error::into_fault)?;
    let Some(item) = found.first() else {
        writeln!(out, "nothing is parked as {id}")?;
        return Ok(false);
    };
    let details = parked::details(&mut sql, item).await.map_err(error::Error::into_fault)?;
    out.write_all(words::page(item, &details).as_bytes())?;
    Ok(true)
}
