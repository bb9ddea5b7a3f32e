//! `GET /crm/{version}/settings/portals` and `GET /crm/{version}/settings/portals/{name}`
//!
//! Both read portals of the token's org: all of them, or the one of a name. After `ALREADY_USED`, 200 to
//! the second means that this org has the name and 204 that another org does.

use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::endpoint::{
    ApiVersion, Endpoint, Method, ReadOnly, Request, Response, ResponseError, UNRESERVED,
    UnreadableReason,
};
use crate::envelope::{into_refusal, read_object, read_portals};
use crate::json::{Members, Object, RawJson};
use crate::name::is_same_name;
use crate::portal::{Documented, Portal};
use crate::scope::Scope;

/// List the portals of the org.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListPortals;

impl ReadOnly for ListPortals {}

impl Endpoint for ListPortals {
    /// In the order of the service.
    type Output = Vec<Portal>;
    const SCOPES: &'static [Scope] = &[Scope::PORTAL_READ];

    fn request(&self, version: ApiVersion) -> Request {
        get(portals_path(version))
    }

    fn decode(&self, response: &Response) -> Result<Vec<Portal>, ResponseError> {
        match decode_page(response)? {
            (portals, None) => Ok(portals),
            (_, Some(why)) => Err(incomplete_list(response, why)),
        }
    }
}

/// Read one portal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetPortal {
    /// The name. Any text: portals with names that [`PortalName`](crate::PortalName) rejects may exist.
    pub name: String,
}

impl GetPortal {
    /// A request for the portal `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// Fields by which a record without a name is a portal's.
const DETAILS: [&str; 4] = ["admin_zuid", "login_url", "saml_configuration", "zaid"];

impl ReadOnly for GetPortal {}

impl Endpoint for GetPortal {
    /// `None` if the org has no portal of that name.
    type Output = Option<Portal>;
    const SCOPES: &'static [Scope] = &[Scope::PORTAL_READ];

    fn request(&self, version: ApiVersion) -> Request {
        get(portal_path(version, &self.name))
    }

    fn decode(&self, response: &Response) -> Result<Option<Portal>, ResponseError> {
        // In the latest edition of the API the details have no name: it is that of the request.
        let (portals, beside) = records(response, Some(&self.name))?;
        let mut portals = portals.into_iter();
        let is_requested = |portal: &Portal| is_same_name(&portal.name, &self.name);
        match (portals.next(), portals.next()) {
            (None, _) => match why_incomplete(response, beside, 0) {
                Some(why) => Err(incomplete_list(response, why)),
                None => Ok(None),
            },
            (Some(portal), None) if is_requested(&portal) => Ok(Some(portal)),
            _ => Err(ResponseError::unreadable(response, UnreadableReason::Contradiction)),
        }
    }
}

/// `/crm/{version}/settings/portals`
pub(crate) fn portals_path(version: ApiVersion) -> String {
    format!("/crm/{version}/settings/portals")
}

/// `/crm/{version}/settings/portals/{name}`
pub(crate) fn portal_path(version: ApiVersion, name: &str) -> String {
    format!("{}/{}", portals_path(version), utf8_percent_encode(name, UNRESERVED))
}

/// A request that caches pass on: what they have shows an earlier state, and counts for nothing here.
fn get(path: String) -> Request {
    Request::new(Method::Get, path).with_header("cache-control", "no-cache")
}

fn incomplete_list(response: &Response, why: &'static str) -> ResponseError {
    ResponseError::unreadable(response, UnreadableReason::IncompleteList(why))
}

/// The portals of a list, and why it does not show what there is now, if so.
///
/// A list is one response, never paged, as far as any source shows; `info` is how the service marks its
/// other lists as incomplete, and gateways have ways of their own.
pub(crate) fn decode_page(
    response: &Response,
) -> Result<(Vec<Portal>, Option<&'static str>), ResponseError> {
    let (portals, beside) = records(response, None)?;
    let why = why_incomplete(response, beside, portals.len());
    Ok((portals, why))
}

/// Why a list of `count` records, with these members `beside` them, does not show what there is now, if so.
fn why_incomplete(
    response: &Response,
    beside: Option<Members>,
    count: usize,
) -> Option<&'static str> {
    if response.is_from_cache {
        return Some("it comes from a cache");
    }
    if response.has_next_page {
        return Some(OTHER_PAGES);
    }
    if response.total_count.is_some_and(|total| total != count) {
        return Some(OTHER_COUNT);
    }
    // In an object such as `info` or `paging`, or without one.
    let why = beside?.0.iter().find_map(|(name, value)| match value.read::<Members>() {
        Some(info) => info.0.iter().find_map(|(name, value)| incomplete(name, value, count)),
        None => incomplete(name, value, count),
    });
    // Of a member that comes twice only the last one was read.
    let is_ambiguous = || serde_json::from_slice::<Once>(&response.body).is_err();
    why.or_else(|| is_ambiguous().then_some("it has two lists"))
}

