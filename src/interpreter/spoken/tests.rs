use super::super::grammar::Grammar;

fn command(said: &str) -> String {
    Grammar::compile("test", include_str!("../../../config/grammar.toml")).unwrap().spoken.command(said)
}

#[test]
fn what_is_said_is_written_as_one_would_type_it() {
    for (said, written) in [
        ("LS.", "ls"),
        ("Tail dash F var slash log dot txt.", "tail -f var/log.txt"),
        ("cat dot env", "cat .env"),
        ("ls dash l slash etc", "ls -l /etc"),
        ("ls tilde", "ls ~"),
        ("find dot dash name star dot py", "find . -name *.py"),
        ("make pipe tee build dot log", "make | tee build.log"),
        ("ls pipe said s slash a slash b slash", "ls | sed s/a/b/"),
        ("echo dollar home", "echo $home"),
        ("echo dollar uppercase home", "echo $HOME"),
        ("git log dash dash oneline dash five", "git log --oneline -5"),
        ("echo hello comma world", "echo hello, world"),
        ("cp a dot txt space b dot txt", "cp a.txt b.txt"),
        ("get checkout dash b feature hyphen one", "git checkout -b feature-one"),
        ("cargo test dash dash dash dash lib", "cargo test ----lib"),
        ("cargo test dash dash space dash dash nocapture", "cargo test -- --nocapture"),
        ("echo open brace a comma b close brace", "echo {a, b}"),
        ("echo backtick who am i backtick", "echo `who am i`"),
        ("python dash m http dot server", "python -m http.server"),
        ("echo spell air bat cap", "echo abc"),
        ("echo number five one", "echo 51"),
        ("echo five one", "echo 51"),
        ("head dash n 5 number oh five", "head -n 5 05"),
        ("mkdir oh five", "mkdir 05"),
        ("touch day oh five dot txt", "touch day 05.txt"),
        ("seq one space five", "seq one five"),
        ("echo oh one more thing", "echo oh one more thing"),
        ("echo one more", "echo one more"),
        ("seq 5 1", "seq 5 1"),
        ("kill dash nine five one two", "kill -9 512"),
        ("kill dash one five five one two", "kill -15 512"),
        ("kill dash nine", "kill -9"),
        ("sudo kill dash nine twelve", "sudo kill -9 12"),
        ("head dash nine five file", "head -95 file"),
        ("git log dash dash one line", "git log --oneline"),
        ("git commit dash dash no verify dash m wip", "git commit --no-verify -m wip"),
        ("echo question mark", "echo ?"),
        ("echo caret", "echo ^"),
        ("echo percent", "echo %"),
        ("echo at sign", "echo @"),
        ("echo comma", "echo ,"),
        ("echo what question mark", "echo what?"),
        ("git show head caret", "git show head^"),
        ("ssh me at sign host", "ssh me@host"),
        ("apt hyphen get update", "apt-get update"),
        ("cd literal dot", "cd dot"),
        ("echo capital hello", "echo Hello"),
        ("echo uppercase a b", "echo AB"),
        ("get", "git"),
        ("", ""),
    ] {
        assert_eq!(command(said), written, "{said}");
    }
}

#[test]
fn a_long_line_is_written_in_a_moment() {
    let said = "dash dot word ".repeat(5_000);
    assert!(command(&said).starts_with("- .word"), "{}", &command(&said)[..20]);
}
