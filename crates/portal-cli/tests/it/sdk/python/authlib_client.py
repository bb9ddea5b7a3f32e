"""Gets a token with authlib, as published, and lists portals with what it sends by default.

usage: authlib_client.py, and in the environment PORTAL_API_DOMAIN, PORTAL_CLIENT_ID, PORTAL_CLIENT_SECRET and
PORTAL_GRANT_CODE or PORTAL_REFRESH_TOKEN.
"""

import json
import os

# The server under test is plain HTTP on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.integrations.requests_client import OAuth2Session

base = os.environ["PORTAL_API_DOMAIN"]
token_url = base + "/oauth/v2/token"
session = OAuth2Session(
    os.environ["PORTAL_CLIENT_ID"],
    os.environ["PORTAL_CLIENT_SECRET"],
    # The service takes the secret as a parameter only.
    token_endpoint_auth_method="client_secret_post",
)
if code := os.environ.get("PORTAL_GRANT_CODE"):
    session.fetch_token(token_url, grant_type="authorization_code", code=code)
else:
    session.refresh_token(token_url, refresh_token=os.environ["PORTAL_REFRESH_TOKEN"])
portals = session.get(base + "/crm/v8/settings/portals")
print(json.dumps({"token_type": session.token["token_type"], "list": portals.status_code}))
