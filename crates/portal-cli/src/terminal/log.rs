//! Where the tracing events of the libraries go.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use portal_model::neutral::printable_line;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::sys::environment;
use crate::terminal::printer::{Output, Printer};

/// The only warnings that a command shows without `PORTAL_LOG`: what else goes wrong is in its
/// result.
const SHOWN: [&str; 2] = ["portal_http::client::token_cache", "portal::org::ledger"];

/// Where a client sends its requests, and what came of each.
const EXCHANGE: &str = "portal_http::client::exchange";
/// That, the span of a batch, which names the profile, and what is between the two.
const VERBOSE: [&str; 3] = [EXCHANGE, "portal::batch", "portal_http::client::safe"];

/// Logs to stderr by the filter in `PORTAL_LOG`, such as `debug` or `portal_http=debug`, for developers.
/// Without it, shows every request of a verbose printer, else only what everybody must see. Secrets are never
/// logged.
///
/// `server` is the format of the log of a server, whose operator must see what it cannot report in its
/// responses.
pub(crate) fn start(printer: &Printer, server: Option<Output>) {
    let json = server == Some(Output::Json);
    let of_libraries = |level| {
        Targets::new().with_targets(["portal_http", "portal_store"].map(|target| (target, level)))
    };
    let filter = environment::text("PORTAL_LOG");
    match filter.map(|filter| filter.map(|filter| filter.parse::<Targets>())) {
        Err(invalid) => printer.warning(invalid),
        Ok(Some(Ok(filter))) => {
            if !logs_something(&filter) {
                printer.warning(
                    "PORTAL_LOG logs nothing: expected such as debug or portal_http=debug",
                );
            }
            install(filter, json);
        }
        Ok(Some(Err(error))) => printer.warning(format_args!("invalid PORTAL_LOG: {error}")),
        Ok(None) if server.is_some() => install(of_libraries(Level::WARN), json),
        Ok(None) => {
            let shown = Shown { printer: printer.clone(), has_warned: AtomicBool::new(false) };
            let filter = Targets::new().with_targets(SHOWN.map(|target| (target, Level::WARN)));
            let shown_too = printer.is_verbose.then_some(VERBOSE).into_iter().flatten();
            let filter = filter.with_targets(shown_too.map(|target| (target, Level::DEBUG)));
            tracing_subscriber::registry().with(shown).with(filter).init();
        }
    }
}

/// Whether the filter has a level for everything, or a target of this process.
fn logs_something(filter: &Targets) -> bool {
    const TARGETS: [&str; 4] = ["portal", "hyper", "rustls", "tokio"];
    let is_known = |target: &str| TARGETS.iter().any(|known| target.starts_with(known));
    filter.default_level().is_some() || filter.iter().any(|(target, _)| is_known(target))
}

fn install(filter: Targets, json: bool) {
    // No colors: the escape sequences of a service must not pass, and nobody tells them apart.
    let lines =
        tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Lines(io::stderr()));
    let registry = tracing_subscriber::registry();
    if json {
        registry.with(lines.json().flatten_event(true)).with(filter).init();
    } else {
        registry.with(lines).with(filter).init();
    }
}

/// Writes each event as one harmless line.
struct Lines<W>(W);

impl<W: io::Write> io::Write for Lines<W> {
    /// The layer writes an event at once, with a line break at its end.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = printable_line(text.strip_suffix('\n').unwrap_or(&text));
        self.0.write_all(format!("{line}\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Shows the first warning like every other one of the command, which a batch would repeat for each
/// org; and each request, if the filter lets it pass, with what came of it:
/// `POST /crm/v7/settings/portals → 200 in 3 ms`, in a batch with the profile before it.
struct Shown {
    printer: Printer,
    has_warned: AtomicBool,
}

/// The fields of a span or an event, in their order.
#[derive(Clone, Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Shown {
    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        span.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if *event.metadata().level() == Level::WARN {
            if !self.has_warned.swap(true, Ordering::Relaxed) {
                let others = fields.0.iter().filter(|(name, _)| *name != "message");
                let text = others
                    .fold(fields.get("message").to_owned(), |text, (_, more)| text + ": " + more);
                self.printer.warning(text);
            }
            return;
        }
        if event.metadata().target() != EXCHANGE {
            return;
        }
        for span in context.event_scope(event).into_iter().flatten() {
            let of_span = span.extensions().get::<Fields>().cloned();
            fields.0.extend(of_span.unwrap_or_default().0);
        }
        let what = match fields.get("error") {
            "" => fields.get("status").to_owned(),
            error => format!("no response: {error}"),
        };
        let profile = match fields.get("profile") {
            "" => String::new(),
            profile => format!("{profile}: "),
        };
        let [method, path, ms] = ["method", "path", "ms"].map(|name| fields.get(name));
        self.printer.note(printable_line(&format!("{profile}{method} {path} → {what} in {ms} ms")));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn event_is_one_harmless_line() {
        let mut lines = Lines(Vec::new());
        lines.write_all(b"WARN error=\x1b[31mred\nWARN forged \xc2\x9b \xff\n").unwrap();
        assert_eq!(
            String::from_utf8(lines.0).unwrap(),
            "WARN error=\u{fffd}[31mred\u{fffd}WARN forged \u{fffd} \u{fffd}\n"
        );
    }
}
