//! Who moves up or back, and what people are told of it and of another start.

use std::collections::BTreeMap;
use std::time::Duration;

use tests::discord::{Message, ids};
use tests::otlp::Received;
use tests::world::{Person, Service, World, in_minutes};

const START: &str = "select floor(extract(epoch from scheduled_at))::bigint::text from games";
const FULL: &str = "the game is full, and you move up by yourself when a seat is free.";
const PICKED: &str = "the host picks who plays.";

/// A game in two hours, without reminders, which would come in between.
async fn game(host: &Person, fields: &[(&str, &str)]) -> String {
    host.plans(&[&[("reminder_minutes", "[]")], fields].concat()).await
}

/// Signs people in and lets them join in this order.
async fn join(world: &World, game: &str, names: &[&str]) -> Vec<Person> {
    let mut people = Vec::with_capacity(names.len());
    for name in names {
        let person = world.signed_in(name).await;
        assert_eq!(person.joins(game).await.status, 200);
        people.push(person);
    }
    people
}

/// A minute later everybody has heard where they stand.
async fn heard(world: &World) {
    world.pass_until("joined").await;
    world.settle().await;
}

/// What somebody was told in private, the first first.
async fn told(world: &World, name: &str) -> Vec<String> {
    world.person(name).inbox().await.into_iter().map(|message| message.content).collect()
}

/// How often all relays together counted something that happened to a person on a roster.
fn counted(told: &Received, event: &str) -> f64 {
    let mut counts = BTreeMap::new();
    for metric in told.metrics.iter().filter(|metric| metric.name == "gamesched.roster.changes") {
        let of = |key: &str, point: &tests::otlp::Point| point.attributes.get(key).map(ToString::to_string);
        for point in metric.points.iter().filter(|point| of("gamesched.roster.event", point).as_deref() == Some(event))
        {
            let count: &mut f64 = counts.entry((metric.service(), of("gamesched.face", point))).or_default();
            *count = count.max(point.reading.number());
        }
    }
    counts.values().sum()
}

