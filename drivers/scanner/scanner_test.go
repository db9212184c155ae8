package scanner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// collect is Options that note every text and failure.
func collect(got *[]string) Options {
	return Options{
		Text:   func(text string) { *got = append(*got, text) },
		Failed: func(err error) { *got = append(*got, "failed: "+err.Error()) },
	}
}

func TestTextsEndWithALine(t *testing.T) {
	const long = "failed: cannot read code: it is longer than 4096 bytes"
	for in, want := range map[string][]string{
		"DP1:ABC\r":                             {"DP1:ABC"},
		"DP1:ABC\r\nDP1:DEF\n":                  {"DP1:ABC", "DP1:DEF"},
		"\r\n\r\n":                              nil,
		"DP1:A":                                 nil,
		"\x02DP1:A\x03\r":                       {"DP1:A"},
		strings.Repeat("A", 4096) + "\r":        {strings.Repeat("A", 4096)},
		strings.Repeat("A", 9999) + "\rDP1:B\r": {long, "DP1:B"},
		"caf\xc3\xa9\n":                         {"café"},
	} {
		var got []string
		lines := NewLines(collect(&got))
		for _, c := range []byte(in) {
			lines.Add(c, time.Unix(0, 0))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%.30q: %.80q, want %.80q", in, got, want)
		}
	}
}

func TestAScanThatBrokeOffDoesNotSpoilTheNext(t *testing.T) {
	var got []string
	lines := NewLines(collect(&got))
	now := time.Unix(0, 0)
	for _, part := range []string{"DP1:OLD", "DP1:NEW\r"} {
		for _, c := range []byte(part) {
			lines.Add(c, now)
		}
		now = now.Add(stale + 1)
	}
	if !slices.Equal(got, []string{"DP1:NEW"}) {
		t.Errorf("texts %q", got)
	}
}

// typed is the key events with which a US keyboard types a text.
func typed(t *testing.T, text string) [][2]int {
	t.Helper()
	var events [][2]int
	for _, c := range []byte(text) {
		found := false
		for _, row := range rows {
			if i := strings.IndexByte(row.plain, c); i >= 0 {
				code := int(row.first) + i
				events = append(events, [2]int{code, 1}, [2]int{code, 0})
				found = true
			} else if i := strings.IndexByte(row.shift, c); i >= 0 {
				code := int(row.first) + i
				events = append(events, [2]int{leftShift, 1}, [2]int{code, 1}, [2]int{code, 0}, [2]int{leftShift, 0})
				found = true
			}
			if found {
				break
			}
		}
		if !found {
			t.Fatalf("no key types %q", c)
		}
	}
	return events
}

func play(t *testing.T, events [][2]int) []string {
	t.Helper()
	var got []string
	err := RunKeys(t.Context(), func(_ context.Context, event func(uint16, int32)) error {
		for _, e := range events {
			event(uint16(e[0]), int32(e[1]))
		}
		return nil
	}, collect(&got))
	if err != nil {
		t.Error(err)
	}
	return got
}

func TestEveryCharacterOfACodeCanBeTyped(t *testing.T) {
	const codes = "DP1:0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
	const ascii = `!"#$%&'()*+,-./0123456789:;<=>?@ABCXYZ[\]^_` + "`abcxyz{|}~ "
	for _, text := range []string{codes, ascii} {
		if got := play(t, typed(t, text+"\r")); !slices.Equal(got, []string{text}) {
			t.Errorf("typed %q, read %q", text, got)
		}
	}
}

// Key codes of linux/input-event-codes.h, written out so that the table in rows is checked against something.
func TestKeyCodes(t *testing.T) {
	for code, want := range map[int]string{
		2: "1", 11: "0", 12: "-", 13: "=", 16: "q", 25: "p", 26: "[", 27: "]", 30: "a", 38: "l", 39: ";", 40: "'", 41: "`",
		43: "\\", 44: "z", 50: "m", 51: ",", 52: ".", 53: "/", 55: "*", 57: " ", 71: "7", 74: "-", 78: "+", 82: "0", 83: ".", 98: "/",
	} {
		if got := play(t, [][2]int{{code, 1}, {code, 0}, {96, 1}}); !slices.Equal(got, []string{want}) {
			t.Errorf("code %d types %q, want %q", code, got, want)
		}
	}
}

