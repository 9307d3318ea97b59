//! Streams of live updates on one api: what each holds, and what it takes to tell all of them of a change.

use std::time::{Duration, Instant};

use ::tests::discord::ids;
use ::tests::load::quantile;
use ::tests::world::{Person, Replica, Watching};
use anyhow::{Context as _, Result, anyhow, ensure};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::curve::{Curve, Series, Unit};
use super::fit::Work;
use super::{Options, guests};
use crate::crowd::{Crowd, Flow};
use crate::process;
use crate::wire::Wires;

/// Changes at each size, every one of another game.
const CHANGES: usize = 15;
/// From a change to its end, with much to spare.
const SETTLE: Duration = Duration::from_secs(2);
/// From one look at the sessions to the next.
const LOOK: Duration = Duration::from_secs(20);
/// Everybody has heard by then.
const PATIENCE: Duration = Duration::from_secs(20);
/// A stream says something at least every 30 s.
const SILENCE: Duration = Duration::from_secs(60);

pub(super) async fn measure(options: &Options) -> Result<Vec<Curve>> {
    let crowd = Crowd::gather_in(guests::discord()).await?;
    guests::sign_in(&crowd).await;
    crowd.populate(1, crate::crowd::GAMES).await;
    let api = crowd.replica("growth", None).await?;
    let mut audience = Audience::new(&crowd, &api);
    let pid = api.running.pid().context("it runs")?;
    let before = process::on_processor(pid)?;
    // Pools and plans first, so that memory is the streams' alone; with nobody there, nothing is told.
    for _ in 0..CHANGES {
        audience.change().await?;
    }
    // What is still under way is not told to those who come.
    tokio::time::sleep(SETTLE).await;
    let join = process::on_processor(pid)?.saturating_sub(before).as_secs_f64() / CHANGES as f64;
    let empty = process::memory(pid)?.resident;
    let mut curves = curves(empty, join);
    for size in options.sizes(&[50, 200, 800]) {
        while audience.size < size {
            audience.open().await?;
        }
        let before = process::on_processor(pid)?;
        let watched = options.idle(LOOK);
        tokio::time::sleep(watched).await;
        let idle = process::on_processor(pid)?.saturating_sub(before).as_secs_f64() / watched.as_secs_f64();
        let held = process::memory(pid)?.resident.saturating_sub(empty);
        let told = audience.told(pid).await?;
        let [memory, late, busy] = &mut curves;
        memory.add(size, &[held as f64]);
        late.add(size, &[told.last]);
        late.note(&format!("{size} streams: {} from the first to the last.", Unit::Seconds.tell(told.spread)));
        busy.add(size, &[told.on_processor, idle]);
        busy.note(&format!(
            "{size} streams: {} for each that is told, the join included.",
            Unit::Seconds.tell(told.on_processor / size as f64)
        ));
        memory.note(&format!("{size} streams: {} each.", Unit::Bytes.tell(held as f64 / size as f64)));
    }
    Ok(curves.into())
}

/// In memory, delay and time on a processor, where without streams there is so much memory and so much a join.
fn curves(empty: u64, join: f64) -> [Curve; 3] {
    let memory = vec![Series::new("memory of the api, more than without", Work::Linear)];
    let late = vec![Series::new("join to the last stream, median", Work::Linear)];
    let busy = vec![
        Series::new("api on a processor for a change, median", Work::Linear),
        Series::new("api on a processor in a second without changes", Work::Linear),
    ];
    let without = format!("Without streams the api holds {}.", Unit::Bytes.tell(empty as f64));
    let looked = format!(
        "A join alone takes {}. Without changes, sessions are looked at every 20 s and streams kept alive every 30 s.",
        Unit::Seconds.tell(join)
    );
    [
        Curve::new("live updates: memory", "streams", Unit::Bytes, memory, &without),
        Curve::new(
            "live updates: delay",
            "streams",
            Unit::Seconds,
            late,
            "Changes of a game are gathered for 250 ms before they are told (LS-10). Every stream is a person's own.",
        ),
        Curve::new("live updates: processor", "streams", Unit::Seconds, busy, &looked),
    ]
}

/// What came of some changes.
struct Told {
    /// Seconds from the request to the last stream.
    last: f64,
    /// Seconds from the first stream to the last.
    spread: f64,
    /// Seconds of the api.
    on_processor: f64,
}

/// Those who watch, and somebody who changes what they see.
struct Audience<'a> {
    crowd: &'a Crowd,
    wires: Wires,
    visitor: Person,
    size: usize,
    changes: usize,
    hear: UnboundedSender<Instant>,
    heard: UnboundedReceiver<Instant>,
    streams: JoinSet<()>,
}

impl<'a> Audience<'a> {
    fn new(crowd: &'a Crowd, api: &Replica) -> Self {
        let (hear, heard) = unbounded_channel();
        Self {
            crowd,
            wires: Wires::to(api.address),
            visitor: Person::visiting(ids::ADA, &format!("http://{}", api.address), &crowd.world.discord),
            size: 0,
            changes: 0,
            hear,
            heard,
            streams: JoinSet::new(),
        }
    }

    /// Opens one more stream, of somebody new.
    async fn open(&mut self) -> Result<()> {
        let cookie = format!("session_token={}", guests::session(self.size));
        let mut watching = Watching::open(self.visitor.asks_to_watch().header("cookie", cookie)).await?;
        let first = watching.next(PATIENCE).await?;
        ensure!(first.is_some_and(|first| first["type"] == "reload"), "a stream begins with a reload");
        let hear = self.hear.clone();
        self.streams.spawn(async move {
            while let Ok(Some(message)) = watching.next(SILENCE).await {
                if message["type"] == "game_updated" && hear.send(Instant::now()).is_err() {
                    break;
                }
            }
        });
        self.size += 1;
        Ok(())
    }

    /// Somebody joins a game that nobody has joined yet. When it was asked for.
    async fn change(&mut self) -> Result<Instant> {
        let request = self.crowd.requests()(Flow::Join, self.changes * 4);
        self.changes += 1;
        // The last one was left long ago, and servers close what is idle.
        self.wires.close();
        let since = Instant::now();
        self.wires.ask(&request).await.map_err(|why| anyhow!("a join failed: {why}"))?;
        Ok(since)
    }

    async fn told(&mut self, pid: u32) -> Result<Told> {
        let (mut last, mut spread, mut on_processor) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..CHANGES {
            let before = process::on_processor(pid)?;
            let since = self.change().await?;
            let mut heard = Vec::new();
            while heard.len() < self.size {
                let next = tokio::time::timeout(PATIENCE, self.heard.recv()).await;
                let told = heard.len();
                let next = next.with_context(|| format!("{told} of {} streams were told", self.size))?;
                heard.push(next.context("streams are open")?);
            }
            let (first, end) = (heard.iter().min(), heard.iter().max());
            let (first, end) = first.zip(end).context("there are streams")?;
            last.push(end.duration_since(since));
            spread.push(end.duration_since(*first));
            on_processor.push(process::on_processor(pid)?.saturating_sub(before));
        }
        ensure!(self.heard.is_empty(), "a stream was told twice");
        ensure!(self.streams.len() == self.size && self.streams.try_join_next().is_none(), "a stream has ended");
        let [last, spread, on_processor] = [last, spread, on_processor].map(|all| quantile(&all, 0.5).as_secs_f64());
        Ok(Told { last, spread, on_processor })
    }
}
