package main_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/license"
)

// cli runs a command for this panel, whether it runs or not.
func (p *panelProcess) cli(args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	return fails(p.t, append(args, "--config", filepath.Join(p.dir, "doorpanel.toml"))...)
}

// cliMust is cli for a command that must do its work.
func (p *panelProcess) cliMust(args ...string) string {
	p.t.Helper()
	code, stdout, stderr := p.cli(args...)
	if code != 0 {
		p.t.Fatalf("doorpanel %q: exit code %d\n%s%s", args, code, stdout, stderr)
	}
	return stdout
}

func TestLicenseCommandsSayTheSameWithAndWithoutADaemon(t *testing.T) {
	t.Parallel()
	root, stranger := newSigner(t), newSigner(t)
	p := startPanel(t, setting{roots: root.roots()})
	usable := 1
	for _, running := range []bool{true, false} {
		if !running {
			p.stop()
		}
		text := root.license(t, token(grant(license.Buttons, 2)))
		asPNG, asJPEG := pictures(t, root.license(t, token(grant(license.Buttons, 3))))
		file := filepath.Join(p.dir, "license.png")
		if err := os.WriteFile(file, asPNG.raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if said := p.cliMust("license", "add", text); !strings.HasPrefix(said, "activated: ") || !strings.Contains(said, "2 buttons added") {
			t.Errorf("running %v: %q", running, said)
		}
		if said := p.cliMust("license", "add", text); !strings.HasPrefix(said, "already_active: ") {
			t.Errorf("running %v: %q", running, said)
		}
		var said licenseAnswer
		if err := json.Unmarshal([]byte(p.cliMust("license", "add", "--json", file)), &said); err != nil {
			t.Fatal(err)
		}
		usable += 5
		if said.Result != "activated" || said.Entitlements.Buttons != usable {
			t.Errorf("running %v: %+v, want %d buttons", running, said, usable)
		}
		if err := os.WriteFile(file, asJPEG.raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if said := p.cliMust("license", "add", file); !strings.HasPrefix(said, "already_active: ") {
			t.Errorf("running %v: the same code as JPEG: %q", running, said)
		}
		code, stdout, stderr := p.cli("license", "add", stranger.license(t, token(grant(license.Buttons, 9))))
		if code != 1 || stdout != "" || !strings.Contains(stderr, "unknown-issuer: Issuer not known: ") {
			t.Errorf("running %v: a stranger's license: %d %q %q", running, code, stdout, stderr)
		}
		if code, _, stderr := p.cli("license", "add", "DP1:GARBAGE"); code != 1 || !strings.Contains(stderr, "malformed") {
			t.Errorf("running %v: garbage: %d %q", running, code, stderr)
		}
		if running {
			for range 2 {
				p.waitEntry("license.activated", "activated")
			}
			p.waitEntry("license.refused", "unknown-issuer")
			if got := p.buttons(); got != usable {
				t.Errorf("%d buttons are usable, want %d", got, usable)
			}
		}
		var list struct{ Licenses []struct{ Status string } }
		if err := json.Unmarshal([]byte(p.cliMust("license", "list", "--json")), &list); err != nil {
			t.Fatal(err)
		}
		if len(list.Licenses) != (usable-1)/5*2 {
			t.Errorf("running %v: %d licenses are listed", running, len(list.Licenses))
		}
	}
	p = p.restart()
	if got := p.buttons(); got != usable {
		t.Errorf("after a restart %d buttons are usable, want %d", got, usable)
	}
}

func TestPeopleComeFromAListAndABackupBringsThemBack(t *testing.T) {
	t.Parallel()
	p, _ := accessPanel(t, setting{})
	csv := filepath.Join(p.dir, "flats.csv")
	if err := os.WriteFile(csv, []byte("name,note,card,code\nAnna,Flat 1,04A1B2C3,\nBea,Flat 2,,draw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	drawn := p.cliMust("people", "import", csv)
	name, code, ok := strings.Cut(strings.TrimSpace(lastLine(drawn)), ",")
	if !ok || name != "Bea" || len(code) < 4 {
		t.Fatalf("the import says %q, want Bea's code", drawn)
	}
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.keys("front-in", code+"#")
	p.opens("front")
	if list := p.cliMust("people", "export"); !strings.Contains(list, "Anna") || !strings.Contains(list, "Flat 2") || strings.Contains(list, code) || strings.Contains(list, "04A1B2C3") {
		t.Errorf("the export says %q", list)
	}

	backup := filepath.Join(p.dir, "panel.tar.gz")
	p.cliMust("backup", backup)
	var people struct{ People []struct{ ID string } }
	p.must(http.StatusOK, "GET", "/people", nil).into(t, &people)
	for _, who := range people.People {
		p.must(http.StatusNoContent, "DELETE", "/people/"+who.ID, nil)
	}
	p.badge("front-in", "04A1B2C3")
	p.told("refused-unknown", "Not recognized")
	if code, _, stderr := p.cli("restore", backup); code != 1 || !strings.Contains(stderr, "stop") {
		t.Errorf("restore while the panel runs: %d %q", code, stderr)
	}
	p.badge("front-in", "04A1B2C3")
	p.waitTone("refused-unknown")
	before := len(p.journal())
	p.stop()
	p.cliMust("restore", backup)
	p = p.restart()
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.keys("front-in", code+"#")
	p.opens("front")
	if after := len(p.journal()); after <= before {
		t.Errorf("the journal has %d entries after the restore, %d before", after, before)
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func TestJournalIsVerifiedAndExported(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	for range 5 {
		p.badge("front-in", "04DEADBEEF")
		p.waitEntry("access.refused", "")
	}
	if said := p.cliMust("journal", "verify"); !strings.Contains(said, " fit.") {
		t.Errorf("verify says %q", said)
	}
	exported := 0
	lines := bufio.NewScanner(strings.NewReader(p.cliMust("journal", "export")))
	for lines.Scan() {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if exported++; e.Seq != uint64(exported) {
			t.Errorf("line %d is entry %d", exported, e.Seq)
		}
	}
	if want := len(p.journal()); exported != want {
		t.Errorf("%d entries were exported, %d are there", exported, want)
	}
	_, said, _ := p.cli("doctor")
	for line := range strings.Lines(said) {
		// A part that has just begun is not known to work yet.
		if strings.HasPrefix(line, "BAD") && !strings.Contains(line, " is starting") {
			t.Errorf("the doctor finds a healthy panel ill: %s", line)
		}
	}
	if !strings.Contains(said, "daemon runs") {
		t.Errorf("the doctor says %q", said)
	}
	p.stop()
	change(t, lastSegment(t, p.data), func(b []byte) []byte {
		b[len(strings.TrimRight(string(b), "\x00"))/2] ^= 1
		return b
	})
	if code, stdout, stderr := p.cli("journal", "verify"); code != 1 || !strings.Contains(stdout+stderr, "entry") {
		t.Errorf("verify of an edited journal: %d %q %q", code, stdout, stderr)
	}
	if code, said, _ := p.cli("doctor"); code != 1 || !strings.Contains(said, "BAD") {
		t.Errorf("the doctor finds an edited journal healthy: %d\n%s", code, said)
	}
}
