// Runs the portals module of an official SDK against a server and prints one JSON object per check.
//
// usage: driver.mjs PACKAGE NAME SCRATCH {with-look-up|without-look-up}, and in the environment PORTAL_API_DOMAIN,
// PORTAL_CLIENT_ID, PORTAL_CLIENT_SECRET and either PORTAL_GRANT_CODE or PORTAL_REFRESH_TOKEN.

import { join } from "node:path";

const [sdkPackage, name, scratch, lookUp] = process.argv.slice(2);
const sdk = await import(sdkPackage);
const { PortalsOperations, BodyWrapper, ActionWrapper, ResponseWrapper } = sdk.Portals;

const { PORTAL_API_DOMAIN: base, PORTAL_CLIENT_ID, PORTAL_CLIENT_SECRET, PORTAL_GRANT_CODE, PORTAL_REFRESH_TOKEN } =
  process.env;

async function signIn(store, withGrant) {
  const builder = new sdk.OAuthBuilder()
    .clientId(PORTAL_CLIENT_ID)
    .clientSecret(PORTAL_CLIENT_SECRET)
    .findUser(lookUp === "with-look-up");
  const token = withGrant(builder).build();
  const initializer = await new sdk.InitializeBuilder();
  await initializer
    .environment(new sdk.Environment(base, `${base}/oauth/v2/token`, base))
    .token(token)
    .store(new sdk.FileStore(join(scratch, store)))
    .resourcePath(scratch)
    .initialize();
  return token;
}

function body(portalName) {
  const portal = new sdk.Portals.Portals();
  if (portalName !== null) portal.setName(portalName);
  const wrapper = new BodyWrapper();
  wrapper.setPortals([portal]);
  return wrapper;
}

function answer(value) {
  const type = value.constructor.name;
  if (type === "SuccessResponse" || type === "APIException") {
    return {
      type,
      code: value.getCode().getValue(),
      status: value.getStatus().getValue(),
      message: value.getMessage(),
      details: Object.fromEntries(value.getDetails()),
    };
  }
  return {
    type,
    name: value.getName(),
    zaid: value.getZaid(),
    active: value.getActive(),
    created_time: value.getCreatedTime().toISOString(),
    modified_time: value.getModifiedTime().toISOString(),
    created_by: [String(value.getCreatedBy().getId()), value.getCreatedBy().getName()],
    modified_by: [String(value.getModifiedBy().getId()), value.getModifiedBy().getName()],
  };
}

function check(what, response) {
  const value = response.getObject();
  const wrapped = value instanceof ActionWrapper || value instanceof ResponseWrapper;
  const answers = wrapped ? value.getPortals() : [value].filter((bare) => bare != null);
  report(what, {
    http_status: response.getStatusCode(),
    shape: wrapped ? "wrapped" : "bare",
    answers: answers.map(answer),
  });
}

function report(what, found) {
  console.log(JSON.stringify({ check: what, ...found }));
}

const token = await signIn("tokens", (builder) =>
  PORTAL_GRANT_CODE ? builder.grantToken(PORTAL_GRANT_CODE) : builder.refreshToken(PORTAL_REFRESH_TOKEN),
);
report("user", { name: token.getUserSignature()?.getName() ?? null });

const portals = new PortalsOperations();
check("list of none", await portals.getPortals());
check("create", await portals.createPortal(body(name)));
check("create again", await portals.createPortal(body(name.toUpperCase())));
check("no letter or digit", await portals.createPortal(body("not-alphanumeric")));
check("too short", await portals.createPortal(body("short")));
check("too long", await portals.createPortal(body("x".repeat(31))));
check("no name", await portals.createPortal(body(null)));
check("rename", await portals.updatePortal(name, body(`${name}2`)));
check("rename unknown", await portals.updatePortal(name, body(`${name}3`)));
check("list", await portals.getPortals());
check("get", await portals.getPortal(`${name}2`));
check("get unknown", await portals.getPortal(name));
try {
  await signIn("refused", (builder) => builder.refreshToken("1000.unknown.unknown"));
  report("unknown refresh token", { error: null });
} catch (refused) {
  report("unknown refresh token", { error: refused.message });
}
