//! What every stack needs of this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Finding, Verdict};
use crate::about::{About, Remedy};
use crate::lifecycle::ports;
use crate::memo::Memo;
use crate::paths::Paths;
use crate::runtime::docker::Docker;
use crate::runtime::process::Process;
use crate::runtime::{Inventory, Runtime, RuntimeKind};
use crate::stack::{Bridge, Member, Stack};
use crate::target::Target;
use crate::workload::parts;

/// A new stack's data and logs for a day of work; Kafka ends when its disk is full.
const DISK: u64 = 2 << 30;
/// What an idle stack takes, and room for it to work.
const MEMORY: u64 = 3 << 29;
/// Files and connections: Mosquitto's clients, Kafka's segments.
const FILES: u64 = 8192;

/// Checks the machine; `running` is what exists of the stack, and `runs_on` where.
pub async fn check(stack: &Stack, paths: &Paths, running: Option<(&Inventory, RuntimeKind)>) -> Vec<Finding> {
    let mut findings = runtimes(stack, paths, running.map(|(_, kind)| kind)).await;
    findings.push(directory(paths));
    findings.extend(secrets(&paths.stack(&stack.name)));
    findings.push(disk(paths));
    let is_up = running.is_some_and(|(inventory, _)| inventory.instances.iter().any(|i| i.started.is_some()));
    if !is_up {
        findings.push(memory());
        findings.push(free_ports(stack, paths).await);
    }
    findings.push(files());
    findings
}

/// One runtime is enough; the one on which the stack runs must work.
async fn runtimes(stack: &Stack, paths: &Paths, runs_on: Option<RuntimeKind>) -> Vec<Finding> {
    let mut docker = docker(stack).await;
    let mut process = process(stack, paths).await;
    let works = |finding: &Finding| finding.verdict != Verdict::Bad;
    let neither = !works(&docker) && !works(&process);
    for (finding, kind) in [(&mut docker, RuntimeKind::Docker), (&mut process, RuntimeKind::Process)] {
        if !works(finding) && !neither && runs_on != Some(kind) {
            finding.verdict = Verdict::Warning;
        }
    }
    vec![docker, process]
}

async fn docker(stack: &Stack) -> Finding {
    let subject = "Docker";
    let docker = match Docker::connect().await {
        Ok(docker) => docker,
        Err(error) => return Finding::of_error(subject, &error, Remedy::words("start Docker")),
    };
    let images = [&stack.zookeeper.image, &stack.kafka.image, &stack.mosquitto.image].map(Clone::clone);
    let asked = async { anyhow::Ok((docker.version().await?, docker.missing_images(&images).await?)) };
    match asked.await {
        Err(error) => Finding::of_error(subject, &error, Remedy::words("restart Docker")),
        Ok((version, missing)) if missing.is_empty() => {
            Finding::good(subject, format!("Docker {version} answers and has the images"))
        }
        Ok((version, missing)) => Finding::warning(
            subject,
            format!("Docker {version} answers; not here yet: {}", missing.join(", ")),
            (stack.name.about().remedy("up")).then(&format!(
                " pulls them; without a registry carry them over: {}",
                this_machine("images load FILE")
            )),
        ),
    }
}

async fn process(stack: &Stack, paths: &Paths) -> Finding {
    let subject = "processes";
    let process = Process::new(paths, None);
    match process.target(stack).await {
        Err(error) => Finding::of_error(subject, &error, Remedy::words("install what is missing")),
        Ok(Target::Process(layout)) => {
            let jars = if process.needs_jars(stack) { "; Maven will fetch the jars" } else { " and the jars" };
            Finding::good(
                subject,
                format!("{} and {} are here{jars}", layout.java.display(), layout.mosquitto.display()),
            )
        }
        Ok(Target::Docker | Target::Kubernetes) => Finding::good(subject, "usable"),
    }
}

fn this_machine(command: &str) -> String {
    About::this_machine().command(command)
}

