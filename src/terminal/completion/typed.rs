//! The line that is being typed, as a mark tells it.

/// Of a line that is longer than twice this, so many characters of both its ends are told.
const PART: usize = 1000;

/// The line, where the cursor stands, and what is told of its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::terminal) struct Typed {
    cursor: usize,
    length: usize,
    text: String,
}

impl Typed {
    /// From the arguments of a mark: `cursor;length;text`.
    pub(in crate::terminal) fn parse(arguments: &str) -> Option<Self> {
        let mut fields = arguments.splitn(3, ';');
        Some(Self {
            cursor: fields.next()?.parse().ok()?,
            length: fields.next()?.parse().ok()?,
            text: fields.next()?.to_owned(),
        })
    }

    pub(in crate::terminal) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Its text, of a long line both ends.
    pub(in crate::terminal) fn into_text(self) -> String {
        self.text
    }

    /// Its text, if all of it is told.
    pub(in crate::terminal) fn into_whole_text(self) -> Option<String> {
        (self.length <= 2 * PART).then_some(self.text)
    }

    /// Whether it is this text with the cursor at its end.
    pub(in crate::terminal) fn is(&self, text: &str) -> bool {
        let told = |length: usize, told: &dyn Fn() -> String| {
            self.length == length && self.cursor == length && self.text == told()
        };
        // Without UTF-8 in its locale, a shell counts bytes.
        told(text.chars().count(), &|| abridged_by_characters(text))
            || told(text.len(), &|| abridged_by_bytes(text))
    }

    /// Whether it is what there was with this text put in at the cursor.
    pub(in crate::terminal) fn is_with(&self, before: &Self, text: &str) -> bool {
        if before.is_empty() {
            return self.is(text);
        }
        let (length, bytes) = (text.chars().count(), text.len());
        [length, bytes].iter().any(|added| self.length == before.length + added)
            && self.length <= 2 * PART
            && self.before_cursor().ends_with(text)
    }

    /// What there was before this text was put in at the cursor; `None` if that can't be known.
    pub(in crate::terminal) fn without(&self, text: &str) -> Option<Self> {
        if self.is(text) {
            return Some(Self::default());
        }
        if self.length > 2 * PART {
            return None;
        }
        let before = self.before_cursor().strip_suffix(text)?;
        let count = text.chars().count();
        let text = format!("{before}{}", &self.text[self.before_cursor().len()..]);
        Some(Self { cursor: self.cursor.checked_sub(count)?, length: self.length.checked_sub(count)?, text })
    }

    /// Whether it is this text and the beginning of a further line: the shell wants more.
    pub(in crate::terminal) fn goes_on_after(&self, text: &str) -> bool {
        self.text.strip_prefix(text).is_some_and(|rest| rest.starts_with('␤'))
    }

    fn before_cursor(&self) -> &str {
        let end = self.text.char_indices().nth(self.cursor).map_or(self.text.len(), |(at, _)| at);
        &self.text[..end]
    }
}

fn abridged_by_characters(text: &str) -> String {
    let length = text.chars().count();
    if length <= 2 * PART {
        return text.to_owned();
    }
    text.chars().take(PART).chain(text.chars().skip(length - PART)).collect()
}

fn abridged_by_bytes(text: &str) -> String {
    let bytes = text.as_bytes();
    if bytes.len() <= 2 * PART {
        return text.to_owned();
    }
    String::from_utf8_lossy(&[&bytes[..PART], &bytes[bytes.len() - PART..]].concat()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(cursor: usize, length: usize, text: &str) -> Typed {
        Typed { cursor, length, text: text.into() }
    }

    #[test]
    fn a_mark_is_read_whatever_the_line_holds() {
        assert_eq!(Typed::parse("3;9;a;b;c d e"), Some(typed(3, 9, "a;b;c d e")));
        assert_eq!(Typed::parse("0;0;"), Some(typed(0, 0, "")));
        assert_eq!(Typed::parse("x;0;"), None);
        assert_eq!(Typed::parse("1;2"), None);
    }

    #[test]
    fn a_line_is_compared_in_characters_or_in_bytes() {
        assert!(typed(4, 4, "é日 x").is("é日 x"));
        assert!(typed(7, 7, "é日 x").is("é日 x"));
        assert!(!typed(3, 4, "é日 x").is("é日 x"), "the cursor is not at the end");
        assert!(!typed(5, 5, "é日 xy").is("é日 x"));
    }

    #[test]
    fn of_a_long_line_both_ends_are_compared() {
        let text = format!("{}é{}", "a".repeat(PART), "b".repeat(PART));
        let told = "a".repeat(PART) + &"b".repeat(PART);
        assert!(typed(2001, 2001, &told).is(&text));
        assert!(typed(2002, 2002, &told).is(&text), "in bytes");
        assert!(!typed(2003, 2003, &told).is(&text));
        assert!(!typed(2001, 2001, &told.replace("ab", "ac")).is(&text));
    }

    #[test]
    fn text_goes_in_at_the_cursor() {
        let before = typed(4, 6, "echo x");
        assert!(typed(7, 9, "echoone x").is_with(&before, "one"));
        assert!(!typed(9, 9, "echo xone").is_with(&before, "two"));
        assert!(typed(3, 3, "one").is_with(&typed(0, 0, ""), "one"));
        assert_eq!(typed(7, 9, "echoone x").without("one"), Some(before));
        assert_eq!(typed(3, 3, "one").without("one"), Some(Typed::default()));
        assert_eq!(typed(3, 3, "one").without("two"), None);
        assert!(typed(10, 11, "echo 'open␤").goes_on_after("echo 'open"));
        assert!(!typed(10, 10, "echo 'open").goes_on_after("echo 'open"));
    }
}
