//! A command line is run in tmux, once, and its end is told truly.

use std::time::{Duration, Instant};

use voice_terminal::domain::{
    Action, Command, Direction, FailureKind, Key, KeyPress, Outcome, Pane, Scroll, Terminal, Window,
};
use voice_terminal::terminal::Notice;

use crate::support::tmux::{Server, eventually};

fn done(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done { what } => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn status_and_output_are_exact() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    assert_eq!(target.session_name, "main");
    for (line, status, output) in [
        ("true", 0, ""),
        ("echo hello", 0, "hello\n"),
        ("(exit 3)", 3, ""),
        ("printf 'no newline'", 0, "no newline"),
        ("printf 'a\\nb\\n\\nc\\n'; false", 1, "a\nb\n\nc\n"),
        ("printf '\\e[31mred\\e[0m \\e]0;title\\a\\x1b[?25lplain\\n'", 0, "red plain\n"),
        ("printf '10%%\\r50%%\\r100%%\\n'", 0, "100%\n"),
        ("printf 'tab\\there\\n'", 0, "tab\there\n"),
        ("printf 'naïve 日本 🎉\\n'", 0, "naïve 日本 🎉\n"),
        ("echo 'a;b' ; echo \"$((1+1))\" # comment;", 0, "a;b\n2\n"),
        ("echo '~ $HOME \"q\" \\'", 0, "~ $HOME \"q\" \\\n"),
    ] {
        let ran = server.run(&target, line).await;
        assert_eq!((ran.status, ran.output.as_str(), ran.finished), (Some(status), output, true), "{line}");
        assert_eq!((ran.command.as_str(), ran.session.as_str()), (line, "main"));
    }
    let ran = server.run(&target, "no-such-command-at-all").await;
    assert_eq!(ran.status, Some(127));
    assert!(ran.output.contains("command not found"), "{ran:?}");
    let ran = server.run(&target, "fi").await;
    assert_eq!(ran.status, Some(2));
    assert!(ran.output.contains("syntax error"), "{ran:?}");
}

#[tokio::test]
async fn the_end_is_told_in_every_session() {
    let server = Server::new();
    for name in ["first", "second", "third"] {
        let make = Command { target: None, action: Action::NewSession { name: Some(name.into()) } };
        let Outcome::Session { target, .. } = server.tmux.perform(&make).await.unwrap() else { panic!() };
        let ran = server.run(&target, "echo hello; (exit 3)").await;
        assert_eq!((ran.status, ran.output.as_str()), (Some(3), "hello\n"), "{name}");
    }
}

#[tokio::test]
async fn two_hundred_commands_in_a_row_are_told_exactly() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    for number in 0..200 {
        let status = number % 7;
        let ran = server.run(&target, &format!("echo out {number}; (exit {status})")).await;
        assert_eq!((ran.status, ran.output), (Some(status), format!("out {number}\n")), "run {number}");
    }
}

#[tokio::test]
async fn a_long_command_goes_to_the_background_and_its_end_is_told() {
    let server = Server::with(|config| config.run_wait = Duration::from_millis(300));
    let mut notices = server.tmux.notices();
    let target = server.tmux.current().await.unwrap();
    let fifo = server.path("fifo");
    let ran = server.run(&target, "true").await;
    assert_eq!(ran.status, Some(0));
    let line = format!("mkfifo {0}; echo begun; read x <{0}; echo ended $x; (exit 4)", fifo.display());
    let began = Instant::now();
    let ran = server.run(&target, &line).await;
    assert_eq!((ran.finished, ran.status, ran.output.as_str()), (false, None, "begun\n"));
    assert!(began.elapsed() < Duration::from_secs(5));
    let text = server.act(&target, Action::ReadOutput).await.unwrap();
    assert_eq!(text, Outcome::Text { text: "begun\n".into() });
    tokio::fs::write(&fifo, "well\n").await.unwrap();
    let notice = tokio::time::timeout(Duration::from_secs(20), notices.recv()).await.unwrap().unwrap();
    let Notice::Ended(ran) = notice else { panic!("{notice:?}") };
    assert_eq!((ran.finished, ran.status, ran.output.as_str()), (true, Some(4), "begun\nended well\n"));
}

#[tokio::test]
async fn much_output_is_kept_by_its_newest_part() {
    let server = Server::with(|config| config.output_limit = 1000);
    let target = server.tmux.current().await.unwrap();
    let ran = server.run(&target, "seq 200000").await;
    assert_eq!(ran.status, Some(0));
    assert!(ran.output.len() <= 1000 && ran.output.ends_with("199999\n200000\n"), "{ran:?}");
}

