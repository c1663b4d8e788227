use super::*;

fn panes(nonce: &str) -> Panes {
    let mut panes = Panes::new(1 << 16);
    panes.trust(nonce);
    panes
}

const PROMPT: &[u8] = b"\x1b]133;A;n1\x07ann$ \x1b]133;B;n1\x07";

#[test]
fn a_command_is_followed_from_prompt_to_end() {
    let mut panes = panes("n1");
    panes.printed("%1", PROMPT);
    assert_eq!((panes.phase("%1"), panes.prompt("%1")), (Phase::Input, Some("ann$ ")));
    let then = panes.moment("%1", false);
    panes.printed("%1", b"make\r\n\x1b[?2004l\r\x1b]133;C;n1\x07");
    assert_eq!(panes.since("%1", then), Since::Started);
    panes.printed("%1", b"\x1b[32mok\x1b[0m\r\n\x1b]133;D;3;n");
    assert_eq!(panes.output("%1").as_deref(), Some("ok\n"));
    panes.printed("%1", b"1\x07");
    let ended = Ended { status: 3, output: "ok\n".into() };
    assert_eq!(panes.since("%1", then), Since::Ended(ended));
    panes.printed("%1", PROMPT);
    assert_eq!(panes.output("%1").as_deref(), Some("ok\n"));
}

#[test]
fn marks_in_output_are_no_marks() {
    let mut panes = panes("n1");
    panes.printed("%1", PROMPT);
    let then = panes.moment("%1", false);
    panes.printed("%1", b"cat x\r\n\x1b]133;C;n1\x07");
    panes.printed(
        "%1",
        b"\x1b]133;D;0\x07\x1b]133;D;0;n2\x07\x1b]133;D;0;\x07\x1b]133;D;0;xn1\x07all good\r\n",
    );
    assert_eq!(panes.since("%1", then), Since::Started);
}

#[test]
fn without_a_nonce_nothing_is_believed() {
    let mut panes = Panes::new(100);
    panes.trust("");
    panes.printed("%1", b"\x1b]133;C;\x07\x1b]133;D;0;\x07");
    assert_eq!(panes.phase("%1"), Phase::Unknown);
}

#[test]
fn a_line_that_never_ran_tells_why() {
    let mut panes = panes("n1");
    panes.printed("%1", PROMPT);
    let then = panes.moment("%1", false);
    panes.printed("%1", b"fi\r\nbash: syntax error\r\n\x1b]133;D;2;n1\x07");
    let ended = Ended { status: 2, output: "bash: syntax error\n".into() };
    assert_eq!(panes.since("%1", then), Since::NothingRan(ended));
}

#[test]
fn an_earlier_prompt_that_comes_late_ends_nothing() {
    let mut panes = panes("n1");
    panes.printed("%1", PROMPT);
    let then = panes.moment("%1", false);
    panes.printed("%1", b"^C\r\n\x1b]133;D;130;n1\x07");
    panes.printed("%1", PROMPT);
    panes.printed("%1", b"make\r\n\x1b]133;C;n1\x07");
    assert_eq!(panes.since("%1", then), Since::Started);
    panes.printed("%1", b"made\r\n\x1b]133;D;0;n1\x07");
    assert_eq!(panes.since("%1", then), Since::Ended(Ended { status: 0, output: "made\n".into() }));
}

#[test]
fn the_end_of_a_command_that_was_met_midway_is_seen() {
    let mut panes = panes("n1");
    let then = panes.moment("%1", true);
    panes.printed("%1", b"rest\r\n\x1b]133;D;1;n1\x07");
    assert_eq!(panes.since("%1", then), Since::Ended(Ended { status: 1, output: "rest\n".into() }));
}

#[test]
fn an_empty_line_does_not_hide_the_last_output() {
    let mut panes = panes("n1");
    panes.printed("%1", b"\x1b]133;C;n1\x07out\r\n\x1b]133;D;0;n1\x07");
    panes.printed("%1", PROMPT);
    panes.printed("%1", b"\r\n\x1b]133;D;0;n1\x07");
    assert_eq!(panes.output("%1").as_deref(), Some("out\n"));
}

#[test]
fn what_a_shell_prints_after_output_is_not_output() {
    let mut panes = panes("n1");
    panes.printed("%1", b"\x1b]133;C;n1\x07no end\x1b]133;E;n1\x07%      \r \r\x1b]133;D;0;n1\x07");
    assert_eq!(panes.output("%1").as_deref(), Some("no end"));
    panes.printed("%1", b"\x1b]133;B;n1\x07\x1b]133;C;n1\x07all\r\n\x1b]133;D;0;n1\x07");
    assert_eq!(panes.output("%1").as_deref(), Some("all\n"));
}

