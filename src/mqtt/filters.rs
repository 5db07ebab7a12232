//! Which filters share messages. A server may send a message once for each filter that it matches.

/// Filters that no message matches two of, each group for a connection of its own, which tells what no group before it
/// tells. Subscription identifiers would do with one connection, but not every server has them, and Mosquitto can be
/// told to send one copy with only one of them: whoever relies on them may lose a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    pub filters: Vec<String>,
    /// What others tell.
    pub told_elsewhere: Vec<String>,
}

impl Group {
    /// Whether a message of this topic is for somebody else to tell.
    pub fn leaves(&self, topic: &str) -> bool {
        self.told_elsewhere.iter().any(|filter| matches(filter, topic))
    }
}

/// As few groups as come of putting each filter into the first one that it fits; a filter whose messages all match
/// another one is left out. Shared subscriptions share no messages with any.
pub fn groups(filters: &[String]) -> Vec<Group> {
    let mut needed: Vec<&String> = Vec::new();
    for filter in filters {
        if !needed.iter().any(|other| covers(other, filter)) {
            needed.retain(|other| !covers(filter, other));
            needed.push(filter);
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for filter in needed {
        match groups.iter_mut().find(|group| !group.filters.iter().any(|other| overlap(other, filter))) {
            Some(group) => group.filters.push(filter.clone()),
            None => groups.push(Group { filters: vec![filter.clone()], ..Group::default() }),
        }
    }
    let mut before: Vec<String> = Vec::new();
    for group in &mut groups {
        group.told_elsewhere.clone_from(&before);
        before.extend(group.filters.iter().filter(|filter| !is_shared(filter)).cloned());
    }
    groups
}

/// Whether messages of a topic match a filter (MQTT 5, 4.7).
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    // A topic is a filter without wildcards.
    covers(filter, topic)
}

/// Whether every topic that matches `narrow` matches `wide`, too.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    if is_shared(wide) || is_shared(narrow) {
        return wide == narrow;
    }
    // Wildcards at the beginning match no topic that begins with $.
    if narrow.starts_with('$') && wide.starts_with(['#', '+']) {
        return false;
    }
    let (mut wide, mut narrow) = (wide.split('/'), narrow.split('/'));
    loop {
        match (wide.next(), narrow.next()) {
            // It matches the level above it as well.
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Whether a topic may match both.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    if is_shared(one) || is_shared(other) {
        return false;
    }
    let wild = |filter: &str| filter.starts_with(['#', '+']);
    if (wild(one) && other.starts_with('$')) || (wild(other) && one.starts_with('$')) {
        return false;
    }
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
            (Some(level), Some(same)) if level == same => {}
            _ => return false,
        }
    }
}

fn is_shared(filter: &str) -> bool {
    filter.starts_with("$share/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(filters: &[&str]) -> Vec<Vec<String>> {
        let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
        groups(&filters).into_iter().map(|group| group.filters).collect()
    }

    #[test]
    fn a_filter_covers_what_it_matches() {
        let yes =
            [("#", "a/b"), ("a/#", "a"), ("a/#", "a/+/c"), ("+/b", "a/b"), ("+/+", "+/b"), ("a", "a"), ("+/#", "a")];
        let no = [("a/+", "a"), ("a/+", "a/#"), ("+", "#"), ("a/b", "a/+"), ("#", "$SYS/x"), ("+/x", "$SYS/x")];
        let pairs = yes.iter().map(|pair| (pair, true)).chain(no.iter().map(|pair| (pair, false)));
        for ((wide, narrow), expected) in pairs {
            assert_eq!(covers(wide, narrow), expected, "{wide} {narrow}");
        }
        assert!(covers("$SYS/#", "$SYS/broker/uptime") && matches("a/+/c", "a//c"));
    }

    #[test]
    fn filters_overlap_where_a_topic_matches_both() {
        for (one, other) in [("device/+/alert", "device/1/#"), ("#", "a"), ("a/+", "+/b"), ("a/#", "a"), ("+/#", "a")] {
            assert!(overlap(one, other) && overlap(other, one), "{one} {other}");
        }
        for (one, other) in [("a/+", "b/+"), ("a", "a/b"), ("a/+", "a"), ("#", "$SYS/#"), ("a/+/c", "a/+/d")] {
            assert!(!overlap(one, other) && !overlap(other, one), "{one} {other}");
        }
    }

    #[test]
    fn what_others_cover_is_left_out() {
        assert_eq!(grouped(&["device/1/alert", "device/#", "device/+/alert"]), [["device/#"]]);
        assert_eq!(grouped(&["a/b", "a/b"]), [["a/b"]]);
        assert_eq!(grouped(&["a/+", "b/+", "$SYS/#"]), [["a/+", "b/+", "$SYS/#"]]);
    }

    #[test]
    fn what_overlaps_is_told_by_one_of_them() {
        let filters = ["device/+/alert", "device/1/#", "panic/#"].map(str::to_owned);
        let groups = groups(&filters);
        assert_eq!(groups[0].filters, ["device/+/alert", "panic/#"]);
        assert_eq!(groups[1].filters, ["device/1/#"]);
        assert!(groups[1].leaves("device/1/alert") && !groups[1].leaves("device/1/status"));
        assert!(!groups[0].leaves("device/1/alert"));
    }

    #[test]
    fn shared_subscriptions_are_left_alone() {
        assert_eq!(grouped(&["$share/g/a/#", "a/#", "$share/g/a/b"]), [["$share/g/a/#", "a/#", "$share/g/a/b"]]);
        let filters = ["a/+", "$share/g/a/#", "+/b"].map(str::to_owned);
        assert!(!groups(&filters)[1].told_elsewhere.iter().any(|filter| filter.starts_with("$share")));
    }
}
