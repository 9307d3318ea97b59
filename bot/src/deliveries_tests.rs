//! What each answer of Discord means for a direct message.

use shared::domain::ids::{DiscordUser, GameId};

use super::*;

fn turn() -> Claimed {
    let id = DeliveryId::new();
    Claimed {
        id,
        game: Some(GameId::new()),
        fence: 1,
        attempts: 1,
        park_after: 8,
        unknowns: 0,
        unknown_for: None,
        first_attempt_at: chrono::DateTime::UNIX_EPOCH,
        too_late: false,
        moved: false,
        recipient: DiscordUser::new(7),
        kind: "reminder".to_owned(),
        payload: json!({}),
        nonce: deliveries::nonce(id),
        lateness: Duration::ZERO,
    }
}

fn failure(class: Class, code: Option<u64>) -> Failure {
    Failure { class, status: Some(403), code, retry_after: None }
}

#[test]
fn a_lost_answer_is_uncertain_and_never_failed() {
    let end = post_failed(&turn(), DiscordChannel::new(1), &failure(Class::Unknown, None));
    assert!(matches!(end, End::Uncertain(wait, _) if wait >= Duration::from_secs(2) && wait <= Duration::from_secs(5)));
}

#[test]
fn who_cannot_be_written_to_is_refused_with_discords_code() {
    let end = post_failed(&turn(), DiscordChannel::new(1), &failure(Class::Permanent, Some(50_007)));
    assert!(matches!(end, End::Failed(50_007)));
    assert_eq!(outcome(end), Some("refused"));
}

#[test]
fn what_was_posted_and_deleted_counts_as_sent() {
    assert!(matches!(
        post_failed(&turn(), DiscordChannel::new(1), &failure(Class::Done, Some(10_008))),
        End::Sent(_, None)
    ));
}

#[test]
fn nobody_who_may_have_been_told_is_called_unreachable() {
    let unknown = Claimed { unknowns: 1, ..turn() };
    assert!(matches!(open_failed(&unknown, &failure(Class::Permanent, Some(50_278))), End::NoProof));
    assert!(matches!(open_failed(&turn(), &failure(Class::Permanent, Some(50_278))), End::Failed(50_278)));
}

#[test]
fn a_429_waits_as_told_and_costs_no_try() {
    let told = Failure { retry_after: Some(Duration::from_secs(30)), ..failure(Class::Wait, None) };
    assert!(matches!(certain(&turn(), &told), End::Wait(wait, _) if wait >= Duration::from_secs(30)));
}

#[test]
fn a_moved_start_makes_a_letter_stale_and_a_late_one_expires() {
    assert!(expired(&turn()).is_none());
    assert!(matches!(expired(&Claimed { moved: true, ..turn() }), Some(End::Expired("stale"))));
    assert!(matches!(expired(&Claimed { too_late: true, moved: true, ..turn() }), Some(End::Expired("late"))));
}

#[test]
fn a_message_is_found_by_the_footer_that_was_rendered() {
    let letter = Letter::new(Notice::Reminder, None, "Title".to_owned(), chrono::DateTime::UNIX_EPOCH);
    let (mine, other) = (turn(), Claimed { nonce: "n9ZZZZZZZ9ZZZZZZZ9ZZZZZZ".to_owned(), ..turn() });
    let message = letter::render(&letter, &mine.nonce);
    assert!(has_marker(&message, &letter::marker(&mine.nonce)));
    assert!(!has_marker(&message, &letter::marker(&other.nonce)));
}

#[test]
fn two_letters_of_one_moment_have_different_marks() {
    let (one, other) = (turn(), turn());
    assert_ne!(letter::marker(&one.nonce), letter::marker(&other.nonce), "or one would stand as proof of the other");
}

#[test]
fn a_search_without_an_end_is_repeated_and_never_becomes_a_second_message() {
    let unknown = Claimed { unknowns: 1, ..turn() };
    assert!(matches!(unfinished(&unknown, None, "no_time"), End::Retry(_, "no_time")));
    assert!(matches!(unfinished(&Claimed { attempts: 9, ..unknown }, None, "no_time"), End::NoProof));
}
