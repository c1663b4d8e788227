//! What can be wrong with the rules.

/// A fault in the grammar, in the safety rules, or in a setting that becomes one of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {what}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct GrammarError {
    /// Where the rules are from, such as `grammar.toml` or `safety.allow`.
    pub file: String,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// What is wrong, with the text that is.
    pub what: String,
}

impl GrammarError {
    pub(super) fn new(file: &str, what: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, what: what.into() }
    }

    /// With the line that the byte `offset` of `text` lies in.
    pub(super) fn at(file: &str, text: &str, offset: usize, what: impl Into<String>) -> Self {
        let line =
            1 + text.char_indices().take_while(|(at, _)| *at < offset).filter(|(_, c)| *c == '\n').count();
        Self { file: file.into(), line: Some(line), what: what.into() }
    }

    pub(super) fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> Self {
        match error.span() {
            Some(span) => Self::at(file, text, span.start, error.message()),
            None => Self::new(file, error.message()),
        }
    }
}
