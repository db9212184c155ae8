package telemetry_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

var since = time.Date(2026, 3, 1, 8, 0, 5, 120e6, time.UTC)

func TestPayloadsAreWhatTheContractSays(t *testing.T) {
	for _, test := range []struct {
		name  string
		value interface{ Encode() ([]byte, error) }
		want  string
	}{
		{"online", telemetry.Status{
			Online: true, Boot: "b1", Epoch: "e1", Seq: 7, Version: "1.0", Root: "ed25519:abc", Since: since, MonoMS: 1500, HeartbeatS: 30,
			Accounts: map[string]string{"pbx": "registered"}, Doors: map[string]telemetry.Door{"front": {Contact: "closed"}}, ClockTrusted: true,
		}, `{"v":1,"online":true,"boot":"b1","epoch":"e1","seq":7,"version":"1.0","root":"ed25519:abc","since":"2026-03-01T08:00:05.12Z","mono_ms":1500,"heartbeat_s":30,"accounts":{"pbx":"registered"},"doors":{"front":{"open":false,"contact":"closed"}},"clock_trusted":true}`},
		{"online and empty", telemetry.Status{Online: true, Boot: "b1", Epoch: "e1"},
			`{"v":1,"online":true,"boot":"b1","epoch":"e1","seq":0,"version":"","root":"","since":"0001-01-01T00:00:00Z","mono_ms":0,"heartbeat_s":0,"accounts":{},"doors":{},"clock_trusted":false}`},
		{"lost", telemetry.Status{Cause: telemetry.CauseLost, Boot: "b1", Epoch: "left out"}, `{"v":1,"online":false,"cause":"lost","boot":"b1"}`},
		{"stopped", telemetry.Status{Cause: telemetry.CauseStopped, Boot: "b1"}, `{"v":1,"online":false,"cause":"stopped","boot":"b1"}`},
		{"event", telemetry.Event{
			Epoch: "e1", Boot: "b1", Seq: 8, Time: since, Trusted: true, MonoMS: 2000, Kind: "access.refused", Door: "front", Why: "expired", Reader: "front-in",
			Credential: "04a1",
		}, `{"v":1,"epoch":"e1","boot":"b1","seq":8,"time":"2026-03-01T08:00:05.12Z","trusted":true,"mono_ms":2000,"kind":"access.refused","door":"front","who":"","why":"expired","reader":"front-in","credential":"04a1"}`},
		{"gap", telemetry.Event{Epoch: "e1", Boot: "b1", Seq: 9, Time: since, Kind: "gap", Gap: &telemetry.Gap{From: 3, To: 9, Count: 7}},
			`{"v":1,"epoch":"e1","boot":"b1","seq":9,"time":"2026-03-01T08:00:05.12Z","trusted":false,"mono_ms":0,"kind":"gap","door":"","who":"","why":"","gap":{"from":3,"to":9,"count":7}}`},
		{"chained", telemetry.Event{
			Epoch: "e1", Boot: "b1", Seq: 9, Time: since, Kind: "door.opened", Prev: "5f1d0c7a92b3e4f60718293a4b5c6d7e", Chain: "c0ffee12d3a4b5968778695a4b3c2d1e",
		}, `{"v":1,"epoch":"e1","boot":"b1","seq":9,"time":"2026-03-01T08:00:05.12Z","trusted":false,"mono_ms":0,"kind":"door.opened","door":"","who":"","why":"","prev":"5f1d0c7a92b3e4f60718293a4b5c6d7e","chain":"c0ffee12d3a4b5968778695a4b3c2d1e"}`},
		{"stored", telemetry.Ack{Epoch: "e1", Seq: 8}, `{"epoch":"e1","seq":8}`},
		{"nothing stored", telemetry.Ack{Epoch: "e1"}, `{"epoch":"e1","seq":0}`},
		{"again", telemetry.Ack{Epoch: "e1", From: 3, To: 5}, `{"epoch":"e1","from":3,"to":5}`},
		{"reply", telemetry.Reply{Number: 4, Result: telemetry.ResultRefused, Why: "too late"}, `{"v":1,"number":4,"result":"refused","why":"too late"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			raw, err := test.value.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if string(raw) != test.want {
				t.Errorf("got  %s\nwant %s", raw, test.want)
			}
			if again := decodeAs(t, test.value, raw); !bytes.Equal(again, raw) {
				t.Errorf("read and written again: %s", again)
			}
		})
	}
}

func decodeAs(t *testing.T, like interface{ Encode() ([]byte, error) }, raw []byte) []byte {
	t.Helper()
	var value interface{ Encode() ([]byte, error) }
	var err error
	switch like.(type) {
	case telemetry.Status:
		value, err = telemetry.DecodeStatus(raw)
	case telemetry.Event:
		value, err = telemetry.DecodeEvent(raw)
	case telemetry.Ack:
		value, err = telemetry.DecodeAck(raw)
	case telemetry.Reply:
		value, err = telemetry.DecodeReply(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := value.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestUnknownMembersAreLeftOut(t *testing.T) {
	event, err := telemetry.DecodeEvent([]byte(`{"v":1,"epoch":"e","seq":1,"kind":"door.opened","time":"2026-03-01T08:00:05Z","later":{"a":[1]}}`))
	if err != nil || event.Kind != "door.opened" {
		t.Errorf("got %+v, %v", event, err)
	}
}

func TestPayloadsWithTwoReadingsAreRefused(t *testing.T) {
	ack := func(raw []byte) error { _, err := telemetry.DecodeAck(raw); return err }
	status := func(raw []byte) error { _, err := telemetry.DecodeStatus(raw); return err }
	event := func(raw []byte) error { _, err := telemetry.DecodeEvent(raw); return err }
	reply := func(raw []byte) error { _, err := telemetry.DecodeReply(raw); return err }
	for _, test := range []struct {
		name   string
		decode func([]byte) error
		raw    string
		want   string
	}{
		{"empty", ack, ``, "too early"},
		{"no object", ack, `[1]`, "not a JSON object"},
		{"cut", ack, `{"epoch":"e","seq":`, "too early"},
		{"two values", ack, `{"epoch":"e","seq":1}{}`, "follows"},
		{"member twice", ack, `{"epoch":"e","seq":1,"seq":9}`, "twice"},
		{"member twice in another case", ack, `{"epoch":"e","seq":1,"Seq":9}`, "twice"},
		{"nested member twice", status, `{"v":1,"online":true,"boot":"b","epoch":"e","accounts":{"a":"1","a":"2"}}`, "twice"},
		{"no UTF-8", ack, "{\"epoch\":\"\xff\",\"seq\":1}", "UTF-8"},
		{"too deep", ack, `{"epoch":"e","seq":1,"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "deeper"},
		{"too large", ack, `{"epoch":"` + strings.Repeat("e", telemetry.AckLimit) + `","seq":1}`, "more than"},
		{"both shapes", ack, `{"epoch":"e","seq":1,"from":1,"to":2}`, "either"},
		{"neither shape", ack, `{"epoch":"e"}`, "either"},
		{"half a range", ack, `{"epoch":"e","from":1}`, "either"},
		{"range from 0", ack, `{"epoch":"e","from":0,"to":2}`, "no range"},
		{"range backward", ack, `{"epoch":"e","from":3,"to":2}`, "no range"},
		{"negative", ack, `{"epoch":"e","seq":-1}`, "cannot"},
		{"fraction", ack, `{"epoch":"e","seq":1.5}`, "cannot"},
		{"too large a number", ack, `{"epoch":"e","seq":18446744073709551616}`, "cannot"},
		{"no epoch", ack, `{"seq":1}`, "epoch is missing"},
		{"newer status", status, `{"v":2,"online":true,"boot":"b","epoch":"e"}`, "version is 2"},
		{"status without version", status, `{"online":true,"boot":"b","epoch":"e"}`, "version is 0"},
		{"status without boot", status, `{"v":1,"online":false,"cause":"lost"}`, "boot"},
		{"offline without cause", status, `{"v":1,"online":false,"boot":"b"}`, "cause"},
		{"online without epoch", status, `{"v":1,"online":true,"boot":"b"}`, "epoch"},
		{"event without kind", event, `{"v":1,"epoch":"e","seq":1}`, "missing"},
		{"event 0", event, `{"v":1,"epoch":"e","seq":0,"kind":"k"}`, "missing"},
		{"event of a newer version", event, `{"v":2,"epoch":"e","seq":1,"kind":"k"}`, "version is 2"},
		{"event with a gap that is none", event, `{"v":1,"epoch":"e","seq":1,"kind":"k","gap":{"from":4,"to":3}}`, "gap"},
		{"event with half a chain", event, `{"v":1,"epoch":"e","seq":1,"kind":"k","chain":"c0ffee12"}`, "32 hexadecimal"},
		{"event with a chain of other letters", event, `{"v":1,"epoch":"e","seq":1,"kind":"k","prev":"C0FFEE12D3A4B5968778695A4B3C2D1E"}`, "32 hexadecimal"},
		{"reply without result", reply, `{"v":1,"number":1}`, "result"},
		{"reply of a newer version", reply, `{"v":3,"number":1,"result":"done"}`, "version is 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.decode([]byte(test.raw))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), "cannot read ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want words with %q", err, test.want)
			}
		})
	}
}

// TestJSONThatMustNotParseIsRefused uses the shared JSONTestSuite.
func TestJSONThatMustNotParseIsRefused(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "shared", "testdata", "json-parsing", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("left out: ../shared/testdata/json-parsing is not there")
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// As a whole payload, and as a member of a good one.
		for _, payload := range [][]byte{raw, append(append([]byte(`{"epoch":"e","seq":1,"x":`), raw...), '}')} {
			_, errAck := telemetry.DecodeAck(payload)
			_, errStatus := telemetry.DecodeStatus(payload)
			_, errEvent := telemetry.DecodeEvent(payload)
			_, errReply := telemetry.DecodeReply(payload)
			if strings.HasPrefix(filepath.Base(file), "n_") && !json.Valid(payload) && (errAck == nil || errStatus == nil || errEvent == nil || errReply == nil) {
				t.Errorf("%s was accepted", filepath.Base(file))
			}
		}
	}
}

