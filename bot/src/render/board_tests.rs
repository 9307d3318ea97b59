//! The announcement's promises.

use super::super::accepts::assert_accepted;
use super::*;

#[path = "board_properties.rs"]
mod properties;

const NOON: i64 = 1_778_414_400;

fn mention(number: u64) -> Shown {
    Shown::Mention(DiscordUser::new(number))
}

fn board() -> Board {
    Board {
        game: "0198c0de-0000-7000-8000-000000000001".parse().unwrap(),
        guild: DiscordGuild::new(77),
        host: Host { user: DiscordUser::new(1), name: "Dee_M".into(), avatar_url: None },
        title: "Barrow of the Ice King".into(),
        description: Some("Bring dice.".into()),
        location: Some("<#123456789012345678>".into()),
        scheduled_at: DateTime::from_timestamp(NOON, 0).unwrap(),
        expected_duration_minutes: Some(150),
        max_players: 4,
        min_players: None,
        signup_method: SignupMethod::SelfSignup,
        status: Status::Scheduled,
        cancel_reason: None,
        rewards: None,
        notify_roles: vec![DiscordRole::new(5)],
        confirmed: vec![mention(2), Shown::Name("Bo".into())],
        waiting: vec![],
        page_url: Some("https://play.example/games/1".into()),
        calendar_url: Some("https://play.example/download-calendar/1".into()),
        thumbnail_url: None,
        banner_url: None,
    }
}

fn embed_of(board: &Board) -> Value {
    render(board, Occasion::Edit)["embeds"][0].clone()
}

/// Names and values of the fields, in order.
fn fields_of(board: &Board) -> Vec<(String, String)> {
    let embed = embed_of(board);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    embed["fields"].as_array().unwrap().iter().map(|field| (text(&field["name"]), text(&field["value"]))).collect()
}

fn field(board: &Board, name: &str) -> Option<String> {
    fields_of(board).into_iter().find(|(found, _)| found.starts_with(name)).map(|(_, value)| value)
}

fn enabled(board: &Board) -> Vec<bool> {
    let body = render(board, Occasion::Edit);
    let Some(buttons) = body["components"][0]["components"].as_array() else {
        return vec![];
    };
    buttons.iter().map(|button| button["disabled"] == false).collect()
}

