//! Slash commands: what people are shown, and what they are not.

use std::time::Duration;

use serde_json::json;
use tests::discord::{Change, Channel, Guild, Member, Pressed, Role, ids};
use tests::world::{Person, Service, World, in_minutes};

const ARRIVAL: Duration = Duration::from_secs(15);
/// Another guild, its channel.
const CELLAR: u64 = 410_000_000_000_000_002;
const DEN: u64 = 420_000_000_000_000_009;

async fn planned(host: &Person, title: &str, minutes: i64, more: &[(&str, &str)]) -> String {
    let start = in_minutes(minutes);
    host.plans(&[&[("title", title), ("scheduled_at", &start), ("max_players", "3")], more].concat()).await
}

/// The names that stand in bold, list by list, in their order.
fn names(shown: &Pressed) -> Vec<Vec<String>> {
    let bold = |text: &str| text.split("**").skip(1).step_by(2).map(str::to_owned).collect();
    shown.answer.embeds.iter().map(|embed| bold(embed["description"].as_str().unwrap_or_default())).collect()
}

/// The names of the one list.
fn listed(shown: &Pressed) -> Vec<String> {
    assert_eq!(shown.answer.embeds.len(), 1, "{}", shown.answer.as_text());
    names(shown).remove(0)
}

fn footer(shown: &Pressed) -> &str {
    shown.answer.embeds[0]["footer"]["text"].as_str().unwrap_or_default()
}

