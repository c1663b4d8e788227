//! Writes what was said, piece by piece, and decides which pieces touch.

use super::super::numbers;
use super::{Join, Said, Spoken, Symbol};

/// A piece of the line that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    text: String,
    join: Option<Join>,
    /// Opens a quotation, rather than closing it.
    opens: bool,
}

/// There are no signals beyond it.
const LAST_SIGNAL: u32 = 64;

pub(super) struct Writer<'a> {
    spoken: &'a Spoken,
    said: &'a [Said<'a>],
    command: bool,
    pieces: Vec<Piece>,
    /// Quotes that are open.
    quotes: Vec<String>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(spoken: &'a Spoken, said: &'a [Said<'a>], command: bool) -> Self {
        Self { spoken, said, command, pieces: Vec::new(), quotes: Vec::new() }
    }

    pub(super) fn write(mut self) -> String {
        let mut at = 0;
        while at < self.said.len() {
            at += self.next(at);
        }
        self.joined()
    }

    /// Writes what begins at a word; tells how many words that took.
    fn next(&mut self, at: usize) -> usize {
        let rest = &self.said[at..];
        if let Some(taken) = self.escaped(rest) {
            return taken;
        }
        if self.at_program()
            && let Some((program, taken)) = self.spoken.programs.find(rest)
        {
            self.word(program.clone());
            return taken;
        }
        if self.is_long_option()
            && let Some((option, taken)) = self.spoken.options.find(rest)
        {
            self.word(option.clone());
            return taken;
        }
        if let Some((symbol, taken)) = self.spoken.symbols.find(rest) {
            let symbol = symbol.clone();
            self.symbol(&symbol);
            return taken;
        }
        if let Some(taken) = self.letters(rest) {
            return taken;
        }
        if let Some((number, taken)) = self.number(rest) {
            self.word(number);
            return taken;
        }
        let word = straight(rest[0].raw);
        // Letters after a dash come as capitals ("dash LA"); real ones are said: "capital r".
        let shouted = self.after_dash() && word.bytes().all(|b| b.is_ascii_uppercase());
        let word = if shouted || self.is_without_capital() { word.to_lowercase() } else { word };
        self.word(word);
        1
    }

    /// "literal star", "spell air bat", "number forty two", "capital r".
    fn escaped(&mut self, rest: &[Said<'_>]) -> Option<usize> {
        let after = &rest[1..];
        let next = after.first()?;
        match rest[0].folded.as_str() {
            "literal" => {
                self.word(straight(next.raw));
                Some(2)
            }
            // A word of its own, unless what follows would be something else.
            "escape" if self.spoken.symbols.find(after).is_some() => {
                self.word(straight(next.raw));
                Some(2)
            }
            "space" => {
                self.pieces.push(Piece { text: String::new(), join: Some(Join::None), opens: false });
                Some(1)
            }
            "number" => {
                let (number, taken) = number(after)?;
                self.word(number);
                Some(1 + taken)
            }
            "spell" => {
                let letters = self.spelled(after);
                (!letters.is_empty()).then(|| {
                    let taken = letters.chars().count();
                    self.word(letters);
                    1 + taken
                })
            }
            "capital" | "uppercase" => {
                let letters = self.spelled(after);
                if letters.is_empty() {
                    let raw = straight(next.raw);
                    let word =
                        if rest[0].folded == "capital" { capitalised(&raw) } else { raw.to_uppercase() };
                    self.word(word);
                    return Some(2);
                }
                let most = if rest[0].folded == "capital" { 1 } else { letters.chars().count() };
                self.word(letters.chars().take(most).collect::<String>().to_uppercase());
                Some(1 + most)
            }
            _ => None,
        }
    }

    /// The letters that the words begin with, each by itself or by its word.
    fn spelled(&self, words: &[Said<'_>]) -> String {
        words
            .iter()
            .map_while(|word| letter(word).or_else(|| self.spoken.letters.get(&word.folded).copied()))
            .collect()
    }

    /// A number, where one can be: a signal, what follows an option, digits said one by one. A single one of them
    /// is as well a word.
    fn number(&self, rest: &[Said<'_>]) -> Option<(String, usize)> {
        if self.at_signal() {
            // "Kill dash nine five one two" is no signal 9512.
            let digits = |taken: usize| numbers::written(&rest[..taken]).map(|digits| (digits, taken));
            let most = rest.len().min(2);
            let signal = |number: &str| number.parse().is_ok_and(|signal: u32| signal <= LAST_SIGNAL);
            return (1..=most).rev().filter_map(digits).find(|(number, _)| signal(number));
        }
        if self.after_option() {
            return number(rest);
        }
        let (digits, taken) = numbers::digits(said_as_words(rest))?;
        // "Oh, one more thing" is no 01.
        let ends = rest.get(taken).is_none_or(|_| self.spoken.symbols.find(&rest[taken..]).is_some());
        (taken > 1 && (ends || rest[0].folded != "oh")).then_some((digits, taken))
    }

    /// Letters that were said one by one: "L S", "L.S.", "l-s".
    fn letters(&mut self, rest: &[Said<'_>]) -> Option<usize> {
        if self.command
            && let Some(word) = initials(rest[0].raw)
        {
            self.word(word);
            return Some(1);
        }
        let letters: String = rest.iter().map_while(letter).collect();
        let least = match (self.after_dash(), self.command) {
            (true, _) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        let count = letters.chars().count();
        (count >= least).then(|| {
            self.word(letters.to_lowercase());
            count
        })
    }

    fn word(&mut self, text: String) {
        self.pieces.push(Piece { text, join: None, opens: false });
    }

    fn symbol(&mut self, symbol: &Symbol) {
        let mut opens = false;
        if symbol.join == Join::Quote {
            opens = self.quotes.last() != Some(&symbol.text);
            if opens {
                self.quotes.push(symbol.text.clone());
            } else {
                self.quotes.pop();
            }
        }
        self.pieces.push(Piece { text: symbol.text.clone(), join: Some(symbol.join), opens });
    }

    /// Whether a program's name is due.
    fn at_program(&self) -> bool {
        self.command
            && self.quotes.is_empty()
            && match self.pieces.last() {
                None => true,
                Some(piece) => piece.join == Some(Join::End) || piece.join.is_none() && piece.text == "sudo",
            }
    }

    /// Whether a capital here is only there because a sentence was written.
    fn is_without_capital(&self) -> bool {
        let after_tool =
            |piece: &Piece| piece.join.is_none() && self.spoken.subcommands.contains(&piece.text);
        self.at_program()
            || self.command && self.pieces.len() == 1 && self.pieces.first().is_some_and(after_tool)
    }

    fn after_dash(&self) -> bool {
        self.pieces.last().is_some_and(|piece| piece.join == Some(Join::Flag))
    }

    /// Whether the name of a long option is due: `--`.
    fn is_long_option(&self) -> bool {
        let is_dash = |piece: &Piece| piece.join == Some(Join::Flag);
        match self.pieces.as_slice() {
            [.., one, other] if is_dash(one) && is_dash(other) => true,
            [.., one] => is_dash(one) && one.text == "--",
            [] => false,
        }
    }

    /// Whether the number of a signal is due: `kill -`.
    fn at_signal(&self) -> bool {
        match self.pieces.as_slice() {
            [before @ .., dash] if dash.join == Some(Join::Flag) && dash.text == "-" => {
                before.last().is_some_and(|program| {
                    self.is_program(before.len() - 1) && self.spoken.signals.contains(&program.text)
                })
            }
            _ => false,
        }
    }

    /// Whether the last words are an option: `-n`.
    fn after_option(&self) -> bool {
        let mut last = self.pieces.iter().rev();
        match (last.next(), last.next()) {
            (Some(Piece { join: Some(Join::Flag), .. }), _) => true,
            (Some(Piece { join: None, text, .. }), Some(Piece { join: Some(Join::Flag), .. })) => {
                text.chars().count() == 1
            }
            (Some(Piece { text, .. }), _) => text == "=" || text == ":",
            _ => false,
        }
    }

    fn joined(&self) -> String {
        let mut line = String::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            if at > 0 && !self.touches(at) {
                line.push(' ');
            }
            line.push_str(&piece.text);
        }
        while line.contains("  ") && !line.contains(['"', '\'']) {
            line = line.replace("  ", " ");
        }
        line.trim().to_owned()
    }

    /// Whether a piece touches the one before it.
    fn touches(&self, at: usize) -> bool {
        let (left, right) = (&self.pieces[at - 1], &self.pieces[at]);
        match (left.join, right.join) {
            (Some(Join::Quote), _) if left.opens => true,
            (_, Some(Join::Quote)) if !right.opens => true,
            (Some(Join::Flag | Join::Both | Join::Within), Some(Join::Flag)) => true,
            (_, Some(Join::End)) => right.text == ";",
            (Some(Join::End), _) | (_, Some(Join::Flag | Join::Right)) => {
                matches!(left.join, Some(Join::Both | Join::Within | Join::Right))
            }
            (_, Some(Join::Both)) => true,
            (_, Some(Join::Left | Join::Within)) => !self.is_program(at - 1),
            (_, Some(Join::Path)) => self.sticks(at) || sticks_to_next(left, right),
            (Some(Join::None), _) if left.text.is_empty() => false,
            (_, Some(Join::None)) => left.text == "/" || left.text == "." && right.text == "*",
            (Some(Join::Flag | Join::Path | Join::Both | Join::Within | Join::Right), _) => true,
            _ => false,
        }
    }

    /// Whether a dot or a slash sticks to what is before it: not to the program's name, an option or
    /// nothing, and a dot not if it begins `./` or `..` or stands at the end.
    fn sticks(&self, at: usize) -> bool {
        let (left, right) = (&self.pieces[at - 1], &self.pieces[at]);
        let next = self.pieces.get(at + 1);
        let goes_on = next.is_some_and(|next| {
            !next.text.is_empty() && !matches!(next.join, Some(Join::End | Join::Flag | Join::Quote))
        });
        if right.text == "." && (!goes_on || next.is_some_and(|next| next.join == Some(Join::Path))) {
            return false;
        }
        match left.join {
            Some(Join::Path | Join::Both | Join::Within | Join::Right) => true,
            Some(Join::None) => !left.text.is_empty() && (left.text == "~" || left.text == "*"),
            Some(_) => false,
            None => !self.is_program(at - 1) && !self.is_option(at - 1),
        }
    }

    fn is_program(&self, at: usize) -> bool {
        self.command && (at == 0 || self.pieces[at - 1].join == Some(Join::End))
    }

    fn is_option(&self, at: usize) -> bool {
        at > 0 && self.pieces[at - 1].join == Some(Join::Flag)
    }
}

/// `..` and `./`: a dot or slash that follows a dot that began a path.
fn sticks_to_next(left: &Piece, right: &Piece) -> bool {
    left.join == Some(Join::Path) && right.join == Some(Join::Path)
}

/// A word that is one letter.
fn letter(word: &Said<'_>) -> Option<char> {
    let mut chars = word.folded.trim_end_matches('.').chars();
    match (chars.next(), chars.next()) {
        (Some(letter), None) if letter.is_ascii_alphabetic() => Some(letter),
        _ => None,
    }
}

/// `L.S.` and `L-S` as one word.
fn initials(chunk: &str) -> Option<String> {
    let parts: Vec<&str> = chunk.trim_end_matches('.').split(['.', '-']).collect();
    let single = |part: &&str| part.len() == 1 && part.bytes().all(|b| b.is_ascii_alphabetic());
    (parts.len() > 1 && parts.iter().all(single)).then(|| parts.concat().to_lowercase())
}

/// The words at the beginning that are written as such: who writes "5 1" has heard two numbers, and "o" is a letter.
fn said_as_words<'a, 'b>(rest: &'b [Said<'a>]) -> &'b [Said<'a>] {
    let is_word =
        |word: &&Said<'_>| word.folded.len() > 1 && word.folded.bytes().all(|b| b.is_ascii_alphabetic());
    &rest[..rest.iter().take_while(is_word).count()]
}

/// A number as digits, and how many words it took.
fn number(words: &[Said<'_>]) -> Option<(String, usize)> {
    let words = &words[..words.len().min(12)];
    let digits = numbers::digits(words);
    let reading = numbers::readings(words).into_iter().next()?;
    match digits {
        Some((digits, taken)) if taken >= reading.words => Some((digits, taken)),
        _ => Some((reading.value.to_string(), reading.words)),
    }
}

/// With the quotes that keyboards have.
fn straight(word: &str) -> String {
    word.chars()
        .map(|c| match c {
            '‘' | '’' => '\'',
            '“' | '”' => '"',
            c => c,
        })
        .collect()
}

pub(super) fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
