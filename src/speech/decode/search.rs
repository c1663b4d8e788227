//! The likeliest of all that can be said, given what was heard.
//!
//! A walk along the network of phrases, the likeliest token first. The probability of a way only falls as it gets
//! longer, so whatever is below the best phrase so far, or below what would be believed, is not followed (branch and
//! bound). Ways that begin alike share their beginning, which is how the decoder remembers it. The number of steps
//! is bounded.

use crate::breaker::AbortFlag;

use super::lexicon::{Choice, Lexicon, Names, Place, Token};

/// What may follow, with its probability.
#[derive(Debug, Clone)]
pub(super) struct Row {
    logits: Vec<f32>,
    /// The logarithm of the sum that makes probabilities of them.
    whole: f32,
    /// The tokens with which a text ends.
    ends: std::rc::Rc<[Token]>,
}

/// Smaller parts of a sum than `e` to this don't matter.
const NEGLIGIBLE: f32 = -16.0;

impl Row {
    pub(super) fn new(logits: Vec<f32>, ends: std::rc::Rc<[Token]>) -> Self {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let parts = logits.iter().map(|logit| logit - most).filter(|part| *part > NEGLIGIBLE);
        let sum: f32 = parts.map(f32::exp).sum();
        Self { whole: most + sum.ln(), logits, ends }
    }

    /// The logarithm of a token's probability.
    pub(super) fn log_probability(&self, token: Token) -> f32 {
        let logit = usize::try_from(token).ok().and_then(|token| self.logits.get(token));
        logit.map_or(f32::NEG_INFINITY, |logit| logit - self.whole)
    }

    /// The likeliest token.
    pub(super) fn likeliest(&self) -> Token {
        let best = self.logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        best.and_then(|(token, _)| Token::try_from(token).ok()).unwrap_or_default()
    }

    /// The logarithm of the probability that nothing but a sign follows.
    pub(super) fn end(&self) -> f32 {
        self.ends.iter().map(|token| self.log_probability(*token).exp()).sum::<f32>().ln()
    }
}

/// Who knows what follows.
pub(super) trait Predict {
    /// Why it doesn't.
    type Error;

    /// What follows these tokens. All but the last of them were asked about before, and nothing that parts from
    /// them was since.
    fn after(&mut self, path: &[Token]) -> Result<Row, Self::Error>;
}

/// A phrase that was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Way {
    /// Its tokens.
    pub(super) tokens: Vec<Token>,
    /// The logarithm of the probability of each.
    pub(super) log_probabilities: Vec<f32>,
    /// Of all of it, and that it ends there.
    pub(super) total: f32,
}

/// How far to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Below this total nothing would be believed.
    pub(super) least: f32,
    /// Steps of the decoder.
    pub(super) steps: usize,
    /// Tokens in a phrase.
    pub(super) tokens: usize,
}

/// The likeliest phrase, if any is likely enough. `first` is what the text may begin with. After an abort it is
/// meaningless.
pub(super) fn likeliest<P: Predict>(
    predict: &mut P,
    lexicon: &Lexicon,
    names: &Names,
    first: &Row,
    limits: Limits,
    abort: &AbortFlag,
) -> Result<Option<Way>, P::Error> {
    let mut search = Search {
        predict,
        lexicon,
        names,
        limits,
        abort,
        path: Way { tokens: Vec::new(), log_probabilities: Vec::new(), total: 0.0 },
        best: None,
    };
    search.explore(&[Place::beginning()], first)?;
    Ok(search.best)
}

struct Search<'a, P> {
    predict: &'a mut P,
    lexicon: &'a Lexicon,
    names: &'a Names,
    limits: Limits,
    abort: &'a AbortFlag,
    path: Way,
    best: Option<Way>,
}