func TestTopics(t *testing.T) {
	for topic, want := range map[string]telemetry.Topic{
		telemetry.StatusTopic("villa", "gate"):                                            {Site: "villa", Panel: "gate", Leaf: telemetry.LeafStatus},
		telemetry.EventTopic("villa", "gate"):                                             {Site: "villa", Panel: "gate", Leaf: telemetry.LeafEvent},
		telemetry.AckTopic("villa", "gate"):                                               {Site: "villa", Panel: "gate", Leaf: telemetry.LeafAck},
		telemetry.CommandTopic("villa", "gate"):                                           {Site: "villa", Panel: "gate", Leaf: telemetry.LeafCommand},
		telemetry.ReplyTopic("Čapek 5", "gate"):                                           {Site: "Čapek 5", Panel: "gate", Leaf: telemetry.LeafReply},
		telemetry.DocumentTopic("villa", "gate", telemetry.DocumentGrant, "7"):            {Site: "villa", Panel: "gate", Leaf: telemetry.LeafDocument, Kind: telemetry.DocumentGrant, ID: "7"},
		telemetry.DocumentTopic("villa", "gate", telemetry.DocumentKind("of later"), "7"): {Site: "villa", Panel: "gate", Leaf: telemetry.LeafDocument, Kind: "of later", ID: "7"},
	} {
		got, err := telemetry.ParseTopic(topic)
		if err != nil || got != want || got.String() != topic {
			t.Errorf("%s: got %+v, %v", topic, got, err)
		}
	}
	if got := telemetry.DocumentFilter("villa", "gate"); got != "doorpanel/v1/villa/gate/document/+/+" {
		t.Error(got)
	}
	if got := telemetry.LeafFilter(telemetry.LeafEvent); got != "doorpanel/v1/+/+/event" {
		t.Error(got)
	}
	for _, bad := range []string{
		"", "doorpanel", "doorpanel/v1/villa/gate", "doorpanel/v2/villa/gate/status", "doorpanel/v1//gate/status", "doorpanel/v1/villa/gate/status/x",
		"doorpanel/v1/villa/gate/document/slice", "doorpanel/v1/villa/gate/document/slice/1/2", "doorpanel/v1/+/gate/status", "doorpanel/v1/villa/#/status",
		"doorpanel/v1/villa/gate/other", "doorpanel/v1/villa/ga\x00te/status", "doorpanel/v1/villa/ga\u0085te/status", "doorpanel/v1/villa/\xff/status",
		"doorpanel/v1/villa/" + strings.Repeat("x", 129) + "/status", "doorpanel/v1/villa/\ufffe/status", "doorpanel/v1/villa/\ufdd0/status",
	} {
		if got, err := telemetry.ParseTopic(bad); err == nil {
			t.Errorf("%q was accepted as %+v", bad, got)
		}
	}
}

