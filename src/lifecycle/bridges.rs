//! A stack's bridges: two processes of our own program, which end before the brokers and come after them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::bridge_proof::{PATIENCE, Proof};
use crate::contexts::LOCAL;
use crate::event::{self, Outcome, Report, Step};
use crate::failure::Failure;
use crate::memo::{Bridging, Memo};
use crate::observe::Bridges;
use crate::observe::bridges::Seen;
use crate::paths::Paths;
use crate::runtime::State;
use crate::runtime::bridges::{Hosted, Instance, Launch};
use crate::shutdown::Shutdown;
use crate::stack::sizes::BRIDGE_GRACE;
use crate::stack::{Bridge, Stack, StackName, load};
use crate::workload::short_digest;

/// What both bridges of a stack are started from.
#[derive(Debug, Clone)]
pub struct Plan {
    pub wanted: Bridging,
    /// The stack, as they read it.
    stack_file: String,
    launches: Vec<(Bridge, Launch)>,
}

/// What becomes of a stack's bridges.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// Nothing.
    None,
    /// They run as planned.
    Run(&'a Plan),
    /// They are taken away.
    Remove,
}

impl Change<'_> {
    /// Has the stack remember it.
    pub(super) fn note(self, memo: &mut Memo) {
        match self {
            Self::None => {}
            Self::Run(plan) => memo.bridges = Some(plan.wanted.clone()),
            Self::Remove => memo.bridges = None,
        }
    }
}

impl Plan {
    /// The stack's bridges, run by this program.
    ///
    /// # Errors
    /// When this program or the routes file cannot be read.
    pub fn new(stack: &Stack, paths: &Paths, wanted: &Bridging) -> Result<Self> {
        let hosted = Hosted::of(paths, &stack.name);
        let program = std::env::current_exe().context("finding this program")?;
        let about_program = fs::metadata(&program).with_context(|| format!("reading {}", program.display()))?;
        let build = (env!("CARGO_PKG_VERSION"), about_program.len(), about_program.mtime(), about_program.mtime_nsec());
        let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
        let routes = wanted.routes.as_deref().map(read).transpose()?;
        let stack_file = load::to_yaml(stack);
        let launch = |bridge| {
            let port = stack.ports.bridge(bridge);
            let arguments = arguments(stack, &hosted.stack_file(), port, wanted);
            let hash = short_digest(format!("{build:?} {arguments:?} {routes:?} {stack_file}").as_bytes());
            (bridge, Launch { program: program.clone(), arguments, port, hash })
        };
        let launches = Bridge::ALL.into_iter().map(launch).collect();
        Ok(Self { wanted: wanted.clone(), stack_file, launches })
    }

    /// Where they serve metrics and health.
    pub fn ports(&self) -> Vec<(Bridge, u16)> {
        self.launches.iter().map(|(bridge, launch)| (*bridge, launch.port)).collect()
    }

    /// Those that do not run, or were started from something else.
    pub fn differing(&self, instances: &[Instance]) -> Vec<Bridge> {
        let runs_so = |bridge: &Bridge| {
            let instance = instances.iter().find(|one| one.bridge == *bridge);
            instance.is_some_and(|one| one.state.is_alive() && !one.stopped && self.is_of(one))
        };
        self.launches.iter().map(|(bridge, _)| *bridge).filter(|bridge| !runs_so(bridge)).collect()
    }

    /// Whether a bridge was made by this plan.
    pub fn is_of(&self, instance: &Instance) -> bool {
        self.launches.iter().any(|(bridge, launch)| *bridge == instance.bridge && launch.hash == instance.hash)
    }
}

/// The program's arguments, but for the log's.
fn arguments(stack: &Stack, stack_file: &Path, port: u16, wanted: &Bridging) -> Vec<String> {
    let metrics = format!("127.0.0.1:{port}");
    let file = stack_file.display().to_string();
    // Named, as another context may be in use.
    let common = ["--stack", stack.name.as_str(), "--file", &file, "--output", "json", "bridge", "run", "--context"];
    let common = common.into_iter().chain([LOCAL, "--metrics", &metrics]).map(str::to_owned);
    let routes = wanted.routes.iter().flat_map(|path| ["--routes".to_owned(), path.display().to_string()]);
    let probe = wanted.probe_ms.iter().flat_map(|millis| ["--probe".to_owned(), format!("{millis}ms")]);
    let status = wanted.emergency_status.then(|| "--emergency-status".to_owned());
    common.chain(routes).chain(probe).chain(status).collect()
}

