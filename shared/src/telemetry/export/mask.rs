//! The last net under what leaves the process: what looks like a secret or an address is replaced.

use std::ops::Range;

/// Stands where a secret stood.
const MASK: &str = "REDACTED";
/// A shorter word is no token: Discord's OAuth tokens have 30 characters, our sessions 43.
const SHORTEST: usize = 30;

/// The text without what looks like a bot, interaction, OAuth or session token, the password of a URL or an e-mail
/// address; `None` when there is nothing of the kind, which costs a look at some of the bytes and no memory.
pub(super) fn masked(text: &str) -> Option<String> {
    let mut secrets = Vec::new();
    let at = text.as_bytes().contains(&b'@');
    if at {
        passwords(text, &mut secrets);
    }
    tokens(text, &mut secrets);
    if at {
        addresses(text, &mut secrets);
    }
    if secrets.is_empty() {
        return None;
    }
    secrets.sort_by_key(|secret| secret.start);
    let mut clean = String::with_capacity(text.len());
    let mut kept = 0;
    for secret in secrets {
        if secret.start >= kept {
            clean.push_str(&text[kept..secret.start]);
            clean.push_str(MASK);
        }
        kept = kept.max(secret.end);
    }
    clean.push_str(&text[kept..]);
    Some(clean)
}

/// `scheme://user:password@host`.
fn passwords(text: &str, secrets: &mut Vec<Range<usize>>) {
    for (scheme, mark) in text.match_indices("://") {
        let start = scheme + mark.len();
        let end = text[start..].find(['/', '?', '#', ' ', '"', '\'', '\n']).map_or(text.len(), |end| start + end);
        let Some(at) = text[start..end].rfind('@') else { continue };
        if let Some(colon) = text[start..start + at].find(':') {
            secrets.push(start + colon + 1..start + at);
        }
    }
}

/// Long words of the alphabet that tokens are written in. A word of that length cannot begin before a byte of another
/// alphabet, so most bytes of a text are never looked at.
fn tokens(text: &str, secrets: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let mut start = 0;
    while let Some(window) = bytes.get(start..start + SHORTEST) {
        if let Some(other) = window.iter().rposition(|byte| !part(byte)) {
            start += other + 1;
            continue;
        }
        let length = bytes[start..].iter().take_while(|byte| part(byte)).count();
        let word = text[start..start + length].trim_end_matches('.');
        if is_of_a_bot(word) {
            secrets.push(start..start + word.len());
        } else {
            opaque(word, start, secrets);
        }
        start += length;
    }
}

fn opaque(word: &str, mut start: usize, secrets: &mut Vec<Range<usize>>) {
    for part in word.split('.') {
        if part.len() >= SHORTEST && is_mixed(part) {
            secrets.push(start..start + part.len());
        }
        start += part.len() + 1;
    }
}

/// Identifiers, hexadecimal ids and hashes keep to one case; what is drawn from a large alphabet does not.
fn is_mixed(part: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| part.as_bytes().iter().any(kind);
    has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
}

