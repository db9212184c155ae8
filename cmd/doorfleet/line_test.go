package main

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/panel/uplink/uplinktest"
)

// ends makes a connection over a line, and returns both of its ends.
func ends(t *testing.T, l *line) (near, far net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if near, err = l.dial(t.Context(), "tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.remove()
		far.Close()
	})
	return near, far
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// hears tells whether a text arrives at once.
func hears(t *testing.T, c net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	c.SetReadDeadline(time.Now().Add(uplinktest.Deadline))
	defer c.SetReadDeadline(time.Time{})
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Errorf("heard %q, %v; want %q", got, err, text)
	}
}

// silent tells whether nothing is there to be read. What was sent before it would have arrived: both run over this host's memory.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	defer c.SetReadDeadline(time.Time{})
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestWhatIsSentOverACutLineArrivesWhenItIsMended(t *testing.T) {
	l := newLine()
	near, far := ends(t, l)
	send(t, near, "one")
	hears(t, far, "one")
	l.cut()
	l.cut() // its cable and its site's
	send(t, near, "two")
	silent(t, far)
	l.mend()
	silent(t, far)
	l.mend()
	send(t, near, "three")
	hears(t, far, "twothree")
}

func TestAReaderSeesNothingWhileTheLineIsCut(t *testing.T) {
	l := newLine()
	near, far := ends(t, l)
	l.cut()
	send(t, far, "word")
	got := make(chan string, 1)
	go func() {
		b := make([]byte, 4)
		n, _ := io.ReadFull(near, b)
		got <- string(b[:n])
	}()
	select {
	case text := <-got:
		t.Errorf("%q came over a cut line", text)
	case <-time.After(50 * time.Millisecond):
	}
	l.mend()
	select {
	case text := <-got:
		if text != "word" {
			t.Errorf("%q", text)
		}
	case <-time.After(uplinktest.Deadline):
		t.Error("nothing came over a mended line")
	}
}

func TestAGoodbyeOverACutLineIsHeardWhenItIsMended(t *testing.T) {
	l := newLine()
	near, far := ends(t, l)
	reading := make(chan error, 1)
	go func() {
		_, err := near.Read(make([]byte, 1))
		reading <- err
	}()
	l.cut()
	send(t, near, "bye")
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-reading:
		if err == nil {
			t.Error("read from a connection that was closed")
		}
	case <-time.After(uplinktest.Deadline):
		t.Error("a reader stays with a connection that was closed")
	}
	silent(t, far)
	l.mend()
	hears(t, far, "bye")
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the end did not come: %v", err)
	}
}

func TestAPowerCutIsNotHeardOf(t *testing.T) {
	l := newLine()
	near, far := ends(t, l)
	l.powerOff()
	if _, err := io.WriteString(near, "last words"); err != nil {
		t.Fatal(err)
	}
	near.Close()
	silent(t, far)
	l.mend()
	silent(t, far)
}

func TestADialOverACutLineWaitsUntilItIsMended(t *testing.T) {
	l := newLine()
	l.cut()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.dial(ctx, "tcp", "127.0.0.1:1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	go l.mend()
	near, far := ends(t, l)
	send(t, near, "hello")
	hears(t, far, "hello")
}

func TestAFullLineHoldsTheSender(t *testing.T) {
	l := newLine()
	near, _ := ends(t, l)
	l.cut()
	near.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	block := make([]byte, 10<<10)
	var err error
	blocks := 0
	for ; err == nil && blocks < 10; blocks++ {
		_, err = near.Write(block)
	}
	if !isTimeout(err) || blocks != lineBuffer/len(block)+1 {
		t.Errorf("after %d blocks: %v", blocks, err)
	}
}
