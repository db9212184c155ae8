package telemetry

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// The quick look and the one that explains must agree about everything that is valid JSON.
func agree(t *testing.T, raw []byte) {
	t.Helper()
	if !utf8.Valid(raw) {
		return
	}
	quick, slow := unambiguous(raw), explained(raw)
	if (quick == nil) != (slow == nil) {
		t.Errorf("%.200q: quick %v, slow %v", raw, quick, slow)
	}
}

func TestTheQuickLookSeesWhatTheSlowOneSees(t *testing.T) {
	for _, raw := range []string{
		`{}`, ` { } `, `[]`, `1`, `"a"`, `null`, `{"a":1}`, `{"a":1,"A":2}`, `{"a":1,"\u0061":2}`, `{"a":"\"}","b":[1,"]",{"c":-1.5e3}],"d":true}`,
		`{"a":{"b":1,"b":2}}`, `{"a":[{"b":1,"B":2}]}`, "{\"a\":1\n,\t\"b\" : 2 }", `{"s":1,"ſ":2}`, `{"k":1,"` + "\u212a" + `":2}`, `{"a":1,}`, `{"a":1}}`,
		`{"":1,"":2}`, `{"a":[],"b":{},"c":[[[]]]}`,
		`{"x":` + strings.Repeat("[", 7) + strings.Repeat("]", 7) + `}`, `{"x":` + strings.Repeat("[", 8) + strings.Repeat("]", 8) + `}`,
		`{` + manyNames(100) + `}`, `{` + manyNames(100) + `,"n99":1}`, `{` + manyNames(100) + `,"N3":1}`,
	} {
		agree(t, []byte(raw))
	}
	for _, twice := range []string{`{"s":1,"ſ":2}`, `{"k":1,"` + "\u212a" + `":2}`} {
		if unambiguous([]byte(twice)) == nil {
			t.Errorf("%s has two readings", twice)
		}
	}
	files, _ := filepath.Glob("../../shared/testdata/json-parsing/*.json")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, raw)
		agree(t, append(append([]byte(`{"x":`), raw...), '}'))
	}
}

func manyNames(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, `"n`+string(rune('0'+i/10))+string(rune('0'+i%10))+`":1`)
	}
	return strings.Join(parts, ",")
}

func FuzzUnambiguous(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":1}],"\u0061":"x"}`))
	f.Fuzz(func(t *testing.T, raw []byte) { agree(t, raw) })
}

func BenchmarkDecodeEvent(b *testing.B) {
	raw := []byte(`{"v":1,"epoch":"9f86d081884c7d65","boot":"k3w1","seq":1205,"time":"2026-03-01T08:00:05Z","trusted":true,"mono_ms":86240,"kind":"access.refused","door":"front","who":"","why":"expired","reader":"front-in","prev":"5f1d0c7a92b3e4f60718293a4b5c6d7e","chain":"c0ffee12d3a4b5968778695a4b3c2d1e"}`)
	for b.Loop() {
		if _, err := DecodeEvent(raw); err != nil {
			b.Fatal(err)
		}
	}
}