async fn lists(person: &Person, options: &[(&str, &str)]) -> Pressed {
    person.commands(ids::GAMES, "/list-games", options).await.expect("the bot answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn di_05_a_list_is_of_this_channel_of_another_one_or_of_the_whole_server() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    planned(&host, "Citadel", 120, &[]).await;
    planned(&host, "Dune", 60, &[]).await;
    planned(&host, "Rift", 90, &[]).await;
    let over = planned(&host, "Over", 30, &[]).await;
    assert_eq!(host.cancels(&over).await.status, 204);
    world.settle().await;
    let moved = "update games set channel_id = (select id from channels where name = 'general') where title = 'Rift'
                 returning title";
    world.ask(moved).await;

    let ada = world.person("ada");
    let here = lists(&ada, &[]).await;
    assert_eq!((here.ack, here.answer.private_to), (5, Some(ids::ADA)), "a private deferral (DI-11)");
    assert_eq!(listed(&here), ["Dune", "Citadel"], "soonest first (LS-03)");
    assert_eq!(footer(&here), "2 games");
    let there = ada.commands(ids::GENERAL, "/list-games", &[]).await.expect("the bot answers");
    assert_eq!(listed(&there), ["Rift"]);
    let general = ids::GENERAL.to_string();
    assert_eq!(listed(&lists(&ada, &[("channel", &general)]).await), ["Rift"]);
    let all = lists(&ada, &[("channel", &general), ("show_all", "true")]).await;
    assert_eq!(listed(&all), ["Dune", "Rift", "Citadel"], "show_all wins");
    assert!(all.answer.as_text().contains("In this server"), "{}", all.answer.as_text());

    let post = world.discord.channel(ids::GAMES).await.remove(0);
    let link = format!("https://discord.com/channels/{}/{}/{}", ids::TAVERN, ids::GAMES, post.id);
    assert!(here.answer.as_text().contains(&link), "{}", here.answer.as_text());
    assert_eq!(world.discord.violations().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn di_10_no_games_is_a_sentence_and_a_strange_channel_is_refused() {
    let world = World::new().await;
    let ada = world.person("ada");
    let nothing = lists(&ada, &[]).await.answer.as_text();
    let here = format!("No game is planned in <#{}>.", ids::GAMES);
    assert!(nothing.contains(&here) && nothing.contains("show_all"), "{nothing}");
    let nowhere = lists(&ada, &[("show_all", "true")]).await.answer.as_text();
    assert!(nowhere.ends_with("No game is planned in this server."), "{nowhere}");
    let mine = ada.commands_directly("/my-games").await.expect("the bot answers").answer.as_text();
    assert_eq!(mine, "Games you host\nYou host no game.\nGames you play in\nYou are in no game.");
    let strange = lists(&ada, &[("channel", &DEN.to_string())]).await.answer;
    assert_eq!(strange.as_text(), "No game can be in this channel. Pick a text, voice or announcement channel.");
    assert_eq!(world.ask("select count(*)::text from users").await, "0", "looking makes nobody known");
}

#[tokio::test(flavor = "multi_thread")]
async fn li_34_a_hidden_game_is_listed_for_its_host_and_managers_only() {
    let world = World::new().await;
    let (later, starter) = (in_minutes(30), json!([format!("<@{}>", ids::BOB)]).to_string());
    let fields = [("post_at", later.as_str()), ("initial_participants", starter.as_str())];
    planned(&world.signed_in("dm").await, "Secret", 120, &fields).await;
    world.settle().await;

    let (ada, bob) = (world.person("ada"), world.person("bob"));
    assert_eq!(listed(&lists(&ada, &[]).await), Vec::<String>::new());
    assert_eq!(listed(&lists(&bob, &[]).await), Vec::<String>::new(), "nor for who has a seat");
    let seated = bob.commands_directly("/my-games").await.expect("the bot answers");
    assert_eq!(names(&seated), [Vec::<String>::new(), Vec::new()], "{}", seated.answer.as_text());
    let shown = lists(&world.person("dm"), &[]).await;
    assert_eq!((listed(&shown), footer(&shown)), (vec!["Secret".to_owned()], "1 game"));
    assert!(shown.answer.as_text().contains("not announced yet"), "{}", shown.answer.as_text());

    world.discord.set_roles(ids::TAVERN, ids::BOB, &[ids::GAME_MASTER]).await.expect("they manage the server now");
    assert_eq!(listed(&lists(&bob, &[]).await), ["Secret"], "with the bits of the interaction (GU-17)");
    let played = async || names(&bob.commands_directly("/my-games").await.expect("the bot answers"))[1] == ["Secret"];
    until(&world, "listed with the rights of the projection", played).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ls_01_and_ls_04_a_game_behind_a_gate_is_neither_listed_nor_counted_for_who_is_outside() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    planned(&host, "Open", 60, &[]).await;
    let gated = planned(&host, "Gated", 90, &[]).await;
    assert_eq!(world.signed_in("ada").await.joins(&gated).await.status, 200);
    world.settle().await;
    let gate =
        "update games set allowed_player_role_ids = array[430000000000000001] where title = 'Gated' returning title";
    world.ask(gate).await;

    let outside = lists(&world.person("bob"), &[]).await;
    assert_eq!((listed(&outside), footer(&outside)), (vec!["Open".to_owned()], "1 game"));
    assert_eq!(listed(&lists(&world.person("ada"), &[]).await), ["Open", "Gated"], "players see it (PE-06)");
    assert_eq!(listed(&lists(&world.person("dm"), &[]).await), ["Open", "Gated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn l_45_a_list_shows_ten_games_and_tells_how_many_there_are() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    for number in 1..=12 {
        planned(&host, &format!("Night {number}"), 60 + number, &[]).await;
    }
    let shown = lists(&world.person("ada"), &[]).await;
    let expected: Vec<_> = (1..=10).map(|number| format!("Night {number}")).collect();
    assert_eq!((listed(&shown), footer(&shown)), (expected, "10 of 12 games"));
}

#[tokio::test(flavor = "multi_thread")]
async fn di_06_my_games_are_two_lists_over_all_servers_that_one_is_in() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let citadel = planned(&host, "Citadel", 120, &[]).await;
    let rift = planned(&host, "Rift", 60, &[]).await;
    let ada = world.signed_in("ada").await;
    for (person, game) in [(&host, &citadel), (&ada, &citadel), (&ada, &rift)] {
        assert_eq!(person.joins(game).await.status, 200);
    }
    world.settle().await;
    world.discord.change(Change::AddGuild { guild: cellar() }).await.expect("there is another server");
    let known = "select count(*)::text from channels c join guilds g on g.id = c.guild_id where g.name = 'Cellar'";
    until(&world, "a row of its channel", async || world.ask(known).await == "1").await;
    let moved = "update games set (guild_id, channel_id) = (select c.guild_id, c.id from channels c
                   join guilds g on g.id = c.guild_id where g.name = 'Cellar') where title = 'Rift' returning title";
    world.ask(moved).await;

    let dm = world.person("dm");
    let mine = async || dm.commands_directly("/my-games").await.expect("the bot answers");
    until(&world, "both servers", async || names(&mine().await)[0] == ["Rift", "Citadel"]).await;
    let mine = mine().await;
    assert_eq!(names(&mine)[1], ["Citadel"], "hosted and played");
    let text = mine.answer.as_text();
    assert!(text.contains("**Rift** · Cellar") && text.contains("**Citadel** · Tavern"), "{text}");
    let hers = world.person("ada").commands(ids::GENERAL, "/my-games", &[]).await.expect("the bot answers");
    assert_eq!(names(&hers), [vec![], vec!["Citadel".to_owned()]], "a seat in a server that one left shows nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn di_05_and_di_06_a_game_that_runs_is_no_longer_upcoming_but_still_ones_own() {
    let world = World::new().await;
    let game = planned(&world.signed_in("dm").await, "Citadel", 60, &[]).await;
    let ada = world.signed_in("ada").await;
    assert_eq!(ada.joins(&game).await.status, 200);
    world.settle().await;
    world.pass_until("IN_PROGRESS").await;
    until(&world, "it runs", async || world.ask("select status from games").await == "IN_PROGRESS").await;
    let mine = ada.commands_directly("/my-games").await.expect("the bot answers").answer.as_text();
    assert!(mine.contains("1 of 3 seats taken · running"), "{mine}");
    assert_eq!(listed(&lists(&ada, &[]).await), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn ls_07_a_stale_projection_is_an_honest_refusal_and_never_a_shorter_list() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    planned(&host, "Citadel", 120, &[]).await;
    world.settle().await;
    world.discord.change(Change::GuildOutage { guild: ids::TAVERN, away: true }).await.expect("Discord has an outage");
    until(&world, "the web knows", async || host.gets("/api/v1/games").await.status == 503).await;
    let mine = world.person("dm").commands_directly("/my-games").await.expect("the bot answers");
    assert_eq!(mine.answer.as_text(), "This is not available right now. Try again in 5 s.");
    assert_eq!(listed(&lists(&world.person("dm"), &[]).await), ["Citadel"], "needs nothing of it (GU-17)");
}

#[tokio::test(flavor = "multi_thread")]
async fn di_16_what_this_version_does_not_know_is_answered_with_a_sentence() {
    let world = World::new().await;
    let ada = world.person("ada");
    lists(&ada, &[]).await;
    let elsewhere = ada.commands_directly("/list-games").await.expect_err("it is about a server");
    assert_eq!(elsewhere.to_string(), "/list-games is not offered here");
    for channel in [Some(ids::GAMES), None] {
        let command = world.discord.command_stale(ids::ADA, channel, "roll").await.expect("the bot answers");
        assert!(command.answer.as_text().contains("This command is out of date"), "{}", command.answer.as_text());
        let form = world.discord.submit(ids::ADA, channel, "v9:form:1").await.expect("the bot answers");
        assert!(form.answer.as_text().contains("This form is out of date"), "{}", form.answer.as_text());
        let choices = world.discord.autocomplete_stale(ids::ADA, channel, "roll").await.expect("the bot answers");
        assert_eq!(choices, []);
    }
    let offered = world.discord.command_stale(ids::ADA, None, "list-games").await.expect("the bot answers");
    assert_eq!(offered.answer.as_text(), "This command is about a server. Use it there.");
    assert_eq!(world.discord.violations().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn di_04_a_restart_compares_the_commands_and_writes_nothing() {
    let world = World::new().await;
    world.discord.wait_command("my-games", ARRIVAL).await.expect("the bot tells them");
    let of = async |method: &str| {
        let all = world.discord.requests().await;
        all.iter().filter(|it| it.method == method && it.path.ends_with("/commands")).count()
    };
    assert_eq!((of("GET").await, of("PUT").await), (1, 1));
    assert!(world.stop(Service::Bot).await);
    let (told, before) = (world.sink.spans().len(), of("GET").await);
    world.start(Service::Bot).await.expect("it starts again");
    until(&world, "compared again", async || of("GET").await > before).await;
    lists(&world.person("ada"), &[]).await;
    assert_eq!(of("PUT").await, 1, "nothing differs");
    let sweeps = world.sink.spans()[told..].iter().filter(|span| span.name == "sweep commands").count();
    assert_eq!(sweeps, 0, "and nothing is told");
}

/// Asks again and again until it is so.
async fn until(world: &World, what: &str, holds: impl AsyncFn() -> bool) {
    let there = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    tokio::time::timeout(ARRIVAL, there).await.unwrap_or_else(|_| panic!("not {what}:\n{}", world.all_lines()));
}

/// A server of dm's in which ada is not.
fn cellar() -> Guild {
    Guild {
        id: CELLAR,
        name: "Cellar".into(),
        owner: ids::DM,
        channels: vec![Channel::text(DEN, "den")],
        roles: vec![Role { id: CELLAR, name: "@everyone".into(), permissions: 1 << 10 | 1 << 11 | 1 << 14 | 1 << 16 }],
        members: vec![Member::plain(ids::DM), Member::plain(ids::BOT)],
    }
}
