//! From speech to words: one utterance at a time, and ahead of its end.
//!
//! **Speculation.** Whoever pauses has probably finished. So what was said is recognised in the silence
//! that has to be waited for anyway, and when nobody went on, the words are there at the end of it, or a
//! little later. When somebody does go on, that work is cancelled and its words are only shown. What is
//! guessed never goes before what was said: an utterance that waits has the recogniser first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::echo::OwnVoice;
use crate::domain::{
    BoxFuture, Completeness, Expectation, Failure, FailureKind, PauseId, Pcm, Recogniser, Reply, Transcript,
    UtteranceId,
};

/// Who waits for an answer; gets none if nothing was said.
pub(super) type Answer = Option<oneshot::Sender<Option<Reply>>>;

/// Speech that waits to be recognised.
pub(super) struct Unheard {
    pub(super) id: UtteranceId,
    pub(super) pcm: Pcm,
    /// What it probably is.
    pub(super) expectation: Expectation,
    /// What was spoken around it, and may have come back.
    pub(super) own_voice: Option<OwnVoice>,
    /// Whether it is probably not meant for us, and stays on this machine.
    pub(super) overheard: bool,
    pub(super) answer: Answer,
}

/// What comes of it.
pub(super) enum Progress {
    /// An utterance is words now, or never will be.
    Heard {
        id: UtteranceId,
        own_voice: Option<OwnVoice>,
        answer: Answer,
        result: Result<Transcript, Failure>,
    },
    /// What somebody seems to have said so far, and who wants to know whether that is all.
    Guessed { transcript: Transcript, ending: Option<oneshot::Sender<Completeness>> },
}

/// Recognises what was said.
pub(super) struct Hearing {
    recogniser: Arc<dyn Recogniser>,
    waiting: VecDeque<Unheard>,
    under_way: Option<(UtteranceId, BoxFuture<'static, Progress>)>,
    guess: Option<Guess>,
}

/// What was said until a pause, or until now.
struct Guess {
    pause: Option<PauseId>,
    ending: Option<oneshot::Sender<Completeness>>,
    words: Words,
}

enum Words {
    Awaited(BoxFuture<'static, Option<Transcript>>),
    Known(Option<Transcript>),
}

impl Hearing {
    pub(super) fn new(recogniser: Arc<dyn Recogniser>) -> Self {
        Self { recogniser, waiting: VecDeque::new(), under_way: None, guess: None }
    }

    /// Recognises from now on. What has begun is finished by the old one.
    pub(super) fn replace(&mut self, recogniser: Arc<dyn Recogniser>) {
        self.recogniser = recogniser;
    }

    /// Whether a tier is the one that is wanted.
    pub(super) fn is_first(&self, tier: &str) -> bool {
        self.recogniser.is_first(tier)
    }

    /// Utterances that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether an utterance is being recognised.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// Takes what somebody has said so far; at a pause, with whoever wants to know whether that is all.
    pub(super) fn speculate(
        &mut self,
        so_far: Pcm,
        expectation: Expectation,
        pause: Option<(PauseId, oneshot::Sender<Completeness>)>,
    ) {
        if self.is_busy() || !self.waiting.is_empty() {
            return;
        }
        let recogniser = Arc::clone(&self.recogniser);
        let words =
            Words::Awaited(Box::pin(async move { recogniser.speculate(&so_far, &expectation).await }));
        let (pause, ending) = pause.unzip();
        self.guess = Some(Guess { pause, ending, words });
    }

    /// Whoever paused has gone on.
    pub(super) fn resumed(&mut self) {
        self.guess = None;
    }

    /// Takes what somebody has said. It ended with this pause, if any.
    pub(super) fn hear(&mut self, unheard: Unheard, pause: Option<PauseId>) {
        let guess = self.guess.take().filter(|guess| guess.pause.is_some() && guess.pause == pause);
        match guess {
            Some(Guess { words, .. }) if !self.is_busy() && self.waiting.is_empty() => {
                self.begin(unheard, Some(words));
            }
            _ => {
                self.waiting.push_back(unheard);
                self.begin_next();
            }
        }
    }

    fn begin_next(&mut self) {
        if self.under_way.is_none()
            && let Some(unheard) = self.waiting.pop_front()
        {
            self.begin(unheard, None);
        }
    }

    fn begin(&mut self, unheard: Unheard, guessed: Option<Words>) {
        let recogniser = Arc::clone(&self.recogniser);
        let Unheard { id, pcm, expectation, own_voice, overheard, answer } = unheard;
        let future = async move {
            let guessed = match guessed {
                Some(Words::Awaited(words)) => words.await,
                Some(Words::Known(words)) => words,
                None => None,
            };
            let result = match guessed {
                Some(transcript) => Ok(transcript),
                None => recognise(recogniser.as_ref(), &pcm, &expectation, overheard).await,
            };
            Progress::Heard { id, own_voice, answer, result }
        };
        self.under_way = Some((id, Box::pin(future)));
    }

