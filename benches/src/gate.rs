//! A gate for regressions that noise cannot open or shut: instructions and allocations of hot paths, counted by
//! valgrind and compared with figures that are committed.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::arm::{Arm, without_telemetry};
use crate::edges::{CARRIES, EDGES, Edge, RULES};
use crate::output;
use crate::receiver::Receiver;
use crate::stage::Stage;

/// Part by which instructions may grow: beyond what other processors or a newer valgrind make of the same code.
const TOLERANCE: f64 = 0.03;
/// Allocations that a repetition may have more: a queue that grows now and then.
const SPARE: f64 = 0.1;
/// Repetitions of what tells: less than what queues hold.
const TIMES: u64 = 200;
/// Repetitions of a rule, which takes a thousand times as long.
const FEW: u64 = 10;
/// How often each path is counted; the last counts.
const ROUNDS: usize = 2;
/// The function that is counted, as valgrind calls it.
const COUNTED: &str = "benches::gate::counted_by_the_gate";
/// Rewrites the committed figures.
const UPDATE: &str = "UPDATE_FIGURES";
/// What allocates.
const ALLOCATORS: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

/// What one repetition takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Instructions of the thread that does it.
    pub instructions: f64,
    /// Calls of an allocator.
    pub allocations: f64,
}

/// Figures by path and arm.
pub type Figures = BTreeMap<(String, String), Figure>;

/// Counts and compares. Where valgrind is missing nothing is counted, and it says so.
///
/// # Errors
/// When a path takes more than the committed figures allow.
pub fn run() -> Result<()> {
    let Some(version) = valgrind() else {
        eprintln!("gate: SKIPPED, nothing was counted: valgrind is missing; apt-get install valgrind");
        return Ok(());
    };
    let path = committed();
    let known = read(&fs::read_to_string(&path).unwrap_or_default())?;
    let counted = count()?;
    let (text, worse) = compare(&known, &counted);
    let head = format!("{version}, {} build, {}", output::build(), std::env::consts::ARCH);
    output::report("gate", &format!("# Instructions and allocations\n\n{head}\n\n{text}"))?;
    eprintln!("{text}");
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, write(&counted)).with_context(|| format!("writing {}", path.display()))?;
        eprintln!("gate: {} holds what was counted now; say in the commit why it changed", path.display());
        return Ok(());
    }
    if known.is_empty() {
        eprintln!("gate: SKIPPED, there are no figures for this build: {} is missing", path.display());
        return Ok(());
    }
    ensure!(
        worse.is_empty(),
        "gate: {} took more than {}; make it cheaper, or accept it with {UPDATE}=1 script/bench gate",
        worse.join(", "),
        path.display()
    );
    eprintln!("gate: {} paths, none takes more than its figure", counted.len());
    Ok(())
}

/// Figures hold for a build and an instruction set.
fn committed() -> PathBuf {
    let name = format!("figures/{}-{}.tsv", std::env::consts::ARCH, output::build());
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn valgrind() -> Option<String> {
    let output = Command::new("valgrind").arg("--version").output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Every path in every arm, each arm in a process of its own under valgrind.
///
/// # Errors
/// When valgrind fails.
pub fn count() -> Result<Figures> {
    let directory = output::target()?.join("bench/callgrind");
    if directory.exists() {
        fs::remove_dir_all(&directory).context("removing earlier counts")?;
    }
    fs::create_dir_all(&directory).context("making a directory for counts")?;
    let mut figures = Figures::new();
    for arm in Arm::ALL {
        under_valgrind(arm, &directory)?;
        for (number, (edge, times)) in paths(arm).iter().enumerate() {
            let file = directory.join(format!("{}.{}-01", arm.name(), ROUNDS * (number + 1)));
            let profile = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            figures.insert((edge.name.to_owned(), arm.name().to_owned()), figure(&profile, *times)?);
        }
    }
    Ok(figures)
}

fn under_valgrind(arm: Arm, directory: &Path) -> Result<()> {
    let receiver = Receiver::start()?;
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet", "--collect-atstart=no", "--compress-strings=no"]);
    // Of other threads nothing is collected: what they do at the same time is not the same in every run. Their calls
    // are counted all the same, unless each thread has its own profile.
    command.arg("--separate-threads=yes");
    command.args([format!("--toggle-collect={COUNTED}"), format!("--dump-after={COUNTED}")]);
    command.arg(format!("--callgrind-out-file={}", directory.join(arm.name()).display()));
    command.arg(std::env::current_exe().context("finding this program")?).args(["paths", arm.name()]);
    without_telemetry(&mut command);
    let output = command.envs(arm.settings(&receiver)).stdout(Stdio::null()).output().context("running valgrind")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<_> = said.lines().filter(|line| !line.starts_with('{')).collect();
        bail!("the arm {} ended with {}: {}", arm.name(), output.status, last.join("\n"));
    }
    Ok(())
}

/// What is counted, and how often it is repeated. The rules do not know in which arm they are.
fn paths(arm: Arm) -> Vec<(Edge, u64)> {
    let rules: &[Edge] = if arm == Arm::Off { &RULES } else { &[] };
    let tells = EDGES.iter().chain(&CARRIES).map(|edge| (*edge, TIMES));
    tells.chain(rules.iter().map(|rule| (*rule, FEW))).collect()
}

/// Does every path, as valgrind sees it: what `bench paths` does.
///
/// # Errors
/// When the stage cannot be set.
pub fn walk(arm: Arm) -> Result<()> {
    let stage = Stage::set(arm)?;
    for (edge, times) in paths(arm) {
        // The first time caches fill, and what is made only once is made. It is counted by itself, since callgrind counts
        // calls also where it collects nothing, and would add them to the second.
        for _ in 0..ROUNDS {
            counted_by_the_gate(&edge, &stage, times);
        }
    }
    stage.end()
}

/// Valgrind counts while this runs, and knows it by its name.
#[inline(never)]
fn counted_by_the_gate(edge: &Edge, stage: &Stage, times: u64) {
    (edge.run)(black_box(stage), black_box(times));
}

/// What a profile of callgrind adds up to.
fn figure(profile: &str, times: u64) -> Result<Figure> {
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: ")).context("a profile without totals")?;
    let total: u64 = total.trim().parse().context("reading the total of a profile")?;
    let (mut allocations, mut allocator) = (0, false);
    for line in profile.lines() {
        if let Some(called) = line.strip_prefix("cfn=") {
            allocator = ALLOCATORS.contains(&called.trim());
        } else if let Some(calls) = line.strip_prefix("calls=")
            && allocator
        {
            let calls = calls.split(' ').next().unwrap_or_default();
            allocations += calls.parse::<u64>().context("reading a number of calls")?;
        }
    }
    let each = |count: u64| count as f64 / times as f64;
    Ok(Figure { instructions: each(total), allocations: each(allocations) })
}

fn read(text: &str) -> Result<Figures> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let [path, arm, instructions, allocations] = line.split('\t').collect::<Vec<_>>()[..] else {
                bail!("four columns are expected: {line}");
            };
            let figure = Figure { instructions: instructions.parse()?, allocations: allocations.parse()? };
            Ok(((path.to_owned(), arm.to_owned()), figure))
        })
        .collect()
}