const OTHER_PAGES: &str = "it has more pages";
const OTHER_COUNT: &str = "it has not as many portals as it says";

/// The members that make a list, each once.
#[derive(Deserialize)]
struct Once {
    #[serde(rename = "portals")]
    _portals: IgnoredAny,
    #[serde(rename = "info", default)]
    _info: IgnoredAny,
}

/// Why a list of `count` records that says this of itself is not all that there is now. Whatever the service
/// is not known to send with one of its lists may mean that, in words of a gateway's own.
fn incomplete(name: &str, value: &RawJson, count: usize) -> Option<&'static str> {
    // In any spelling: a number or a flag may come as a text, and a name as in `moreRecords`.
    let text = value.as_str().trim_matches(['"', ' ']);
    let name = name.replace(['_', '-'], "").to_ascii_lowercase();
    let (is_harmless, why) = match name.as_str() {
        _ if matches!(text, "" | "null") => return None,
        "morerecords" | "hasmore" => (text.eq_ignore_ascii_case("false"), OTHER_PAGES),
        "page" | "pages" | "totalpages" => (matches!(text, "0" | "1"), OTHER_PAGES),
        "count" | "total" | "totalcount" | "totalrecords" => {
            (text == count.to_string(), OTHER_COUNT)
        }
        "call" | "email" | "perpage" | "sortby" | "sortorder" => return None,
        "code" | "status" => (text.eq_ignore_ascii_case("success"), "it says that it failed"),
        _ => (false, "it comes with something that is not known here"),
    };
    (!is_harmless).then_some(why)
}

/// The portals of a response, and what is beside them, unless there is nothing. A single record that has
/// details and no name is the portal `requested`.
fn records(
    response: &Response,
    requested: Option<&str>,
) -> Result<(Vec<Portal>, Option<Members>), ResponseError> {
    let unreadable = |why| ResponseError::unreadable(response, why);
    if response.status == 204 {
        return Ok((Vec::new(), None));
    }
    let documented = read_portals::<Vec<Object<Documented<'_>>>>(&response.body);
    if let (200, Some(portals)) = (response.status, documented) {
        return Ok((portals.into_iter().map(|Object(portal)| portal.into()).collect(), None));
    }
    let mut body = read_object(response)?;
    let records = body.0.remove("portals");
    let single = records.as_ref().and_then(RawJson::read).map(|[record]: [Members; 1]| record);
    // A single record may be the error of the request instead of a portal, and so may what is beside none.
    let is_empty = records.as_ref().is_none_or(|records| records.read::<[Members; 0]>().is_some());
    let result = if is_empty { Some(body.clone()) } else { single.clone() };
    if let Some(error) = result.and_then(|result| into_refusal(result, response.status)) {
        return Err(ResponseError::Api(error));
    }
    let records = records.filter(|it| response.status == 200 && it.as_str().starts_with('['));
    let records = records.ok_or_else(|| unreadable(UnreadableReason::NoEnvelope))?;
    let portals = match single {
        Some(mut record) => {
            let is_nameless = !record.0.contains_key("name");
            if let Some(name) = requested
                && is_nameless
                && DETAILS.iter().any(|field| record.0.contains_key(*field))
            {
                record.0.insert("name".to_owned(), RawJson::of(&name));
            }
            Portal::from_members(record).map(|portal| vec![portal])
        }
        None => records.read(),
    };
    // A record without a name makes all of them unreadable: its portal could be the one that matters.
    let portals = portals.ok_or_else(|| unreadable(UnreadableReason::NoName))?;
    Ok((portals, Some(body)))
}

#[cfg(test)]
mod tests;
