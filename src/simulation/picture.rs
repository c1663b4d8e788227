//! A simulation as a picture: for each tier its weather, its breaker's state and what it served.

use std::fmt::Write as _;

use super::report::span;
use super::run::{Outcome, TierOutcome};
use super::scenario::Scenario;
use crate::breaker::State;

const LEFT: f64 = 180.0;
const WIDTH: f64 = 760.0;
const ROW: f64 = 74.0;
const BARS: f64 = 42.0;
const TOP: f64 = 78.0;

/// Draws it as SVG, readable on light and dark ground.
pub fn svg(name: &str, scenario: &Scenario, outcome: &Outcome) -> String {
    let rows = outcome.tiers.len() + 1;
    let height = TOP + ROW * rows as f64 + 30.0;
    let full = LEFT + WIDTH + 20.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {full} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\" role=\"img\" aria-label=\"{label}\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\" font-weight=\"bold\" fill=\"#1b1f24\">{name}</text>\n\
         <text x=\"16\" y=\"46\" fill=\"#57606a\">{label}</text>\n",
        name = escape(name),
        label = escape(&scenario.about),
    );
    legend(&mut svg);
    let most = columns(outcome).max().unwrap_or(1).max(1);
    for (row, (tier, script)) in outcome.tiers.iter().zip(&scenario.tiers).enumerate() {
        let top = TOP + ROW * row as f64;
        let place = |at: std::time::Duration| {
            LEFT + WIDTH * at.as_secs_f64().min(outcome.duration.as_secs_f64())
                / outcome.duration.as_secs_f64()
        };
        for spell in &script.weather {
            let (from, to) = (place(spell.from), place(spell.to));
            rect(&mut svg, from, top, to - from, BARS, "#f6d9d5");
        }
        bars(&mut svg, top, &tier.served_by_column, most, "#2f81b7");
        band(&mut svg, top + BARS + 2.0, tier);
        label(&mut svg, top, &tier.name, &format!("{} served, {} in vain", tier.served, tier.wasted));
    }
    let top = TOP + ROW * outcome.tiers.len() as f64;
    bars(&mut svg, top, &outcome.unserved_by_column, most, "#8a6d3b");
    label(&mut svg, top, &scenario.end, &format!("{} left to it", outcome.unserved));
    for tick in 0..=4_u32 {
        let at = outcome.duration * tick / 4;
        let x = LEFT + WIDTH * f64::from(tick) / 4.0;
        let anchor = if tick == 4 { "end" } else { "middle" };
        text(&mut svg, x, height - 10.0, anchor, "#57606a", &span(at));
    }
    svg.push_str("</svg>\n");
    svg
}

fn columns(outcome: &Outcome) -> impl Iterator<Item = u64> + '_ {
    let served = outcome.tiers.iter().flat_map(|tier| tier.served_by_column.iter().copied());
    served.chain(outcome.unserved_by_column.iter().copied())
}

fn bars(svg: &mut String, top: f64, counts: &[u64], most: u64, colour: &str) {
    let width = WIDTH / counts.len() as f64;
    for (column, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = BARS * count as f64 / most as f64;
        rect(svg, LEFT + width * column as f64, top + BARS - height, width * 0.9, height, colour);
    }
}

/// The breaker's state, as runs of one colour.
fn band(svg: &mut String, top: f64, tier: &TierOutcome) {
    let width = WIDTH / tier.states.len().max(1) as f64;
    let mut column = 0;
    for run in tier.states.chunk_by(|one, two| one == two) {
        rect(svg, LEFT + width * column as f64, top, width * run.len() as f64, 8.0, colour(run[0]));
        column += run.len();
    }
}

fn colour(state: State) -> &'static str {
    match state {
        State::Closed | State::Disabled => "#3fa46a",
        State::HalfOpen => "#e0a526",
        State::Open | State::Isolated => "#c9372c",
    }
}

fn legend(svg: &mut String) {
    let entries = [
        ("closed", colour(State::Closed)),
        ("half-open", colour(State::HalfOpen)),
        ("open", colour(State::Open)),
        ("served", "#2f81b7"),
        ("bad weather", "#f6d9d5"),
    ];
    for (place, (name, colour)) in entries.into_iter().enumerate() {
        let x = LEFT + 130.0 * place as f64;
        rect(svg, x, 56.0, 12.0, 10.0, colour);
        text(svg, x + 18.0, 65.0, "start", "#57606a", name);
    }
}

fn label(svg: &mut String, top: f64, name: &str, figures: &str) {
    text(svg, 16.0, top + 16.0, "start", "#1b1f24", name);
    text(svg, 16.0, top + 34.0, "start", "#57606a", figures);
}

fn rect(svg: &mut String, x: f64, y: f64, width: f64, height: f64, fill: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, fill: &str, text: &str) {
    let text = escape(text);
    // Writing to a string can't fail.
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"11\" fill=\"{fill}\">{text}</text>"
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_text() {
        let mut scenario = Scenario::parse(super::super::SHIPPED[0].1).unwrap();
        scenario.tiers[0].name = "<script>\"&".into();
        let svg = svg("<b>", &scenario, &super::super::run(&scenario, true));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains("<script>") && !svg.contains("<b>") && svg.contains("&lt;script&gt;"));
    }
}
