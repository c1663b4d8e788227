//! whisper.cpp, step by step: the sound once, then a token at a time.
//!
//! `whisper_full` makes the features, encodes them and puts in the prompt; it is stopped at its first token, whose
//! probabilities it is asked for. From there on we decode ourselves, and can go back to any token before and on from
//! there another way, which costs a step and not the sound again.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ffi::{c_int, c_void};
use std::rc::Rc;

use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperError, WhisperState, WhisperSysContext,
    WhisperSysState, WhisperTokenData,
};

use super::lexicon::Token;
use super::search::{Predict, Row};
use crate::breaker::AbortFlag;

/// What stands in writing only. (OpenAI's list, as whisper.cpp has it.)
const UNSPOKEN: [&str; 50] = [
    "\"",
    "#",
    "(",
    ")",
    "*",
    "+",
    "/",
    ":",
    ";",
    "<",
    "=",
    ">",
    "@",
    "[",
    "\\",
    "]",
    "^",
    "_",
    "`",
    "{",
    "|",
    "}",
    "~",
    "「",
    "」",
    "『",
    "』",
    "<<",
    ">>",
    "<<<",
    ">>>",
    "--",
    "---",
    "-(",
    "-[",
    "('",
    "(\"",
    "((",
    "))",
    "(((",
    ")))",
    "[[",
    "]]",
    "{{",
    "}}",
    "♪♪",
    "♪♪♪",
    "♩",
    "♪",
    "♫",
];
/// The same at the beginning of a word only.
const NOT_BEFORE: [&str; 5] = [" -", " '", "♬", "♭", "♮"];
/// Signs that a sentence ends with.
const STOPS: [&str; 3] = [".", "!", "?"];

/// whisper.cpp with a model.
pub(super) struct Engine {
    context: WhisperContext,
    state: WhisperState,
    language: String,
    threads: c_int,
    /// Tokens that are never said.
    silent: Vec<usize>,
    /// Tokens that a text doesn't begin with.
    not_first: Vec<usize>,
    /// Tokens that a text ends with.
    ends: Rc<[Token]>,
    /// Tokens before the first that is said.
    before: usize,
}

/// What whisper.cpp calls back with.
struct Watch<'a> {
    abort: &'a AbortFlag,
    end: usize,
    tokens: usize,
    first: OnceCell<Vec<f32>>,
}

impl Engine {
    pub(super) fn new(context: WhisperContext, language: &str, threads: c_int) -> Result<Self, WhisperError> {
        let state = context.create_state()?;
        let end = context.token_eot();
        let unspoken: HashSet<String> =
            UNSPOKEN.iter().flat_map(|sign| [(*sign).to_owned(), format!(" {sign}")]).collect();
        let is_silent = |token: Token| {
            let text = context.token_to_str_lossy(token).unwrap_or_default();
            unspoken.contains(text.as_ref()) || NOT_BEFORE.contains(&text.as_ref())
        };
        let number = |token: Token| usize::try_from(token).unwrap_or_default();
        let silent = (0..end).filter(|token| is_silent(*token)).map(number).collect();
        let tokens_of = |text: &str| context.tokenize(text, 8).unwrap_or_default();
        let not_first = tokens_of(" ").into_iter().chain([end]).map(number).collect();
        let stops = STOPS.iter().map(|stop| tokens_of(stop)).filter(|tokens| tokens.len() == 1).flatten();
        let ends = stops.chain([end]).collect();
        let language = if context.is_multilingual() { language.to_owned() } else { "en".to_owned() };
        Ok(Self { state, language, threads, silent, not_first, ends, before: 0, context })
    }

    /// The token after the last.
    pub(super) fn end(&self) -> Token {
        self.context.token_eot()
    }

    /// The bytes of each token of text.
    pub(super) fn vocabulary(&self) -> impl Iterator<Item = (Vec<u8>, Token)> {
        let bytes = |token| self.context.token_to_bytes(token).map(<[u8]>::to_vec).unwrap_or_default();
        (0..self.end()).map(move |token| (bytes(token), token))
    }

    /// A text of these tokens.
    pub(super) fn text(&self, tokens: &[Token]) -> String {
        let bytes = tokens.iter().filter_map(|token| self.context.token_to_bytes(*token).ok()).flatten();
        String::from_utf8_lossy(&bytes.copied().collect::<Vec<u8>>()).into_owned()
    }

    /// Whether a sentence may end with a token.
    pub(super) fn is_stop(&self, token: Token) -> bool {
        self.ends.contains(&token)
    }

    /// Whether a token has a letter or a digit in it.
    pub(super) fn is_word(&self, token: Token) -> bool {
        self.context.token_to_str(token).is_ok_and(|text| text.chars().any(char::is_alphanumeric))
    }

