//! What `${…}` may refer to within a partition.

use std::cell::RefCell;

use super::document::Node;
use super::placeholder::{Names, Unmet, Unresolved, resolve_text};
use super::values;

/// Names without a prefix, and the keys of the partition that hold their values.
const OF_PARTITION: [(&str, &[&str]); 8] = [
    ("partition", &["name"]),
    ("infrastructure", &["infrastructure"]),
    ("infrastructure_lower", &["infrastructure"]),
    ("profile", &["aws", "profile"]),
    ("region", &["aws", "region"]),
    ("cluster", &["cluster", "id"]),
    ("context", &["kubernetes", "context"]),
    ("namespace", &["kubernetes", "namespace"]),
];

/// The names that hold within one partition. Their values may refer to one another.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    root: &'a Node,
    partition: &'a Node,
    /// Names that are being resolved, so that one that refers to itself is found.
    under_way: RefCell<Vec<String>>,
}

impl<'a> Scope<'a> {
    /// The names of a partition, the defaults already merged in.
    pub fn new(root: &'a Node, partition: &'a Node) -> Self {
        Self { root, partition, under_way: RefCell::default() }
    }

    /// Where a name's value stands.
    fn find(&self, name: &str) -> Result<&'a Node, Unresolved> {
        if let Some(path) = name.strip_prefix("paths.") {
            return self.root.at(&["paths", path]).ok_or(Unresolved::Undefined);
        }
        let who = self.partition.name().unwrap_or("this partition");
        if let Some(variable) = name.strip_prefix("vars.") {
            return self.partition.at(&["vars", variable]).ok_or_else(|| match self.anywhere(variable) {
                true => Unresolved::Absent(format!("partition `{who}` has no `vars.{variable}`")),
                false => Unresolved::Undefined,
            });
        }
        if name == "rollout" {
            return self.root.get("id").ok_or(Unresolved::Undefined);
        }
        let (_, keys) = OF_PARTITION.iter().find(|(known, _)| *known == name).ok_or(Unresolved::Undefined)?;
        let absent = || Unresolved::Absent(format!("partition `{who}` has no `{}`", keys.join(".")));
        self.partition.at(keys).ok_or_else(absent)
    }

    /// Whether any partition has a variable of that name.
    fn anywhere(&self, variable: &str) -> bool {
        let partitions = self.root.get("partitions").map(Node::items).unwrap_or_default();
        partitions.iter().any(|partition| partition.at(&["vars", variable]).is_some())
    }
}

impl Names for Scope<'_> {
    fn value(&self, name: &str) -> Result<String, Unresolved> {
        let node = self.find(name)?;
        let text = node.text().ok_or_else(|| Unresolved::Absent(format!("its value is {}", node.kind())))?;
        if self.under_way.borrow().iter().any(|under_way| under_way == name) {
            return Err(Unresolved::Absent("it refers to itself".to_owned()));
        }
        self.under_way.borrow_mut().push(name.to_owned());
        let (value, unmet) = resolve_text(text, self);
        self.under_way.borrow_mut().pop();
        if let Some(Unmet { placeholder, why }) = unmet.into_iter().next() {
            return Err(match why {
                Some(absent @ Unresolved::Absent(_)) => absent,
                _ => Unresolved::Absent(format!("its own value refers to {placeholder}, which is not defined")),
            });
        }
        Ok(match name {
            "infrastructure_lower" => value.to_lowercase(),
            _ if name.starts_with("paths.") => values::path(&value, &node.place.source.directory),
            _ => value,
        })
    }

    fn known(&self) -> Vec<String> {
        let below = |prefix: &str, node: Option<&Node>| -> Vec<String> {
            let entries = node.map(Node::entries).unwrap_or_default();
            entries.iter().map(|entry| format!("{prefix}.{}", entry.name)).collect()
        };
        let mut known: Vec<String> = OF_PARTITION.iter().map(|(name, _)| (*name).to_owned()).collect();
        known.push("rollout".to_owned());
        known.extend(below("paths", self.root.get("paths")));
        known.extend(below("vars", self.partition.get("vars")));
        known
    }
}
