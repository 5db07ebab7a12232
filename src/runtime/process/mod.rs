//! Plain processes: the same systems where there is no Docker.
//!
//! One directory a stack, below it one a service (configuration, log, record) and one a volume.
//! There is no supervisor: what dies stays dead until `up` or `start`.

mod archives;
mod birth;
mod files;
pub(super) mod identity;
mod instances;
mod jars;
pub(super) mod log_files;
pub(super) mod logs;
mod mosquitto;
mod own_lines;
mod owner;
mod record;
mod replace;
mod signal;
pub(super) mod spawn;
mod tools;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use rustix::process::Signal;

use super::archives::{Archives, UnusedArchive};
use super::{Created, Inventory, LogLine, LogQuery, PortOwner, Runtime, RuntimeKind, classes};
use crate::event::Report;
use crate::paths::{Paths, ensure_private_dir, write_atomic};
use crate::shutdown::Shutdown;
use crate::stack::{Role, Service, Stack, StackName};
use crate::target::{Layout, Target};
use crate::workload::{ConfigFile, Workload};
use files::{gone, names_in, write_files};
use identity::{Living, Running};
use record::Record;
use replace::Former;

/// Keeps the port offset of a stack for as long as it has data.
const OFFSET_FILE: &str = "port-offset";
/// Keeps which unpacked Kafka a stack runs from, so that later commands need not be told again.
const KAFKA_HOME_FILE: &str = "kafka-home";

/// The folder of the jars that a stack's versions need, fetched or not.
pub fn jars_of(paths: &Paths, stack: &Stack) -> PathBuf {
    jars::cache_dir(&paths.cache, stack)
}

/// Services as plain processes of this user.
#[derive(Debug, Clone)]
pub struct Process {
    paths: Paths,
    kafka_home: Option<PathBuf>,
}

impl Process {
    /// `kafka_home`: an unpacked Kafka to be used instead of jars that Maven fetches.
    pub fn new(paths: &Paths, kafka_home: Option<PathBuf>) -> Self {
        Self { paths: paths.clone(), kafka_home }
    }

    fn service_dir(&self, stack: &StackName, service: Service) -> PathBuf {
        self.paths.stack(stack).join("services").join(service.to_string())
    }

    fn volumes_dir(&self, stack: &StackName) -> PathBuf {
        self.paths.stack(stack).join("volumes")
    }

    /// The unpacked Kafka to be used, as named now or when the stack was made. Absolute, as services run in
    /// directories of their own.
    fn kafka_home(&self, stack: &StackName) -> Option<PathBuf> {
        let named = self.kafka_home.as_ref().and_then(|home| std::path::absolute(home).ok());
        let kept = || fs::read_to_string(self.paths.stack(stack).join(KAFKA_HOME_FILE)).ok().map(PathBuf::from);
        named.or_else(kept)
    }

    /// Whether Kafka and ZooKeeper have to be fetched before the stack can run.
    pub fn needs_jars(&self, stack: &Stack) -> bool {
        self.kafka_home(&stack.name).is_none() && !jars::cache_dir(&self.paths.cache, stack).is_dir()
    }

    /// Which stack of plain processes, of this user or another one, listens on a port.
    pub(super) fn port_owner(&self, port: u16) -> Option<PortOwner> {
        owner::of_port(port, &self.paths.data)
    }

    fn record(&self, stack: &StackName, service: Service) -> Result<(PathBuf, Record)> {
        let dir = self.service_dir(stack, service);
        let record = Record::read(stack, &dir)?.with_context(|| format!("stack {stack} has no {service}"))?;
        Ok((dir, record))
    }

    fn living(&self, stack: &StackName) -> Vec<Living> {
        instances::living_of(&self.paths.stack(stack))
    }

