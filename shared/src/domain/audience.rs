//! Who is told (NO-18): a pure function of game, roster and kind at the moment of firing.

use super::game::Game;
use super::ids::{ParticipantId, UserId};
use super::roster::{Changes, Class, Place, Roster, Row};
use super::schedule::Notice;

/// What a person is told as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A participant.
    Player(Place),
    /// The host, with their place if they also play.
    Host(Option<Place>),
}

/// One person who gets one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// Which notice: a join notice becomes `joined` or `waitlisted` when it fires.
    pub kind: Notice,
}

/// Whom a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Everybody whom the kind concerns.
    Everyone,
    /// Everybody but the person who did it (NO-09, NO-10).
    AllBut(UserId),
    /// One row of the roster.
    Participant(ParticipantId),
}

/// Everyone who gets a message, host first, then by place.
///
/// `removed` and `left` are about people who have no row any more: the verb that took them out names them,
/// and this answers nobody.
#[must_use]
pub fn recipients(game: &Game, roster: &Roster, kind: Notice, about: About) -> Vec<Recipient> {
    let host = || Recipient { user: game.host, role: Role::Host(roster.place_of_user(game.host)), kind };
    match kind {
        Notice::Joined | Notice::Waitlisted => one(roster, about, by_place),
        Notice::Promoted | Notice::Demoted | Notice::CloneConfirm => one(roster, about, |_| kind),
        Notice::Removed | Notice::Left => vec![],
        Notice::DropOut | Notice::NotEnoughPlayers | Notice::RecurrenceConfirm | Notice::RewardsReminder => {
            vec![host()]
        }
        Notice::Reminder | Notice::Rescheduled | Notice::Cancelled => {
            let others = roster.places().filter_map(|(row, place)| player(row, place, kind));
            let others = others.filter(|recipient| recipient.user != game.host);
            let all = std::iter::once(host()).chain(others);
            all.filter(|recipient| about != About::AllBut(recipient.user)).collect()
        }
    }
}

/// The letters of one change of a roster: one to each user who moved, in the order of the roster (RO-30). None to the
/// `unheard`, whose join notice still waits: it tells their place when it fires (NO-17).
#[must_use]
pub fn moved(after: &Roster, changes: &Changes, unheard: &[ParticipantId]) -> Vec<Recipient> {
    let letter = |(row, place): (&Row, Place)| {
        let user = row.who.user().filter(|_| !unheard.contains(&row.id))?;
        let kinds = [(&changes.promoted, Notice::Promoted), (&changes.demoted, Notice::Demoted)];
        let (_, kind) = kinds.into_iter().find(|(users, _)| users.contains(&user))?;
        player(row, place, kind)
    };
    after.places().filter_map(letter).collect()
}

/// The letters of one row that left by itself from its place: to the player, unless they never `heard` that they were
/// in (NO-06, NO-17), and to the host whose own choice it was (NO-07).
#[must_use]
pub fn left(game: &Game, after: &Roster, (row, place): (&Row, Place), heard: bool) -> Vec<Recipient> {
    let chosen = row.class == Class::HostAdded && row.who.user() != Some(game.host);
    let host = recipients(game, after, Notice::DropOut, About::Everyone).into_iter().filter(|_| chosen);
    let leaver = player(row, place, Notice::Left).filter(|_| heard);
    leaver.into_iter().chain(host).collect()
}

fn one(roster: &Roster, about: About, kind: impl Fn(Place) -> Notice) -> Vec<Recipient> {
    let About::Participant(participant) = about else {
        return vec![];
    };
    let found = roster.places().find(|(row, _)| row.id == participant);
    found.and_then(|(row, place)| player(row, place, kind(place))).into_iter().collect()
}

fn player(row: &Row, place: Place, kind: Notice) -> Option<Recipient> {
    row.who.user().map(|user| Recipient { user, role: Role::Player(place), kind })
}

const fn by_place(place: Place) -> Notice {
    match place {
        Place::Confirmed(_) => Notice::Joined,
        Place::Waiting(_) => Notice::Waitlisted,
    }
}

#[cfg(test)]
mod tests {
    use super::super::game::SignupMethod;
    use super::super::roster::Who;
    use super::super::samples::{game, noon, user};
    use super::*;

    /// Two seats: the placeholder Bo and user 2 have them, the host (user 1) and user 3 wait.
    fn roster() -> Roster {
        let mut roster = Roster::new(SignupMethod::SelfSignup, 2, vec![]);
        roster.seed_starters(vec![Who::Placeholder("Bo".into()), Who::User(user(2))], noon());
        for number in [1, 3] {
            roster.join(user(number), &[], &[], noon()).unwrap();
        }
        roster
    }

    fn participant(roster: &Roster, number: u128) -> About {
        let row = roster.rows().iter().find(|row| row.who == Who::User(user(number)));
        About::Participant(row.unwrap().id)
    }