async fn start(world: &World) -> i64 {
    world.ask(START).await.parse().expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_03_the_first_in_line_gets_the_seat_and_one_letter_whichever_face_it_was_left_by() {
    let world = World::new().await;
    let game =
        game(&world.signed_in("dm").await, &[("max_players", "1"), ("signup_instructions", "Bring dice.")]).await;
    let people = join(&world, &game, &["bob", "ada", "cyd"]).await;
    heard(&world).await;

    assert_eq!(people[0].leaves(&game).await.status, 204);
    world.settle().await;
    let seated = "You joined **Citadel**. You have seat 1 of 1.".to_owned();
    let line = |number| format!("You joined **Citadel**. You are number {number} in line: {FULL}");
    let (up, out) =
        ("You moved up in **Citadel**. You have seat 1 of 1.".to_owned(), "You left **Citadel**.".to_owned());
    assert_eq!(told(&world, "bob").await, [seated, out.clone()]);
    assert_eq!(told(&world, "ada").await, [line(1), up.clone()]);
    assert_eq!(told(&world, "cyd").await, [line(2)]);
    let letter = people[1].inbox().await.pop().expect("a letter").as_text();
    assert!(letter.contains("Bring dice.") && letter.contains(":F>"), "{letter}");

    people[1].presses("Leave").await.expect("the bot answers");
    world.settle().await;
    assert_eq!(told(&world, "ada").await, [line(1), up.clone(), out]);
    assert_eq!(told(&world, "cyd").await, [line(2), up]);
    assert_eq!(told(&world, "dm").await, Vec::<String>::new(), "the host had added nobody");
    let board = world.discord.channel(ids::GAMES).await.pop().expect("an announcement").as_text();
    assert!(board.contains("Players (1/1)") && board.contains(&ids::CYD.to_string()), "{board}");
    assert_eq!(world.discord.violations().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_07_the_host_is_told_that_somebody_they_had_added_is_out_and_who_is_next() {
    let world = World::new().await;
    let starters = format!("[\"<@{}>\"]", ids::BOB);
    let host = world.signed_in("dm").await;
    let game = game(&host, &[("max_players", "1"), ("initial_participants", &starters)]).await;
    join(&world, &game, &["ada", "cyd"]).await;
    heard(&world).await;

    assert_eq!(world.signed_in("bob").await.leaves(&game).await.status, 204);
    world.settle().await;
    let (bob, next, start) = (ids::BOB, ids::CYD, start(&world).await);
    assert_eq!(
        told(&world, "dm").await,
        [format!(
            "<@{bob}> is out of **Citadel**, which starts <t:{start}:R>. 1 of 1 seats are taken, 1 waiting. \
             Next in line: <@{next}>."
        )]
    );
    assert_eq!(told(&world, "ada").await.len(), 2, "she has the seat");
}

#[tokio::test(flavor = "multi_thread")]
async fn ro_26_another_number_of_seats_tells_each_who_moved_once_and_placeholders_nothing() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let starters = format!("[\"<@{}>\", \"Bo\"]", ids::ADA);
    let game = game(&host, &[("max_players", "1"), ("initial_participants", &starters)]).await;
    join(&world, &game, &["bob", "cyd", "dee"]).await;
    heard(&world).await;

    host.edits(&game, &[("max_players", "4")]).await;
    world.settle().await;
    host.edits(&game, &[("max_players", "2")]).await;
    world.settle().await;

    let line = |number| format!("You joined **Citadel**. You are number {number} in line: {FULL}");
    let up = |seat| format!("You moved up in **Citadel**. You have seat {seat} of 4.");
    let back = |number| format!("You lost your seat in **Citadel**. You are number {number} in line: {FULL}");
    assert_eq!(told(&world, "ada").await, ["You joined **Citadel**. You have seat 1 of 1."], "she kept her seat");
    assert_eq!(told(&world, "bob").await, [line(2), up(3), back(1)], "Bo is before him");
    assert_eq!(told(&world, "cyd").await, [line(3), up(4), back(2)]);
    assert_eq!(told(&world, "dee").await, [line(4)]);
    let events =
        "select string_agg(payload ->> 'roster', ' ' order by id) from outbox where routing_key = 'game.updated'";
    assert_eq!(world.ask(events).await, r#"["promoted", "promoted"] ["demoted", "demoted"]"#);
    let versions = "select count(*)::text from audit_log where verb = 'update'";
    assert_eq!(world.ask(versions).await, "2", "one edit each (LI-29)");
    let counts = |told: &Received| ["joined", "promoted", "demoted"].map(|event| counted(told, event));
    let once = world.sink.wait("the counts", Duration::from_secs(30), |told| counts(told) == [3.0, 2.0, 2.0]).await;
    assert!(once.is_ok(), "once for each person: {:?}", counts(&world.sink.received()));
}

#[tokio::test(flavor = "multi_thread")]
async fn ro_26_another_method_tells_those_whom_it_moves_and_why_they_wait() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = game(&host, &[("max_players", "3"), ("signup_method", "HOST_SELECTED_WITH_WAITLIST")]).await;
    join(&world, &game, &["ada", "bob"]).await;
    heard(&world).await;

    host.edits(&game, &[("signup_method", "SELF_SIGNUP")]).await;
    world.settle().await;
    host.edits(&game, &[("signup_method", "HOST_SELECTED_WITH_WAITLIST")]).await;
    world.settle().await;
    let line = |number| format!("You joined **Citadel**. You are number {number} in line: {PICKED}");
    let up = |seat| format!("You moved up in **Citadel**. You have seat {seat} of 3.");
    let back = |number| format!("You lost your seat in **Citadel**. You are number {number} in line: {PICKED}");
    assert_eq!(told(&world, "ada").await, [line(1), up(1), back(1)]);
    assert_eq!(told(&world, "bob").await, [line(2), up(2), back(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_17_a_minute_in_which_somebody_joins_and_moves_up_makes_one_letter_and_a_short_visit_none() {
    let world = World::new().await;
    let game =
        game(&world.signed_in("dm").await, &[("max_players", "2"), ("signup_instructions", "Bring dice.")]).await;
    let first = join(&world, &game, &["bob", "ada"]).await;
    heard(&world).await;
    let later = join(&world, &game, &["cyd", "dee"]).await;

    world.pass(Duration::from_secs(20)).await;
    assert_eq!(later[1].leaves(&game).await.status, 204);
    assert_eq!(first[0].leaves(&game).await.status, 204);
    world.settle().await;
    assert_eq!(told(&world, "cyd").await, Vec::<String>::new(), "not before the minute is over");

    heard(&world).await;
    assert_eq!(told(&world, "cyd").await, ["You joined **Citadel**. You have seat 2 of 2."]);
    assert!(later[0].inbox().await[0].as_text().contains("Bring dice."));
    assert_eq!(told(&world, "dee").await, Vec::<String>::new(), "a short visit");
    assert_eq!(told(&world, "ada").await.len(), 1, "she did not move");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_19_who_does_not_want_to_hear_of_it_moves_up_silently() {
    let world = World::new().await;
    let game = game(&world.signed_in("dm").await, &[("max_players", "1")]).await;
    let people = join(&world, &game, &["bob", "ada"]).await;
    heard(&world).await;
    world.ask("update users set muted_kinds = '{promoted}' where username = 'ada' returning username").await;
    assert_eq!(people[0].leaves(&game).await.status, 204);
    world.settle().await;
    assert_eq!(told(&world, "ada").await.len(), 1, "only the letter of her join");
    let seen = people[1].gets(&format!("/api/v1/games/{game}")).await;
    assert_eq!(seen.body["confirmed_participants"][0]["discord_id"], ids::ADA.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn li_38_of_a_hidden_game_nobody_hears_that_they_moved_or_that_it_moved() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let starters = format!("[\"<@{}>\", \"<@{}>\"]", ids::ADA, ids::BOB);
    let deferred = [("max_players", "1"), ("initial_participants", &starters), ("post_at", &in_minutes(30))];
    let game = game(&host, &deferred).await;
    host.edits(&game, &[("max_players", "2")]).await;
    host.edits(&game, &[("scheduled_at", &in_minutes(180))]).await;
    world.settle().await;
    assert_eq!(world.ask("select count(*)::text from deliveries").await, "0");
    assert_eq!(world.ask("select count(*)::text from scheduled_notifications").await, "0");

    world.pass_until("POST").await;
    world.settle().await;
    heard(&world).await;
    assert_eq!(told(&world, "bob").await, ["You joined **Citadel**. You have seat 2 of 2."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_09_a_start_that_moves_thrice_is_told_once_from_the_first_to_the_last_and_not_to_who_moved_it() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = game(&host, &[("max_players", "1"), ("reminder_minutes", "[60]")]).await;
    join(&world, &game, &["ada", "bob"]).await;
    heard(&world).await;
    // The reminder of the old start is on its way when the game moves.
    world.kill(Service::Bot).await;
    world.pass_until("reminder").await;
    world.until("select count(*)::text from deliveries where kind = 'reminder'", "3").await;
    let first = start(&world).await;
    for minutes in [240, 300, 360] {
        host.edits(&game, &[("scheduled_at", &in_minutes(minutes))]).await;
    }
    let last = start(&world).await;
    world.start(Service::Bot).await.expect("it starts again");
    world.settle().await;
    let reminders =
        "select string_agg(distinct state || ' ' || last_error, ',') from deliveries where kind = 'reminder'";
    assert_eq!(world.ask(reminders).await, "expired stale");

    world.pass_until("rescheduled").await;
    world.settle().await;
    for name in ["ada", "bob"] {
        let letters = told(&world, name).await;
        assert_eq!(letters.len(), 2, "{name}: {letters:?}");
        let (from, to) = moved(&letters[1]);
        assert_eq!(to, start(&world).await);
        assert!(((to - from) - (last - first)).abs() <= 1, "{letters:?}");
    }
    assert_eq!(told(&world, "dm").await, Vec::<String>::new(), "the host knows");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_09_a_start_that_is_moved_back_in_time_is_no_news_and_one_that_comes_again_later_is() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = game(&host, &[]).await;
    join(&world, &game, &["ada"]).await;
    heard(&world).await;
    let now = host.gets(&format!("/api/v1/games/{game}")).await.text("scheduled_at").to_owned();
    host.edits(&game, &[("scheduled_at", &in_minutes(480))]).await;
    host.edits(&game, &[("scheduled_at", &now)]).await;
    world.pass(Duration::from_secs(61)).await;
    world.settle().await;
    assert_eq!(told(&world, "ada").await.len(), 1, "nothing moved");

    let (now, later) = (host.gets(&format!("/api/v1/games/{game}")).await, in_minutes(480));
    let now = now.text("scheduled_at").to_owned();
    for start in [&later, &now, &later] {
        host.edits(&game, &[("scheduled_at", start)]).await;
        the_minute_is_over(&world).await;
    }
    let letters = told(&world, "ada").await;
    assert_eq!((letters.len(), &letters[1]), (4, &letters[3]), "to a start that it had before: news again");
}

/// Makes the notice of a move due and leaves the starts as they are.
async fn the_minute_is_over(world: &World) {
    let due = "with due as (update scheduled_notifications set due_at = now(), next_attempt_at = now()
                            where kind = 'rescheduled' and state = 'pending' returning id)
               select count(*)::text from due, pg_notify('gamesched', 'scheduled_notifications')";
    assert_eq!(world.ask(due).await, "1", "one waits");
    world.settle().await;
}

/// The two times of a letter about a move.
fn moved(letter: &str) -> (i64, i64) {
    let rest = letter.strip_prefix("**Citadel** was moved from <t:").unwrap_or_else(|| panic!("{letter}"));
    let (from, to) = rest.split_once(":F> to <t:").unwrap_or_else(|| panic!("{letter}"));
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{letter}"));
    (number(from), number(to.trim_end_matches(":F>.")))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_18_a_reminder_tells_each_person_once_as_what_they_are() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let fields = [("max_players", "4"), ("initial_participants", "[\"Bo\"]"), ("reminder_minutes", "[60]")];
    let game = game(&host, &fields).await;
    join(&world, &game, &["ada", "dm", "bob", "cyd"]).await;
    heard(&world).await;
    world.pass_until("reminder").await;
    world.settle().await;
    let last = async |name| told(&world, name).await.pop().unwrap_or_default();
    let at = format!("<t:{}:R>", start(&world).await);
    assert_eq!(last("ada").await, format!("**Citadel** starts {at}. You have seat 2 of 4."));
    assert_eq!(last("bob").await, format!("**Citadel** starts {at}. You have seat 4 of 4."));
    assert_eq!(last("cyd").await, format!("**Citadel** starts {at}. You are still waiting, number 1 in line."));
    assert_eq!(
        last("dm").await,
        format!(
            "You host **Citadel**, which starts {at}. 4 of 4 seats are taken, 1 waiting. You play yourself, in seat 3."
        )
    );
    assert_eq!(world.ask("select count(*)::text from deliveries where kind = 'reminder'").await, "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn ro_32_a_seat_that_is_left_while_others_come_promotes_one() {
    let world = World::new().await;
    let game = game(&world.signed_in("dm").await, &[("max_players", "1")]).await;
    let people = join(&world, &game, &["bob", "ada"]).await;
    heard(&world).await;
    let (cyd, dee) = (world.signed_in("cyd").await, world.signed_in("dee").await);

    // Bob is impatient and uses both faces.
    let leaves = futures_util::future::join_all((0..5).map(|_| people[0].leaves(&game)));
    let (left, pressed, came, also) =
        tokio::join!(leaves, people[0].presses("Leave"), cyd.joins(&game), dee.joins(&game));
    assert!(left.iter().all(|answer| answer.status == 204), "{left:?}");
    pressed.expect("the bot answers");
    assert_eq!((came.status, also.status), (200, 200));
    world.settle().await;

    let letters = "select string_agg(kind || ' ' || username, ', ' order by kind) from deliveries
                   join users on discord_id = recipient where kind not in ('joined', 'waitlisted')";
    assert_eq!(world.ask(letters).await, "left bob, promoted ada");
    let events = "select string_agg(payload ->> 'roster', ' ') from outbox where payload ->> 'roster' like '%left%'";
    assert_eq!(world.ask(events).await, r#"["left", "promoted"]"#);
    heard(&world).await;
    for name in ["cyd", "dee"] {
        let letters = told(&world, name).await;
        assert!(letters.len() == 1 && letters[0].contains("in line"), "{name}: {letters:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ro_14_joining_and_leaving_on_two_faces_at_once_ends_as_the_last_commit_says() {
    let world = World::new().await;
    let game = game(&world.signed_in("dm").await, &[("max_players", "3")]).await;
    world.settle().await;
    let ada = world.signed_in("ada").await;
    for _ in 0..6 {
        let (joined, pressed) = tokio::join!(ada.joins(&game), ada.presses("Leave"));
        assert_eq!(joined.status, 200);
        pressed.expect("the bot answers");
        let (pressed, left) = tokio::join!(ada.presses("Join"), ada.leaves(&game));
        assert_eq!(left.status, 204);
        pressed.expect("the bot answers");
    }
    world.settle().await;

    let last = world.ask("select verb from audit_log where verb in ('join', 'leave') order by id desc limit 1").await;
    let present = last == "join";
    let rows = world.ask("select count(*)::text from participants").await;
    assert_eq!(rows, if present { "1" } else { "0" });
    let board = world.discord.channel(ids::GAMES).await.pop().as_ref().map(Message::as_text).unwrap_or_default();
    assert_eq!(board.contains(&ids::ADA.to_string()), present, "{board}");
    world.pass(Duration::from_secs(61)).await;
    world.settle().await;
    assert_eq!(told(&world, "ada").await.len(), usize::from(present), "who is absent hears nothing");
}
