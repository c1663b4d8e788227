//! Command lines, judged: every part by the rules, the whole by its worst part.

use std::cell::Cell;

use super::data::{Doubt, Harmless, Wrapper, base_name};
use super::shell::{self, Assignment, Puzzle, Redirect, Script, Simple, StandsFor, Word};
use super::{Policy, filled, pattern};
use crate::domain::{ShellNames, Verdict};

/// How deep lines may lie in lines: `bash -c "bash -c …"`.
const DEEPEST: usize = 4;

/// How many characters are looked through for commands in commands, all in all. A line for which
/// this isn't enough is one that is asked about already.
const MOST_LOOKED_THROUGH: usize = 128 * 1024;

/// In how many places a wrapped command may begin.
const MOST_WRAPPED: usize = 64;

/// How many words of one command may be lines.
const MOST_LINES: usize = 8;

/// The longest name of a directory that is followed.
const LONGEST_DIRECTORY: usize = 256;

/// What is known about a line or a part of it, from harmless to out of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Harmless,
    Unknown,
    Unclear,
    Touches,
    Dangerous,
    Grave,
    Refused,
}

/// How far commands in commands are still looked into, and what names mean there.
#[derive(Debug)]
pub(super) struct Look<'a> {
    left: Cell<usize>,
    depth: Cell<usize>,
    shell: &'a ShellNames,
}

impl<'a> Look<'a> {
    fn new(shell: &'a ShellNames) -> Self {
        Self { left: Cell::new(MOST_LOOKED_THROUGH), depth: Cell::new(0), shell }
    }

