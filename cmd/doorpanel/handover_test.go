package main_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// inhabited is a panel somebody lived with: Anna Rossi, her card, her button and her password.
func inhabited(t *testing.T) *panelProcess {
	t.Helper()
	p, root := accessPanel(t, setting{buttons: button(1, "Reception", "sip:reception@127.0.0.1:9")})
	p.setup()
	p.activate(root.license(t, token(grant(license.Buttons, 4))))
	p.enroll(object{"person": "Anna Rossi", "kind": "card", "uid": "04A1B2C3"})
	p.must(http.StatusOK, "PUT", "/buttons/2", object{"label": "Studio Rossi", "target": "sip:rossi@127.0.0.1:9"})
	p.must(http.StatusOK, "PUT", "/users/rossi", object{"role": "installer", "password": password})
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.cliMust("backup", filepath.Join(t.TempDir(), "panel.tar.gz"))
	return p
}

// checkEmpty looks for the past owner in every byte of the data directory, and for what the next one needs.
func checkEmpty(t *testing.T, p *panelProcess, before string) {
	t.Helper()
	err := filepath.WalkDir(p.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, name := range []string{"Rossi", "rossi", "Anna", "04A1B2C3"} {
			if bytes.Contains(content, []byte(name)) {
				t.Errorf("%s names %s", path, name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p = p.restart()
	if p.id != before {
		t.Errorf("the panel was %s and is %s", before, p.id)
	}
	if got := p.buttons(); got != 5 {
		t.Errorf("%d buttons are usable, want 5: licenses stay", got)
	}
	if first := p.journal()[0]; first.Kind != "system.reset" || first.Who != "" {
		t.Errorf("the journal begins with %v", first)
	}
	p.badge("front-in", "04A1B2C3")
	p.waitEntry("access.refused", "unknown")
	p.input("exit", true)
	p.opens("front")
	p.press(1)
	p.waitText("Calling Reception")
	p.setup() // nobody has a password any more
}

func TestStory16AResetFromThePageForgetsTheOwnerAndKeepsTheLicenses(t *testing.T) {
	t.Parallel()
	p := inhabited(t)
	id := p.id
	other := newSigner(t)
	for _, body := range []object{{"panel": "none"}, {"panel": envelope.NameOf(other.pub)}, {}} {
		if a := p.api("POST", "/reset", body); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d %s", body, a.status, a.body)
		}
	}
	if a := p.page("POST", "/api/v1/reset", object{"panel": id}, p.login("rossi", password)); a.status != http.StatusForbidden {
		t.Errorf("an installer: %d %s", a.status, a.body)
	}
	a := p.page("POST", "/api/v1/reset", object{"panel": id}, p.login("admin", password))
	if a.status != http.StatusAccepted || !strings.Contains(string(a.body), "licenses stay") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("the panel goes on")
	}
	var exit *exec.ExitError
	if !errors.As(p.exit, &exit) || exit.ExitCode() != 3 {
		t.Errorf("it ended with %v, want exit code 3", p.exit)
	}
	checkEmpty(t, p, id)
}

func TestStory16AResetFromTheCommandLineForgetsTheOwnerAndKeepsTheLicenses(t *testing.T) {
	t.Parallel()
	p := inhabited(t)
	id := p.id
	p.stop()
	if s := p.cli("reset"); s.code != 1 || !strings.Contains(s.stderr, "nothing was changed") {
		t.Errorf("without the panel's id: %v", s)
	}
	p = p.restart()
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.stop()
	s := tell(t, []byte(id+"\n"), "reset", "--config", filepath.Join(p.dir, "doorpanel.toml"))
	if s.code != 0 || !strings.Contains(s.out, "The panel is reset") {
		t.Fatal(s)
	}
	checkEmpty(t, p, id)
}

// A kill between the yes and the end of the erasing leaves the marker: the next start goes on.
func TestStory16AResetThatIsKilledEndsAtTheNextStart(t *testing.T) {
	t.Parallel()
	p := inhabited(t)
	id := p.id
	p.stop()
	if err := os.WriteFile(filepath.Join(p.data, "reset.asked"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p = p.restart()
	p.stop()
	checkEmpty(t, p, id)
}
