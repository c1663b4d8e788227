//! Events as lines of text.

use std::fmt;
use std::io::Write;

use crate::domain::{Attention, Event, InputMode, Listening, Mode, Origin, Tone, UtteranceId, sentence};

/// Where lines go. Writing never fails for the caller: a console that has gone is no error.
pub trait Screen: Send {
    /// Shows one or more whole lines.
    fn show(&mut self, text: &str);

    /// Shows marks in the prompt, where there is one.
    fn mark(&mut self, _marks: Marks) {}
}

/// What stands in the prompt, each one column wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// What becomes of what is said; blank when it is heard.
    attention: char,
    /// What words are taken as, typed ones too.
    input: char,
}

impl Default for Marks {
    /// Those of whoever is listened to, or can only type.
    fn default() -> Self {
        Self::new(Attention::Attentive, InputMode::Command)
    }
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.attention, self.input)
    }
}

impl Marks {
    pub(super) fn new(attention: Attention, input: InputMode) -> Self {
        let attention = if attention == Attention::Attentive { ' ' } else { mark(attention) };
        Self { attention, input: input_mark(input) }
    }
}

/// Somebody is speaking, and is heard.
const HEARS: char = '●';

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
    listening: Option<Listening>,
    input: InputMode,
}

impl<S: Screen> View<S> {
    /// A view on a screen.
    pub fn new(screen: S) -> Self {
        Self { screen, spoken: None, progress: None, listening: None, input: InputMode::Command }
    }

    /// Shows one event, if it is of interest to a person.
    pub fn show(&mut self, event: &Event) {
        if let Event::ListeningChanged(listening) = event {
            self.listening = Some(listening.clone());
        }
        if let Event::InputChanged { input } = event {
            self.input = *input;
        }
        if let Some(marks) = self.marks(event) {
            self.screen.mark(marks);
        }
        if let Some(text) = self.text(event) {
            self.screen.show(&text);
        }
    }

    /// Shows a line of our own.
    pub fn say(&mut self, text: &str) {
        self.screen.show(text);
    }

    /// The marks in the prompt that an event brings about.
    fn marks(&self, event: &Event) -> Option<Marks> {
        let listening = self.listening.as_ref();
        let shown = listening.filter(|listening| listening.visible);
        let attention = shown.map_or(Attention::Attentive, |listening| listening.attention);
        let standing = Marks::new(attention, self.input);
        if matches!(event, Event::InputChanged { .. }) {
            return Some(standing);
        }
        if listening.is_some() && shown.is_none() {
            return None;
        }
        match event {
            Event::SpeechStarted => Some(Marks { attention: HEARS, ..standing }),
            Event::NothingSaid | Event::Heard { .. } | Event::ListeningChanged(_) => Some(standing),
            _ => None,
        }
    }

    fn text(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::ListeningChanged(listening) => listening.visible.then(|| attention(listening)),
            Event::InputChanged { input } => Some(match input {
                InputMode::Command => format!("{} Commands.", input_mark(*input)),
                InputMode::Dictation => {
                    format!("{} Dictation: what you say goes into the pane.", input_mark(*input))
                }
                InputMode::Spelling => {
                    format!("{} Spelling: letters go into the pane.", input_mark(*input))
                }
            }),
            // Whoever has to do something to be heard is told what.
            Event::ModeChanged { mode: Mode::Voice }
                if let Some(listening) =
                    self.listening.as_ref().filter(|it| it.attention != Attention::Attentive) =>
            {
                Some(attention(listening))
            }
            Event::ModeChanged { mode: Mode::Voice } => {
                Some("Listening. Say \"help\" for what I know.".into())
            }
            Event::ModeChanged { mode: Mode::Text } => Some("Text mode: type what you would say.".into()),
            Event::ModeChanged { mode: Mode::Starting }
            | Event::SpeechStarted
            | Event::Interrupted { .. }
            | Event::NothingSaid
            | Event::Cue { .. }
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
                    Tone::Question | Tone::Proposal => "? ",
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
            Event::Notice { text, .. } => Some(format!("· {text}")),
        }
    }
}

