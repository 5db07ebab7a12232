//! The Secrets of a cluster: the backend's login, the passwords of the bridge, its probe and the peer link, the devices' hashes,
//! access rules and owners.
//!
//! They are never among the manifests. Devices are spread over Secrets that stay below Kubernetes' limit of 1 MiB; all
//! carry the same generation, and pods act on them when all of one generation are there.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::kubernetes::Component;
use super::kubernetes::mqtt::{BRIDGE, CREDENTIALS, DEVICE_SHARDS, OWNERS_KEY, PEER, PROBE, SHARD_KEYS, shard_name};
use crate::about::Remedy;
use crate::config::mosquitto::owner_acl;
use crate::failure::Failure;
use crate::secrets::{self, Accounts, ClusterSecrets};
use crate::stack::Stack;
use crate::stack::device::SERVICE_USER;
use crate::stack::owner_list::OwnerList;
use crate::workload::short_digest;

/// The first line of the file: it tells an export that the file is its own.
pub const HEADER: &str = "# Made by sosstack export secrets. These are passwords: keep the file to yourself.\n";

/// What one Secret holds at most, in bytes: 1 MiB less what the object itself and its base64 take.
const SHARD_BYTES: usize = 640 * 1024;

/// All Secrets, in the order in which they are applied.
///
/// # Errors
/// [`Failure::Failed`] when there are more devices than the pods read.
pub fn secrets(stack: &Stack, accounts: &Accounts, cluster: &ClusterSecrets) -> Result<Vec<Secret>, Failure> {
    let login = [("mqtt-username", SERVICE_USER), ("mqtt-password", accounts.service.password.reveal())];
    let password = |name, text: &secrets::Secret| secret(stack, name, [("password", text.reveal().to_owned())]);
    let mut all = vec![password(PEER, &cluster.peer_password)];
    all.extend(accounts.bridge.as_ref().map(|account| password(BRIDGE, &account.password)));
    all.push(password(PROBE, &accounts.probe.password));
    let shards = shards(accounts, SHARD_BYTES);
    if shards.len() > DEVICE_SHARDS {
        return Err(Failure::Failed {
            cause: format!(
                "{} devices need {} Secrets, and the pods read {DEVICE_SHARDS}",
                accounts.devices.len(),
                shards.len()
            ),
            remedy: Remedy::words(
                "split the fleet over several stacks, each exported with --stack NAME --namespace NAME",
            ),
        });
    }
    let generation = generation(&shards);
    let count = shards.len();
    all.extend(shards.into_iter().enumerate().map(|(index, shard)| {
        let owners = OwnerList::part(index + 1, count, &generation) + &shard.owners;
        let values = [shard.passwd, shard.acl, count.to_string(), generation.clone()];
        secret(stack, &shard_name(index), SHARD_KEYS.into_iter().zip(values).chain([(OWNERS_KEY, owners)]))
    }));
    // The last one: pods wait for it, and then find the others.
    all.push(secret(stack, CREDENTIALS, login.map(|(key, value)| (key, value.to_owned()))));
    Ok(all)
}

/// Secrets as one stream of YAML documents.
pub fn text(secrets: &[Secret]) -> String {
    let yaml = |secret| serde_yaml::to_string(secret).expect("an object of the API is plain data");
    format!("{HEADER}{}", secrets.iter().map(yaml).collect::<Vec<_>>().join("---\n"))
}

/// What one Secret of devices holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shard {
    passwd: String,
    acl: String,
    owners: String,
}

/// At least one, even without devices: it tells pods that Secrets of an older export count no more.
fn shards(accounts: &Accounts, most: usize) -> Vec<Shard> {
    let mut all = vec![Shard::default()];
    for (id, enrolled) in &accounts.devices {
        let line = format!("{id}:{}\n", enrolled.account.hash());
        let acl = owner_acl(id, enrolled.owner.as_deref());
        let owner = enrolled.owner.as_ref().map(|owner| OwnerList::line(id, owner)).unwrap_or_default();
        let length = |shard: &Shard| shard.passwd.len() + shard.acl.len() + shard.owners.len();
        let is_full = |shard: &Shard| length(shard) + line.len() + acl.len() + owner.len() > most;
        if all.last().is_some_and(is_full) {
            all.push(Shard::default());
        }
        if let Some(last) = all.last_mut() {
            last.passwd.push_str(&line);
            last.acl.push_str(&acl);
            last.owners.push_str(&owner);
        }
    }
    all
}

fn generation(shards: &[Shard]) -> String {
    let text: Vec<&str> =
        shards.iter().flat_map(|shard| [shard.passwd.as_str(), &shard.acl, &shard.owners, "\0"]).collect();
    short_digest(text.concat().as_bytes())
}

fn secret<'a>(stack: &Stack, name: &str, values: impl IntoIterator<Item = (&'a str, String)>) -> Secret {
    let bytes = |(key, value): (&str, String)| (key.to_owned(), ByteString(value.into_bytes()));
    let data: BTreeMap<String, ByteString> = values.into_iter().map(bytes).collect();
    Secret {
        metadata: Component::Mqtt.metadata(stack, name),
        type_: Some("Opaque".to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Device;

    #[test]
    fn devices_are_spread_over_secrets_that_are_small_enough() {
        let dir = tempfile::tempdir().unwrap();
        let device = |n: usize| Device { id: format!("device-{n:05}"), owner: Some(format!("user-{n}")) };
        let devices: Vec<Device> = (0..40).map(device).collect();
        let accounts = Accounts::ensure(dir.path(), &devices).unwrap();
        let shards = shards(&accounts, 2000);
        assert!(shards.len() > 3, "{}", shards.len());
        assert!(shards.iter().all(|shard| shard.passwd.len() + shard.acl.len() <= 2000));
        let lines: usize = shards.iter().map(|shard| shard.passwd.lines().count()).sum();
        assert_eq!(lines, 40);
        assert!(shards[0].passwd.starts_with("device-00000:$7$101$"));
        assert!(shards[0].acl.contains("\nuser device-00000\ntopic write emergency/user-0/trigger\n"));
    }

    #[test]
    fn the_same_accounts_make_the_same_secrets_and_other_ones_another_generation() {
        let dir = tempfile::tempdir().unwrap();
        let stack = crate::stack::load::load(None, &crate::stack::load::Overrides::default()).unwrap().stack;
        let made = || {
            let accounts = Accounts::ensure(dir.path(), &stack.devices).unwrap();
            text(&secrets(&stack, &accounts, &ClusterSecrets::ensure(dir.path()).unwrap()).unwrap())
        };
        assert_eq!(made(), made());
        let mut accounts = Accounts::read(dir.path()).unwrap().unwrap();
        let before = generation(&shards(&accounts, SHARD_BYTES));
        accounts.rotate("device-12345");
        assert_ne!(generation(&shards(&accounts, SHARD_BYTES)), before);
        let none = Accounts { devices: BTreeMap::new(), ..accounts };
        assert_eq!(shards(&none, SHARD_BYTES), [Shard::default()]);
    }
}
