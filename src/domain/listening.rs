//! Who is listened to: the mode that was chosen, and what it comes to at the moment.

use serde::{Deserialize, Serialize};

/// When what is said is taken as meant for the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListeningMode {
    /// Always.
    #[default]
    Always,
    /// When it begins with the wake phrase, and for a while after that.
    WakePhrase,
    /// While a key is held.
    PushToTalk,
    /// From one press of a key to the next.
    Toggle,
}

impl ListeningMode {
    /// Its name, as in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::WakePhrase => "wake-phrase",
            Self::PushToTalk => "push-to-talk",
            Self::Toggle => "toggle",
        }
    }
}

/// What becomes of what is said at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    /// It is heard and answered.
    Attentive,
    /// It is listened through for the wake phrase, and else forgotten.
    Waiting,
    /// It is not listened to, until a key is pressed.
    Idle,
    /// It is listened through for "wake up" and the wake phrase, and else forgotten.
    Asleep,
    /// The microphone is closed.
    Muted,
}

/// How listening stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// The mode, as configured.
    pub mode: ListeningMode,
    /// What it comes to.
    pub attention: Attention,
    /// What to say to be heard, where that is needed.
    pub wake_phrase: Option<String>,
    /// Whether changes are shown.
    pub visible: bool,
}

/// What is asked of listening, by hand or by word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListeningChange {
    /// Listen, whatever kept it from that.
    On,
    /// Don't listen until it is switched on, or a key is pressed.
    Off,
    /// The other of the two.
    Toggle,
    /// A key is held: listen.
    Press,
    /// It is let go: what was said is complete.
    Release,
    /// Go to sleep.
    Sleep,
    /// Wake up.
    Wake,
    /// Close the microphone.
    Mute,
    /// Open it again.
    Unmute,
}

/// What becomes of the microphone's sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It is heard.
    Open,
    /// The microphone is open, so that it can be heard at once, but its sound is dropped.
    Shut,
    /// The microphone is closed.
    Off,
}

impl Listening {
    /// What this means for the microphone.
    pub fn gate(&self) -> Gate {
        match self.attention {
            // Whoever talks by pressing a key wakes it so, too.
            Attention::Asleep if self.mode == ListeningMode::PushToTalk => Gate::Shut,
            Attention::Attentive | Attention::Waiting | Attention::Asleep => Gate::Open,
            Attention::Idle => Gate::Shut,
            Attention::Muted => Gate::Off,
        }
    }
}

/// A sign to whoever speaks, for those who don't look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cue {
    /// It listens from now on.
    Listening,
    /// What was said is understood, and about to be done.
    Understood,
    /// It isn't understood.
    NotUnderstood,
    /// It doesn't listen any more.
    Asleep,
}
