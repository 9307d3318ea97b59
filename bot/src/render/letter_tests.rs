//! The direct message's promises.

use proptest::prelude::*;
use shared::domain::ids::{DiscordChannel, DiscordGuild, DiscordMessage, DiscordUser};

use super::super::accepts::assert_accepted;
use super::*;

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_778_414_400, 0).unwrap()
}

fn letter(notice: Notice, reader: Role) -> Letter {
    Letter {
        seats: 4,
        confirmed: 3,
        waiting: 2,
        instructions: Some("Bring dice.".into()),
        location: Some("Table 4".into()),
        page_url: Some("https://play.example/games/1".into()),
        message_url: Some("https://discord.com/channels/1/2/3".into()),
        ..Letter::new(notice, Some(reader), "Barrow".into(), noon())
    }
}

/// As they are stored with a delivery.
fn facts(reader: Reader) -> Facts {
    Facts {
        game: "0198c0de-0000-7000-8000-000000000001".parse().unwrap(),
        title: "Barrow".into(),
        start: noon(),
        was: None,
        reader,
        place: None,
        confirmed: 3,
        waiting: 2,
        seats: 4,
        host_picks: true,
        who: None,
        next: None,
        location: Some("Table 4".into()),
        instructions: Some("Bring dice.".into()),
        reason: None,
        guild: DiscordGuild::new(1),
        channel: DiscordChannel::new(2),
        message: Some(DiscordMessage::new(3)),
    }
}

fn content(letter: &Letter) -> String {
    render(letter, "d0123456789abcdef")["content"].as_str().unwrap().to_owned()
}

const SEATED: Role = Role::Player(Place::Confirmed(3));
const IN_LINE: Role = Role::Player(Place::Waiting(2));

#[test]
fn no_01_a_join_notice_tells_seat_start_and_instructions() {
    let body = render(&letter(Notice::Joined, SEATED), "d0123456789abcdef");
    assert_eq!(body["content"], "You joined **Barrow**. You have seat 3 of 4.");
    let embed = &body["embeds"][0];
    assert_eq!((&embed["title"], &embed["description"]), (&json!("Barrow"), &json!("Bring dice.")));
    assert_eq!(
        embed["fields"],
        json!([
            { "name": "Start", "value": "<t:1778414400:F> (<t:1778414400:R>)", "inline": false },
            { "name": "Links", "inline": false, "value":
                "[Announcement](https://discord.com/channels/1/2/3) · [Game page](https://play.example/games/1)" },
        ])
    );
}

#[test]
fn no_02_the_waiting_hear_their_number_and_get_no_instructions() {
    let waiting = letter(Notice::Waitlisted, IN_LINE);
    assert!(content(&waiting).starts_with("You joined **Barrow**. You are number 2 in line: the game is full"));
    assert_eq!(render(&waiting, "n")["embeds"][0].get("description"), None);
}

#[test]
fn no_03_who_moved_up_hears_seat_start_and_instructions() {
    let body = render(&letter(Notice::Promoted, SEATED), "d0123456789abcdef");
    assert_eq!(body["content"], "You moved up in **Barrow**. You have seat 3 of 4.");
    let embed = &body["embeds"][0];
    assert_eq!(embed["description"], "Bring dice.");
    assert_eq!(embed["fields"][0]["value"], "<t:1778414400:F> (<t:1778414400:R>)");
}

#[test]
fn no_04_who_is_back_in_line_hears_their_number_and_gets_no_instructions() {
    let back = letter(Notice::Demoted, IN_LINE);
    assert_eq!(
        content(&back),
        "You lost your seat in **Barrow**. You are number 2 in line: the game is full, and you move up by yourself \
         when a seat is free."
    );
    assert_eq!(render(&back, "n")["embeds"][0].get("description"), None);
    let picked = Letter { method: SignupMethod::HostSelectedWithWaitlist, ..back };
    assert_eq!(
        content(&picked),
        "You lost your seat in **Barrow**. You are number 2 in line: the host picks who plays."
    );
}

