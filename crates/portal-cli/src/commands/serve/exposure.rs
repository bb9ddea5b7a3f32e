//! Files of a server that other users of the machine can read or change.

use super::args::Args;
use crate::sys::private_file::mode;
use crate::terminal::printer::Printer;

/// Warns of each file or directory whose mode gives its secrets, or the server, to others.
pub(super) fn warn(args: &Args, printer: &Printer) {
    const READ: u32 = 0o004;
    const WRITE: u32 = 0o002;
    for (path, forbidden, wanted) in [
        (&args.tls_key, READ | WRITE, "600"),
        // Often kept beside tests, with secrets that are none.
        (&args.seed, WRITE, "go-w"),
        (&args.data, WRITE, "700"),
    ] {
        let Some(path) = path else { continue };
        let can = match mode(path).map(|mode| mode & forbidden) {
            None | Some(0) => continue,
            Some(READ) => "read",
            Some(_) => "change",
        };
        let path = path.display();
        printer.warning(format_args!(
            "everybody on this machine can {can} {path}: run `chmod {wanted} {path}`"
        ));
    }
}