    /// The process of a service, whatever was written down about it.
    fn process(&self, stack: &StackName, service: Service, record: Option<&Record>) -> Option<Running> {
        let unknown = || instances::process_of(service, None, &self.living(stack));
        record.and_then(Record::running).or_else(unknown)
    }

    /// Removes what is kept for as long as the stack has data.
    fn forget_choices(&self, stack: &StackName) {
        for file in [OFFSET_FILE, KAFKA_HOME_FILE] {
            let _ = fs::remove_file(self.paths.stack(stack).join(file));
        }
    }

    /// The services that have a record, sorted.
    fn services(&self, stack: &StackName) -> Vec<Service> {
        let mut services: Vec<Service> =
            names_in(&self.paths.stack(stack).join("services")).iter().filter_map(|name| name.parse().ok()).collect();
        services.sort_unstable();
        services
    }
}

#[async_trait]
impl Runtime for Process {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Process
    }

    async fn daemon(&self) -> Result<Option<String>> {
        Ok(None)
    }

    async fn target(&self, stack: &Stack) -> Result<Target> {
        let found = tools::find(self.needs_jars(stack))?;
        let class_path = match self.kafka_home(&stack.name) {
            Some(home) => jars::of_distribution(&home)?,
            None => jars::cache_dir(&self.paths.cache, stack).join("*").display().to_string(),
        };
        Ok(Target::Process(Layout {
            root: self.paths.stack(&stack.name),
            java: found.java,
            class_path,
            mosquitto_version: found.mosquitto.version.clone(),
            sqlite_plugin: found.mosquitto.sqlite_plugin(&stack.mosquitto)?,
            mosquitto: found.mosquitto.program,
            user: user_name(),
        }))
    }

    async fn fetch(
        &self,
        stack: &Stack,
        _workloads: &[Workload],
        report: Report<'_>,
        shutdown: &Shutdown,
    ) -> Result<()> {
        if !self.needs_jars(stack) {
            return Ok(());
        }
        let maven = tools::find(true)?.maven;
        jars::ensure(&jars::cache_dir(&self.paths.cache, stack), maven.as_deref(), stack, report, shutdown).await
    }

    async fn inventory(&self, stack: &StackName) -> Result<Inventory> {
        let living = self.living(stack);
        let mut instances = Vec::new();
        for service in self.services(stack) {
            let dir = self.service_dir(stack, service);
            let _ = log_files::bound_console(&dir);
            if let Some(record) = Record::read(stack, &dir)? {
                instances.push(instances::instance(service, &record, &living));
            }
        }
        let volumes = names_in(&self.volumes_dir(stack));
        let kept = fs::read_to_string(self.paths.stack(stack).join(OFFSET_FILE)).ok();
        let port_offset = kept.and_then(|text| text.trim().parse().ok());
        instances.extend(instances::unrecorded(&living, &instances, port_offset.unwrap_or(0)));
        instances.sort_by_key(|instance| instance.service);
        let exists = self.paths.stack(stack).join("services").is_dir();
        Ok(Inventory { instances, volumes, port_offset, exists })
    }

    async fn stacks(&self) -> Result<Vec<StackName>> {
        let root = self.paths.data.join("stacks");
        let of_ours = |name: &StackName| {
            let dir = root.join(name.as_str());
            dir.join("services").is_dir() || dir.join("volumes").is_dir()
        };
        let made = names_in(&root).into_iter().filter_map(|name| name.parse().ok()).filter(of_ours);
        let mut stacks: Vec<StackName> = made.chain(instances::living_in(&root)).collect();
        stacks.sort();
        stacks.dedup();
        Ok(stacks)
    }

    async fn prepare(&self, stack: &Stack) -> Result<()> {
        let root = self.paths.stack(&stack.name);
        ensure_private_dir(&root.join("services"))?;
        ensure_private_dir(&root.join("volumes"))?;
        if let Some(home) = self.kafka_home(&stack.name) {
            write_atomic(&root.join(KAFKA_HOME_FILE), home.as_os_str().as_encoded_bytes(), 0o600)?;
        }
        write_atomic(&root.join(OFFSET_FILE), format!("{}\n", stack.ports.offset).as_bytes(), 0o600)
    }

    /// The record comes last: an instance without one was never completely made, and is made again.
    async fn create(&self, stack: &Stack, workload: &Workload) -> Result<Created> {
        let dir = self.service_dir(&stack.name, workload.service);
        ensure_private_dir(&dir)?;
        let mut created = Created::default();
        for volume in &workload.volumes {
            if !volume.path.is_dir() {
                created.volumes.push(volume.name.clone());
            }
            ensure_private_dir(&volume.path)?;
        }
        write_files(&workload.files)?;
        Record::new(workload, stack.ports.offset).write(&dir)?;
        Ok(created)
    }

    async fn start(&self, stack: &StackName, service: Service) -> Result<()> {
        let (dir, mut record) = self.record(stack, service)?;
        if let Some(running) = self.process(stack, service, Some(&record)) {
            record.process = Some(running.identity);
            record.stopped = false;
            return record.write(&dir);
        }
        let _ = log_files::bound_console(&dir);
        record.stopped = false;
        record.process = None;
        record.started = Some(Timestamp::now());
        // Not part of the workload: with or without an archive it is the same service.
        let classes = archives::classes_of(&self.paths.cache, service, &dir, &record.workload.command);
        record.workload.command = classes::apply(&record.workload.command, &classes);
        record.write(&dir)?;
        record.process = Some(spawn::spawn(&record.workload.command, &dir, &[])?);
        record.write(&dir)
    }

    /// Files are written over: a service that cannot be made anew has its earlier ones, and its logs.
    async fn replace(&self, stack: &Stack, workload: &Workload) -> Result<Created> {
        let (name, service) = (&stack.name, workload.service);
        let dir = self.service_dir(name, service);
        let earlier = Record::read(name, &dir)?.filter(|record| record.started.is_some());
        let former = earlier.map(|record| Former::read(&dir, &record)).transpose()?;
        if former.is_none() {
            self.remove(name, service).await?;
        }
        let made = async {
            let created = self.create(stack, workload).await?;
            self.start(name, service).await.map(|()| created)
        };
        let made = made.await;
        if let (Err(_), Some(former)) = (&made, former) {
            former.put_back().with_context(|| format!("putting the earlier {service} back"))?;
        }
        made
    }

    async fn resume(&self, stack: &StackName, service: Service) -> Result<()> {
        let record = Record::read(stack, &self.service_dir(stack, service))?;
        let running = self.process(stack, service, record.as_ref());
        running.map_or(Ok(()), |running| spawn::signal(&running, Signal::CONT))
    }

    async fn stop(&self, stack: &StackName, service: Service, grace: Duration) -> Result<()> {
        let dir = self.service_dir(stack, service);
        let mut record = Record::read(stack, &dir)?;
        let mut running = self.process(stack, service, record.as_ref());
        if let Some(record) = &mut record {
            record.stopped = true;
            // On a full disk it is not noted down that this was meant: better than not to stop.
            let _ = record.write(&dir);
        }
        while let Some(process) = running {
            spawn::end(&process, grace).await?;
            running = self.process(stack, service, record.as_ref());
        }
        Ok(())
    }

    async fn remove(&self, stack: &StackName, service: Service) -> Result<()> {
        let dir = self.service_dir(stack, service);
        let record = Record::read(stack, &dir)?;
        while let Some(process) = self.process(stack, service, record.as_ref()) {
            spawn::kill(&process).await?;
        }
        gone(fs::remove_dir_all(&dir)).with_context(|| format!("removing {}", dir.display()))
    }

    /// The hash is written last: a kill in between leads to one reload too many, never to one too few.
    async fn reload(&self, stack: &StackName, service: Service, files: &[ConfigFile], live_hash: &str) -> Result<()> {
        let (dir, mut record) = self.record(stack, service)?;
        write_files(files)?;
        let running = self.process(stack, service, Some(&record));
        spawn::signal(&running.with_context(|| format!("{service} does not run"))?, Signal::HUP)?;
        live_hash.clone_into(&mut record.live_hash);
        record.write(&dir)
    }

    async fn remove_volumes(&self, stack: &StackName, volumes: &[String]) -> Result<()> {
        let root = self.volumes_dir(stack);
        if let Some(refusal) = instances::held(stack, volumes, &self.living(stack)) {
            return Err(refusal.into());
        }
        for volume in volumes {
            let dir = root.join(volume);
            gone(fs::remove_dir_all(&dir)).with_context(|| format!("removing {}", dir.display()))?;
        }
        if fs::remove_dir(&root).is_ok() {
            self.forget_choices(stack);
        }
        Ok(())
    }

    async fn retire(&self, stack: &StackName) -> Result<()> {
        let root = self.paths.stack(stack);
        // Each goes only when it is empty; what is not ours keeps its directory.
        let _ = fs::remove_dir(root.join("services"));
        if fs::remove_dir(root.join("volumes")).is_ok() {
            self.forget_choices(stack);
        }
        let _ = fs::remove_dir(root);
        Ok(())
    }

    async fn memory(&self, stack: &StackName, services: &[Service]) -> Result<Vec<(Service, u64)>> {
        let of = |service: &Service| {
            let record = self.record(stack, *service).ok().map(|(_, record)| record);
            let running = self.process(stack, *service, record.as_ref())?;
            Some((*service, identity::memory(running.identity.pid)?))
        };
        Ok(services.iter().filter_map(of).collect())
    }

    async fn logs(&self, stack: &StackName, query: LogQuery) -> Result<BoxStream<'static, Result<LogLine>>> {
        let wanted = |service: &Service| query.services.is_empty() || query.services.contains(service);
        let services = self.services(stack).into_iter().filter(wanted);
        let services: Vec<_> = services.map(|service| (service.into(), self.service_dir(stack, service))).collect();
        Ok(logs::logs(&services, &query))
    }
}

