// Gets a token with simple-oauth2, as published, and lists portals with the scheme that the token names.
//
// usage: simple_oauth2.mjs, and in the environment PORTAL_API_DOMAIN, PORTAL_CLIENT_ID, PORTAL_CLIENT_SECRET and
// PORTAL_GRANT_CODE or PORTAL_REFRESH_TOKEN.

import { AuthorizationCode } from "simple-oauth2";

const base = process.env.PORTAL_API_DOMAIN;
const client = new AuthorizationCode({
    client: { id: process.env.PORTAL_CLIENT_ID, secret: process.env.PORTAL_CLIENT_SECRET },
    auth: { tokenHost: base, tokenPath: "/oauth/v2/token" },
    // The service takes the secret as a parameter only.
    options: { authorizationMethod: "body" },
});
const code = process.env.PORTAL_GRANT_CODE;
const { token } = code
    ? await client.getToken({ code })
    : await client.createToken({ refresh_token: process.env.PORTAL_REFRESH_TOKEN }).refresh();
const portals = await fetch(`${base}/crm/v8/settings/portals`, {
    headers: { Authorization: `${token.token_type} ${token.access_token}` },
});
console.log(JSON.stringify({ token_type: token.token_type, list: portals.status }));