/// The sign for what words are taken as, while they are heard.
fn input_mark(input: InputMode) -> char {
    match input {
        InputMode::Command => '»',
        InputMode::Dictation => '¶',
        InputMode::Spelling => 'α',
    }
}

/// The sign for what becomes of what is said.
fn mark(attention: Attention) -> char {
    match attention {
        Attention::Attentive => '»',
        Attention::Waiting => '…',
        Attention::Idle => '○',
        Attention::Asleep => 'z',
        Attention::Muted => '×',
    }
}

/// The same in words.
fn attention(listening: &Listening) -> String {
    let words = match listening.attention {
        Attention::Attentive => "Listening.".into(),
        Attention::Waiting => {
            format!("Waiting for \"{}\".", listening.wake_phrase.as_deref().unwrap_or_default())
        }
        Attention::Idle => "Not listening.".into(),
        Attention::Asleep => "Asleep: say \"wake up\".".into(),
        Attention::Muted => "Muted: the microphone is closed; type \"unmute\".".to_owned(),
    };
    format!("{} {words}", mark(listening.attention))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ListeningMode, Progress, Reply};

    #[derive(Default)]
    struct Page(Vec<String>, Vec<String>);
    impl Screen for Page {
        fn show(&mut self, text: &str) {
            self.0.push(text.into());
        }
        fn mark(&mut self, marks: Marks) {
            self.1.push(marks.to_string());
        }
    }

    #[test]
    fn the_prompt_shows_who_is_heard() {
        let listening = |attention, visible| {
            let wake_phrase = Some("hey terminal".into());
            Event::ListeningChanged(Listening {
                mode: ListeningMode::WakePhrase,
                attention,
                wake_phrase,
                visible,
            })
        };
        let mut view = View::new(Page::default());
        view.show(&Event::SpeechStarted);
        view.show(&Event::NothingSaid);
        view.show(&listening(Attention::Waiting, true));
        view.show(&Event::ModeChanged { mode: Mode::Voice });
        view.show(&listening(Attention::Attentive, true));
        view.show(&listening(Attention::Muted, true));
        assert_eq!(view.screen.1, ["●»", " »", "…»", " »", "×»"]);
        assert_eq!(
            view.screen.0[..3],
            ["… Waiting for \"hey terminal\".", "… Waiting for \"hey terminal\".", "» Listening."]
        );
        view.show(&listening(Attention::Asleep, false));
        assert_eq!((view.screen.0.len(), view.screen.1.len()), (4, 5), "not shown, as configured");
    }

    #[test]
    fn neither_mark_hides_the_other() {
        let mut view = View::new(Page::default());
        let listening = |attention, visible| {
            let (mode, wake_phrase) = (ListeningMode::PushToTalk, None);
            Event::ListeningChanged(Listening { mode, attention, wake_phrase, visible })
        };
        for (attention, marks) in [
            (Attention::Attentive, [" »", " ¶", "●¶", " ¶", " α"]),
            (Attention::Waiting, ["…»", "…¶", "●¶", "…¶", "…α"]),
            (Attention::Idle, ["○»", "○¶", "●¶", "○¶", "○α"]),
            (Attention::Asleep, ["z»", "z¶", "●¶", "z¶", "zα"]),
            (Attention::Muted, ["×»", "×¶", "●¶", "×¶", "×α"]),
        ] {
            view.show(&Event::InputChanged { input: InputMode::Command });
            view.screen.1.clear();
            view.show(&listening(attention, true));
            view.show(&Event::InputChanged { input: InputMode::Dictation });
            view.show(&Event::SpeechStarted);
            view.show(&Event::NothingSaid);
            view.show(&Event::InputChanged { input: InputMode::Spelling });
            assert_eq!(view.screen.1, marks, "{attention:?}");
        }
        // Whoever doesn't want to see who is heard sees what words are taken as all the same.
        view.show(&listening(Attention::Muted, false));
        view.show(&Event::InputChanged { input: InputMode::Dictation });
        assert_eq!(view.screen.1.last().map(String::as_str), Some(" ¶"));
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
