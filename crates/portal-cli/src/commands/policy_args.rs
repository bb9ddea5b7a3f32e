//! How long a create, a rename or a recovery tries: arguments that all of them share.

use std::ffi::OsString;
use std::time::Duration;

use portal_model::flow::Policy;

use crate::report::failure::Failure;

/// How long a create, a rename or a recovery tries.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Timing")]
pub(crate) struct PolicyArgs {
    /// For the irreversible request [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = positive)]
    timeout: Option<Duration>,
    /// For all of it [default: 300s; in a batch 15m]
    #[arg(long, value_name = "TIME", value_parser = positive)]
    deadline: Option<Duration>,
    /// An attempt takes effect within [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = duration, env = "PORTAL_PROCESSING_TIME", hide_env_values = true)]
    processing_time: Option<Duration>,
    /// The list shows an effect within [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration, env = "PORTAL_LIST_LAG", hide_env_values = true)]
    list_lag: Option<Duration>,
}

impl PolicyArgs {
    /// `defaults` with what was given on the command line or in the environment.
    ///
    /// A variable that was set for a rehearsal must not shorten a proof about the real service, which
    /// never runs on this machine.
    pub(crate) fn policy(
        &self,
        defaults: Policy,
        is_this_machine: bool,
    ) -> Result<Policy, Failure> {
        if !is_this_machine {
            let Self { processing_time, list_lag, .. } = *self;
            let lag = (list_lag, defaults.list_lag);
            not_shortened("processing-time", processing_time, defaults.processing_time)?;
            not_shortened("list-lag", lag.0, lag.1)?;
        }
        let mut policy = defaults;
        policy.attempt_timeout = self.timeout.unwrap_or(policy.attempt_timeout);
        policy.read_timeout = policy.read_timeout.min(policy.attempt_timeout);
        policy.deadline = self.deadline.unwrap_or(policy.deadline);
        policy.processing_time = self.processing_time.unwrap_or(policy.processing_time);
        policy.list_lag = self.list_lag.unwrap_or(policy.list_lag);
        policy.check().map_err(|error| {
            Failure::usage(error.to_string()).hint("lengthen `--deadline`, or shorten `--timeout`")
        })?;
        Ok(policy)
    }
}

/// Refuses a time below its default that a variable has.
fn not_shortened(flag: &str, time: Option<Duration>, default: Duration) -> Result<(), Failure> {
    let Some(time) = time.filter(|time| *time < default) else { return Ok(()) };
    // clap does not tell where a value of a derived struct comes from.
    let flag = format!("--{flag}");
    let is_flag = |argument: OsString| argument.to_string_lossy().starts_with(&flag);
    if std::env::args_os().any(is_flag) {
        return Ok(());
    }
    let variable = format!("PORTAL_{}", flag[2..].replace('-', "_").to_uppercase());
    let (time, default) = (humantime::format_duration(time), humantime::format_duration(default));
    Err(Failure::usage(format!(
        "{variable} is {time}, expected at least the default of {default} for a host that is not this \
         machine"
    ))
    .hint(format!("unset {variable}, or pass `{flag} {time}` if the service is known to be that fast")))
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
    fn time_beyond_one_week_is_refused() {
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(duration("9223372036854775807s"), Err("expected at most 7 days"));
        assert!(duration("soon").is_err());
    }
}
