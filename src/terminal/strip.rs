//! Text out of what a program writes to a terminal, and text fit to be put into one.
//!
//! [`Scanner`] is the state machine that tells text from escape sequences (after the parser of
//! Paul Williams at vt100.net, reduced to what matters here). [`Screenless`] lays the text out in lines
//! as a terminal of endless width would: carriage return and backspace overstrike, erasing in the
//! line erases, the alternate screen of full-screen programs and concealed text leave no trace.

/// What the scanner finds.
pub(super) trait Sink {
    /// A printable character.
    fn print(&mut self, character: char);
    /// One of `\n`, `\r`, `\t`, backspace.
    fn control(&mut self, control: char);
    /// A control sequence: its parameters as written, and its final character.
    fn sequence(&mut self, parameters: &str, last: char);
    /// An operating system command, such as `133;A`.
    fn command(&mut self, _payload: &str) {}
}

/// The longest escape sequence that is understood, which may hold a line that is typed; longer ones are
/// dropped as they come.
const LONGEST_SEQUENCE: usize = 16 << 10;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// `ESC ( B` and the like: intermediates, then one more.
    EscapeIntermediate,
    Sequence,
    Command,
    /// DCS, APC, PM, SOS: nothing of them is wanted.
    Ignored,
    /// An ESC inside of a string, which may begin its end.
    EscapeIn {
        command: bool,
    },
}

/// Tells text from escape sequences. Takes any piece of the stream.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    state: State,
    collected: String,
    /// The beginning of a UTF-8 sequence whose rest is still to come.
    partial: Vec<u8>,
}

impl Scanner {
    /// Takes the next bytes. What isn't UTF-8 becomes U+FFFD.
    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let joined;
        let bytes = if self.partial.is_empty() {
            bytes
        } else {
            self.partial.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.partial);
            &joined
        };
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for character in chunk.valid().chars() {
                self.step(character, sink);
            }
            let invalid = chunk.invalid();
            let unfinished = chunks.peek().is_none()
                && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if invalid.is_empty() {
            } else if unfinished {
                self.partial = invalid.to_vec();
            } else {
                self.step(char::REPLACEMENT_CHARACTER, sink);
            }
        }
    }

    fn step(&mut self, character: char, sink: &mut impl Sink) {
        // These begin or end something from any state.
        match character {
            '\x18' | '\x1a' => return self.state = State::Ground,
            '\x1b' => {
                return self.state = match self.state {
                    State::Command => State::EscapeIn { command: true },
                    State::Ignored => State::EscapeIn { command: false },
                    _ => self.begin(State::Escape),
                };
            }
            '\u{80}'..='\u{9f}' => return self.eight_bit(character, sink),
            _ => {}
        }
        match self.state {
            State::Ground => match character {
                '\n' | '\r' | '\t' | '\x08' => sink.control(character),
                '\x0b' | '\x0c' => sink.control('\n'),
                '\0'..='\x1f' | '\x7f' => {}
                character if is_invisible(character) => {}
                '\u{2028}' | '\u{2029}' => sink.control('\n'),
                character => sink.print(character),
            },
            State::Escape => self.escape(character),
            State::EscapeIn { command } if character == '\\' => self.finish_string(command, sink),
            State::EscapeIn { .. } => {
                // Not the end after all: the string is broken off, and a new sequence begins.
                self.begin(State::Escape);
                self.escape(character);
            }
            State::EscapeIntermediate => {
                if !(' '..='/').contains(&character) {
                    self.state = State::Ground;
                }
            }
            State::Sequence => match character {
                '@'..='~' => {
                    self.state = State::Ground;
                    let parameters = std::mem::take(&mut self.collected);
                    sink.sequence(&parameters, character);
                }
                // Controls act in the middle of a sequence.
                '\n' | '\r' | '\t' | '\x08' => sink.control(character),
                ' '..='?' => self.collect(character),
                '\0'..='\x1f' => {}
                // A terminal takes this for the end of a broken sequence.
                _ => self.state = State::Ground,
            },
            State::Command => match character {
                '\x07' => self.finish_string(true, sink),
                '\0'..='\x1f' => {}
                _ => self.collect(character),
            },
            State::Ignored => {}
        }
    }

    fn escape(&mut self, character: char) {
        self.state = match character {
            '[' => State::Sequence,
            ']' => State::Command,
            // DCS, SOS, PM, APC, and the title string of tmux and screen.
            'P' | 'X' | '^' | '_' | 'k' => State::Ignored,
            ' '..='/' => State::EscapeIntermediate,
            _ => State::Ground,
        };
    }

    fn eight_bit(&mut self, character: char, sink: &mut impl Sink) {
        match character {
            '\u{9c}' => match self.state {
                State::Command | State::EscapeIn { command: true } => self.finish_string(true, sink),
                _ => self.state = State::Ground,
            },
            '\u{85}' if self.state == State::Ground => sink.control('\n'),
            _ => {
                let state = match character {
                    '\u{9b}' => State::Sequence,
                    '\u{9d}' => State::Command,
                    '\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}' => State::Ignored,
                    _ => State::Ground,
                };
                self.state = self.begin(state);
            }
        }
    }

    fn begin(&mut self, state: State) -> State {
        self.collected.clear();
        state
    }

    fn collect(&mut self, character: char) {
        if self.collected.len() < LONGEST_SEQUENCE {
            self.collected.push(character);
        }
    }

    fn finish_string(&mut self, command: bool, sink: &mut impl Sink) {
        self.state = State::Ground;
        if command {
            let payload = std::mem::take(&mut self.collected);
            sink.command(&payload);
        }
    }
}

