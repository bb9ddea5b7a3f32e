"""Creates, lists, gets and renames a portal with the client that was generated as the package `generated`.

Its environment is that of `portal serve -- PROGRAM`. Prints an access token.
"""

import os

from generated import AuthenticatedClient, Client
from generated.api.crm import create_portal, get_org, get_portal, list_portals, rename_portal
from generated.api.server import request_token
from generated.models import PortalNames, TokenRequest

url = os.environ["PORTAL_API_DOMAIN"]
names = lambda name: PortalNames.from_dict({"portals": [{"name": name}]})

request = TokenRequest.from_dict({
    "grant_type": "refresh_token",
    "client_id": os.environ["PORTAL_CLIENT_ID"],
    "client_secret": os.environ["PORTAL_CLIENT_SECRET"],
    "refresh_token": os.environ["PORTAL_REFRESH_TOKEN"],
})
token = request_token.sync(client=Client(url), body=request).access_token
client = AuthenticatedClient(url, token)

for version in "v7", "v8":
    old, new = f"AcmePortal{version}", f"AcmeClients{version}"
    created = create_portal.sync(version, client=client, body=names(old))
    assert created.portals[0].code == "SUCCESS", created
    taken = create_portal.sync(version, client=client, body=names(old))
    assert taken.portals[0].code == "ALREADY_USED", taken
    renamed = rename_portal.sync(version, old, client=client, body=names(new))
    assert renamed.portals[0].details.name == new, renamed
    found = get_portal.sync(version, new, client=client)
    assert found.portals[0].name == new, found
    assert new in [portal.name for portal in list_portals.sync(version, client=client).portals]
assert get_org.sync("v7", client=client).org[0].company_name == "Default org"
print(token)
