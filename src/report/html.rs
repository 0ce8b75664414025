//! The execution log as a page: the words of the Markdown, and pictures where there are any. One file that needs nothing
//! from elsewhere: no script, no fonts, no addresses that are loaded.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html as to_html};

use super::markdown::markdown;
use super::picture::{self, Picture};
use super::seal::Seal;
use crate::runbook::state::Run;

const STYLE: &str = include_str!("page.css");

/// The execution log of a run as far as it has come, with what was recorded of its failovers.
pub(super) fn html(run: &Run, pictures: &[Picture], seal: &Seal) -> String {
    let text = markdown(run, seal);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Whatever text found its way here, it loads and runs nothing.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Execution log: " (run.plan.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    @for section in sections(&text) {
                        (section.words)
                        @let here = pictures.iter().filter(|picture| section.is_of(picture.partition.as_str()));
                        @for picture in here { (figure(run, picture)) }
                    }
                }
            }
        }
    };
    page.into_string()
}

/// A part of the log: what stands under a heading of the second level.
struct Section {
    /// The heading, as it is written.
    heading: String,
    words: Markup,
}

impl Section {
    /// Whether this is the part on a partition: its heading begins with the partition's name.
    fn is_of(&self, partition: &str) -> bool {
        self.heading.strip_prefix(partition).is_some_and(|rest| rest.starts_with(" —"))
    }
}

/// The log in its parts.
fn sections(text: &str) -> Vec<Section> {
    let mut parts: Vec<(String, Vec<Event<'_>>)> = vec![(String::new(), Vec::new())];
    let mut in_heading = false;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        let event = match event {
            // A report has no markup of its own: whatever looks like it was said by somebody.
            Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
            event => event,
        };
        match &event {
            Event::Start(Tag::Heading { level: HeadingLevel::H2, .. }) => {
                parts.push((String::new(), Vec::new()));
                in_heading = true;
            }
            Event::End(TagEnd::Heading(HeadingLevel::H2)) => in_heading = false,
            Event::Text(text) | Event::Code(text) if in_heading => {
                if let Some((heading, _)) = parts.last_mut() {
                    heading.push_str(text);
                }
            }
            _ => {}
        }
        if let Some((_, events)) = parts.last_mut() {
            events.push(event);
        }
    }
    let rendered = parts.into_iter().map(|(heading, events)| {
        let mut words = String::new();
        to_html::push_html(&mut words, events.into_iter());
        Section { heading, words: PreEscaped(words) }
    });
    rendered.collect()
}

fn figure(run: &Run, picture: &Picture) -> Markup {
    let planned = run.plan.partitions.iter().find(|partition| partition.name == picture.partition);
    let (Some(zero), Some(planned)) = (&picture.timeline.zero, planned) else { return html! {} };
    let how = if zero.fired { "T=0 is the accepted call" } else { "nobody fired it; T=0 is its first sign" };
    html! {
        figure {
            (picture::timeline(picture, &planned.cluster))
            (picture::load(picture))
            figcaption { (picture.partition) ": the writer moves away from " (zero.from) "; " (how) "." }
        }
    }
}
