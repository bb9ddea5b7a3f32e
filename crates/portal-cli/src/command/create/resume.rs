//! `portal create --resume [NAME]`: settles what earlier processes left in doubt.

use std::ops::ControlFlow;

use portal_model::Outcome;
use portal_model::flow::Policy;
use portal_model::outcome::{ExitClass, Unsettled};

use crate::exit::combined;
use crate::failure::Failure;
use crate::pending::{self, Left, PendingCreate};
use crate::printer::Printer;
use crate::report::{Asked, Report};
use crate::target::TargetArgs;

pub(super) async fn run(
    only: Option<&str>,
    target: &TargetArgs,
    policy: &Policy,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    let mut left = pending::left()?;
    if let Some(name) = only {
        left.retain(|left| left.intent.name.is_same_as(name));
    }
    if target.local || target.profile.is_some() {
        let destination = target.destination()?;
        left.retain(|left| left.place == *destination.place());
    }
    if left.is_empty() && !printer.is_json() {
        printer.note(match only {
            Some(name) => format!("No create of {name} is in doubt."),
            None => "No create is in doubt.".to_owned(),
        });
    }
    let mut exits = Vec::new();
    for left in left {
        match settle(left, target, policy, printer).await {
            ControlFlow::Continue(exit) => exits.push(exit),
            ControlFlow::Break(exit) => {
                exits.push(exit);
                break;
            }
        }
    }
    Ok(combined(exits))
}

/// Settles one where it was begun; breaks where Ctrl-C was pressed. What can't be settled now
/// stays.
async fn settle(
    left: Left,
    target: &TargetArgs,
    policy: &Policy,
    printer: &Printer,
) -> ControlFlow<ExitClass, ExitClass> {
    let place = left.place.clone();
    let settled = async {
        let destination = target.again(&place).destination()?;
        if *destination.place() != place {
            return Err(Failure::usage(format!(
                "{} was begun in {place}, which flags and environment don't name now",
                left.intent.name
            ))
            .hint(format!(
                "set them as they were; where they are gone, look in Zoho CRM whether {} is there, \
                 and remove {}",
                left.intent.name,
                left.path().display()
            )));
        }
        let org = destination.open(target.api_version, policy.clone()).await?;
        let intent = left.intent.clone();
        let asked = Asked {
            profile: place.profile().map(str::to_owned),
            requested: intent.requested.as_ref().map(ToString::to_string),
            ensure: false,
            settled: true,
        };
        let sink = PendingCreate::settling(left)?;
        let outcome = super::settle(&org.client, &intent, sink, policy, printer).await;
        let exit = Report::new(&outcome, &asked).print(printer);
        let is_stopped = matches!(outcome, Outcome::Unknown { unsettled: Unsettled::Stopped, .. });
        Ok(if is_stopped { ControlFlow::Break(exit) } else { ControlFlow::Continue(exit) })
    };
    settled.await.unwrap_or_else(|failure: Failure| ControlFlow::Continue(failure.print(printer)))
}
