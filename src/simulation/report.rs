//! A simulation in words and figures, and as a timeline of characters.

use std::fmt::Write as _;
use std::time::Duration;

use super::run::{Outcome, TierOutcome};
use super::scenario::Scenario;
use crate::breaker::State;

/// The figures with breakers, and beside them what the same weather does bare.
pub fn table(name: &str, scenario: &Scenario, kept: &Outcome, bare: &Outcome) -> String {
    let mut text = String::new();
    let mut line = |columns: std::fmt::Arguments<'_>| {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{columns}");
    };
    line(format_args!("{name}: {}", scenario.about));
    line(format_args!(
        "{} of virtual time, {} calls, seed {}\n",
        span(kept.duration),
        kept.calls,
        scenario.seed
    ));
    line(format_args!("{:<34}{:>16}{:>16}", "", "with breakers", "without"));
    let mut row = |what: &str, one: String, two: String| line(format_args!("{what:<34}{one:>16}{two:>16}"));
    for (one, two) in kept.tiers.iter().zip(&bare.tiers) {
        row(&format!("served by {}", one.name), one.served.to_string(), two.served.to_string());
    }
    row(&format!("left to {}", scenario.end), kept.unserved.to_string(), bare.unserved.to_string());
    let wasted = |outcome: &Outcome| outcome.tiers.iter().map(|tier| tier.wasted).sum::<u64>().to_string();
    row("calls made in vain", wasted(kept), wasted(bare));
    row("wait, median", span(kept.median_wait), span(bare.median_wait));
    row("wait, 99 of 100 at most", span(kept.high_wait), span(bare.high_wait));

    let width = kept.tiers.iter().map(|tier| tier.name.len()).max().unwrap_or(0).max(8);
    line(format_args!(
        "\n{:<width$}  {:>8}  {:>7}  {:>6}  {:<28}  recovered after",
        "breaker", "rejected", "opened", "false", "detected after"
    ));
    for tier in &kept.tiers {
        let times = |pick: fn(&super::Spell) -> Option<Duration>| {
            let each: Vec<String> = tier.spells.iter().map(|s| pick(s).map_or("–".into(), span)).collect();
            each.join(", ")
        };
        line(format_args!(
            "{:<width$}  {:>8}  {:>7}  {:>6}  {:<28}  {}",
            tier.name,
            tier.rejected,
            tier.openings.len(),
            tier.false_openings,
            times(|spell| spell.detected),
            times(|spell| spell.recovered),
        ));
    }
    line(format_args!("\n{:width$}  ▁ closed  ▄ half-open  █ open  ~ bad weather", ""));
    for (tier, script) in kept.tiers.iter().zip(&scenario.tiers) {
        let columns = tier.states.len() as u32;
        let weather: String = (0..columns)
            .map(|column| if script.at(kept.duration * column / columns).is_some() { '~' } else { ' ' })
            .collect();
        if !script.weather.is_empty() {
            line(format_args!("{:width$}  {}", "", weather.trim_end()));
        }
        line(format_args!("{:<width$}  {}", tier.name, states(tier)));
    }
    let columns = kept.unserved_by_column.len();
    let line_of = |column: usize| {
        let most = kept.tiers.iter().enumerate().max_by_key(|(rank, tier)| {
            // Of equals the first, which `max_by_key` would give last.
            (tier.served_by_column[column], std::cmp::Reverse(*rank))
        });
        match most {
            Some((rank, tier)) if tier.served_by_column[column] >= kept.unserved_by_column[column].max(1) => {
                char::from_digit(rank as u32 + 1, 36).unwrap_or('+')
            }
            _ if kept.unserved_by_column[column] > 0 => '!',
            _ => ' ',
        }
    };
    let served: String = (0..columns).map(line_of).collect();
    line(format_args!("{:<width$}  {served}", "served"));
    line(format_args!("{:width$}  the tier that served most, by its place; ! none did", ""));
    text
}

fn states(tier: &TierOutcome) -> String {
    let glyph = |state: &State| match state {
        State::Closed | State::Disabled => '▁',
        State::HalfOpen => '▄',
        State::Open | State::Isolated => '█',
    };
    tier.states.iter().map(glyph).collect()
}

/// A duration, short.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        0.0 => "0 s".to_owned(),
        _ if seconds < 0.001 => format!("{} µs", time.as_micros()),
        _ if seconds < 1.0 => format!("{} ms", time.as_millis()),
        _ if seconds < 120.0 => format!("{seconds:.1} s"),
        _ => format!("{}m{:02}s", time.as_secs() / 60, time.as_secs() % 60),
    }
}
