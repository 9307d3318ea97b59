//! Every interaction is one trace with one root, wherever it comes from (T-05).

use std::collections::BTreeMap;
use std::time::Duration;

use tests::discord::ids;
use tests::otlp::{Kind, Received, Span};
use tests::trace::{Trace, gather};
use tests::world::{World, in_minutes};

const ARRIVAL: Duration = Duration::from_secs(15);
/// What every interaction says of itself.
const REQUIRED: [&str; 7] = [
    "gamesched.interaction.type",
    "gamesched.interaction.name",
    "gamesched.interaction.id",
    "gamesched.interaction.outcome",
    "gamesched.channel.id",
    "gamesched.user.id",
    "gamesched.shard.id",
];

/// Every kind of interaction, in a channel and in the direct conversation. What they are called, and their outcome.
async fn every_interaction(world: &World) -> Vec<(&'static str, bool, &'static str)> {
    let host = world.signed_in("dm").await;
    let fields = [("title", "Citadel"), ("scheduled_at", &in_minutes(120)), ("reminder_minutes", "[60]")];
    assert_eq!(host.creates(&fields).await.status, 201);
    world.settle().await;
    world.pass_until("reminder").await;
    let post = world.discord.channel(ids::GAMES).await.pop().expect("there is an announcement");
    let letters = world.discord.wait_inbox(ids::DM, |all| !all.is_empty(), ARRIVAL).await.expect("the host is told");
    let (join, leave) = (post.button("Join").expect("a button"), post.button("Leave").expect("a button"));
    let mut made = Vec::new();
    for (message, guild, outcome) in [(post.id, true, "answered"), (letters[0].id, false, "refused")] {
        let presses = [
            ("component join", join.as_str(), outcome),
            ("component leave", &leave, outcome),
            ("component unknown", "v9:x:y", "answered"),
        ];
        for (name, custom_id, outcome) in presses {
            world.discord.press_stale(ids::DM, message, custom_id).await.expect("the bot answers");
            made.push((name, guild, outcome));
        }
        let channel = guild.then_some(ids::GAMES);
        let commands = [
            ("command /list-games", "list-games", outcome),
            ("command /my-games", "my-games", "answered"),
            ("command unknown", "roll", "answered"),
        ];
        world.discord.wait_command("list-games", ARRIVAL).await.expect("the bot tells its commands");
        for (name, command, outcome) in commands {
            world.discord.command_stale(ids::DM, channel, command).await.expect("the bot answers");
            made.push((name, guild, outcome));
        }
        world.discord.submit(ids::DM, channel, "v9:form:1").await.expect("the bot answers");
        world.discord.autocomplete_stale(ids::DM, channel, "roll").await.expect("the bot answers");
        made.extend([("modal unknown", guild, "answered"), ("autocomplete unknown", guild, "answered")]);
    }
    made
}

fn is_interaction(span: &Span) -> bool {
    span.name.starts_with("interaction ")
}

#[tokio::test(flavor = "multi_thread")]
async fn t_05_every_interaction_is_one_root_in_a_guild_and_in_a_direct_message() {
    let world = World::new().await;
    let mut expected = BTreeMap::new();
    let made = every_interaction(&world).await;
    for (name, guild, outcome) in &made {
        *expected.entry((format!("interaction {name}"), *guild, (*outcome).to_owned())).or_insert(0) += 1;
    }
    world.settle().await;
    let complete = |received: &Received| {
        received.spans.iter().filter(|span| is_interaction(span)).count() >= made.len()
            && gather(&received.spans).iter().all(Trace::whole)
    };
    let received = world.sink.wait("all interactions", ARRIVAL, complete).await;
    let received = received.unwrap_or_else(|fault| panic!("{fault:#}\n{}", world.all_lines()));

    let mut told = BTreeMap::new();
    for trace in gather(&received.spans).iter().filter(|trace| trace.spans().into_iter().any(is_interaction)) {
        let root = trace.root().expect("a root");
        let servers = trace.spans().into_iter().filter(|span| span.kind == Kind::Server).count();
        assert!(trace.whole() && is_interaction(root) && servers == 1, "{} has {servers} server spans", root.name);
        assert!(root.kind == Kind::Server && root.parent_id.is_none() && root.links.is_empty(), "{root:?}");
        for key in REQUIRED {
            assert!(root.attribute(key).is_some_and(|value| !value.is_empty()), "{} has no {key}", root.name);
        }
        let guild = root.attribute("gamesched.guild.id");
        assert!(guild.as_ref().is_none_or(|guild| *guild == ids::TAVERN.to_string()), "absent, not empty: {guild:?}");
        let channel = root.attribute("gamesched.channel.id").expect("a channel");
        assert_eq!(guild.is_some(), channel == ids::GAMES.to_string(), "{}", root.name);
        assert_eq!(root.attribute("gamesched.user.id"), Some(ids::DM.to_string()));
        let outcome = root.attribute("gamesched.interaction.outcome").expect("an outcome");
        assert_eq!(outcome == "refused", root.attributes.contains_key("gamesched.refusal"), "{}", root.name);
        *told.entry((root.name.clone(), guild.is_some(), outcome)).or_insert(0) += 1;
    }
    assert_eq!(told, expected);
}