#[async_trait]
impl Archives for Process {
    async fn missing_archives(&self, stack: &StackName) -> Result<Vec<Role>> {
        let is_missing = |role: &Role| {
            let first = self.record(stack, Service { role: *role, ordinal: 0 });
            first.is_ok_and(|(dir, record)| {
                archives::is_missing(&self.paths.cache, *role, &dir, &record.workload.command)
            })
        };
        Ok(classes::ROLES.into_iter().filter(is_missing).collect())
    }

    async fn make_archive(&self, stack: &StackName, role: Role) -> Result<()> {
        let (dir, record) = self.record(stack, Service { role, ordinal: 0 })?;
        archives::make(&self.paths.cache, role, &dir, &record.workload.command)
    }

    async fn unused_archives(&self, stack: &Stack) -> Result<Vec<UnusedArchive>> {
        let mut kept = Vec::new();
        // Without Java there is no next start.
        if let Ok(Target::Process(layout)) = self.target(stack).await {
            kept.push(vec![layout.java.display().to_string(), "-cp".to_owned(), layout.class_path]);
        }
        for name in self.stacks().await? {
            let records = self.services(&name).into_iter().filter_map(|service| self.record(&name, service).ok());
            kept.extend(records.map(|(_, record)| record.workload.command));
        }
        Ok(archives::unused(&self.paths.cache, &kept))
    }

    async fn remove_archive(&self, name: &str) -> Result<()> {
        archives::remove(&self.paths.cache, name)
    }
}

fn user_name() -> String {
    let root = rustix::process::geteuid().is_root();
    if root { "root".to_owned() } else { std::env::var("USER").unwrap_or_else(|_| "nobody".to_owned()) }
}
