//! The roster's promises.

use proptest::prelude::*;
use uuid::Uuid;

use super::super::samples::{noon, role, user};
use super::*;
use SignupMethod::{HostSelected, HostSelectedWithWaitlist, RoleBased, SelfSignup};

fn empty(method: SignupMethod, seats: i32) -> Roster {
    Roster::new(method, seats, vec![])
}

fn joins(roster: &mut Roster, number: u128) -> Place {
    roster.join(user(number), &[], &[], noon()).unwrap().place()
}

fn users(rows: &[Row]) -> Vec<UserId> {
    rows.iter().filter_map(|row| row.who.user()).collect()
}

#[test]
fn ro_04_the_first_rows_are_confirmed_and_the_rest_wait_from_one() {
    let mut roster = empty(SelfSignup, 2);
    assert_eq!(joins(&mut roster, 1), Place::Confirmed(1));
    assert_eq!(joins(&mut roster, 2), Place::Confirmed(2));
    assert_eq!(joins(&mut roster, 3), Place::Waiting(1));
    assert_eq!(joins(&mut roster, 4), Place::Waiting(2));
}

#[test]
fn ge_08_joining_again_tells_the_place_and_changes_nothing() {
    let mut roster = empty(SelfSignup, 1);
    joins(&mut roster, 1);
    let before = roster.clone();
    let again = roster.join(user(1), &[], &[], noon()).unwrap();
    assert_eq!(again, Joined::Already { place: Place::Confirmed(1) });
    assert_eq!(roster, before);
}

#[test]
fn ro_05_only_the_host_adds_to_a_host_selected_game() {
    let mut roster = empty(HostSelected, 2);
    assert_eq!(roster.join(user(1), &[], &[], noon()), Err(RosterRefusal::HostPicks));
    roster.seed_starters(vec![Who::User(user(1))], noon());
    assert_eq!(joins(&mut roster, 1), Place::Confirmed(1));
}

#[test]
fn ro_06_with_a_waitlist_only_host_rows_are_confirmed_and_seats_stay_free() {
    let mut roster = empty(HostSelectedWithWaitlist, 3);
    assert_eq!(joins(&mut roster, 1), Place::Waiting(1));
    roster.seed_starters(vec![Who::User(user(2))], noon());
    assert_eq!(roster.place_of_user(user(2)), Some(Place::Confirmed(1)));
    assert_eq!(roster.place_of_user(user(1)), Some(Place::Waiting(1)));
}

#[test]
fn ro_06_more_host_rows_than_seats_wait_ahead_of_everybody() {
    let mut roster = empty(HostSelectedWithWaitlist, 1);
    joins(&mut roster, 1);
    roster.seed_starters(vec![Who::User(user(2)), Who::User(user(3))], noon());
    assert_eq!(users(roster.confirmed()), [user(2)]);
    assert_eq!(users(roster.waiting()), [user(3), user(1)]);
}

#[test]
fn ro_07_priority_roles_come_first_by_the_first_role_held_then_by_time() {
    let priority = [role(1), role(2)];
    let mut roster = empty(RoleBased, 2);
    roster.join(user(1), &[], &priority, noon()).unwrap();
    roster.join(user(2), &[role(2)], &priority, noon()).unwrap();
    roster.join(user(3), &[role(2), role(1)], &priority, noon()).unwrap();
    roster.join(user(4), &[role(1)], &priority, noon()).unwrap();
    assert_eq!(users(roster.rows()), [user(3), user(4), user(2), user(1)]);
    let keys: Vec<_> = roster.rows().iter().map(|row| (row.class.number(), row.position)).collect();
    assert_eq!(keys, [(16000, 0), (16000, 0), (16000, 1), (24000, 32767)]);
}

#[test]
fn ro_07_roles_mean_nothing_to_the_other_methods() {
    let mut roster = empty(SelfSignup, 2);
    roster.join(user(1), &[role(1)], &[role(1)], noon()).unwrap();
    assert_eq!(roster.rows()[0].class, Class::SelfAdded);
}

