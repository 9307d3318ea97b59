//! How fast notices become letters in Discord when its limits are lifted: at a steady rate, and very many at once.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use ::tests::discord::{Letter, Member, Setup, User};
use ::tests::load::quantile;
use ::tests::world::{Service, World};
use anyhow::{Context as _, Result, ensure};

use super::{Goal, milliseconds};
use crate::crowd::{Crowd, collected};
use crate::process;
use crate::receiver::Receiver;

/// Notices a second.
const RATE: u32 = 300;
/// From due to posted.
const P99: Duration = Duration::from_secs(1);
/// For each notice of those that are due at once: 20,000 within a minute.
const EACH: Duration = Duration::from_millis(3);
/// Who is written to, each in a channel of their own.
const PEOPLE: u64 = 2_000;
/// The first of them.
const FIRST: u64 = 450_000_000_000_000_000;
/// What Discord allows, to the bot and in the simulator.
const LIFTED: u16 = 10_000;
/// Between the writing of notices and the first that is due.
const AHEAD: Duration = Duration::from_secs(5);
/// Between questions whether all are sent.
const GLANCE: Duration = Duration::from_millis(250);

/// Everything on all `cores`: which of the processes gets more of them is the kernel's to say.
pub(super) async fn measure(cores: usize, steady: Duration, due: u32) -> Result<Vec<Goal>> {
    let receiver = Receiver::start()?;
    let crowd = Crowd::gather_in(setup()).await?;
    crowd.populate(1, 1).await;
    let world = &crowd.world;
    for (name, value) in collected(&receiver.url()) {
        world.set(name, value);
    }
    world.set("DISCORD_REQUESTS_PER_SECOND", &LIFTED.to_string());
    world.does(people()).await;
    world.start(Service::Bot).await?;
    world.start(Service::NotificationDaemon).await?;
    spread(0, cores)?;
    // Pools, plans and channels first.
    sent(world, RATE, Duration::from_secs(1)).await?;
    let number = (f64::from(RATE) * steady.as_secs_f64()) as u32;
    let goals = vec![
        at_a_rate(&sent(world, number, steady).await?, steady),
        at_once(&sent(world, due, Duration::from_secs(1)).await?),
    ];
    let violations = world.discord.violations().await;
    ensure!(violations.is_empty(), "Discord would object: {violations:?}");
    world.kill(Service::Bot).await;
    world.kill(Service::NotificationDaemon).await;
    spread(usize::from(cores > 1), cores)?;
    Ok(goals)
}

fn at_a_rate(sent: &Sent, lasts: Duration) -> Goal {
    let [p50, p99] = [0.5, 0.99].map(|part| quantile(&sent.latencies, part));
    let what = format!("{RATE} notices a second for {:.0} s, due to posted", lasts.as_secs_f64());
    let measured = format!("{}, half of them within {}; {}", milliseconds(p99), milliseconds(p50), sent.busy());
    Goal::new(what, "P99 under 1 s", measured, p99 < P99)
}

fn at_once(sent: &Sent) -> Goal {
    let number = sent.latencies.len();
    let within = EACH * u32::try_from(number).unwrap_or(u32::MAX);
    let what = format!("{number} notices due in the same second, until the last is posted");
    let rate = number as f64 / sent.within.as_secs_f64();
    let measured = format!("{:.1} s, {rate:.0} a second; {}", sent.within.as_secs_f64(), sent.busy());
    Goal::new(what, format!("within {:.0} s", within.as_secs_f64()), measured, sent.within <= within)
}

/// What became of some notices: each was posted, and once.
struct Sent {
    /// From due to posted.
    latencies: Vec<Duration>,
    /// From the first that was due to the last that was posted.
    within: Duration,
    /// What ran meanwhile, by its name.
    ran: BTreeMap<String, Duration>,
    /// For so long.
    lasted: Duration,
}

impl Sent {
    /// Cores that were busy, and with what most.
    fn busy(&self) -> String {
        let cores = |ran: Duration| ran.as_secs_f64() / self.lasted.as_secs_f64();
        let mut ran: Vec<_> = self.ran.iter().map(|(name, ran)| (cores(*ran), name)).collect();
        ran.sort_by(|one, other| other.0.total_cmp(&one.0));
        let all: f64 = ran.iter().map(|(cores, _)| cores).sum();
        let most = ran.iter().take(6).map(|(cores, name)| format!("{name} {cores:.2}"));
        format!("{all:.2} cores busy: {}", most.collect::<Vec<_>>().join(", "))
    }
}

/// One Discord that limits nobody, with enough people that no channel is a queue.
fn setup() -> Setup {
    let lifted = u32::from(LIFTED);
    let mut setup = Setup { route_limit: lifted, global_limit: lifted, ..Setup::demo() };
    for id in FIRST..FIRST + PEOPLE {
        setup.users.push(User::named(id, &format!("guest{id}")));
        setup.guilds[0].members.push(Member::plain(id));
    }
    setup
}

fn people() -> String {
    format!(
        "insert into users (id, discord_id, username) select gen_random_uuid(), {FIRST} + n, 'guest' || n
           from generate_series(0, {PEOPLE} - 1) as n;
         analyze users;"
    )
}

