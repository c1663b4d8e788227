//! What names mean to a shell, as marks tell it. A mark holds as many records as fit; the first of several
//! begins with `1`, the others with `0`.

use crate::domain::{Alias, AliasPlace, Aliases};

/// Ends a record: its kind, its name, and, behind [`BETWEEN`], its text.
const END: char = '␞';
const BETWEEN: char = '␟';
/// Stands for a control character: the text is not what it was.
const REPLACED: char = '␤';
/// Names that are remembered. Shells tell no more than that.
const MOST: usize = 4000;
/// What they are remembered in, in bytes.
const MOST_TEXT: usize = 256 << 10;

/// What a shell has told.
#[derive(Debug, Default)]
pub(in crate::terminal) struct Told {
    names: Option<Aliases>,
    size: usize,
}

impl Told {
    /// From the arguments of a mark.
    pub(in crate::terminal) fn take(&mut self, arguments: &str) {
        let Some((part, records)) = arguments.split_once(';') else { return };
        match part {
            "1" => *self = Self { names: Some(Aliases::default()), size: 0 },
            // The first part was not seen.
            _ if self.names.is_none() => return,
            _ => {}
        }
        records.split_terminator(END).for_each(|record| self.record(record));
    }

    fn record(&mut self, record: &str) {
        let Some(names) = &mut self.names else { return };
        self.size += record.len();
        if names.aliases.len() + names.functions.len() >= MOST || self.size > MOST_TEXT {
            return;
        }
        let Some(kind) = record.chars().next() else { return };
        let rest = &record[kind.len_utf8()..];
        let (name, text) = rest.split_once(BETWEEN).unwrap_or((rest, ""));
        let place = match kind {
            'a' => AliasPlace::Command,
            'g' => AliasPlace::Anywhere,
            'w' => AliasPlace::Function,
            'b' => AliasPlace::LineEnd,
            'u' => {
                names.unclear = true;
                return;
            }
            'f' => {
                names.functions.insert(name.to_owned());
                return;
            }
            _ => return,
        };
        // By a text that isn't whole, the name says no more than that of a function.
        if text.contains(REPLACED) {
            names.functions.insert(name.to_owned());
        } else {
            names.aliases.insert(name.to_owned(), Alias { text: text.to_owned(), place });
        }
    }

    /// All of them, if something was told.
    pub(in crate::terminal) fn all(&self) -> Option<&Aliases> {
        self.names.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(marks: &[&str]) -> Told {
        let mut told = Told::default();
        for mark in marks {
            told.take(mark);
        }
        told
    }

    #[test]
    fn names_are_told_in_parts_and_anew() {
        let first = "1;all␟ls -l; true␞gG␟| grep␞wls␟ls -F␞bgs␟git status␞";
        let told = told(&[first, "0;fmkcd␞along␟a␤b␞"]);
        let all = told.all().unwrap();
        let alias = |name: &str| all.aliases.get(name).map(|alias| (alias.text.as_str(), alias.place));
        assert_eq!(alias("ll"), Some(("ls -l; true", AliasPlace::Command)));
        assert_eq!(alias("G"), Some(("| grep", AliasPlace::Anywhere)));
        assert_eq!(alias("ls"), Some(("ls -F", AliasPlace::Function)));
        assert_eq!(alias("gs"), Some(("git status", AliasPlace::LineEnd)));
        assert!(all.functions.contains("mkcd") && all.functions.contains("long") && alias("long").is_none());
        let mut told = told;
        told.take("1;");
        assert_eq!(told.all(), Some(&Aliases::default()));
    }

    #[test]
    fn of_what_nobody_can_use_nothing_is_kept() {
        assert!(told(&["", "0;all␟ls␞", "x"]).all().is_none());
        let odd = told(&["1;␞␞a␞é␞x␟␟y␞"]);
        assert!(odd.all().unwrap().functions.is_empty());
        let record = (0..100).map(|at| format!("a{at}␟{}␞", "x".repeat(100))).collect::<Vec<_>>().concat();
        let mut many = told(&["1;"]);
        (0..100).for_each(|at| many.take(&format!("0;{}", record.replace('a', &format!("a{at}")))));
        assert!(many.all().unwrap().aliases.len() <= MOST && many.all().unwrap().aliases.len() > 1000);
    }
}