func newKey(seed byte) (ed25519.PublicKey, func([]byte) ([]byte, error)) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return private.Public().(ed25519.PublicKey), func(message []byte) ([]byte, error) { return ed25519.Sign(private, message), nil }
}

func ring(pub ed25519.PublicKey) func(envelope.KeyID) (ed25519.PublicKey, bool) {
	return func(kid envelope.KeyID) (ed25519.PublicKey, bool) { return pub, kid == envelope.IDOf(pub) }
}

var open = telemetry.Command{Panel: "pqrs", Boot: "b1", DeadlineMS: 30000, Number: 1, Verb: telemetry.VerbOpen, Object: "front"}

func TestCommandIsReadOnlyAsItWasSigned(t *testing.T) {
	pub, sign := newKey(1)
	raw, err := telemetry.SignCommand(open, pub, sign)
	if err != nil {
		t.Fatal(err)
	}
	got, kid, err := telemetry.OpenCommand(raw, ring(pub))
	if err != nil || got != open || kid != envelope.IDOf(pub) {
		t.Fatalf("got %+v by %s, %v", got, kid, err)
	}
	for i := range raw {
		for bit := range 8 {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << bit
			if _, _, err := telemetry.OpenCommand(bad, ring(pub)); err == nil {
				t.Fatalf("accepted with bit %d of byte %d flipped", bit, i)
			}
		}
	}
	stranger, _ := newKey(2)
	if _, _, err := telemetry.OpenCommand(raw, ring(stranger)); !errors.Is(err, envelope.ErrUnknownKey) {
		t.Errorf("by a stranger: %v", err)
	}
	if _, _, err := telemetry.OpenCommand(nil, ring(pub)); !errors.Is(err, envelope.ErrMalformed) {
		t.Errorf("empty: %v", err)
	}
	payload, _, err := envelope.Open(envelope.Command, raw, ring(pub))
	if err != nil {
		t.Fatal(err)
	}
	slice, err := envelope.Sign(envelope.Slice, pub, sign, payload)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := telemetry.OpenCommand(slice, ring(pub)); !errors.Is(err, envelope.ErrForged) {
		t.Errorf("signed as another kind: %v", err)
	}
}

