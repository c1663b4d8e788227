//! What was found, as tables.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::ledger::{self, Fate, Ledger, Mark, Understood, Written};
use super::telling;
use super::used::{self, Used};

/// A fault's course, counted from its beginning.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) fault: Fault,
    pub(super) began: Instant,
    /// A call to the part was seen to fail.
    pub(super) detected: Option<Duration>,
    /// The user was told.
    pub(super) degraded: Option<Duration>,
    /// The same, from the first call that needed the part.
    pub(super) late: Option<Duration>,
    /// What needs the part was done often enough while it was hurt.
    pub(super) felt: bool,
    /// How often the part's chain was told to have gone down.
    pub(super) steps: usize,
}

/// A case.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) case: String,
    pub(super) spans: Vec<Span>,
    /// From the healing until everything was as before.
    pub(super) recovered: Option<Duration>,
    /// Whether voice was told to be impossible.
    pub(super) text_mode: bool,
    /// Whether nobody could recognise anything.
    pub(super) deaf: bool,
    /// Calls that each tier served.
    pub(super) served: BTreeMap<String, u64>,
    pub(super) used: Option<Used>,
}

/// A run that takes so long shows whether anything grows.
const LONG: Duration = Duration::from_secs(30 * 60);

#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<Row>,
    account: String,
}

impl Span {
    pub(super) fn of(fault: Fault, began: Instant) -> Self {
        Self { fault, began, detected: None, degraded: None, late: None, felt: false, steps: 0 }
    }
}

impl Report {
    pub(super) fn add(&mut self, row: Row) {
        let first = |see: fn(&Span) -> Option<Duration>| row.spans.iter().filter_map(see).min();
        println!(
            "{:4} {:44} detected {:>6} degraded {:>6} late {:>6} recovered {:>6}  {}",
            self.rows.len() + 1,
            row.case,
            shown(first(|span| span.detected)),
            shown(first(|span| span.degraded)),
            shown(first(|span| span.late)),
            shown(row.recovered),
            row.used.map_or(String::new(), |used| format!(
                "{:.0} MiB, children {:.0} MiB, {} fds {} threads {} tasks",
                used.memory as f64 / 1024.0,
                used.children as f64 / 1024.0,
                used.descriptors,
                used.threads,
                used.tasks
            )),
        );
        self.rows.push(row);
    }

    /// What was said in all, and what became of it.
    pub(super) fn account(
        &mut self,
        ledger: &Ledger,
        written: &[Written],
        marks: &[Mark],
        understood: Understood,
    ) {
        let count = |fate| ledger.lines.values().filter(|line| line.fate == fate).count();
        let mut by_tier: BTreeMap<&str, usize> = BTreeMap::new();
        for record in written.iter().filter(|record| record.origin == "microphone") {
            *by_tier.entry(record.tier.as_deref().unwrap_or("nobody (type it instead)")).or_default() += 1;
        }
        let tiers: Vec<String> = by_tier.iter().map(|(tier, count)| format!("{count} by {tier}")).collect();
        let by_ai =
            ledger.lines.iter().filter(|(number, line)| line.text == Some(ledger::question(**number)));
        let Understood { recognised, right, done } = understood;
        self.account = format!(
            "{} lines, {} of them by the AI ({} done, {} told to be uncertain, {} told not to be done, {} untold because \
             the program was killed or stood still), {} marks; {} spoken utterances ({}), {recognised} of them \
             recognised, {right} rightly, {done} done; {} recordings heard, {} into a microphone that worked not heard \
             at first; {} searches; {} records.",
            ledger.lines.len(),
            by_ai.count(),
            count(Fate::Done),
            count(Fate::Unknown),
            count(Fate::NotDone),
            count(Fate::Untold),
            marks.len(),
            by_tier.values().sum::<usize>(),
            tiers.join(", "),
            ledger.spoken,
            ledger.missed,
            ledger.searches,
            written.len(),
        );
    }

    /// What grew, in words; or that a run that took long enough can't tell.
    pub(super) fn grown(&self, took: Duration) -> Vec<String> {
        let samples: Vec<Used> = self.rows.iter().filter_map(|row| row.used).collect();
        let Some(rows) = used::growth(&samples) else {
            let what = format!("whether anything grew is not known after {took:?}");
            return (took >= LONG).then_some(what).into_iter().collect();
        };
        let grew = rows.into_iter().filter(|(.., grew)| *grew);
        grew.map(|(what, before, after, _)| format!("{what} grew from {before} to {after}")).collect()
    }