/// What is to be done with a stack's bridges.
pub struct Bringing<'a> {
    pub name: &'a StackName,
    pub paths: &'a Paths,
    pub plan: &'a Plan,
    /// The others are left as they are.
    pub which: &'a [Bridge],
    /// By which they are proven ready. None where the stack is not, so that they cannot be.
    pub proof: Option<Proof>,
    /// Keep what this run started although it is interrupted.
    pub retain: bool,
}

/// Starts those bridges that do not run as planned, and waits until one is subscribed, the other its standby, and a press of
/// the probe has got to Kafka; whether any was started.
///
/// # Errors
/// [`Failure::NotReady`] when one ends or the deadline passes: what there is stays, as evidence. After any other error,
/// [`Failure::Interrupted`] among them, bridges that did not run before have ended.
pub async fn bring(bringing: &Bringing<'_>, report: Report<'_>, shutdown: &Shutdown) -> Result<bool> {
    let hosted = Hosted::of(bringing.paths, bringing.name);
    let before = hosted.instances()?;
    let changed: Vec<Bridge> =
        bringing.plan.differing(&before).into_iter().filter(|bridge| bringing.which.contains(bridge)).collect();
    let brought = async {
        if !changed.is_empty() {
            event::step(report, Step::StartBridges, start(&hosted, bringing.plan, &changed)).await?;
        }
        for paused in before.iter().filter(|instance| instance.state == State::Paused) {
            hosted.resume(paused.bridge)?;
        }
        if let Some(proof) = &bringing.proof {
            proof.prove(bringing.name, &hosted, report).await?;
        }
        anyhow::Ok(!changed.is_empty())
    };
    let brought = shutdown.guard(brought).await;
    let is_evidence = |error: &anyhow::Error| matches!(error.downcast_ref(), Some(Failure::NotReady { .. }));
    if brought.as_ref().map_or_else(is_evidence, |_| true) || bringing.retain {
        return brought;
    }
    let ran = |bridge: &Bridge| before.iter().any(|instance| instance.bridge == *bridge && instance.state.is_alive());
    for bridge in changed.iter().filter(|bridge| !ran(bridge)) {
        hosted.stop(*bridge, BRIDGE_GRACE).await?;
    }
    if before.is_empty() {
        hosted.remove()?;
    }
    brought
}

/// One after the other, the standby first: meanwhile the other one works.
async fn start(hosted: &Hosted, plan: &Plan, changed: &[Bridge]) -> Result<((), Outcome)> {
    hosted.write_stack(&plan.stack_file)?;
    for bridge in Bridges::take(hosted, PATIENCE).await?.standby_first() {
        let Some((_, launch)) = plan.launches.iter().find(|(one, _)| *one == bridge && changed.contains(one)) else {
            continue;
        };
        hosted.stop(bridge, BRIDGE_GRACE).await?;
        hosted.create(bridge, launch)?;
        hosted.start(bridge).with_context(|| format!("starting {bridge}"))?;
    }
    Ok(((), Outcome::Started { count: changed.len(), of: plan.launches.len() }))
}

/// Ends bridges in order, the standby first: it would take over. Says so where any runs; those that ran.
///
/// # Errors
/// When one may not be signalled, or does not end.
pub async fn stop(paths: &Paths, name: &StackName, which: &[Bridge], report: Report<'_>) -> Result<Vec<Bridge>> {
    let hosted = Hosted::of(paths, name);
    let bridges = Bridges::take(&hosted, PATIENCE).await?;
    let there = |bridge: &Bridge| bridges.0.iter().any(|seen| seen.bridge == *bridge && seen.instance.is_some());
    let order: Vec<Bridge> =
        bridges.standby_first().into_iter().filter(|bridge| which.contains(bridge) && there(bridge)).collect();
    let is_alive = |seen: &Seen| which.contains(&seen.bridge) && seen.state().is_alive();
    let end = async {
        let mut ended = Vec::new();
        for bridge in order {
            if hosted.stop(bridge, BRIDGE_GRACE).await? {
                ended.push(bridge);
            }
        }
        let count = ended.len();
        anyhow::Ok((ended, Outcome::Stopped { count }))
    };
    if bridges.0.iter().any(is_alive) { event::step(report, Step::StopBridges, end).await } else { Ok(end.await?.0) }
}

