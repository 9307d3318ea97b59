//! The game forms: what each part means when it is absent, empty or given (TE-05, GE-04).

use shared::domain::form::{Edit, FieldError, Form, Patch};
use shared::domain::game::Status;
use shared::domain::ids::TemplateId;

use crate::fields::{Fields, Reader};

/// The form that creates a game.
#[derive(Debug)]
pub(super) struct Create {
    pub(super) template: Option<TemplateId>,
    pub(super) form: Form,
    /// Names another host; only managers may (PE-16).
    pub(super) host: Option<String>,
    pub(super) errors: Vec<FieldError>,
}

/// The form that changes one.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) edit: Edit,
    pub(super) status: Option<Status>,
    pub(super) errors: Vec<FieldError>,
}

pub(super) fn create(fields: &Fields) -> Create {
    let mut reader = Reader::new(fields);
    let template = reader.word("template_id");
    if template.is_none() && reader.filled("template_id").is_none() {
        reader.refuse("template_id", "required", "Pick a template.");
    }
    let form = Form {
        title: reader.text("title"),
        description: reader.text("description"),
        signup_instructions: reader.text("signup_instructions"),
        location: reader.text("where"),
        scheduled_at: reader.instant("scheduled_at"),
        post_at: reader.instant("post_at"),
        max_players: reader.number("max_players"),
        min_players: reader.number("min_players"),
        expected_duration_minutes: reader.number("expected_duration_minutes"),
        reminder_minutes: reader.list("reminder_minutes"),
        signup_method: reader.word("signup_method"),
        remind_host_rewards: reader.flag("remind_host_rewards"),
        starters: reader.list("initial_participants"),
    };
    let host = reader.filled("host").map(str::to_owned);
    no_series(&mut reader);
    reader.no_pictures();
    Create { template, form, host, errors: reader.errors() }
}

pub(super) fn change(fields: &Fields) -> Change {
    let mut reader = Reader::new(fields);
    let set = |text: Option<String>| text.map_or(Patch::Keep, Patch::Set);
    let edit = Edit {
        title: set(reader.text("title")),
        description: set(reader.text("description")),
        signup_instructions: set(reader.text("signup_instructions")),
        location: set(reader.text("where")),
        rewards: set(reader.text("rewards")),
        scheduled_at: given(reader.instant("scheduled_at")),
        max_players: given(reader.number("max_players")),
        min_players: given(reader.number("min_players")),
        expected_duration_minutes: given(reader.number("expected_duration_minutes")),
        reminder_minutes: given(reader.list("reminder_minutes")),
        signup_method: given(reader.word("signup_method")),
        remind_host_rewards: given(reader.flag("remind_host_rewards")),
        post_at: post_at(&mut reader),
    };
    let status = reader.word("status");
    no_series(&mut reader);
    no_roster(&mut reader);
    reader.no_pictures();
    Change { edit, status, errors: reader.errors() }
}

fn given<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Keep, Patch::Set)
}

/// Asking for the post now wins over a time for it.
fn post_at(reader: &mut Reader<'_>) -> Patch<chrono::DateTime<chrono::Utc>> {
    let at = reader.instant("post_at");
    if reader.flag("clear_post_at") == Some(true) { Patch::Clear } else { given(at) }
}

/// What this release does not do is refused and not dropped in silence.
fn no_series(reader: &mut Reader<'_>) {
    if reader.filled("recur_rule").is_some() {
        reader.refuse("recur_rule", "series_unsupported", "This server does not repeat games. Leave the rule out.");
    }
}

fn no_roster(reader: &mut Reader<'_>) {
    for field in ["participants", "removed_participant_ids"] {
        let listed = reader.list::<serde_json::Value>(field);
        if listed.is_some_and(|rows| !rows.is_empty()) {
            reader.refuse(field, "roster_unsupported", "Players join and leave by themselves on this server.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::tests::fields;

    #[test]
    fn an_absent_part_leaves_it_to_the_template_and_an_empty_one_means_none() {
        let sent =
            fields(&[("where", ""), ("reminder_minutes", "[]"), ("title", "Dune"), ("initial_participants", "")]);
        let form = create(&sent).form;
        assert_eq!(form.location.as_deref(), Some(""));
        assert_eq!(form.reminder_minutes, Some(vec![]));
        assert_eq!(form.signup_instructions, None);
        assert_eq!(form.max_players, None);
        assert_eq!(form.starters, None);
    }

    #[test]
    fn a_form_without_a_template_and_with_a_strange_method_names_both() {
        let read = create(&fields(&[("signup_method", "LOTTERY")]));
        let codes: Vec<_> = read.errors.iter().map(|error| (error.field, error.code)).collect();
        assert_eq!(codes, [("template_id", "required"), ("signup_method", "invalid_value")]);
    }

    #[test]
    fn in_an_edit_what_is_absent_stays_and_an_empty_text_is_emptied() {
        let sent = [("description", ""), ("scheduled_at", ""), ("reminder_minutes", "null"), ("channel_id", "ignored")];
        let change = change(&fields(&sent));
        assert_eq!(change.edit, Edit { description: Patch::Set(String::new()), ..Edit::default() });
        assert!(change.errors.is_empty(), "{:?}", change.errors);
    }

    #[test]
    fn a_form_without_parts_changes_nothing() {
        let change = change(&fields(&[]));
        assert_eq!((change.edit, change.status), (Edit::default(), None));
    }

    #[test]
    fn posting_now_wins_over_a_time_to_post() {
        let sent = fields(&[("post_at", "2026-05-01T18:00:00Z"), ("clear_post_at", "true")]);
        assert_eq!(change(&sent).edit.post_at, Patch::Clear);
    }

    #[test]
    fn a_limit_cannot_be_emptied() {
        let change = change(&fields(&[("max_players", "")]));
        assert_eq!((change.errors[0].field, change.errors[0].code), ("max_players", "not_a_number"));
    }
}