impl<P: Predict> Search<'_, P> {
    fn bound(&self) -> f32 {
        self.best.as_ref().map_or(self.limits.least, |best| best.total.max(self.limits.least))
    }

    fn explore(&mut self, places: &[Place], row: &Row) -> Result<(), P::Error> {
        let Choice { mut tokens, anything, ends } = self.lexicon.choice(places, self.names);
        if ends {
            let total = self.path.total + row.end();
            if total > self.bound() {
                self.best = Some(Way { total, ..self.path.clone() });
            }
        }
        if self.path.tokens.len() >= self.limits.tokens {
            return Ok(());
        }
        if let Some(place) = anything {
            let token = row.likeliest();
            if !row.ends.contains(&token) {
                tokens.entry(token).or_default().push(place);
            }
        }
        let ranked = tokens.into_iter().map(|(token, places)| (row.log_probability(token), token, places));
        let mut ranked: Vec<_> = ranked.filter(|(it, ..)| self.path.total + it > self.bound()).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (log_probability, token, places) in ranked {
            let total = self.path.total;
            // The bound may have risen.
            if total + log_probability <= self.bound() || self.limits.steps == 0 || self.abort.is_set() {
                break;
            }
            self.limits.steps -= 1;
            self.path.tokens.push(token);
            self.path.log_probabilities.push(log_probability);
            self.path.total += log_probability;
            let next = self.predict.after(&self.path.tokens)?;
            self.explore(&places, &next)?;
            self.path.tokens.pop();
            self.path.log_probabilities.pop();
            self.path.total = total;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::super::tokens::Tokeniser;
    use super::*;
    use crate::domain::{End, Fork, Named, Phrases};

    const WORDS: [&str; 8] = ["split", "right", "left", "next", "pane", "go", "yes", "api"];
    const END: Token = 8;

    fn tokeniser() -> Tokeniser {
        let tokens = WORDS
            .iter()
            .enumerate()
            .map(|(at, word)| (format!(" {word}").into_bytes(), Token::try_from(at).unwrap()));
        Tokeniser::new(tokens)
    }

    fn fork(words: &[(&str, usize)], end: Option<End>) -> Fork {
        let words = words.iter().map(|(word, to)| ((*word).to_owned(), *to)).collect();
        Fork { words, end, ..Fork::default() }
    }

    /// "Split right", "split left", "next pane", "go" with a name, "yes" to a question.
    fn lexicon() -> Lexicon {
        let forks = vec![
            fork(&[("split", 1), ("next", 2), ("go", 3), ("yes", 5)], None),
            fork(&[("right", 4), ("left", 4)], None),
            fork(&[("pane", 4)], None),
            Fork { names: vec![(Named::Session, 4)], ..Fork::default() },
            fork(&[], Some(End::Always)),
            fork(&[], Some(End::Asked)),
        ];
        Lexicon::new(Phrases { forks, ..Phrases::default() }, &mut tokeniser())
    }

    fn names(question_open: bool) -> Names {
        Names::new(&[(Named::Session, vec!["api right".into()])], question_open, &mut tokeniser())
    }

    /// Thinks of each token what it is told, whatever came before; or after a path.
    #[derive(Default)]
    struct Opinion {
        first: Vec<f32>,
        after: HashMap<Vec<Token>, Vec<f32>>,
        asked: Vec<Vec<Token>>,
    }

    fn row(logits: &[f32]) -> Row {
        Row::new(logits.to_vec(), Rc::from([END]))
    }

    impl Predict for Opinion {
        type Error = std::convert::Infallible;

        fn after(&mut self, path: &[Token]) -> Result<Row, Self::Error> {
            // The decoder only remembers what it was asked for last.
            let known = self.asked.last().map_or(&[][..], Vec::as_slice);
            assert!(known.starts_with(&path[..path.len() - 1]), "{known:?} then {path:?}");
            self.asked.push(path.to_vec());
            Ok(row(self.after.get(path).unwrap_or(&self.first)))
        }
    }

    fn find(opinion: &mut Opinion, question_open: bool, limits: Limits) -> Option<Way> {
        let first = row(&opinion.first);
        likeliest(opinion, &lexicon(), &names(question_open), &first, limits, &AbortFlag::default()).unwrap()
    }

    const FAR: Limits = Limits { least: -1000.0, steps: 1000, tokens: 10 };

    fn text(way: &Way) -> String {
        way.tokens.iter().map(|token| WORDS[*token as usize]).collect::<Vec<_>>().join(" ")
    }

    fn logits() -> impl Strategy<Value = Vec<f32>> {
        proptest::collection::vec(-8.0_f32..8.0, WORDS.len() + 1)
    }

    proptest! {
        #[test]
        fn whatever_is_found_can_be_said(first in logits(), question_open in any::<bool>()) {
            let mut opinion = Opinion { first, ..Opinion::default() };
            let way = find(&mut opinion, question_open, FAR).unwrap();
            let sayable = ["split right", "split left", "next pane", "go api right", "yes"];
            let at = sayable.iter().position(|phrase| *phrase == text(&way));
            prop_assert!(at.is_some_and(|at| at < 4 || question_open), "{}", text(&way));
            prop_assert!(lexicon().accepts(&text(&way), &names(question_open)));
            // And nothing that can be is likelier.
            let row = row(&opinion.first);
            for phrase in &sayable[..if question_open { 5 } else { 4 }] {
                let tokens = tokeniser().tokens(&format!(" {phrase}"));
                let total: f32 = tokens.iter().map(|token| row.log_probability(*token)).sum::<f32>() + row.end();
                prop_assert!(total <= way.total + 1e-3, "{phrase} {total} {}", way.total);
            }
        }

        #[test]
        fn nothing_below_the_least_is_found_or_paid_for(first in logits(), least in -20.0_f32..0.0, steps in 0_usize..6) {
            let mut opinion = Opinion { first, ..Opinion::default() };
            let best = find(&mut opinion, true, FAR).unwrap();
            let mut opinion = Opinion { first: opinion.first, ..Opinion::default() };
            let found = find(&mut opinion, true, Limits { least, steps, ..FAR });
            prop_assert!(found.as_ref().is_none_or(|way| way.total > least && way.total <= best.total));
            prop_assert!(opinion.asked.len() <= steps);
            if best.total < least {
                prop_assert_eq!(found, None);
            }
        }
    }

    #[test]
    fn a_likely_beginning_that_leads_nowhere_is_left_again() {
        let mut first = vec![-9.0; WORDS.len() + 1];
        (first[0], first[3]) = (2.0, 1.0);
        let mut after = HashMap::new();
        // After "split" comes nothing that can be said; after "next" comes "pane".
        let mut nowhere = vec![-9.0; WORDS.len() + 1];
        nowhere[6] = 9.0;
        after.insert(vec![0], nowhere);
        let mut pane = vec![-9.0; WORDS.len() + 1];
        pane[4] = 9.0;
        after.insert(vec![3], pane);
        let mut end = vec![-9.0; WORDS.len() + 1];
        end[END as usize] = 9.0;
        after.insert(vec![3, 4], end);
        let mut opinion = Opinion { first, after, asked: Vec::new() };
        let way = find(&mut opinion, false, FAR).unwrap();
        assert_eq!(text(&way), "next pane");
        assert!(way.total > -2.0);
    }

    #[test]
    fn phrases_are_known_from_other_words() {
        let (lexicon, names) = (lexicon(), names(false));
        for text in ["Split right.", "next pane", "Go Api right", "split left. Next pane."] {
            assert!(lexicon.accepts(text, &names), "{text}");
        }
        for text in ["split", "split the bill", "go", "go home", "yes", "", "next pane please"] {
            assert!(!lexicon.accepts(text, &names), "{text}");
        }
    }
}
