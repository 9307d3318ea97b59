//! The schedule's promises.

use proptest::prelude::*;

use super::super::samples::{game, noon, noon_plus};
use super::*;

fn starting_at_noon() -> Game {
    Game { scheduled_at: noon(), ..game() }
}

#[test]
fn li_33_a_new_game_arms_its_post_its_start_and_its_completion() {
    let game = Game { post_at: Some(noon_plus(-30)), ..starting_at_noon() };
    let armed: Vec<_> = transitions(&game, noon_plus(-60)).iter().map(|due| (due.target, due.due_at)).collect();
    assert_eq!(
        armed,
        [(Target::Post, noon_plus(-30)), (Target::InProgress, noon()), (Target::Completed, noon_plus(120))]
    );
}

#[test]
fn li_32_a_posting_time_that_is_not_ahead_arms_no_post() {
    let game = Game { post_at: Some(noon_plus(-30)), ..starting_at_noon() };
    assert!(transitions(&game, noon_plus(-30)).iter().all(|due| due.target != Target::Post));
}

#[test]
fn li_20_starts_and_completions_are_armed_however_late() {
    assert_eq!(transitions(&starting_at_noon(), noon_plus(9999)).len(), 2);
}

#[test]
fn li_08_a_pending_occurrence_is_cancelled_at_its_start() {
    let game = Game { status: Status::PendingConfirmation, ..starting_at_noon() };
    let armed = transitions(&game, noon_plus(-60));
    assert_eq!(armed, [DueTransition { target: Target::Cancelled, due_at: noon(), for_start_at: noon() }]);
    assert!(reminders(&game, noon_plus(-600)).is_empty());
}

#[test]
fn li_13_a_running_game_has_only_its_completion_before_it() {
    let game = Game { status: Status::InProgress, ..starting_at_noon() };
    let armed: Vec<_> = transitions(&game, noon()).iter().map(|due| due.target).collect();
    assert_eq!(armed, [Target::Completed]);
}

#[test]
fn no_16_each_offset_gives_one_reminder_soonest_first() {
    let game = Game { reminder_minutes: vec![15, 60, 15], ..starting_at_noon() };
    let rows = reminders(&game, noon_plus(-600));
    let told: Vec<_> = rows.iter().map(|row| (row.minutes_before, row.due_at)).collect();
    assert_eq!(told, [(Some(60), noon_plus(-60)), (Some(15), noon_plus(-15))]);
}

#[test]
fn no_16_a_reminder_due_this_instant_is_not_in_the_future() {
    let rows = reminders(&starting_at_noon(), noon_plus(-60));
    assert_eq!(rows.iter().map(|row| row.minutes_before).collect::<Vec<_>>(), [Some(15)]);
}

#[test]
fn li_33_a_game_not_yet_announced_has_no_reminders() {
    let game = Game { post_at: Some(noon_plus(-90)), ..starting_at_noon() };
    assert!(reminders(&game, noon_plus(-91)).is_empty());
    assert_eq!(reminders(&game, noon_plus(-90)).len(), 2);
}

#[test]
fn no_23_a_moment_expires_after_fifteen_minutes_or_with_the_game() {
    assert_eq!(Notice::Reminder.not_after(noon(), noon_plus(90)), noon_plus(15));
    assert_eq!(Notice::Reminder.not_after(noon(), noon_plus(5)), noon_plus(5));
}

#[test]
fn no_24_news_expire_after_a_day_or_with_the_game_except_removed_left_and_rewards() {
    let far = noon_plus(3 * 24 * 60);
    let day = noon_plus(24 * 60);
    for kind in Notice::ALL.iter().filter(|kind| kind.keep() == Keep::News) {
        assert_eq!(kind.not_after(noon(), far), day, "{kind}");
        let lasts = [Notice::Removed, Notice::Left, Notice::RewardsReminder].contains(kind);
        assert_eq!(kind.not_after(noon(), noon_plus(30)), if lasts { day } else { noon_plus(30) }, "{kind}");
    }
}

#[test]
fn a_question_is_kept_until_its_deadline() {
    assert_eq!(Notice::CloneConfirm.not_after(noon(), noon_plus(7)), noon_plus(7));
}

#[test]
fn l_23_a_notice_is_marked_late_after_sixty_seconds() {
    let minute_later = noon() + TimeDelta::seconds(60);
    assert_eq!(Notice::Reminder.late_mark(noon(), minute_later), None);
    assert_eq!(Notice::Reminder.late_mark(noon(), minute_later + TimeDelta::milliseconds(1)), Some(noon()));
    assert_eq!(Notice::CloneConfirm.late_mark(noon(), noon_plus(5)), None);
}

#[test]
fn no_16_a_reminder_made_for_another_start_is_stale() {
    let game = starting_at_noon();
    let (due, now) = (noon_plus(-60), noon_plus(-60));
    assert_eq!(Notice::Reminder.expired(&game, noon_plus(1), due, now), Some(Expired::Stale));
    assert_eq!(Notice::Reminder.expired(&game, noon(), due, now), None);
    assert_eq!(Notice::Joined.expired(&game, noon_plus(1), due, now), None);
}

#[test]
fn no_23_a_reminder_fifteen_minutes_late_is_not_sent() {
    let game = starting_at_noon();
    assert_eq!(Notice::Reminder.expired(&game, noon(), noon_plus(-60), noon_plus(-46)), None);
    let late = Notice::Reminder.expired(&game, noon(), noon_plus(-60), noon_plus(-45));
    assert_eq!(late, Some(Expired::TooLate));
}

#[test]
fn no_24_of_a_cancelled_game_only_removed_left_and_cancelled_are_sent() {
    let game = Game { status: Status::Cancelled, ..starting_at_noon() };
    let sent: Vec<_> =
        Notice::ALL.iter().filter(|kind| kind.expired(&game, noon(), noon(), noon()).is_none()).copied().collect();
    assert_eq!(sent, [Notice::Removed, Notice::Left, Notice::Cancelled]);
}

proptest! {
    #[test]
    fn no_16_reminders_are_strictly_ahead_distinct_and_made_for_the_present_start(
        offsets in prop::collection::vec(1..=10_080_i32, 0..10),
        minutes_to_start in -2_000..20_000_i64,
    ) {
        let game = Game { reminder_minutes: offsets.clone(), ..starting_at_noon() };
        let now = noon_plus(-minutes_to_start);
        let rows = reminders(&game, now);
        prop_assert!(rows.iter().all(|row| row.due_at > now && row.for_start_at == noon()));
        prop_assert!(rows.windows(2).all(|pair| pair[0].due_at < pair[1].due_at));
        for offset in offsets {
            let ahead = i64::from(offset) < minutes_to_start;
            prop_assert_eq!(rows.iter().filter(|row| row.minutes_before == Some(offset)).count(), usize::from(ahead));
        }
    }
}