    /// Waits for what comes next; for ever, if nothing is under way. Cancel-safe.
    pub(super) async fn next(&mut self) -> Progress {
        let Self { under_way, guess, .. } = self;
        let heard = async {
            match under_way {
                Some((_, future)) => future.await,
                None => std::future::pending().await,
            }
        };
        let guessed = async {
            match guess {
                Some(Guess { words: Words::Awaited(words), .. }) => words.await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            progress = heard => {
                self.under_way = None;
                self.begin_next();
                progress
            }
            transcript = guessed => {
                let ending = self.guess.as_mut().and_then(|guess| {
                    guess.words = Words::Known(transcript.clone());
                    guess.ending.take()
                });
                match transcript {
                    Some(transcript) => Progress::Guessed { transcript, ending },
                    // Nothing can be known before the end.
                    None => Box::pin(self.next()).await,
                }
            }
        }
    }

    /// Stops all of it; tells which utterances were not recognised.
    pub(super) fn leave(&mut self) -> Vec<UtteranceId> {
        self.guess = None;
        // Dropping a recognition cancels it.
        let under_way = self.under_way.take().map(|(id, _)| id);
        under_way.into_iter().chain(self.waiting.drain(..).map(|unheard| unheard.id)).collect()
    }
}

/// A failure that took longer was waiting for something that hangs, and would only be waited for again.
const AT_ONCE: Duration = Duration::from_secs(4);

async fn recognise(
    recogniser: &dyn Recogniser,
    pcm: &Pcm,
    expectation: &Expectation,
    overheard: bool,
) -> Result<Transcript, Failure> {
    let try_it = || if overheard { recogniser.overhear(pcm) } else { recogniser.recognise(pcm, expectation) };
    let began = Instant::now();
    let result = try_it().await;
    // A recogniser that died of this call may serve it once it is restarted; what somebody said is worth
    // a second try.
    let is_down = matches!(&result, Err(failure) if failure.kind == FailureKind::Unavailable);
    if is_down && began.elapsed() < AT_ONCE { try_it().await } else { result }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::domain::Confidence;

    /// Recognises the number of samples; a guess takes a second, what was said two.
    #[derive(Default)]
    struct Counter {
        asked: Mutex<Vec<String>>,
        no_guesses: bool,
        /// It can't, and this is how long that takes.
        fails_after: Option<Duration>,
    }

    impl Counter {
        fn asked(&self) -> Vec<String> {
            std::mem::take(&mut self.asked.lock().unwrap())
        }
    }

    impl Recogniser for Counter {
        fn recognise<'a>(
            &'a self,
            speech: &'a Pcm,
            _: &'a Expectation,
        ) -> BoxFuture<'a, Result<Transcript, Failure>> {
            Box::pin(async move {
                self.asked.lock().unwrap().push(format!("said {}", speech.samples().len()));
                if let Some(after) = self.fails_after {
                    tokio::time::sleep(after).await;
                    return Err(Failure::new(FailureKind::Unavailable, "voice-stt", "it is down", ""));
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
                Ok(words_of(speech, Duration::from_secs(2)))
            })
        }

        fn overhear<'a>(&'a self, speech: &'a Pcm) -> BoxFuture<'a, Result<Transcript, Failure>> {
            Box::pin(async move {
                self.asked.lock().unwrap().push(format!("overheard {}", speech.samples().len()));
                Ok(words_of(speech, Duration::ZERO))
            })
        }

        fn speculate<'a>(&'a self, speech: &'a Pcm, _: &'a Expectation) -> BoxFuture<'a, Option<Transcript>> {
            Box::pin(async move {
                self.asked.lock().unwrap().push(format!("guess {}", speech.samples().len()));
                tokio::time::sleep(Duration::from_secs(1)).await;
                (!self.no_guesses).then(|| words_of(speech, Duration::from_secs(1)))
            })
        }
    }

    fn sound(samples: usize) -> Pcm {
        Pcm::new(vec![0.0; samples])
    }

    fn unheard(samples: usize) -> Unheard {
        Unheard {
            id: UtteranceId::generate(),
            pcm: sound(samples),
            expectation: Expectation::default(),
            own_voice: None,
            overheard: false,
            answer: None,
        }
    }

    fn set_up(counter: Counter) -> (Hearing, Arc<Counter>) {
        let counter = Arc::new(counter);
        (Hearing::new(Arc::clone(&counter) as _), counter)
    }

    fn pause() -> (PauseId, oneshot::Sender<Completeness>) {
        (PauseId::next(), oneshot::channel().0)
    }

