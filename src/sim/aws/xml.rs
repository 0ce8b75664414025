//! A small writer for the XML of AWS' Query protocol.

use std::fmt::Display;

use jiff::Timestamp;
use quick_xml::escape::escape;

/// XML as it is being written.
#[derive(Debug, Default)]
pub struct Xml {
    text: String,
}

impl Xml {
    /// Writes `<name>value</name>`.
    pub fn put(&mut self, name: &str, value: impl Display) -> &mut Self {
        // Control characters have no place in XML 1.0, escaped or not.
        let value: String = value.to_string().chars().filter(|c| !c.is_control() || *c == '\n' || *c == '\t').collect();
        self.text.push_str(&format!("<{name}>{}</{name}>", escape(value.as_str())));
        self
    }

    /// As [`Self::put`], nothing where there is no value.
    pub fn put_some(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.put(name, value);
        }
        self
    }

    /// Writes a moment as AWS prints it, to the millisecond.
    pub fn put_time(&mut self, name: &str, at: Timestamp) -> &mut Self {
        self.put(name, format!("{at:.3}"))
    }

    /// Writes an element around what `inner` writes.
    pub fn within(&mut self, name: &str, inner: impl FnOnce(&mut Self)) -> &mut Self {
        self.text.push_str(&format!("<{name}>"));
        inner(self);
        self.text.push_str(&format!("</{name}>"));
        self
    }

    /// Writes a list: `<name><item>…</item>…</name>`.
    pub fn list<T>(
        &mut self,
        name: &str,
        item: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.within(name, |xml| {
            for one in items {
                xml.within(item, |xml| write(xml, one));
            }
        })
    }

    /// What was written.
    pub fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_control_characters_dropped() {
        let mut xml = Xml::default();
        xml.within("a", |xml| {
            xml.put("b", "x < \u{1b}[31my & z");
        });
        assert_eq!(xml.into_text(), "<a><b>x &lt; [31my &amp; z</b></a>");
    }
}
