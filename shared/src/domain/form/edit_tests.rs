//! The promises of editing.

use super::super::super::samples::{game, noon, noon_plus, role};
use super::*;

fn codes(errors: &[FieldError]) -> Vec<(&'static str, &'static str)> {
    errors.iter().map(|error| (error.field, error.code)).collect()
}

fn invalid(edit: Edit) -> Vec<(&'static str, &'static str)> {
    match edit.apply(&game(), noon()) {
        Err(EditRefusal::Invalid(errors)) => codes(&errors),
        other => panic!("not refused as invalid: {other:?}"),
    }
}

#[test]
fn li_26_a_whole_unchanged_form_is_no_change_in_every_state() {
    for status in Status::ALL {
        let stored = Game { status: *status, scheduled_at: noon_plus(-600), ..game() };
        let same = Edit {
            title: Patch::Set(format!(" {} ", stored.title)),
            description: Patch::Set("Bring dice.".into()),
            location: Patch::Set(String::new()),
            scheduled_at: Patch::Set(stored.scheduled_at),
            max_players: Patch::Set(4),
            reminder_minutes: Patch::Set(vec![60, 15]),
            signup_method: Patch::Set(SignupMethod::SelfSignup),
            rewards: Patch::Set(String::new()),
            remind_host_rewards: Patch::Set(false),
            post_at: Patch::Clear,
            ..Edit::default()
        };
        assert_eq!(same.apply(&stored, noon()), Ok(None), "{status}");
    }
}

#[test]
fn li_25_cleared_limits_behave_as_unset() {
    let cleared = Edit {
        max_players: Patch::Clear,
        expected_duration_minutes: Patch::Clear,
        reminder_minutes: Patch::Clear,
        description: Patch::Clear,
        ..Edit::default()
    };
    let stored = Game { reminder_minutes: vec![], ..game() };
    let edited = cleared.apply(&stored, noon()).unwrap().unwrap();
    assert_eq!((edited.max_players, edited.reminder_minutes), (10, vec![60, 15]));
    assert_eq!((edited.expected_duration_minutes, edited.description), (None, None));
}

#[test]
fn li_25_title_start_and_method_cannot_be_cleared() {
    let cleared =
        Edit { title: Patch::Clear, scheduled_at: Patch::Clear, signup_method: Patch::Clear, ..Edit::default() };
    let fields = [("title", "not_clearable"), ("signup_method", "not_clearable"), ("scheduled_at", "not_clearable")];
    assert_eq!(invalid(cleared), fields);
}

#[test]
fn ge_03_a_moved_start_must_lie_ahead() {
    let moved = Edit { scheduled_at: Patch::Set(noon()), ..Edit::default() };
    assert_eq!(invalid(moved), [("scheduled_at", "start_out_of_range")]);
}

#[test]
fn li_32_moving_the_start_before_the_announcement_is_refused() {
    let stored = Game { post_at: Some(noon_plus(100)), ..game() };
    let moved = Edit { scheduled_at: Patch::Set(noon_plus(90)), ..Edit::default() };
    let Err(EditRefusal::Invalid(errors)) = moved.apply(&stored, noon()) else { panic!("accepted") };
    assert_eq!(codes(&errors), [("post_at", "post_at_not_before_start")]);
}

#[test]
fn li_27_each_state_names_what_it_does_not_let_change() {
    let edit = Edit {
        title: Patch::Set("Other".into()),
        description: Patch::Set("Other".into()),
        max_players: Patch::Set(5),
        reminder_minutes: Patch::Set(vec![5]),
        rewards: Patch::Set("Gold".into()),
        ..Edit::default()
    };
    let refused = |status| match edit.clone().apply(&Game { status, ..game() }, noon()) {
        Err(EditRefusal::NotEditableNow { status: named, fields }) if named == status => fields,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Status::Scheduled), ["rewards"]);
    assert_eq!(refused(Status::InProgress), ["reminder_minutes"]);
    assert_eq!(refused(Status::Completed), ["title", "max_players", "reminder_minutes"]);
    assert_eq!(refused(Status::Archived), ["title", "description", "max_players", "reminder_minutes"]);
    assert_eq!(refused(Status::Cancelled), ["title", "description", "max_players", "reminder_minutes", "rewards"]);
}

#[test]
fn te_07_an_edit_does_not_part_priority_roles_and_role_based() {
    let to = |method| Edit { signup_method: Patch::Set(method), ..Edit::default() };
    assert_eq!(invalid(to(SignupMethod::RoleBased)), [("signup_method", "method_not_allowed")]);
    assert!(to(SignupMethod::HostSelected).apply(&game(), noon()).unwrap().is_some());
    let by_role = Game { signup_method: SignupMethod::RoleBased, priority_roles: vec![role(1)], ..game() };
    assert!(to(SignupMethod::SelfSignup).apply(&by_role, noon()).is_err());
}

#[test]
fn li_35_clearing_the_posting_time_posts_now_and_a_post_that_is_out_cannot_be_deferred() {
    let deferred = Game { post_at: Some(noon_plus(100)), ..game() };
    let now = Edit { post_at: Patch::Clear, ..Edit::default() }.apply(&deferred, noon()).unwrap();
    assert!(now.unwrap().is_announced(noon()));
    let again = Edit { post_at: Patch::Set(noon_plus(5)), ..Edit::default() }.apply(&game(), noon());
    let refused = EditRefusal::NotEditableNow { status: Status::Scheduled, fields: vec!["post_at"] };
    assert_eq!(again, Err(refused));
}
