//! A real Alloy, where there is one, with the configuration that is shipped.

pub mod syntax;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::servers::ports;

/// Where `/etc/alloy` comes from.
const HOME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../alloy");

/// How long Alloy may take until it is ready.
const READY: Duration = Duration::from_secs(60);

/// The program that `ALLOY` names. Without it nothing is proved, and that is said; with `REQUIRE_ALLOY` its absence is
/// a failure.
#[must_use]
pub fn available(spec: &str) -> Option<PathBuf> {
    let path = named("ALLOY", spec)?;
    assert!(path.is_file(), "ALLOY={} is no program", path.display());
    Some(path)
}

/// What a variable names, or nothing; that is said past the harness, which would keep the words of a spec that passes.
pub(crate) fn named(variable: &str, spec: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    if path.is_none() {
        let required = format!("REQUIRE_{variable}");
        assert!(std::env::var_os(&required).is_none(), "{required} is set, and {variable} names nothing");
        writeln!(std::io::stderr(), "SKIPPED, not verified: {spec}: {variable} names nothing").ok();
    }
    path
}

/// A file of the shipped configuration.
///
/// # Errors
/// When there is none of this name.
pub fn shipped(name: &str) -> Result<String> {
    fs::read_to_string(Path::new(HOME).join(name)).with_context(|| format!("reading alloy/{name}"))
}

/// The configuration that is shipped, at other addresses and in a hurry.
pub struct Configuration {
    binary: PathBuf,
    directory: TempDir,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    http: SocketAddr,
    page: SocketAddr,
}

impl Configuration {
    /// As shipped but for the addresses at which it listens, and for what takes a minute or more.
    ///
    /// # Errors
    /// When something that is to be replaced is not there any more.
    pub fn new(binary: &Path) -> Result<Self> {
        // An error only says that the process has a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let local = || Ok::<_, anyhow::Error>(SocketAddr::from(([127, 0, 0, 1], ports::free()?)));
        let directory = tempfile::Builder::new().prefix("alloy-").tempdir()?;
        fs::create_dir(directory.path().join("etc"))?;
        fs::write(directory.path().join("etc/config.alloy"), shipped("config.alloy")?)?;
        let (grpc, http, page) = (local()?, local()?, local()?);
        let mut configuration = Self {
            binary: binary.to_owned(),
            directory,
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            http,
            page,
        };
        configuration.replace("\"0.0.0.0:4317\"", &format!("\"{grpc}\""))?;
        configuration.replace("\"0.0.0.0:4318\"", &format!("\"{http}\""))?;
        configuration.replace(r#"{"local" = "15s"}"#, r#"{"local" = "2s"}"#)?;
        configuration.replace(r#", "60s")"#, r#", "2s")"#)?;
        configuration.replace(r#"scrape_timeout  = "10s""#, r#"scrape_timeout  = "2s""#)?;
        configuration.replace(r#"ttl       = "10s""#, r#"ttl       = "3s""#)?;
        configuration.replace(r#"decision_wait = "15s""#, r#"decision_wait = "3s""#)?;
        Ok(configuration)
    }

    /// Replaces a text wherever it stands.
    ///
    /// # Errors
    /// When it stands nowhere.
    pub fn replace(&mut self, from: &str, to: &str) -> Result<()> {
        let text = fs::read_to_string(self.file())?;
        ensure!(text.contains(from), "alloy/config.alloy does not say {from} any more");
        fs::write(self.file(), text.replace(from, to)).context("changing the configuration")
    }

    /// Puts a file beside `config.alloy`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&self, name: &str, text: &str) -> Result<()> {
        fs::write(self.etc().join(name), text).with_context(|| format!("writing {name}"))
    }

    /// Sets a variable; none of this process's own is seen.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// One more argument of `run` and `validate`.
    pub fn argument(&mut self, argument: &str) {
        self.arguments.push(argument.to_owned());
    }

    /// A directory of its own, for what it is to read or to keep.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn etc(&self) -> PathBuf {
        self.directory.path().join("etc")
    }

    fn file(&self) -> PathBuf {
        self.etc().join("config.alloy")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(words).env_clear().envs(&self.environment).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// What `validate` says: whether it is content, and its words.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn validate(&self) -> Result<(bool, String)> {
        let mut command = self.command(&["validate"]);
        let output = command.args(&self.arguments).arg(self.etc()).output().await.context("running alloy validate")?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in time; the message shows its last lines.
    pub async fn start(&self) -> Result<Alloy<'_>> {
        let log = self.directory.path().join("alloy.log");
        let lines = File::options().create(true).append(true).open(&log)?;
        let mut command = self.command(&["run", "--server.http.enable-pprof=false", "--disable-reporting"]);
        command.arg(format!("--server.http.listen-addr={}", self.page));
        command.arg(format!("--storage.path={}", self.directory.path().join("data").display()));
        command.args(&self.arguments).arg(self.etc()).stdout(lines.try_clone()?).stderr(lines);
        let running = command.spawn().context("starting Alloy")?;
        let mut alloy = Alloy { configuration: self, running, log };
        alloy.ready().await?;
        Ok(alloy)
    }
}

/// An Alloy that runs. Dropping it kills it.
pub struct Alloy<'configuration> {
    configuration: &'configuration Configuration,
    running: Child,
    log: PathBuf,
}

impl Alloy<'_> {
    async fn ready(&mut self) -> Result<()> {
        let until = Instant::now() + READY;
        while Instant::now() < until {
            if let Some(status) = self.running.try_wait()? {
                bail!("Alloy ended with {status}:\n{}", self.tail());
            }
            if self.page("-/ready").await.is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("Alloy is not ready after {READY:?}:\n{}", self.tail())
    }

    /// The base URL for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.configuration.http)
    }

    async fn page(&self, path: &str) -> Result<(u16, String)> {
        let answer = reqwest::get(format!("http://{}/{path}", self.configuration.page)).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// The sum of a metric of its own over all series that hold these words.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn measures(&self, metric: &str, words: &[&str]) -> Result<f64> {
        let (_, text) = self.page("metrics").await?;
        let lines =
            text.lines().filter_map(|line| line.strip_prefix(metric)).filter(|rest| rest.starts_with(['{', ' ']));
        let chosen = lines.filter(|line| words.iter().all(|word| line.contains(word)));
        Ok(chosen.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Waits until the sum of a metric is as wanted.
    ///
    /// # Errors
    /// When it is not within `patience`.
    pub async fn measured(
        &self,
        (metric, words): (&str, &[&str]),
        wanted: impl Fn(f64) -> bool,
        patience: Duration,
    ) -> Result<f64> {
        let until = Instant::now() + patience;
        loop {
            let sum = self.measures(metric, words).await?;
            if wanted(sum) {
                return Ok(sum);
            }
            ensure!(Instant::now() < until, "after {patience:?} {metric} {words:?} is {sum}:\n{}", self.tail());
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Its lines so far.
    #[must_use]
    pub fn lines(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its last lines.
    #[must_use]
    pub fn tail(&self) -> String {
        let lines = self.lines();
        let last: Vec<_> = lines.lines().rev().take(15).collect();
        last.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Ends it as `kill -9` does.
    ///
    /// # Errors
    /// When it ended already.
    pub async fn kill(mut self) -> Result<()> {
        self.running.kill().await.context("killing Alloy")
    }
}
