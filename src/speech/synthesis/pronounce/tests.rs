use super::*;

/// What is written, an arrow, and how it is said.
const SPOKEN: &str = include_str!("../../../../tests/data/spoken.txt");

#[test]
fn what_is_written_is_said_as_people_say_it() {
    let pronouncer = Pronouncer::new(&BTreeMap::new());
    let cases: Vec<(&str, &str)> = SPOKEN
        .lines()
        .filter(|line| !line.starts_with("# ") && !line.trim().is_empty())
        .map(|line| line.split_once(" ⇒").unwrap_or_else(|| panic!("no arrow: {line}")))
        .map(|(written, said)| (written.trim_end(), said.trim()))
        .collect();
    let wrong: Vec<String> = cases
        .iter()
        .map(|(written, said)| (written, said, pronouncer.say(written)))
        .filter(|(_, said, is)| *said != is)
        .map(|(written, said, is)| format!("{written}\n    should be: {said}\n    but is:    {is}"))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 150, "{}", cases.len());
}

#[test]
fn the_users_own_words_win() {
    let own = BTreeMap::from([
        ("TMUX".to_owned(), "tea mucks".to_owned()),
        ("src/main.rs".to_owned(), "main".to_owned()),
    ]);
    let pronouncer = Pronouncer::new(&own);
    assert_eq!(pronouncer.say("tmux, sudo in src/main.rs"), "tea mucks, soo doo in main");
    assert_eq!(pronouncer.say("~/.tmux.conf"), "tilde slash dot tea mucks dot conf");
}

#[test]
fn no_text_whatever_breaks_it() {
    let pronouncer = Pronouncer::new(&BTreeMap::new());
    let pieces = [
        "",
        "-",
        "--",
        "---",
        "/",
        ".",
        "..",
        "…",
        "\u{202e}abc",
        "1..2",
        "ß—ü",
        "💥",
        ":::",
        "'",
        "-1.5",
        "1.2.3.4",
        "<",
        "<>",
        "<a>",
        "::",
        "a::",
        "0x",
        "1:",
        ":1",
        "$",
        "€",
        "T",
        "2026-13-45",
        "99:99",
        "1/",
        "/1",
        "#",
        "v",
        "-é",
        "ªb",
        "1é",
        "http://",
        "://",
        "a@b",
        "12ms/",
        "µ",
        "1µ",
        "%%",
        "\"\"",
    ];
    for one in pieces {
        for two in pieces {
            for text in [format!("{one}{two}"), format!("{one} {two}")] {
                let said = pronouncer.say(&text);
                assert!(!said.contains("  ") && said.trim() == said, "{text:?}: {said:?}");
            }
        }
    }
}
