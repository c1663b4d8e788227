//! What somebody will probably say next: what is told to the recogniser, which leans towards it.

use std::sync::Arc;

use super::numbers;
use super::rules::Rules;
use crate::domain::{Expectation, InputMode, Named, Phrases, Situation};

/// Answers to a question.
const ANSWERS: [&str; 4] = ["cancel", "confirm", "no", "yes"];
/// Names of each kind that may be said.
const MOST_NAMES: usize = 64;
/// Of these, so many of a kind are told as what is likely.
const MOST_LIKELY: usize = 3;
/// Longer lines are not said in one go, and longer names not at all.
const MOST_WORDS: usize = 6;

impl Rules {
    /// All that can be said. Made when it is first asked for.
    fn sayable(&self) -> Arc<Phrases> {
        Arc::clone(self.sayable.get_or_init(|| Arc::new(self.grammar.sayable())))
    }

    /// See [`Interpreter::expectation`](crate::domain::Interpreter::expectation).
    pub(super) fn expected(&self, situation: &Situation) -> Expectation {
        // Text can be anything.
        if situation.input != InputMode::Command {
            return Expectation::default();
        }
        let known = &situation.names;
        let said = |names: &mut dyn Iterator<Item = &str>| -> Vec<String> {
            names.take(MOST_NAMES).flat_map(said).collect()
        };
        let sessions = situation.sessions.iter().map(|session| session.name.as_str());
        let names = vec![
            (Named::Session, said(&mut sessions.chain(known.sessions.iter().map(String::as_str)))),
            (Named::Window, said(&mut known.windows.iter().map(|(_, name)| name.as_str()))),
            (Named::Branch, said(&mut known.branches.iter().map(String::as_str))),
            (Named::Directory, said(&mut known.directories.iter().map(String::as_str))),
            (Named::Line, said(&mut known.commands.iter().map(String::as_str).filter(|line| is_plain(line)))),
        ];
        let mut likely: Vec<String> = Vec::new();
        if situation.question_open {
            likely.extend(ANSWERS.map(String::from));
        }
        for (named, names) in &names {
            let opening = match named {
                Named::Session => "switch to",
                Named::Line => "run",
                // There may be many, and they are rarely said.
                Named::Window | Named::Branch | Named::Directory => continue,
            };
            likely.extend(names.iter().take(MOST_LIKELY).map(|name| format!("{opening} {name}")));
        }
        likely.extend(self.grammar.likely.iter().cloned());
        Expectation { likely, phrases: Some(self.sayable()), names, question_open: situation.question_open }
    }
}

/// Whether a line is said as it is written.
fn is_plain(line: &str) -> bool {
    line.bytes().all(|b| b.is_ascii_lowercase() || b == b' ')
}

/// How a name is said: `feature/web-2` is "feature web 2", or "feature web two".
fn said(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = ' ';
    for c in name.chars() {
        let begins = c.is_ascii_digit() != last.is_ascii_digit() || c.is_uppercase() && last.is_lowercase();
        if c.is_alphanumeric() {
            if !last.is_alphanumeric() || begins {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        }
        last = c;
    }
    if words.is_empty() || words.len() > MOST_WORDS {
        return Vec::new();
    }
    let in_words = words.iter().map(|word| {
        let digit = word.parse().ok().and_then(numbers::in_a_word);
        digit.map_or_else(|| word.clone(), str::to_owned)
    });
    let mut said = vec![words.join(" "), in_words.collect::<Vec<_>>().join(" ")];
    said.dedup();
    said
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::config;
    use crate::domain::{End, Fork, LiveNames};

    fn rules(own: &str) -> Rules {
        Rules::with_phrases(&config::Safety::default(), own).unwrap()
    }

    /// Whether a way of these words leads to an end.
    fn can_be_said(phrases: &Phrases, words: &[&str]) -> bool {
        fn from(phrases: &Phrases, fork: &Fork, words: &[&str]) -> bool {
            let Some((word, rest)) = words.split_first() else { return fork.end == Some(End::Always) };
            let listed = fork.lists.iter().any(|(list, to)| {
                phrases.lists[*list].iter().any(|said| {
                    let said: Vec<&str> = said.split(' ').collect();
                    words
                        .strip_prefix(said.as_slice())
                        .is_some_and(|rest| from(phrases, &phrases.forks[*to], rest))
                })
            });
            let next = fork.words.iter().filter(|(it, _)| it == word);
            fork.open || listed || next.into_iter().any(|(_, to)| from(phrases, &phrases.forks[*to], rest))
        }
        from(phrases, &phrases.forks[0], words)
    }

    #[test]
    fn names_are_written_as_they_are_said() {
        assert_eq!(said("kubernetes-api"), ["kubernetes api"]);
        assert_eq!(said("feature/web-2"), ["feature web 2", "feature web two"]);
        assert_eq!(said("myApp"), ["my app"]);
        assert!(said("--").is_empty());
    }

    #[test]
    fn all_that_is_offered_can_be_said() {
        let rules = rules("[aliases]\n\"make it so\" = \"run make\"");
        let phrases = rules.sayable();
        for group in rules.phrases() {
            for phrase in group.phrases {
                let words: Vec<&str> = phrase.say.split(' ').collect();
                // What has a name that isn't there, and answers to questions.
                let is_special =
                    ["switch to build", "what is build doing", "kill session build", "no", "yes"]
                        .contains(&phrase.say.as_str());
                assert!(is_special || can_be_said(&phrases, &words), "{}", phrase.say);
            }
        }
        assert!(can_be_said(&phrases, &["make", "it", "so"]));
        assert!(!can_be_said(&phrases, &["split", "the", "bill"]));
    }

    #[test]
    fn what_is_expected_depends_on_the_moment() {
        let rules = rules("");
        let names = LiveNames {
            sessions: vec!["web-2".into()],
            commands: vec!["cargo test".into()],
            ..LiveNames::default()
        };
        let situation = Situation { names: Arc::new(names), ..Situation::default() };
        let expected = rules.expected(&situation);
        assert_eq!(expected.likely[..3], ["switch to web 2", "switch to web two", "run cargo test"]);
        assert_eq!(rules.expected(&Situation { question_open: true, ..situation.clone() }).likely[3], "yes");
        for input in [InputMode::Dictation, InputMode::Spelling] {
            assert_eq!(rules.expected(&Situation { input, ..situation.clone() }), Expectation::default());
        }
    }

    #[test]
    fn thousands_of_phrases_and_names_are_expected_at_once() {
        let line = |at| format!("\"do thing {at}\" = \"run make {at}\"\n");
        let own = (0..10_000).fold(String::new(), |own, at| own + &line(at));
        let rules = rules(&format!("[aliases]\n{own}"));
        let many = |what: &str| (0..512).map(|at| format!("{what}-{at}")).collect::<Vec<_>>();
        let names = LiveNames { sessions: many("session"), branches: many("branch"), ..LiveNames::default() };
        let situation = Situation { names: Arc::new(names), ..Situation::default() };
        let first = rules.expected(&situation);
        let began = Instant::now();
        let expected = (0..100).map(|_| rules.expected(&situation)).last().unwrap();
        // A tenth of what it may take, on a machine that does nothing else.
        assert!(began.elapsed().as_millis() < 1000, "{:?}", began.elapsed());
        assert!(Arc::ptr_eq(first.phrases.as_ref().unwrap(), expected.phrases.as_ref().unwrap()));
        assert!(expected.names.iter().all(|(_, names)| names.len() <= 2 * MOST_NAMES));
    }
}