    /// Takes what looking through `characters` costs, if there is so much left.
    fn spend(&self, characters: usize) -> bool {
        let left = self.left.get().checked_sub(characters);
        self.left.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Looks one level deeper, unless that is too deep, where anything may be.
    fn deeper(&self, too_deep: &str, judge: impl FnOnce() -> Judgement) -> Judgement {
        let depth = self.depth.get();
        if depth >= DEEPEST {
            return Judgement::new(Grade::Grave, too_deep);
        }
        self.depth.set(depth + 1);
        let found = judge();
        self.depth.set(depth);
        found
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Judgement {
    grade: Grade,
    sentence: String,
}

impl Judgement {
    const HARMLESS: Self = Self { grade: Grade::Harmless, sentence: String::new() };

    fn new(grade: Grade, sentence: impl Into<String>) -> Self {
        Self { grade, sentence: sentence.into() }
    }

    /// The worse of two; of two equally bad ones, the first.
    fn or_worse(self, other: Self) -> Self {
        if other.grade > self.grade { other } else { self }
    }

    fn verdict(self) -> Verdict {
        match self.grade {
            Grade::Harmless => Verdict::Allow,
            Grade::Refused => Verdict::Refuse { reason: self.sentence },
            _ => Verdict::Confirm { consequence: self.sentence },
        }
    }
}

impl Policy {
    /// Judges a command line for this shell.
    pub(super) fn command_line(&self, line: &str, shell: &ShellNames) -> Verdict {
        self.line(line, &Look::new(shell)).verdict()
    }

    fn line(&self, line: &str, look: &Look<'_>) -> Judgement {
        if shell::is_fork_bomb(line) {
            return Judgement::new(Grade::Refused, &self.rules.sentences.fork_bomb);
        }
        let script = Script::expand(line, &look.shell.aliases);
        let judged = self.script(&script, look);
        if script.alias.is_none() {
            return judged;
        }
        // A line inside of a line may be read by a program that knows no alias.
        let is_certain = look.shell.certain && !script.is_doubtful && look.depth.get() == 0;
        let as_it_stands = Script::parse(line);
        if !is_certain {
            return judged.or_worse(self.script(&as_it_stands, look));
        }
        // The user may have meant the alias by what is allowed.
        let is_grave = judged.grade >= Grade::Grave;
        if !is_grave && self.is_allowed_by_user(&as_it_stands, look.shell) {
            Judgement::HARMLESS
        } else {
            judged
        }
    }

    fn script(&self, script: &Script, look: &Look<'_>) -> Judgement {
        let mut worst = Judgement::HARMLESS;
        for puzzle in &script.puzzles {
            let puzzling = Judgement::new(Grade::Unclear, self.puzzling(*puzzle));
            worst = worst.or_worse(self.explained(puzzling, script.alias.as_ref()));
        }
        let mut directory = None;
        for command in &script.commands {
            let judged =
                self.command(command, look).or_worse(self.within(directory.as_deref(), command, look));
            worst = worst.or_worse(self.explained(judged, command.alias.as_ref()));
            directory = gone_to(directory, command);
        }
        worst = worst.or_worse(self.explained(self.flow(script), script.alias.as_ref()));
        if worst.grade < Grade::Refused
            && look.depth.get() == 0
            && self.is_allowed_by_user(script, look.shell)
        {
            return Judgement::HARMLESS;
        }
        worst
    }

    /// With what the alias stands for, without which nobody could tell why.
    fn explained(&self, judgement: Judgement, alias: Option<&StandsFor>) -> Judgement {
        let Some(StandsFor { name, text }) = alias else { return judgement };
        if judgement.grade == Grade::Harmless {
            return judgement;
        }
        let stands_for = filled(&filled(&self.rules.sentences.alias, name), text.trim());
        Judgement { sentence: format!("{stands_for} {}", judgement.sentence), ..judgement }
    }

    fn puzzling(&self, puzzle: Puzzle) -> &str {
        let sentences = &self.rules.sentences;
        match puzzle {
            Puzzle::Unfinished => &sentences.unfinished,
            Puzzle::History => &sentences.history,
            Puzzle::Compound => &sentences.compound,
            Puzzle::Expansion => &sentences.expansion,
            Puzzle::HereDocument => &sentences.here_document,
            Puzzle::Comment => &sentences.comment,
            Puzzle::Quoting => &sentences.quoting,
            Puzzle::Alias => &sentences.aliases,
        }
    }

    /// What commands do to each other: text that is fetched or fed, and run.
    fn flow(&self, script: &Script) -> Judgement {
        let shells = &self.rules.shells;
        let runs_text = |command: &Simple| self.names(command).any(|name| shells.interpreters.contain(name));
        let fetches = |command: &Simple| self.names(command).any(|name| shells.downloaders.contain(name));
        let Some(runner) = script.commands.iter().position(runs_text) else { return Judgement::HARMLESS };
        let downloads =
            script.commands.iter().enumerate().any(|(at, command)| at != runner && fetches(command));
        if downloads {
            Judgement::new(Grade::Grave, &shells.download_consequence)
        } else if script.commands.iter().any(|it| (it.fed || !it.fed_words.is_empty()) && runs_text(it)) {
            Judgement::new(Grade::Grave, &shells.feed_consequence)
        } else {
            Judgement::HARMLESS
        }
    }

    /// The program of a command, or everything that could be it behind a wrapper.
    fn names<'a>(&'a self, command: &'a Simple) -> impl Iterator<Item = &'a str> {
        let is_wrapper = |word: &Word| self.wrapper(base_name(&word.text)).is_some();
        let most = if command.words.first().is_some_and(is_wrapper) { MOST_WRAPPED } else { 1 };
        command.words.iter().take(most).map(|word| base_name(&word.text))
    }

    fn wrapper(&self, name: &str) -> Option<&Wrapper> {
        self.rules.wrappers.iter().find(|wrapper| wrapper.names.contain(name))
    }

    fn command(&self, command: &Simple, look: &Look<'_>) -> Judgement {
        let sentences = &self.rules.sentences;
        let mut worst = Judgement::HARMLESS;
        for Assignment { name, word } in &command.assignments {
            if !self.rules.settings.contains(name) || command.words.is_empty() {
                worst = worst.or_worse(Judgement::new(Grade::Touches, filled(&sentences.assignment, name)));
            }
            worst = worst.or_worse(self.fed(word));
        }
        for redirect in &command.redirects {
            worst = worst.or_worse(self.redirect(redirect));
        }
        for word in &command.fed_words {
            worst = worst.or_worse(self.fed(word));
        }
        if command.words.is_empty() {
            return worst;
        }
        worst.or_worse(self.shadowed(&command.words, look)).or_worse(self.words(&command.words, look))
    }

    /// A function has the name of the program that the rules are about, or of none.
    fn shadowed(&self, words: &[Word], look: &Look<'_>) -> Judgement {
        let is_function = |word: &&Word| look.shell.aliases.functions.contains(&word.text);
        let may_be_called =
            words.iter().take(if shell::comes_before_commands(&words[0]) { MOST_WRAPPED } else { 1 });
        match may_be_called.into_iter().find(is_function) {
            Some(word) => Judgement::new(Grade::Unclear, filled(&self.rules.sentences.function, &word.text)),
            None => Judgement::HARMLESS,
        }
    }

    fn redirect(&self, redirect: &Redirect) -> Judgement {
        let sentences = &self.rules.sentences;
        let target = &redirect.target;
        let path = pattern::tidy_path(&target.text);
        if !target.dynamic
            && matches!(path.as_ref(), "/dev/null" | "/dev/stdout" | "/dev/stderr" | "/dev/tty")
        {
            Judgement::HARMLESS
        } else if redirect.writes && self.rules.devices.iter().any(|device| device.matches(&path)) {
            Judgement::new(Grade::Refused, &sentences.device)
        } else if redirect.writes {
            let which = if target.dynamic { "a file" } else { &target.text };
            Judgement::new(Grade::Touches, filled(&sentences.writes, which))
        } else if target.dynamic {
            Judgement::new(Grade::Unclear, &sentences.expansion)
        } else if let Some(name) = self.rules.unknown_variable(target) {
            // Where there is no such file, its name is shown.
            Judgement::new(Grade::Unclear, filled(&sentences.variable, name))
        } else if self.rules.is_secret(target) {
            Judgement::new(Grade::Touches, filled(&sentences.secret, &target.text))
        } else {
            Judgement::HARMLESS
        }
    }

    /// What a command is fed as text, or is set to, is mostly shown.
    fn fed(&self, word: &Word) -> Judgement {
        let sentences = &self.rules.sentences;
        if let Some(name) = self.rules.unknown_variable(word) {
            Judgement::new(Grade::Unclear, filled(&sentences.variable, name))
        } else if word.dynamic {
            Judgement::new(Grade::Unclear, &sentences.expansion)
        } else {
            Judgement::HARMLESS
        }
    }

    /// Judges the words of one command.
    fn words(&self, words: &[Word], look: &Look<'_>) -> Judgement {
        let sentences = &self.rules.sentences;
        if let Some(rule) = self.rules.refused(words) {
            return Judgement::new(Grade::Refused, &rule.sentence);
        }
        let doubt = match self.rules.harmless(words) {
            Harmless::Yes => return Judgement::HARMLESS,
            Harmless::Doubtful(doubt) => Some(doubt),
            Harmless::Unlisted => None,
        };
        let name = &words[0];
        if name.dynamic || name.text.starts_with('$') || name.glob {
            return Judgement::new(Grade::Unclear, &sentences.program_dynamic);
        }
        if let Some(wrapper) = self.wrapper(base_name(&name.text)) {
            return self.wrapped(wrapper, words, look);
        }
        let listed = self.danger(words, look);
        if listed.grade > Grade::Harmless {
            return listed;
        }
        match doubt {
            Some(Doubt::Secret(what)) => Judgement::new(Grade::Touches, filled(&sentences.secret, &what)),
            Some(Doubt::Variable(name)) => Judgement::new(Grade::Unclear, filled(&sentences.variable, &name)),
            Some(Doubt::Dynamic) => Judgement::new(Grade::Unclear, filled(&sentences.dynamic, &name.text)),
            None => Judgement::new(Grade::Unknown, filled(&sentences.unknown, &shortened(words))),
        }
    }

    /// What the lists say against a command, looking into the lines that it is to run.
    fn danger(&self, words: &[Word], look: &Look<'_>) -> Judgement {
        let shells = &self.rules.shells;
        let name = base_name(&words[0].text);
        let mut worst = Judgement::HARMLESS;
        if let Some(rule) = self.rules.refused(words) {
            return Judgement::new(Grade::Refused, &rule.sentence);
        }
        if let Some(rule) = self.rules.dangerous(words) {
            let grade = if rule.grave { Grade::Grave } else { Grade::Dangerous };
            worst = Judgement::new(grade, &rule.sentence);
        }
        let is_shell = shells.names.contain(name);
        if is_shell || shells.evaluators.contain(name) {
            let consequence = if is_shell { &shells.consequence } else { &shells.evaluators_consequence };
            worst = worst.or_worse(Judgement::new(Grade::Dangerous, consequence));
            worst = self.inner(worst, inner_lines(words, is_shell), look);
        }
        worst
    }

    /// The worst of what is known and of lines that are to be run.
    fn inner(&self, mut worst: Judgement, lines: Vec<String>, look: &Look<'_>) -> Judgement {
        for line in lines {
            if !look.spend(line.len()) {
                break;
            }
            let inner = look.deeper(&self.rules.sentences.compound, || self.line(&line, look));
            // What the inner line does is worth more words than that it is one.
            if inner.grade >= Grade::Dangerous && inner.grade >= worst.grade {
                worst = inner;
            }
        }
        worst
    }

    /// What is refused in the directory that a line has gone to.
    fn within(&self, directory: Option<&str>, command: &Simple, look: &Look<'_>) -> Judgement {
        let Some(directory) = directory else { return Judgement::HARMLESS };
        if !look.spend((directory.len() + 1) * command.words.len()) {
            return Judgement::HARMLESS;
        }
        let there = |(at, word): (usize, &Word)| {
            let is_path = at > 0 && !word.text.is_empty() && !word.text.starts_with(['/', '~', '-']);
            let mut word = word.clone();
            if is_path {
                word.text.insert_str(0, &format!("{directory}/"));
            }
            word
        };
        let words: Vec<Word> = command.words.iter().enumerate().map(there).collect();
        // The name of a program may stand behind others.
        let refused = (0..words.len().min(MOST_WRAPPED))
            .take_while(|start| look.spend(8 * (words.len() - start)))
            .find_map(|start| {
                let name = base_name(&command.words[start].text);
                self.rules.refused_there(&[&[Word::plain(name)], &words[start + 1..]].concat())
            });
        refused.map_or(Judgement::HARMLESS, |rule| Judgement::new(Grade::Refused, &rule.sentence))
    }

    /// A command that runs another: where that one begins depends on options, so every place is tried.
    fn wrapped(&self, wrapper: &Wrapper, words: &[Word], look: &Look<'_>) -> Judgement {
        if wrapper.transparent && self.rules.harmless(&words[1..]) == Harmless::Yes {
            return Judgement::HARMLESS;
        }
        let own = match self.rules.dangerous(words) {
            Some(rule) => Judgement::new(Grade::Touches, &rule.sentence),
            None => Judgement::new(Grade::Touches, &wrapper.consequence),
        };
        let inner = (1..words.len().min(MOST_WRAPPED))
            .take_while(|start| look.spend(8 * (words.len() - start)))
            .map(|start| self.danger(&words[start..], look))
            .fold(Judgement::HARMLESS, Judgement::or_worse);
        let texts = words[1..].iter().filter(|word| wrapper.takes_lines && word.text.contains(' '));
        let lines = texts.take(MOST_LINES).map(|word| line_in(&word.text).to_owned()).collect();
        self.inner(own.or_worse(inner), lines, look)
    }

    /// Whether the user's settings allow this line: one command that begins with the allowed words,
    /// with nothing joined to it. What is grave must be named in the setting.
    fn is_allowed_by_user(&self, script: &Script, shell: &ShellNames) -> bool {
        let [command] = script.commands.as_slice() else { return false };
        if !script.puzzles.is_empty() || !is_plain(command) || command.words.len() > MOST_WRAPPED {
            return false;
        }
        // Behind `sudo` and the like too.
        let judged = |words: &[Word]| self.words(words, &Look::new(shell));
        self.allowed.iter().any(|allowed| {
            let begins = command.words.len() >= allowed.len()
                && command.words.iter().zip(allowed).all(|(word, allowed)| word.text == allowed.text);
            begins && {
                let whole = judged(&command.words);
                whole.grade < Grade::Grave || whole == judged(allowed)
            }
        })
    }
}

/// Nothing but words that are known now.
pub(super) fn is_plain(command: &Simple) -> bool {
    command.assignments.is_empty()
        && command.redirects.is_empty()
        && command.fed_words.is_empty()
        && !command.background
        && !command.words.is_empty()
        && command.words.iter().all(|word| !word.dynamic && word.variables.is_empty())
}

/// Where a line is after this command, if that is known.
fn gone_to(from: Option<String>, command: &Simple) -> Option<String> {
    let [name, rest @ ..] = command.words.as_slice() else { return from };
    if !matches!(name.text.as_str(), "cd" | "pushd") {
        return from;
    }
    let to = rest.iter().rfind(|word| word.text == "-" || !word.text.starts_with('-'));
    let known = |word: &Word| !word.dynamic && word.text != "-" && word.text.len() <= LONGEST_DIRECTORY;
    match to {
        None => Some("~".into()),
        Some(to) if !known(to) => None,
        Some(to) if to.text.starts_with(['/', '~']) => Some(to.text.clone()),
        Some(to) => Some(format!("{}/{}", from?, to.text)).filter(|path| path.len() <= LONGEST_DIRECTORY),
    }
}

/// The line in a word: `--command=line`, `-Sline`.
fn line_in(word: &str) -> &str {
    match word.split_once('=') {
        Some((option, line)) if option.starts_with("--") => line,
        _ => word.strip_prefix("-S").or_else(|| word.strip_prefix("-c")).unwrap_or(word),
    }
}

/// The lines that a shell or an evaluator is given as text.
fn inner_lines(words: &[Word], is_shell: bool) -> Vec<String> {
    if is_shell {
        let takes_line = |word: &Word| {
            word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('c')
        };
        let Some(option) = words.iter().position(takes_line) else { return Vec::new() };
        return words.iter().skip(option + 1).take(3).map(|word| word.text.clone()).collect();
    }
    let texts = |words: &[Word]| words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    // `ssh host command`: the line may begin behind options and the host.
    (1..words.len().min(6)).map(|start| texts(&words[start..])).collect()
}

/// A command by its name and, if that is a word, what it is told to do.
fn shortened(words: &[Word]) -> String {
    match words {
        [name, first, ..]
            if first.text.chars().all(|c| c.is_ascii_alphabetic()) && !first.text.is_empty() =>
        {
            format!("{} {}", name.text, first.text)
        }
        [name, ..] => name.text.clone(),
        [] => String::new(),
    }
}