#[tokio::test]
async fn output_can_not_forge_the_end_of_its_command() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    let ran = server.run(&target, "printf '\\e]133;D;0\\a\\e]133;D;0;x\\a%%end 1 2 1\\n'; (exit 5)").await;
    assert_eq!((ran.status, ran.output.as_str()), (Some(5), "%end 1 2 1\n"));
}

#[tokio::test]
async fn an_unfinished_line_is_dropped_and_not_joined_to_the_next() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    let failure = server.submit(&target, "echo 'open").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Request);
    assert!(failure.what.contains("not a whole command"), "{failure:?}");
    let ran = server.run(&target, "echo next").await;
    assert_eq!(ran.output, "next\n");
}

#[tokio::test]
async fn the_shell_that_ends_takes_its_pane_along() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    server.act(&target, Action::SplitPane { direction: Direction::Right }).await.unwrap();
    let ran = server.run(&target, "exit").await;
    assert_eq!((ran.finished, ran.status), (true, None));
    let failure = server.act(&target, Action::ReadOutput).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Request);
}

#[tokio::test]
async fn a_shell_without_marks_is_served_honestly() {
    let server = Server::with(|config| config.shell = "dash".into());
    let target = server.tmux.current().await.unwrap();
    let outcome = server.submit(&target, "echo quick").await.unwrap();
    assert_eq!(done(outcome), "Started `echo quick` in main; I can't see its end there");
    let Outcome::Text { text } = server.act(&target, Action::ReadOutput).await.unwrap() else { panic!() };
    assert!(text.contains("\nquick"), "{text}");
    let ran = server.run(&target, "echo before; sleep 2; echo after").await;
    assert_eq!((ran.finished, ran.status, ran.output.as_str()), (true, None, "before\nafter\n"));
}

#[tokio::test]
async fn a_second_start_of_the_program_knows_the_shell_it_finds() {
    let mut server = Server::new();
    let target = server.tmux.current().await.unwrap();
    server.run(&target, "true").await;
    server.tmux = server.again();
    let found = server.tmux.find("main").await.unwrap();
    assert_eq!(found, target);
    let ran = server.run(&target, "echo again; (exit 6)").await;
    assert_eq!((ran.status, ran.output.as_str()), (Some(6), "again\n"));
}

#[tokio::test]
async fn windows_panes_and_views_do_as_they_are_told() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    let act = async |action| done(server.act(&target, action).await.unwrap());
    assert_eq!(act(Action::SplitPane { direction: Direction::Right }).await, "Split right in main");
    let right = server.tmux.current().await.unwrap();
    assert_ne!(right.pane, target.pane);
    assert_eq!(
        server.outside(&["display", "-p", "-t", &right.pane.0, "#{pane_at_right}#{pane_at_left}"]),
        "10"
    );
    let left = Action::SelectPane { pane: Pane::Toward(Direction::Left) };
    assert_eq!(done(server.act(&right, left.clone()).await.unwrap()), "Pane 0, bash, in main");
    assert_eq!(done(server.act(&target, left).await.unwrap()), "There is no pane left of this one in main");
    assert_eq!(server.tmux.current().await.unwrap().pane, target.pane);
    act(Action::SelectPane { pane: Pane::Next }).await;
    assert_eq!(server.tmux.current().await.unwrap().pane, right.pane);
    assert_eq!(act(Action::ZoomPane).await, "Zoomed the pane in main");
    assert_eq!(act(Action::ZoomPane).await, "Put the pane back among the others in main");
    assert_eq!(done(server.act(&right, Action::ClosePane).await.unwrap()), "Closed the pane in main");

    assert_eq!(
        act(Action::NewWindow { name: Some("logs #(touch x)".into()) }).await,
        "New window 1, logs-touch-x, in main"
    );
    let window = server.tmux.current().await.unwrap();
    // tmux names it after its program in its own good time.
    let previous = act(Action::SelectWindow { window: Window::Previous }).await;
    assert!(previous.starts_with("Window 0, ") && previous.ends_with(" in main"), "{previous}");
    assert_eq!(
        act(Action::SelectWindow { window: Window::Index(1) }).await,
        "Window 1, logs-touch-x in main"
    );
    let failure = server.act(&target, Action::SelectWindow { window: Window::Index(7) }).await.unwrap_err();
    assert_eq!(failure.what, "There is no window 7 in main");
    assert_eq!(
        done(server.act(&window, Action::RenameWindow { name: "web 2".into() }).await.unwrap()),
        "Renamed the window to web-2"
    );
    // The marks are there in every window.
    assert_eq!(server.run(&window, "echo $((6*7))").await.output, "42\n");
    assert_eq!(done(server.act(&window, Action::CloseWindow).await.unwrap()), "Closed the window in main");

    server.run(&target, "seq 500").await;
    assert_eq!(act(Action::Scroll { scroll: Scroll::PagesDown(1) }).await, "main is at the bottom already");
    assert_eq!(act(Action::Scroll { scroll: Scroll::LinesUp(10) }).await, "Scrolled up in main");
    let position = || server.outside(&["display", "-p", "-t", &target.pane.0, "#{scroll_position}"]);
    assert_eq!(position(), "10");
    act(Action::Scroll { scroll: Scroll::LinesDown(4) }).await;
    assert_eq!(position(), "6");
    // Text that goes in while the history is shown is not lost.
    assert_eq!(server.run(&target, "echo seen").await.output, "seen\n");
    let Outcome::Described { session, program, screen } =
        server.act(&target, Action::DescribeSession).await.unwrap()
    else {
        panic!()
    };
    assert_eq!((session.as_str(), program.as_str()), ("main", "bash"));
    assert!(screen.contains("seen") && !screen.contains('\x1b'), "{screen}");
}

