//! All that can be said, in Whisper's tokens.
//!
//! The network of words comes from the grammar, once; what has a name at the moment comes with each utterance.
//! A place in the network is where a way along it has come to, which may be in the middle of a word.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::text::bare;
use super::tokens::Tokeniser;
use crate::domain::{End, Named, Phrases};

/// A token's number.
pub(super) type Token = i32;

/// The phrases in tokens.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    phrases: Phrases,
    forks: Vec<Vec<Edge>>,
    lists: Vec<Sayings>,
}

#[derive(Debug)]
struct Edge {
    /// In small letters, and with a capital where that begins a text.
    spellings: Vec<Rc<[Token]>>,
    to: usize,
}

/// Things to say, in tokens and in words by the first of them.
#[derive(Debug, Default)]
struct Sayings {
    tokens: Vec<Rc<[Token]>>,
    words: HashMap<String, Vec<Vec<String>>>,
}

/// What has a name now.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: HashMap<Named, Sayings>,
    /// Whether a question waits for an answer.
    question_open: bool,
}

impl Names {
    pub(super) fn new(
        named: &[(Named, Vec<String>)],
        question_open: bool,
        tokeniser: &mut Tokeniser,
    ) -> Self {
        let sayings = named.iter().map(|(what, all)| {
            // Names may be written with capitals.
            let capitals: Vec<String> = all.iter().map(|name| capitals(name)).collect();
            (*what, Sayings::new(all.iter().chain(&capitals), tokeniser))
        });
        Self { names: sayings.collect(), question_open }
    }
}

impl Sayings {
    fn new<'a>(all: impl Iterator<Item = &'a String>, tokeniser: &mut Tokeniser) -> Self {
        let mut sayings = Self::default();
        for said in all {
            sayings.tokens.push(tokeniser.tokens(&format!(" {said}")));
            let words: Vec<String> = bare(said).split_whitespace().map(str::to_owned).collect();
            if let Some(first) = words.first() {
                sayings.words.entry(first.clone()).or_default().push(words);
            }
        }
        sayings
    }

    /// How many of these words one of them takes.
    fn said<'s>(&'s self, words: &'s [&str]) -> impl Iterator<Item = usize> + 's {
        let all = words.first().and_then(|first| self.words.get(*first)).into_iter().flatten();
        let is_said = move |said: &&Vec<String>| {
            words.len() >= said.len() && said.iter().zip(words).all(|(said, word)| said == word)
        };
        all.filter(is_said).map(Vec::len)
    }
}

/// Where a way has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// What is left of a word or a name.
    rest: Rest,
    to: Goal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Fork(usize),
    /// Anything can follow, or nothing.
    Anything,
}

/// The tokens of something that are still to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rest {
    of: Rc<[Token]>,
    from: usize,
}

/// What can follow at some places.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Tokens, and the places behind them.
    pub(super) tokens: HashMap<Token, Vec<Place>>,
    /// The place behind any other token, if that may follow.
    pub(super) anything: Option<Place>,
    /// Whether a phrase may end here.
    pub(super) ends: bool,
}

impl Rest {
    fn nothing() -> Self {
        Self { of: Rc::from([]), from: 0 }
    }
}

impl Place {
    fn at(fork: usize) -> Self {
        Self { rest: Rest::nothing(), to: Goal::Fork(fork) }
    }

    fn anywhere() -> Self {
        Self { rest: Rest::nothing(), to: Goal::Anything }
    }

    /// Where every way begins.
    pub(super) fn beginning() -> Self {
        Self::at(0)
    }
}

impl Lexicon {
    pub(super) fn new(phrases: Phrases, tokeniser: &mut Tokeniser) -> Self {
        let mut forks = Vec::with_capacity(phrases.forks.len());
        for (at, fork) in phrases.forks.iter().enumerate() {
            let edge = |(word, to): &(String, usize)| {
                let mut spellings = vec![tokeniser.tokens(&format!(" {word}"))];
                if at == 0 {
                    spellings.push(tokeniser.tokens(&format!(" {}", capitals(word))));
                }
                Edge { spellings, to: *to }
            };
            forks.push(fork.words.iter().map(edge).collect());
        }
        let lists = phrases.lists.iter().map(|list| Sayings::new(list.iter(), tokeniser)).collect();
        Self { phrases, forks, lists }
    }

