//! The few ports through which the conversation reaches the world. Adapters implement them; what
//! gets out of an adapter's module is already behind its breakers.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{
    AtPrompt, Command, Completeness, Confidence, Degradation, Digest, Expectation, Failure, InputMode,
    Intent, Interpretation, LiveNames, Outcome, Pcm, Printed, Record, SessionId, SessionInfo, ShellNames,
    Stage, Target, Transcript, Typed, Utterance, UtteranceId, Whereabouts,
};

/// A boxed future, so that ports can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Speech to text: the whole `voice-stt` chain.
pub trait Recogniser: Send + Sync {
    /// Recognises one utterance, with what it probably is. Dropping the future cancels the work itself.
    fn recognise<'a>(
        &'a self,
        speech: &'a Pcm,
        expectation: &'a Expectation,
    ) -> BoxFuture<'a, Result<Transcript, Failure>>;

    /// Recognises what is probably not meant for us, and must be known only to tell that: on this machine,
    /// or not at all. Dropping the future cancels the work itself.
    fn overhear<'a>(&'a self, speech: &'a Pcm) -> BoxFuture<'a, Result<Transcript, Failure>>;

    /// Recognises what somebody has said so far, who may go on: `None` unless it costs nothing but work
    /// on this machine, and can be done at once. Dropping the future cancels the work itself.
    fn speculate<'a>(
        &'a self,
        speech: &'a Pcm,
        expectation: &'a Expectation,
    ) -> BoxFuture<'a, Option<Transcript>>;

    /// Whether a tier is the one that is wanted; another one raises verdicts.
    fn is_first(&self, _tier: &str) -> bool {
        true
    }
}

/// What is known at the moment of interpretation.
#[derive(Debug, Clone, Default)]
pub struct Situation {
    /// The sessions that there are, for names that are said loosely.
    pub sessions: Vec<SessionInfo>,
    /// Whether a question is open, so that a bare "yes" means something.
    pub question_open: bool,
    /// Whether the words came through a degraded tier, which raises verdicts.
    pub degraded: bool,
    /// Whether the words were spoken. Typed text is kept to the letter; what was spoken is written
    /// as one would have typed it.
    pub spoken: bool,
    /// What words are taken as.
    pub input: InputMode,
    /// What was done last, for "again" and "undo".
    pub last: Option<Intent>,
    /// What else has a name.
    pub names: Arc<LiveNames>,
    /// The shell that a line would go to; nothing is known of it until there is a line.
    pub shell: Arc<ShellNames>,
    /// What is typed there; nothing is known of it until there is a key to press.
    pub typed: Arc<Typed>,
}

/// Words to meaning and verdict. Pure: no I/O, no waiting.
pub trait Interpreter: Send + Sync {
    /// Interprets one line of words, and judges it.
    fn interpret(&self, words: &str, confidence: Confidence, situation: &Situation) -> Interpretation;

    /// What somebody will probably say next. Takes well under a millisecond.
    fn expectation(&self, situation: &Situation) -> Expectation;

    /// Whether these words are all that somebody has to say.
    fn completeness(&self, words: &str, situation: &Situation) -> Completeness;

    /// Judges what an [`Assistant`] made of words. Never laxer than if the same had been typed.
    fn judge(&self, intent: Intent, confidence: Confidence, situation: &Situation) -> Interpretation;
}

/// Output to what matters in it. Pure: no I/O, no waiting; time and memory are bounded, whatever was printed.
pub trait Reader: Send + Sync {
    /// What matters in it.
    fn digest(&self, printed: &Printed<'_>) -> Digest;

    /// What somebody asks who stopped at the end of this line, as a sentence; `None` if it is no question.
    fn question(&self, line: &str) -> Option<String>;

    /// All of it in a form that can be read aloud, at most so many characters of its end.
    fn aloud(&self, text: &str, most: usize) -> String;
}

/// Words that the rules don't understand, and what may help to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Puzzle {
    /// The words.
    pub words: String,
    /// The names of the sessions.
    pub sessions: Vec<String>,
    /// What the terminal shows, escapes stripped, if that may be told.
    pub screen: Option<String>,
}

