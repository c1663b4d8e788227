use super::*;
use crate::interpreter::normalise::Words;

const SMALL: &str = r#"
fillers = ["please"]
[[lists.way]]
say = "(left|port)"
value = "left"
[[phrase]]
say = "go left"
meaning = { intent = "select_pane", pane = { toward = "{way}" } }
templates = ["go [to the] {way}"]
[[phrase]]
say = "go build"
meaning = { intent = "switch_session", name = "{name}" }
templates = ["go [to] {name}"]
"#;

fn fault(phrase: &str) -> String {
    Grammar::compile("mine.toml", &format!("{SMALL}{phrase}")).unwrap_err().to_string()
}

#[test]
fn a_word_wins_over_a_slot_and_a_list_over_a_name() {
    let grammar = Grammar::compile("small", SMALL).unwrap();
    let say = |text: &str| {
        let words = Words::new(text, false, &grammar.noise);
        grammar.find(&words, Moment::default()).and_then(|found| found.phrase.say.clone())
    };
    assert_eq!(say("go to the left").as_deref(), Some("go left"));
    assert_eq!(say("go port, please").as_deref(), Some("go left"));
    assert_eq!(say("go to port royal").as_deref(), Some("go build"));
    assert_eq!(say("go"), None);
    assert_eq!(say("we go left"), None);
}

#[test]
fn a_bad_grammar_is_told_its_line_and_what_is_wrong() {
    let phrase = |meaning: &str, template: &str| {
        fault(&format!("[[phrase]]\nmeaning = {meaning}\ntemplates = [\"{template}\"]\n"))
    };
    for (error, part) in [
        (
            phrase("{ intent = \"zoom_pane\" }", "zoom (in"),
            "line 16: in the template \"zoom (in\": `(` is not",
        ),
        (phrase("{ intent = \"zoom\" }", "zoom"), "means nothing: unknown variant `zoom`"),
        (phrase("{ intent = \"switch_session\" }", "leave"), "missing field `name`"),
        (phrase("{ intent = \"zoom_pane\" }", "zoom {way}"), "no use for {way}"),
        (phrase("{ intent = \"run\", command = \"{where}\" }", "do {where}"), "no kind or list `where`"),
        (
            phrase("{ intent = \"run\", command = \"{it}\" }", "do {it:command} now"),
            "nothing can follow {it}",
        ),
        (
            phrase("{ intent = \"select_pane\", pane = { toward = \"{way}\" } }", "go {way}"),
            "\"go {way}\" already means \"go left\"",
        ),
        (phrase("{ intent = \"zoom_pane\" }", "please zoom"), "filler"),
        (fault("[[phrase]]\nsay = 3\n"), "line 15: invalid type"),
        (fault("[[phrase]]\nmeanings = 3\n"), "unknown field"),
    ] {
        assert!(error.starts_with("mine.toml, line ") && error.contains(part), "{error}");
    }
}

#[test]
fn ten_thousand_phrases_cost_no_more_than_fifty() {
    use std::fmt::Write;
    let mut text = SMALL.to_owned();
    for number in 0..2_000 {
        let _ = writeln!(
            text,
            "[[phrase]]\nmeaning = {{ intent = \"zoom_pane\" }}\ntemplates = [\"phrase [a|b|c|d] x{number}\"]"
        );
    }
    let grammar = Grammar::compile("many", &text).unwrap();
    let words = Words::new("phrase d x1999", false, &grammar.noise);
    assert!(grammar.find(&words, Moment::default()).is_some());
    let root = &grammar.tree[0];
    assert_eq!(root.words.len(), 2, "one step chooses among all phrases");
}