/// The longest distance that a cursor movement is followed.
const FARTHEST: usize = 1000;

/// Lines of text, of which the newest part is kept.
#[derive(Debug)]
pub(super) struct Screenless {
    limit: usize,
    done: String,
    line: Vec<char>,
    column: usize,
    concealed: bool,
    alternate: bool,
}

impl Screenless {
    /// Keeps about the newest `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, done: String::new(), line: Vec::new(), column: 0, concealed: false, alternate: false }
    }

    /// What there is so far.
    pub(super) fn text(&self) -> String {
        let mut text = self.done.clone();
        text.extend(&self.line);
        keep_newest(&mut text, self.limit);
        text
    }

    /// The line that the cursor is on.
    pub(super) fn current_line(&self) -> String {
        self.line.iter().collect()
    }

    /// Forgets the text; modes stay as they are.
    pub(super) fn clear(&mut self) {
        self.done.clear();
        self.line.clear();
        self.column = 0;
    }

    /// Something was left out here.
    pub(super) fn skip(&mut self) {
        if !self.line.is_empty() {
            self.finish_line();
            self.done.push('\n');
        }
        self.done.push_str("…\n");
        self.concealed = false;
    }

    /// Forgets all lines but the one that the cursor is on.
    pub(super) fn keep_current_line(&mut self) {
        self.done.clear();
    }

    fn finish_line(&mut self) {
        self.done.extend(self.line.drain(..));
        self.column = 0;
        // Cutting seldom and much, so that a flood of output isn't moved about at every line.
        if self.done.len() > self.limit.saturating_mul(2) + FARTHEST {
            keep_newest(&mut self.done, self.limit);
        }
    }

    fn put(&mut self, character: char) {
        if self.concealed || self.alternate {
            return;
        }
        if self.column >= self.limit.max(FARTHEST) {
            self.finish_line();
        }
        if self.column > self.line.len() {
            self.line.resize(self.column, ' ');
        }
        match self.line.get_mut(self.column) {
            Some(cell) => *cell = character,
            None => self.line.push(character),
        }
        self.column += 1;
    }
}

impl Sink for Screenless {
    fn print(&mut self, character: char) {
        self.put(character);
    }

    fn control(&mut self, control: char) {
        match control {
            _ if self.alternate => {}
            '\n' => {
                self.finish_line();
                self.done.push('\n');
            }
            '\r' => self.column = 0,
            '\x08' => self.column = self.column.saturating_sub(1),
            _ => self.put('\t'),
        }
    }

