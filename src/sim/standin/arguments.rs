//! A program's arguments: words, and options with their values.

/// Arguments taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// What is no option, in its order.
    pub words: Vec<String>,
    options: Vec<(String, Option<String>)>,
}

impl Arguments {
    /// Takes arguments apart. `flags` are the options without a value; `short` gives long names to short options.
    pub fn parse(args: &[String], flags: &[&str], short: &[(&str, &str)]) -> Self {
        let mut parsed = Self::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let long = short.iter().find(|(letter, _)| arg == letter).map(|(_, long)| (*long).to_owned());
            let Some(name) = long.or_else(|| arg.strip_prefix("--").map(str::to_owned)) else {
                parsed.words.push(arg.clone());
                continue;
            };
            let (name, value) = match name.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None if flags.contains(&name.as_str()) => (name, None),
                None => (name, rest.next().cloned()),
            };
            parsed.options.push((name, value));
        }
        parsed
    }

    /// The value of an option.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(option, _)| option == name)?.1.as_deref()
    }

    /// All values of an option that may come several times.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.options.iter().filter(|(option, _)| option == name).filter_map(|(_, value)| value.as_deref()).collect()
    }

    /// Whether a flag is set.
    pub fn is_set(&self, name: &str) -> bool {
        self.options.iter().any(|(option, _)| option == name)
    }

    /// The words as string slices, to match on.
    pub fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_stand_anywhere() {
        let args = [
            "upgrade",
            "--install",
            "operations",
            "-n",
            "dev-operations",
            "./chart",
            "--output=json",
            "-f",
            "a",
            "-f",
            "b",
        ];
        let args: Vec<String> = args.map(str::to_owned).into();
        let parsed = Arguments::parse(&args, &["install"], &[("-n", "namespace"), ("-f", "values")]);
        assert_eq!(parsed.words(), ["upgrade", "operations", "./chart"]);
        assert!(parsed.is_set("install"));
        assert_eq!((parsed.value("namespace"), parsed.value("output")), (Some("dev-operations"), Some("json")));
        assert_eq!(parsed.values("values"), ["a", "b"]);
    }
}
