//! A world under load: one guild with many games, many sessions, and the requests that people make.

use std::sync::Arc;
use std::time::Duration;

use ::tests::discord::{Setup, ids};
use ::tests::servers::Servers;
use ::tests::world::{Replica, Service, World, in_minutes};
use anyhow::{Context as _, Result};
use shared::cache::Cache;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::wire;

/// Games that are prepared.
pub const GAMES: usize = 1_500;
/// Sessions that share the load, since each may only ask so often.
pub const SESSIONS: usize = 4_000;
/// People who share the sessions, and may join.
const PEOPLE: [(&str, u64); 4] = [("ada", ids::ADA), ("bob", ids::BOB), ("cyd", ids::CYD), ("dee", ids::DEE)];
/// Joins after which every person is in every game.
pub const JOINS: usize = GAMES * PEOPLE.len();
/// The title of games that are made under load.
const MADE: &str = "Made under load";
/// The projection counts as stale a minute after its last beat.
const BEAT: Duration = Duration::from_secs(15);

/// What people ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    /// One game.
    Get,
    /// Fifty games, ten participants each where there are so many.
    List,
    /// To join a game; every number another seat.
    Join,
    /// To create a game.
    Create,
}

impl Flow {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Get, Self::List, Self::Join, Self::Create];

    /// As in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Join => "join",
            Self::Create => "create",
        }
    }

    /// What the `number`th request of a mixture is: of ten, five look at a game and two at a list, two join, one creates.
    #[must_use]
    pub const fn of(number: usize) -> Self {
        match number % 10 {
            0 | 2 | 4 | 6 | 8 => Self::Get,
            1 | 5 => Self::List,
            3 | 7 => Self::Join,
            _ => Self::Create,
        }
    }
}

