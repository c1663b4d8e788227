//! Whether words are all that somebody has to say, as far as the grammar can tell.
//!
//! Every walk down the tree along the words is looked at, not only the one that is understood: whoever has
//! said "split" has said a command, and may be about to say "right".

use super::{Captured, Grammar, Kind, Moment, Node};
use crate::domain::Completeness;
use crate::interpreter::normalise::Words;

/// What the walks have come to.
#[derive(Debug, Default)]
struct Reached {
    /// A phrase ends with the last word.
    whole: bool,
    /// There is more to say after the last word.
    goes_on: bool,
    /// What is said is the rest of a line, and only whoever says it knows its end.
    open: bool,
}

impl Grammar {
    /// Whether what can follow means anything else than this phrase. "Switch to build" loses nothing by not
    /// ending in "session".
    fn leads_elsewhere(&self, node: &Node, phrase: Option<usize>) -> bool {
        !node.slots.is_empty()
            || node.words.values().any(|&next| {
                let next = &self.tree[next];
                next.end.is_some_and(|end| Some(end) != phrase) || self.leads_elsewhere(next, phrase)
            })
    }

    /// Whether these words are all that somebody has to say; `known_name` tells whether a name is one of
    /// those that there are.
    pub(in crate::interpreter) fn completeness(
        &self,
        words: &Words<'_>,
        moment: Moment,
        known_name: &dyn Fn(std::ops::Range<usize>) -> bool,
    ) -> Completeness {
        let length = words.without_last_fillers();
        if length == 0 || words.more {
            return Completeness::Unknown;
        }
        let mut reached = Reached::default();
        let walk = Walk { grammar: self, words, length, moment, known_name };
        walk.from(0, 0, &mut reached);
        match reached {
            Reached { open: true, .. } | Reached { whole: false, goes_on: true, .. } => {
                Completeness::Unfinished
            }
            Reached { whole: true, goes_on: true, .. } => Completeness::Extensible,
            Reached { whole: true, .. } => Completeness::Complete,
            Reached { .. } => Completeness::Unknown,
        }
    }
}

struct Walk<'a> {
    grammar: &'a Grammar,
    words: &'a Words<'a>,
    length: usize,
    moment: Moment,
    known_name: &'a dyn Fn(std::ops::Range<usize>) -> bool,
}

impl Walk<'_> {
    fn from(&self, node: usize, at: usize, reached: &mut Reached) {
        let Self { grammar, words, length, .. } = *self;
        let node = &grammar.tree[node];
        if at == length {
            let end = node
                .end
                .filter(|&phrase| grammar.phrases[phrase].is_meant(words, self.moment, words.dropped));
            reached.whole |= end.is_some();
            reached.goes_on |= grammar.leads_elsewhere(node, end);
            return;
        }
        if let Some(&next) = node.words.get(&words.list[at].text) {
            self.from(next, at + 1, reached);
        }
        for branch in &node.slots {
            reached.goes_on |= grammar.slots.goes_on(branch.kind, words, at, length);
            for (captured, taken) in grammar.slots.readings(branch.kind, words, at, length) {
                match captured {
                    Captured::Rest { .. } => reached.open = true,
                    Captured::Name { words: name, .. } => {
                        let is_last = at + taken == length;
                        reached.goes_on |=
                            is_last && !(branch.kind == Kind::Session && (self.known_name)(name));
                        self.from(branch.to, at + taken, reached);
                    }
                    Captured::Value(_) => self.from(branch.to, at + taken, reached),
                }
            }
        }
    }
}