#[test]
fn no_08_a_reminder_is_labelled_by_what_its_reader_is_and_names_the_place() {
    let told = |reader| content(&letter(Notice::Reminder, reader));
    assert_eq!(told(SEATED), "**Barrow** starts <t:1778414400:R>. You have seat 3 of 4.");
    assert_eq!(told(IN_LINE), "**Barrow** starts <t:1778414400:R>. You are still waiting, number 2 in line.");
    let host = "You host **Barrow**, which starts <t:1778414400:R>. 3 of 4 seats are taken, 2 waiting.";
    assert_eq!(told(Role::Host(None)), host);
    assert_eq!(told(Role::Host(Some(Place::Confirmed(1)))), format!("{host} You play yourself, in seat 1."));
    let body = render(&letter(Notice::Reminder, SEATED), "n");
    assert_eq!(body["embeds"][0]["fields"][1]["value"], "Table 4");
}

#[test]
fn no_07_a_drop_out_names_who_and_who_is_next() {
    let facts = Facts {
        who: Some(Named::User(DiscordUser::new(9))),
        next: Some(Named::Name("Bo".into())),
        ..facts(Reader::Host)
    };
    assert_eq!(
        content(&Letter::of(Notice::DropOut, &facts, None, None)),
        "<@9> is out of **Barrow**, which starts <t:1778414400:R>. 3 of 4 seats are taken, 2 waiting. Next in line: Bo."
    );
}

#[test]
fn no_09_a_moved_game_tells_old_and_new_start() {
    let facts = Facts { was: DateTime::from_timestamp(1_778_000_000, 0), ..facts(Reader::Gone) };
    let moved = content(&Letter::of(Notice::Rescheduled, &facts, None, None));
    assert_eq!(moved, "**Barrow** was moved from <t:1778000000:F> to <t:1778414400:F>.");
}

#[test]
fn no_23_a_late_notice_says_when_it_was_due() {
    let late = Letter { late: Some(noon()), ..letter(Notice::Reminder, SEATED) };
    assert!(content(&late).ends_with("\n-# This comes late: it was due <t:1778414400:F>."));
}

#[test]
fn no_28_a_direct_message_pings_nobody() {
    assert_eq!(render(&letter(Notice::Left, SEATED), "n")["allowed_mentions"], json!({ "parse": [] }));
}

#[test]
fn the_footer_marks_the_message_with_the_last_eight_characters_of_the_nonce() {
    let body = render(&letter(Notice::Left, SEATED), "d0123456789abcdef");
    assert_eq!(body["embeds"][0]["footer"]["text"], "· 89abcdef");
}

#[test]
fn no_06_who_left_is_told_just_that_from_the_stored_facts() {
    let facts = facts(Reader::Gone);
    let body = render(&Letter::of(Notice::Left, &facts, None, None), "n");
    assert_eq!(body["content"], "You left **Barrow**.");
    let post = "[Announcement](https://discord.com/channels/1/2/3)";
    assert_eq!(body["embeds"][0]["fields"], json!([{ "name": "Links", "value": post, "inline": false }]));

    let waiting = Facts { reader: Reader::Waiting, place: Some(2), ..facts.clone() };
    let told = content(&Letter::of(Notice::Waitlisted, &waiting, None, None));
    assert_eq!(told, "You joined **Barrow**. You are number 2 in line: the host picks who plays.");

    let host = Facts { reader: Reader::HostInLine, place: Some(1), ..facts };
    let told = content(&Letter::of(Notice::Reminder, &host, None, None));
    assert!(told.contains("3 of 4 seats are taken, 2 waiting.") && told.contains("number 1 in line"), "{told}");
}

proptest! {
    #[test]
    fn every_notice_in_every_role_renders_to_a_message_discord_accepts(
        kind in 0..Notice::ALL.len(),
        reader in prop_oneof![Just(SEATED), Just(IN_LINE), Just(Role::Host(None)), Just(Role::Host(Some(Place::Waiting(1))))],
        title in prop_oneof![Just("🎲".repeat(200)), Just("*".repeat(200)), Just("x".to_owned())],
        long in any::<bool>(),
        late in any::<bool>(),
    ) {
        let long = |length| long.then(|| "🎲".repeat(length));
        let letter = Letter {
            title,
            instructions: long(1000),
            location: long(500),
            reason: long(500),
            who: long(100).map(Shown::Name),
            next_in_line: long(100).map(Shown::Name),
            late: late.then(noon),
            ..letter(Notice::ALL[kind], reader)
        };
        assert_accepted(&render(&letter, "d0123456789abcdef"));
    }
}