/// Telemetry as an operator has it, told to a collector at `url`.
#[must_use]
pub fn collected(url: &str) -> [(&'static str, &str); 5] {
    [
        ("OTEL_SDK_DISABLED", "false"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("OTEL_BSP_SCHEDULE_DELAY", "1000"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "1000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "60000"),
    ]
}

/// The same with a collector at `url`, or none.
#[must_use]
pub fn settings(url: Option<&str>) -> Vec<(&'static str, &str)> {
    url.map_or_else(|| vec![("OTEL_SDK_DISABLED", "true")], |url| collected(url).to_vec())
}

/// A world under load.
pub struct Crowd {
    /// Its servers, its simulator, its database.
    pub world: World,
    template: Arc<str>,
    _beats: JoinSet<()>,
}

impl Crowd {
    /// Makes everything but the services that are measured: those are `replica`s.
    ///
    /// # Errors
    /// When servers or services cannot be had.
    pub async fn gather() -> Result<Self> {
        let crowd = Self::gather_in(Setup::demo()).await?;
        crowd.populate(1, GAMES).await;
        Ok(crowd)
    }

    /// The same in another Discord, with the one game that others are copied from.
    ///
    /// # Errors
    /// When servers or services cannot be had.
    pub async fn gather_in(setup: Setup) -> Result<Self> {
        let world = World::with(Servers::start().await?, setup).await?;
        for (name, value) in [("LOG_LEVEL", "info"), ("OTEL_SDK_DISABLED", "true")] {
            world.set(name, value);
        }
        world.start(Service::Bot).await?;
        world.start(Service::Api).await?;
        world.discord.wait_shards(1, Duration::from_secs(30)).await?;
        let host = world.signed_in("dm").await;
        for (name, _) in PEOPLE {
            world.signed_in(name).await;
        }
        let template = host.default_template().await?;
        host.plans(&[("max_players", "100")]).await;
        world.settle().await;
        // What nobody measures shall not disturb; the bot's projection lives on by beats.
        world.kill(Service::Api).await;
        world.kill(Service::Bot).await;
        let beats = beats(&world)?;
        let crowd = Self { world, template: template.into(), _beats: beats };
        crowd.open_sessions().await;
        Ok(crowd)
    }

    /// Sessions of the people, and as many of the host.
    async fn open_sessions(&self) {
        let people = PEOPLE.map(|(_, id)| id.to_string()).join(", ");
        self.world
            .does(format!(
                "insert into sessions (token_sha256, user_id, created_at, last_seen_at, ends_at)
                   select sha256(('crowd-' || n)::bytea),
                     (select id from users where discord_id = (array[{people}])[n % {count} + 1]),
                     now(), now(), now() + interval '1 day' from generate_series(0, {SESSIONS} - 1) as n;
                 insert into sessions (token_sha256, user_id, created_at, last_seen_at, ends_at)
                   select sha256(('host-' || n)::bytea), (select id from users where discord_id = {host}),
                     now(), now(), now() + interval '1 day' from generate_series(0, {SESSIONS} - 1) as n;
                 analyze sessions;",
                count = PEOPLE.len(),
                host = ids::DM,
            ))
            .await;
    }

    /// Copies of the one game with ten placeholders each, numbered so.
    pub async fn populate(&self, from: usize, to: usize) {
        let id = "('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid";
        self.world
            .does(format!(
                "-- References hold by construction; to check each would take longer than the rest.
                 set session_replication_role = replica;
                 insert into games select copy.* from games g, generate_series({from}, {to}) as n,
                     lateral jsonb_populate_record(g, jsonb_build_object('id', {id}, 'title', 'Prepared')) as copy
                   where g.title <> 'Prepared';
                 insert into announcements select copy.*
                   from announcements a join games g on g.id = a.game_id, generate_series({from}, {to}) as n,
                     lateral jsonb_populate_record(a, jsonb_build_object('game_id', {id})) as copy
                   where g.title <> 'Prepared';
                 insert into participants (id, game_id, placeholder, position_type, position, joined_at)
                   select gen_random_uuid(), {id}, 'Guest ' || place, 8000, place, now()
                   from generate_series({from}, {to}) as n, generate_series(1, 10) as place;"
            ))
            .await;
        for table in ["games", "announcements", "participants"] {
            self.world.does(format!("vacuum analyze {table}")).await;
        }
    }

    /// Nothing is vacuumed but by `forget`: a worker that comes when it likes is one arm's weather and not the other's.
    pub async fn undisturbed(&self) {
        let tables =
            self.world.ask("select string_agg(tablename, ',') from pg_tables where schemaname = 'public'").await;
        for table in tables.split(',') {
            self.world.does(format!("alter table {table} set (autovacuum_enabled = false)")).await;
        }
    }

    /// Takes back what load has written, so that every measurement begins with the same rows.
    pub async fn forget(&self) {
        self.world
            .does(format!(
                "delete from scheduled_notifications; delete from participants where user_id is not null;
                 delete from games where title = '{MADE}'; delete from outbox; delete from audit_log;"
            ))
            .await;
        for table in ["scheduled_notifications", "participants", "games", "outbox", "announcements"] {
            self.world.does(format!("vacuum {table}")).await;
        }
    }

    /// An api beside the world's own, with its telemetry as an operator has it, to a collector at `url` or off.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn replica(&self, name: &str, url: Option<&str>) -> Result<Replica> {
        self.replica_with(name, &settings(url)).await
    }

    /// The same with settings of its own.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn replica_with(&self, name: &str, settings: &[(&str, &str)]) -> Result<Replica> {
        let mut replica = self.world.replica(Service::Api, name, settings).await?;
        replica.running.complete(Duration::from_secs(30)).await?;
        Ok(replica)
    }

    /// What makes the bytes of the `number`th request of a flow.
    pub fn requests(&self) -> impl Fn(Flow, usize) -> Vec<u8> + Clone + Send + Sync + 'static {
        let (template, start) = (Arc::clone(&self.template), in_minutes(240).replace(':', "%3A").replace('+', "%2B"));
        move |flow, number| {
            let session = format!("crowd-{}", number % SESSIONS);
            match flow {
                Flow::Get => wire::request("GET", &format!("/api/v1/games/{}", game(number)), &session, ""),
                Flow::List => wire::request("GET", "/api/v1/games?limit=50", &session, ""),
                // The session says who it is: every one of them once for each game.
                Flow::Join => {
                    let path = format!("/api/v1/games/{}/join", game(number / PEOPLE.len()));
                    wire::request("POST", &path, &session, "")
                }
                Flow::Create => {
                    let title = MADE.replace(' ', "+");
                    let form = format!("template_id={template}&title={title}&scheduled_at={start}");
                    wire::request("POST", "/api/v1/games", &format!("host-{}", number % SESSIONS), &form)
                }
            }
        }
    }
}

/// A game that is prepared, of `GAMES`.
fn game(number: usize) -> Uuid {
    prepared(number % GAMES + 1)
}

/// The game that [`Crowd::populate`] gave this number.
#[must_use]
pub fn prepared(number: usize) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000 + number as u128)
}

/// Says for the bot, which does not run, that what it told of the guild is as it is.
fn beats(world: &World) -> Result<JoinSet<()>> {
    let cache = Cache::open(world.servers.redis_url(), &world.namespace).context("opening the projection")?;
    let mut beats = JoinSet::new();
    beats.spawn(async move {
        loop {
            // Redis being away shows in the answers.
            let _ = cache.projection().beat(0, 1).await;
            tokio::time::sleep(BEAT).await;
        }
    });
    Ok(beats)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_joins_are_of_one_person_and_game() {
        let numbers = 0..GAMES * PEOPLE.len();
        let pairs: std::collections::BTreeSet<_> =
            numbers.clone().map(|number| (game(number / PEOPLE.len()), number % SESSIONS % PEOPLE.len())).collect();
        assert_eq!(pairs.len(), numbers.len());
    }

    #[test]
    fn a_mixture_holds_every_flow() {
        let count = |flow| (0..10).filter(|number| Flow::of(*number) == flow).count();
        assert_eq!(Flow::ALL.map(count), [5, 2, 2, 1]);
    }
}
