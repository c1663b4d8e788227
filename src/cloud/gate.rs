//! Whether something may be sent away now.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::CloudError;
use super::ledger::{self, Cost, Limits};
use crate::breaker::{Clock, Quota, Rate, Unready};
use crate::config;
use crate::domain::{Degradation, Privacy};

/// What is about to be sent where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The chain, such as `voice-stt`.
    pub chain: &'static str,
    /// The tier.
    pub tier: String,
    /// The service, as people call it.
    pub who: &'static str,
    /// What is sent away, such as "your audio"; empty if nothing leaves this machine.
    pub what: &'static str,
    /// What doesn't work, if this is not the first choice: "Local Whisper".
    pub instead_of: Option<String>,
    /// What to do in its place once it is withdrawn: "type instead".
    pub otherwise: &'static str,
}

/// Told before something is sent away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announcement {
    /// A cloud serves in place of something else.
    Instead(Degradation),
    /// A cloud serves because it is configured to be the first; told once a run, as long as it says the same.
    ByChoice(String),
}

impl Use {
    /// With the host, where the name of the service doesn't say who gets it.
    fn announcement(&self, host: Option<&str>) -> Announcement {
        let Self { who, what, otherwise, .. } = self;
        let who = host.map_or_else(|| (*who).to_owned(), |host| format!("{who} at {host}"));
        match &self.instead_of {
            Some(down) => {
                let using = match *what {
                    "" => format!("using {who}, on this machine"),
                    what => {
                        format!("using {who}, which sends {what} away. Say \"stay local\" to {otherwise}")
                    }
                };
                Announcement::Instead(Degradation {
                    chain: self.chain.to_owned(),
                    now: self.tier.clone(),
                    what: format!("{down} is down; {using}"),
                    remedy: "`voice-terminal doctor` tells why".into(),
                })
            }
            None => Announcement::ByChoice(format!(
                "Using {who}, as configured, which sends {what} away. Say \"stay local\" to {otherwise}."
            )),
        }
    }
}

/// Tells, and gives whether that was taken.
type Tell = Arc<dyn Fn(Announcement) -> bool + Send + Sync>;

/// The gate. Share it as `Arc<Gate>`.
pub struct Gate {
    settings: Mutex<Settings>,
    ledger: PathBuf,
    withdrawn: AtomicBool,
    tell: Mutex<Option<Tell>>,
    /// What was told once, by tier and in words: a tier that sends something else, or to somebody else, is told anew.
    told: Mutex<HashSet<(String, String)>>,
}

struct Settings {
    consent: bool,
    rate: u32,
    quota: Arc<Quota>,
    limits: Limits,
}

impl Settings {
    fn of(config: &config::Cloud) -> Self {
        let rate = Rate { calls: config.rate.max(1), period: Duration::from_mins(1) };
        let quota = Quota::new(Some(rate), None, Clock::default()).or_else(|error| {
            tracing::error!(%error, "a rate was refused");
            Quota::new(None, None, Clock::default())
        });
        let limits = Limits { sound: config.monthly_sound, dollars: config.monthly_cost };
        match quota {
            Ok(quota) => Self { consent: config.consent, rate: config.rate, quota: Arc::new(quota), limits },
            // No rate and no budget have nothing that could be refused.
            Err(error) => unreachable!("{error}"),
        }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let consent = self.settings.lock().consent;
        f.debug_struct("Gate").field("consent", &consent).finish_non_exhaustive()
    }
}

