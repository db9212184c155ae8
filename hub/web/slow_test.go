package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/roles"
)

// stalled is a browser that neither sends its form to the end nor takes its answer, until it is let go.
type stalled struct {
	*httptest.ResponseRecorder
	begun chan struct{}
	gone  chan struct{}
}

func (s stalled) stop() {
	select {
	case s.begun <- struct{}{}:
	default:
	}
	<-s.gone
}

func (s stalled) Read([]byte) (int, error)    { s.stop(); return 0, errors.New("gone") }
func (s stalled) Write(b []byte) (int, error) { s.stop(); return len(b), nil }

func TestASlowBrowserHoldsUpNobodyElsesEdits(t *testing.T) {
	for name, c := range map[string]struct{ path, form string }{
		"a user's form that never ends":          {"/people/rossi", ""},
		"a group's form that never ends":         {"/groups/harbor/licenses", ""},
		"a user's page that nobody takes":        {"/people/rossi", "step=add"},
		"a user's what-if that nobody takes":     {"/people/rossi", "step=whatif&name=Anna"},
		"a group's page that nobody takes":       {"/groups/harbor/licenses", "step=add"},
		"a group's refusal that nobody takes":    {"/groups/harbor/licenses", "step=save&edition=older&limits.restricted=on&limits.mode=shared"},
		"the form of a new user that never ends": {"/groups/flat-1/people", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newHubFake()
			furnish(f)
			residences(t, f)
			s := newServer(t, f)
			admin := as(t, s, f, roles.Administrator)
			slow := stalled{httptest.NewRecorder(), make(chan struct{}, 1), make(chan struct{})}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				var r *http.Request
				if c.form == "" {
					r = httptest.NewRequest("POST", "http://127.0.0.1:8090"+c.path, slow)
				} else {
					r = posting(c.path, c.form)
				}
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("Authorization", "Bearer "+admin.token)
				admin.handler.ServeHTTP(slow, r)
			}()
			deadline := time.After(20 * time.Second)
			select {
			case <-slow.begun:
			case <-deadline:
				t.Fatal("nothing is asked of the slow browser")
			}
			edited := make(chan int, 1)
			go func() {
				edited <- admin.request("PUT", "/api/v1/sites/"+millLane, object{"name": "12 Mill Lane", "zone": "Europe/London"}).Code
			}()
			select {
			case status := <-edited:
				if status != http.StatusOK {
					t.Errorf("the other edit is answered with %d", status)
				}
			case <-deadline:
				t.Error("another edit waits for the slow browser")
			}
			close(slow.gone)
			<-ended
		})
	}
}

func posting(path, form string) *http.Request {
	return httptest.NewRequest("POST", "http://127.0.0.1:8090"+path, strings.NewReader(form))
}

// The report is read from the store as one; whoever takes it slowly must not hold that reading open.
func TestASlowDownloadOfTheReportHoldsNothingOfTheStore(t *testing.T) {
	for _, path := range []string{"/groups/acme/usage.csv", "/groups/acme/usage.json", "/api/v1/groups/acme/usage", "/api/v1/groups/acme/usage.csv"} {
		f := newHubFake()
		residences(t, f)
		s := newServer(t, f)
		s.o.SpoolDir = t.TempDir()
		admin := as(t, s, f, roles.Administrator)
		slow := stalled{httptest.NewRecorder(), make(chan struct{}, 1), make(chan struct{})}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r := httptest.NewRequest("GET", "http://127.0.0.1:8090"+path, nil)
			r.Header.Set("Authorization", "Bearer "+admin.token)
			admin.handler.ServeHTTP(slow, r)
		}()
		select {
		case <-slow.begun:
		case <-time.After(20 * time.Second):
			t.Fatal("nothing is sent")
		}
		if n := f.tree.looking.Load(); n != 0 {
			t.Errorf("%s: the ledger is looked at %d times while the answer is being sent", path, n)
		}
		if left, err := os.ReadDir(s.o.SpoolDir); err != nil || len(left) != 0 {
			t.Errorf("%s: a file with a name is left: %v, %v", path, left, err)
		}
		close(slow.gone)
		<-ended
		if len(s.spools) != 0 {
			t.Errorf("%s: the place of the answer is not given back", path)
		}
	}
}

func TestLargeAnswersAreBounded(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	s := newServer(t, f)
	admin := as(t, s, f, roles.Administrator)
	for range maxSpools {
		s.spools <- struct{}{}
	}
	for _, path := range []string{"/groups/acme/usage.csv", "/api/v1/groups/acme/usage", "/api/v1/backup"} {
		if w := admin.request("GET", path, nil); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
