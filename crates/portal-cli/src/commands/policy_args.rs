//! How long a create, a rename or a recovery tries, and when absence is proved.

use std::time::Duration;

use portal_model::flow::{DeadlineTooShort, Policy};

use crate::report::failure::Failure;
use crate::sys::environment;

/// How long something is tried that sends an irreversible request.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Timing")]
pub(crate) struct PolicyArgs {
    /// Wait for the response to the irreversible request [default: 20s]
    #[arg(long, value_name = "TIME", value_parser = positive)]
    timeout: Option<Duration>,
    #[command(flatten)]
    recovery: RecoveryArgs,
}

impl PolicyArgs {
    /// `defaults` with what was given on the command line or in the environment.
    pub(crate) fn policy(
        &self,
        mut defaults: Policy,
        is_this_machine: bool,
    ) -> Result<Policy, Failure> {
        defaults.attempt_timeout = self.timeout.unwrap_or(defaults.attempt_timeout);
        defaults.read_timeout = defaults.read_timeout.min(defaults.attempt_timeout);
        self.recovery.checked(defaults, is_this_machine, |error| {
            let needed = error.needed.as_millis().div_ceil(1000);
            Failure::usage(error.to_string()).hint(format!("pass `--deadline {needed}s` or longer"))
        })
    }
}

/// How long it takes to determine what came of a request.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Timing")]
#[expect(clippy::doc_markdown, reason = "it is the help")]
pub(crate) struct RecoveryArgs {
    /// Give up after [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = positive)]
    deadline: Option<Duration>,
    /// How long a lost request may still take effect [default: 60s] [env: PORTAL_PROCESSING_TIME]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    processing_time: Option<Duration>,
    /// How long the list of portals may lag behind [default: 10s] [env: PORTAL_LIST_LAG]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    list_lag: Option<Duration>,
}

impl RecoveryArgs {
    /// `defaults` with what was given on the command line or in the environment.
    pub(crate) fn policy(
        &self,
        defaults: Policy,
        is_this_machine: bool,
    ) -> Result<Policy, Failure> {
        self.checked(defaults, is_this_machine, |error| {
            let [given, needed] = [error.deadline, error.needed].map(in_words);
            Failure::usage(format!(
                "a deadline of {given} is too short to determine an outcome, expected at least {needed}"
            ))
            .hint("leave `--deadline` out: Ctrl-C ends a recovery at any time, and nothing is lost")
        })
    }

    fn checked(
        &self,
        mut policy: Policy,
        is_this_machine: bool,
        too_short: impl FnOnce(DeadlineTooShort) -> Failure,
    ) -> Result<Policy, Failure> {
        let time = |given, flag, default| assumed(given, flag, default, is_this_machine);
        policy.deadline = self.deadline.unwrap_or(policy.deadline);
        policy.processing_time =
            time(self.processing_time, "--processing-time", policy.processing_time)?;
        policy.list_lag = time(self.list_lag, "--list-lag", policy.list_lag)?;
        policy.check().map_err(too_short).map(|()| policy)
    }
}

/// What was given, else the variable of the flag. One that was set for a rehearsal must not shorten a
/// proof about the real service, which never runs on this machine.
fn assumed(
    given: Option<Duration>,
    flag: &str,
    default: Duration,
    is_this_machine: bool,
) -> Result<Duration, Failure> {
    let variable = format!("PORTAL{}", flag.replace('-', "_").to_uppercase().replacen('_', "", 1));
    let time = match given {
        Some(time) => return Ok(time),
        None => environment::text(&variable)?.map(|text| duration(&text)).transpose(),
    };
    let time = time.map_err(|why| Failure::usage(format!("invalid {variable}: {why}")))?;
    let time = time.unwrap_or(default);
    if time >= default || is_this_machine {
        return Ok(time);
    }
    let [time, default] = [time, default].map(in_words);
    Err(Failure::usage(format!(
        "{variable} is {time}, expected at least the default of {default} for another machine"
    ))
    .hint(format!("unset it, or pass `{flag} {time}` if the service is known to be that fast")))
}

fn in_words(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

/// Times that no clock overflows with.
fn duration(text: &str) -> Result<Duration, &'static str> {
    const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST => Ok(time),
        Ok(_) => Err("expected at most 7 days"),
        Err(_) => Err("expected a time such as 300ms, 10s or 2m"),
    }
}

/// Times in which something can be done.
fn positive(text: &str) -> Result<Duration, &'static str> {
    duration(text)
        .and_then(|time| if time.is_zero() { Err("expected more than 0") } else { Ok(time) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadline_too_short_is_refused_with_the_least() {
        let deadline = Some(Duration::from_secs(20));
        let recovery = RecoveryArgs { deadline, ..RecoveryArgs::default() };
        let report = recovery.policy(Policy::default(), false).unwrap_err().report;
        assert_eq!(
            report.message,
            "a deadline of 20s is too short to determine an outcome, expected at least 1m 55s"
        );
        assert!(report.hint.unwrap().contains("Ctrl-C ends a recovery at any time"));
        let args = PolicyArgs { recovery, ..PolicyArgs::default() };
        let report = args.policy(Policy::default(), false).unwrap_err().report;
        assert_eq!(report.hint.unwrap(), "pass `--deadline 115s` or longer");
    }

    #[test]
    fn time_beyond_one_week_is_refused() {
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(duration("9223372036854775807s"), Err("expected at most 7 days"));
        assert!(duration("soon").is_err());
    }
}