    #[test]
    fn no_18_a_reminder_goes_once_to_each_person_with_what_they_are_and_never_to_placeholders() {
        let told = recipients(&game(), &roster(), Notice::Reminder, About::Everyone);
        let told: Vec<_> = told.iter().map(|recipient| (recipient.user, recipient.role)).collect();
        assert_eq!(
            told,
            [
                (user(1), Role::Host(Some(Place::Waiting(1)))),
                (user(2), Role::Player(Place::Confirmed(2))),
                (user(3), Role::Player(Place::Waiting(2))),
            ]
        );
    }

    #[test]
    fn no_18_a_host_who_does_not_play_is_reminded_as_host() {
        let empty = Roster::new(SignupMethod::SelfSignup, 2, vec![]);
        let told = recipients(&game(), &empty, Notice::Reminder, About::Everyone);
        assert_eq!(told, [Recipient { user: user(1), role: Role::Host(None), kind: Notice::Reminder }]);
    }

    #[test]
    fn no_01_and_no_02_a_join_notice_is_judged_by_the_place_when_it_fires() {
        let roster = roster();
        let kind = |number| recipients(&game(), &roster, Notice::Joined, participant(&roster, number))[0].kind;
        assert_eq!((kind(2), kind(3)), (Notice::Joined, Notice::Waitlisted));
    }

    #[test]
    fn no_17_a_join_notice_of_somebody_who_left_reaches_nobody() {
        let mut roster = roster();
        let about = participant(&roster, 3);
        roster.leave(user(3));
        assert!(recipients(&game(), &roster, Notice::Joined, about).is_empty());
    }

    #[test]
    fn ro_30_everybody_who_moved_gets_one_letter_with_their_new_place() {
        let before = roster();
        let mut after = before.clone();
        after.resize(4);
        let told = |before: &Roster, after: &Roster| -> Vec<_> {
            let told = moved(after, &Changes::between(before, after), &[]).into_iter();
            told.map(|recipient| (recipient.user, recipient.role, recipient.kind)).collect()
        };
        let seat = |number| Role::Player(Place::Confirmed(number));
        assert_eq!(told(&before, &after), [(user(1), seat(3), Notice::Promoted), (user(3), seat(4), Notice::Promoted)]);
        let mut none = before.clone();
        none.resize(0);
        let line = Role::Player(Place::Waiting(2));
        assert_eq!(told(&before, &none), [(user(2), line, Notice::Demoted)], "the placeholder moves silently");
        assert_eq!(told(&before, &before), []);
    }

    #[test]
    fn no_17_somebody_whose_join_notice_still_waits_is_not_told_that_they_moved() {
        let before = roster();
        let mut after = before.clone();
        after.resize(4);
        let About::Participant(unheard) = participant(&before, 3) else { panic!("a row") };
        let told = moved(&after, &Changes::between(&before, &after), &[unheard]);
        assert_eq!(told.iter().map(|recipient| recipient.user).collect::<Vec<_>>(), [user(1)]);
    }

    #[test]
    fn no_06_and_no_07_who_leaves_is_told_and_the_host_if_they_had_added_them() {
        let told = |number, heard| -> Vec<_> {
            let mut after = roster();
            let place = after.place_of_user(user(number)).unwrap();
            let row = after.leave(user(number)).unwrap();
            let told = left(&game(), &after, (&row, place), heard).into_iter();
            told.map(|recipient| (recipient.user, recipient.kind)).collect()
        };
        let (out, host) = (Notice::Left, (user(1), Notice::DropOut));
        assert_eq!(told(2, true), [(user(2), out), host], "a starter");
        assert_eq!(told(2, false), [host], "they had not heard that they were in");
        assert_eq!(told(3, true), [(user(3), out)], "nobody had added them");
        assert_eq!(told(1, true), [(user(1), out)], "the host knows");
    }

    #[test]
    fn no_09_and_no_10_the_actor_is_not_told() {
        for kind in [Notice::Rescheduled, Notice::Cancelled] {
            let told = |about| -> Vec<UserId> {
                recipients(&game(), &roster(), kind, about).iter().map(|recipient| recipient.user).collect()
            };
            assert_eq!(told(About::AllBut(user(1))), [user(2), user(3)]);
            assert_eq!(told(About::AllBut(user(77))), [user(1), user(2), user(3)]);
        }
    }

    #[test]
    fn no_07_no_11_no_13_and_no_14_go_to_the_host_alone() {
        let kinds = [Notice::DropOut, Notice::NotEnoughPlayers, Notice::RecurrenceConfirm, Notice::RewardsReminder];
        for kind in kinds {
            let told = recipients(&game(), &roster(), kind, About::Everyone);
            assert_eq!(told, [Recipient { user: user(1), role: Role::Host(Some(Place::Waiting(1))), kind }]);
        }
    }
}
