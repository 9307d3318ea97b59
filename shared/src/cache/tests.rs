//! Against a real server, started and killed here.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::projection::{Beat, ChannelView, EmojiView, GuildCard, GuildView, MemberView, Members, RoleView};
use super::*;
use crate::domain::ids::{Discord, DiscordGuild, DiscordUser};

/// A Redis of this test alone; it keeps its port when it is killed and started again.
struct Server {
    port: u16,
    process: Option<Child>,
}

impl Server {
    fn start() -> Self {
        let mut server = Self { port: free_port(), process: None };
        server.again();
        server
    }

    fn again(&mut self) {
        let process = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        self.process = Some(process);
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    async fn cache(&self, namespace: &str) -> Cache {
        let cache = Cache::open(&format!("redis://127.0.0.1:{}", self.port), namespace).unwrap();
        answers(&cache).await;
        cache
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Below the range that outgoing connections take theirs from; no two tests of this process ask for the same.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 20_000 + u16::try_from(std::process::id() % 1_000).unwrap() * 10;
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| start + NEXT.fetch_add(1, Ordering::Relaxed)).take(1_000).find(free).expect("a free port")
}

async fn answers(cache: &Cache) {
    tokio::time::timeout(Duration::from_secs(10), async {
        while cache.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("redis answers within ten seconds");
}

fn guild() -> DiscordGuild {
    Discord::new(900)
}

fn user(id: u64) -> DiscordUser {
    Discord::new(id)
}

fn member(id: u64, name: &str, roles: &[u64]) -> MemberView {
    MemberView {
        id: user(id),
        username: name.to_owned(),
        global_name: None,
        nick: None,
        avatar: None,
        roles: roles.iter().copied().map(Discord::new).collect(),
        bot: false,
    }
}

fn role(id: u64, permissions: u64) -> RoleView {
    RoleView { id: Discord::new(id), name: format!("role {id}"), color: 0, position: 0, managed: false, permissions }
}

/// Ada owns it, Bob has a role that manages messages.
fn view() -> GuildView {
    GuildView {
        id: guild(),
        shard: 0,
        card: GuildCard { name: "Table".to_owned(), icon: None, owner: user(1) },
        roles: vec![role(900, 1 << 10), role(901, 1 << 13)],
        channels: vec![ChannelView {
            id: Discord::new(950),
            name: "games".to_owned(),
            kind: 0,
            position: 0,
            parent: None,
            missing_permissions: Vec::new(),
        }],
        emojis: vec![EmojiView { id: Discord::new(960), name: "d20".to_owned(), animated: false }],
        members: vec![member(1, "ada", &[]), member(2, "Bob", &[901])],
    }
}

#[tokio::test]
async fn sessions_and_windows_are_kept_under_the_namespace() {
    let server = Server::start();
    let (here, there) = (server.cache("here").await, server.cache("there").await);
    here.keep_session("h", "ada").await.unwrap();
    assert_eq!(here.session::<String>("h").await, Ok(Copied::Here("ada".to_owned())));
    assert_eq!(there.session::<String>("h").await, Ok(Copied::Missing));
    assert_eq!(here.session::<u64>("h").await, Ok(Copied::Missing), "what cannot be read is a miss");
    here.keep_session("h", &7).await.unwrap();
    assert_eq!(here.session::<u64>("h").await, Ok(Copied::Here(7)), "and is kept anew");

    for _ in 0..3 {
        assert_eq!(here.permit("k", 3, Duration::from_secs(60), 3).await, Ok(Permit::Granted));
    }
    let Ok(Permit::Wait(wait)) = here.permit("k", 3, Duration::from_secs(60), 3).await else {
        panic!("the fourth in a minute waits")
    };
    assert!(wait > Duration::from_secs(15) && wait <= Duration::from_secs(20), "a third of a minute, not {wait:?}");
    assert_eq!(there.permit("k", 3, Duration::from_secs(60), 3).await, Ok(Permit::Granted));
}

#[tokio::test]
async fn l_38_entering_counts_in_the_window_only_for_sessions_that_are_known() {
    let server = Server::start();
    let cache = server.cache("").await;
    let enter = || cache.enter::<String>("h", "k", 2, Duration::from_secs(60));
    for _ in 0..3 {
        assert_eq!(enter().await, Ok((Copied::Missing, None)), "a token that nobody was given counts for nobody");
    }
    cache.keep_session("h", "ada").await.unwrap();
    assert_eq!(enter().await, Ok((Copied::Here("ada".to_owned()), Some(Permit::Granted))));
    assert_eq!(cache.permit("k", 2, Duration::from_secs(60), 2).await, Ok(Permit::Granted), "it is the same window");
    let (ada, permit) = enter().await.unwrap();
    assert_eq!(ada, Copied::Here("ada".to_owned()));
    assert!(matches!(permit, Some(Permit::Wait(_))), "the third of two waits: {permit:?}");
    cache.forget_session("h").await.unwrap();
    assert_eq!(enter().await.unwrap().0, Copied::Ended);
}

#[tokio::test]
async fn au_11_whoever_read_a_session_before_it_ended_does_not_revive_it() {
    let server = Server::start();
    let cache = server.cache("").await;
    for known_before in [false, true] {
        let hash = format!("h{known_before}");
        if known_before {
            cache.keep_session(&hash, "ada").await.unwrap();
        }
        cache.forget_session(&hash).await.unwrap();
        cache.keep_session(&hash, "ada").await.unwrap();
        assert_eq!(cache.session::<String>(&hash).await, Ok(Copied::Ended));
        assert_eq!(cache.session::<String>("another").await, Ok(Copied::Missing));
    }
}

#[tokio::test]
async fn a_killed_redis_is_away_at_once_and_back_when_it_is_back() {
    let mut server = Server::start();
    let cache = server.cache("").await;
    server.kill();
    for _ in 0..5 {
        assert!(cache.session::<String>("h").await.is_err());
    }
    let since = std::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(cache.session::<String>("h").await, Err(Away("breaker_open")));
    }
    assert!(since.elapsed() < Duration::from_millis(100), "nobody waits while the breaker is open");
    server.again();
    answers(&cache).await;
    tokio::time::timeout(Duration::from_secs(10), async {
        while cache.permit("k", 1, Duration::from_secs(1), 1).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it recovers by itself");
}

#[tokio::test]
async fn a_standing_is_what_the_roles_give_and_never_guessed() {
    let server = Server::start();
    let projection = server.cache("ns").await.projection();
    assert_eq!(projection.standing(guild(), user(2)).await, Err(Away("missing")));

    assert_eq!(projection.beat(0, 1).await, Ok(Beat::Lost));
    projection.build(&view()).await.unwrap();
    let bob = projection.standing(guild(), user(2)).await.unwrap().unwrap();
    assert_eq!((bob.owner, bob.permissions), (false, 1 << 10 | 1 << 13));
    assert_eq!(bob.member, member(2, "Bob", &[901]));
    let ada = projection.standing(guild(), user(1)).await.unwrap().unwrap();
    assert_eq!((ada.owner, ada.permissions), (true, u64::MAX));
    assert_eq!(projection.standing(guild(), user(3)).await, Ok(None));
    let (same, others) =
        projection.standing_among(guild(), user(2), &[user(1), user(2), user(3)]).await.unwrap().unwrap();
    assert_eq!(same, bob, "others change nothing of it");
    assert_eq!(others, Members::from([(user(1), member(1, "ada", &[])), (user(2), bob.member.clone())]));
    assert_eq!(projection.standing_among(guild(), user(3), &[user(1)]).await, Ok(None));

    assert_eq!(projection.guilds_of(user(2)).await, Err(Away("stale")), "the shard may have more guilds");
    projection.settled(0).await.unwrap();
    assert_eq!(projection.guilds_of(user(2)).await, Ok(vec![guild()]));
    assert_eq!(projection.beat(0, 1).await, Ok(Beat::Kept));

    projection.identified(0).await.unwrap();
    assert_eq!(projection.standing(guild(), user(2)).await, Err(Away("stale")));
    assert_eq!(projection.missing(&[guild()]).await, Ok(vec![guild()]));
    projection.build(&view()).await.unwrap();
    assert_eq!(projection.missing(&[guild()]).await, Ok(vec![]));
    projection.stale(guild()).await.unwrap();
    assert_eq!(projection.standing(guild(), user(2)).await, Err(Away("stale")));

    projection.build(&view()).await.unwrap();
    projection.settled(0).await.unwrap();
    projection.remove_guild(guild()).await.unwrap();
    assert_eq!(projection.guilds_of(user(2)).await, Ok(vec![]));
    assert_eq!(projection.standing(guild(), user(2)).await, Err(Away("missing")));
}

#[tokio::test]
async fn no_change_is_lost_to_a_build_and_names_follow() {
    let server = Server::start();
    let projection = server.cache("").await.projection();
    projection.identified(0).await.unwrap();
    projection.beat(0, 1).await.unwrap();
    projection.build(&view()).await.unwrap();

    let build = projection.begin(guild(), 0).await.unwrap();
    projection.put_member(guild(), &member(2, "Robert", &[])).await.unwrap();
    projection.put_member(guild(), &member(3, "carol", &[])).await.unwrap();
    projection.remove_member(guild(), user(1)).await.unwrap();
    projection.put_role(guild(), &role(902, 1)).await.unwrap();
    assert_eq!(projection.names(guild(), &[user(1), user(2)]).await.unwrap().len(), 1, "at once for readers");
    projection.finish(build, &view()).await.unwrap();
    projection.settled(0).await.unwrap();

    let found = projection.names(guild(), &[user(1), user(2), user(3)]).await.unwrap();
    let mut names: Vec<_> = found.values().map(MemberView::shown_name).collect();
    names.sort_unstable();
    assert_eq!(names, ["Robert", "carol"]);
    assert_eq!(projection.search(guild(), "BO", 5).await, Ok(vec![]), "the old name is gone");
    assert_eq!(projection.search(guild(), "rob", 5).await.unwrap(), [member(2, "Robert", &[])]);
    assert_eq!(projection.search(guild(), "", 1).await.unwrap().len(), 1);
    assert_eq!(projection.roles(guild()).await.unwrap().len(), 3);
    assert_eq!(projection.channels(guild()).await.unwrap(), view().channels);
    assert_eq!(projection.emojis(guild()).await.unwrap(), view().emojis);
    assert_eq!(projection.guild(guild()).await.unwrap(), view().card);
    assert_eq!(projection.guilds_of(user(1)).await, Ok(vec![]));
    assert_eq!(projection.guilds_of(user(3)).await, Ok(vec![guild()]));

    let overtaken = projection.begin(guild(), 0).await.unwrap();
    projection.build(&view()).await.unwrap();
    assert_eq!(projection.finish(overtaken, &view()).await, Err(Away("superseded")));
}
