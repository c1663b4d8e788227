//! What is played: calls, tiers, and the weather that each tier's dependency has.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::{optional, required};
use serde::Deserialize;

use crate::breaker::Settings;
use crate::config::BreakerOverride;

/// The scenarios that come with the program, by name: one for each way in which a dependency of ours
/// is known to fail.
pub const SHIPPED: [(&str, &str); 7] = [
    ("whisper-outage", include_str!("../../config/scenarios/whisper-outage.toml")),
    ("speech-brown-out", include_str!("../../config/scenarios/speech-brown-out.toml")),
    ("cloud-overload", include_str!("../../config/scenarios/cloud-overload.toml")),
    ("primary-hangs", include_str!("../../config/scenarios/primary-hangs.toml")),
    ("redis-flapping", include_str!("../../config/scenarios/redis-flapping.toml")),
    ("ai-slow-recovery", include_str!("../../config/scenarios/ai-slow-recovery.toml")),
    ("background-errors", include_str!("../../config/scenarios/background-errors.toml")),
];

/// A scenario.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One sentence: what happens.
    pub about: String,
    /// How long it lasts.
    #[serde(with = "required")]
    pub duration: Duration,
    /// What chance begins with.
    #[serde(default = "one")]
    pub seed: u64,
    /// Calls a second.
    pub rate: f64,
    /// How calls come.
    #[serde(default)]
    pub arrival: Arrival,
    /// How long a call may take, over all tiers.
    #[serde(with = "required")]
    pub deadline: Duration,
    /// What works when no tier does.
    pub end: String,
    /// The tiers, in order.
    #[serde(rename = "tier")]
    pub tiers: Vec<Tier>,
}

/// How calls come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// Independently of each other.
    #[default]
    Poisson,
    /// At even intervals.
    Steady,
}

/// One tier, and how its dependency fares.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its breaker's name.
    pub name: String,
    /// The median time of an answer in fair weather.
    #[serde(with = "required")]
    pub latency: Duration,
    /// Its breaker's settings, over the defaults.
    #[serde(default)]
    pub breaker: BreakerOverride,
    /// Spells of weather that is not fair.
    #[serde(default)]
    pub weather: Vec<Weather>,
}

/// A spell of weather.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weather {
    /// When it begins.
    #[serde(with = "required")]
    pub from: Duration,
    /// When it is over.
    #[serde(with = "required")]
    pub to: Duration,
    /// What it is.
    pub what: Kind,
}

/// Kinds of weather.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// Every call is refused at once.
    Refused,
    /// No call is ever answered.
    Hang,
    /// A share of the calls fails.
    Errors {
        /// 0.0 ‥ 1.0
        rate: f64,
    },
    /// Answers come, but late.
    Slow {
        /// Their median time.
        #[serde(with = "required")]
        latency: Duration,
    },
    /// Up and down in turn.
    Flapping {
        /// Of one up and one down together.
        #[serde(with = "required")]
        period: Duration,
        /// The share of it that is down, 0.0 ‥ 1.0.
        down: f64,
    },
    /// It comes back by and by: the share of calls that fail falls evenly to none.
    Recovery {
        /// At the beginning, 0.0 ‥ 1.0.
        rate: f64,
    },
    /// Calls beyond what it can do at the same time are turned away.
    Overload {
        /// So many at the same time.
        capacity: u32,
        /// What it asks those turned away to wait.
        #[serde(with = "optional", default)]
        retry_after: Option<Duration>,
    },
}

/// A scenario that can't be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// It is not the TOML that it should be.
    #[error("line {line}: {what}")]
    Syntax {
        /// From 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A value can't be meant.
    #[error("{0}")]
    Value(String),
}

fn one() -> u64 {
    1
}

impl Tier {
    /// The settings of its breaker.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        self.breaker.apply(&mut settings);
        settings
    }

    /// The weather at a moment; `None` is fair.
    pub(super) fn at(&self, now: Duration) -> Option<&Weather> {
        self.weather.iter().find(|spell| spell.from <= now && now < spell.to)
    }
}

impl Scenario {
    /// Reads and checks one.
    ///
    /// # Errors
    /// [`ScenarioError`], for the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| {
            let line =
                error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            ScenarioError::Syntax { line, what: error.message().trim().to_owned() }
        })?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), ScenarioError> {
        /// More would only take memory: the figures don't get better.
        const MOST_CALLS: f64 = 2_000_000.0;

        let calls = self.rate * self.duration.as_secs_f64();
        let rules = [
            (self.rate > 0.0 && self.rate.is_finite(), "rate must be more than 0"),
            (!self.duration.is_zero(), "duration must be longer than 0s"),
            (calls <= MOST_CALLS, "rate times duration must be at most two million calls"),
            (!self.deadline.is_zero(), "deadline must be longer than 0s"),
            (!self.tiers.is_empty(), "there must be a [[tier]]"),
        ];
        if let Some((_, must)) = rules.into_iter().find(|(holds, _)| !holds) {
            return Err(ScenarioError::Value(must.to_owned()));
        }
        self.tiers.iter().try_for_each(Tier::check)
    }
}

impl Tier {
    fn check(&self) -> Result<(), ScenarioError> {
        let refuse = |what: String| Err(ScenarioError::Value(format!("tier {}: {what}", self.name)));
        if let Err(error) = self.settings().validate() {
            return refuse(error.to_string());
        }
        let share = |value: f64| (0.0..=1.0).contains(&value);
        for spell in &self.weather {
            if spell.from >= spell.to {
                return refuse("a spell must begin before it ends".into());
            }
            let fits = match spell.what {
                Kind::Errors { rate } | Kind::Recovery { rate } => share(rate),
                Kind::Flapping { period, down } => share(down) && !period.is_zero(),
                Kind::Refused | Kind::Hang | Kind::Slow { .. } | Kind::Overload { .. } => true,
            };
            if !fits {
                return refuse("rates and shares are from 0.0 to 1.0, and a period is longer than 0s".into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_can_be_read() {
        for (name, text) in SHIPPED {
            Scenario::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let good = SHIPPED[0].1;
        let error = Scenario::parse(&good.replace("latency", "latencie")).unwrap_err();
        assert!(matches!(&error, ScenarioError::Syntax { what, .. } if what.contains("latencie")), "{error}");
        let error = Scenario::parse(&good.replace("rate = ", "rate = -")).unwrap_err();
        assert_eq!(error, ScenarioError::Value("rate must be more than 0".into()));
        assert!(Scenario::parse("").is_err());
    }
}