#[test]
fn ro_08_joins_at_one_instant_get_rising_times_of_whole_microseconds() {
    let mut roster = empty(SelfSignup, 9);
    let now = noon() + TimeDelta::nanoseconds(1_999);
    for number in 1..=3 {
        roster.join(user(number), &[], &[], now).unwrap();
    }
    let micros: Vec<_> = roster.rows().iter().map(|row| (row.joined_at - noon()).num_nanoseconds()).collect();
    assert_eq!(micros, [Some(1_000), Some(2_000), Some(3_000)]);
}

#[test]
fn ro_08_a_clock_that_went_back_does_not_let_anyone_overtake() {
    let mut roster = empty(SelfSignup, 1);
    roster.join(user(1), &[], &[], noon()).unwrap();
    let second = roster.join(user(2), &[], &[], noon() - TimeDelta::hours(1)).unwrap();
    assert_eq!(second.place(), Place::Waiting(1));
}

#[test]
fn ro_08_rows_read_in_any_order_are_sorted_by_class_position_time_and_id() {
    let row = |id: u128, class, position, second| Row {
        id: ParticipantId(Uuid::from_u128(id)),
        who: Who::Placeholder(id.to_string()),
        class,
        position,
        joined_at: noon() + TimeDelta::seconds(second),
    };
    let rows = vec![
        row(6, Class::SelfAdded, UNPLACED, 1),
        row(5, Class::SelfAdded, 1, 9),
        row(4, Class::RoleMatched, 3, 0),
        row(3, Class::HostAdded, 2, 5),
        row(2, Class::HostAdded, 1, 8),
        row(1, Class::HostAdded, 1, 8),
    ];
    let ids: Vec<_> = Roster::new(SelfSignup, 4, rows).rows().iter().map(|row| row.id.0.as_u128()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn ro_09_placeholders_take_seats() {
    let mut roster = empty(SelfSignup, 1);
    roster.seed_starters(vec![Who::Placeholder("Grandma".into())], noon());
    assert_eq!(joins(&mut roster, 1), Place::Waiting(1));
}

#[test]
fn ro_13_a_full_game_refuses_nobody_until_a_thousand_rows() {
    let mut roster = empty(SelfSignup, 1);
    for number in 1..=1000 {
        joins(&mut roster, number);
    }
    assert_eq!(roster.join(user(1001), &[], &[], noon()), Err(RosterRefusal::RosterFull));
    assert_eq!(joins(&mut roster, 1000), Place::Waiting(999));
}

#[test]
fn ro_14_leaving_frees_the_seat_and_leaving_again_finds_nothing() {
    let mut roster = empty(SelfSignup, 1);
    joins(&mut roster, 1);
    joins(&mut roster, 2);
    let before = roster.clone();
    assert_eq!(roster.leave(user(1)).unwrap().who, Who::User(user(1)));
    assert_eq!(roster.leave(user(1)), None);
    assert_eq!(Changes::between(&before, &roster), Changes { promoted: vec![user(2)], demoted: vec![] });
}

#[test]
fn ro_15_starters_keep_their_order_skip_blanks_and_count_once() {
    let mut roster = empty(SelfSignup, 2);
    let typed = vec![
        Who::User(user(2)),
        Who::Placeholder("  ".into()),
        Who::Placeholder("Bo".into()),
        Who::User(user(2)),
        Who::User(user(1)),
    ];
    let rows = roster.seed_starters(typed, noon());
    let placed: Vec<_> = rows.iter().map(|row| (row.who.clone(), row.class, row.position)).collect();
    assert_eq!(
        placed,
        [
            (Who::User(user(2)), Class::HostAdded, 1),
            (Who::Placeholder("Bo".into()), Class::HostAdded, 2),
            (Who::User(user(1)), Class::HostAdded, 3),
        ]
    );
    joins(&mut roster, 9);
    assert_eq!(users(roster.waiting()), [user(1), user(9)]);
}

#[test]
fn ro_26_fewer_seats_demote_from_the_end_and_more_promote_again() {
    let mut roster = empty(SelfSignup, 3);
    for number in 1..=3 {
        joins(&mut roster, number);
    }
    let wide = roster.clone();
    roster.resize(1);
    let narrowed = Changes::between(&wide, &roster);
    assert_eq!(narrowed, Changes { promoted: vec![], demoted: vec![user(2), user(3)] });
    assert_eq!(Changes::between(&roster, &wide).promoted, [user(2), user(3)]);
}

#[test]
fn ro_26_another_method_moves_people_and_keeps_every_class() {
    let mut roster = empty(SelfSignup, 2);
    joins(&mut roster, 1);
    let before = roster.clone();
    roster.change_method(HostSelectedWithWaitlist);
    assert_eq!(roster.rows(), before.rows());
    assert_eq!(Changes::between(&before, &roster).demoted, [user(1)]);
}

#[derive(Clone, Debug)]
enum Verb {
    Join(u128, Vec<u64>),
    Leave(u128),
    Seed(Vec<u128>),
    Resize(i32),
    Method(usize),
}

fn verbs() -> impl Strategy<Value = Vec<Verb>> {
    let verb = prop_oneof![
        4 => (1..30_u128, prop::collection::vec(1..5_u64, 0..3)).prop_map(|(who, roles)| Verb::Join(who, roles)),
        2 => (1..30_u128).prop_map(Verb::Leave),
        1 => prop::collection::vec(0..30_u128, 0..5).prop_map(Verb::Seed),
        1 => (1..10_i32).prop_map(Verb::Resize),
        1 => (0..4_usize).prop_map(Verb::Method),
    ];
    prop::collection::vec(verb, 0..60)
}

fn apply(roster: &mut Roster, verb: &Verb) {
    let priority = [role(1), role(2), role(3)];
    match verb {
        Verb::Join(who, roles) => {
            let held: Vec<_> = roles.iter().copied().map(role).collect();
            let _: Result<Joined, RosterRefusal> = roster.join(user(*who), &held, &priority, noon());
        }
        Verb::Leave(who) => drop(roster.leave(user(*who))),
        Verb::Seed(who) => {
            let named = |who: &u128| match who {
                0 => Who::Placeholder("Bo".into()),
                who => Who::User(user(*who)),
            };
            roster.seed_starters(who.iter().map(named).collect(), noon());
        }
        Verb::Resize(seats) => roster.resize(*seats),
        Verb::Method(index) => roster.change_method(SignupMethod::ALL[*index]),
    }
}

fn can_be_confirmed(roster: &Roster, row: &Row) -> bool {
    roster.method() != HostSelectedWithWaitlist || row.class == Class::HostAdded
}

proptest! {
    #[test]
    fn ro_33_any_sequence_of_verbs_keeps_the_rosters_promises(verbs in verbs()) {
        let mut roster = empty(SelfSignup, 4);
        for verb in &verbs {
            let before = roster.clone();
            apply(&mut roster, verb);

            let seats = usize::try_from(roster.seats()).unwrap();
            prop_assert!(roster.rows().windows(2).all(|pair| pair[0].order() < pair[1].order()), "a total order");
            prop_assert!(roster.confirmed().len() <= seats);
            let free = roster.confirmed().len() < seats;
            let eligible = roster.waiting().iter().any(|row| can_be_confirmed(&roster, row));
            prop_assert!(!(free && eligible), "no free seat while an eligible row waits (RO-30)");

            let mut seen = HashSet::new();
            prop_assert!(users(roster.rows()).into_iter().all(|user| seen.insert(user)), "no duplicate");
            let mut times = HashSet::new();
            prop_assert!(roster.rows().iter().all(|row| times.insert(row.joined_at)), "joined_at is unique");
            for row in before.rows() {
                let left = matches!(verb, Verb::Leave(who) if row.who == Who::User(user(*who)));
                prop_assert_eq!(roster.rows().contains(row), !left, "only the one who leaves is lost or changed");
            }
            for (row, place) in roster.places() {
                prop_assert_eq!(roster.place_of(row.id), Some(place));
            }

            let changes = Changes::between(&before, &roster);
            prop_assert!(changes.promoted.iter().all(|user| !changes.demoted.contains(user)));
            let reversed = Changes::between(&roster, &before);
            prop_assert_eq!(changes.promoted.len(), reversed.demoted.len());
            prop_assert_eq!(changes.demoted.len(), reversed.promoted.len());
        }
    }
}
