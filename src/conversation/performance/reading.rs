//! Reading back what was printed.

use super::super::findings::Findings;
use super::super::turn::{Place, Reading};
use super::super::wording::{self, output};
use super::{Cut, Performance};
use crate::domain::{Action, Outcome, Reply};

/// Nobody listens to more than this, some minutes of it, at once.
const MOST_ALOUD: usize = 4_000;

impl Performance {
    /// The answer to what was done. What went wrong in what it printed can be gone through from now on.
    pub(super) fn told(&mut self, outcome: &Outcome) -> Reply {
        let Some(printed) = output::printed(outcome) else {
            return wording::outcome(outcome, &*self.ports.reader);
        };
        let digest = self.ports.reader.digest(&printed);
        let reply = output::told(outcome, &digest, &*self.ports.reader);
        self.findings = Findings::new(digest.findings);
        reply
    }

    pub(super) async fn read(&mut self, reading: Reading) -> Result<(Reply, Outcome), Cut> {
        if reading == Reading::NextError
            && let Some(next) = self.findings.next()
        {
            let reply = output::finding(&next);
            return Ok((reply.clone(), Outcome::Done { what: reply.text }));
        }
        if reading == Reading::NextError && !self.findings.is_empty() {
            let reply = output::no_more_errors();
            return Ok((reply.clone(), Outcome::Done { what: reply.text }));
        }
        let command = self.bind(Action::ReadOutput, Place::Current).await?;
        let outcome = self.send(&command).await?;
        let gist = self.told(&outcome);
        let Outcome::Text { text, .. } = &outcome else { return Ok((gist, outcome)) };
        let reply = match reading {
            Reading::Gist => gist,
            Reading::All => output::all(text, &self.ports.reader.aloud(text, MOST_ALOUD)),
            Reading::Errors => output::errors(&mut self.findings),
            Reading::NextError => match self.findings.next() {
                Some(next) => output::finding(&next),
                None => output::errors(&mut self.findings),
            },
        };
        Ok((reply, outcome))
    }
}
