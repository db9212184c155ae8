package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

func TestACommandAsksForOneThing(t *testing.T) {
	v := newVendor(t)
	public, err := envelope.ParseKey(v.must("keygen", "command", "--unencrypted"))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"command", "--key", "command.key", "--panel", "am4wegjdp522mtysv237hfzdvm", "--boot", "9f2c", "--number", "7", "--deadline-ms", "61000", "--json"}
	for _, state := range []string{"on", "off"} {
		var printed struct{ Base64 string }
		if err := json.Unmarshal([]byte(v.must(append(args, "--lockdown", state)...)), &printed); err != nil {
			t.Fatal(err)
		}
		raw, err := base64.StdEncoding.DecodeString(printed.Base64)
		if err != nil {
			t.Fatal(err)
		}
		command, _, err := telemetry.OpenCommand(raw, func(envelope.KeyID) (ed25519.PublicKey, bool) { return public, true })
		if err != nil || command.Verb != telemetry.VerbLockdown || command.Object != state {
			t.Errorf("%s: %+v %v", state, command, err)
		}
	}
	var shown struct{ Base64 string }
	if err := json.Unmarshal([]byte(v.must(append(args, "--text", "Back at three")...)), &shown); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(shown.Base64)
	if err != nil {
		t.Fatal(err)
	}
	if command, _, err := telemetry.OpenCommand(raw, func(envelope.KeyID) (ed25519.PublicKey, bool) { return public, true }); err != nil || command.Object != "Back at three" {
		t.Errorf("%+v %v", command, err)
	}
	for _, wrong := range [][]string{{}, {"--open", "front", "--lockdown", "on"}, {"--lockdown", "maybe"}, {"--text", "a", "--open", "front"}, {"--text", "two\nlines"}} {
		if code, _, _ := v.run("", append(args, wrong...)...); code != 2 {
			t.Errorf("%q: exit code %d", wrong, code)
		}
	}
}