/// Makes so many notices that are due at equal distances over some time, and waits until the last is sent.
async fn sent(world: &World, number: u32, over: Duration) -> Result<Sent> {
    let after = world.discord.letters(0).await.last().map_or(0, |letter| letter.id);
    world.does(games(number)).await;
    let distance = over.as_secs_f64() / f64::from(number);
    world.does(notices(distance)).await;
    let (before, since) = (ran()?, Instant::now());
    let patience = AHEAD + over + EACH * number * 10 + Duration::from_secs(30);
    let done = number.to_string();
    while world.ask("select count(*)::text from deliveries where state = 'sent'").await != done {
        ensure!(since.elapsed() < patience, "not all of {number} notices are sent:\n{}", world.all_lines());
        tokio::time::sleep(GLANCE).await;
    }
    // Before the first was due there was nothing to do.
    let lasted = since.elapsed().saturating_sub(AHEAD);
    let mut ran = ran()?;
    ran.iter_mut().for_each(|(name, ran)| *ran -= before.get(name).copied().unwrap_or_default().min(*ran));
    let letters = world.discord.letters(after).await;
    let (latencies, within) = compared(&letters, &due(world).await?)?;
    world.does("delete from deliveries; delete from games where title = 'Due'; delete from outbox;".to_owned()).await;
    Ok(Sent { latencies, within, ran, lasted })
}

/// Games of different hosts, so that a reminder is one letter.
fn games(number: u32) -> String {
    format!(
        "insert into games select (jsonb_populate_record(g, jsonb_build_object(
             'id', gen_random_uuid(), 'title', 'Due', 'host_id', u.id))).*
           from games g cross join generate_series(1, {number}) as n
             join users u on u.discord_id = {FIRST} + n % {PEOPLE}
           where g.id = (select id from games where title = 'Prepared' limit 1);
         insert into participants (id, game_id, placeholder, position_type, position, joined_at)
           select gen_random_uuid(), g.id, 'Guest ' || n, 8000, n, now()
           from games g, generate_series(1, 4) as n where g.title = 'Due';
         analyze games; analyze participants;"
    )
}

fn notices(distance: f64) -> String {
    format!(
        "insert into scheduled_notifications (id, guild_id, game_id, kind, minutes_before, due_at, for_start_at,
             next_attempt_at, trace_context)
           select gen_random_uuid(), guild_id, id, 'reminder', 1, due, scheduled_at, due, '{{}}'
           from (select *, now() + interval '1 s' * ({ahead} + {distance} * (row_number() over () - 1)) as due
                 from games where title = 'Due') as g;
         analyze scheduled_notifications;
         select pg_notify('gamesched', 'scheduled_notifications');",
        ahead = AHEAD.as_secs()
    )
}

/// When each letter was due, by its nonce, in milliseconds since 1970.
async fn due(world: &World) -> Result<HashMap<String, u64>> {
    let rows = world
        .ask("select string_agg(nonce || ' ' || trunc(extract(epoch from due_at) * 1000), E'\\n') from deliveries")
        .await;
    let row = |line: &str| {
        let (nonce, due) = line.split_once(' ')?;
        Some((nonce.to_owned(), due.parse().ok()?))
    };
    rows.lines().map(|line| row(line).context("a nonce and a time")).collect()
}

/// From due to posted of each, and from the first that was due to the last that was posted.
fn compared(letters: &[Letter], due: &HashMap<String, u64>) -> Result<(Vec<Duration>, Duration)> {
    let mut posted = HashMap::new();
    for letter in letters {
        let nonce = letter.nonce.as_deref().context("a letter without a nonce")?;
        ensure!(posted.insert(nonce, letter.at_ms()).is_none(), "a letter came twice: {nonce}");
    }
    ensure!(posted.len() == due.len(), "{} letters came of {}", posted.len(), due.len());
    let mut latencies = Vec::with_capacity(due.len());
    for (nonce, due) in due {
        let at = posted.get(nonce.as_str()).with_context(|| format!("a letter was lost: {nonce}"))?;
        latencies.push(Duration::from_millis(at.saturating_sub(*due)));
    }
    let (first, last) = (due.values().min(), posted.values().max());
    let (first, last) = first.zip(last).context("there are letters")?;
    Ok((latencies, Duration::from_millis(last.saturating_sub(*first))))
}

/// This process, in which the simulator runs, and all that it started.
fn family() -> Result<Vec<(u32, String)>> {
    let own = std::process::id();
    Ok(process::descendants(own)?.into_iter().chain([(own, "simulator and generator".to_owned())]).collect())
}

/// How long everything that this process started was on a processor so far, by name.
fn ran() -> Result<BTreeMap<String, Duration>> {
    let mut ran = BTreeMap::new();
    for (pid, name) in family()? {
        // It may end meanwhile.
        *ran.entry(name).or_default() += process::on_processor(pid).unwrap_or_default();
    }
    Ok(ran)
}

/// Lets this process and all that it started run on the processors from `first`.
fn spread(first: usize, cores: usize) -> Result<()> {
    for (pid, _) in family()? {
        // It may end meanwhile.
        let _ = process::pin(pid, &format!("{first}-{}", cores - 1));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(id: u64, nonce: &str) -> Letter {
        Letter { id: id << 22, reader: 7, nonce: Some(nonce.to_owned()) }
    }

    #[test]
    fn a_letter_that_is_lost_or_doubled_is_found() {
        let epoch = letter(0, "").at_ms();
        let due = HashMap::from([("a".to_owned(), epoch + 1_000), ("b".to_owned(), epoch + 2_000)]);
        let (mut latencies, within) = compared(&[letter(1_200, "a"), letter(2_500, "b")], &due).unwrap();
        latencies.sort_unstable();
        assert_eq!(latencies, [200, 500].map(Duration::from_millis));
        assert_eq!(within, Duration::from_millis(1_500));
        assert!(compared(&[letter(1_200, "a")], &due).is_err(), "b is lost");
        assert!(compared(&[letter(1_200, "a"), letter(1_300, "a")], &due).is_err(), "a came twice");
        assert!(compared(&[letter(1_200, "a"), letter(1_300, "c")], &due).is_err(), "c is not ours");
    }
}
