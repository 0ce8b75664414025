//! How well a theme can be read: the contrast of every ink with every ground on which it is written.
//!
//! Formula and thresholds are those of WCAG 2.2, success criteria 1.4.3 (text, 4.5 to 1) and 1.4.11 (what is drawn, 3 to 1):
//! <https://www.w3.org/TR/WCAG22/#contrast-minimum>. What does nothing now (`text.ghost`) is exempt there, and here.

use ratatui::style::Color;

use super::palette::{Palette, Rgb};

/// Least contrast of text with its ground.
const TEXT: f64 = 4.5;
/// Least contrast of what is drawn with its ground.
const DRAWN: f64 = 3.0;

/// An ink on a ground.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The role of the ink, such as `state.ok`.
    pub ink: String,
    /// Its colour.
    pub ink_colour: Rgb,
    /// The role of the ground.
    pub ground: String,
    /// Its colour.
    pub ground_colour: Rgb,
    /// The contrast that it must have.
    pub least: f64,
}

impl Pair {
    /// The contrast that it has, from 1 to 21.
    pub fn ratio(&self) -> f64 {
        contrast(self.ink_colour, self.ground_colour)
    }
}

/// Every ink of a theme on every ground on which it is drawn.
pub fn pairs(palette: &Palette) -> Vec<Pair> {
    let named = |section: &str, roles: Vec<(&'static str, Rgb)>| -> Vec<(String, Rgb)> {
        roles.into_iter().map(|(role, colour)| (format!("{section}.{role}"), colour)).collect()
    };
    let mut grounds = named("ground", palette.ground.roles());
    grounds.retain(|(role, _)| !matches!(role.as_str(), "ground.selected" | "ground.ink"));
    grounds.extend(named("banner", palette.banner.roles()));
    let mut inks = named("text", palette.text.roles());
    inks.retain(|(role, _)| role != "text.ghost");
    inks.extend(named("state", palette.state.roles()));
    // The name of a production partition is written in the colour of its frame.
    inks.push(("frame.production".to_owned(), palette.frame.production));
    let mut pairs = Vec::new();
    for ground in &grounds {
        pairs.extend(inks.iter().map(|ink| pair(ink, ground, TEXT)));
    }
    let own = &palette.ground;
    let (screen, ink) = (("ground.screen".to_owned(), own.screen), ("ground.ink".to_owned(), own.ink));
    let badges =
        named("badge", palette.badge.roles()).into_iter().chain([("ground.selected".to_owned(), own.selected)]);
    pairs.extend(badges.map(|badge| pair(&ink, &badge, TEXT)));
    for (source, colour) in &palette.source {
        pairs.push(pair(&(format!("source.{source}"), *colour), &screen, TEXT));
    }
    let lanes = &palette.lane;
    for (lane, bar) in [
        ("old", &lanes.old),
        ("new", &lanes.new),
        ("good", &lanes.good),
        ("moving", &lanes.moving),
        ("down", &lanes.down),
        ("neutral", &lanes.neutral),
    ] {
        let (ink, ground) = ((format!("lane.{lane}.ink"), bar.ink), (format!("lane.{lane}.ground"), bar.ground));
        pairs.push(pair(&ink, &ground, TEXT));
    }
    // The calm frame is there to be overlooked.
    pairs.push(pair(&("frame.focus".to_owned(), palette.frame.focus), &screen, DRAWN));
    let others =
        palette.waits.others.iter().enumerate().map(|(place, colour)| (format!("waits.others[{place}]"), *colour));
    let known = palette.waits.known.iter().map(|(name, colour)| (format!("waits.known.{name}"), *colour));
    pairs.extend(known.chain(others).map(|wait| pair(&wait, &screen, DRAWN)));
    pairs
}

fn pair((ink, ink_colour): &(String, Rgb), (ground, ground_colour): &(String, Rgb), least: f64) -> Pair {
    Pair { ink: ink.clone(), ink_colour: *ink_colour, ground: ground.clone(), ground_colour: *ground_colour, least }
}

/// The contrast of two colours, from 1 to 21.
pub fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Relative luminance, 0 to 1.
fn luminance(Rgb(colour): Rgb) -> f64 {
    let [red, green, blue] = linear(colour);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// The light of each channel, 0 to 1.
fn linear(colour: Color) -> [f64; 3] {
    let Color::Rgb(red, green, blue) = colour else { return [0.0; 3] };
    [red, green, blue].map(|channel| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::adapt::{Charset, Depth};
    use crate::ui::theme::Themes;

    fn rgb(text: &str) -> Rgb {
        Rgb::parse(text).expect("a colour")
    }

    #[test]
    fn contrast_is_what_the_recommendation_says_it_is() {
        // The extremes, and the grey that WCAG's own explanations name as just enough on white.
        assert!((contrast(rgb("#000000"), rgb("#ffffff")) - 21.0).abs() < 0.001);
        assert!((contrast(rgb("#767676"), rgb("#ffffff")) - 4.54).abs() < 0.01);
    }

    #[test]
    fn every_pair_of_every_shipped_theme_can_be_read() {
        let themes = Themes::default();
        for name in themes.names() {
            let all = pairs(&themes.theme(name, Depth::True, Charset::Unicode).palette);
            assert!(all.len() > 120, "{name} has {} pairs", all.len());
            for pair in all {
                assert!(pair.ratio() >= pair.least, "{name}: {} on {} is {:.2}", pair.ink, pair.ground, pair.ratio());
            }
        }
    }

    /// How far two colours are apart for an eye of that kind: the difference in CIE L*a*b* after the simulation of Machado,
    /// Oliveira and Fernandes (2009), severity 1.
    fn apart(one: Rgb, other: Rgb, eye: &[[f64; 3]; 3]) -> f64 {
        let [one, other] = [one, other].map(|Rgb(colour)| {
            let light = linear(colour);
            let seen = eye.map(|row| row.iter().zip(light).map(|(of, light)| of * light).sum::<f64>().clamp(0.0, 1.0));
            lab(seen)
        });
        one.iter().zip(other).map(|(one, other)| (one - other).powi(2)).sum::<f64>().sqrt()
    }

    fn lab([red, green, blue]: [f64; 3]) -> [f64; 3] {
        let bend = |share: f64| if share > 0.008_856 { share.cbrt() } else { 7.787 * share + 16.0 / 116.0 };
        let x = bend((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505);
        let y = bend(0.2126 * red + 0.7152 * green + 0.0722 * blue);
        let z = bend((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn well_under_way_and_wrong_are_told_apart_by_eyes_that_lack_a_colour() {
        const PROTANOPIA: [[f64; 3]; 3] = [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ];
        const DEUTERANOPIA: [[f64; 3]; 3] =
            [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]];
        const TRITANOPIA: [[f64; 3]; 3] = [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ];
        let palette = Themes::default().theme("colour-blind", Depth::True, Charset::Unicode).palette;
        let state = &palette.state;
        for eye in [PROTANOPIA, DEUTERANOPIA, TRITANOPIA] {
            for (one, other) in [(state.ok, state.danger), (state.ok, state.running), (state.running, state.danger)] {
                let apart = apart(one, other, &eye);
                // 2.3 is the least difference that is noticed at all.
                assert!(apart > 25.0, "{one:?} and {other:?} are {apart:.1} apart");
            }
        }
    }
}
