//! An endpoint as it is configured: `LANGUAGE ADDRESS MODEL [KEY]`.

use std::path::Path;
use std::str::FromStr;

use crate::breaker::Unready;
use crate::cloud::{Authorisation, Key, Server, Service, is_local};
use crate::domain::Intent;

use super::dialect::{Anthropic, OpenAi};
use super::prompt::Shown;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    OpenAi,
    Anthropic,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    language: Language,
    address: String,
    model: String,
    /// What its key is called; none is sent without.
    key: Option<String>,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (language, address, model, key) = match words[..] {
            [language, address, model] => (language, address, model, None),
            [language, address, model, key] => (language, address, model, Some(key)),
            _ => return Err(format!("ai.endpoints: \"{text}\" is not LANGUAGE ADDRESS MODEL [KEY]")),
        };
        let (language, home) = match language {
            "openai" => (Language::OpenAi, "https://api.openai.com"),
            "anthropic" => (Language::Anthropic, "https://api.anthropic.com"),
            _ => return Err(format!("ai.endpoints: \"{language}\" is neither openai nor anthropic")),
        };
        if key.is_some_and(|key| !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')) {
            return Err("ai.endpoints: a key is named by a word".into());
        }
        // Only the company itself gets its key unasked.
        let own = (address.trim_end_matches('/') == home).then_some(words[0]);
        Ok(Self {
            language,
            address: address.into(),
            model: model.into(),
            key: key.or(own).map(str::to_owned),
        })
    }
}

impl Endpoint {
    /// Whether it is on this machine.
    pub(super) fn is_own(&self) -> bool {
        is_local(&self.address)
    }

    /// As people call it.
    pub(super) fn who(&self) -> &'static str {
        match (self.language, self.address.trim_end_matches('/')) {
            _ if self.is_own() => "your own AI",
            (Language::OpenAi, "https://api.openai.com") => "OpenAI",
            (Language::Anthropic, "https://api.anthropic.com") => "Anthropic",
            _ => "the AI service",
        }
    }

    pub(super) fn service(&self) -> Box<dyn Service<Shown, Intent>> {
        let model = self.model.clone();
        match self.language {
            Language::OpenAi => Box::new(OpenAi { model }),
            Language::Anthropic => Box::new(Anthropic { model }),
        }
    }

    pub(super) fn server(&self, keys: &Path) -> Result<Server, Unready> {
        let shown = match self.language {
            Language::OpenAi => Authorisation::Bearer,
            Language::Anthropic => Authorisation::Header("x-api-key"),
        };
        let (key, place) = match &self.key {
            None => (None, "a file that ai.endpoints names after the model".into()),
            Some(name) => {
                let variable = format!("{}_API_KEY", name.to_uppercase().replace('-', "_"));
                let place = format!("{variable} or the file keys/{name} beside your configuration");
                (Key::find(&variable, keys, name).map_err(Unready)?, place)
            }
        };
        Server::new(self.who(), "ai.endpoints: the address", &self.address, key, (place, shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_three_words_or_four() {
        let own: Endpoint = "openai http://127.0.0.1:11434 llama3.2".parse().unwrap();
        assert_eq!((own.is_own(), own.who(), &own.key), (true, "your own AI", &None));
        let official: Endpoint = "anthropic https://api.anthropic.com some-model".parse().unwrap();
        assert_eq!((official.who(), official.key.as_deref()), ("Anthropic", Some("anthropic")));
        let other: Endpoint = "openai https://llm.example x mine".parse().unwrap();
        assert_eq!((other.who(), other.key.as_deref()), ("the AI service", Some("mine")));
        // A stranger doesn't get a company's key.
        assert_eq!("openai https://api.openai.com.example x".parse::<Endpoint>().unwrap().key, None);
        for wrong in ["", "openai", "gemini https://x y", "openai https://x y ../z", "openai a b c d"] {
            wrong.parse::<Endpoint>().unwrap_err();
        }
    }
}