func TestShiftCapsLockAndLosses(t *testing.T) {
	for name, test := range map[string]struct {
		events [][2]int
		want   []string
	}{
		"caps lock":           {[][2]int{{58, 1}, {58, 0}, {30, 1}, {2, 1}, {58, 1}, {58, 0}, {30, 1}, {28, 1}}, []string{"A1a"}},
		"caps lock and shift": {[][2]int{{58, 1}, {42, 1}, {30, 1}, {2, 1}, {28, 1}}, []string{"a!"}},
		"right shift":         {[][2]int{{54, 1}, {30, 1}, {54, 0}, {30, 1}, {28, 1}}, []string{"Aa"}},
		"repetition":          {[][2]int{{30, 1}, {30, 2}, {30, 0}, {28, 1}}, []string{"a"}},
		"other keys":          {[][2]int{{1, 1}, {15, 1}, {59, 1}, {700, 1}, {30, 1}, {28, 1}}, []string{"a"}},
		"loss":                {[][2]int{{42, 1}, {30, 1}, {0, 0}, {30, 1}, {28, 1}}, []string{"failed: cannot read code: characters were lost; scan it again", "a"}},
		"loss between texts":  {[][2]int{{0, 0}, {30, 1}, {28, 1}}, []string{"a"}},
	} {
		if got := play(t, test.events); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// terminal makes a pair of pseudo terminals: the scanner's end, and the path of ours.
func terminal(t *testing.T) (scanner *os.File, path string) {
	t.Helper()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var failed error
	if err := raw.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			n, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return f, fmt.Sprintf("/dev/pts/%d", n)
}

func TestASerialScannerThatIsUnpluggedIsOpenedAgain(t *testing.T) {
	first, path := terminal(t)
	link := filepath.Join(t.TempDir(), "scanner")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	texts, states := make(chan string, 10), make(chan error, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := Serial{Path: link, State: func(err error) { states <- err }}
	go func() { ended <- s.Run(ctx, Options{Text: func(text string) { texts <- text }}) }()
	next := func(what string, want string) {
		t.Helper()
		var got string
		select {
		case text := <-texts:
			got = text
		case err := <-states:
			got = "works"
			if err != nil {
				got = "broken"
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: nothing happened", what)
		}
		if got != want {
			t.Fatalf("%s: %q, want %q", what, got, want)
		}
	}
	write := func(f *os.File, text string) {
		t.Helper()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	next("opened", "works")
	write(first, "DP1:FIRST\rDP1:BROKEN")
	next("scan", "DP1:FIRST")
	second, path := terminal(t)
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	next("unplugged", "broken")
	for len(states) > 0 {
		<-states
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for {
		err := <-states
		if err == nil {
			break
		}
	}
	write(second, "DP1:SECOND\r\n")
	next("scan after that", "DP1:SECOND")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestASerialLineThatIsNotThereIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := Serial{Path: filepath.Join(t.TempDir(), "none"), State: func(err error) { told++ }}
		if err := s.Run(ctx, Options{}); err != nil {
			t.Error(err)
		}
		if told != 1 {
			t.Errorf("told %d times", told)
		}
	})
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("DP1:ABC\r\n"), []byte{30, 1, 28, 1})
	f.Fuzz(func(t *testing.T, text, keys []byte) {
		check := Options{Text: func(text string) {
			if text == "" || len(text) > MaxText || strings.ContainsAny(text, "\r\n\x00") {
				t.Errorf("text %q", text)
			}
		}}
		lines := NewLines(check)
		for _, c := range text {
			lines.Add(c, time.Unix(0, 0))
		}
		_ = RunKeys(t.Context(), func(_ context.Context, event func(uint16, int32)) error {
			for ; len(keys) >= 2; keys = keys[2:] {
				event(uint16(keys[0]), int32(keys[1]&3))
			}
			return nil
		}, check)
	})
}