    /// What can follow at these places.
    pub(super) fn choice(&self, places: &[Place], names: &Names) -> Choice {
        let mut choice = Choice::default();
        for place in places {
            if let Some((token, place)) = place.within() {
                choice.tokens.entry(token).or_default().push(place);
                continue;
            }
            match place.to {
                Goal::Anything => {
                    choice.ends = true;
                    choice.anything = Some(Place::anywhere());
                }
                Goal::Fork(at) => self.fork(at, names, &mut choice),
            }
        }
        choice
    }

    fn fork(&self, at: usize, names: &Names, choice: &mut Choice) {
        let Some(fork) = self.phrases.forks.get(at) else { return };
        let mut go = |tokens: &Rc<[Token]>, to: usize| {
            let place = Place { rest: Rest { of: Rc::clone(tokens), from: 0 }, to: Goal::Fork(to) };
            if let Some((token, place)) = place.within() {
                choice.tokens.entry(token).or_default().push(place);
            }
        };
        for edge in &self.forks[at] {
            edge.spellings.iter().for_each(|tokens| go(tokens, edge.to));
        }
        let lists = fork.lists.iter().filter_map(|(list, to)| Some((self.lists.get(*list)?, *to)));
        let called = fork.names.iter().filter_map(|(what, to)| Some((names.names.get(what)?, *to)));
        for (sayings, to) in lists.chain(called) {
            sayings.tokens.iter().for_each(|tokens| go(tokens, to));
        }
        if fork.open {
            choice.anything = Some(Place::anywhere());
        }
        choice.ends |= is_end(fork.end, names.question_open);
    }

    /// Whether a text is a phrase, or several in a row.
    pub(super) fn accepts(&self, text: &str, names: &Names) -> bool {
        let words = bare(text);
        let words: Vec<&str> = words.split_whitespace().collect();
        let is_filler = |word: &&&str| self.phrases.fillers.iter().any(|filler| filler == *word);
        let from = words.iter().take_while(is_filler).count();
        let to = words.len() - words.iter().rev().take_while(is_filler).count();
        let mut walk = Walk {
            lexicon: self,
            names,
            words: words.get(from..to).unwrap_or_default(),
            seen: HashSet::new(),
        };
        !walk.words.is_empty() && walk.from(0, 0)
    }
}

impl Place {
    /// The next token of what has begun, and the place behind it.
    fn within(&self) -> Option<(Token, Self)> {
        let Rest { of, from } = &self.rest;
        let token = of.get(*from)?;
        Some((*token, Self { rest: Rest { of: Rc::clone(of), from: from + 1 }, to: self.to }))
    }
}

fn is_end(end: Option<End>, question_open: bool) -> bool {
    match end {
        Some(End::Always) => true,
        Some(End::Asked) => question_open,
        None => false,
    }
}

/// With a capital at the beginning of each word.
fn capitals(text: &str) -> String {
    let capital = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
    };
    text.split_whitespace().map(capital).collect::<Vec<String>>().join(" ")
}

struct Walk<'a> {
    lexicon: &'a Lexicon,
    names: &'a Names,
    words: &'a [&'a str],
    /// Forks and words that led nowhere.
    seen: HashSet<(usize, usize)>,
}

impl Walk<'_> {
    fn from(&mut self, fork: usize, at: usize) -> bool {
        if !self.seen.insert((fork, at)) {
            return false;
        }
        let Some(here) = self.lexicon.phrases.forks.get(fork) else { return false };
        let ends = is_end(here.end, self.names.question_open);
        let Some(word) = self.words.get(at) else { return ends };
        if here.open {
            return true;
        }
        let after = |(next, _): &&(String, usize)| next == word;
        if here.words.iter().filter(after).any(|(_, to)| self.from(*to, at + 1)) {
            return true;
        }
        let Lexicon { phrases, lists, .. } = self.lexicon;
        let listed = here.lists.iter().filter_map(|(list, to)| Some((lists.get(*list)?, *to)));
        let named = here.names.iter().filter_map(|(what, to)| Some((self.names.names.get(what)?, *to)));
        for (sayings, to) in listed.chain(named) {
            if sayings.said(&self.words[at..]).any(|taken| self.from(to, at + taken)) {
                return true;
            }
        }
        let joined = usize::from(phrases.joiners.iter().any(|joiner| joiner == word));
        ends && fork != 0 && self.from(0, at + joined)
    }
}
