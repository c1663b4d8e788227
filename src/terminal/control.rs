//! tmux's control mode, without I/O: bytes in, events out.
//!
//! The protocol is lines. `%begin T N F` opens a block, `%end T N F` or `%error T N F` with the same
//! three numbers closes it, and what is between is a reply; a line outside of a block that starts
//! with `%` is a notification. Pane output is bytes with everything below space, and the backslash,
//! as `\ooo`.
//!
//! A pane's text can hold lines that look like the protocol, and a captured screen is sent as it is.
//! The three numbers make a forged end improbable; if one is met, the true end follows outside of any
//! block, which is [`Event::Broken`]: the connection can't be trusted from there on.

/// The longest line. tmux sends pane output in small pieces; the longest lines are captured ones.
const LONGEST_LINE: usize = 4 << 20;

/// The largest reply.
const LARGEST_REPLY: usize = 16 << 20;

/// What tmux said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A command is done.
    Reply {
        /// Whether it was sent by this client, rather than run by tmux itself.
        ours: bool,
        /// Whether it succeeded.
        success: bool,
        /// What it printed, without the last newline.
        text: Vec<u8>,
    },
    /// A pane printed something.
    Output {
        /// The pane's id, such as `%3`.
        pane: String,
        /// The bytes as the program wrote them.
        bytes: Vec<u8>,
    },
    /// What a pane prints is no longer sent, since this client is too far behind; what it prints until it is
    /// asked to go on is lost.
    Paused {
        /// The pane's id.
        pane: String,
    },
    /// Anything else, such as `session-changed`.
    Notification {
        /// Its name, without the percent sign.
        name: String,
    },
    /// The connection is over.
    Exit {
        /// Why, if tmux says so.
        reason: String,
    },
    /// This is not the protocol, or too much of it. Nothing that follows can be trusted.
    Broken,
}

/// The numbers that tie a block's end to its beginning.
type Guard = [u64; 3];

/// The parser. Bounded: a line or reply that is too large breaks it.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    block: Option<(Guard, Vec<u8>)>,
    broken: bool,
}

impl Parser {
    /// Takes any piece of the stream; calls `event` for each event that it completes. After
    /// [`Event::Broken`] nothing more comes.
    pub(super) fn push(&mut self, bytes: &[u8], mut event: impl FnMut(Event)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.broken {
                return;
            }
            let ends = piece.ends_with(b"\n");
            let piece = if ends { &piece[..piece.len() - 1] } else { piece };
            if self.line.len() + piece.len() > LONGEST_LINE {
                self.broken = true;
                return event(Event::Broken);
            }
            self.line.extend_from_slice(piece);
            if ends {
                let line = std::mem::take(&mut self.line);
                if let Some(found) = self.line(&line) {
                    self.broken = found == Event::Broken;
                    event(found);
                }
                // The allocation is kept for the next line.
                self.line = line;
                self.line.clear();
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Option<Event> {
        if let Some((guard, text)) = &mut self.block {
            if let Some((success, end)) = closing(line)
                && end == *guard
            {
                let mut text = std::mem::take(text);
                text.pop();
                self.block = None;
                return Some(Event::Reply { ours: end[2] & 1 == 1, success, text });
            }
            if text.len() + line.len() >= LARGEST_REPLY {
                return Some(Event::Broken);
            }
            text.extend_from_slice(line);
            text.push(b'\n');
            return None;
        }
        let rest = line.strip_prefix(b"%")?;
        if let Some(numbers) = rest.strip_prefix(b"begin ") {
            let Some(guard) = guard(numbers) else { return Some(Event::Broken) };
            self.block = Some((guard, Vec::new()));
            return None;
        }
        if closing(line).is_some() {
            return Some(Event::Broken);
        }
        if let Some(output) = rest.strip_prefix(b"output ") {
            let space = output.iter().position(|&byte| byte == b' ')?;
            let pane = std::str::from_utf8(&output[..space]).ok()?.to_owned();
            return Some(Event::Output { pane, bytes: unescape(&output[space + 1..]) });
        }
        if let Some(output) = rest.strip_prefix(b"extended-output ") {
            // `%3 120 : text`: how many milliseconds old it is, and perhaps more to come before the colon.
            let space = output.iter().position(|&byte| byte == b' ')?;
            let pane = std::str::from_utf8(&output[..space]).ok()?.to_owned();
            let colon = output.windows(3).position(|window| window == b" : ")?;
            return Some(Event::Output { pane, bytes: unescape(&output[colon + 3..]) });
        }
        let rest = String::from_utf8_lossy(rest);
        let (name, argument) = rest.split_once(' ').unwrap_or((&rest, ""));
        Some(match name {
            "exit" => Event::Exit { reason: argument.to_owned() },
            "pause" => Event::Paused { pane: argument.to_owned() },
            _ => Event::Notification { name: name.to_owned() },
        })
    }
}

fn closing(line: &[u8]) -> Option<(bool, Guard)> {
    let (success, numbers) = match (line.strip_prefix(b"%end "), line.strip_prefix(b"%error ")) {
        (Some(numbers), _) => (true, numbers),
        (_, Some(numbers)) => (false, numbers),
        _ => return None,
    };
    Some((success, guard(numbers)?))
}

fn guard(numbers: &[u8]) -> Option<Guard> {
    let mut numbers = std::str::from_utf8(numbers).ok()?.split(' ').map(str::parse::<u64>);
    let guard = [numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?];
    numbers.next().is_none().then_some(guard)
}

/// `\ooo` to bytes; anything else stays as it is.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let octal = |digits: &[u8]| {
            let digit = |byte: u8| (b'0'..=b'7').contains(&byte).then(|| u32::from(byte - b'0'));
            let value = digit(digits[0])? * 64 + digit(digits[1])? * 8 + digit(digits[2])?;
            u8::try_from(value).ok()
        };
        let escaped = after.get(..3).and_then(octal).filter(|_| first == b'\\');
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    bytes
}

