package web

import (
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/roles"
)

func TestEveryPageIsDrawn(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	admin := as(t, s, f, roles.Administrator)
	window := admin.request("POST", "/api/v1/pairing", object{"site": millLane})
	if window.Code != 201 {
		t.Fatal(window.Body)
	}
	for path, says := range map[string]string{
		"/": "What is wrong", "/sites/" + millLane: "12 Mill Lane", "/panels/" + front: "Front door", "/pair": "Pair a panel", "/pair/w1": "DH1:", "/events": "Ada Lovelace",
		"/warnings": "open outage", "/warnings/templates": "No contact with a panel", "/settings": "mail.example.org", "/settings/users": "the-administrator",
		"/settings/audit": "pairing", "/health": "panel &lt;b&gt;x&lt;/b&gt; wants to write", "/account": "the-administrator", "/new-site": "Add a site", "/archived": "The archive is empty",
	} {
		if page := admin.want(200, "GET", path, nil); !strings.Contains(page, says) {
			t.Errorf("%s does not say %q: %s", path, says, page)
		}
	}
	operator := as(t, s, f, roles.Operator)
	for _, path := range []string{"/health", "/api/v1/health"} {
		if answer := operator.request("GET", path, nil); answer.Code == 200 && strings.Contains(answer.Body.String(), "wants to write") {
			t.Errorf("%s shows somebody who does not manage the hub what was refused where", path)
		}
	}
}
