//! Where the tracing events of the libraries go.

use std::fmt::{self, Write as _};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

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
use crate::terminal::printer::Printer;

/// The only warnings that a command shows without `PORTAL_LOG`: what else goes wrong is in its
/// result.
const SHOWN: [&str; 2] = ["portal_http::client::token_cache", "portal::org::ledger"];

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogOf {
    /// A command, which reports in its result what goes wrong.
    Command,
    /// A server, whose operator must see what it cannot report in its responses.
    Server {
        /// Each event is an object.
        json: bool,
    },
}

/// Where a client sends its requests, and what came of each.
const EXCHANGE: &str = "portal_http::client::exchange";
/// That, the span of a batch, which names the profile, and what is between the two.
const VERBOSE: [&str; 3] = [EXCHANGE, "portal::batch", "portal_http::client::safe"];

/// Logs to stderr by the filter in `PORTAL_LOG`, such as `debug` or `portal_http=debug`, for developers.
/// Without it, shows every request of a verbose printer, else only what everybody must see. Secrets are never
/// logged.
pub(crate) fn start(printer: &Printer, log: LogOf) {
    let json = log == LogOf::Server { json: true };
    let of_libraries = |level| {
        Targets::new().with_targets(["portal_http", "portal_store"].map(|target| (target, level)))
    };
    let filter = environment::text("PORTAL_LOG");
    let filter = filter.map(|filter| filter.filter(|filter| !filter.is_empty()));
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
        Ok(None) if log != LogOf::Command => install(of_libraries(Level::WARN), json),
        Ok(None) => {
            let warnings = Warnings { printer: printer.clone(), is_shown: AtomicBool::new(false) };
            let requests = printer.is_verbose.then(|| Requests { printer: printer.clone() });
            let filter = Targets::new().with_targets(SHOWN.map(|target| (target, Level::WARN)));
            let shown = printer.is_verbose.then_some(VERBOSE).into_iter().flatten();
            let filter = filter.with_targets(shown.map(|target| (target, Level::DEBUG)));
            tracing_subscriber::registry().with(warnings).with(requests).with(filter).init();
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

/// Shows the first event like every other warning of the command. A batch would repeat it for each
/// org.
struct Warnings {
    printer: Printer,
    is_shown: AtomicBool,
}

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::WARN && !self.is_shown.swap(true, Ordering::Relaxed)
        {
            let mut text = Text::default();
            event.record(&mut text);
            self.printer.warning(format_args!("{}{}", text.message, text.fields));
        }
    }
}

/// `message: field`
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a `String` cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            _ => write!(self.fields, ": {value:?}"),
        };
    }
}

/// Shows each request and what came of it: `POST /crm/v7/settings/portals → 200 in 3 ms`, in a batch with
/// the profile before it.
struct Requests {
    printer: Printer,
}

/// A request that was sent, or the profile that it is for, in its span.
struct Sent {
    fields: Fields,
    at: Instant,
}

/// Those of [`EXCHANGE`], of the request or of what came of it, and that of a batch.
#[derive(Default)]
struct Fields {
    method: String,
    path: String,
    status: String,
    error: String,
    profile: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let place = match field.name() {
            "method" => &mut self.method,
            "path" => &mut self.path,
            "status" => &mut self.status,
            "error" => &mut self.error,
            "profile" => &mut self.profile,
            _ => return,
        };
        *place = format!("{value:?}");
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Requests {
    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        span.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Sent { fields, at: Instant::now() });
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let span = context.event_span(event).filter(|_| event.metadata().target() == EXCHANGE);
        let Some(span) = span else { return };
        let extensions = span.extensions();
        let Some(Sent { fields: request, at }) = extensions.get() else { return };
        let mut response = Fields::default();
        event.record(&mut response);
        let what = match response.error.as_str() {
            "" => response.status,
            error => format!("no response: {error}"),
        };
        let Fields { method, path, .. } = request;
        let time = at.elapsed().as_millis();
        let profile = span.scope().skip(1).find_map(|around| {
            let extensions = around.extensions();
            let profile = &extensions.get::<Sent>()?.fields.profile;
            (!profile.is_empty()).then(|| format!("{profile}: "))
        });
        let profile = profile.unwrap_or_default();
        let line = format!("{profile}{method} {path} → {what} in {time} ms");
        self.printer.note(printable_line(&line));
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
