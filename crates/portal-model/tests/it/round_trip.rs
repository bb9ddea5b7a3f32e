//! What one side writes, the other reads; anything else is never a success.

use portal_model::server::{self, Refusal, rejections};
use portal_model::{
    ApiError, ApiVersion, CreatePortal, Details, Endpoint, ErrorCode, GetPortal, ListPortals,
    Portal, PortalName, RenamePortal, Response, ResponseError, Timestamp, UserRef,
};
use proptest::prelude::*;
use serde_json::{Map, Value};

fn any_name() -> impl Strategy<Value = PortalName> {
    "[A-Za-z0-9]{6,30}".prop_map(|name| PortalName::parse(&name).unwrap())
}

fn any_version() -> impl Strategy<Value = ApiVersion> {
    prop::sample::select(ApiVersion::ALL.as_slice())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn any_error() -> impl Strategy<Value = ApiError> {
    let code = prop_oneof![
        prop::sample::select(ErrorCode::KNOWN).prop_map(|code| code.as_str().to_owned()),
        "[A-Z_]{1,20}",
        any::<String>(),
    ]
    .prop_filter("SUCCESS is not an error", |code| code != "SUCCESS");
    (100..600_u16, code, any::<String>(), any_json()).prop_map(
        |(status, code, message, details)| {
            let mut error = ApiError::new(status, ErrorCode::from(code), message);
            error.details = Details::from(details);
            error
        },
    )
}

fn any_portal() -> impl Strategy<Value = Portal> {
    (any_name(), 0..4_000_000_000_i64, ".{0,20}", any::<bool>()).prop_map(
        |(name, seconds, user, active)| {
            let mut portal = Portal::new(name);
            portal.created_time = Timestamp::from_unix_seconds(seconds);
            portal.created_by = Some(UserRef::new(user, seconds.to_string()));
            portal.active = Some(active);
            portal.zaid = Some(seconds.to_string());
            portal
        },
    )
}

/// Bodies near to real ones: cut, doubled, with one byte replaced.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let real = prop_oneof![
        Just(server::created(ApiVersion::V7, "PortalsAPItest100").body),
        Just(server::list(&[Portal::new("PortalsAPItest100")]).body),
        Just(Refusal::Item(rejections::already_used()).response().body),
        Just(Refusal::Request(rejections::invalid_token()).response().body),
    ];
    prop_oneof![
        any::<Vec<u8>>(),
        any_json().prop_map(|json| json.to_string().into_bytes()),
        any_json().prop_map(|json| format!(r#"{{"portals":{json}}}"#).into_bytes()),
        any_json().prop_map(|json| format!(r#"{{"portals":[{json}]}}"#).into_bytes()),
        (real.clone(), any::<prop::sample::Index>()).prop_map(|(mut body, at)| {
            body.truncate(at.index(body.len()));
            body
        }),
        (real, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut body, at, byte)| {
            let at = at.index(body.len());
            body[at] = byte;
            body
        }),
    ]
}

proptest! {
    #[test]
    fn create_request_round_trips(name in any_name(), version in any_version()) {
        let sent = CreatePortal::new(name);
        let request = sent.request(version);
        prop_assert_eq!(&request.path, &format!("/crm/{version}/settings/portals"));
        prop_assert_eq!(server::parse_create(&request.body), Ok(sent));
    }

    #[test]
    fn rename_request_round_trips(
        old in any::<String>(), new in any_name(), version in any_version(),
    ) {
        let sent = RenamePortal::new(old, new);
        let request = sent.request(version);
        let segment = request.path.rsplit('/').next().unwrap();
        prop_assert!(segment.is_ascii() && !segment.contains(['?', '#', ' ']));
        let old = server::parse_segment(segment);
        prop_assert_eq!(server::parse_rename(old, &request.body), Ok(sent));
    }

    #[test]
    fn success_round_trips(name in any_name(), version in any_version()) {
        let create = CreatePortal::new(name.clone());
        prop_assert_eq!(
            create.decode(&server::created(version, name.as_str())).unwrap(), name.as_str());
        let rename = RenamePortal::new("old", name.clone());
        prop_assert_eq!(
            rename.decode(&server::renamed(version, name.as_str())).unwrap(), name.as_str());
    }

    #[test]
    fn portals_round_trip(portals in prop::collection::vec(any_portal(), 0..4)) {
        let response = server::list(&portals);
        prop_assert_eq!(response.status, if portals.is_empty() { 204 } else { 200 });
        prop_assert_eq!(ListPortals.decode(&response), Ok(portals.clone()));
        let one = portals.first();
        let name = one.map_or_else(String::new, |portal| portal.name.to_lowercase());
        prop_assert_eq!(GetPortal::new(name).decode(&server::portal(one)), Ok(one.cloned()));
    }

    #[test]
    fn rejection_round_trips(error in any_error(), wrapped: bool) {
        let rejection = if wrapped { Refusal::Item(error) } else { Refusal::Request(error) };
        let response = rejection.response();
        let expected = ResponseError::Api(rejection.error().clone());
        let create = CreatePortal::new(PortalName::parse("PortalsAPItest100").unwrap());
        prop_assert_eq!(create.decode(&response).unwrap_err(), expected.clone());
        if response.status != 204 {
            prop_assert_eq!(ListPortals.decode(&response).unwrap_err(), expected);
        }
    }

    #[test]
    fn body_without_envelope_is_no_success(
        status in 100..600_u16, body in any_body(),
    ) {
        let response = Response::new(status, body);
        let create = CreatePortal::new(PortalName::parse("PortalsAPItest100").unwrap());
        let created = create.decode(&response);
        let _ = GetPortal::new("PortalsAPItest100").decode(&response);
        let listed = ListPortals.decode(&response);
        let json = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
        if created.is_ok() {
            prop_assert!((200..300).contains(&status));
            let result = if json["portals"].is_null() { &json } else { &json["portals"][0] };
            prop_assert_eq!(&result["code"].as_str().unwrap().to_uppercase(), "SUCCESS");
            prop_assert_eq!(&result["status"].as_str().unwrap().to_lowercase(), "success");
        }
        if let Ok(portals) = listed {
            prop_assert!(status == 204 || status == 200 && json["portals"].is_array());
            prop_assert!(portals.iter().all(|portal| json.to_string().contains(
                &serde_json::to_string(&portal.name).unwrap())));
        }
    }

    #[test]
    fn any_body_is_create_or_rejection(body in any_body()) {
        match server::parse_create(&body) {
            Ok(create) => {
                let json: Value = serde_json::from_slice(&body).unwrap();
                prop_assert_eq!(json["portals"][0]["name"].as_str(), Some(create.name.as_str()));
            }
            Err(rejection) => prop_assert_eq!(rejection.error().http_status, 400),
        }
    }
}

#[test]
fn success_with_any_byte_changed_is_one_to_every_reader_or_none() {
    let create = CreatePortal::new(PortalName::parse("PortalsAPItest100").unwrap());
    let success = server::created(ApiVersion::V7, "PortalsAPItest100").body;
    for at in 0..success.len() {
        for byte in 0..=u8::MAX {
            let mut body = success.clone();
            body[at] = byte;
            let json = serde_json::from_slice::<Value>(&body).unwrap_or_default();
            let result = &json["portals"][0];
            let is_success = result["code"]
                .as_str()
                .is_some_and(|it| it.eq_ignore_ascii_case("SUCCESS"))
                && result["status"].as_str().is_some_and(|it| it.eq_ignore_ascii_case("success"));
            let created = create.decode(&Response::new(200, body)).is_ok();
            assert!(is_success || !created, "byte {at} is {byte:#04x}");
        }
    }
}