    /// As markdown.
    pub(super) fn markdown(&self, seed: u64, took: Duration) -> String {
        let pairs = self.rows.iter().filter(|row| row.spans.len() > 1).count();
        let mut text = format!(
            "{} cases ({} alone, {pairs} in pairs) in {:.1} min, seed {seed}. {}\n\n",
            self.rows.len(),
            self.rows.len() - pairs,
            took.as_secs_f64() / 60.0,
            self.account
        );
        let deaf = self.rows.iter().filter(|row| row.deaf);
        let _ = writeln!(
            text,
            "Text mode was entered in {} cases; in {} of {} in which nobody could recognise anything.\n",
            self.rows.iter().filter(|row| row.text_mode).count(),
            deaf.clone().filter(|row| row.text_mode).count(),
            deaf.count(),
        );
        let _ = writeln!(
            text,
            "Alone, a fault must be told so long after the first call that needed the part, and {} later on a busy machine.\n",
            shown(Some(telling::MARGIN))
        );
        text += "| fault | times | not felt | until a call failed | until it was told | from the first need until it was told | of | \
                 told to be down, at most | after its end, until all was as before |\n\
                 |---|---|---|---|---|---|---|---|---|\n";
        let mut faults: BTreeMap<Fault, Vec<(&Span, &Row)>> = BTreeMap::new();
        for row in &self.rows {
            for span in &row.spans {
                faults.entry(span.fault).or_default().push((span, row));
            }
        }
        for (fault, of_it) in &faults {
            let each = |see: &dyn Fn(&Span, &Row) -> Option<Duration>| {
                spread(of_it.iter().filter_map(|(span, row)| see(span, row)).collect())
            };
            let _ = writeln!(
                text,
                "| {fault} | {} | {} | {} | {} | {} | {} | {} | {} |",
                of_it.len(),
                of_it.iter().filter(|(span, _)| !span.felt).count(),
                each(&|span, _| span.detected),
                each(&|span, _| span.degraded),
                each(&|span, _| span.late),
                shown(fault.must_tell()),
                of_it.iter().map(|(span, _)| span.steps).max().unwrap_or_default(),
                each(&|_, row| row.recovered),
            );
        }
        let mut served: BTreeMap<&str, u64> = BTreeMap::new();
        for (tier, count) in self.rows.iter().flat_map(|row| &row.served) {
            *served.entry(tier).or_default() += count;
        }
        text += "\n| tier | calls it served |\n|---|---|\n";
        for (tier, count) in served {
            let _ = writeln!(text, "| `{tier}` | {count} |");
        }
        let samples: Vec<Used> = self.rows.iter().filter_map(|row| row.used).collect();
        if let Some(rows) = used::growth(&samples) {
            text += "\n| held by one process | second quarter | last quarter |\n|---|---|---|\n";
            for (what, before, after, _) in rows {
                let _ = writeln!(text, "| {what} | {before} | {after} |");
            }
        }
        text
    }
}

/// The median, and the longest.
fn spread(mut values: Vec<Duration>) -> String {
    values.sort_unstable();
    let Some(longest) = values.last() else { return "–".into() };
    let median = values[values.len() / 2];
    if values.len() == 1 {
        shown(Some(median))
    } else {
        format!("{} (≤ {})", shown(Some(median)), shown(Some(*longest)))
    }
}

fn shown(time: Option<Duration>) -> String {
    time.map_or_else(|| "–".into(), |time| format!("{:.1} s", time.as_secs_f64()))
}

mod tests {
    use super::*;

    #[test]
    fn a_long_run_that_can_not_tell_whether_anything_grew_is_wrong() {
        let mut report = Report::default();
        assert_eq!(report.grown(LONG).len(), 1);
        assert!(report.grown(LONG / 2).is_empty());
        let used = Used { pid: 7, memory: 40_000, children: 0, descriptors: 50, threads: 20, tasks: 30 };
        for _ in 0..12 {
            report.rows.push(Row {
                case: String::new(),
                spans: Vec::new(),
                recovered: None,
                text_mode: false,
                deaf: false,
                served: BTreeMap::new(),
                used: Some(used),
            });
        }
        assert!(report.grown(LONG).is_empty());
    }
}
