//! Parameters of a call in AWS' Query protocol: `Filters.Filter.1.Name=…&Filters.Filter.1.Values.Value.1=…`.

use std::collections::BTreeMap;

use super::xml::Xml;
use crate::sim::world::refusal::Refusal;

/// How many items a page has where the caller does not say.
const USUAL_PAGE: usize = 100;

/// The parameters of a call by name.
#[derive(Debug, Default)]
pub struct Params(BTreeMap<String, String>);

/// A filter of a Describe call.
#[derive(Debug, PartialEq, Eq)]
pub struct Filter {
    /// What it filters by, such as `db-cluster-id`.
    pub name: String,
    /// The values of which one must hold.
    pub values: Vec<String>,
}

impl Params {
    /// Reads a form; none where it is not well-formed: an escape that is none, or text that is no UTF-8.
    pub fn read(form: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(form).ok()?;
        let is_escape = |after: &str| after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
        if !text.split('%').skip(1).all(is_escape) {
            return None;
        }
        let params: BTreeMap<String, String> = form_urlencoded::parse(form).into_owned().collect();
        // What was no UTF-8 once its escapes were resolved was replaced while it was read.
        let replaced = |text: &String| text.contains(char::REPLACEMENT_CHARACTER);
        (!params.iter().any(|(name, value)| replaced(name) || replaced(value))).then_some(Self(params))
    }

    /// The value of a parameter; an empty one counts as not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of a parameter that must be given.
    pub fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)
            .ok_or_else(|| Refusal::new("MissingParameter", format!("The request must contain the parameter {name}.")))
    }

    /// Whether a flag is given and true.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A number, where one is given.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let parse = |value: &str| {
            value.parse().map_err(|_| Refusal::new("InvalidParameterValue", format!("{name} is not a number: {value}")))
        };
        self.get(name).map(parse).transpose()
    }

    /// The values of a list: `prefix.1`, `prefix.2`, ….
    pub fn list(&self, prefix: &str) -> Vec<String> {
        (1..).map_while(|index| self.get(&format!("{prefix}.{index}")).map(str::to_owned)).collect()
    }

    /// How many structures a list has: `prefix.1.field`, ….
    pub fn count(&self, prefix: &str) -> usize {
        let is_there = |index: usize| {
            let start = format!("{prefix}.{index}.");
            self.0.range(start.clone()..).next().is_some_and(|(name, _)| name.starts_with(&start))
        };
        (1..).take_while(|index| is_there(*index)).count()
    }

    /// The filters of a Describe call; one that is not among `known` is refused.
    pub fn filters(&self, known: &[&str]) -> Result<Vec<Filter>, Refusal> {
        let read = |index: usize| {
            let prefix = format!("Filters.Filter.{index}");
            let name = self.need(&format!("{prefix}.Name"))?.to_owned();
            if !known.contains(&name.as_str()) {
                return Err(Refusal::new("InvalidParameterValue", format!("Unrecognized filter name: {name}")));
            }
            Ok(Filter { name, values: self.list(&format!("{prefix}.Values.Value")) })
        };
        (1..=self.count("Filters.Filter")).map(read).collect()
    }

    /// One page of `items` by `MaxRecords` and `Marker`, and the marker of the next one, written by `xml`.
    pub fn page<'a, T>(&self, items: &'a [T]) -> Result<(&'a [T], Option<String>), Refusal> {
        let size = self.number("MaxRecords")?.unwrap_or(USUAL_PAGE);
        if !(20..=USUAL_PAGE).contains(&size) {
            let message = format!("Invalid value {size} for MaxRecords. Must be between 20 and 100");
            return Err(Refusal::new("InvalidParameterValue", message));
        }
        let from: usize = self.number("Marker")?.unwrap_or(0).min(items.len());
        let to = (from + size).min(items.len());
        Ok((&items[from..to], (to < items.len()).then(|| to.to_string())))
    }
}

impl Filter {
    /// Whether an identifier, or an ARN that ends in it, is among the values; case does not count.
    pub fn takes(&self, id: &str) -> bool {
        self.values.iter().any(|value| bare(value).eq_ignore_ascii_case(id))
    }
}

/// The identifier within an ARN, or the identifier itself.
pub fn bare(id_or_arn: &str) -> &str {
    if id_or_arn.starts_with("arn:") { id_or_arn.rsplit(':').next().unwrap_or(id_or_arn) } else { id_or_arn }
}

/// Writes the marker of the next page.
pub fn put_marker(xml: &mut Xml, marker: Option<String>) {
    xml.put_some("Marker", marker);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_with_broken_escapes_is_none() {
        for broken in [&b"Action=%"[..], b"Action=%4", b"Action=%zz", b"a=%ff", b"\xff=1"] {
            assert!(Params::read(broken).is_none(), "{broken:?}");
        }
        assert_eq!(Params::read(b"a=%C3%A9&b").and_then(|params| params.get("a").map(str::to_owned)), Some("é".into()));
    }

    #[test]
    fn lists_filters_and_pages_are_read_as_the_sdks_write_them() {
        let body =
            b"Filters.Filter.1.Name=db-cluster-id&Filters.Filter.1.Values.Value.1=A%20b&Parameters.Parameter.1.X=1\
            &Parameters.Parameter.2.X=2&MaxRecords=20&Marker=20";
        let params = Params::read(body).expect("well-formed");
        let filters = params.filters(&["db-cluster-id"]).expect("known filter");
        assert!(filters[0].takes("a B"));
        assert!(params.filters(&["other"]).is_err());
        assert_eq!(params.count("Parameters.Parameter"), 2);
        let items: Vec<_> = (0..45).collect();
        let (page, marker) = params.page(&items).expect("valid page");
        assert_eq!((page[0], page.len(), marker.as_deref()), (20, 20, Some("40")));
    }
}