impl Gate {
    /// With the ledger in this file.
    pub fn new(config: &config::Cloud, ledger: PathBuf) -> Self {
        Self {
            settings: Mutex::new(Settings::of(config)),
            ledger,
            withdrawn: AtomicBool::new(false),
            tell: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// Takes up a changed configuration. What was withdrawn stays so; calls of this minute still count.
    pub fn configure(&self, config: &config::Cloud) {
        let mut settings = self.settings.lock();
        let mut new = Settings::of(config);
        if new.rate == settings.rate {
            new.quota = Arc::clone(&settings.quota);
        }
        *settings = new;
    }

    /// Whom to tell before something is sent; gives whether that was taken, without which nothing is sent. It must
    /// not wait.
    pub fn announce_to(&self, tell: impl Fn(Announcement) -> bool + Send + Sync + 'static) {
        *self.tell.lock() = Some(Arc::new(tell));
    }

    /// Whether something could be sent as far as the user's will goes.
    ///
    /// # Errors
    /// Why not.
    pub fn consents(&self) -> Result<(), Unready> {
        if !self.settings.lock().consent {
            return Err(Unready("clouds are not used without cloud.consent = true".into()));
        }
        if self.withdrawn.load(Ordering::SeqCst) {
            return Err(Unready("nothing is sent away any more, as you said".into()));
        }
        Ok(())
    }

    /// Whether something could be sent at this moment.
    ///
    /// # Errors
    /// Why not.
    pub fn look(&self) -> Result<(), Unready> {
        self.consents()?;
        Ok(self.quota().look()?)
    }

    fn quota(&self) -> Arc<Quota> {
        Arc::clone(&self.settings.lock().quota)
    }

    /// Passes the gate: what is to be sent is paid for and announced when this returns. The `host` is told where the
    /// name of the service doesn't say who gets it.
    ///
    /// # Errors
    /// [`CloudError::NotSent`]; nothing was announced then, be it that it could not be.
    pub async fn pass(&self, what: &Use, host: Option<&str>, cost: Cost) -> Result<(), CloudError> {
        let no = |what: String| CloudError::NotSent { what };
        self.consents().map_err(|unready| no(unready.to_string()))?;
        self.quota().take(1).map_err(|spent| no(spent.to_string()))?;
        let (path, limits) = (self.ledger.clone(), self.settings.lock().limits);
        let spent = tokio::task::spawn_blocking(move || ledger::spend(&path, cost, limits)).await;
        spent
            .map_err(|_| no("the program is going down".into()))?
            .map_err(|refusal| no(refusal.to_string()))?;
        // It may have been withdrawn while the disk was busy.
        self.consents().map_err(|unready| no(unready.to_string()))?;
        if self.announce(what, host) {
            return Ok(());
        }
        Err(no(format!("nothing was sent to {}: you could not be told of it before", what.who)))
    }

    /// Announces what stays on this machine after all: a server of the user's own, in place of something
    /// that is down.
    pub fn announce_own(&self, what: &Use) {
        if what.instead_of.is_some() && !self.announce(&Use { what: "", ..what.clone() }, None) {
            tracing::warn!(tier = what.tier, "that another server steps in could not be told");
        }
    }

    /// Whether it is told, or was before.
    fn announce(&self, what: &Use, host: Option<&str>) -> bool {
        let mut told = self.told.lock();
        let announcement = what.announcement(host);
        let once = match &announcement {
            Announcement::ByChoice(text) => Some((what.tier.clone(), text.clone())),
            Announcement::Instead(_) => None,
        };
        if once.as_ref().is_some_and(|it| told.contains(it)) {
            return true;
        }
        let tell = self.tell.lock().clone();
        let is_taken = tell.is_some_and(|tell| tell(announcement));
        told.extend(once.filter(|_| is_taken));
        is_taken
    }
}

impl Privacy for Gate {
    fn stay_local(&self) -> bool {
        let was_withdrawn = self.withdrawn.swap(true, Ordering::SeqCst);
        !was_withdrawn && self.settings.lock().consent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::{Class, Classify};

    fn using(instead_of: Option<&str>) -> Use {
        Use {
            chain: "voice-stt",
            tier: "cloud-google-stt".into(),
            who: "Google",
            what: "your audio",
            instead_of: instead_of.map(str::to_owned),
            otherwise: "type instead",
        }
    }

    fn gate(config: &config::Cloud) -> (tempfile::TempDir, Gate, Arc<Mutex<Vec<Announcement>>>) {
        let directory = tempfile::tempdir().unwrap();
        let gate = Gate::new(config, directory.path().join("cloud.json"));
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        gate.announce_to(move |announcement| {
            tell.lock().push(announcement);
            true
        });
        (directory, gate, told)
    }

    #[tokio::test]
    async fn without_consent_nothing_passes_and_nothing_is_spent() {
        let (directory, gate, told) = gate(&config::Cloud::default());
        assert!(gate.look().is_err());
        gate.pass(&using(None), None, Cost::default()).await.unwrap_err();
        assert!(told.lock().is_empty() && !directory.path().join("cloud.json").exists());
        gate.configure(&config::Cloud { consent: true, ..config::Cloud::default() });
        gate.pass(&using(None), None, Cost::default()).await.unwrap();
        assert!(gate.stay_local());
        gate.configure(&config::Cloud { consent: true, ..config::Cloud::default() });
        assert!(gate.look().is_err() && gate.pass(&using(None), None, Cost::default()).await.is_err());
        assert!(!gate.stay_local());
    }

    #[tokio::test]
    async fn its_use_is_announced_before() {
        let (_directory, gate, told) = gate(&config::Cloud { consent: true, ..config::Cloud::default() });
        for _ in 0..2 {
            gate.pass(&using(None), None, Cost::default()).await.unwrap();
        }
        assert_eq!(told.lock().len(), 1);
        gate.pass(&using(Some("Local Whisper")), None, Cost::default()).await.unwrap();
        let Announcement::Instead(news) = told.lock()[1].clone() else { panic!("{told:?}") };
        let expected = "Local Whisper is down; using Google, which sends your audio away. \
                        Say \"stay local\" to type instead";
        assert_eq!((news.what.as_str(), news.now.as_str()), (expected, "cloud-google-stt"));
    }

    #[tokio::test]
    async fn another_use_of_the_same_tier_is_announced_again() {
        let config = config::Cloud { consent: true, ..config::Cloud::default() };
        let (_directory, gate, told) = gate(&config);
        let more = Use { what: "your audio and the screen", ..using(None) };
        let elsewhere = Use { who: "the speech service", ..using(None) };
        for (it, host, many) in [
            (using(None), None, 1),
            (more.clone(), None, 2),
            (elsewhere.clone(), Some("one.example"), 3),
            (elsewhere, Some("two.example"), 4),
            (using(None), None, 4),
            (more, None, 4),
        ] {
            gate.pass(&it, host, Cost::default()).await.unwrap();
            gate.configure(&config);
            assert_eq!(told.lock().len(), many, "{told:?}");
        }
        let expected = "Using the speech service at two.example, as configured, which sends your audio away. \
                        Say \"stay local\" to type instead.";
        assert_eq!(told.lock()[3], Announcement::ByChoice(expected.into()));
    }

    #[test]
    fn a_server_of_ones_own_that_steps_in_is_announced_as_such() {
        let (_directory, gate, told) = gate(&config::Cloud::default());
        gate.announce_own(&Use { who: "your own speech server", ..using(Some("Local Whisper")) });
        let Announcement::Instead(news) = told.lock()[0].clone() else { panic!("{told:?}") };
        assert_eq!(news.what, "Local Whisper is down; using your own speech server, on this machine");
    }

    #[tokio::test]
    async fn what_can_not_be_announced_is_not_sent() {
        let config = config::Cloud { consent: true, ..config::Cloud::default() };
        let directory = tempfile::tempdir().unwrap();
        let gate = Gate::new(&config, directory.path().join("cloud.json"));
        let uses = [using(None), using(Some("Local Whisper"))];
        for it in &uses {
            let error = gate.pass(it, None, Cost::default()).await.unwrap_err();
            assert!(error.to_string().contains("could not be told"), "nobody is there: {error}");
            assert_eq!(error.class(), Class::Declined, "it says nothing of the service");
        }
        let takes = Arc::new(AtomicBool::new(false));
        let told = Arc::new(Mutex::new(0));
        let (taking, telling) = (Arc::clone(&takes), Arc::clone(&told));
        gate.announce_to(move |_| {
            *telling.lock() += 1;
            taking.load(Ordering::SeqCst)
        });
        for it in &uses {
            gate.pass(it, None, Cost::default()).await.unwrap_err();
        }
        takes.store(true, Ordering::SeqCst);
        for it in uses.iter().chain(&uses) {
            gate.pass(it, None, Cost::default()).await.unwrap();
        }
        assert_eq!(*told.lock(), 5, "what was not taken is told again");
    }

    #[tokio::test]
    async fn rate_and_budget_shut_it() {
        let config = config::Cloud { consent: true, rate: 2, ..config::Cloud::default() };
        let (_directory, gate, _) = gate(&config);
        for _ in 0..2 {
            gate.pass(&using(None), None, Cost::default()).await.unwrap();
        }
        assert!(gate.look().unwrap_err().to_string().contains("too often"));
        gate.configure(&config::Cloud { rate: 60, monthly_cost: 0.01, ..config });
        let cost = Cost { microdollars: 10_001, ..Cost::default() };
        let error = gate.pass(&using(None), None, cost).await.unwrap_err();
        assert!(error.to_string().contains("cloud.monthly_cost"), "{error}");
    }
}