/// The bot's id in base64, a time, a signature. The id's digits give the first letter.
fn is_of_a_bot(word: &str) -> bool {
    let mut parts = word.split('.');
    let (Some(id), Some(time), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    id.starts_with(['M', 'N', 'O'])
        && id.len() >= 18
        && (5..=8).contains(&time.len())
        && signature.len() >= 25
        && signature.bytes().any(|byte| byte.is_ascii_uppercase())
        && signature.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// `somebody@example.com`, but not the user and host of a URL.
fn addresses(text: &str, secrets: &mut Vec<Range<usize>>) {
    for (at, _) in text.match_indices('@') {
        let local = |character: char| character.is_ascii_alphanumeric() || "._%+-".contains(character);
        let start = text[..at].rfind(|character| !local(character)).map_or(0, |before| before + next(text, before));
        let host = |character: char| character.is_ascii_alphanumeric() || ".-".contains(character);
        let end = text[at + 1..].find(|character| !host(character)).map_or(text.len(), |end| at + 1 + end);
        let domain = text[at + 1..end].trim_end_matches(['.', '-']);
        let of_a_url = text[..start].ends_with("://") || secrets.iter().any(|secret| secret.end == at);
        if start < at && !of_a_url && is_a_domain(domain) {
            secrets.push(start..at + 1 + domain.len());
        }
    }
}

fn next(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
}

fn is_a_domain(domain: &str) -> bool {
    let Some((host, top)) = domain.rsplit_once('.') else { return false };
    !host.is_empty() && top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::masked;

    #[test]
    fn t_14_secrets_and_addresses_do_not_leave() {
        for (text, clean) in [
            ("Bot MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs failed", "Bot REDACTED failed"),
            (
                "/webhooks/12/aW50ZXJhY3Rpb246MTA5OTUxMTYyNzc3Njp4eXpYWVoxMjM0NTY3ODkw/messages/@original",
                "/webhooks/12/REDACTED/messages/@original",
            ),
            ("Bearer 6qrZcUqja7812RVdnEKjpzOL4CvHBFG.", "Bearer REDACTED."),
            ("session_token=Zm9vYmFyYmF6cXV4MDEyMzQ1Njc4OWFiY2RlZmdoaWo; Path=/", "session_token=REDACTED; Path=/"),
            ("amqp://dm:hunter2@mq.example.com:5672/v", "amqp://dm:REDACTED@mq.example.com:5672/v"),
            ("écrivez à ada.l@mail.example.org, bob@x.io.", "écrivez à REDACTED, REDACTED."),
        ] {
            assert_eq!(masked(text).as_deref(), Some(clean), "{text}");
        }
    }

    #[test]
    fn t_14_what_the_services_say_stays_as_it_is() {
        for text in [
            "",
            "with due as (select g.id, g.guild_id from games g where g.scheduled_at <= $1 and g.status = any($2) for update skip locked) select * from due",
            "INSERT games · SELECT participants; insert_or_update_the_projection_of_members_and_roles_v2",
            "https://discord.com/api/v10/webhooks/1099511627776/REDACTED/messages/@original",
            "/api/v1/games/0198c5f2-3a44-7cc0-8d5f-1f2e3d4c5b6a/participants/0198c5f2-3a44-7cc0-8d5f-1f2e3d4c5b6b",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.126 Safari/537.36",
            "DiscordBot (https://github.com/twilight-rs/twilight, 0.18.0) Twilight-rs",
            "amqp://guest@rabbit.example.com/%2f and postgres://db.internal.example.com:5432/games?user=dm",
            "2026-05-01T18:00:00.000000Z 4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "<@1099511627776> <#1099511627777> opentelemetry@0.33.1",
            "thread tokio-runtime-worker panicked at /usr/src/index.crates.io-1949cf8c6b5b557f/fred-10.1.0/src/lib.rs:1:2",
            "process game_scheduler:game.roster_changed:api.events.0198c5f23a447cc08d5f1f2e3d4c5b6a",
            "AnIdentifierThatIsVeryLongAndHasNoDigitAtAllIsNoToken",
        ] {
            assert_eq!(masked(text), None, "{text}");
        }
    }

    /// As `getrandom` and base64 make them, with at least one character of each kind.
    fn token() -> impl Strategy<Value = String> {
        "[A-Z][0-9][a-z][A-Za-z0-9_-]{27,60}"
    }

    fn sentence() -> impl Strategy<Value = String> {
        "[a-zäß ]{0,20}[ /=:]"
    }

    proptest! {
        #[test]
        fn t_14_a_token_is_found_wherever_it_stands(before in sentence(), token in token(), after in "[ /,;:\"][a-z ]{0,20}") {
            let clean = masked(&format!("{before}{token}{after}")).expect("it is found");
            prop_assert_eq!(clean, format!("{before}REDACTED{after}"));
        }

        #[test]
        fn t_14_ids_hashes_and_words_are_never_taken_for_secrets(
            text in "([a-z_]{1,40}|[0-9a-f]{16,64}|[0-9]{17,20}|[A-Z_]{3,40}|[A-Z][a-z]{2,12}[0-9]{0,4})([ ./:=,]{1,2}([a-z_]{1,20}|[0-9]{1,20})){0,8}"
        ) {
            prop_assert_eq!(masked(&text), None);
        }

        #[test]
        fn t_14_any_text_survives_the_search(text in any::<String>()) {
            let _ = masked(&text);
        }
    }
}
