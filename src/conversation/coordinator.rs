//! The one loop that owns the conversation's state.

mod heeding;
mod interrupting;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::condition::Condition;
use super::confirmation::Question;
use super::echo::{Echo, OwnVoice};
use super::findings::Findings;
use super::hearing::{Answer, Hearing, Progress, Unheard};
use super::insertions::Insertions;
use super::listening::{Arrival, Heed, ListeningOptions, Vigil};
use super::performance::{Context, Ending, Performance, Words};
use super::recent::{Keeping, Memory, Recent};
use super::wording::{self, output, sessions};
use crate::domain::{
    Answered, Assistant, Attention, BoxFuture, Completeness, Confidence, Content, Degradation, Event,
    Expectation, FailureKind, InputMode, Intent, Interpreter, Interruption, Journal, Listening,
    ListeningChange, LiveNames, Mode, Origin, PauseId, Pcm, Privacy, Ran, Reader, Recogniser, Reply, Settled,
    Situation, Stage, Stop, TEXT_INPUT, Terminal, Tone, Transcript, Utterance, UtteranceId,
};
use heeding::Spoken;

/// Turns that may wait for their turn. One more is refused, and told so.
const WAITING: usize = 32;

/// How long the terminal has, on the way out, to take back a line that was inserted.
const FAREWELL: Duration = Duration::from_secs(1);

/// The world, as the conversation reaches it.
#[derive(Clone)]
pub struct Ports {
    /// Speech to text.
    pub recogniser: Arc<dyn Recogniser>,
    /// Words to meaning.
    pub interpreter: Arc<dyn Interpreter>,
    /// The terminal.
    pub terminal: Arc<dyn Terminal>,
    /// What matters in output.
    pub reader: Arc<dyn Reader>,
    /// Who may know what the rules don't.
    pub assistant: Arc<dyn Assistant>,
    /// What may leave this machine.
    pub privacy: Arc<dyn Privacy>,
    /// The history.
    pub journal: Arc<dyn Journal>,
    /// What has a name, as it was when somebody last looked.
    pub names: watch::Receiver<Arc<LiveNames>>,
    /// Where a conversation that goes on later is kept, if it is.
    pub memory: Option<Memory>,
}

/// How this conversation is to be held.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether somebody should be heard; else the mode is text from the start.
    pub voice_wanted: bool,
    /// How long a question can be answered.
    pub confirmation_expires: Duration,
    /// What to say to "help".
    pub help: String,
    /// Whether the history goes to another machine.
    pub history_elsewhere: bool,
    /// Whom to listen to.
    pub listening: ListeningOptions,
    /// What words are taken as at the start, and when this changes.
    pub input: InputMode,
}

/// What comes into the conversation.
pub enum Input {
    /// Somebody said or typed something.
    Utterance {
        /// What.
        utterance: Utterance,
        /// Gets the answer; `None` if nothing was said. Dropped without a word on the way out.
        answer: Option<oneshot::Sender<Option<Reply>>>,
    },
    /// Somebody said something into the microphone.
    Spoken {
        /// What.
        pcm: Pcm,
        /// The pause with which it ended.
        pause: Option<PauseId>,
        /// Whether it can't be our own voice.
        surely: bool,
    },
    /// Somebody types, and has not finished.
    Typing,
    /// Somebody began to speak.
    SpeechStarted,
    /// It came to nothing.
    NothingSaid,
    /// Somebody has said so much; at a pause, with whoever wants to know whether that is all.
    Speculate {
        /// The sound.
        so_far: Pcm,
        /// The pause.
        pause: Option<(PauseId, oneshot::Sender<Completeness>)>,
    },
    /// Whoever paused has gone on.
    Resumed,
    /// A chain left its first tier.
    Degraded(Degradation),
    /// What is said or answered is about to be sent to somebody instead.
    Announced(Degradation),
    /// A chain is served by its first tier.
    Serving {
        /// The chain.
        chain: String,
        /// One plain sentence, told if it was degraded before.
        what: String,
    },
    /// Something to tell everybody.
    Notice(String),
    /// A command that went on in the background has ended.
    BackgroundEnded(Ran),
    /// A program in a watched pane has stopped at a line: it may ask something.
    Stopped(Stop),
    /// The configuration has changed: how to hold the conversation, and how to understand words.
    Reconfigured {
        /// In place of the old ones.
        options: Options,
        /// In place of the old one.
        interpreter: Arc<dyn Interpreter>,
        /// In place of the old one.
        assistant: Arc<dyn Assistant>,
    },
    /// A text is being spoken: what sounds like it for a while is an echo.
    Speaking(String),
    /// It has ended, or was cut off.
    Silent,
    /// Recognises from now on. What is being recognised is finished by the old one.
    Recogniser(Arc<dyn Recogniser>),
    /// Listen, or don't; or tell how it stands.
    Listen {
        /// What is asked; nothing only asks.
        change: Option<ListeningChange>,
        /// How it stands then; `None` if that can't be, because the microphone is muted.
        answer: Option<oneshot::Sender<Option<Listening>>>,
    },
    /// Turns were forgotten: what is remembered of any goes, too.
    Forgotten,
    /// How do things stand?
    Standing(oneshot::Sender<Standing>),
}

