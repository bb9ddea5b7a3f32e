//! The table of documented responses through [`Client::send_once`]: each arrives as a typed value.

use std::collections::HashMap;

use portal_http::client::{Client, ClientError, Credential};
use portal_http::server::LocalServer;
use portal_model::{
    ApiVersion, CreatePortal, Endpoint, GetPortal, ListPortals, Method, PortalName, RenamePortal,
    Request, Response, ResponseError, Scope,
};
use serde_json::{Value, json};

use super::peer::{client, plain};
use crate::cases::{CLIENT, Caller, Case, cases, portals, seed};

/// The request of a case, verbatim, which no endpoint would send.
struct Row<'a>(&'a Case);

impl Endpoint for Row<'_> {
    type Output = Option<String>;
    const SCOPES: &'static [Scope] = &[];

    fn request(&self, version: ApiVersion) -> Request {
        let method = match self.0.method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            other => panic!("the model has no {other}"),
        };
        assert_eq!(version, ApiVersion::V7);
        Request::new(method, self.0.target.as_str()).with_body("text/plain", self.0.body.clone())
    }

    /// Decodes the response as the endpoint of that method does.
    fn decode(&self, response: &Response) -> Result<Option<String>, ResponseError> {
        let name = serde_json::from_slice::<Value>(&self.0.body).ok();
        let name = name.and_then(|body| body["portals"][0]["name"].as_str().map(ToOwned::to_owned));
        let name = name.and_then(|name| PortalName::parse(&name).ok());
        match (self.0.method, name) {
            ("POST", Some(name)) => CreatePortal::new(name).decode(response).map(Some),
            ("PUT", Some(name)) => RenamePortal::new("", name).decode(response).map(Some),
            ("GET", _) if !self.0.target.ends_with("/portals") => {
                GetPortal::new("").decode(response).map(|found| found.map(|portal| portal.name))
            }
            _ => ListPortals.decode(response).map(|_| None),
        }
    }
}

/// A client that sends what the caller sends; `None` if that is impossible.
fn client_of(server: &LocalServer, caller: Caller) -> Option<Client> {
    let credential = match caller {
        Caller::Token(token) => {
            Credential::refresh_token(CLIENT, CLIENT.to_owned(), token.to_owned())
        }
        Caller::Header(header) => {
            Credential::access_token(header.strip_prefix("Zoho-oauthtoken ")?.to_owned())
        }
        Caller::Anonymous => return None,
    };
    Some(client(plain(), server.url()).build(credential).unwrap())
}

#[tokio::test]
async fn documented_responses_decode_to_typed_values() {
    let server = LocalServer::builder().seed(seed()).start().await.unwrap();
    for (refresh_token, name) in portals() {
        let create = CreatePortal::new(PortalName::parse(name).unwrap());
        client_of(&server, Caller::Token(refresh_token)).unwrap().send_once(&create).await.unwrap();
    }
    let mut clients = HashMap::new();
    let mut tried = 0;
    for case in cases(ApiVersion::V7).iter().filter(|case| case.method != "DELETE") {
        let key = format!("{:?}", case.caller);
        let Some(client) = clients.entry(key).or_insert_with(|| client_of(&server, case.caller))
        else {
            continue;
        };
        tried += 1;
        let row = format!("{}: {} {}", case.name, case.method, case.target);
        match client.send_once(&Row(case)).await {
            Ok(name) => {
                assert!(case.status < 300, "{row}");
                let told = case.json.as_ref().map(|json| &json["portals"][0]["details"]["name"]);
                assert_eq!(name.map(Value::from).as_ref(), told, "{row}");
            }
            Err(ClientError::Api(error)) => {
                let json = case.json.as_ref().expect(&row);
                let told = json.get("portals").map_or(json, |portals| &portals[0]);
                let details = error.details.to_value();
                let arrived = json!({
                    "code": error.code.as_str(), "details": details, "message": error.message,
                    "status": "error",
                });
                assert_eq!((error.http_status, &arrived), (case.status, told), "{row}");
            }
            Err(error) => panic!("{row}: {error}"),
        }
    }
    assert!(tried > 80, "{tried}");
}
