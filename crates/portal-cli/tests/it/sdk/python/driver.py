"""Runs the portals module of an official SDK against a server and prints one JSON object per check.

usage: driver.py NAME SCRATCH {with-look-up|without-look-up}, and in the environment PORTAL_API_DOMAIN, PORTAL_CLIENT_ID,
PORTAL_CLIENT_SECRET and either PORTAL_GRANT_CODE or PORTAL_REFRESH_TOKEN.
"""

import json
import os
import sys

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore
from zohocrmsdk.src.com.zoho.crm.api.dc import DataCenter
from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException
from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
from zohocrmsdk.src.com.zoho.crm.api.portals import (
    ActionWrapper,
    APIException,
    BodyWrapper,
    Portals,
    PortalsOperations,
    ResponseWrapper,
    SuccessResponse,
)

name, scratch, look_up = sys.argv[1:]
base = os.environ["PORTAL_API_DOMAIN"]
environment = DataCenter.Environment(base, base + "/oauth/v2/token", base)


def sign_in(store, **grant):
    token = OAuthToken(
        client_id=os.environ["PORTAL_CLIENT_ID"],
        client_secret=os.environ["PORTAL_CLIENT_SECRET"],
        find_user=look_up == "with-look-up",
        **grant,
    )
    store = FileStore(os.path.join(scratch, store))
    Initializer.initialize(environment, token, store=store, resource_path=scratch)
    return token


def body(portal_name):
    portal, wrapper = Portals(), BodyWrapper()
    if portal_name is not None:
        portal.set_name(portal_name)
    wrapper.set_portals([portal])
    return wrapper


def answer(value):
    if isinstance(value, (SuccessResponse, APIException)):
        return {
            "type": type(value).__name__,
            "code": value.get_code().get_value(),
            "status": value.get_status().get_value(),
            "message": value.get_message(),
            "details": value.get_details(),
        }
    return {
        "type": type(value).__name__,
        "name": value.get_name(),
        "zaid": value.get_zaid(),
        "active": value.get_active(),
        "created_time": value.get_created_time().isoformat(),
        "modified_time": value.get_modified_time().isoformat(),
        "created_by": [str(value.get_created_by().get_id()), value.get_created_by().get_name()],
        "modified_by": [str(value.get_modified_by().get_id()), value.get_modified_by().get_name()],
    }


def check(what, response):
    value = response.get_object()
    if isinstance(value, (ActionWrapper, ResponseWrapper)):
        shape, values = "wrapped", value.get_portals()
    else:
        shape, values = "bare", [] if value is None else [value]
    report(what, http_status=response.get_status_code(), shape=shape, answers=[answer(v) for v in values])


def report(what, **found):
    print(json.dumps({"check": what, **found}), flush=True)


if "PORTAL_GRANT_CODE" in os.environ:
    grant = {"grant_token": os.environ["PORTAL_GRANT_CODE"]}
else:
    grant = {"refresh_token": os.environ["PORTAL_REFRESH_TOKEN"]}
user = sign_in("tokens", **grant).get_user_signature()
report("user", name=user and user.get_name())

portals = PortalsOperations()
check("list of none", portals.get_portals())
check("create", portals.create_portal(body(name)))
check("create again", portals.create_portal(body(name.upper())))
check("no letter or digit", portals.create_portal(body("not-alphanumeric")))
check("too short", portals.create_portal(body("short")))
check("too long", portals.create_portal(body("x" * 31)))
check("no name", portals.create_portal(body(None)))
check("rename", portals.update_portal(name, body(name + "2")))
check("rename unknown", portals.update_portal(name, body(name + "3")))
check("list", portals.get_portals())
check("get", portals.get_portal(name + "2"))
check("get unknown", portals.get_portal(name))
try:
    sign_in("refused", refresh_token="1000.unknown.unknown")
    report("unknown refresh token", error=None)
except SDKException as refused:
    report("unknown refresh token", error=str(refused))
