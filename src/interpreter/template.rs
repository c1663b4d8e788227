//! Templates: `(go|move) [to] {direction}`, and the sequences of words and slots that they stand for.

use std::collections::BTreeMap;

use super::normalise::fold;

/// A template may stand for so many sequences; more are a mistake, or belong into a list.
const MOST_SEQUENCES: usize = 20_000;

/// How deep rules may lie in rules.
const DEEPEST: usize = 8;

/// What a template consists of, once it is spelled out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// A word, as it is compared.
    Word(String),
    /// A slot by name and kind.
    Slot(String, String),
}

/// A template, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Piece(Piece),
    Rule(String),
    Sequence(Vec<Node>),
    OneOf(Vec<Node>),
}

/// Spells a template out: every sequence of words and slots that it stands for.
///
/// # Errors
/// What is wrong with the template, in words.
pub(super) fn expand(template: &str, rules: &BTreeMap<String, String>) -> Result<Vec<Vec<Piece>>, String> {
    let sequences = spell(&parse(template)?, rules, 0)?;
    if sequences.iter().any(Vec::is_empty) {
        return Err("everything in it is optional, so that silence would mean it".into());
    }
    Ok(sequences)
}

fn parse(template: &str) -> Result<Node, String> {
    let mut parser = Parser { rest: template };
    let node = parser.alternatives()?;
    match parser.rest.chars().next() {
        None => Ok(node),
        Some(sign) => Err(format!("`{sign}` closes nothing")),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn alternatives(&mut self) -> Result<Node, String> {
        let mut branches = vec![self.sequence()?];
        while let Some(rest) = self.rest.strip_prefix('|') {
            self.rest = rest;
            branches.push(self.sequence()?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Node::OneOf(branches) })
    }

    fn sequence(&mut self) -> Result<Node, String> {
        let mut nodes = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            let Some(sign) = self.rest.chars().next() else { break };
            match sign {
                '|' | ')' | ']' => break,
                '(' => nodes.push(self.group(')')?),
                '[' => {
                    let optional = self.group(']')?;
                    nodes.push(Node::OneOf(vec![optional, Node::Sequence(Vec::new())]));
                }
                '{' => {
                    let slot = self.enclosed('}')?;
                    let (name, kind) = slot.split_once(':').unwrap_or((slot, slot));
                    nodes.push(Node::Piece(Piece::Slot(name.into(), kind.into())));
                }
                '<' => nodes.push(Node::Rule(self.enclosed('>')?.into())),
                '}' | '>' => return Err(format!("`{sign}` closes nothing")),
                _ => nodes.push(self.word()?),
            }
        }
        Ok(Node::Sequence(nodes))
    }

    fn group(&mut self, close: char) -> Result<Node, String> {
        let open = if close == ')' { '(' } else { '[' };
        self.rest = &self.rest[1..];
        let node = self.alternatives()?;
        match self.rest.strip_prefix(close) {
            Some(rest) => {
                self.rest = rest;
                Ok(node)
            }
            None => Err(format!("`{open}` is not closed by `{close}`")),
        }
    }

    /// A name between `{` and `}` or `<` and `>`.
    fn enclosed(&mut self, close: char) -> Result<&'a str, String> {
        let inner = &self.rest[1..];
        let Some((name, rest)) = inner.split_once(close) else {
            return Err(format!("`{}` is not closed by `{close}`", &self.rest[..1]));
        };
        let is_name =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if !name.splitn(2, ':').all(is_name) {
            return Err(format!("`{name}` is no name; names are small letters and _"));
        }
        self.rest = rest;
        Ok(name)
    }

    fn word(&mut self) -> Result<Node, String> {
        let end =
            self.rest.find(|c: char| c.is_whitespace() || "|()[]{}<>".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let folded = fold(word);
        if folded != word.replace('\'', "") || !folded.chars().all(char::is_alphanumeric) {
            return Err(format!("`{word}` can't be said: words are small letters and digits"));
        }
        Ok(Node::Piece(Piece::Word(folded)))
    }
}

fn spell(node: &Node, rules: &BTreeMap<String, String>, depth: usize) -> Result<Vec<Vec<Piece>>, String> {
    if depth > DEEPEST * 4 {
        return Err("it is nested too deep, or a rule uses itself".into());
    }
    let sequences = match node {
        Node::Piece(piece) => vec![vec![piece.clone()]],
        Node::Rule(name) => {
            let rule = rules.get(name).ok_or_else(|| format!("there is no rule <{name}>"))?;
            let node = parse(rule).map_err(|error| format!("in the rule <{name}>: {error}"))?;
            spell(&node, rules, depth + 4)?
        }
        Node::OneOf(nodes) => {
            let mut all = Vec::new();
            for node in nodes {
                all.extend(spell(node, rules, depth + 1)?);
            }
            all
        }
        Node::Sequence(nodes) => {
            let mut all = vec![Vec::new()];
            for node in nodes {
                let next = spell(node, rules, depth + 1)?;
                if all.len() * next.len() > MOST_SEQUENCES {
                    return Err(format!("it stands for more than {MOST_SEQUENCES} phrases"));
                }
                all = all
                    .iter()
                    .flat_map(|start| next.iter().map(move |end| [start.as_slice(), end].concat()))
                    .collect();
            }
            all
        }
    };
    if sequences.len() > MOST_SEQUENCES {
        return Err(format!("it stands for more than {MOST_SEQUENCES} phrases"));
    }
    Ok(sequences)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(template: &str) -> Result<Vec<String>, String> {
        let rules = BTreeMap::from([
            ("pane".to_owned(), "(pane|pain)".to_owned()),
            ("loop".to_owned(), "<loop>".to_owned()),
        ]);
        let piece = |piece: &Piece| match piece {
            Piece::Word(word) => word.clone(),
            Piece::Slot(name, kind) => format!("{{{name}:{kind}}}"),
        };
        let text = |pieces: &Vec<Piece>| pieces.iter().map(piece).collect::<Vec<_>>().join(" ");
        Ok(expand(template, &rules)?.iter().map(text).collect())
    }

    #[test]
    fn templates_are_spelled_out() {
        assert_eq!(said("(go|move) [to] {direction}").unwrap().len(), 4);
        assert_eq!(said("next <pane>").unwrap(), ["next pane", "next pain"]);
        assert_eq!(said("a|b c").unwrap(), ["a", "b c"]);
        assert_eq!(said("what's {name:session}").unwrap(), ["whats {name:session}"]);
    }

    #[test]
    fn a_bad_template_is_told_what_is_wrong() {
        for (template, part) in [
            ("go (left", "`(` is not closed"),
            ("go left)", "closes nothing"),
            ("go [left", "`[` is not closed"),
            ("go {Dir}", "no name"),
            ("go {dir", "`{` is not closed"),
            ("go <nowhere>", "no rule <nowhere>"),
            ("go <loop>", "uses itself"),
            ("Go left", "can't be said"),
            ("go-left", "can't be said"),
            ("[go] [left]", "silence"),
            (&"(a|b|c) ".repeat(30), "more than"),
        ] {
            let error = said(template).unwrap_err();
            assert!(error.contains(part), "{template}: {error}");
        }
    }
}
