//! Text in pieces that are spoken one after the other, so that the first sounds while the next is made.

/// What is longer is cut at a comma, or between two words: how soon a piece begins to sound depends a little on its
/// length, and one that fails is heard in part at most.
const LONGEST: usize = 100;
/// The first piece is cut at a comma before this, if there is one: somebody waits for it.
const LONGEST_FIRST: usize = 50;

/// The clauses of a text, in order, without those that have nothing to say.
pub(super) fn clauses(text: &str) -> Vec<String> {
    let mut clauses = Vec::new();
    for line in text.lines() {
        let mut rest = line.trim();
        while !rest.is_empty() {
            let (clause, after) = rest.split_at(end_of_clause(rest, clauses.is_empty()));
            if clause.chars().any(char::is_alphanumeric) {
                clauses.push(clause.trim().to_owned());
            }
            rest = after.trim_start();
        }
    }
    clauses
}

/// Where the first clause ends, in bytes.
fn end_of_clause(text: &str, somebody_waits: bool) -> usize {
    let mut comma = None;
    let mut space = None;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let next = at + character.len_utf8();
        let at_word_end = characters.peek().is_none_or(|(_, following)| following.is_whitespace());
        match character {
            // "main.rs" and "3.5" go on.
            '.' | '!' | '?' | ';' | ':' if at_word_end && !is_abbreviation(&text[..at]) => return next,
            ',' if at_word_end => comma = Some(next),
            ' ' => space = Some(next),
            _ => {}
        }
        if somebody_waits
            && next >= LONGEST_FIRST
            && let Some(comma) = comma
        {
            return comma;
        }
        if next >= LONGEST {
            return comma.or(space).unwrap_or(next);
        }
    }
    text.len()
}

/// Whether a full stop after this belongs to its last word.
fn is_abbreviation(before: &str) -> bool {
    const KNOWN: [&str; 10] = ["e.g", "i.e", "etc", "vs", "mr", "mrs", "dr", "st", "no", "approx"];
    let word = before.rsplit([' ', '(']).next().unwrap_or_default().to_lowercase();
    // "no" is a word more often than it stands for "number".
    word != "no" && KNOWN.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_come_one_by_one_and_names_stay_whole() {
        assert_eq!(
            clauses("Done. main.rs has 3.5 pages; is that much? Yes!\nNext: e.g. this."),
            ["Done.", "main.rs has 3.5 pages;", "is that much?", "Yes!", "Next:", "e.g. this."]
        );
        assert!(clauses(" … \n--\n").is_empty());
    }

    #[test]
    fn the_first_piece_is_short_where_a_comma_allows_it() {
        let told = "Twelve files changed, 340 insertions, 27 deletions, and nothing else.";
        assert_eq!(clauses(told)[0], "Twelve files changed, 340 insertions,");
        assert_eq!(clauses("Zoomed in, and back.").len(), 1);
        assert_eq!(clauses(&format!("Done. {told}"))[1], told);
    }

    #[test]
    fn what_is_long_is_cut_where_one_would_breathe() {
        let long = format!("{} alpha, {} omega", "word ".repeat(15), "more ".repeat(40));
        let cut = clauses(&long);
        assert!(cut.len() > 1 && cut.iter().all(|clause| clause.len() <= LONGEST + 4), "{cut:?}");
        assert!(cut[0].ends_with("alpha,"), "{cut:?}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&cut.join(" ")), words(&long), "nothing is lost");
        // Not even in the middle of a character.
        assert!(clauses(&"ä".repeat(500)).len() > 3);
    }
}