/// One word of a command line, so that tmux reads exactly this text.
pub(super) fn quote(word: &str) -> String {
    use std::fmt::Write;
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.push('"');
    for character in word.chars() {
        match character {
            '"' | '\\' | '$' | '~' => {
                quoted.push('\\');
                quoted.push(character);
            }
            control if control.is_ascii_control() => {
                // Writing to a String can't fail.
                let _ = write!(quoted, "\\{:03o}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for chunk in chunks {
            parser.push(chunk, |event| events.push(event));
        }
        events
    }

    const SESSION: &[u8] =
        b"%begin 1 264 0\n%end 1 264 0\n%session-changed $0 one\n%begin 1 9 1\na\n%end 1 8 1\n\
        %end 1 9 1\n%output %0 a\\134b\\015\\012\xc3\xa9\n%begin 2 10 1\nno\n%error 2 10 1\n%exit lost\n";

    #[test]
    fn a_session_is_understood() {
        let reply = |ours, success, text: &[u8]| Event::Reply { ours, success, text: text.to_vec() };
        assert_eq!(
            events(&[SESSION]),
            [
                reply(false, true, b""),
                Event::Notification { name: "session-changed".into() },
                reply(true, true, b"a\n%end 1 8 1"),
                Event::Output { pane: "%0".into(), bytes: b"a\\b\r\n\xc3\xa9".to_vec() },
                reply(true, false, b"no"),
                Event::Exit { reason: "lost".into() },
            ]
        );
    }

    #[test]
    fn output_with_its_age_and_pauses_are_understood() {
        assert_eq!(
            events(&[b"%extended-output %3 1203 : a : b\\015\\012\n%pause %3\n%continue %3\n"]),
            [
                Event::Output { pane: "%3".into(), bytes: b"a : b\r\n".to_vec() },
                Event::Paused { pane: "%3".into() },
                Event::Notification { name: "continue".into() },
            ]
        );
    }

    #[test]
    fn an_end_without_a_beginning_breaks_the_connection() {
        let forged = b"%begin 1 2 1\n%end 1 2 1\n%end 1 2 1\n%exit\n";
        let events = events(&[forged]);
        assert_eq!(events.last(), Some(&Event::Broken), "{events:?}");
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let piece = vec![b'x'; 1 << 20];
        let events = events(&[&piece, &piece, &piece, &piece, &piece, b"\n%exit\n"]);
        assert_eq!(events, [Event::Broken]);
    }

    proptest! {
        #[test]
        fn chunking_does_not_matter(cuts in proptest::collection::vec(0..SESSION.len(), 0..12)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&SESSION[from..cut]);
                from = cut;
            }
            chunks.push(&SESSION[from..]);
            prop_assert_eq!(events(&chunks), events(&[SESSION]));
        }

        #[test]
        fn garbage_is_survived_however_it_is_cut(
            pieces in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(any::<u8>(), 0..40),
                    Just(b"%begin 1 2 1\n".to_vec()),
                    Just(b"%end 1 2 1\n".to_vec()),
                    Just(b"\n%output %1 \\01".to_vec()),
                    Just(b"\\777\\".to_vec()),
                ],
                0..30,
            )
        ) {
            let whole: Vec<u8> = pieces.concat();
            let cut: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(events(&[&whole]), events(&cut));
        }

        #[test]
        fn output_comes_back_as_it_was_written(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut line = b"%output %7 ".to_vec();
            for &byte in &bytes {
                if byte < b' ' || byte == b'\\' {
                    line.extend(format!("\\{byte:03o}").bytes());
                } else {
                    line.push(byte);
                }
            }
            line.push(b'\n');
            prop_assert_eq!(events(&[&line]), [Event::Output { pane: "%7".into(), bytes: bytes.clone() }]);
            let aged = [b"%extended-output %7 9 : ", &line[b"%output %7 ".len()..]].concat();
            prop_assert_eq!(events(&[&aged]), [Event::Output { pane: "%7".into(), bytes }]);
        }
    }
}