fn directory(paths: &Paths) -> Finding {
    let subject = "data directory";
    let dir = &paths.data;
    let probe = dir.join(".doctor");
    let written = crate::paths::ensure_private_dir(dir)
        .and_then(|()| crate::paths::write_atomic(&probe, b"", 0o600))
        .and_then(|()| Ok(fs::remove_file(&probe)?));
    match written {
        Ok(()) => Finding::good(subject, format!("{} is writable", dir.display())),
        Err(error) => Finding::bad(
            subject,
            format!("{error:#}"),
            Remedy::words(format!(
                "make it yours: sudo chown -R $USER {}; or choose another: XDG_DATA_HOME",
                dir.display()
            )),
        ),
    }
}

/// Files with secrets that others may read.
fn secrets(dir: &Path) -> Vec<Finding> {
    let open = |path: &PathBuf| fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0);
    let names = ["accounts.json", "authority.json", "server.json"];
    let open: Vec<String> =
        names.map(|name| dir.join(name)).into_iter().filter(open).map(|path| path.display().to_string()).collect();
    if open.is_empty() {
        return Vec::new();
    }
    let files = open.join(" ");
    vec![Finding::bad("secrets", format!("others can read {files}"), Remedy::words(format!("chmod 600 {files}")))]
}

fn disk(paths: &Paths) -> Finding {
    let subject = "disk";
    let nearest = paths.data.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("/"));
    let Ok(stat) = rustix::fs::statvfs(nearest) else {
        return Finding::warning(
            subject,
            format!("{}: its free space is unknown", nearest.display()),
            Remedy::words("df -h"),
        );
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let words = format!("{} free on {}", gibibytes(free), nearest.display());
    if free >= DISK {
        Finding::good(subject, words)
    } else {
        Finding::bad(
            subject,
            format!("{words}; a broker exits when its disk is full"),
            Remedy::words(format!("free some: {}; docker system df shows what Docker uses", this_machine("prune"))),
        )
    }
}

fn memory() -> Finding {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let available = system.available_memory();
    let words = format!("{} available", gibibytes(available));
    if available >= MEMORY {
        Finding::good("memory", words)
    } else {
        Finding::warning(
            "memory",
            format!("{words}; a stack takes {}", gibibytes(MEMORY)),
            Remedy::words("close something large, or run fewer brokers: kafka: {brokers: 1} in the stack file"),
        )
    }
}

async fn free_ports(stack: &Stack, paths: &Paths) -> Finding {
    let runtime: Box<dyn Runtime> = match Docker::connect().await {
        Ok(docker) => Box::new(docker),
        Err(_) => Box::new(Process::new(paths, None)),
    };
    // Processes take more ports than containers; where a program is missing, the ports that clients use say enough.
    let target = runtime.target(stack).await.unwrap_or(Target::Docker);
    let of_service =
        |service| parts::ports(stack, service, &target).into_iter().map(move |port| (Member::from(service), port.host));
    let has_bridges = Memo::read(&paths.stack(&stack.name)).unwrap_or_default().bridges.is_some();
    let bridges = Bridge::ALL.into_iter().filter(|_| has_bridges);
    let of_bridges = bridges.map(|bridge| (bridge.into(), stack.ports.bridge(bridge)));
    let wanted: Vec<_> = stack.services().into_iter().flat_map(of_service).chain(of_bridges).collect();
    match ports::ensure_free(&wanted, stack, paths).await {
        Ok(()) => Finding::good("ports", format!("all {} are free on 127.0.0.1", wanted.len())),
        Err(error) => Finding::of_error("ports", &error, stack.name.about().remedy("up --port-offset 100")),
    }
}

fn files() -> Finding {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    match limit {
        Some(limit) if limit < FILES => Finding::warning(
            "open files",
            format!("at most {limit} per process; Mosquitto and the brokers may need {FILES}"),
            Remedy::words("raise the hard limit: LimitNOFILE of your session, or /etc/security/limits.conf"),
        ),
        _ => Finding::good("open files", limit.map_or("no limit".to_owned(), |limit| format!("at most {limit}"))),
    }
}

#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