#[test]
fn the_line_that_is_typed_is_told() {
    let mut panes = panes("n1");
    panes.printed("%1", b"\x1b]133;A;n1\x07\x1b]133;L;0;0;;n1\x07");
    assert_eq!(panes.phase("%1"), Phase::Input);
    panes.printed("%1", b"\x1b]133;L;4;4;a;b ;n1\x07a;b suggested");
    assert!(panes.typed("%1").is_some_and(|typed| typed.is("a;b ")));
    panes.printed("%1", b"\r\n\x1b]133;C;n1\x07\x1b]133;L;1;1;x;n1\x07");
    assert_eq!((panes.phase("%1"), panes.typed("%1"), panes.times_typed("%1")), (Phase::Running, None, 3));
}

#[test]
fn an_unfinished_line_is_noticed() {
    let mut panes = panes("n1");
    panes.printed("%1", PROMPT);
    let then = panes.moment("%1", false);
    panes.printed("%1", b"echo '\r\n\x1b]133;P;n1\x07> ");
    assert_eq!((panes.since("%1", then), panes.phase("%1")), (Since::Unfinished, Phase::Continuation));
}

#[test]
fn output_without_a_newline_stays_before_the_prompt() {
    let mut panes = panes("n1");
    panes.printed("%1", b"\x1b]133;C;n1\x07a\r\nb\x1b]133;D;0;n1\x07");
    panes.printed("%1", PROMPT);
    assert_eq!(panes.prompt("%1"), Some("bann$ "));
    assert_eq!(panes.output("%1").as_deref(), Some("a\nb"));
}

#[test]
fn an_end_is_news_until_somebody_was_told() {
    let mut panes = panes("n1");
    panes.printed("%1", PROMPT);
    assert!(panes.story("%1").is_none() && !panes.has_news("%1"));
    panes.printed("%1", b"make all\r\n\x1b]133;C;n1\x07cc a.c\r\n");
    let story = panes.story("%1").unwrap();
    assert_eq!((story.command.as_deref(), story.running, story.status), (Some("make all"), true, None));
    assert_eq!((story.output.as_str(), panes.has_news("%1")), ("cc a.c\n", false));
    panes.printed("%1", b"\x1b]133;D;2;n1\x07");
    let story = panes.story("%1").unwrap();
    assert_eq!((story.running, story.status, story.is_news), (false, Some(2), true));
    panes.tell("%1");
    assert!(!panes.has_news("%1") && !panes.story("%1").unwrap().is_news);
    panes.printed("%1", PROMPT);
    panes.printed("%1", b"ls\r\n\x1b]133;C;n1\x07\x1b]133;D;0;n1\x07");
    assert!(panes.has_news("%1"));
}

#[test]
fn a_command_is_called_as_its_shell_told_it() {
    let mut panes = panes("n1");
    panes.printed("%1", PROMPT);
    panes.printed("%1", b"make a\x1b[90mll-of-it\x1b]133;L;6;6;make a;n1\x07\r\n\x1b]133;C;n1\x07");
    assert_eq!(panes.story("%1").unwrap().command.as_deref(), Some("make a"));
}

#[test]
fn after_a_gap_the_next_end_is_the_end() {
    let mut panes = panes("n1");
    panes.printed("%1", PROMPT);
    panes.printed("%1", b"\x1b]133;C;n1\x07old\r\n\x1b]133;D;0;n1\x07");
    panes.printed("%1", PROMPT);
    panes.printed("%1", b"\x1b]133;C;n1\x07flood\r\nflo\x1b[3");
    panes.skipped("%1");
    let then = panes.moment_after_gap("%1");
    assert_eq!((panes.gaps("%1"), panes.since("%1", then)), (1, Since::Nothing));
    panes.printed("%1", b"od\r\n\x1b]133;D;2;n1\x07");
    let ended = Ended { status: 2, output: "flood\nflo\n…\nod\n".into() };
    assert_eq!(panes.since("%1", then), Since::Ended(ended));
}

#[test]
fn panes_are_bounded() {
    let mut panes = panes("n1");
    for number in 0..500 {
        panes.printed(&format!("%{number}"), b"x");
    }
    assert_eq!(panes.by_id.len(), MOST_PANES);
}