func TestOtherCommandPayloadsAreRefusedThoughSigned(t *testing.T) {
	pub, sign := newKey(1)
	what := map[string]string{"open": "front"}
	good := map[any]any{1: "pqrs", 2: "b1", 3: 30000, 4: 1, 5: what}
	with := func(label, value any) map[any]any {
		changed := map[any]any{}
		for k, v := range good {
			changed[k] = v
		}
		if value == nil {
			delete(changed, label)
		} else {
			changed[label] = value
		}
		return changed
	}
	deterministic, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	payloads := map[string][]byte{
		"no CBOR":           {0xff},
		"no map":            {0x80},
		"something behind":  nil,
		"indefinite length": {0xbf, 0x01, 0x61, 'p', 0xff},
		"member twice":      {0xa2, 0x01, 0x61, 'p', 0x01, 0x61, 'q'},
		"long form number":  nil,
	}
	for name, value := range map[string]any{
		"good":             good,
		"no panel":         with(1, nil),
		"no boot":          with(2, nil),
		"no number":        with(4, nil),
		"number 0":         with(4, 0),
		"nothing asked":    with(5, map[string]string{}),
		"two things asked": with(5, map[string]string{"open": "front", "close": "back"}),
		"no door":          with(5, map[string]string{"open": ""}),
		"an unknown label": with(6, 1),
		"negative":         with(3, -1),
		"text for number":  with(4, "1"),
		"too long":         with(2, strings.Repeat("b", 129)),
		"text label":       with("1", "x"),
		"a tag":            with(1, cbor.Tag{Number: 32, Content: "pqrs"}),
	} {
		raw, err := deterministic.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		payloads[name] = raw
	}
	payloads["something behind"] = append(bytes.Clone(payloads["good"]), 0)
	payloads["long form number"] = bytes.Replace(payloads["good"], []byte{0x04, 0x01, 0x05}, []byte{0x04, 0x18, 0x01, 0x05}, 1)
	for name, payload := range payloads {
		raw, err := envelope.Sign(envelope.Command, pub, sign, payload)
		if err != nil {
			t.Fatal(name, err)
		}
		got, _, err := telemetry.OpenCommand(raw, ring(pub))
		if name == "good" {
			if err != nil || got != open {
				t.Errorf("good: %+v, %v", got, err)
			}
		} else if !errors.Is(err, envelope.ErrMalformed) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestATextOfTheFullLengthIsCarried(t *testing.T) {
	pub, sign := newKey(1)
	for _, text := range []string{"Back at three: ring Müller, 2nd floor", strings.Repeat("門", telemetry.TextLimit)} {
		command := open
		command.Verb, command.Object = telemetry.VerbText, text
		raw, err := telemetry.SignCommand(command, pub, sign)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := telemetry.OpenCommand(raw, ring(pub)); err != nil || got != command {
			t.Errorf("%+v became %+v, %v", command, got, err)
		}
	}
}

func TestSenselessCommandIsNotSigned(t *testing.T) {
	pub, sign := newKey(1)
	for _, change := range []func(*telemetry.Command){
		func(c *telemetry.Command) { c.Panel = "" },
		func(c *telemetry.Command) { c.Boot = "" },
		func(c *telemetry.Command) { c.Number = 0 },
		func(c *telemetry.Command) { c.Verb = "" },
		func(c *telemetry.Command) { c.Object = strings.Repeat("x", 200) },
		func(c *telemetry.Command) {
			c.Verb, c.Object = telemetry.VerbText, strings.Repeat("é", telemetry.TextLimit+1)
		},
		func(c *telemetry.Command) { c.Verb, c.Object = telemetry.VerbText, "two\nlines" },
		func(c *telemetry.Command) { c.Verb, c.Object = telemetry.VerbText, "turned \u202e around" },
		func(c *telemetry.Command) { c.Verb, c.Object = telemetry.VerbText, "bell\a" },
		func(c *telemetry.Command) { c.Verb, c.Object = telemetry.VerbText, "not \xff UTF-8" },
		func(c *telemetry.Command) { c.Verb, c.Object = telemetry.VerbText, "  " },
	} {
		command := open
		change(&command)
		if _, err := telemetry.SignCommand(command, pub, sign); err == nil {
			t.Errorf("signed: %+v", command)
		}
	}
}

func TestPayloadsThatNoReaderAcceptsAreNotWritten(t *testing.T) {
	if _, err := (telemetry.Event{Detail: strings.Repeat("x", telemetry.EventLimit)}).Encode(); err == nil {
		t.Error("an event that is too large was written")
	}
	if _, err := (telemetry.Event{Time: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)}).Encode(); err == nil {
		t.Error("an event of the year 12000 was written")
	}
}

func FuzzJSONPayloads(f *testing.F) {
	for _, seed := range []string{
		`{"v":1,"online":true,"boot":"b","epoch":"e","doors":{"front":{"open":true}}}`, `{"v":1,"online":false,"cause":"lost","boot":"b"}`,
		`{"v":1,"epoch":"e","seq":1,"kind":"k","gap":{"from":1,"to":2,"count":2}}`, `{"epoch":"e","seq":1}`, `{"epoch":"e","from":1,"to":2}`,
		`{"v":1,"number":1,"result":"done"}`, `{"a":[{}]}`, `{`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var read []interface{ Encode() ([]byte, error) }
		if status, err := telemetry.DecodeStatus(raw); err == nil {
			read = append(read, status)
		}
		if event, err := telemetry.DecodeEvent(raw); err == nil {
			read = append(read, event)
		}
		if reply, err := telemetry.DecodeReply(raw); err == nil {
			read = append(read, reply)
		}
		for _, value := range read {
			// Escaping may make it too large, a year of five digits cannot be written.
			if again, err := value.Encode(); err == nil {
				decodeAs(t, value, again)
			}
		}
		if ack, err := telemetry.DecodeAck(raw); err == nil {
			if got, err := telemetry.DecodeAck(must(ack.Encode())); err != nil || got != ack {
				t.Errorf("%+v became %+v, %v", ack, got, err)
			}
		}
	})
}