/// How things stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether voice works.
    pub mode: Mode,
    /// Whom it listens to.
    pub listening: Listening,
    /// What words are taken as.
    #[serde(default)]
    pub input: InputMode,
    /// What is degraded.
    pub degradations: Vec<Degradation>,
    /// The question that is open, in a few words.
    pub question: Option<String>,
    /// Turns that wait.
    pub waiting: usize,
    /// Whether a turn is under way.
    pub busy: bool,
    /// Whether an answer is being spoken.
    #[serde(default)]
    pub speaking: bool,
}

/// The conversation.
pub struct Coordinator {
    ports: Ports,
    options: Options,
    events: broadcast::Sender<Event>,
    condition: Condition,
    question: Option<Question>,
    last_reply: Option<Reply>,
    /// What words are taken as.
    input: InputMode,
    /// What was done last.
    last: Option<Intent>,
    insertions: Insertions,
    /// What went wrong in what was read last.
    findings: Findings,
    echo: Echo,
    hearing: Hearing,
    vigil: Vigil,
    /// Whether an answer is being spoken.
    speaking: bool,
    /// When one was cut off, until the words for which it was come in.
    cut_off: Option<Instant>,
    /// How listening stands, as everybody was told.
    listening: watch::Sender<Listening>,
    /// Words that wait for their turn.
    waiting: VecDeque<(Words, Answer)>,
    turn: Option<Turn>,
    /// What an earlier run left to go on with is being looked for; turns wait for it, which is a moment.
    recalling: Option<BoxFuture<'static, Option<Recent>>>,
    keeping: Option<Keeping>,
}

struct Turn {
    id: UtteranceId,
    cancel: CancellationToken,
    answer: Answer,
    /// Turns were forgotten meanwhile: what it began with doesn't come back with its end.
    forgets: bool,
    future: BoxFuture<'static, Ending>,
}