/// Somebody who may know what words mean: the whole `ai-service` chain.
pub trait Assistant: Send + Sync {
    /// Whether there is anybody to be asked.
    fn is_there(&self) -> bool;

    /// Whether they may see the screen.
    fn wants_screen(&self) -> bool;

    /// What the words mean; [`Intent::Unknown`] if nobody knows. It is a stranger's guess, to be judged by
    /// [`Interpreter::judge`]. Dropping the future stops the asking.
    fn understand<'a>(&'a self, puzzle: &'a Puzzle) -> BoxFuture<'a, Result<Intent, Failure>>;
}

/// The terminal: the whole `tmux-session` chain.
pub trait Terminal: Send + Sync {
    /// Where commands go now; makes the default session if there is none.
    fn current(&self) -> BoxFuture<'_, Result<Target, Failure>>;

    /// The session with this name (exact, else the only loose match), to bind a command to.
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Target, Failure>>;

    /// The sessions that there are; an empty list when no server runs.
    fn sessions(&self) -> BoxFuture<'_, Result<Vec<SessionInfo>, Failure>>;

    /// Has commands go to this session from now on, if it is there under this name; shows it to nobody. Whether it is.
    fn resume<'a>(&'a self, session: &'a SessionId, name: &'a str) -> BoxFuture<'a, Result<bool, Failure>>;

    /// Where commands go now, and what has a name there; nothing when nothing has been made current yet.
    fn whereabouts(&self) -> BoxFuture<'_, Result<Whereabouts, Failure>>;

    /// What names mean to the shell that a line would go to now; makes the default session if there is
    /// none. A shell that is about to show its prompt is waited for, for a moment.
    fn shell(&self) -> BoxFuture<'_, Result<ShellNames, Failure>>;

    /// What a key would meet now; makes the default session if there is none.
    fn prompt(&self) -> BoxFuture<'_, Result<AtPrompt, Failure>>;

    /// In what way it is degraded although it serves, if it is.
    fn degradation(&self) -> Option<Degradation>;

    /// Does one thing, at most once. Dropping the future stops the waiting, not a program that
    /// already runs in a pane.
    fn perform<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Outcome, Failure>>;
}

/// What something that can be made again is kept under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheKey {
    /// What it is, such as `phrase`.
    pub kind: &'static str,
    /// All that it was made from.
    pub id: String,
    /// How long it is good for.
    pub keep: Duration,
}

/// Keeps what can be made again: the whole `cache` chain. Neither call ever fails, or takes long.
pub trait Cache: Send + Sync {
    /// What is kept under a key, if that is still there. Whoever asks checks that it makes sense.
    fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Option<Vec<u8>>>;

    /// Keeps it, perhaps.
    fn put<'a>(&'a self, key: &'a CacheKey, content: Vec<u8>) -> BoxFuture<'a, ()>;
}

/// What may leave this machine.
pub trait Privacy: Send + Sync {
    /// Sends nothing away any more in this run. Gives whether anything could have been sent.
    fn stay_local(&self) -> bool;
}

/// The history: the whole `database` chain, of which an acknowledged write survives `kill -9`.
pub trait Journal: Send + Sync {
    /// Opens the record of an utterance. Idempotent by its id.
    fn open<'a>(&'a self, utterance: &'a Utterance) -> BoxFuture<'a, Result<(), Failure>>;

    /// Adds a step. Idempotent: the same stage twice is the same record.
    fn add<'a>(&'a self, id: UtteranceId, stage: &'a Stage) -> BoxFuture<'a, Result<(), Failure>>;

    /// The newest records first, at most `limit`; with a query, those whose words, command, output
    /// or reply match it.
    fn search<'a>(
        &'a self,
        query: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Record>, Failure>>;
}