#[test]
fn di_20_to_di_28_a_board_shows_line_author_title_time_host_place_and_players() {
    let body = render(&board(), Occasion::First);
    assert_eq!(body["content"], "<@&5> <@1> <@2>");
    let embed = &body["embeds"][0];
    assert_eq!(embed["author"]["name"], "Dee_M");
    assert_eq!(embed["author"]["icon_url"], "https://cdn.discordapp.com/embed/avatars/0.png");
    assert_eq!(embed["title"], "Barrow of the Ice King");
    assert_eq!(embed["url"], "https://play.example/games/1");
    assert_eq!(embed["description"], "Bring dice.");
    assert_eq!((&embed["color"], &embed["footer"]["text"]), (&json!(0x002E_CC71), &json!("Scheduled")));
    let mut fields = fields_of(&board());
    let calendars = fields.remove(3);
    assert!(calendars.1.starts_with("[Google](https://calendar.google.com/") && calendars.1.contains("[Others]("));
    let expected = [
        ("Game Time", "<t:1778414400:F> (<t:1778414400:R>)"),
        ("Host", "<@1>"),
        ("Run Time", "2h 30m"),
        ("Where", "<#123456789012345678>"),
        ("Players (2/4)", "1. <@2>\n2. Bo\n3. —\n4. —"),
    ];
    assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn di_25_the_heading_tells_how_many_the_game_still_needs_and_never_counts_above_its_seats() {
    let heading = |board: &Board| fields_of(board)[5].0.clone();
    assert_eq!(heading(&Board { min_players: Some(3), ..board() }), "Players (2/4, needs 1)");
    let crowded = Board { confirmed: (2..9).map(mention).collect(), ..board() };
    assert_eq!(heading(&crowded), "Players (4/4)");
}

#[test]
fn di_26_the_waitlist_is_numbered_from_one_and_absent_when_empty() {
    assert_eq!(field(&board(), "Waitlist"), None);
    let waiting = Board { waiting: vec![mention(8), mention(9)], ..board() };
    assert_eq!(field(&waiting, "Waitlist (2)").unwrap(), "1. <@8>\n2. <@9>");
}

#[test]
fn di_27_rewards_are_a_spoiler_that_their_own_bars_do_not_end() {
    let board = Board { rewards: Some("a || b".into()), ..board() };
    assert_eq!(field(&board, "Rewards").unwrap(), "||a |\u{200b}|\u{200b} b||");
}

#[test]
fn di_29_buttons_obey_only_a_scheduled_game_and_join_not_where_the_host_picks() {
    let full = Board { confirmed: (2..6).map(mention).collect(), ..board() };
    assert_eq!(enabled(&full), [true, true]);
    assert_eq!(enabled(&Board { signup_method: SignupMethod::HostSelected, ..board() }), [false, true]);
    assert_eq!(enabled(&Board { signup_method: SignupMethod::HostSelectedWithWaitlist, ..board() }), [true, true]);
    for status in [Status::InProgress, Status::Completed, Status::Cancelled] {
        assert_eq!(enabled(&Board { status, ..board() }), [false, false]);
    }
    assert!(enabled(&Board { status: Status::Archived, ..board() }).is_empty());
}

#[test]
fn di_17_buttons_carry_verb_and_game() {
    let body = render(&board(), Occasion::First);
    let ids: Vec<_> = body["components"][0]["components"].as_array().unwrap().iter().map(|b| &b["custom_id"]).collect();
    let game = "0198c0de-0000-7000-8000-000000000001";
    assert_eq!(ids, [&json!(format!("join_game_{game}")), &json!(format!("leave_game_{game}"))]);
}

#[test]
fn di_33_a_first_post_pings_its_line_an_edit_nobody() {
    let first = render(&board(), Occasion::First);
    assert_eq!(first["allowed_mentions"], json!({ "parse": [], "roles": ["5"], "users": ["1", "2"] }));
    let edit = render(&board(), Occasion::Edit);
    assert_eq!(edit["allowed_mentions"], json!({ "parse": [] }));
    assert_eq!(edit["content"], first["content"]);
}

#[test]
fn li_36_a_first_post_after_the_start_pings_nobody() {
    let late = render(&Board { status: Status::InProgress, ..board() }, Occasion::First);
    assert_eq!(late["allowed_mentions"], json!({ "parse": [] }));
}

#[test]
fn di_20_nobody_is_named_twice() {
    let board = Board { confirmed: vec![mention(1), mention(2), mention(2)], ..board() };
    assert_eq!(render(&board, Occasion::First)["content"], "<@&5> <@1> <@2>");
}

#[test]
fn di_33_everyone_is_pinged_only_as_a_notify_role() {
    let board = Board { notify_roles: vec![DiscordRole::new(77)], ..board() };
    let body = render(&board, Occasion::First);
    assert_eq!(body["content"], "@everyone <@1> <@2>");
    assert_eq!(body["allowed_mentions"], json!({ "parse": ["everyone"], "roles": [], "users": ["1", "2"] }));
}

#[test]
fn li_52_an_archive_copy_has_no_buttons_and_names_the_players_only_with_rewards() {
    let plain = render(&board(), Occasion::ArchiveCopy);
    assert_eq!((&plain["content"], &plain["components"]), (&json!(""), &json!([])));
    let rewarded = render(&Board { rewards: Some("Gold".into()), ..board() }, Occasion::ArchiveCopy);
    assert_eq!(rewarded["allowed_mentions"], json!({ "parse": [], "roles": [], "users": ["2"] }));
}

#[test]
fn li_42_a_cancelled_game_is_red_marked_and_tells_why() {
    let board = Board { status: Status::Cancelled, cancel_reason: Some("Snow".into()), ..board() };
    let embed = embed_of(&board);
    assert_eq!((&embed["title"], &embed["color"]), (&json!("Cancelled: Barrow of the Ice King"), &json!(0x00E7_4C3C)));
    assert_eq!(field(&board, "Reason").unwrap(), "Snow");
}

#[test]
fn di_30_titles_and_placeholders_form_no_mark_up_and_no_mention() {
    let board = Board {
        title: "**Loud**".into(),
        confirmed: vec![Shown::Name("<@123456789012345678>".into()), Shown::Name("@everyone".into())],
        ..board()
    };
    assert_eq!(embed_of(&board)["title"], r"\*\*Loud\*\*");
    let players = field(&board, "Players").unwrap();
    assert!(players.starts_with("1. \\<@\u{200b}123456789012345678\\>\n2. @\u{200b}everyone\n"), "{players}");
    assert_eq!(render(&board, Occasion::First)["content"], "<@&5> <@1>");
}

#[test]
fn di_32_the_waitlist_is_cut_first_and_ends_in_a_link() {
    let board = Board { waiting: (100..400).map(mention).collect(), ..board() };
    let fields = fields_of(&board);
    assert!(fields.iter().any(|(name, _)| name == "Waitlist (300)"));
    assert!(fields.last().unwrap().1.ends_with("15. <@114>\n[+285 more](https://play.example/games/1)"));
}

#[test]
fn di_32_then_the_description_then_the_place_then_the_columns() {
    let name = |number: u64| Shown::Name(format!("{number} {}", "x".repeat(20)));
    let seated = |count| Board { max_players: 100, confirmed: (0..count).map(name).collect(), ..board() };
    let described = Board { description: Some("d".repeat(2000)), rewards: Some("r".repeat(1000)), ..seated(100) };
    let embed = embed_of(&described);
    let description = embed["description"].as_str().unwrap();
    assert!(description.ends_with("d… [more](https://play.example/games/1)"));
    assert_eq!(units(description), 200);
    assert!(field(&described, "Players (100/100)").unwrap().starts_with("1. 0 xxx"));

    let placed = Board {
        status: Status::Cancelled,
        cancel_reason: Some("🎲".repeat(350)),
        location: Some("w".repeat(500)),
        waiting: (0..50).map(|_| Shown::Name("🎲".repeat(100))).collect(),
        ..described
    };
    assert_eq!(units(&field(&placed, "Where").unwrap()), 100);
    assert!(field(&placed, "Players (100/100)").unwrap().starts_with("1. 0 xxx"));

    let counted = Board { title: "🎲".repeat(200), ..placed };
    assert_eq!(
        field(&counted, "Players (100/100)").unwrap(),
        "100 taken, 0 open. [See all](https://play.example/games/1)"
    );
    assert_eq!(field(&counted, "Waitlist (50)").unwrap(), "50 waiting. [See all](https://play.example/games/1)");
}

#[test]
fn di_32_a_title_too_long_for_discord_stands_whole_above_the_description() {
    let board = Board { title: "🎲".repeat(200), ..board() };
    let embed = embed_of(&board);
    assert_eq!(units(embed["title"].as_str().unwrap()), 255);
    assert_eq!(embed["description"], format!("**{}**\n\nBring dice.", "🎲".repeat(200)));
}

#[test]
fn without_a_configured_page_links_are_left_out() {
    let board = Board { page_url: None, calendar_url: None, waiting: (100..400).map(mention).collect(), ..board() };
    assert_eq!(embed_of(&board).get("url"), None);
    assert!(fields_of(&board).last().unwrap().1.ends_with("\n+285 more"));
}

#[test]
fn di_20_a_line_that_cannot_hold_everybody_says_how_many_are_missing() {
    let ids = 12_345_678_901_234_567_890_u64;
    let board = Board { max_players: 100, confirmed: (ids..ids + 100).map(mention).collect(), ..board() };
    let body = render(&board, Occasion::First);
    let named = body["allowed_mentions"]["users"].as_array().unwrap().len();
    let missing = 101 - named;
    assert!(body["content"].as_str().unwrap().ends_with(&format!("> and {missing} more")));
    assert_accepted(&body);
}
