//! Secrets from files: `NAME_FILE` in place of `NAME`, for every setting that is a secret.

use std::ffi::OsString;
use std::path::Path;

use clap::Command;

/// The arguments that say what the files say.
///
/// # Errors
/// One line, when a secret is given twice or its file cannot be read.
pub(super) fn from_files(command: &Command) -> Result<Vec<OsString>, String> {
    read(command, |name| std::env::var_os(name))
}

fn read(command: &Command, variable: impl Fn(&str) -> Option<OsString>) -> Result<Vec<OsString>, String> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    let mut arguments = Vec::new();
    for secret in command.get_arguments().filter(|argument| argument.is_hide_env_values_set()) {
        let Some((name, long)) = secret.get_env().and_then(|name| name.to_str()).zip(secret.get_long()) else {
            continue;
        };
        let Some(path) = given(&format!("{name}_FILE")) else { continue };
        if given(name).is_some() {
            return Err(format!("{name} and {name}_FILE are both set: one of them is enough"));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|fault| format!("{name}_FILE: {} cannot be read: {fault}", Path::new(&path).display()))?;
        arguments.push(format!("--{long}={}", text.trim_end_matches(['\r', '\n'])).into());
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::service::Settings;

    #[derive(Debug, Parser)]
    struct Asked {
        #[command(flatten)]
        common: Settings,
    }

    fn told(variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        let read = read(&Asked::command(), |name| variables.get(name).map(OsString::from))?;
        Ok(read.into_iter().map(|argument| argument.into_string().unwrap()).collect())
    }

    #[test]
    fn a_secret_may_stand_in_a_file_whose_last_line_ends() {
        let directory = std::env::temp_dir().join(format!("secrets-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("amqp");
        std::fs::write(&file, "amqp://u:p@h/\n").unwrap();
        let path = file.to_str().unwrap();
        assert_eq!(told(&[("AMQP_URL_FILE", path)]), Ok(vec!["--amqp-url=amqp://u:p@h/".to_owned()]));
        // An empty variable is none: compose files write them.
        assert_eq!(told(&[("AMQP_URL", ""), ("AMQP_URL_FILE", path)]).unwrap().len(), 1);
        assert_eq!(told(&[("AMQP_URL", "amqp://h/"), ("AMQP_URL_FILE", "")]), Ok(Vec::new()));
        let both = told(&[("AMQP_URL", "amqp://h/"), ("AMQP_URL_FILE", path)]);
        assert_eq!(both, Err("AMQP_URL and AMQP_URL_FILE are both set: one of them is enough".to_owned()));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let line = told(&[("DATABASE_URL_FILE", "/nowhere/url")]).unwrap_err();
        assert!(line.starts_with("DATABASE_URL_FILE: /nowhere/url cannot be read: "), "{line}");
    }

    #[test]
    fn what_is_no_secret_is_not_looked_for_in_files() {
        assert_eq!(told(&[("HEALTH_ADDR_FILE", "/nowhere/address")]), Ok(Vec::new()));
    }
}