    fn words_of(speech: &Pcm, took: Duration) -> Transcript {
        let text = speech.samples().len().to_string();
        Transcript { text, confidence: Confidence::CERTAIN, tier: "test".into(), took }
    }

    async fn words(hearing: &mut Hearing) -> String {
        match hearing.next().await {
            Progress::Heard { result, .. } => format!("heard {}", result.unwrap().text),
            Progress::Guessed { transcript, .. } => format!("guessed {}", transcript.text),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn when_nobody_goes_on_the_guess_is_what_was_said() {
        let (mut hearing, counter) = set_up(Counter::default());
        let (id, ending) = pause();
        hearing.speculate(sound(5), Expectation::default(), Some((id, ending)));
        assert_eq!(words(&mut hearing).await, "guessed 5");
        let began = tokio::time::Instant::now();
        hearing.hear(unheard(7), Some(id));
        assert_eq!(words(&mut hearing).await, "heard 5");
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(counter.asked(), ["guess 5"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_guess_that_is_not_ready_is_waited_for() {
        let (mut hearing, counter) = set_up(Counter::default());
        let (id, ending) = pause();
        hearing.speculate(sound(5), Expectation::default(), Some((id, ending)));
        // The loop that asks for what comes next is interrupted all the time.
        assert!(tokio::time::timeout(Duration::from_millis(400), hearing.next()).await.is_err());
        let began = tokio::time::Instant::now();
        hearing.hear(unheard(7), Some(id));
        assert_eq!(words(&mut hearing).await, "heard 5");
        assert_eq!(began.elapsed(), Duration::from_millis(600));
        assert_eq!(counter.asked(), ["guess 5"]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_on_is_heard_whole() {
        let (mut hearing, counter) = set_up(Counter::default());
        let (first, ending) = pause();
        hearing.speculate(sound(5), Expectation::default(), Some((first, ending)));
        hearing.resumed();
        assert!(
            tokio::time::timeout(Duration::from_secs(9), hearing.next()).await.is_err(),
            "it is cancelled"
        );
        hearing.hear(unheard(9), None);
        assert_eq!(words(&mut hearing).await, "heard 9");

        // Nor is the guess at another pause the right one.
        let (second, ending) = pause();
        hearing.speculate(sound(6), Expectation::default(), Some((second, ending)));
        hearing.hear(unheard(10), Some(first));
        assert_eq!(words(&mut hearing).await, "heard 10");
        counter.asked();
        // What somebody says while they are speaking is shown, and no more.
        hearing.speculate(sound(4), Expectation::default(), None);
        assert_eq!(words(&mut hearing).await, "guessed 4");
        hearing.hear(unheard(8), None);
        assert_eq!(words(&mut hearing).await, "heard 8");
        assert_eq!(counter.asked(), ["guess 4", "said 8"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_goes_before_what_is_guessed() {
        let (mut hearing, counter) = set_up(Counter::default());
        hearing.hear(unheard(7), None);
        hearing.hear(unheard(8), None);
        let (id, ending) = pause();
        hearing.speculate(sound(5), Expectation::default(), Some((id, ending)));
        hearing.hear(unheard(9), Some(id));
        for expected in ["heard 7", "heard 8", "heard 9"] {
            assert_eq!(words(&mut hearing).await, expected);
        }
        assert!(!hearing.is_busy());
        assert_eq!(counter.asked(), ["said 7", "said 8", "said 9"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_crashed_is_tried_again_and_what_hung_is_not() {
        for (seconds, times) in [(1, 2), (7, 1)] {
            let fails_after = Some(Duration::from_secs(seconds));
            let (mut hearing, counter) = set_up(Counter { fails_after, ..Counter::default() });
            hearing.hear(unheard(7), None);
            let Progress::Heard { result: Err(_), .. } = hearing.next().await else { panic!("it is down") };
            assert_eq!(counter.asked().len(), times);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_overheard_stays_here() {
        let (mut hearing, counter) = set_up(Counter::default());
        hearing.hear(Unheard { overheard: true, ..unheard(7) }, None);
        assert_eq!(words(&mut hearing).await, "heard 7");
        assert_eq!(counter.asked(), ["overheard 7"]);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_can_be_guessed_the_end_is_waited_for() {
        let (mut hearing, _) = set_up(Counter { no_guesses: true, ..Counter::default() });
        let (id, ending) = pause();
        hearing.speculate(sound(5), Expectation::default(), Some((id, ending)));
        assert!(tokio::time::timeout(Duration::from_secs(9), hearing.next()).await.is_err());
        hearing.hear(unheard(7), Some(id));
        assert_eq!(words(&mut hearing).await, "heard 7");
    }
}
