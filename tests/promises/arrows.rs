//! The arrows between the modules point one way, as ARCHITECTURE.md draws them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Each module of `src`, and the modules it may name. Whoever isn't listed may name nobody.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &[]),
    ("lib", &[]),
    ("domain", &[]),
    ("breaker", &[]),
    ("onnx", &[]),
    ("memory", &[]),
    ("process", &[]),
    ("shutdown", &[]),
    ("http", &[]),
    ("redact", &[]),
    ("reading", &["domain", "redact"]),
    ("config", &["breaker"]),
    ("cloud", &["domain", "breaker", "config", "http"]),
    ("audio", &["domain", "breaker", "config", "onnx"]),
    ("speech", &["domain", "breaker", "config", "onnx", "process", "http", "redact", "cloud"]),
    ("cache", &["domain", "breaker", "config"]),
    ("ai", &["domain", "breaker", "config", "redact", "cloud"]),
    ("interpreter", &["domain", "config", "redact"]),
    ("terminal", &["domain", "breaker", "config", "process"]),
    ("store", &["domain", "breaker", "redact"]),
    ("conversation", &["domain", "redact"]),
    ("console", &["domain", "redact"]),
    ("simulation", &["breaker", "config"]),
    ("server", &["domain", "breaker", "config", "conversation", "redact"]),
    // These two compose and steer: see below for what they may not do.
    ("app", EVERYBODY),
];

const EVERYBODY: &[&str] = &[
    "domain",
    "breaker",
    "onnx",
    "memory",
    "process",
    "shutdown",
    "http",
    "redact",
    "reading",
    "config",
    "cloud",
    "audio",
    "speech",
    "cache",
    "ai",
    "interpreter",
    "terminal",
    "store",
    "conversation",
    "console",
    "server",
    "cli",
    "app",
    "simulation",
];

/// The modules that the product's code of one file names: its tests and comments don't count.
fn named(code: &str) -> BTreeSet<String> {
    let product = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = product.lines().map(|line| line.split("//").next().unwrap_or_default());
    let mut named = BTreeSet::new();
    for line in lines {
        // A name that a path is about, not one that merely ends so (`this_crate::`).
        for (at, _) in line.match_indices("crate::") {
            let before = line[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &line[at + "crate::".len()..];
            assert!(!rest.starts_with('{'), "one `use` a module keeps this readable: {line}");
            named.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    named
}

/// Every module of `src`, and whom it names, with the file that does.
fn modules() -> BTreeMap<String, BTreeMap<String, String>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut todo = vec![source.clone()];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let below = path.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
        let is_test = below.ends_with("/tests.rs") || below.contains("/tests/");
        if path.extension().is_none_or(|extension| extension != "rs") || is_test {
            continue;
        }
        let module = below.split(['/', '.']).next().unwrap().to_owned();
        let whom = modules.entry(module.clone()).or_default();
        for name in named(&fs::read_to_string(&path).unwrap()) {
            if name != module {
                whom.insert(name, below.clone());
            }
        }
    }
    modules
}

#[test]
fn no_module_names_another_that_it_should_not_know() {
    let modules = modules();
    assert!(modules.len() >= ARROWS.len(), "the modules were found: {:?}", modules.keys());
    for (module, named) in &modules {
        let allowed = match module.as_str() {
            // Everything that can be done from a shell; it goes through `app` to whatever holds a client.
            "cli" => EVERYBODY,
            module => ARROWS.iter().find(|(name, _)| *name == module).map_or(&[][..], |(_, allowed)| allowed),
        };
        for (name, file) in named {
            assert!(allowed.contains(&name.as_str()), "src/{file}: `{module}` must not know `{name}`");
        }
    }
}

#[test]
fn what_a_command_does_to_a_dependency_it_does_through_the_composition() {
    for name in ["store", "terminal", "interpreter"] {
        let file = modules()["cli"].get(name).cloned();
        assert_eq!(file, None, "only `app` builds and joins `{name}`");
    }
}

#[test]
fn a_name_in_a_comment_or_a_test_is_no_arrow() {
    let code = "use crate::domain::Pcm;\n// crate::store\nlet x = my_crate::audio::y;\n\n#[cfg(test)]\nmod tests {\n    \
                use crate::speech::Z;\n}\n";
    assert_eq!(named(code).into_iter().collect::<Vec<_>>(), ["domain"]);
}
