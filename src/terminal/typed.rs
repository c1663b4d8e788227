//! The line that is being typed, as the shell itself tells it.
//!
//! What the screen shows of it is covered by suggestions, prompts at the right edge and colours; zsh and
//! fish say what is really there. zsh does so whenever it draws the line, fish when it is asked by a key,
//! and to the same key bash draws its prompt again, with its marks.

use std::time::{Duration, Instant};

use crate::domain::Target;

use super::client::Client;
use super::completion::Phase;
use super::link::Link;
use super::place::Place;
use super::request::Request;
use super::shell::Kind;
use super::tty;

/// Of a line that is longer than twice this, so many characters of both its ends are told.
const PART: usize = 1000;

/// Control alt shift F12: what our shells answer to.
const QUESTION: &str = "C-M-S-F12";
/// Control alt shift F11: what has them drop the line that they tell.
pub(super) const CLEAR: &str = "C-M-S-F11";
/// A shell at its prompt answers at once; a busy machine may take its time.
const ANSWER_DUE: Duration = Duration::from_secs(1);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(5);

/// The line, where the cursor stands, and what is told of its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Typed {
    cursor: usize,
    length: usize,
    text: String,
}

impl Typed {
    /// From the arguments of a mark: `cursor;length;text`.
    pub(super) fn parse(arguments: &str) -> Option<Self> {
        let mut fields = arguments.splitn(3, ';');
        Some(Self {
            cursor: fields.next()?.parse().ok()?,
            length: fields.next()?.parse().ok()?,
            text: fields.next()?.to_owned(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether it is this text with the cursor at its end.
    pub(super) fn is(&self, text: &str) -> bool {
        let told = |length: usize, told: &dyn Fn() -> String| {
            self.length == length && self.cursor == length && self.text == told()
        };
        // Without UTF-8 in its locale, a shell counts bytes.
        told(text.chars().count(), &|| abridged_by_characters(text))
            || told(text.len(), &|| abridged_by_bytes(text))
    }

    /// Whether it is what there was with this text put in at the cursor.
    pub(super) fn is_with(&self, before: &Self, text: &str) -> bool {
        if before.is_empty() {
            return self.is(text);
        }
        let (length, bytes) = (text.chars().count(), text.len());
        [length, bytes].iter().any(|added| self.length == before.length + added)
            && self.length <= 2 * PART
            && self.before_cursor().ends_with(text)
    }

    /// What there was before this text was put in at the cursor; `None` if that can't be known.
    pub(super) fn without(&self, text: &str) -> Option<Self> {
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
    pub(super) fn goes_on_after(&self, text: &str) -> bool {
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

/// What is typed at a pane's prompt, waited for until it is right, but not for longer than `due`; then as
/// it is. `None` if no shell tells it.
pub(super) async fn read(
    tmux: &Link,
    client: &Client,
    place: &Place,
    target: &Target,
    due: Duration,
    is_right: impl Fn(&Typed) -> bool,
) -> Option<Typed> {
    let ends = Instant::now() + due;
    let mut news = client.news();
    loop {
        news.mark_unchanged();
        if client.panes().phase(&target.pane.0) != Phase::Input {
            return None;
        }
        let must_ask = Kind::of(&place.program) == Kind::Fish;
        if must_ask {
            ask(tmux, client, target).await?;
        }
        let typed = client.panes().typed(&target.pane.0)?;
        if is_right(&typed) || Instant::now() >= ends || !client.is_alive() {
            return Some(typed);
        }
        let pause = if must_ask { PAUSE } else { ends.saturating_duration_since(Instant::now()) };
        // Either way there may be something to see.
        let _ = tokio::time::timeout(pause, news.changed()).await;
    }
}

/// Has a shell of ours that waits at a prompt which nobody saw, since it was there before anybody watched,
/// show that it does.
pub(super) async fn recognise(tmux: &Link, client: &Client, place: &Place, target: &Target) {
    let is_unknown = {
        let panes = client.panes();
        panes.are_marked() && panes.phase(&target.pane.0) == Phase::Unknown
    };
    // Whatever else is in front would take the key for something.
    let is_ours = Kind::of(&place.program).makes_marks()
        && place.pid.and_then(tty::is_itself_in_front) == Some(true)
        && tty::modes(&place.tty).is_some_and(|modes| !modes.canonical);
    if is_unknown && is_ours {
        ask(tmux, client, target).await;
    }
}

/// Asks a shell at its prompt; `None` if it doesn't answer.
async fn ask(tmux: &Link, client: &Client, target: &Target) -> Option<()> {
    let heard = |client: &Client| {
        let panes = client.panes();
        (panes.times_typed(&target.pane.0), panes.phase(&target.pane.0))
    };
    let before = heard(client);
    let mut news = client.news();
    let request = Request::once(["send-keys", "-t", &target.pane.0, QUESTION]).about(&target.session);
    tmux.ask(request).await.ok()?;
    let answer = async {
        loop {
            news.mark_unchanged();
            if heard(client) != before {
                return Some(());
            }
            if !client.is_alive() || news.changed().await.is_err() {
                return None;
            }
        }
    };
    tokio::time::timeout(ANSWER_DUE, answer).await.ok().flatten()
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