/// Waits for a future that may not be there; then it waits for ever.
async fn maybe<T>(future: Option<&mut BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

impl Coordinator {
    /// A conversation that tells what happens to `events`.
    pub fn new(ports: Ports, options: Options, events: broadcast::Sender<Event>) -> Self {
        let condition = Condition::new(options.voice_wanted);
        let hearing = Hearing::new(Arc::clone(&ports.recogniser));
        let vigil = Vigil::new(options.listening.clone());
        let listening = watch::Sender::new(vigil.standing(tokio::time::Instant::now()));
        Self {
            input: options.input,
            last: None,
            insertions: Insertions::default(),
            findings: Findings::default(),
            ports,
            options,
            events,
            condition,
            question: None,
            last_reply: None,
            echo: Echo::default(),
            hearing,
            vigil,
            speaking: false,
            cut_off: None,
            listening,
            waiting: VecDeque::new(),
            turn: None,
            recalling: None,
            keeping: None,
        }
    }

    /// How listening stands, now and as that changes: for whoever holds the microphone.
    pub fn listening(&self) -> watch::Receiver<Listening> {
        self.listening.subscribe()
    }

    /// Holds the conversation until the inbox is closed and everything in it is answered, or until
    /// it is cancelled. Then it takes back what was inserted for an open question, and marks in the
    /// journal what was not finished.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Input>, cancel: CancellationToken) {
        let mut open = true;
        if let Some(memory) = self.ports.memory.clone() {
            let terminal = Arc::clone(&self.ports.terminal);
            self.keeping = Some(Keeping::start(memory.clone(), Arc::clone(&terminal)));
            self.recalling = Some(Box::pin(memory.recall(terminal)));
        }
        if self.listening.borrow().attention != Attention::Attentive {
            self.tell(Event::ListeningChanged(self.listening.borrow().clone()));
        }
        if self.input != InputMode::Command {
            self.tell(Event::InputChanged { input: self.input });
        }
        while open || self.is_busy() {
            let expires =
                self.question.as_ref().filter(|_| self.turn.is_none()).map(|question| question.expires);
            let deadline = self.vigil.deadline(tokio::time::Instant::now());
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                ending = maybe(self.turn.as_mut().map(|turn| &mut turn.future)) => self.turn_ended(ending),
                recent = maybe(self.recalling.as_mut()) => self.recalled(recent),
                progress = self.hearing.next() => self.heard(progress).await,
                input = inbox.recv(), if open => match input {
                    Some(input) => self.receive(input).await,
                    None => open = false,
                },
                () = async { tokio::time::sleep_until(expires.unwrap_or_else(tokio::time::Instant::now)).await },
                    if expires.is_some() => self.expire().await,
                () = async { tokio::time::sleep_until(deadline.unwrap_or_else(tokio::time::Instant::now)).await },
                    if deadline.is_some() => {}
            }
            self.begin_next();
            self.keep_vigil();
        }
        self.leave().await;
    }

    fn is_busy(&self) -> bool {
        self.turn.is_some() || self.hearing.is_busy() || !self.waiting.is_empty()
    }

    fn tell(&self, event: Event) {
        // Nobody watching is no error.
        let _ = self.events.send(event);
    }

    fn tell_all(&self, events: Vec<Event>) {
        for event in events {
            self.tell(event);
        }
    }

    async fn receive(&mut self, input: Input) {
        match input {
            Input::Utterance { utterance, answer } => {
                if matches!(utterance.origin, Origin::Typed | Origin::Control) {
                    self.interrupted(Interruption::Line);
                }
                self.accept(utterance, answer, None, true).await;
            }
            Input::Spoken { pcm, pause, surely } => {
                self.accept(Utterance::spoken(Origin::Microphone, pcm), None, pause, surely).await;
            }
            Input::Typing => self.interrupted(Interruption::Key),
            // Others may talk without disturbing anybody, and what they say need not be known before its end.
            Input::SpeechStarted | Input::NothingSaid | Input::Speculate { pause: None, .. }
                if !self.is_attentive() => {}
            Input::SpeechStarted => {
                self.interrupted(Interruption::Voice);
                self.tell(Event::SpeechStarted);
            }
            Input::NothingSaid => self.tell(Event::NothingSaid),
            Input::Speculate { so_far, pause } => {
                let expectation = self.expectation();
                self.hearing.speculate(so_far, expectation, pause);
            }
            Input::Resumed => self.hearing.resumed(),
            Input::Degraded(news) => {
                let events = self.condition.degraded(news);
                self.tell_all(events);
            }
            Input::Announced(news) => {
                let events = self.condition.announced(news);
                self.tell_all(events);
            }
            Input::Serving { chain, what } => {
                let events = self.condition.serving(&chain, &what);
                self.tell_all(events);
            }
            Input::Notice(text) => self.tell(Event::Notice { speech: text.clone(), text }),
            Input::BackgroundEnded(ran) => self.ended(&ran),
            Input::Stopped(stop) => {
                // It is told, and answered by nobody but the user.
                if let Some(question) = self.ports.reader.question(&stop.line) {
                    let Reply { text, speech, .. } = sessions::asks(&stop, &question);
                    self.tell(Event::Notice { text, speech });
                }
            }
            Input::Reconfigured { options, interpreter, assistant } => {
                let events = self.condition.voice_wanted(options.voice_wanted);
                self.tell_all(events);
                self.vigil.reconfigure(options.listening.clone());
                if options.input != self.options.input {
                    self.take_as(options.input);
                }
                self.options = options;
                self.ports.interpreter = interpreter;
                self.ports.assistant = assistant;
            }
            Input::Speaking(text) => {
                self.speaking = true;
                self.cut_off = None;
                self.echo.begin(&text, Instant::now());
            }
            Input::Silent => {
                self.speaking = false;
                self.vigil.renew(tokio::time::Instant::now());
                self.echo.end(Instant::now());
            }
            Input::Listen { change, answer } => {
                let standing = match change {
                    None => Some(self.listening.borrow().clone()),
                    Some(change) => self.listen(change),
                };
                if let Some(answer) = answer {
                    // Whoever asked may have gone.
                    let _ = answer.send(standing);
                }
            }
            Input::Recogniser(recogniser) => self.hearing.replace(recogniser),
            Input::Forgotten => self.forget(),
            Input::Standing(answer) => {
                // Whoever asked may have gone.
                let _ = answer.send(Standing {
                    mode: self.condition.mode(),
                    listening: self.listening.borrow().clone(),
                    input: self.input,
                    degradations: self.condition.degradations(),
                    question: self.question.as_ref().map(|question| question.summary.clone()),
                    waiting: self.waiting.len() + self.hearing.waiting(),
                    busy: self.turn.is_some() || self.hearing.is_busy(),
                    speaking: self.speaking,
                });
            }
        }
    }

    /// A command that went on in the background has ended.
    fn ended(&mut self, ran: &Ran) {
        let digest = self.ports.reader.digest(&output::printed_by(ran));
        let Reply { text, speech, .. } = output::background(ran, &digest);
        if self.turn.is_none() {
            self.findings = Findings::new(digest.findings);
        }
        self.tell(Event::Notice { text, speech });
    }

    /// An utterance is a record before it is a wish. `surely` tells that it can't be our own voice.
    async fn accept(
        &mut self,
        mut utterance: Utterance,
        answer: Answer,
        pause: Option<PauseId>,
        surely: bool,
    ) {
        let (id, origin) = (utterance.id, utterance.origin);
        let speech = match &utterance.content {
            Content::Speech(pcm) => Some(pcm.duration()),
            Content::Text(_) | Content::Transcribed(_) => None,
        };
        let arrival = speech
            .filter(|_| origin == Origin::Microphone)
            .map(|speech| self.vigil.arrived(id, speech, tokio::time::Instant::now()));
        let attended = arrival.is_none_or(|arrival| arrival.is_attended());
        utterance.is_attended = attended;
        if let Err(failure) = self.ports.journal.open(&utterance).await {
            tracing::error!(%id, %failure, "an utterance could not be written to the journal");
        }
        let Utterance { content, is_agreed, .. } = utterance;
        let spoken = !matches!(content, Content::Text(_));
        // What may not be for us is told when it is known to be.
        if attended {
            self.tell(Event::Heard { id, origin, speech });
        }
        if self.waiting.len() + self.hearing.waiting() >= WAITING {
            self.vigil.departs(id);
            if !attended {
                self.note(id, Stage::Abandoned { reason: "there was no time to recognise it".into() }).await;
                return;
            }
            self.answer_at_once(id, wording::too_busy(), answer).await;
            return;
        }
        match content {
            Content::Speech(pcm) => {
                let began = Instant::now().checked_sub(pcm.duration()).unwrap_or_else(Instant::now);
                // A recording is not of this room.
                let of_this_room = origin == Origin::Microphone && !surely;
                let own_voice = of_this_room.then(|| self.echo.around(began)).flatten();
                let expectation = self.expectation();
                let unheard = Unheard { id, pcm, expectation, own_voice, overheard: !attended, answer };
                self.hearing.hear(unheard, pause);
            }
            Content::Transcribed(text) => {
                let confidence = Confidence::CERTAIN;
                let transcribed = Spoken { id, text, confidence, degraded: false, is_agreed, answer };
                let heed = self.heed(None, &transcribed.text);
                self.take(heed, transcribed).await;
            }
            Content::Text(text) => {
                let (confidence, input) = (Confidence::CERTAIN, self.input);
                let words = Words { id, text, confidence, degraded: false, spoken, is_agreed, input };
                self.enqueue(words, answer).await;
            }
        }
    }

    /// Words wait for their turn, except those that can't wait: "cancel" ends the turn that is under way,
    /// and who doesn't want to be listened to isn't from now on.
    async fn enqueue(&mut self, words: Words, answer: Answer) {
        let interpretation = self.meaning(&words);
        let quiet = self.was_over_an_answer() && self.means_quiet(&words.text);
        match (&interpretation.intent, &self.turn) {
            (Intent::Cancel, _) if quiet => {
                let id = words.id;
                self.note(id, Stage::Understood(interpretation.clone())).await;
                self.tell(Event::Understood { id, interpretation });
                self.answer_at_once(id, wording::quiet(), answer).await;
            }
            (Intent::Cancel, Some(turn)) => {
                let (id, cancelled) = (words.id, turn.id);
                turn.cancel.cancel();
                self.note(id, Stage::Understood(interpretation.clone())).await;
                self.note(id, Stage::Concerns(cancelled)).await;
                self.tell(Event::Understood { id, interpretation });
                self.answer_at_once(id, Reply::plain(Tone::Answer, "Stopping."), answer).await;
            }
            (&Intent::Listen { change }, _) => {
                let id = words.id;
                self.note(id, Stage::Understood(interpretation.clone())).await;
                self.tell(Event::Understood { id, interpretation });
                self.listen(change);
                let reply = wording::listening(change, &self.listening.borrow());
                self.answer_at_once(id, reply, answer).await;
            }
            // What was said before it is taken as it was meant.
            (&Intent::Mode { mode }, _) => {
                let id = words.id;
                self.note(id, Stage::Understood(interpretation.clone())).await;
                self.tell(Event::Understood { id, interpretation });
                self.take_as(mode);
                self.answer_at_once(id, wording::input(mode), answer).await;
            }
            _ => self.waiting.push_back((words, answer)),
        }
    }

    /// Takes words otherwise from now on, and tells so.
    fn take_as(&mut self, input: InputMode) {
        if input != self.input {
            self.input = input;
            self.tell(Event::InputChanged { input });
            self.keep_recent();
        }
    }

    async fn answer_at_once(&mut self, id: UtteranceId, reply: Reply, answer: Answer) {
        self.note(id, Stage::Replied(reply.clone())).await;
        self.tell(Event::Replied { id, reply: reply.clone() });
        if let Some(answer) = answer {
            // Whoever asked may have gone.
            let _ = answer.send(Some(reply));
        }
    }

    fn begin_next(&mut self) {
        if self.turn.is_none()
            && self.recalling.is_none()
            && let Some((words, answer)) = self.waiting.pop_front()
        {
            let cancel = CancellationToken::new();
            let events = self.events.clone();
            let tell = Box::new(move |event| {
                // Nobody watching is no error.
                let _ = events.send(event);
            });
            let id = words.id;
            let performance = Performance::new(self.ports.clone(), cancel.clone(), tell, id);
            let context = Context {
                question: self.question.take(),
                last_reply: self.last_reply.clone(),
                last: self.last.clone(),
                insertions: std::mem::take(&mut self.insertions),
                findings: std::mem::take(&mut self.findings),
                mode: self.condition.mode(),
                listening: self.listening.borrow().clone(),
                degradations: self.condition.degradations(),
                help: self.options.help.clone(),
                history_elsewhere: self.options.history_elsewhere,
                lifetime: self.options.confirmation_expires,
            };
            let future = Box::pin(performance.run(words, context));
            self.turn = Some(Turn { id, cancel, answer, forgets: false, future });
        }
    }

    fn is_echo(&self, own_voice: &OwnVoice, transcript: &Transcript) -> bool {
        let completeness = self.ports.interpreter.completeness(&transcript.text, &self.moment());
        let means_something = completeness != Completeness::Unknown;
        own_voice.returns_in(&transcript.text, means_something)
    }

    async fn heard(&mut self, progress: Progress) {
        let (id, own_voice, answer, result) = match progress {
            Progress::Heard { id, own_voice, answer, result } => (id, own_voice, answer, result),
            Progress::Guessed { transcript, ending } => {
                let text = self.vigil.without_phrase(&transcript.text);
                let completeness = self.ports.interpreter.completeness(text, &self.moment());
                if let Some(ending) = ending {
                    // They may have gone on meanwhile.
                    let _ = ending.send(completeness);
                }
                if self.is_attentive() {
                    self.tell(Event::Partial { text: transcript.text });
                }
                return;
            }
        };
        let arrival = self.vigil.departs(id);
        match result {
            Ok(transcript) => {
                let degraded = !self.hearing.is_first(&transcript.tier);
                // What sends speech away has been announced before it did; then this is no news.
                let events = if degraded {
                    self.condition.degraded(wording::heard_by(&transcript.tier))
                } else {
                    self.condition.serving("voice-stt", "I understand speech again.")
                };
                self.tell_all(events);
                if own_voice.is_some_and(|own_voice| self.is_echo(&own_voice, &transcript)) {
                    tracing::info!(%id, "our own voice came back, and is not answered");
                    self.note(id, Stage::Transcribed(transcript)).await;
                    self.note(id, Stage::Abandoned { reason: "it was the program's own voice".into() }).await;
                    return;
                }
                let heed = self.heed(arrival, &transcript.text);
                if let Heed::Pass(reason) = heed {
                    // Whoever didn't speak to us finds nothing of what they said.
                    self.note(id, Stage::Abandoned { reason: reason.into() }).await;
                    return;
                }
                if let Some(Arrival { speech, .. }) = arrival.filter(|arrival| !arrival.is_attended()) {
                    self.tell(Event::Heard { id, origin: Origin::Microphone, speech: Some(speech) });
                }
                self.note(id, Stage::Transcribed(transcript.clone())).await;
                self.tell(Event::Transcribed { id, transcript: transcript.clone() });
                let Transcript { text, confidence, .. } = transcript;
                self.take(heed, Spoken { id, text, confidence, degraded, is_agreed: false, answer }).await;
            }
            Err(failure) => {
                if failure.kind == FailureKind::Unavailable {
                    let events = self.condition.degraded(Degradation {
                        chain: failure.dependency.clone(),
                        now: TEXT_INPUT.into(),
                        what: failure.what.clone(),
                        remedy: failure.remedy.clone(),
                    });
                    self.tell_all(events);
                }
                if arrival.is_some_and(|arrival| !arrival.is_attended()) {
                    self.note(id, Stage::Abandoned { reason: "it could not be recognised".into() }).await;
                    return;
                }
                self.answer_at_once(id, wording::unheard(&failure), answer).await;
            }
        }
    }

    /// What is known of the moment at which something is said.
    fn moment(&self) -> Situation {
        Situation {
            question_open: self.question.is_some(),
            spoken: true,
            input: self.input,
            names: Arc::clone(&self.ports.names.borrow()),
            ..Situation::default()
        }
    }

    /// What somebody will probably say; nothing in particular if it is probably not for us.
    fn expectation(&self) -> Expectation {
        if self.is_attentive() {
            self.ports.interpreter.expectation(&self.moment())
        } else {
            Expectation::default()
        }
    }

    fn turn_ended(&mut self, ending: Ending) {
        let (answer, forgets) = self.turn.take().map_or((None, false), |turn| (turn.answer, turn.forgets));
        tracing::debug!(id = %ending.id, "turn ended");
        self.question = ending.question;
        self.insertions = ending.insertions;
        (self.last, self.findings) =
            if forgets { (None, Findings::default()) } else { (ending.last, ending.findings) };
        if let Some(understood) = ending.understood {
            self.vigil.took_turn(understood, tokio::time::Instant::now());
        }
        let events = match ending.assisted {
            Some(Ok(())) => self.condition.serving("ai-service", "The AI answers again."),
            Some(Err(failure)) if failure.kind == FailureKind::Unavailable => {
                self.condition.degraded(wording::without_ai(failure))
            }
            _ => Vec::new(),
        };
        self.tell_all(events);
        if let Some(failure) = ending.failure.filter(|failure| failure.kind == FailureKind::Unavailable) {
            let events = self.condition.degraded(Degradation {
                chain: failure.dependency,
                now: "held".into(),
                what: failure.what,
                remedy: failure.remedy,
            });
            self.tell_all(events);
        } else if ending.terminal_served {
            // It may be served by another tier than it should be.
            let events = match self.ports.terminal.degradation() {
                Some(degradation) => self.condition.degraded(degradation),
                None => self.condition.serving("tmux-session", "tmux works again."),
            };
            self.tell_all(events);
        }
        if let Some(reply) = &ending.reply {
            self.last_reply = Some(reply.clone());
        }
        self.keep_recent();
        if let Some(answer) = answer {
            // Whoever asked may have gone.
            let _ = answer.send(ending.reply);
        }
    }

    /// Goes on with what an earlier run left, where nothing has come in between.
    fn recalled(&mut self, recent: Option<Recent>) {
        self.recalling = None;
        let Some(Recent { last, reply, input, .. }) = recent else { return };
        self.last = self.last.take().or(last);
        self.last_reply = self.last_reply.take().or(reply);
        if self.input == self.options.input {
            self.take_as(input);
        }
    }

    /// Nothing of a turn that may be among the forgotten is offered, or kept, again. What was inserted stays known: it is
    /// still on the screen, and may have to be taken back.
    fn forget(&mut self) {
        self.recalling = None;
        (self.last, self.last_reply, self.findings) = (None, None, Findings::default());
        if let Some(turn) = &mut self.turn {
            turn.forgets = true;
        }
        self.keep_recent();
    }

    fn keep_recent(&self) {
        if let Some(keeping) = &self.keeping {
            let (last, reply, input) = (self.last.clone(), self.last_reply.clone(), self.input);
            keeping.note(Recent { session: None, last, reply, input });
        }
    }

    async fn expire(&mut self) {
        let Some(question) = self.question.take() else { return };
        self.take_back(&question, Answered::Expired).await;
        let text = wording::expiry(&question.summary);
        self.tell(Event::Notice { speech: text.clone(), text });
    }

    /// Ends a question that nobody answered. All of it belongs to the turn that asked.
    async fn take_back(&mut self, question: &Question, answer: Answered) {
        let id = question.id;
        self.note(id, Stage::Settled(Settled { answer, by: None })).await;
        let Some(erase) = question.withdrawal() else { return };
        self.note(id, Stage::Commanded(erase.clone())).await;
        match tokio::time::timeout(FAREWELL, self.ports.terminal.perform(&erase)).await {
            Ok(Ok(outcome)) => self.note(id, Stage::Acted(outcome)).await,
            Ok(Err(failure)) => tracing::warn!(%failure, "inserted text could not be taken back"),
            Err(_) => tracing::warn!("inserted text could not be taken back in time"),
        }
    }

    async fn leave(mut self) {
        self.tell(Event::Stopping);
        if let Some(turn) = self.turn.take() {
            turn.cancel.cancel();
            if let Ok(ending) = tokio::time::timeout(FAREWELL, turn.future).await {
                self.question = ending.question;
            }
        }
        if let Some(question) = self.question.take() {
            self.take_back(&question, Answered::Stopped).await;
        }
        let unheard = self.hearing.leave().into_iter();
        let unfinished: Vec<_> = unheard.chain(self.waiting.drain(..).map(|(words, _)| words.id)).collect();
        if let Some(keeping) = self.keeping.take() {
            keeping.finish().await;
        }
        for id in unfinished {
            self.note(id, Stage::Abandoned { reason: Stage::STOPPED.into() }).await;
        }
    }

    async fn note(&mut self, id: UtteranceId, stage: Stage) {
        if let Err(failure) = self.ports.journal.add(id, &stage).await {
            tracing::error!(%id, %failure, "a stage could not be written to the journal");
        }
    }
}