fn write(figures: &Figures) -> String {
    let mut text = String::from(
        "# What one repetition of a hot path takes: path, arm, instructions, allocations. By UPDATE_FIGURES=1 script/bench gate.\n",
    );
    for ((path, arm), figure) in figures {
        text += &format!("{path}\t{arm}\t{:.0}\t{:.2}\n", figure.instructions, figure.allocations);
    }
    text
}

/// A table, and what is worse than it may be.
fn compare(known: &Figures, counted: &Figures) -> (String, Vec<String>) {
    let (mut rows, mut worse) = (Vec::new(), Vec::new());
    for ((path, arm), now) in counted {
        let before = known.get(&(path.clone(), arm.clone()));
        let verdict = before.map_or("new", |before| verdict(*before, *now));
        if verdict == "MORE" {
            worse.push(format!("{path} {arm}"));
        }
        let change = before.map_or(String::new(), |before| {
            format!("{:+.1} %", 100.0 * (now.instructions / before.instructions.max(1.0) - 1.0))
        });
        let figures = [format!("{:.0}", now.instructions), change, format!("{:.1}", now.allocations)];
        rows.push([path.clone(), arm.clone()].into_iter().chain(figures).chain([verdict.to_owned()]).collect());
    }
    let gone = known.keys().filter(|key| !counted.contains_key(*key));
    worse.extend(gone.map(|(path, arm)| format!("{path} {arm} (not counted any more)")));
    (output::table(&["path", "telemetry", "instructions", "change", "allocations", "verdict"], &rows), worse)
}

fn verdict(before: Figure, now: Figure) -> &'static str {
    let ratio = now.instructions / before.instructions.max(1.0);
    if ratio > 1.0 + TOLERANCE || now.allocations > before.allocations + SPARE {
        "MORE"
    } else if ratio < 1.0 - TOLERANCE || now.allocations < before.allocations - SPARE {
        "less: keep it with UPDATE_FIGURES=1"
    } else {
        "as before"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(instructions: f64, allocations: f64) -> Figures {
        Figures::from([(("publish".to_owned(), "on".to_owned()), Figure { instructions, allocations })])
    }

    #[test]
    fn what_takes_more_is_named_and_what_takes_less_is_not() {
        let known = figures(1000.0, 7.0);
        assert!(compare(&known, &figures(1029.0, 7.0)).1.is_empty());
        assert_eq!(compare(&known, &figures(1031.0, 7.0)).1, ["publish on"]);
        assert_eq!(compare(&known, &figures(1000.0, 8.0)).1, ["publish on"]);
        assert!(compare(&known, &figures(500.0, 2.0)).1.is_empty());
        assert_eq!(compare(&known, &Figures::new()).1, ["publish on (not counted any more)"]);
    }

    #[test]
    fn figures_are_read_as_they_were_written() {
        let known = figures(1000.0, 7.25);
        assert_eq!(read(&write(&known)).unwrap(), known);
    }

    #[test]
    fn a_profile_is_added_up() {
        let profile = "fn=f\n12 400\ncfn=malloc\ncalls=300 7\n12 99\ncfn=free\ncalls=5 1\n12 2\ntotals: 50000\n";
        assert_eq!(figure(profile, 200).unwrap(), Figure { instructions: 250.0, allocations: 1.5 });
    }
}
