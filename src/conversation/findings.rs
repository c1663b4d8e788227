//! What went wrong in what was read last, to be gone through one by one.

use crate::domain::{Finding, FindingKind};

/// Findings, and which of them was told last.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Errors and failures first, then warnings.
    all: Vec<Finding>,
    told: usize,
}

/// One of several.
#[derive(Debug)]
pub(super) struct Next<'a> {
    pub(super) number: usize,
    pub(super) of: usize,
    pub(super) finding: &'a Finding,
}

impl Findings {
    /// None of them is told yet.
    pub(super) fn new(findings: Vec<Finding>) -> Self {
        let is_warning = |finding: &Finding| finding.kind == FindingKind::Warning;
        let (warnings, mut all): (Vec<_>, Vec<_>) = findings.into_iter().partition(is_warning);
        all.extend(warnings);
        Self { all, told: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The first that was not told yet, which is told now.
    pub(super) fn next(&mut self) -> Option<Next<'_>> {
        let finding = self.all.get(self.told)?;
        self.told += 1;
        Some(Next { number: self.told, of: self.all.len(), finding })
    }

    /// All of them; the first is told with them.
    pub(super) fn all(&mut self) -> &[Finding] {
        self.told = self.all.len().min(1);
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(kind: FindingKind, what: &str) -> Finding {
        Finding { kind, what: what.into(), place: None, spoken: what.into() }
    }

    #[test]
    fn errors_come_before_warnings_and_each_once() {
        let found = [finding(FindingKind::Warning, "w"), finding(FindingKind::Error, "e")];
        let mut findings = Findings::new(found.into());
        assert_eq!(findings.all().len(), 2);
        let next = findings.next().unwrap();
        assert_eq!((next.number, next.of, next.finding.what.as_str()), (2, 2, "w"));
        assert!(findings.next().is_none() && !findings.is_empty());
    }
}
