//! A safe call: a [`Flow`] creates a portal, or renames one.
//!
//! Neither call can be undone or rehearsed, and there is no idempotency key; after a lost response
//! only the list of the org's portals shows what happened. A [`Flow`] is a state machine without
//! clock, random source or I/O: a driver takes the next [`Step`], performs it once, and reports
//! the [`Event`]. Everything the driver must honor is in the step; it reports facts, and only the
//! flow classifies them. Times are durations on one monotonic clock of the driver's.
//!
//! # Rules
//! 1. **Baseline.** One list before the first attempt shows which portals the org has. One that
//!    failed, came from a cache or has more pages is repeated; then the flow ends with
//!    nothing sent. Only a token that may not list creates without one, unverified, unless a receipt
//!    shows that the org has a portal. A repeat has a list right before it, too.
//! 2. **Intent before attempt.** [`Step::Record`] comes before [`Step::Send`]. The write may take
//!    long, so the time is checked again after it; the driver checks for cancellation.
//! 3. **Certain rejections are an allow-list**: documented codes under their documented status.
//!    Everything else leaves the attempt in doubt. An undocumented rejection is not repeated, only
//!    verified.
//! 4. **Rejections that an earlier copy of the request may have caused** (`ALREADY_USED`,
//!    `LIMIT_REACHED`) are verified by a list at once, where presence counts, and by one that
//!    begins a list lag later. A name of which an earlier attempt is in doubt is never called
//!    another org's. A flow that is stopped before leaves its intent.
//! 5. **Absence counts late, presence counts at once.** Absence needs a complete list that began
//!    one processing time plus one list lag after the last attempt ended without a response of the
//!    service. Meanwhile the flow polls, ever more slowly.
//! 6. **No origin without evidence**: see [`Origin`](crate::outcome::Origin).
//! 7. **Portals can be renamed.** In doubt, a new portal under another name that shows signs of a
//!    rename may be the one: no further attempt, and the outcome is unknown.
//! 8. **Repeat only where harmless**, at most twice while in doubt. A create may be repeated in
//!    doubt, since names are unique; a rename only after a list proves that it did not happen. A
//!    fallback name is tried only after the one before is proved to belong to another org.
//! 9. **Recovery never sends.** The recorded intent is what it needs; [`Flow::abandon`] is true at any
//!    moment.
//! 10. **One org, one identity**, and 11., **one intent log per machine**, are duties of the driver;
//!     [`Receipt`] is how the log's knowledge reaches a flow.
//! 12. **Rate limits**: the flow waits as long as `Retry-After` requests, at least the backoff, with
//!     jitter. After a 429 to an attempt, absence needs a list too.
//! 13. **It ends** by [`Policy::deadline`]. With nothing in doubt, a request that fails is tried
//!     five times within 20 s.
//! 14. **What has ended sends nothing more**, a duty of the transport: an attempt's connection is
//!     closed, and nothing of the attempt leaves any more, before its end is reported or its process
//!     is gone. Rule 5 counts from that end.
//!
//! # Order of the modules
//!
//! Imports point down this list only.
//!
//! | module | what it holds |
//! |---|---|
//! | `tests` | a unit test of each rule |
//! | `kernel::events` | what an event means |
//! | `kernel::state` | what the exhaustive test of portal-proof tells flows apart by |
//! | `kernel` | [`Flow`]: its state, its steps and the moves between them |
//! | `effect` | a create or a rename, and the outcomes of both |
//! | `create`, `rename` | what is specific to each |
//! | `responses` | which rejections are certain |
//! | `evidence` | what is known of an org's portals |
//! | `step` | what a flow and its driver exchange |
//! | `policy` | times and limits |

mod create;
mod effect;
mod evidence;
mod kernel;
mod policy;
mod rename;
mod responses;
mod step;
#[cfg(test)]
mod tests;

pub use evidence::Receipt;
pub use kernel::Flow;
#[doc(hidden)]
pub use kernel::{IfAbsent, InFlight, Phase};
pub use policy::{DeadlineTooShort, Jitter, NameTaken, Policy};
pub use step::{Activity, Event, Step, TokenId, UnexpectedEvent};

pub use crate::intent::{Baseline, CreateIntent, Intent, KnownPortal, RenameIntent};
pub use crate::oauth::TokenError;
pub use crate::transport::{NoResponse, NotSent, TransportError};
