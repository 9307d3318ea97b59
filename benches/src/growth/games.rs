//! Games in a guild, games in other guilds, participants of a game: what looking and joining cost.

use std::time::Duration;

use ::tests::discord::Setup;
use ::tests::world::Replica;
use anyhow::Result;

use super::curve::{Curve, Unit};
use super::fit::Work;
use super::{Options, asked, guests};
use crate::crowd::{Crowd, prepared};
use crate::wire;

/// Games in the guild that is asked, and in each of the others.
const OF_A_GUILD: usize = 100;
/// On one roster: a thousand are the most, and there is to be room for those who join.
const PARTICIPANTS: [usize; 6] = [10, 50, 100, 200, 500, 990];
/// Games that are joined, and joins of each.
const JOINED: (usize, usize) = (100, 4);
/// Guests who join: as many at every size, so that as many of their sessions are known.
const JOINERS: usize = 10;

/// Which game a request is about: neighbours in time are no neighbours in an index.
fn scattered(number: usize, among: usize) -> usize {
    number.wrapping_mul(7_919) % among + 1
}

pub(super) async fn in_the_guild(options: &Options) -> Result<Vec<Curve>> {
    let crowd = Crowd::gather_in(Setup::demo()).await?;
    let api = crowd.replica("growth", None).await?;
    let mut get = Curve::new(
        "get one game",
        "games in the guild",
        Unit::Seconds,
        asked::series(Work::Constant),
        "Ten placeholders on every roster; any of the games.",
    );
    let mut list = Curve::new(
        "list fifty games",
        "games in the guild",
        Unit::Seconds,
        asked::series(Work::Linear),
        "The first page. Its total is true (LS-04), so that every game that the reader may see is counted: that is the \
         work which grows.",
    );
    let mut there = 0;
    for size in options.sizes(&[100, 1_000, 10_000, 100_000]) {
        crowd.populate(there + 1, size).await;
        there = size;
        get.add(size, &one(&api, options, size).await?);
        list.add(size, &page(&api, options).await?);
    }
    Ok(vec![get, list])
}

pub(super) async fn in_other_guilds(options: &Options) -> Result<Vec<Curve>> {
    let crowd = Crowd::gather_in(Setup::demo()).await?;
    let api = crowd.replica("growth", None).await?;
    crowd.populate(1, OF_A_GUILD).await;
    let notes = "A hundred games in each guild, three placeholders on a roster; the reader is in one of the guilds. The \
                 others are rows in Postgres and not in the projection.";
    let curve = |name| Curve::new(name, "guilds", Unit::Seconds, asked::series(Work::Constant), notes);
    let (mut get, mut list) = (curve("get one game, other guilds"), curve("list fifty games, other guilds"));
    let mut there = 1;
    for size in options.sizes(&[1, 10, 100, 1_000]) {
        found(&crowd, size - there).await;
        there = size;
        get.add(size, &one(&api, options, OF_A_GUILD).await?);
        list.add(size, &page(&api, options).await?);
    }
    Ok(vec![get, list])
}

/// Looks at any of so many games.
async fn one(api: &Replica, options: &Options, among: usize) -> Result<[f64; 3]> {
    let next = |number| read(&format!("/api/v1/games/{}", prepared(scattered(number, among))), number);
    asked::one_by_one(api, options.lasts(), usize::MAX, next).await
}

/// Looks at the first fifty games.
async fn page(api: &Replica, options: &Options) -> Result<[f64; 3]> {
    asked::one_by_one(api, options.lasts(), usize::MAX, |number| read("/api/v1/games?limit=50", number)).await
}

fn read(path: &str, number: usize) -> Vec<u8> {
    wire::request("GET", path, &format!("crowd-{}", number % asked::SESSIONS), "")
}

/// So many more guilds with their games.
async fn found(crowd: &Crowd, count: usize) {
    let world = &crowd.world;
    world
        .does(format!(
            "set session_replication_role = replica;
             insert into guilds (id, discord_id, name)
               select gen_random_uuid(), 460000000000000000 + (select count(*) from guilds) + n, 'Elsewhere'
               from generate_series(1, {count}) as n;
             insert into channels (id, guild_id, discord_id, name, kind)
               select gen_random_uuid(), g.id, g.discord_id + 10000000000000000, 'games', 0 from guilds g
               where g.name = 'Elsewhere' and not exists (select from channels c where c.guild_id = g.id);
             insert into games select copy.*
               from guilds d join channels c on c.guild_id = d.id, generate_series(1, {OF_A_GUILD}) as n, games g,
                 lateral jsonb_populate_record(g, jsonb_build_object('id', md5(d.id::text || n)::uuid, 'guild_id', d.id,
                   'channel_id', c.id, 'template_id', null, 'title', 'Elsewhere')) as copy
               where d.name = 'Elsewhere' and g.title not in ('Prepared', 'Elsewhere')
                 and not exists (select from games other where other.guild_id = d.id);
             insert into participants (id, game_id, placeholder, position_type, position, joined_at)
               select gen_random_uuid(), g.id, 'Guest ' || place, 8000, place, now()
               from games g, generate_series(1, 3) as place
               where g.title = 'Elsewhere' and not exists (select from participants p where p.game_id = g.id);"
        ))
        .await;
    for table in ["guilds", "channels", "games", "participants"] {
        world.does(format!("vacuum analyze {table}")).await;
    }
}

pub(super) async fn with_participants(options: &Options) -> Result<Vec<Curve>> {
    let crowd = Crowd::gather_in(guests::discord()).await?;
    guests::sign_in(&crowd).await;
    crowd.populate(1, JOINED.0).await;
    let api = crowd.replica("growth", None).await?;
    let notes = "Every participant is a member whose name is looked up. A roster holds a thousand rows at most (L-12).";
    let curve = |name| Curve::new(name, "participants", Unit::Seconds, asked::series(Work::Linear), notes);
    let (mut get, mut join) = (curve("get one game, its roster"), curve("join a game"));
    join.note("A join reads the roster to know the place; four in each of a hundred games are timed.");
    for size in options.sizes(&PARTICIPANTS) {
        guests::seat(&crowd, size).await;
        get.add(size, &one(&api, options, JOINED.0).await?);
        let joins = asked::one_by_one(&api, Duration::MAX, JOINED.0 * JOINED.1, |number| joins(number, size));
        join.add(size, &joins.await?);
    }
    Ok(vec![get, join])
}

/// The `number`th join where the first `seated` guests are in already: nobody joins a game twice.
fn joins(number: usize, seated: usize) -> Vec<u8> {
    let path = format!("/api/v1/games/{}/join", prepared(number / JOINED.1 + 1));
    wire::request("POST", &path, &guests::session(seated + number % JOINERS), "")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_guest_joins_a_game_twice_and_none_is_missing() {
        let all: BTreeSet<_> = (0..JOINED.0 * JOINED.1).map(|number| joins(number, 990)).collect();
        assert_eq!(all.len(), JOINED.0 * JOINED.1);
        let left = PARTICIPANTS.map(|seated| guests::GUESTS - seated);
        assert!(left.iter().all(|left| *left >= JOINERS), "even the largest roster has guests left who join: {left:?}");
    }

    #[test]
    fn requests_meet_all_of_the_games() {
        let met: BTreeSet<_> = (0..1_000).map(|number| scattered(number, 1_000)).collect();
        assert_eq!((met.len(), met.first(), met.last()), (1_000, Some(&1), Some(&1_000)));
    }
}
