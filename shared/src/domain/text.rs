//! Text that people type: cleaning, measuring, escaping, and cutting where it hurts least.

/// Trims, turns line endings into `\n` and drops every other control character (GE-05).
#[must_use]
pub fn clean(text: &str) -> String {
    let unix = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String = unix.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    kept.trim().to_owned()
}

/// The same for what must stay on one line: breaks become spaces.
#[must_use]
pub fn clean_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}

/// Unicode scalar values, which limits of input count (GE-05).
#[must_use]
pub fn length(text: &str) -> usize {
    text.chars().count()
}

/// UTF-16 units, which Discord's limits count (DI-31).
#[must_use]
pub fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Shows text as typed where Markdown is live (TX-06, DI-30): no mark-up, mention, link or token comes out of
/// it, and no scalar value takes more than two UTF-16 units.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for (index, c) in text.char_indices() {
        match c {
            // Discord reads @everyone in spite of a backslash; an invisible space parts it.
            '@' => escaped.push_str("@\u{200b}"),
            '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '>' | '[' | ']' | ':' | '#' => escaped.extend(['\\', c]),
            '-' | '+' if index == 0 => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Cuts text to at most `max` UTF-16 units and ends it in `tail`, between characters as people see them and
/// never inside a mention, an emoji, a time or an escape. What fits is left alone.
#[must_use]
pub fn truncate(text: &str, max: usize, tail: &str) -> String {
    if units(text) <= max {
        return text.to_owned();
    }
    let tail_units = units(tail);
    let (tail, mut room) = if tail_units <= max { (tail, max - tail_units) } else { ("", max) };
    let mut end = 0;
    while end < text.len() {
        let piece = piece(&text[end..]);
        let Some(left) = room.checked_sub(units(piece)) else {
            break;
        };
        room = left;
        end += piece.len();
    }
    format!("{}{tail}", text[..end].trim_end())
}

/// The first piece that must not be cut.
fn piece(text: &str) -> &str {
    token(text).or_else(|| escape_pair(text)).unwrap_or_else(|| cluster(text))
}

/// A `<…>` token as Discord writes them: mentions, channels, emojis, times.
fn token(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('<')?;
    let starts = ["@", "#", ":", "a:", "t:", "/"].iter().any(|mark| inside.starts_with(mark));
    let end = inside.bytes().take(100).position(|byte| matches!(byte, b'>' | b'<' | b'\n' | b' '))?;
    (starts && inside.as_bytes()[end] == b'>').then(|| &text[..end + 2])
}

fn escape_pair(text: &str) -> Option<&str> {
    let escaped = text.strip_prefix('\\')?;
    escaped.starts_with(|c: char| c.is_ascii_punctuation()).then(|| &text[..2])
}

/// Close to a grapheme cluster: a character with its marks, joined emojis, a flag's two letters.
fn cluster(text: &str) -> &str {
    let mut chars = text.char_indices().peekable();
    let mut flag_letters = 0;
    let mut joined = true;
    while let Some((index, c)) = chars.peek().copied() {
        let second_flag_letter = is_flag_letter(c) && flag_letters == 1;
        if !(joined || is_extending(c) || second_flag_letter) {
            return &text[..index];
        }
        flag_letters += usize::from(is_flag_letter(c));
        joined = c == '\u{200d}';
        chars.next();
    }
    text
}

const fn is_flag_letter(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

const fn is_extending(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200d}'
            | '\u{0300}'..='\u{036f}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{fe20}'..='\u{fe2f}'
            | '\u{1f3fb}'..='\u{1f3ff}'
            | '\u{e0020}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ge_05_text_is_trimmed_and_freed_of_control_characters_except_line_breaks() {
        assert_eq!(clean(" \t a\u{7}b\r\nc\rd\u{85}\u{0} \n"), "ab\nc\nd");
        assert_eq!(clean_line("two\nlines"), "two lines");
    }

    #[test]
    fn ge_05_length_is_measured_in_scalar_values_and_discords_in_utf_16() {
        assert_eq!((length("a🎲"), units("a🎲")), (2, 3));
    }

    #[test]
    fn tx_06_mark_up_mentions_and_links_are_shown_as_text() {
        assert_eq!(escape("**bold** _it_"), r"\*\*bold\*\* \_it\_");
        assert_eq!(escape("<@123>"), "\\<@\u{200b}123\\>");
        assert_eq!(escape("@everyone"), "@\u{200b}everyone");
        assert_eq!(escape("[x](https://a.b)"), r"\[x\](https\://a.b)");
        assert_eq!(escape("- 1 - 2"), r"\- 1 - 2");
        assert_eq!(escape("123456789012345678"), "123456789012345678");
    }

    #[test]
    fn di_32_a_cut_falls_outside_tokens() {
        assert_eq!(truncate("see <#123456789012345678> now", 12, "…"), "see…");
        assert_eq!(truncate("a < b and more", 5, "…"), "a <…");
        assert_eq!(truncate(r"ab\*cd", 4, "…"), "ab…");
    }

    #[test]
    fn di_32_a_cut_falls_between_graphemes() {
        assert_eq!(truncate("e\u{301}e\u{301}e\u{301}", 4, "…"), "e\u{301}…");
        assert_eq!(truncate("👩‍🚀👩‍🚀", 9, "…"), "👩‍🚀…");
        assert_eq!(truncate("🇩🇪🇫🇷🇮🇹", 9, "…"), "🇩🇪🇫🇷…");
    }

    #[test]
    fn what_fits_is_left_alone_and_a_tail_that_does_not_fit_is_left_out() {
        assert_eq!(truncate("four", 4, "…"), "four");
        assert_eq!(truncate("fours", 2, "tail"), "fo");
    }

    proptest! {
        #[test]
        fn di_31_cut_text_never_exceeds_its_units(text in "\\PC{0,60}", max in 0..80_usize) {
            let cut = truncate(&text, max, "…");
            prop_assert!(units(&cut) <= max);
            prop_assert!(units(&text) > max || cut == text);
        }

        #[test]
        fn tx_06_escaping_at_most_doubles(text in "\\PC{0,60}") {
            prop_assert!(units(&escape(&text)) <= 2 * length(&text));
        }

        #[test]
        fn ge_05_cleaning_twice_equals_once(text in any::<String>()) {
            prop_assert_eq!(clean(&clean(&text)), clean(&text));
        }
    }
}