func must(raw []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return raw
}

func FuzzParseTopic(f *testing.F) {
	for _, seed := range []string{"doorpanel/v1/a/b/status", "doorpanel/v1/a/b/document/slice/1", "doorpanel/v1/+/b/ack", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, topic string) {
		parsed, err := telemetry.ParseTopic(topic)
		if err == nil && (parsed.String() != topic || strings.ContainsAny(topic, "+#\x00")) {
			t.Errorf("%q became %+v", topic, parsed)
		}
	})
}

// FuzzCommandPayload signs what it is given, so that the reader behind the signature is reached.
func FuzzCommandPayload(f *testing.F) {
	pub, sign := newKey(1)
	raw, err := telemetry.SignCommand(open, pub, sign)
	if err != nil {
		f.Fatal(err)
	}
	payload, _, err := envelope.Open(envelope.Command, raw, ring(pub))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte{0xa1, 0x05, 0xa0})
	f.Fuzz(func(t *testing.T, payload []byte) {
		raw, err := envelope.Sign(envelope.Command, pub, sign, payload)
		if err != nil {
			return
		}
		command, _, err := telemetry.OpenCommand(raw, ring(pub))
		if err != nil {
			return
		}
		again, err := telemetry.SignCommand(command, pub, sign)
		if err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%+v has two encodings: %x and %x, %v", command, raw, again, err)
		}
	})
}

func FuzzOpenCommand(f *testing.F) {
	pub, sign := newKey(1)
	f.Add(must(telemetry.SignCommand(open, pub, sign)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _, _ = telemetry.OpenCommand(raw, ring(pub))
	})
}