/// Starts bridges as they were, after what ended them was interrupted.
///
/// # Errors
/// When a program cannot be run.
pub(super) fn start_again(paths: &Paths, name: &StackName, which: &[Bridge]) -> Result<()> {
    which.iter().try_for_each(|bridge| Hosted::of(paths, name).start(*bridge))
}

/// Ends both, and removes what is kept of them but for the journal.
///
/// # Errors
/// As for [`stop`]; when a file cannot be removed.
pub async fn remove(paths: &Paths, name: &StackName, report: Report<'_>) -> Result<()> {
    stop(paths, name, &Bridge::ALL, report).await?;
    Hosted::of(paths, name).remove()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::load::{Overrides, load};

    fn paths() -> Paths {
        Paths { data: "/data".into(), cache: "/cache".into() }
    }

    fn plan(offset: u16, routes: Option<&Path>) -> Plan {
        let overrides = Overrides { port_offset: Some(offset), ..Overrides::default() };
        let stack = load(None, &overrides).unwrap().stack;
        Plan::new(&stack, &paths(), &Bridging { routes: routes.map(Path::to_owned), ..Bridging::default() }).unwrap()
    }

    fn instance(of: &Plan, bridge: Bridge, state: State) -> Instance {
        let launch = &of.launches.iter().find(|(one, _)| *one == bridge).unwrap().1;
        Instance {
            bridge,
            hash: launch.hash.clone(),
            port: launch.port,
            state,
            stopped: state == State::Stopped,
            started: None,
            pid: None,
        }
    }

    #[test]
    fn the_local_stack_is_meant_whatever_context_is_in_use() {
        let plan = plan(100, None);
        let [first, second] = Bridge::ALL;
        assert_eq!(plan.ports(), [(first, 9211), (second, 9212)]);
        let words = plan.launches[0].1.arguments.join(" ");
        assert_eq!(
            words,
            "--stack sos --file /data/stacks/sos/bridges/stack.yaml --output json bridge run --context local --metrics \
             127.0.0.1:9211"
        );
        let stack = load(None, &Overrides::default()).unwrap().stack;
        let wanted = Bridging { probe_ms: Some(30_000), emergency_status: true, ..Bridging::default() };
        let more = Plan::new(&stack, &paths(), &wanted).unwrap();
        assert!(more.launches[0].1.arguments.join(" ").ends_with(":9111 --probe 30000ms --emergency-status"));
    }

    #[test]
    fn what_ended_or_was_made_of_something_else_differs() {
        let dir = tempfile::tempdir().unwrap();
        let routes = dir.path().join("routes.yaml");
        fs::write(&routes, "routes: []").unwrap();
        let [first, second] = Bridge::ALL;
        let wanted = plan(0, Some(&routes));
        let both = |of: &Plan, state| Bridge::ALL.map(|bridge| instance(of, bridge, state));
        assert_eq!(wanted.differing(&[]), [first, second]);
        assert_eq!(wanted.differing(&both(&wanted, State::Running)), []);
        assert_eq!(wanted.differing(&both(&wanted, State::Paused)), []);
        assert_eq!(wanted.differing(&both(&wanted, State::Exited { code: None })), [first, second]);
        assert_eq!(wanted.differing(&[instance(&wanted, second, State::Running)]), [first]);
        let ending = Instance { stopped: true, ..instance(&wanted, first, State::Running) };
        assert_eq!(wanted.differing(&[ending, instance(&wanted, second, State::Running)]), [first]);

        assert_eq!(wanted.differing(&both(&plan(0, None), State::Running)), [first, second], "other routes");
        assert_eq!(wanted.differing(&both(&plan(7, Some(&routes)), State::Running)), [first, second], "another stack");
        fs::write(&routes, "dead_letters: audit.access").unwrap();
        let changed = plan(0, Some(&routes));
        assert_eq!(changed.differing(&both(&wanted, State::Running)), [first, second], "the file has changed");
    }
}