    fn sequence(&mut self, parameters: &str, last: char) {
        let first = || parameters.split([';', ':']).next().and_then(|number| number.parse::<usize>().ok());
        let distance = || first().unwrap_or(1).clamp(1, FARTHEST);
        match last {
            'm' => {
                for number in numbers_of_rendition(parameters) {
                    match number {
                        8 => self.concealed = true,
                        0 | 28 => self.concealed = false,
                        _ => {}
                    }
                }
            }
            'h' | 'l' if parameters.starts_with('?') => {
                let alternate = parameters[1..].split(';').any(|mode| matches!(mode, "47" | "1047" | "1049"));
                if alternate {
                    self.alternate = last == 'h';
                }
            }
            'K' if !self.alternate => match first().unwrap_or(0) {
                0 => self.line.truncate(self.column),
                1 => {
                    let until = (self.column + 1).min(self.line.len());
                    self.line[..until].fill(' ');
                }
                _ => self.line.clear(),
            },
            'C' => self.column = (self.column + distance()).min(self.limit.max(FARTHEST)),
            'D' => self.column = self.column.saturating_sub(distance()),
            'G' | '`' => self.column = distance() - 1,
            'P' if !self.alternate => {
                let from = self.column.min(self.line.len());
                let until = (from + distance()).min(self.line.len());
                self.line.drain(from..until);
            }
            '@' if !self.alternate && self.column < self.line.len() => {
                let column = self.column;
                self.line.splice(column..column, std::iter::repeat_n(' ', distance()));
                self.line.truncate(self.limit.max(FARTHEST));
            }
            _ => {}
        }
    }
}

/// The numbers of a graphic rendition, without the arguments of colours: in `38;5;8` the 8 is a colour.
fn numbers_of_rendition(parameters: &str) -> Vec<u16> {
    let mut numbers = Vec::new();
    let mut rest = parameters.split(';');
    while let Some(parameter) = rest.next() {
        // With colons, a parameter carries its arguments itself.
        let number = parameter.split(':').next().unwrap_or_default();
        let number = if number.is_empty() { Some(0) } else { number.parse().ok() };
        if matches!(number, Some(38 | 48 | 58)) && !parameter.contains(':') {
            let arguments = match rest.next() {
                Some("5") => 1,
                Some("2") => 3,
                _ => 0,
            };
            for _ in 0..arguments {
                rest.next();
            }
        }
        numbers.extend(number);
    }
    numbers
}

/// Cuts the beginning off, so that at most `limit` bytes are left.
fn keep_newest(text: &mut String, limit: usize) {
    if text.len() > limit {
        let mut from = text.len() - limit;
        while !text.is_char_boundary(from) {
            from += 1;
        }
        text.drain(..from);
    }
}

/// The text in what a program wrote: at most the newest `limit` bytes, and below space nothing but
/// newlines and tabs.
pub(super) fn strip(bytes: &[u8], limit: usize) -> String {
    let mut lines = Screenless::new(limit);
    Scanner::default().push(bytes, &mut lines);
    lines.text()
}

/// Text that may be put into a pane: one line, without control, bidirectional or invisible characters.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|character| match character {
            '\n' | '\t' | '\u{2028}' | '\u{2029}' | '\u{85}' => Some(' '),
            character if character.is_control() || is_invisible(character) => None,
            character => Some(character),
        })
        .collect()
}

