package main_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// vendorDesk is doorlicense as a vendor runs it: another process, and nothing but its files and what it prints.
type vendorDesk struct {
	t            *testing.T
	dir, program string
}

func newVendorDesk(t *testing.T) vendorDesk {
	t.Helper()
	dir := t.TempDir()
	d := vendorDesk{t, dir, filepath.Join(dir, "doorlicense")}
	build := exec.Command("go", "build", "-o", d.program, "../doorlicense")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build doorlicense: %v\n%s", err, out)
	}
	return d
}

func (d vendorDesk) run(args ...string) said {
	d.t.Helper()
	c := exec.Command(d.program, args...)
	var out, stderr strings.Builder
	c.Dir, c.Stdout, c.Stderr = d.dir, &out, &stderr
	if err := c.Run(); c.ProcessState == nil {
		d.t.Fatal(err)
	}
	return said{c.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// must is run for what has to succeed; with --json it fills into.
func (d vendorDesk) must(into any, args ...string) string {
	d.t.Helper()
	s := d.run(args...)
	if s.code != 0 {
		d.t.Fatalf("doorlicense %q: %v", args, s)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(s.out), into); err != nil {
			d.t.Fatalf("doorlicense %q: %v: %v", args, err, s)
		}
	}
	return strings.TrimSpace(s.out)
}

func TestWhatTheVendorsDeskMakesARunningPanelTakes(t *testing.T) {
	t.Parallel()
	desk := newVendorDesk(t)
	broker := startBroker(t)
	up := listen(t, broker)
	var keys [3]signer
	for i, role := range []string{"root", "issuer", "command"} {
		pub, err := envelope.ParseKey(desk.must(nil, "keygen", role, "--unencrypted"))
		if err != nil {
			t.Fatal(err)
		}
		keys[i].pub = pub
	}
	root, issuer := envelope.KeyText(keys[0].pub), envelope.KeyText(keys[1].pub)
	if s := desk.run("keygen", "root", "--unencrypted"); s.code != 1 || s.out != "" {
		t.Errorf("a key was overwritten: %v", s)
	}
	p := startPanel(t, setting{roots: keys[0].roots(), more: uplinkTo(broker, keys[2].pub)})

	type document struct {
		Kind, ID, Text string
		Bytes          int
	}
	var license, delegation, list document
	desk.must(&license, "issue", "--key", "issuer.key", "--grant", "buttons=4", "--panel", p.id, "--label", "Villa Rosa", "--json", "--out", "villa.png")
	if license.Kind != "license" || license.Bytes == 0 || !strings.HasPrefix(license.Text, "DP1:") {
		t.Errorf("%+v", license)
	}
	p.cliFails("unknown-issuer", "license", "add", filepath.Join(desk.dir, "villa.png"))
	if s := desk.run("inspect", "villa.png", "--root", root); s.code != 1 || !strings.Contains(s.out, "unknown-issuer") {
		t.Errorf("the desk and the panel do not agree: %v", s)
	}

	desk.must(&delegation, "delegate", "--key", "root.key", "--issuer", issuer, "--name", "Dealer North", "--ceiling", "buttons=10", "--json")
	p.cliMust("license", "add", delegation.Text)
	var found struct{ Result, Issuer string }
	desk.must(&found, "inspect", "villa.png", "--root", root, "--delegation", delegation.Text, "--panel", p.id, "--json")
	if found.Result != "activated" || found.Issuer != "Dealer North" {
		t.Errorf("%+v", found)
	}
	if out := p.cliMust("license", "add", filepath.Join(desk.dir, "villa.png")); !strings.Contains(out, "4 buttons added") {
		t.Error(out)
	}
	if got := p.buttons(); got != 5 {
		t.Errorf("%d buttons are usable, want 5", got)
	}
	// A drawing of the same text by qr is the same license.
	desk.must(nil, "qr", license.Text, "--out", "again.png", "--level", "H")
	if out := p.cliMust("license", "add", filepath.Join(desk.dir, "again.png")); !strings.HasPrefix(out, "already_active") {
		t.Error(out)
	}
	above := desk.must(nil, "issue", "--key", "issuer.key", "--grant", "buttons=11")
	p.cliFails("at most 10", "license", "add", above)

	desk.must(&list, "revoke", "--key", "root.key", "--license", license.ID, "--json")
	p.cliMust("license", "add", list.Text)
	p.cliFails("revoked: ", "license", "add", license.Text)
	if s := desk.run("inspect", license.Text, "--root", root, "--delegation", delegation.Text, "--revocation", list.Text, "--json"); s.code != 1 || !strings.Contains(s.out, `"result": "revoked"`) {
		t.Error(s)
	}
	if got := p.buttons(); got != 1 {
		t.Errorf("after the revocation %d buttons are usable", got)
	}

	status := up.awaitStatus("online", online)
	order := func(number, boot string) string {
		deadline, err := json.Marshal(up.mono(status) + 20_000)
		if err != nil {
			t.Fatal(err)
		}
		var signed struct {
			Number uint64
			Base64 []byte
		}
		out := desk.must(&signed, "command", "--key", "command.key", "--panel", p.id, "--boot", boot, "--number", number, "--deadline-ms", string(deadline), "--open", "front", "--json")
		if !strings.Contains(out, base64.StdEncoding.EncodeToString(signed.Base64)) || signed.Number == 0 {
			t.Errorf("%s", out)
		}
		return string(signed.Base64)
	}
	topic := telemetry.CommandTopic("e2e", p.id)
	up.wait(up.client.Publish(topic, 1, false, order("1", "0000000000000000")))
	p.waitEntry("access.refused", "other_boot")
	up.wait(up.client.Publish(topic, 1, false, order("2", status.message.Boot)))
	p.opens("front")
	p.must(http.StatusOK, "GET", "/status", nil)

	for _, c := range []struct {
		code int
		args []string
	}{
		{2, []string{"sell"}}, {2, []string{"issue", "--key", "root.key"}}, {2, []string{"command", "--key", "command.key"}},
		{1, []string{"issue", "--key", "none.key", "--grant", "sip"}}, {1, []string{"inspect", "none.png"}}, {1, []string{"revoke", "--key", "none.key", "--license", license.ID}},
	} {
		if s := desk.run(c.args...); s.code != c.code || s.out != "" || !strings.HasPrefix(s.stderr, "doorlicense: ") {
			t.Errorf("doorlicense %q: want exit code %d, not %v", c.args, c.code, s)
		}
	}
	if info, err := os.Stat(filepath.Join(desk.dir, "root.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
}
