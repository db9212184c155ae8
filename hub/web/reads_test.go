package web

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/telemetry"
)

// What is asked about one thing, or by somebody who is nobody yet, must not cost as much as all that the hub keeps.
func TestQuestionsAboutOneThingReadOneThing(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	operator, nobody := as(t, s, f, roles.Operator, millLane, station), client{t, s.Handler(), ""}
	as(t, s, f, roles.Administrator)
	nobody.request("GET", "/", nil)
	reads := func() int { return read(f, func() int { return f.whole }) }
	for _, ask := range []struct {
		c            client
		method, path string
		body         any
		status       int
	}{
		{operator, "GET", "/api/v1/sites/" + millLane, nil, http.StatusOK},
		{operator, "GET", "/api/v1/sites/nothing", nil, http.StatusNotFound},
		{operator, "GET", "/api/v1/sites/" + millLane + "/availability", nil, http.StatusOK},
		{operator, "GET", "/sites/" + millLane, nil, http.StatusOK},
		{operator, "GET", "/api/v1/panels/" + front, nil, http.StatusOK},
		{operator, "GET", "/panels/" + front, nil, http.StatusOK},
		{operator, "GET", "/api/v1/events?site=" + millLane, nil, http.StatusOK},
		{operator, "GET", "/api/v1/deliveries", nil, http.StatusOK},
		{operator, "POST", "/api/v1/panels/" + front + "/orders", object{"verb": "open", "object": "front"}, http.StatusOK},
		{nobody, "GET", "/", nil, http.StatusSeeOther},
		{nobody, "GET", "/login", nil, http.StatusOK},
		{nobody, "GET", "/api/v1/setup", nil, http.StatusOK},
	} {
		before := reads()
		if w := ask.c.request(ask.method, ask.path, ask.body); w.Code != ask.status {
			t.Errorf("%s %s: %d %s", ask.method, ask.path, w.Code, w.Body)
		}
		if n := reads() - before; n != 0 {
			t.Errorf("%s %s reads all sites or all assignments %d times", ask.method, ask.path, n)
		}
	}
	lines := reading(t, operator, serveReal(t, s)+"/api/v1/events/live")
	until(t, lines, ": news of the hub")
	before := reads()
	for i := range 5 {
		f.do(func() {
			f.happen(front, telemetry.Event{Kind: "access.granted", Door: "front", Who: fmt.Sprint("Ada ", i)})
		})
		until(t, lines, fmt.Sprint("Ada ", i))
	}
	if n := reads() - before; n != 0 {
		t.Errorf("five events read all sites or all assignments %d times", n)
	}
}