/// Characters that show nothing, or that change how others are shown.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// How many columns a character takes, near enough: 0 for combining marks, 2 for East Asian wide
/// characters and emoji.
pub(super) fn width(character: char) -> usize {
    match character {
        '\u{300}'..='\u{36f}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stripped(text: &str) -> String {
        strip(text.as_bytes(), 1 << 16)
    }

    #[test]
    fn sequences_leave_no_trace() {
        for (written, read) in [
            ("\x1b[1;31mred\x1b[0m\r\n", "red\n"),
            ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", "ab"),
            ("\x1bP1$r0m\x1b\\a\x1b_apc\x1b\\b\x1b^pm\x1b\\c\x1bXsos\x1b\\d", "abcd"),
            ("\x1b(Ba\x1b=b\x1bMc\x1b#8d", "abcd"),
            ("\u{9b}31ma\u{9d}0;t\u{9c}b\u{90}x\u{9c}c", "abc"),
            ("10%\r50%\r100%\n", "100%\n"),
            ("abc\rX", "Xbc"),
            ("a\x08b_\x08c", "bc"),
            ("long line\r\x1b[Kshort", "short"),
            ("a\x1b[5Cb", "a     b"),
            ("a\tb\x0bc\x00\x07\x7fd", "a\tb\ncd"),
            ("\u{202e}evil\u{200b}\u{feff}\u{2066}!", "evil!"),
            ("\x1b[?1049hscreen\x1b[?1049lafter", "after"),
            ("pass: \x1b[8msecret\x1b[28m.", "pass: ."),
            ("\x1b[38;5;8mgrey\x1b[0m", "grey"),
            ("\x1b[48:2::8:8:8mshown\x1b[m", "shown"),
            ("\x1b[2;\x18ok", "ok"),
            ("\x1b]133;A", ""),
        ] {
            assert_eq!(stripped(written), read, "{written:?}");
        }
    }

    #[test]
    fn the_newest_part_wins() {
        let text: String = (0..1000).fold(String::new(), |text, line| text + &format!("line {line}\r\n"));
        let kept = strip(text.as_bytes(), 100);
        assert!(kept.ends_with("line 998\nline 999\n") && kept.len() <= 100, "{kept:?}");
        assert_eq!(strip("ééééé".as_bytes(), 5), "éé");
        assert_eq!(strip(&vec![b'x'; 1 << 20], 100).len(), 100);
    }

    #[test]
    fn text_for_a_pane_is_one_harmless_line() {
        assert_eq!(clean("a\x1b[201~\rb\nc\u{202e}\u{9b}\x03\td"), "a[201~b c d");
        assert_eq!(clean("naïve 日本 🎉"), "naïve 日本 🎉");
    }

    fn terminal_noise() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20),
            "[ -~é日\u{202e}\u{9b}]{0,12}".prop_map(String::into_bytes),
            "\x1b[\\[\\]P_^X(][0-9;?:]{0,8}[a-zA-Z@`\x07]?".prop_map(String::into_bytes),
            Just(b"\x1b\\".to_vec()),
            Just(b"\xe6\x97".to_vec()),
        ];
        proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn nothing_but_text_comes_out(bytes in terminal_noise(), limit in 0usize..300) {
            let text = strip(&bytes, limit);
            prop_assert!(text.len() <= limit);
            for character in text.chars() {
                prop_assert!(matches!(character, '\n' | '\t') || !character.is_control(), "{:?}", character);
                prop_assert!(!is_invisible(character), "{:?}", character);
            }
        }

        #[test]
        fn chunking_does_not_matter(bytes in terminal_noise(), cut in any::<prop::sample::Index>()) {
            let cut = cut.index(bytes.len() + 1);
            let mut lines = Screenless::new(1 << 16);
            let mut scanner = Scanner::default();
            scanner.push(&bytes[..cut], &mut lines);
            scanner.push(&bytes[cut..], &mut lines);
            // A sequence of UTF-8 that never ends is no character yet.
            let unfinished = usize::from(!scanner.partial.is_empty());
            let whole = strip(&bytes, 1 << 16);
            prop_assert!(unfinished <= 1);
            prop_assert_eq!(lines.text(), whole);
        }

        #[test]
        fn cleaned_text_holds_no_control_character(text in any::<String>()) {
            let text = clean(&text);
            prop_assert!(text.chars().all(|c| !c.is_control() && !is_invisible(c)), "{:?}", text);
            prop_assert_eq!(clean(&text), text);
        }
    }
}
