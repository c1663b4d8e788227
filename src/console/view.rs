//! Events as lines of text.

use std::io::Write;

use crate::domain::{Event, Mode, Origin, Tone, UtteranceId, sentence};

/// Where lines go. Writing never fails for the caller: a console that has gone is no error.
pub trait Screen: Send {
    /// Shows one or more whole lines.
    fn show(&mut self, text: &str);
}

/// Plain lines on standard output.
impl Screen for std::io::Stdout {
    fn show(&mut self, text: &str) {
        // A reader that has gone (`| head`) is noticed by whoever reads the input.
        let _ = writeln!(self, "{text}").and_then(|()| self.flush());
    }
}

/// Shows what happens, in the words of the conversation.
pub struct View<S> {
    screen: S,
    /// The typed utterances aren't echoed: the person has just seen them.
    spoken: Option<UtteranceId>,
    progress: Option<String>,
}

impl<S: Screen> View<S> {
    /// A view on a screen.
    pub fn new(screen: S) -> Self {
        Self { screen, spoken: None, progress: None }
    }

    /// Shows one event, if it is of interest to a person.
    pub fn show(&mut self, event: &Event) {
        if let Some(text) = self.text(event) {
            self.screen.show(&text);
        }
    }

    /// Shows a line of our own.
    pub fn say(&mut self, text: &str) {
        self.screen.show(text);
    }

    fn text(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::ModeChanged { mode: Mode::Voice } => {
                Some("Listening. Say \"help\" for what I know.".into())
            }
            Event::ModeChanged { mode: Mode::Text } => Some("Text mode: type what you would say.".into()),
            Event::ModeChanged { mode: Mode::Starting }
            | Event::SpeechStarted
            | Event::Partial { .. }
            | Event::Acting { .. }
            | Event::Understood { .. }
            | Event::Stopping => None,
            Event::Degraded(it) => Some(format!("! {} {}", sentence(&it.what), sentence(&it.remedy))),
            Event::Recovered { what, .. } => Some(format!("+ {}", sentence(what))),
            Event::Progress(progress) => {
                let news = if progress.finished {
                    format!("{}: done", progress.what)
                } else {
                    format!("{} …", progress.what)
                };
                (self.progress.replace(news.clone()).as_ref() != Some(&news)).then_some(news)
            }
            Event::Heard { id, origin, .. } => {
                self.spoken = matches!(origin, Origin::Microphone | Origin::Recording).then_some(*id);
                None
            }
            // Whoever spoke sees that it was heard, and that saying it again is worth it.
            Event::Transcribed { transcript, .. } if transcript.is_silence() => {
                Some(format!("you: (no words)  ({:.2} s)", transcript.took.as_secs_f64()))
            }
            Event::Transcribed { transcript, .. } => Some(format!(
                "you: {}  ({:.2} s, {:.0} % sure)",
                transcript.text,
                transcript.took.as_secs_f64(),
                transcript.confidence.get() * 100.0
            )),
            Event::Replied { reply, .. } => {
                let mark = match reply.tone {
                    Tone::Answer => "  ",
                    Tone::Question => "? ",
                    Tone::Problem => "! ",
                };
                Some(
                    reply
                        .text
                        .lines()
                        .enumerate()
                        .map(|(n, line)| format!("{}{line}", if n == 0 { mark } else { "  " }))
                        .collect::<Vec<_>>()
                        .join("\n"),
                )
            }
            Event::Notice { text } => Some(format!("· {text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Progress, Reply};

    #[derive(Default)]
    struct Page(Vec<String>);
    impl Screen for Page {
        fn show(&mut self, text: &str) {
            self.0.push(text.into());
        }
    }

    #[test]
    fn a_reply_is_indented_under_its_mark() {
        let mut view = View::new(Page::default());
        let reply = Reply::plain(Tone::Problem, "one\ntwo");
        view.show(&Event::Replied { id: UtteranceId::generate(), reply });
        assert_eq!(view.screen.0, ["! one\n  two"]);
    }

    #[test]
    fn the_same_progress_is_shown_once() {
        let mut view = View::new(Page::default());
        let progress = |done, finished| {
            Event::Progress(Progress { what: "loading tiny.en".into(), done, total: None, finished })
        };
        view.show(&progress(1, false));
        view.show(&progress(2, false));
        view.show(&progress(3, true));
        assert_eq!(view.screen.0, ["loading tiny.en …", "loading tiny.en: done"]);
    }
}
