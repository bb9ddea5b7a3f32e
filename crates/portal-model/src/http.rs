//! Conversions to and from the types of the [`http`] crate, which reqwest, ureq 3, hyper and
//! axum share. Needs the feature `http`.
//!
//! ```
//! use portal_model::{ApiVersion, Endpoint as _, ListPortals, Response, Secret};
//!
//! let token = Secret::new("1000.abc.def");
//! let request = ListPortals.request(ApiVersion::V7).authorized(&token);
//! let request = request.into_http("https://www.zohoapis.com")?;
//! assert_eq!(request.uri(), "https://www.zohoapis.com/crm/v7/settings/portals");
//!
//! // … send it by any means, then:
//! let response = http::Response::builder().status(429).header("retry-after", "7").body("")?;
//! assert_eq!(Response::from(response).retry_after.unwrap().as_secs(), 7);
//! # Ok::<(), http::Error>(())
//! ```

use ::http::{HeaderName, HeaderValue, Method as HttpMethod};

use crate::endpoint::{Method, Request, Response};

impl Request {
    /// The request to the service at `base_url`, such as `https://www.zohoapis.com`.
    ///
    /// The `Authorization` header is marked as sensitive.
    ///
    /// # Errors
    /// [`http::Error`] if the URL or a header value is invalid.
    pub fn into_http(self, base_url: &str) -> Result<::http::Request<Vec<u8>>, ::http::Error> {
        let uri = [base_url.trim_end_matches('/'), &self.path].concat();
        // Not by a builder, which moves all of it with each part.
        let mut request = ::http::Request::new(self.body);
        *request.method_mut() = self.method.into();
        *request.uri_mut() = uri.try_into()?;
        for (name, value) in self.headers {
            let mut value = HeaderValue::try_from(value)?;
            value.set_sensitive(name == "authorization");
            request.headers_mut().append(HeaderName::try_from(name)?, value);
        }
        Ok(request)
    }
}

impl From<Method> for HttpMethod {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
        }
    }
}

/// Keeps what matters of the headers, such as `Retry-After`, `Age` and `Link`.
impl<B: Into<Vec<u8>>> From<::http::Response<B>> for Response {
    fn from(response: ::http::Response<B>) -> Self {
        let (head, body) = response.into_parts();
        // There are few: to compare them all is cheaper than to hash each name that is looked for.
        let lines = |wanted| {
            let lines = head.headers.iter().filter(move |(name, _)| name.as_str() == wanted);
            lines.filter_map(|(_, line)| line.to_str().ok())
        };
        Self::new(head.status.as_u16(), body).with_headers(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::CreatePortal;
    use crate::endpoint::{ApiVersion, Endpoint as _};
    use crate::name::PortalName;
    use crate::secret::Secret;

    #[test]
    fn request_keeps_method_path_headers_and_body() {
        let create = CreatePortal::new(PortalName::parse("AcmePortal").unwrap());
        let token = Secret::new("1000.abc");
        let request = create.request(ApiVersion::V8).authorized(&token);
        let request = request.into_http("http://127.0.0.1:8780/zoho/").unwrap();
        assert_eq!(request.method(), HttpMethod::POST);
        assert_eq!(request.uri(), "http://127.0.0.1:8780/zoho/crm/v8/settings/portals");
        assert_eq!(request.headers()["authorization"], "Zoho-oauthtoken 1000.abc");
        assert!(!format!("{request:?}").contains("1000.abc"));
        assert_eq!(request.body(), br#"{"portals":[{"name":"AcmePortal"}]}"#);
    }

    #[test]
    fn invalid_base_url_or_token_is_error() {
        let request = || Request::new(Method::Get, "/crm/v7/org");
        assert!(request().into_http("no url").is_err());
        let token = Secret::new("two\nlines");
        assert!(request().authorized(&token).into_http("http://localhost").is_err());
    }

    #[test]
    fn response_keeps_retry_after_date_and_age() {
        let response = ::http::Response::builder()
            .status(503)
            .header("date", "Wed, 21 Oct 2015 07:28:00 GMT")
            .header("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT")
            .header("age", "5")
            .body("busy")
            .unwrap();
        let response = Response::from(response);
        assert_eq!(response.retry_after.unwrap().as_secs(), 30);
        assert_eq!((response.status, response.is_from_cache), (503, true));
        assert_eq!(response.body, b"busy");
    }

    #[test]
    fn every_line_of_header_counts() {
        let fresh = [("x-cache", "MISS"), ("age", "0"), ("link", "</>; rel=self")];
        let marks =
            [("x-cache", "HIT"), ("age", "7"), ("cache-status", "c; hit"), ("warning", "110 -")];
        let pages = [("link", "</2>; rel = \"next\""), ("link", "</2>; rel*=UTF-8''next")];
        let read = |mark: Option<(&str, &str)>| {
            let mut response = ::http::Response::builder().status(204);
            for (name, value) in fresh.into_iter().chain(mark) {
                response = response.header(name, value);
            }
            let response = Response::from(response.body("").unwrap());
            (response.is_from_cache, response.has_next_page)
        };
        assert_eq!(read(None), (false, false));
        for mark in marks {
            assert_eq!(read(Some(mark)), (true, false), "{mark:?}");
        }
        for page in pages {
            assert_eq!(read(Some(page)), (false, true), "{page:?}");
        }
    }
}
