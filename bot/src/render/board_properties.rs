//! Whatever the limits allow renders to a message Discord accepts (DI-32, L-45).

use proptest::prelude::*;

use super::*;

/// Text of a few kinds of character, the costly ones often; never blank.
fn words(longest: usize) -> impl Strategy<Value = String> {
    let costly = prop_oneof![
        Just('🎲'),
        Just('*'),
        Just('@'),
        Just('|'),
        Just('<'),
        Just('\u{200d}'),
        Just('\u{301}'),
        Just(' '),
        Just('\n'),
        any::<char>().prop_filter("no control characters (GE-05)", |c| !c.is_control()),
    ];
    let length = prop_oneof![1..=longest, Just(longest)];
    (length.prop_flat_map(move |length| prop::collection::vec(costly.clone(), length)), any::<bool>()).prop_map(
        |(characters, plain)| {
            let length = characters.len();
            let text: String = if plain { "x".repeat(length) } else { characters.into_iter().collect() };
            let text = format!("x{}", text.chars().skip(1).collect::<String>());
            text.trim().to_owned()
        },
    )
}

fn optional(longest: usize) -> impl Strategy<Value = Option<String>> {
    prop::option::weighted(0.8, words(longest))
}

fn people(most: usize) -> impl Strategy<Value = Vec<Shown>> {
    let named = words(100).prop_map(Shown::Name);
    let person = prop_oneof![3 => (u64::MAX - 5000..u64::MAX).prop_map(mention), 1 => named];
    let count = prop_oneof![0..=most, Just(most)];
    (count, prop::collection::vec(person, 1..12))
        .prop_map(|(count, people)| people.iter().cycle().take(count).cloned().collect())
}

prop_compose! {
    fn boards()(
        title in words(200),
        name in words(100),
        texts in (optional(2000), optional(500), optional(2000), optional(500)),
        limits in (1..=100_i32, prop::option::of(1..=100_i32), prop::option::of(1..=1440_i32)),
        kinds in (0..Status::ALL.len(), 0..SignupMethod::ALL.len()),
        confirmed in people(100),
        waiting in people(900),
        links in any::<(bool, bool)>(),
    ) -> Board {
        let (description, location, rewards, cancel_reason) = texts;
        Board {
            title,
            host: Host { user: DiscordUser::new(u64::MAX), name, avatar_url: None },
            description,
            location,
            rewards,
            cancel_reason,
            max_players: limits.0,
            min_players: limits.1,
            expected_duration_minutes: limits.2,
            status: Status::ALL[kinds.0],
            signup_method: SignupMethod::ALL[kinds.1],
            notify_roles: (0..10).map(|number| DiscordRole::new(u64::MAX - number)).collect(),
            confirmed,
            waiting,
            page_url: board().page_url.filter(|_| links.0),
            calendar_url: board().calendar_url.filter(|_| links.1),
            ..board()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn l_45_whatever_fits_the_limits_renders_to_a_message_discord_accepts(board in boards()) {
        for occasion in [Occasion::First, Occasion::Edit, Occasion::ArchiveCopy] {
            assert_accepted(&render(&board, occasion));
        }
    }

    #[test]
    fn di_32_time_host_and_numbers_of_seats_are_never_cut(board in boards()) {
        let fields = fields_of(&board);
        let seated = board.confirmed.len().min(usize::try_from(board.max_players).unwrap());
        let heading = format!("Players ({seated}/{}", board.max_players);
        prop_assert!(fields.iter().any(|(name, _)| name.starts_with(&heading)));
        prop_assert_eq!(&fields[0].1, "<t:1778414400:F> (<t:1778414400:R>)");
        prop_assert_eq!(&fields[1].1, "<@18446744073709551615>");
        let embed = embed_of(&board);
        let shown = format!("{}{}", embed["title"], embed.get("description").unwrap_or(&Value::Null));
        let title = serde_json::to_string(&escape(&board.title)).unwrap();
        prop_assert!(shown.contains(title.trim_matches('"')), "the whole title");
    }
}