    /// Listens to samples (mono, 16 kHz, at most 30 s) with so much context, after these tokens of what was said
    /// before; gives what the text may begin with. `None` when it was aborted.
    pub(super) fn listen(
        &mut self,
        samples: &[f32],
        audio_context: i32,
        prompt: &[Token],
        abort: &AbortFlag,
    ) -> Result<Option<Row>, WhisperError> {
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_n_threads(self.threads);
        params.set_audio_ctx(audio_context);
        params.set_tokens(prompt);
        params.set_no_context(true);
        params.set_no_timestamps(true);
        params.set_single_segment(true);
        // It would forbid the end, which stops it.
        params.set_suppress_blank(false);
        params.set_suppress_nst(false);
        params.set_temperature_inc(0.0);
        params.set_no_speech_thold(1.0);
        params.set_print_special(false);
        params.set_print_progress(false);
        params.set_print_realtime(false);
        params.set_print_timestamps(false);
        let language = self.language.clone();
        params.set_language(Some(&language));
        let watch = Watch {
            abort,
            end: usize::try_from(self.context.token_eot()).unwrap_or_default(),
            tokens: usize::try_from(self.context.n_vocab()).unwrap_or_default(),
            first: OnceCell::new(),
        };
        let user_data: *mut c_void = std::ptr::from_ref(&watch).cast_mut().cast();
        // SAFETY: whisper.cpp calls these only while `full` runs, on its thread, and `watch` outlives that.
        unsafe {
            params.set_abort_callback(Some(aborted));
            params.set_abort_callback_user_data(user_data);
            params.set_filter_logits_callback(Some(first_token));
            params.set_filter_logits_callback_user_data(user_data);
        }
        let done = self.state.full(params, samples);
        if abort.is_set() {
            return Ok(None);
        }
        done?;
        let beginning = if self.context.is_multilingual() { 4 } else { 2 };
        self.before = beginning + if prompt.is_empty() { 0 } else { prompt.len() + 1 };
        let mut logits = watch.first.into_inner().ok_or(WhisperError::NoSamples)?;
        for token in &self.not_first {
            logits[*token] = f32::NEG_INFINITY;
        }
        Ok(Some(self.row(logits)))
    }

    fn row(&self, mut logits: Vec<f32>) -> Row {
        logits.truncate(usize::try_from(self.end()).unwrap_or_default() + 1);
        for token in &self.silent {
            logits[*token] = f32::NEG_INFINITY;
        }
        Row::new(logits, Rc::clone(&self.ends))
    }

    /// The same clip again, as if nothing had been said before; with the probability that nobody speaks, as Whisper
    /// was trained to tell it: in the place of the first token after the start. (whisper.cpp looks for it after the
    /// whole prompt, where it means nothing unless the prompt is the start alone.)
    pub(super) fn no_speech(&mut self) -> Result<f32, WhisperError> {
        self.state.decode(&[self.context.token_sot()], 0, self.threads())?;
        self.before = 1;
        let logits = self.state.get_logits()?;
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|logit| (logit - most).exp()).sum();
        let logit = usize::try_from(self.context.token_nosp()).ok().and_then(|token| logits.get(token));
        Ok(logit.map_or(0.0, |logit| (logit - most).exp() / sum))
    }

    /// After [`Self::no_speech`]: what the text may begin with if nothing was said before.
    pub(super) fn afresh(&mut self) -> Result<Row, WhisperError> {
        let mut beginning = Vec::new();
        if self.context.is_multilingual() {
            let language = self.state.full_lang_id_from_state();
            beginning.extend([self.context.token_lang(language), self.context.token_transcribe()]);
        }
        beginning.push(self.context.token_not());
        for token in &beginning {
            self.state.decode(&[*token], self.before, self.threads())?;
            self.before += 1;
        }
        let mut logits = self.state.get_logits()?.to_vec();
        for token in &self.not_first {
            logits[*token] = f32::NEG_INFINITY;
        }
        Ok(self.row(logits))
    }

    fn threads(&self) -> usize {
        usize::try_from(self.threads).unwrap_or(1)
    }
}

impl Predict for Engine {
    type Error = WhisperError;

    fn after(&mut self, path: &[Token]) -> Result<Row, WhisperError> {
        let (last, known) = path.split_last().ok_or(WhisperError::NoSamples)?;
        self.state.decode(&[*last], self.before + known.len(), self.threads())?;
        Ok(self.row(self.state.get_logits()?.to_vec()))
    }
}

/// Tells whisper.cpp whether to stop.
unsafe extern "C" fn aborted(watch: *mut c_void) -> bool {
    // SAFETY: it is the `Watch` that `Engine::listen` holds for the whole of the call.
    unsafe { &*watch.cast::<Watch<'_>>() }.abort.is_set()
}

/// Keeps what the text may begin with, and ends it there.
unsafe extern "C" fn first_token(
    _: *mut WhisperSysContext,
    _: *mut WhisperSysState,
    _: *const WhisperTokenData,
    _: c_int,
    logits: *mut f32,
    watch: *mut c_void,
) {
    // SAFETY: it is the `Watch` that `Engine::listen` holds for the whole of the call, which nobody else changes
    // meanwhile; and there is a logit for each token of the vocabulary.
    let (watch, logits) = unsafe {
        let watch = &*watch.cast::<Watch<'_>>();
        (watch, std::slice::from_raw_parts_mut(logits, watch.tokens))
    };
    let _ = watch.first.set(logits.to_vec());
    logits.fill(f32::NEG_INFINITY);
    if let Some(end) = logits.get_mut(watch.end) {
        *end = 0.0;
    }
}
