//! Numbered names in up to three columns side by side.

use shared::domain::text::{truncate, units};

use super::embed::FIELD;

/// As long as a mention gets: with it 34 lines always fit a field.
const SHORT_NAME: usize = 23;

/// Lays lines out, numbers running through from 1, with a closing line if something was left out; shortens
/// names when it must. `None` when even that does not fit.
pub(super) fn columns(names: &[String], closing: Option<&str>) -> Option<Vec<String>> {
    [usize::MAX, SHORT_NAME]
        .into_iter()
        .map(|longest| lay_out(names, closing, longest))
        .find(|columns| columns.len() <= 3 && columns.iter().all(|column| units(column) <= FIELD))
}

/// One column up to 5 lines, two up to 10, else three.
fn lay_out(names: &[String], closing: Option<&str>, longest: usize) -> Vec<String> {
    let count = names.len().div_ceil(5).clamp(1, 3);
    let height = names.len().div_ceil(count).max(1);
    let line = |(index, name): (usize, &String)| format!("{}. {}", index + 1, truncate(name, longest, "…"));
    let lines: Vec<String> = names.iter().enumerate().map(line).collect();
    let mut columns: Vec<String> = lines.chunks(height).map(|chunk| chunk.join("\n")).collect();
    if let (Some(closing), Some(last)) = (closing, columns.last_mut()) {
        last.push('\n');
        last.push_str(closing);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize, name: &str) -> Vec<String> {
        vec![name.to_owned(); count]
    }

    #[test]
    fn di_25_numbers_run_through_the_columns() {
        let columns = columns(&names(7, "x"), None).unwrap();
        assert_eq!(columns, ["1. x\n2. x\n3. x\n4. x", "5. x\n6. x\n7. x"]);
        assert_eq!(super::columns(&names(100, "x"), None).unwrap().len(), 3);
    }

    #[test]
    fn a_hundred_mentions_fit_and_so_do_a_hundred_of_the_longest_names() {
        let mentions = columns(&names(100, "<@12345678901234567890>"), None).unwrap();
        assert!(mentions[2].ends_with("100. <@12345678901234567890>"));
        let long = columns(&names(100, &"🎲".repeat(100)), None).unwrap();
        assert!(long[0].starts_with("1. 🎲") && long[0].lines().all(|line| line.ends_with('…')));
    }

    #[test]
    fn di_32_a_thousand_rows_do_not_fit_and_a_closing_line_takes_part_in_the_measure() {
        assert_eq!(columns(&names(1000, "<@12345678901234567890>"), None), None);
        assert_eq!(columns(&names(1, "x"), Some("+2 more")).unwrap(), ["1. x\n+2 more"]);
        assert_eq!(columns(&names(1, "x"), Some(&"+".repeat(1024))), None);
    }
}
