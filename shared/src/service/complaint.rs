//! One line instead of a usage text: which setting is missing or malformed, by its variable.

use std::error::Error as _;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What is wrong, on one line.
pub(super) fn line(error: &clap::Error, command: &Command) -> String {
    let told = match error.kind() {
        ErrorKind::MissingRequiredArgument => missing(error, command),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => malformed(error, command),
        _ => None,
    };
    told.unwrap_or_else(|| first_line(error))
}

fn missing(error: &clap::Error, command: &Command) -> Option<String> {
    let Some(ContextValue::Strings(arguments)) = error.get(ContextKind::InvalidArg) else { return None };
    let told = arguments.iter().map(|argument| {
        let setting = Setting::of(argument, command);
        format!("{} is not set: {}", setting.name, setting.meaning)
    });
    Some(told.collect::<Vec<_>>().join("; "))
}

fn malformed(error: &clap::Error, command: &Command) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) else { return None };
    let setting = Setting::of(argument, command);
    let reason = match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => source.to_string(),
        (None, Some(ContextValue::Strings(words))) => format!("it can be {}", words.join(", ")),
        (None, _) => setting.meaning.clone(),
    };
    let shown = match (setting.secret, value.is_empty()) {
        (_, true) => "is empty".to_owned(),
        (true, false) => "is malformed".to_owned(),
        (false, false) => format!("is {value:?}"),
    };
    Some(format!("{} {shown}: {}", setting.name, one_line(&reason)))
}

/// An argument as a person knows it.
struct Setting {
    name: String,
    meaning: String,
    secret: bool,
}

impl Setting {
    /// Finds what clap calls `--database-url <URL>`.
    fn of(shown: &str, command: &Command) -> Self {
        let long = shown.split([' ', '=']).next().unwrap_or(shown).trim_start_matches("--");
        let Some(argument) = command.get_arguments().find(|argument| argument.get_long() == Some(long)) else {
            return Self { name: shown.to_owned(), meaning: "it is needed".to_owned(), secret: true };
        };
        let variable = argument.get_env().map(|variable| variable.to_string_lossy().into_owned());
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        Self {
            name: variable.unwrap_or_else(|| shown.to_owned()),
            meaning: decapitalised(&one_line(&help)),
            secret: argument.is_hide_env_values_set(),
        }
    }
}

/// Mid-sentence, unless it begins with a name in capitals.
fn decapitalised(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    one_line(line.strip_prefix("error: ").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::service::Settings;

    #[derive(Debug, Parser)]
    struct Asked {
        #[command(flatten)]
        common: Settings,
    }

    const WELL: [&str; 4] =
        ["test", "--database-url=postgres://u:p@h/d", "--amqp-url=amqp://h", "--health-addr=[::1]:1"];

    const VARIABLES: [(&str, &str); 6] = [
        ("database_url", "TEST_DATABASE_URL"),
        ("amqp_url", "TEST_AMQP_URL"),
        ("namespace", "TEST_NAMESPACE"),
        ("health_addr", "TEST_HEALTH_ADDR"),
        ("log_level", "TEST_LOG_LEVEL"),
        ("log_format", "TEST_LOG_FORMAT"),
    ];

    /// What a person sees after these arguments, on top of those that are fine.
    fn said(skip: &str, more: &[&str]) -> String {
        let mut command = Asked::command();
        // What is set where the tests run is not asked for here.
        for (argument, variable) in VARIABLES {
            command = command.mut_arg(argument, |argument| argument.env(variable));
        }
        let arguments = WELL.iter().filter(|argument| skip.is_empty() || !argument.contains(skip)).chain(more);
        let error = command.try_get_matches_from_mut(arguments).unwrap_err();
        line(&error, &command)
    }

    #[test]
    fn a_missing_setting_is_one_line_that_names_it() {
        assert_eq!(
            said("database-url", &[]),
            "TEST_DATABASE_URL is not set: the Postgres URL (postgres://user:password@host:port/database)"
        );
    }

    #[test]
    fn all_missing_settings_stand_on_the_line() {
        let line = said("-url", &[]);
        assert!(line.contains("TEST_DATABASE_URL is not set") && line.contains("; TEST_AMQP_URL is not set"), "{line}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_malformed_setting_is_named_with_its_value_and_a_secret_without() {
        assert_eq!(
            said("health", &["--health-addr=nowhere"]),
            "TEST_HEALTH_ADDR is \"nowhere\": invalid socket address syntax"
        );
        assert_eq!(
            said("amqp", &["--amqp-url=http://u:hunter2@h"]),
            "TEST_AMQP_URL is malformed: it must look like amqp://user:password@host:port/vhost"
        );
        assert_eq!(
            said("database", &["--database-url="]),
            "TEST_DATABASE_URL is empty: it must look like postgres://user:password@host:port/database"
        );
        assert_eq!(said("", &["--log-level=loud"]), "TEST_LOG_LEVEL is \"loud\": it can be error, warn, info, debug");
        assert_eq!(said("", &["--namespace=a.b"]), "TEST_NAMESPACE is \"a.b\": up to 32 letters, digits and hyphens");
    }

    #[test]
    fn anything_else_is_one_line_too() {
        assert_eq!(said("", &["--nonsense"]), "unexpected argument '--nonsense' found");
    }
}