#[tokio::test]
async fn keys_are_pressed() {
    let server = Server::with(|config| config.run_wait = Duration::from_millis(300));
    let target = server.tmux.current().await.unwrap();
    let press = async |key, control, times| {
        let press = KeyPress { key, control, alt: false, times };
        done(server.act(&target, Action::Press { press }).await.unwrap())
    };
    assert!(!server.run(&target, "cat").await.finished);
    assert_eq!(press(Key::Char('c'), true, 1).await, "Pressed control c in main");
    server.run(&target, "true").await;
    eventually("the prompt", || {
        server.outside(&["display", "-p", "-t", &target.pane.0, "#{cursor_x}"]) != "0"
    })
    .await;
    assert_eq!(press(Key::Char(';'), false, 3).await, "Pressed ; 3 times in main");
    eventually("three semicolons", || server.screen(&target).contains(";;;")).await;
    press(Key::Backspace, false, 3).await;
    eventually("none", || !server.screen(&target).contains(';')).await;
    server.breakers.control.isolate();
    press(Key::Char(';'), false, 2).await;
    eventually("two by the other tier", || server.screen(&target).contains(";;")).await;
}

#[tokio::test]
async fn concealed_text_is_not_read_out() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    server.run(&target, "clear; printf 'open \\e[8mhidden\\e[28m end\\n'").await;
    let Outcome::Described { screen, .. } = server.act(&target, Action::DescribeSession).await.unwrap()
    else {
        panic!()
    };
    assert!(screen.contains("open") && screen.contains("end") && !screen.contains("hidden"), "{screen}");
}

/// Not a promise by itself: what the two tiers cost, side by side. Run it alone on a quiet machine:
/// `cargo test --test promises terminal::what_the_tiers_cost -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn what_the_tiers_cost() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        (times[times.len() / 2], times[times.len() * 99 / 100])
    };
    let listing = async |rounds: usize| {
        let mut times = Vec::new();
        for _ in 0..rounds {
            let began = Instant::now();
            server.tmux.sessions().await.unwrap();
            times.push(began.elapsed());
        }
        median(times)
    };
    println!("list-sessions by control mode: {:?} (median, p99)", listing(2000).await);
    let mut times = Vec::new();
    for _ in 0..300 {
        let began = Instant::now();
        server.run(&target, "true").await;
        times.push(began.elapsed());
    }
    println!("insert, check, Enter, end told: {:?}", median(times));
    let press = KeyPress { key: Key::Left, control: false, alt: false, times: 1 };
    let mut times = Vec::new();
    for _ in 0..500 {
        let began = Instant::now();
        server.act(&target, Action::Press { press: press.clone() }).await.unwrap();
        times.push(began.elapsed());
    }
    println!("a key, with the look before it: {:?}", median(times));
    server.breakers.control.isolate();
    println!("list-sessions by a process each: {:?}", listing(300).await);
}
