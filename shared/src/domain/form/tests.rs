//! The promises of creating.

use uuid::Uuid;

use super::super::samples::{noon, noon_plus, role, user};
use super::*;

fn template() -> Template {
    Template {
        id: TemplateId(Uuid::from_u128(400)),
        guild: GuildId(Uuid::from_u128(200)),
        name: "Default".into(),
        description: None,
        sort_order: 0,
        is_default: true,
        channel: ChannelId(Uuid::from_u128(300)),
        archive_channel: None,
        archive_delay_seconds: Some(60),
        notify_roles: vec![role(5)],
        player_roles: vec![],
        host_roles: vec![],
        priority_roles: vec![],
        allowed_methods: vec![],
        default_method: None,
        max_players: Some(6),
        min_players: None,
        expected_duration_minutes: Some(90),
        reminder_minutes: Some(vec![30]),
        location: Some("Table 4".into()),
        signup_instructions: Some("Bring dice.".into()),
        remind_host_rewards: true,
        version: 1,
    }
}

fn form() -> Form {
    Form { title: Some(" Barrow ".into()), scheduled_at: Some(noon_plus(60)), ..Form::default() }
}

fn codes(errors: &[FieldError]) -> Vec<(&'static str, &'static str)> {
    errors.iter().map(|error| (error.field, error.code)).collect()
}

fn refused(form: Form) -> Vec<(&'static str, &'static str)> {
    codes(&form.against(&template(), noon()).unwrap_err())
}

#[test]
fn te_05_what_is_absent_comes_from_the_template() {
    let draft = form().against(&template(), noon()).unwrap();
    assert_eq!((draft.title.as_str(), draft.max_players), ("Barrow", 6));
    assert_eq!((draft.expected_duration_minutes, draft.reminder_minutes), (Some(90), vec![30]));
    assert_eq!((draft.location.as_deref(), draft.remind_host_rewards), (Some("Table 4"), true));
}

#[test]
fn te_05_what_neither_form_nor_template_has_is_the_default() {
    let bare = Template { max_players: None, reminder_minutes: None, expected_duration_minutes: None, ..template() };
    let draft = form().against(&bare, noon()).unwrap();
    assert_eq!((draft.max_players, draft.reminder_minutes), (10, vec![60, 15]));
    assert_eq!((draft.expected_duration_minutes, draft.signup_method), (None, SignupMethod::SelfSignup));
}

#[test]
fn te_05_an_emptied_field_stays_empty() {
    let emptied = Form {
        location: Some("  ".into()),
        signup_instructions: Some(String::new()),
        reminder_minutes: Some(vec![]),
        remind_host_rewards: Some(false),
        ..form()
    };
    let draft = emptied.against(&template(), noon()).unwrap();
    assert_eq!((draft.location, draft.signup_instructions, draft.reminder_minutes), (None, None, vec![]));
    assert!(!draft.remind_host_rewards);
}

#[test]
fn te_08_an_empty_list_allows_all_but_role_based() {
    for method in SignupMethod::ALL {
        let drafted = Form { signup_method: Some(*method), ..form() }.against(&template(), noon());
        assert_eq!(drafted.is_ok(), *method != SignupMethod::RoleBased, "{method}");
    }
}

#[test]
fn te_08_a_method_outside_the_list_is_refused() {
    let picky = Template { allowed_methods: vec![SignupMethod::HostSelected], ..template() };
    let errors = form().against(&picky, noon()).unwrap_err();
    assert_eq!(codes(&errors), [("signup_method", "method_not_allowed")]);
}

#[test]
fn ge_03_a_start_must_lie_ahead_within_730_days() {
    let at = |start| Form { scheduled_at: Some(start), ..form() }.against(&template(), noon());
    assert_eq!(codes(&at(noon()).unwrap_err()), [("scheduled_at", "start_out_of_range")]);
    assert!(at(noon() + TimeDelta::seconds(1)).is_ok());
    assert!(at(noon() + TimeDelta::days(730)).is_ok());
    assert!(at(noon() + TimeDelta::days(730) + TimeDelta::seconds(1)).is_err());
}

#[test]
fn li_32_the_announcement_comes_before_the_start_and_one_not_ahead_means_now() {
    let late = Form { post_at: Some(noon_plus(60)), ..form() };
    assert_eq!(refused(late), [("post_at", "post_at_not_before_start")]);
    let past = Form { post_at: Some(noon()), ..form() };
    assert_eq!(past.against(&template(), noon()).unwrap().post_at, None);
    let ahead = Form { post_at: Some(noon_plus(30)), ..form() };
    assert_eq!(ahead.against(&template(), noon()).unwrap().post_at, Some(noon_plus(30)));
}

#[test]
fn ge_07_all_field_errors_come_in_one_answer() {
    let wrong = Form {
        title: Some("x".repeat(201)),
        scheduled_at: None,
        description: Some("x".repeat(2001)),
        location: Some("x".repeat(501)),
        signup_instructions: Some("x".repeat(1001)),
        max_players: Some(101),
        min_players: Some(0),
        expected_duration_minutes: Some(1441),
        reminder_minutes: Some(vec![0]),
        starters: Some(vec!["x".repeat(101)]),
        ..Form::default()
    };
    assert_eq!(
        refused(wrong),
        [
            ("title", "too_long"),
            ("scheduled_at", "required"),
            ("max_players", "out_of_range"),
            ("min_players", "out_of_range"),
            ("description", "too_long"),
            ("signup_instructions", "too_long"),
            ("where", "too_long"),
            ("expected_duration_minutes", "out_of_range"),
            ("reminder_minutes", "out_of_range"),
            ("initial_participants", "too_long"),
        ]
    );
}

#[test]
fn ge_05_length_counts_scalar_values_and_a_blank_title_is_none() {
    assert!(Form { title: Some("🎲".repeat(200)), ..form() }.against(&template(), noon()).is_ok());
    assert_eq!(refused(Form { title: Some(" \u{7} ".into()), ..form() }), [("title", "required")]);
}

#[test]
fn l_09_reminders_are_distinct_and_at_most_ten() {
    let twice = Form { reminder_minutes: Some(vec![15, 60, 15]), ..form() };
    assert_eq!(twice.against(&template(), noon()).unwrap().reminder_minutes, [15, 60]);
    let eleven = Form { reminder_minutes: Some((1..=11).collect()), ..form() };
    assert_eq!(refused(eleven), [("reminder_minutes", "too_many")]);
}

#[test]
fn te_09_the_minimum_is_checked_on_the_merged_row() {
    let few = Template { min_players: Some(5), ..template() };
    let errors = Form { max_players: Some(4), ..form() }.against(&few, noon()).unwrap_err();
    assert_eq!(codes(&errors), [("min_players", "min_above_max")]);
}

#[test]
fn te_02_the_templates_locked_fields_are_copied_into_the_game() {
    let draft = form().against(&template(), noon()).unwrap();
    let made = draft.game(GameId(Uuid::from_u128(1)), &template(), user(7), noon());
    assert_eq!((made.notify_roles, made.archive_delay_seconds), (vec![role(5)], Some(60)));
    assert_eq!((made.status, made.host, made.version), (Status::Scheduled, user(7), 1));
}
