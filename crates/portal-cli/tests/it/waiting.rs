//! What a terminal shows while a create waits, and Ctrl-C meanwhile.

use portal_testkit::needs;

use crate::support::{Home, Served};
use crate::terminal::Terminal;

const NAME: &str = "PortalsAPItest100";

/// A create whose response is lost, and whose absence counts after a minute only.
fn in_doubt(columns: u16) -> (Home, Served, Terminal) {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:drop"]);
    let mut command = server.command(&home, &["create", NAME]);
    command.env("PORTAL_PROCESSING_TIME", "60s");
    let terminal = Terminal::start(&command, columns);
    (home, server, terminal)
}

/// Without what moves the cursor and clears lines.
fn without_escapes(screen: &str) -> String {
    let mut parts = screen.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let command_end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(0, |at| at + 1);
        text + &part[command_end..]
    })
}

/// What `redraw` shows of the create, its lines joined.
fn text_of(redraw: &str, columns: usize) -> String {
    let plain = without_escapes(redraw);
    let last = &plain[plain.rfind(NAME).unwrap()..];
    // Each line is filled up with blanks, so that no word is broken at a multiple of the width.
    let all: Vec<char> = last.chars().collect();
    let lines = all.chunks(columns).map(|line| line.iter().collect::<String>());
    let words: Vec<_> =
        lines.flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[needs(setsid)]
#[test]
fn waiting_is_shown_in_one_place_that_is_redrawn() {
    for columns in [40, 80, 200] {
        let (_home, _server, mut terminal) = in_doubt(columns);
        terminal.expect("is safe");
        // What comes before the lost response is shown as often as the machine is slow.
        let text = loop {
            let redraw = terminal.expect("is safe");
            assert!(redraw.contains("\x1b[2K"), "{redraw:?}");
            let text = text_of(&redraw, columns.into());
            if text.starts_with(&format!("{NAME}: response lost: 127.0.0.1:")) {
                break text;
            }
            assert!(text.starts_with(&format!("{NAME}: ")), "{text}");
        };
        assert!(text.contains("s of 5m · ") && text.ends_with("· Ctrl-C is safe"), "{text}");
    }
}

#[needs(setsid)]
#[test]
fn ctrl_c_while_waiting_leaves_create_to_recover() {
    let (home, _server, mut terminal) = in_doubt(80);
    terminal.expect("is safe");
    terminal.interrupt();
    let (status, rest) = terminal.wait();
    assert_eq!(status, 5, "{rest}");
    assert!(rest.contains(&format!("portal recover {NAME}")), "{rest}");
    assert_eq!(home.unfinished()[0]["state"], "in_doubt");
}
